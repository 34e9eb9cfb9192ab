package amqp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// absurd is the size of a body that no broker has.
const absurd = 1 << 31

// What of the header of a message is read; the library reads no more.
const (
	mostValues = 8192
	mostDepth  = 32
)

// mostSpare is how many messages a consumer may get beyond those that it has asked for, of which
// bodies are left out: a stream sends all that it has stored together.
const mostSpare = 8192

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
	basicCancelOK       = methodOf(60, 31)
	basicPublish        = methodOf(60, 40)
	basicReturn         = methodOf(60, 50)
	basicDeliver        = methodOf(60, 60)
	basicGet            = methodOf(60, 70)
	basicGetOK          = methodOf(60, 71)
	basicGetEmpty       = methodOf(60, 72)
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
	basicQosOK: "", basicConsumeOK: "s", basicCancel: "s1", basicCancelOK: "s", basicReturn: "2sss", basicDeliver: "s81ss",
	basicGetOK: "81ss4", basicGetEmpty: "s", basicAck: "81", basicNack: "81",
	confirmSelectOK: "",
}

// A question is what the broker answers to a method, unless a bit behind some arguments of it
// says that it need not. That of basicGet has two, and may be asked before it is answered.
type question struct {
	answer method
	form   string // of the arguments in front of the bit
	bit    byte   // 0 is none
}

var questions = map[method]question{
	connectionStartOK: {answer: connectionTune}, connectionOpen: {answer: connectionOpenOK}, connectionClose: {answer: connectionCloseOK},
	channelOpen:     {answer: channelOpenOK},
	exchangeDeclare: {exchangeDeclareOK, "2ss", 1 << 4}, queueDeclare: {queueDeclareOK, "2s", 1 << 4}, queueBind: {queueBindOK, "2sss", 1},
	basicQos: {answer: basicQosOK}, basicConsume: {basicConsumeOK, "2ss", 1 << 3}, basicCancel: {basicCancelOK, "s", 1},
	confirmSelect: {answer: confirmSelectOK},
}

// A guard is a connection to a broker, of which it hands on what the protocol allows at that
// moment, and ends in front of what it does not. Who is above it believes the broker: that an
// answer was asked for, that a confirm is of a message that was sent, that a method fits into
// its frame, that a body has an end. One reads from a guard and one writes to it.
//
// It follows the frames of both directions and keeps numbers of them alone. Bodies go through
// as they are; those that nobody needs and those that may not be held are left out, as if the
// message had none, and so is a header that the library would not read, for which it would end
// the connection, again and again, since the message comes again. [guard.unfit] says which.
type guard struct {
	net.Conn
	limit uint64 // of a body that is received; 0 is none

	// Of the one who reads.
	in     *bufio.Reader
	ready  []byte // what is handed on before anything that comes
	inside bool   // of a frame
	left   uint64 // bytes of it in front of its end
	way    way    // that it takes
	header []byte // of a message, that is gathered
	size   uint64 // of its payload as it comes
	phase  phase
	what   method // that the content is of
	tag    uint64 // of the delivery that it is of
	spare  bool   // which nobody has asked for
	body   uint64 // bytes that have not come yet
	hidden bool   // they are left out

	// Of the one who writes.
	part [frameHead + longest]byte // of a frame
	has  int                       // bytes of it
	skip uint64                    // bytes that say nothing

	mu        sync.Mutex
	broken    error  // why nothing is read any more
	frame     uint32 // how large one may be
	opened    bool   // the channel
	closed    bool
	asked     [2]method // the answer that a channel waits for; 0 is none
	gets      int       // messages that were asked for
	sent      uint64    // messages
	returned  uint64
	first     uint64            // of them that is not confirmed
	words     [most / 64]uint64 // a bit for each from there on that is, in turns
	prefetch  int
	consumers map[string]*consumer // by their tags
	open      map[uint64]open      // deliveries that have not ended, by their tags
}

// way is what becomes of the bytes of a frame.
type way uint8

const (
	passes  way = iota // they are handed on
	gathers            // they are the header of a message, which is judged when it is there
	drops
)

// A consumer counts what was delivered to it and has not ended.
type consumer struct{ open int }

// open is a delivery that has not ended.
type open struct {
	of    *consumer // nil if it was asked for
	unfit error
}

// beat is a heartbeat, which takes the place of what is left out: the library wants to hear
// something now and then.
var beat = []byte{frameHeartbeat, 0, 0, 0, 0, 0, 0, frameEnd}

// longest is what is looked at of a method that is sent.
const longest = 4 + 2 + 3*(1+short) + 1

// phase is what comes next of a content.
type phase uint8

const (
	noContent phase = iota
	contentHeader
	contentBody
)

// newGuard returns a guard of a connection on which nothing was said. Limit is that of the
// bodies that are received; 0 is none.
func newGuard(c net.Conn, limit int64) *guard {
	g := &guard{Conn: c, limit: uint64(max(limit, 0)), in: bufio.NewReaderSize(c, frameMin), frame: frameMin, first: 1,
		consumers: make(map[string]*consumer), open: make(map[uint64]open)}
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
		if len(g.ready) > 0 {
			k := copy(p[n:], g.ready)
			n, g.ready = n+k, g.ready[k:]
			continue
		}
		if g.inside && n > 0 && g.in.Buffered() == 0 {
			return n, nil
		}
		var k int
		switch {
		case !g.inside:
			if err = g.begin(n == 0); err == errLater {
				return n, nil
			}
		case g.left > 0 && g.way == drops:
			k, err = g.in.Discard(int(min(g.left, frameMin)))
			g.left -= uint64(k)
		case g.left > 0 && g.way == gathers:
			k, err = g.in.Read(g.header[uint64(len(g.header))-g.left:])
			g.left -= uint64(k)
		case g.left > 0:
			k, err = g.in.Read(p[n:min(uint64(len(p)), uint64(n)+g.left)])
			n, g.left = n+k, g.left-uint64(k)
		case g.way == gathers:
			err = g.judge()
			g.left, g.way = frameHead+g.size-uint64(len(g.header)), drops
		default:
			err = g.end(p, &n)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// end reads the end of a frame, and hands it on if the frame is.
func (g *guard) end(p []byte, n *int) error {
	end, err := g.in.ReadByte()
	switch {
	case err != nil:
		return err
	case end != frameEnd:
		return g.fault("a frame does not end where it says")
	}
	if g.inside = false; g.way == passes {
		p[*n] = end
		*n++
	}
	return nil
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
	case size > limit && kind != frameHeader: // to which a broker may add
		return g.fault("a frame has %d bytes, and %d are agreed on", size, limit)
	case channel > 1:
		return g.fault("it writes on the channel %d, which is not open", channel)
	case channel == 1 && closed:
		return g.fault("it writes on a channel that it has closed")
	}
	g.left, g.way = frameHead+uint64(size), passes
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
		if err := g.method(channel, b[frameHead:]); err != nil {
			return err
		}
	case frameHeader:
		if channel != 1 || g.phase != contentHeader || size < 14 {
			return g.fault("the header of a message comes where none can be, or is too short")
		}
		if g.way, g.size = gathers, uint64(size); size > limit {
			g.left = frameHead + leastHeader
		}
		g.header = append(g.header[:0], make([]byte, g.left)...)
	case frameBody:
		if channel != 1 || g.phase != contentBody || uint64(size) > g.body {
			return g.fault("a body comes where none can be, or is longer than its message")
		}
		if g.body -= uint64(size); g.body == 0 {
			g.phase = noContent
		}
		if g.hidden {
			g.ready, g.way = beat, drops
		}
	case frameHeartbeat:
		if channel != 0 || size != 0 {
			return g.fault("a heartbeat says something")
		}
	default:
		return g.fault("there is no frame of the type %d", kind)
	}
	g.inside = true
	return nil
}

// behind returns what stands behind an argument, and false if that has no end.
func behind(form rune, b []byte) (rest []byte, ok bool) {
	n := uint64(form - '0')
	switch {
	case form == 's' && len(b) >= 1:
		n = 1 + uint64(b[0])
	case form == 'S' && len(b) >= 4:
		n = 4 + uint64(binary.BigEndian.Uint32(b))
	case form == 's' || form == 'S':
		return nil, false
	}
	if n > uint64(len(b)) {
		return nil, false
	}
	return b[n:], true
}

// fields reports whether the arguments of a method are those that the form says.
func fields(form string, b []byte) bool {
	for _, f := range form {
		var ok bool
		if b, ok = behind(f, b); !ok {
			return false
		}
	}
	return len(b) == 0
}

// forms are those of the values of tables, by their types, but for tables and arrays.
var forms = map[byte]rune{
	't': '1', 'b': '1', 'B': '1', 's': '2', 'u': '2', 'I': '4', 'i': '4', 'f': '4', 'l': '8', 'd': '8', 'T': '8', 'D': '5', 'S': 'S', 'x': 'S', 'V': '0',
}

// properties reports whether b is flags and properties of a message, as section 4.2.6.1 has them,
// that are no more and no deeper than is read.
func properties(b []byte) bool {
	flags, left := binary.BigEndian.Uint16(b), mostValues
	if flags&1 != 0 {
		return false // there are more flags, which nobody knows
	}
	b = b[2:]
	for i, f := range "ssS11ssss8ssss" {
		if flags&(1<<15>>i) == 0 {
			continue
		}
		rest, ok := behind(f, b)
		if !ok || f == 'S' && !values(b[4:len(b)-len(rest)], true, 0, &left) {
			return false
		}
		b = rest
	}
	return true
}

// values reports whether b is the values of an array, or with their names those of a table, at
// this depth, of which so many are left.
func values(b []byte, named bool, depth int, left *int) (ok bool) {
	if depth > mostDepth {
		return false
	}
	for len(b) > 0 {
		if *left--; *left < 0 {
			return false
		}
		if named {
			if b, ok = behind('s', b); !ok || len(b) == 0 {
				return false
			}
		}
		kind := b[0]
		form, known := forms[kind]
		nests := kind == 'F' || kind == 'A'
		if nests {
			form = 'S'
		}
		rest, ok := behind(form, b[1:])
		if !ok || !known && !nests || nests && !values(b[5:len(b)-len(rest)], kind == 'F', depth+1, left) {
			return false
		}
		b = rest
	}
	return true
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
		delete(g.consumers, shortText(args))
	case m == basicReturn:
		if g.returned >= g.sent {
			return wrong("it gives back %d messages, and %d were sent", g.returned+1, g.sent)
		}
		g.returned++
		g.phase, g.what = contentHeader, m
	case m == basicDeliver:
		c, tag := g.consumers[shortText(args)], binary.BigEndian.Uint64(args[1+int(args[0]):])
		if g.phase, g.what, g.tag = contentHeader, m, tag; c == nil {
			g.spare = true // of a stream, of which the consumer has had enough; the library drops it
			break
		}
		switch _, twice := g.open[tag]; {
		case twice:
			return wrong("it delivers %d twice", tag)
		case c.open >= g.prefetch+mostSpare:
			return wrong("it delivers %d messages that nobody has asked for", mostSpare+1)
		}
		g.spare = c.open >= g.prefetch
		c.open++
		g.open[tag] = open{of: c}
	case (m == basicGetOK || m == basicGetEmpty) && g.gets > 0:
		if g.gets--; m == basicGetOK {
			g.phase, g.what, g.tag, g.spare = contentHeader, m, binary.BigEndian.Uint64(args), false
			g.open[g.tag] = open{}
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
		if g.asked[channel] = 0; m == basicCancelOK {
			delete(g.consumers, shortText(args))
		}
	default:
		return wrong("it answers %s, which nobody has asked for", m)
	}
	return nil
}

// shortText returns the short text that arguments begin with.
func shortText(args []byte) string { return string(args[1 : 1+int(args[0])]) }

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

// leastHeader is what stands in each header of a message: its class, nothing, the size of its body,
// and flags.
const leastHeader = 2 + 2 + 8 + 2

// judge judges the header of a message that is gathered, and makes ready what of it is handed on.
func (g *guard) judge() error {
	b := g.header[frameHead:]
	g.body = binary.BigEndian.Uint64(b[4:])
	readable := uint64(len(b)) == g.size && properties(b[12:])
	var unfit error
	switch {
	case binary.BigEndian.Uint16(b) != 60:
		return g.fault("the header of a message is not of its class")
	case g.body > absurd:
		return g.fault("a message has %d bytes", g.body)
	case g.what == basicReturn && !readable:
		return g.fault("the header of a message that it gives back cannot be read")
	case g.what == basicReturn:
	case !readable:
		unfit = &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "the header of the message cannot be read",
			Err: fmt.Errorf("the header of the message, of %d bytes, has more than %d values, is deeper than %d tables, or larger than a frame", g.size, mostValues, mostDepth)}
		b = b[:leastHeader]
		clear(b[12:])
		binary.BigEndian.PutUint32(g.header[3:], leastHeader)
	case g.spare:
		unfit = gateway.Away(errors.New("the broker has sent a message that nobody has asked for"))
	case g.limit > 0 && g.body > g.limit:
		unfit = &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the message is too large",
			Err: fmt.Errorf("the message has %d bytes, and the limit is %d", g.body, g.limit)}
	}
	if g.phase = contentBody; g.body == 0 {
		g.phase = noContent
	}
	if g.hidden = unfit != nil || g.what == basicReturn; g.hidden { // who has sent a message knows it by its properties
		clear(b[4:12])
	}
	if unfit != nil {
		g.mu.Lock()
		if d, known := g.open[g.tag]; known {
			d.unfit = unfit
			g.open[g.tag] = d
		}
		g.mu.Unlock()
	}
	g.ready = append(g.header[:frameHead+len(b)], frameEnd)
	return nil
}

// unfit returns why something of a delivery was left out, or nil.
func (g *guard) unfit(tag uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open[tag].unfit
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
		queue := args[2:]
		g.consumers[shortText(queue[1+int(queue[0]):])] = new(consumer)
	case basicCancel:
		if questions[m].unanswered(args) {
			delete(g.consumers, shortText(args))
		}
	case basicGet:
		g.gets++
	case basicPublish:
		g.sent++
	case basicAck, basicReject, basicNack:
		tag := binary.BigEndian.Uint64(args)
		if d := g.open[tag]; d.of != nil {
			d.of.open--
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
	for _, f := range q.form {
		args, _ = behind(f, args)
	}
	return args[0]&q.bit != 0
}
