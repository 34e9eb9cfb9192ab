package amqp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/kit/amqp"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// frame returns a frame of AMQP.
func frame(kind byte, channel uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, channel)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, payload...), 0xCE)
}

// say returns the frame of a method. Arguments are numbers of their size, texts, and tables or
// long texts as []byte.
func say(channel, class, id uint16, args ...any) []byte {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, class), id)
	for _, a := range args {
		switch a := a.(type) {
		case string:
			b = append(append(b, byte(len(a))), a...)
		case []byte:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(a))), a...)
		default:
			b, _ = binary.Append(b, binary.BigEndian, a)
		}
	}
	return frame(1, channel, b)
}

// head returns the frame of the header of a message without properties.
func head(size uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, size)
	return frame(2, 1, append(b, 0, 0))
}

// A liar is a broker that does what one does, over TCP, until a method comes that it has
// something else to say behind, or in the place of its answer.
type liar struct {
	address string
	conns   atomic.Int32
	l       net.Listener
	wg      sync.WaitGroup

	// lie is asked before each answer, with the number of the connection, from 1, and the
	// class and the method that came, or 60, 0 for a message that is whole; what it returns is
	// sent instead. Nil is the truth.
	lie func(conn int, class, id uint16, args []byte, c io.Writer) bool
}

func newLiar(t testing.TB, lie func(conn int, class, id uint16, args []byte, c io.Writer) bool) *liar {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &liar{address: l.Addr().String(), l: l, lie: lie}
	var mu sync.Mutex
	var open []net.Conn
	b.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			b.wg.Go(func() {
				defer c.Close()
				b.serve(c, int(b.conns.Add(1)))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		b.wg.Wait()
	})
	return b
}

func (b *liar) url() string { return "amqp://guest:guest@" + b.address + "/" }

// Tag is that of the subscription that a method asks for.
func tag(args []byte) string {
	args = args[2:]
	args = args[1+int(args[0]):]
	return string(args[1 : 1+int(args[0])])
}

func (b *liar) serve(c net.Conn, n int) {
	io.ReadFull(c, make([]byte, 8))
	if !b.lie(n, 0, 0, nil, c) {
		c.Write(say(0, 10, 10, uint8(0), uint8(9), []byte("\x0ccapabilitiesF\x00\x00\x00\x15\x12publisher_confirmst\x01"), []byte("PLAIN"), []byte("en_US")))
	}
	published := uint64(0)
	left := uint64(0)
	for {
		h := make([]byte, 7)
		if _, err := io.ReadFull(c, h); err != nil {
			return
		}
		p := make([]byte, binary.BigEndian.Uint32(h[3:])+1)
		if _, err := io.ReadFull(c, p); err != nil {
			return
		}
		class, id := uint16(60), uint16(0)
		switch h[0] {
		case 1:
			class, id = binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:])
			p = p[4 : len(p)-1]
		case 2:
			if left = binary.BigEndian.Uint64(p[4:]); left > 0 {
				continue
			}
		case 3:
			if left -= uint64(len(p) - 1); left > 0 {
				continue
			}
		default:
			continue
		}
		if class == 60 && id == 0 {
			published++
		}
		if b.lie(n, class, id, p, c) {
			continue
		}
		switch [2]uint16{class, id} {
		case [2]uint16{10, 11}:
			c.Write(say(0, 10, 30, uint16(2047), uint32(131072), uint16(60)))
		case [2]uint16{10, 40}:
			c.Write(say(0, 10, 41, ""))
		case [2]uint16{10, 50}:
			c.Write(say(0, 10, 51))
			return
		case [2]uint16{20, 10}:
			c.Write(say(1, 20, 11, []byte{}))
		case [2]uint16{40, 10}, [2]uint16{50, 20}, [2]uint16{60, 10}, [2]uint16{85, 10}:
			c.Write(say(1, class, id+1))
		case [2]uint16{50, 10}:
			c.Write(say(1, 50, 11, "q", uint32(0), uint32(0)))
		case [2]uint16{60, 20}:
			c.Write(say(1, 60, 21, tag(p)))
		case [2]uint16{60, 0}:
			c.Write(say(1, 60, 80, published, uint8(0)))
		}
	}
}

// deliver returns a message that goes to a subscription.
func deliver(to string, tag, size uint64, bodies ...[]byte) []byte {
	out := append(say(1, 60, 60, to, tag, uint8(0), "e", "k"), head(size)...)
	for _, b := range bodies {
		out = append(out, frame(3, 1, b)...)
	}
	return out
}

// TestLiar: what a broker says against the protocol ends its connection, with a cause that the
// log has, and the next one is as good as the broker is.
func TestLiar(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 131_064)
	var check []func() // when all brokers have lied, for each is away for a second
	for _, tt := range []struct {
		name  string
		says  func(to string) []byte
		cause string
	}{
		{"confirms all there can be", func(string) []byte { return say(1, 60, 80, uint64(1<<64-1), uint8(1)) }, "it confirms the message 18446744073709551615, and 0 were sent"},
		{"confirms many", func(string) []byte { return say(1, 60, 80, uint64(1<<40), uint8(1)) }, "it confirms the message 1099511627776, and 0 were sent"},
		{"refuses many", func(string) []byte { return say(1, 60, 120, uint64(1<<40), uint8(1)) }, "it confirms the message 1099511627776, and 0 were sent"},
		{"confirms nothing", func(string) []byte { return say(1, 60, 80, uint64(0), uint8(1)) }, "it confirms the message 0"},
		{"answers unasked", func(string) []byte { return say(1, 50, 11, "q", uint32(0), uint32(0)) }, "it answers 50.11, which nobody has asked for"},
		{"answers the connection unasked", func(string) []byte { return say(0, 10, 41, "") }, "it answers 10.41"},
		{"asks", func(string) []byte { return say(0, 10, 20, []byte("who?")) }, "nothing of the kind 10.20"},
		{"is a client", func(string) []byte { return say(1, 60, 40, uint16(0), "e", "k", uint8(0)) }, "nothing of the kind 60.40"},
		{"returns what was not sent", func(string) []byte { return say(1, 60, 50, uint16(312), "NO_ROUTE", "e", "k") }, "it gives back 1 messages, and 0 were sent"},
		{"has a text without end", func(string) []byte { return frame(1, 0, []byte{0, 10, 0, 60, 200, 'x'}) }, "10.60 does not fit into its frame"},
		{"has more than a method", func(string) []byte { return frame(1, 0, []byte{0, 10, 0, 61, 0}) }, "10.61 does not fit into its frame"},
		{"has a large frame", func(string) []byte { return append([]byte{3, 0, 1, 0xff, 0xff, 0xff, 0xf0}, long...) }, "a frame has 4294967280 bytes, and 131064 are agreed on"},
		{"has a frame without end", func(string) []byte { return append(say(0, 10, 61)[:11], 0) }, "a frame does not end where it says"},
		{"has a heart that says something", func(string) []byte { return frame(8, 0, []byte("x")) }, "a heartbeat says something"},
		{"has a heart in a channel", func(string) []byte { return frame(8, 1, nil) }, "a heartbeat says something"},
		{"has a frame of its own", func(string) []byte { return frame(4, 0, nil) }, "there is no frame of the type 4"},
		{"has a channel of its own", func(string) []byte { return say(7, 60, 80, uint64(1), uint8(0)) }, "it writes on the channel 7"},
		{"talks behind the end", func(string) []byte {
			return append(say(1, 20, 40, uint16(406), "no", uint16(0), uint16(0)), say(1, 60, 80, uint64(1), uint8(0))...)
		}, "it writes on a channel that it has closed"},
		{"has a body of nothing", func(string) []byte { return frame(3, 1, long) }, "a body comes where none can be"},
		{"has a header of nothing", func(string) []byte { return head(5) }, "the header of a message comes where none can be"},
		{"delivers without end", func(to string) []byte { return deliver(to, 1, 1<<62, long, long) }, "a message has 4611686018427387904 bytes"},
		{"delivers a longer body", func(to string) []byte { return deliver(to, 1, 5, []byte("sixsix")) }, "a body comes where none can be, or is longer than its message"},
		{"breaks off", func(to string) []byte { return append(deliver(to, 1, 5, []byte("si")), deliver(to, 2, 0)...) }, "a method comes before the end of a message"},
		{"gives what nobody has asked for", func(string) []byte { return say(1, 60, 71, uint64(1), uint8(0), "e", "k", uint32(0)) }, "it answers 60.71, which nobody has asked for"},
		{"has nothing for nobody", func(string) []byte { return say(1, 60, 72, "") }, "it answers 60.72, which nobody has asked for"},
		{"ends nothing", func(string) []byte { return say(1, 60, 31, "x") }, "it answers 60.31, which nobody has asked for"},
	} {
		for _, subscribes := range []bool{false, true} {
			b := newLiar(t, func(conn int, class, id uint16, args []byte, c io.Writer) bool {
				switch {
				case conn == 1 && class == 85 && id == 10:
					c.Write(append(say(1, 85, 11), tt.says("")...))
				case conn == 1 && class == 60 && id == 20:
					c.Write(append(say(1, 60, 21, tag(args)), tt.says(tag(args))...))
				case class == 60 && id == 20:
					c.Write(append(say(1, 60, 21, tag(args)), deliver(tag(args), 1, 2, []byte("{}"))...))
				default:
					return false
				}
				return true
			})
			e := newEnds(t, b.url())
			var l queue.Lasting
			var use func() error
			if subscribes {
				s := e.subscriber(t, amqp.Subscribing{Topology: durable("q"), Prefetch: 3})
				l, use = s, func() error {
					d, err := s.Receive(queuetest.Within(t, time.Minute))
					if err != nil {
						return err
					}
					return d.Ack(t.Context())
				}
			} else {
				p := e.publisher(t, amqp.Publishing{Topology: exchange("e"), Mandatory: true})
				l, use = p, func() error { return p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)) }
			}
			check = append(check, func() {
				name := fmt.Sprintf("who %s (subscribes: %t)", tt.name, subscribes)
				testx.Await(t, func() error {
					if n := b.conns.Load(); n < 2 {
						return fmt.Errorf("%s: %d connections", name, n)
					}
					if text, ok := l.Health(); !ok {
						return errors.New(name + ": " + text)
					}
					return nil
				})
				if err := use(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				log := e.Log.String()
				if n := strings.Count(log, "peer is away"); n != 1 || !strings.Contains(log, "the broker breaks the protocol: "+tt.cause) {
					t.Errorf("%s: %d lines, want one with %q:\n%s", name, n, tt.cause, log)
				}
			})
		}
	}
	for _, c := range check {
		c()
	}
}

// TestLiarInTheHall: nor does a broker get further that lies before anything is open.
func TestLiarInTheHall(t *testing.T) {
	for name, tt := range map[string]struct {
		class, id uint16
		says      []byte
		cause     string
	}{
		"a table without end":    {0, 0, append(frame(1, 0, []byte{0, 10, 0, 10, 0, 9, 0x7f, 0xff, 0xff, 0xff}), bytes.Repeat(frame(8, 0, nil), 100)...), "10.10 does not fit"},
		"a frame that is large":  {0, 0, frame(1, 0, make([]byte, 5000)), "a frame has 5000 bytes, and 4088 are agreed on"},
		"another word":           {0, 0, say(0, 10, 41, ""), "it answers 10.41, which nobody"},
		"the same word twice":    {10, 11, append(say(0, 10, 30, uint16(9), uint32(4096), uint16(0)), say(0, 10, 30, uint16(9), uint32(4096), uint16(0))...), "it answers 10.30, which nobody"},
		"a channel before it is": {10, 40, append(say(0, 10, 41, ""), say(1, 20, 11, []byte{})...), "it writes on a channel that is not open"},
		"a channel twice":        {20, 10, append(say(1, 20, 11, []byte{}), say(1, 20, 11, []byte{})...), "it answers 20.11, which nobody"},
		"an exchange thrice":     {40, 10, bytes.Repeat(say(1, 40, 11), 3), "it answers 40.11, which nobody"},
	} {
		b := newLiar(t, func(conn int, class, id uint16, args []byte, c io.Writer) bool {
			if class != tt.class || id != tt.id {
				return false
			}
			c.Write(tt.says)
			return true
		})
		e := newEnds(t, b.url())
		e.publisher(t, amqp.Publishing{Topology: exchange("e")})
		testx.Await(t, func() error {
			if log := e.Log.String(); !strings.Contains(log, "the broker breaks the protocol: "+tt.cause) {
				return fmt.Errorf("%s: want %q in %s", name, tt.cause, log)
			}
			return nil
		})
	}
}

// TestForbidden: a broker that ends the channel for each message is not away, and has no lines.
func TestForbidden(t *testing.T) {
	b := newLiar(t, func(_ int, class, id uint16, _ []byte, c io.Writer) bool {
		if class != 60 || id != 0 {
			return false
		}
		c.Write(say(1, 20, 40, uint16(403), "ACCESS_REFUSED", uint16(60), uint16(40)))
		return true
	})
	e := newEnds(t, b.url())
	p := e.publisher(t, amqp.Publishing{Topology: exchange("e")})
	for range 3 {
		queuetest.Ready(t, p)
		if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); err == nil || !strings.Contains(err.Error(), "ACCESS_REFUSED") {
			t.Errorf("Send: %v", err)
		}
	}
	queuetest.Ready(t, p)
	if log := e.Log.String(); strings.Contains(log, "peer is") {
		t.Errorf("log:\n%s", log)
	}
}

// TestSilentHall: that a broker does not open what it was asked for is told as that, and not as what
// the library takes it for.
func TestSilentHall(t *testing.T) {
	b := newLiar(t, func(_ int, class, id uint16, _ []byte, _ io.Writer) bool { return class == 10 && id == 40 })
	e := newEnds(t, b.url())
	e.publisher(t, amqp.Publishing{Topology: exchange("e")})
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "deadline exceeded: the broker does not answer") {
			return errors.New(log)
		}
		return nil
	})
}

// TestDeaf: a broker that says nothing any more, whatever it is asked, keeps nobody from the end.
func TestDeaf(t *testing.T) {
	b := newLiar(t, func(_ int, class, id uint16, _ []byte, _ io.Writer) bool {
		return class == 10 && id == 50 || class == 60 && id == 0
	})
	e := newEnds(t, b.url())
	p, s := e.publisher(t, amqp.Publishing{Topology: exchange("e")}), e.subscriber(t, amqp.Subscribing{Topology: durable("q")})
	queuetest.Ready(t, p)
	queuetest.Ready(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); err == nil {
			t.Error("a message is taken of which nobody has spoken")
		}
	})
	for _, l := range []interface{ Close() }{p, s} {
		wg.Go(l.Close)
	}
	wg.Wait()
}

// FuzzLiar: whatever a broker says, nobody panics, and all ends.
func FuzzLiar(f *testing.F) {
	f.Add(say(1, 60, 80, uint64(1), uint8(1)), false)
	f.Add(say(1, 60, 50, uint16(312), "NO_ROUTE", "e", "k"), false)
	f.Add(say(1, 20, 40, uint16(406), "no", uint16(60), uint16(40)), false)
	f.Add(say(0, 10, 60, "memory"), false)
	f.Add(say(1, 20, 20, uint8(0)), false)
	f.Add(deliver("TAG", 1, 3, []byte("{"), nil, []byte("}}")), true)
	f.Add(append(say(1, 60, 60, "TAG", uint64(1), uint8(0), "e", "k"), frame(2, 1, append(binary.BigEndian.AppendUint64([]byte{0, 60, 0, 0}, 0), "\x20\x00\x00\x00\x00\x0b\x01aA\x00\x00\x00\x03VVV"...))...), true)
	f.Add(say(1, 60, 30, "TAG", uint8(1)), true)
	f.Add(frame(8, 0, nil), true)
	f.Fuzz(func(t *testing.T, says []byte, subscribes bool) {
		said := make(chan bool, 1)
		b := newLiar(t, func(_ int, class, id uint16, args []byte, c io.Writer) bool {
			switch {
			case class == 85 && id == 10:
				c.Write(append(say(1, 85, 11), says...))
			case class == 60 && id == 20:
				c.Write(append(say(1, 60, 21, tag(args)), bytes.ReplaceAll(says, []byte("\x03TAG"), append([]byte{byte(len(tag(args)))}, tag(args)...))...))
			default:
				return false
			}
			select {
			case said <- true:
			default:
			}
			return true
		})
		e := newEnds(t, b.url())
		if subscribes {
			s := e.subscriber(t, amqp.Subscribing{Topology: durable("q"), Prefetch: 3})
			<-said
			if d, err := s.Receive(queuetest.Within(t, 5*time.Millisecond)); err == nil {
				d.Ack(t.Context())
			}
			return
		}
		p := e.publisher(t, amqp.Publishing{Topology: exchange("e"), Mandatory: true})
		<-said
		p.Send(queuetest.Within(t, 5*time.Millisecond), new(amqp.Message))
	})
}

// FuzzHeader: whatever stands in the header of a message, the next one comes by the same
// connection.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("\x80\x00\x01a"))
	f.Add([]byte("\x20\x00\x00\x00\x00\x0b\x01aA\x00\x00\x00\x03VVV"))
	f.Add([]byte("\xff\xfc\x00\x00\x00\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x20\x00\x00\x00\x00\x08\x01aD\x01\x00\x00\x00\x01"))
	f.Add([]byte("\x20\x00\x00\x00\x00\x07\x01aF\x00\x00\x00\x01"))
	f.Add([]byte("\x20\x00\xff\xff\xff\xff"))
	f.Add([]byte("\x00\x01"))
	f.Fuzz(func(t *testing.T, properties []byte) {
		if len(properties) < 2 {
			return
		}
		b := newLiar(t, func(_ int, class, id uint16, args []byte, c io.Writer) bool {
			if class != 60 || id != 20 {
				return false
			}
			out := append(say(1, 60, 21, tag(args)), say(1, 60, 60, tag(args), uint64(1), uint8(0), "e", "k")...)
			out = append(out, frame(2, 1, append([]byte{0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, properties...))...)
			c.Write(append(out, deliver(tag(args), 2, 2, []byte("{}"))...))
			return true
		})
		s := newEnds(t, b.url()).subscriber(t, amqp.Subscribing{Topology: durable("q"), Prefetch: 3})
		queuetest.Ready(t, s)
		for i := range 2 {
			d, err := s.Receive(queuetest.Within(t, time.Minute))
			if err != nil || (i == 1) != (string(d.Message().Body) == "{}") {
				t.Errorf("%d: %v, %v", i, d, err)
			}
		}
		if n := b.conns.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}
