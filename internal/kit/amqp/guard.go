package amqp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// DefaultLimit is how large the body of a message may be where nobody says so.
	DefaultLimit = 32 << 20

	// mostHeld is how many bytes of messages are held for a consumer, if it is not a single
	// message. What stands in a header is counted four times, for that is what it takes.
	mostHeld = 64 << 20

	// absurd is the size of a body that no broker has.
	absurd = 1 << 31
)

// Frames, as section 4.2 of AMQP 0-9-1 has them.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8
	frameEnd       = 0xCE

	frameHead = 7    // type, channel and size
	frameRim  = 8    // that and the end
	frameMin  = 4096 // what is allowed before anything is said, and fits each method of a broker
)

// A method is a class and what is said of it.
type method uint32

func methodOf(class, id uint16) method { return method(class)<<16 | method(id) }

// String returns the numbers, as in 60.80.
func (m method) String() string { return fmt.Sprintf("%d.%d", m>>16, m&0xFFFF) }

var (
	connectionStart     = methodOf(10, 10)
	connectionStartOK   = methodOf(10, 11)
	connectionTune      = methodOf(10, 30)
	connectionTuneOK    = methodOf(10, 31)
	connectionOpen      = methodOf(10, 40)
	connectionOpenOK    = methodOf(10, 41)
	connectionClose     = methodOf(10, 50)
	connectionCloseOK   = methodOf(10, 51)
	connectionBlocked   = methodOf(10, 60)
	connectionUnblocked = methodOf(10, 61)
	channelOpen         = methodOf(20, 10)
	channelOpenOK       = methodOf(20, 11)
	channelFlow         = methodOf(20, 20)
	channelClose        = methodOf(20, 40)
	exchangeDeclare     = methodOf(40, 10)
	exchangeDeclareOK   = methodOf(40, 11)
	queueDeclare        = methodOf(50, 10)
	queueDeclareOK      = methodOf(50, 11)
	queueBind           = methodOf(50, 20)
	queueBindOK         = methodOf(50, 21)
	basicQos            = methodOf(60, 10)
	basicQosOK          = methodOf(60, 11)
	basicConsume        = methodOf(60, 20)
	basicConsumeOK      = methodOf(60, 21)
	basicCancel         = methodOf(60, 30)
	basicPublish        = methodOf(60, 40)
	basicReturn         = methodOf(60, 50)
	basicDeliver        = methodOf(60, 60)
	basicAck            = methodOf(60, 80)
	basicReject         = methodOf(60, 90)
	basicNack           = methodOf(60, 120)
	confirmSelect       = methodOf(85, 10)
	confirmSelectOK     = methodOf(85, 11)
)

// heard has the methods that a broker may send with their arguments: 1, 2, 4 and 8 for numbers
// of so many bytes, s for a short text, S for a long one or a table.
var heard = map[method]string{
	connectionStart: "11SSS", connectionTune: "242", connectionOpenOK: "s", connectionClose: "2s22", connectionCloseOK: "",
	connectionBlocked: "s", connectionUnblocked: "",
	channelOpenOK: "S", channelFlow: "1", channelClose: "2s22",
	exchangeDeclareOK: "", queueDeclareOK: "s44", queueBindOK: "",
	basicQosOK: "", basicConsumeOK: "s", basicCancel: "s1", basicReturn: "2sss", basicDeliver: "s81ss", basicAck: "81", basicNack: "81",
	confirmSelectOK: "",
}

// A question is what the broker answers to a method, unless a bit behind some short texts of
// it says that it need not.
type question struct {
	answer method
	texts  int
	bit    byte // 0 is none
}

var questions = map[method]question{
	connectionStartOK: {answer: connectionTune}, connectionOpen: {answer: connectionOpenOK}, connectionClose: {answer: connectionCloseOK},
	channelOpen:     {answer: channelOpenOK},
	exchangeDeclare: {exchangeDeclareOK, 2, 1 << 4}, queueDeclare: {queueDeclareOK, 1, 1 << 4}, queueBind: {queueBindOK, 3, 1},
	basicQos: {answer: basicQosOK}, basicConsume: {basicConsumeOK, 2, 1 << 3},
	confirmSelect: {answer: confirmSelectOK},
}

// A guard is a connection to a broker, of which it hands on what the protocol allows at that
// moment, and ends in front of what it does not. Who is above it believes the broker: that an
// answer was asked for, that a confirm is of a message that was sent, that a method fits into
// its frame, that a body has an end. One reads from a guard and one writes to it.
//
// It follows the frames of both directions and keeps numbers of them alone. Bodies go through
// as they are; those that nobody needs and those that may not be held are left out, as if the
// message had none.
type guard struct {
	net.Conn
	limit uint64 // of a body that is delivered; 0 is none

	// Of the one who reads.
	in     *bufio.Reader
	inside bool   // of a frame
	left   uint64 // bytes of it in front of its end
	omit   bool   // it is left out
	phase  phase
	what   method // that the content is of
	tag    uint64 // of the delivery that it is of
	body   uint64 // bytes that have not come yet
	hidden bool   // they are left out

	// Of the one who writes.
	part [frameHead + longest]byte // of a frame
	has  int                       // bytes of it
	skip uint64                    // bytes that say nothing

	mu       sync.Mutex
	broken   error  // why nothing is read any more
	frame    uint32 // how large one may be
	opened   bool   // the channel
	closed   bool
	asked    [2]method // the answer that a channel waits for; 0 is none
	sent     uint64    // messages
	returned uint64
	first    uint64            // of them that is not confirmed
	words    [most / 64]uint64 // a bit for each from there on that is, in turns
	consumes bool
	prefetch int // 0 is no limit
	open     map[uint64]held
	held     uint64   // bytes
	waiting  []uint64 // deliveries that there was no room for, oldest first
}

// longest is what is looked at of a method that is sent.
const longest = 4 + 2 + 3*(1+short) + 1

// phase is what comes next of a content.
type phase uint8

const (
	noContent phase = iota
	contentHeader
	contentBody
)

// held is what is held of a delivery that has not ended.
type held struct {
	size uint64
	fate fate
}

// fate is what has become of a delivery.
type fate uint8

const (
	gone    fate = iota // it has ended
	whole               // it is there
	tooLong             // its body is beyond the limit and was left out
	noRoom              // its body was left out because of others
)

// newGuard returns a guard of a connection on which nothing was said. Limit is that of the
// bodies of deliveries; 0 is none.
func newGuard(c net.Conn, limit int64) *guard {
	g := &guard{Conn: c, limit: uint64(max(limit, 0)), in: bufio.NewReaderSize(c, frameMin), frame: frameMin, first: 1, open: make(map[uint64]held)}
	g.skip = 8 // the header of the protocol
	g.asked[0] = connectionStart
	return g
}

// why returns how the broker has broken the protocol, or nil.
func (g *guard) why() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.broken
}

// errLater is that the next frame has to come first.
var errLater = errors.New("it has not come yet")

// Read reads what the broker sends, up to where it breaks the protocol.
func (g *guard) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if g.inside && n > 0 && g.in.Buffered() == 0 {
			return n, nil
		}
		switch {
		case !g.inside:
			if err := g.begin(n == 0); err == errLater {
				return n, nil
			} else if err != nil {
				return n, err
			}
		case g.left > 0 && g.omit:
			k, err := g.in.Discard(int(min(g.left, frameMin)))
			if g.left -= uint64(k); err != nil {
				return n, err
			}
		case g.left > 0:
			k, err := g.in.Read(p[n:min(uint64(len(p)), uint64(n)+g.left)])
			n, g.left = n+k, g.left-uint64(k)
			if err != nil {
				return n, err
			}
		default:
			end, err := g.in.ReadByte()
			if err != nil {
				return n, err
			}
			if end != frameEnd {
				return n, g.fault("a frame does not end where it says")
			}
			if g.inside = false; !g.omit {
				p[n] = end
				n++
			}
		}
	}
	return n, nil
}

// peek returns the next bytes, for which it waits if it may.
func (g *guard) peek(n int, wait bool) ([]byte, error) {
	if !wait && g.in.Buffered() < n {
		return nil, errLater
	}
	return g.in.Peek(n)
}

// fault ends the connection, and returns why.
func (g *guard) fault(format string, args ...any) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.broken == nil {
		g.broken = fmt.Errorf("the broker breaks the protocol: "+format, args...)
	}
	return g.broken
}

// begin judges the next frame.
func (g *guard) begin(wait bool) error {
	if err := g.why(); err != nil {
		return err
	}
	b, err := g.peek(frameHead, wait)
	if err != nil {
		return err
	}
	kind, channel, size := b[0], binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint32(b[3:])
	g.mu.Lock()
	limit, closed := g.frame-frameRim, g.closed
	g.mu.Unlock()
	switch {
	case size > limit:
		return g.fault("a frame has %d bytes, and %d are agreed on", size, limit)
	case channel > 1:
		return g.fault("it writes on the channel %d, which is not open", channel)
	case channel == 1 && closed:
		return g.fault("it writes on a channel that it has closed")
	}
	omit := false
	switch kind {
	case frameMethod:
		if size < 4 || size > frameMin-frameRim {
			return g.fault("a method has %d bytes", size)
		}
		if b, err = g.peek(frameHead+int(size), wait); err != nil {
			return err
		}
		if channel == 1 && g.phase != noContent {
			return g.fault("a method comes before the end of a message")
		}
		err = g.method(channel, b[frameHead:])
	case frameHeader:
		if channel != 1 || g.phase != contentHeader || size < 14 {
			return g.fault("the header of a message comes where none can be, or is too short")
		}
		if b, err = g.peek(frameHead+14, wait); err != nil {
			return err
		}
		err = g.header(b[frameHead:], uint64(size))
	case frameBody:
		if channel != 1 || g.phase != contentBody || uint64(size) > g.body {
			return g.fault("a body comes where none can be, or is longer than its message")
		}
		if g.body -= uint64(size); g.body == 0 {
			g.phase = noContent
		}
		omit = g.hidden
	case frameHeartbeat:
		if channel != 0 || size != 0 {
			return g.fault("a heartbeat says something")
		}
	default:
		return g.fault("there is no frame of the type %d", kind)
	}
	if err != nil {
		return err
	}
	g.inside, g.left, g.omit = true, frameHead+uint64(size), omit
	return nil
}

// fields reports whether the arguments of a method are those that the form says.
func fields(form string, b []byte) bool {
	for _, f := range form {
		n := int(f - '0')
		switch {
		case f == 's' && len(b) >= 1:
			n = 1 + int(b[0])
		case f == 'S' && len(b) >= 4:
			n = 4 + int(min(binary.BigEndian.Uint32(b), frameMin))
		case f == 's' || f == 'S':
			return false
		}
		if len(b) < n {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}

// method judges a method of the broker.
func (g *guard) method(channel uint16, b []byte) error {
	m, args := method(binary.BigEndian.Uint32(b)), b[4:]
	form, known := heard[m]
	switch {
	case !known || (m>>16 == 10) != (channel == 0):
		return g.fault("nothing of the kind %s is expected on the channel %d", m, channel)
	case !fields(form, args):
		return g.fault("%s does not fit into its frame", m)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	wrong := func(format string, args ...any) error {
		g.broken = fmt.Errorf("the broker breaks the protocol: "+format, args...)
		return g.broken
	}
	switch {
	case channel == 1 && !g.opened:
		return wrong("it writes on a channel that is not open")
	case m == connectionClose, m == connectionBlocked, m == connectionUnblocked, m == channelFlow:
	case m == channelClose:
		g.closed = true
	case m == basicCancel:
		if !g.consumes {
			return wrong("it ends a subscription that there is not")
		}
		g.consumes = false
	case m == basicReturn:
		if g.returned >= g.sent {
			return wrong("it gives back %d messages, and %d were sent", g.returned+1, g.sent)
		}
		g.returned++
		g.phase, g.what = contentHeader, m
	case m == basicDeliver:
		if !g.consumes {
			return wrong("it delivers to a subscription that there is not")
		}
		g.phase, g.what, g.tag = contentHeader, m, binary.BigEndian.Uint64(args[1+int(args[0]):])
		switch {
		case g.open[g.tag].fate != gone:
			return wrong("it delivers %d twice", g.tag)
		case g.prefetch > 0 && len(g.open) >= g.prefetch:
			return wrong("it delivers more than the %d messages that it may send ahead", g.prefetch)
		}
	case m == basicAck || m == basicNack:
		tag, multiple := binary.BigEndian.Uint64(args), args[8]&1 == 1
		switch {
		case tag == 0 || tag > g.sent:
			return wrong("it confirms the message %d, and %d were sent", tag, g.sent)
		case !g.confirm(tag, multiple):
			return wrong("it confirms the message %d twice", tag)
		}
	case g.asked[channel] == m:
		g.asked[channel] = 0
	default:
		return wrong("it answers %s, which nobody has asked for", m)
	}
	return nil
}

// confirm notes a confirm of a message that was sent, and reports whether it says anything
// new. The caller holds the lock.
func (g *guard) confirm(tag uint64, multiple bool) bool {
	word := func(tag uint64) (*uint64, uint64) { return &g.words[tag/64%uint64(len(g.words))], 1 << (tag % 64) }
	switch {
	case multiple:
		for ; g.first <= tag; g.first++ {
			w, bit := word(g.first)
			*w &^= bit
		}
	case tag < g.first:
		return false
	default:
		w, bit := word(tag)
		if *w&bit != 0 {
			return false
		}
		*w |= bit
	}
	for g.first <= g.sent {
		w, bit := word(g.first)
		if *w&bit == 0 {
			break
		}
		*w &^= bit
		g.first++
	}
	return true
}

// header judges the header of a message, and decides what becomes of its body. What is left out
// is taken from the header. Size is that of the frame's payload.
func (g *guard) header(b []byte, size uint64) error {
	g.body = binary.BigEndian.Uint64(b[4:])
	switch {
	case binary.BigEndian.Uint16(b) != 60:
		return g.fault("the header of a message is not of its class")
	case g.body > absurd:
		return g.fault("a message has %d bytes", g.body)
	}
	if g.what == basicReturn {
		g.hidden = true // who has sent it knows it by its properties
	} else {
		g.hidden = !g.hold(g.body, size)
	}
	if g.hidden {
		clear(b[4:12])
		if g.what == basicDeliver {
			clear(b[12:14]) // nor are there any properties
		}
	}
	if g.phase = contentBody; g.body == 0 {
		g.phase = noContent
	}
	return nil
}

// hold notes a delivery, and reports whether there is room for it.
func (g *guard) hold(body, header uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := held{body + 4*header, whole}
	switch {
	case g.limit > 0 && body > g.limit:
		d = held{body, tooLong}
	case g.held > 0 && g.held+d.size > mostHeld:
		d.fate = noRoom
		g.waiting = append(g.waiting, g.tag)
	default:
		g.held += d.size
	}
	g.open[g.tag] = d
	return d.fate == whole
}

// delivery returns what has become of a delivery, and the size of its body if that was too
// long.
func (g *guard) delivery(tag uint64) (fate, uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.open[tag]
	return d.fate, d.size
}

// room returns the oldest deliveries that there was no room for and now is: the broker is to
// deliver them again. Each is returned once.
func (g *guard) room() (tags []uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for used := g.held; len(g.waiting) > 0; {
		tag := g.waiting[0]
		if used += g.open[tag].size; used > mostHeld && used > g.open[tag].size {
			break
		}
		tags, g.waiting = append(tags, tag), g.waiting[1:]
	}
	return tags
}

// Write writes what was asked above, and gives up when the broker takes nothing for so long as
// patience is.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	g.follow(p)
	g.mu.Unlock()
	if err := g.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	return g.Conn.Write(p)
}

// follow reads the frames that are sent, which are in order. The caller holds the lock.
func (g *guard) follow(p []byte) {
	for len(p) > 0 {
		if g.skip > 0 {
			n := min(g.skip, uint64(len(p)))
			p, g.skip = p[n:], g.skip-n
			continue
		}
		want := frameHead
		if g.has >= frameHead {
			want += g.looked()
		}
		n := copy(g.part[g.has:want], p)
		p, g.has = p[n:], g.has+n
		if g.has < frameHead {
			continue
		}
		size := uint64(binary.BigEndian.Uint32(g.part[3:]))
		seen := g.looked()
		if g.has < frameHead+seen {
			continue
		}
		if seen > 0 {
			g.ask(binary.BigEndian.Uint16(g.part[1:]), g.part[frameHead:g.has])
		}
		g.skip, g.has = size-uint64(seen)+1, 0
	}
}

// looked returns how many bytes of the payload of the frame are looked at.
func (g *guard) looked() int {
	if g.part[0] != frameMethod {
		return 0
	}
	return int(min(binary.BigEndian.Uint32(g.part[3:]), longest))
}

// ask notes a method that is sent. The caller holds the lock.
func (g *guard) ask(channel uint16, b []byte) {
	m, args := method(binary.BigEndian.Uint32(b)), b[4:]
	switch m {
	case connectionTuneOK:
		if n := binary.BigEndian.Uint32(args[2:]); n >= frameMin {
			g.frame = n
		}
	case channelOpen:
		g.opened = true
	case basicQos:
		g.prefetch = int(binary.BigEndian.Uint16(args[4:]))
	case basicConsume:
		g.consumes = true
	case basicPublish:
		g.sent++
	case basicAck, basicReject, basicNack:
		tag := binary.BigEndian.Uint64(args)
		if d := g.open[tag]; d.fate == whole {
			g.held -= d.size
		}
		delete(g.open, tag)
	}
	if q, asks := questions[m]; asks && int(channel) < len(g.asked) && !q.unanswered(args) {
		g.asked[channel] = q.answer
	}
}

// unanswered reports whether the arguments say that no answer is wanted.
func (q question) unanswered(args []byte) bool {
	if q.bit == 0 {
		return false
	}
	args = args[2:]
	for range q.texts {
		args = args[1+int(args[0]):]
	}
	return args[0]&q.bit != 0
}
