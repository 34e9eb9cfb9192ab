package amqp

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"testing/iotest"
	"time"
)

// said is a connection whose other end says something and hears all.
type said struct {
	net.Conn
	io.Reader
}

func (s said) Read(p []byte) (int, error)     { return s.Reader.Read(p) }
func (said) Write(p []byte) (int, error)      { return len(p), nil }
func (said) SetWriteDeadline(time.Time) error { return nil }

// appendFrame appends a frame to dst.
func appendFrame(dst []byte, kind byte, channel uint16, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint16(append(dst, kind), channel)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	return append(append(dst, payload...), frameEnd)
}

func appendMethod(dst []byte, channel uint16, m method, args ...byte) []byte {
	return appendFrame(dst, frameMethod, channel, append(binary.BigEndian.AppendUint32(nil, uint32(m)), args...))
}

// number returns a number of eight bytes with something behind.
func number(n uint64, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, n), rest...)
}

// asked returns a guard behind all that is said before messages go both ways: three were sent,
// and three may come ahead.
func asked(from io.Reader, limit int64) *guard {
	g := newGuard(said{Reader: from}, limit)
	b := []byte("AMQP\x00\x00\x09\x01")
	b = appendMethod(b, 0, connectionTuneOK, 0, 1, 0, 2, 0, 0, 0, 60)
	b = appendMethod(b, 1, channelOpen, 0)
	b = appendMethod(b, 1, basicQos, 0, 0, 0, 0, 0, 3, 0)
	b = appendMethod(b, 1, basicConsume, append([]byte{0, 0, 1, 'q', 1, 't', 1 << 3}, 0, 0, 0, 0)...)
	for range 3 {
		b = appendMethod(b, 1, basicPublish, 0, 0, 1, 'e', 1, 'k', 1)
		b = appendFrame(b, frameHeader, 1, append([]byte{0, 60, 0, 0}, number(1, 0, 0)...))
		b = appendFrame(b, frameBody, 1, []byte("x"))
	}
	for i := range b { // as it may be cut
		g.Write(b[i : i+1])
	}
	g.asked = [2]method{}
	return g
}

// appendDelivery appends a message that is delivered.
func appendDelivery(dst []byte, tag uint64, properties string, size uint64, bodies ...[]byte) []byte {
	dst = appendMethod(dst, 1, basicDeliver, append(append([]byte{1, 't'}, number(tag, 0)...), 1, 'e', 1, 'k')...)
	dst = appendFrame(dst, frameHeader, 1, append(append([]byte{0, 60, 0, 0}, number(size)...), properties...))
	for _, body := range bodies {
		dst = appendFrame(dst, frameBody, 1, body)
	}
	return dst
}

// TestLeftOut: a body that may not be held is left out, with all that goes with it, and what is
// left is a message without one.
func TestLeftOut(t *testing.T) {
	const typed = "\x80\x00\x04a/bc"
	body := bytes.Repeat([]byte("12345678"), 1000)
	in := appendDelivery(nil, 1, typed, 16000, body, body)
	in = appendDelivery(in, 2, typed, 8000, body)
	in = appendDelivery(in, 3, typed, 8001, body, nil, []byte("9"))
	in = appendMethod(in, 1, basicReturn, 1, 0x38, 0, 1, 'e', 1, 'k')
	in = appendFrame(in, frameHeader, 1, append(append([]byte{0, 60, 0, 0}, number(8000)...), typed...))
	in = appendFrame(in, frameBody, 1, body)
	in = appendMethod(in, 1, basicAck, number(2, 1)...)
	in = appendMethod(in, 1, basicAck, number(3, 0)...)
	want := appendDelivery(nil, 1, "\x00\x00"+typed[2:], 0)
	want = appendDelivery(want, 2, typed, 8000, body)
	want = appendDelivery(want, 3, "\x00\x00"+typed[2:], 0)
	want = appendMethod(want, 1, basicReturn, 1, 0x38, 0, 1, 'e', 1, 'k')
	want = appendFrame(want, frameHeader, 1, append(append([]byte{0, 60, 0, 0}, number(0)...), typed...))
	want = appendMethod(want, 1, basicAck, number(2, 1)...)
	want = appendMethod(want, 1, basicAck, number(3, 0)...)
	for _, from := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in)), iotest.HalfReader(bytes.NewReader(in))} {
		g := asked(from, 8000)
		got, err := io.ReadAll(g)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v, %d bytes, want %d: %.300q", err, len(got), len(want), got)
		}
		for tag, want := range map[uint64]fate{1: tooLong, 2: whole, 3: tooLong, 4: gone} {
			if got, _ := g.delivery(tag); got != want {
				t.Errorf("%d is %d, want %d", tag, got, want)
			}
		}
	}
}

// TestRoom: what is held of messages has a bound; those beyond come when there is room, the
// oldest first.
func TestRoom(t *testing.T) {
	const part = 30 << 20
	r, w := io.Pipe()
	g := asked(r, part)
	deliver := func(tag uint64) fate {
		b := appendDelivery(nil, tag, "\x00\x00", part)
		go w.Write(b)
		for n := range b {
			if _, err := io.ReadFull(g, make([]byte, 1)); err != nil {
				t.Fatalf("%d: byte %d: %v", tag, n, err)
			}
		}
		g.body, g.phase = 0, noContent // as if it had come
		f, _ := g.delivery(tag)
		return f
	}
	end := func(tag uint64) { g.Write(appendMethod(nil, 1, basicAck, number(tag, 0)...)) }
	if a, b, c := deliver(1), deliver(2), deliver(3); a != whole || b != whole || c != noRoom {
		t.Errorf("%d, %d, %d", a, b, c)
	}
	if tags := g.room(); len(tags) > 0 {
		t.Errorf("there is no room for %d", tags)
	}
	end(1)
	if tags := g.room(); len(tags) != 1 || tags[0] != 3 {
		t.Errorf("there is room for %d, want 3", tags)
	}
	end(3)
	if d := deliver(4); d != whole {
		t.Errorf("what comes again is %d", d)
	}
	end(2)
	end(4)
	if g.held != 0 || len(g.open)+len(g.waiting) > 0 {
		t.Errorf("%d bytes are held of nothing", g.held)
	}
}

// FuzzGuard: what is handed on does not depend on how it comes or is read, is no more than what
// came, and what is held has a bound.
func FuzzGuard(f *testing.F) {
	f.Add(appendDelivery(nil, 1, "\x00\x00", 5, []byte("he"), []byte("llo")))
	f.Add(appendDelivery(appendDelivery(nil, 1, "\x00\x00", 9, []byte("123456789")), 2, "\x80\x00\x01a", 0))
	f.Add(appendMethod(nil, 1, basicAck, number(2, 1)...))
	f.Add(appendMethod(appendMethod(nil, 1, basicAck, number(2, 0)...), 1, basicNack, number(2, 0)...))
	f.Add(appendMethod(nil, 0, connectionBlocked, 1, 'm'))
	f.Add(appendFrame(appendFrame(nil, frameHeartbeat, 0, nil), frameBody, 1, []byte("x")))
	f.Fuzz(func(t *testing.T, in []byte) {
		g := asked(bytes.NewReader(in), 8)
		got, err := io.ReadAll(g)
		if len(got) > len(in) || g.held > mostHeld || len(g.open) > 3 {
			t.Errorf("%d bytes of %d, %d held of %d", len(got), len(in), g.held, len(g.open))
		}
		slow, again := io.ReadAll(iotest.OneByteReader(asked(iotest.HalfReader(bytes.NewReader(in)), 8)))
		if !bytes.Equal(got, slow) || (err == nil) != (again == nil) {
			t.Errorf("%.80q, %v, and slowly %.80q, %v", got, err, slow, again)
		}
	})
}

// BenchmarkGuard is what a message costs that is sent and confirmed.
func BenchmarkGuard(b *testing.B) {
	body := make([]byte, 1000)
	out := appendMethod(nil, 1, basicPublish, 0, 0, 1, 'e', 1, 'k', 1)
	out = appendFrame(out, frameHeader, 1, append([]byte{0, 60, 0, 0}, number(1000, 0, 0)...))
	out = appendFrame(out, frameBody, 1, body)
	in := appendMethod(nil, 1, basicAck, number(0, 0)...)
	from := bytes.NewReader(in)
	g := asked(from, 0)
	room := make([]byte, 4096)
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		g.Write(out)
		binary.BigEndian.PutUint64(in[frameHead+4:], n)
		from.Reset(in)
		if k, err := g.Read(room); k != len(in) || err != nil {
			b.Fatal(k, err)
		}
	}
}
