package amqp

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
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
// three may come ahead to each of the consumers t and v, and one was asked for.
func asked(from io.Reader, limit int64) *guard {
	g := newGuard(said{Reader: from}, limit)
	b := []byte("AMQP\x00\x00\x09\x01")
	b = appendMethod(b, 0, connectionTuneOK, 0, 1, 0, 2, 0, 0, 0, 60)
	b = appendMethod(b, 1, channelOpen, 0)
	b = appendMethod(b, 1, basicQos, 0, 0, 0, 0, 0, 3, 0)
	for _, tag := range []byte("tv") {
		b = appendMethod(b, 1, basicConsume, append([]byte{0, 0, 1, 'q', 1, tag, 1 << 3}, 0, 0, 0, 0)...)
	}
	b = appendMethod(b, 1, basicGet, 0, 0, 1, 'q', 0)
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

// appendDelivery appends a message that is delivered to a consumer.
func appendDelivery(dst []byte, to string, tag uint64, properties string, size uint64, bodies ...[]byte) []byte {
	dst = appendMethod(dst, 1, basicDeliver, append(append([]byte{byte(len(to))}, to...), number(tag, 0, 1, 'e', 1, 'k')...)...)
	dst = appendFrame(dst, frameHeader, 1, append(append([]byte{0, 60, 0, 0}, number(size)...), properties...))
	for _, body := range bodies {
		dst = appendFrame(dst, frameBody, 1, body)
	}
	return dst
}

// TestLeftOut: a body that may not be held is left out, and so is a header that nobody reads; what
// is left is a message without, and something that shows that the broker is there.
func TestLeftOut(t *testing.T) {
	const typed, bare = "\x80\x00\x04a/bc", "\x00\x00"
	const limit = 8000
	body := bytes.Repeat([]byte("12345678"), 1000)
	wide := "\x20\x00" + string(binary.BigEndian.AppendUint32(nil, 3*(mostValues+1))) + strings.Repeat("\x01aV", mostValues+1)
	huge := "\x20\x00\x00\x00\x00\x00" + strings.Repeat("x", 1<<17)
	back := func(dst []byte, size uint64) []byte {
		dst = appendMethod(dst, 1, basicReturn, 1, 0x38, 0, 1, 'e', 1, 'k')
		return appendFrame(dst, frameHeader, 1, append(append([]byte{0, 60, 0, 0}, number(size)...), typed...))
	}
	got := func(dst []byte, tag uint64) []byte {
		dst = appendMethod(dst, 1, basicGetOK, append(number(tag, 0, 1, 'e', 1, 'k'), 0, 0, 0, 0)...)
		return appendFrame(dst, frameHeader, 1, append(append([]byte{0, 60, 0, 0}, number(1)...), bare...))
	}
	in := appendDelivery(nil, "t", 1, typed, 2*limit, body, body)
	in = appendDelivery(in, "t", 2, typed, limit, body)
	in = appendDelivery(in, "t", 3, typed, limit+1, body, nil, []byte("9"))
	in = appendDelivery(in, "t", 4, typed, limit, body) // one more than is asked for
	in = appendDelivery(in, "u", 5, typed, 1, []byte("1"))
	in = appendDelivery(in, "v", 6, wide, 1, []byte("1"))
	in = appendDelivery(in, "v", 7, huge, 2*limit, body, body)
	in = appendFrame(got(in, 8), frameBody, 1, []byte("1"))
	in = appendFrame(back(in, limit), frameBody, 1, body)
	in = appendMethod(in, 1, basicAck, number(2, 1)...)

	want := append(appendDelivery(nil, "t", 1, typed, 0), strings.Repeat(string(beat), 2)...)
	want = appendDelivery(want, "t", 2, typed, limit, body)
	want = append(appendDelivery(want, "t", 3, typed, 0), strings.Repeat(string(beat), 3)...)
	want = append(appendDelivery(want, "t", 4, typed, 0), beat...)
	want = append(appendDelivery(want, "u", 5, typed, 0), beat...)
	want = append(appendDelivery(want, "v", 6, bare, 0), beat...)
	want = append(appendDelivery(want, "v", 7, bare, 0), strings.Repeat(string(beat), 2)...)
	want = appendFrame(got(want, 8), frameBody, 1, []byte("1"))
	want = append(back(want, 0), beat...)
	want = appendMethod(want, 1, basicAck, number(2, 1)...)
	for _, from := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in)), iotest.HalfReader(bytes.NewReader(in))} {
		g := asked(from, limit)
		got, err := io.ReadAll(g)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v, %d bytes, want %d: %.300q", err, len(got), len(want), got)
		}
		for tag, want := range []string{"", gateway.CodeBackendTooLarge, "", gateway.CodeBackendTooLarge, gateway.CodeBackendAway, "", gateway.CodeBackendInvalid, gateway.CodeBackendInvalid, ""} {
			code := ""
			if err := g.unfit(uint64(tag)); err != nil {
				code = gateway.AsError(err).Code
			}
			if code != want {
				t.Errorf("%d is %q, want %q", tag, code, want)
			}
		}
		for tag := range uint64(9) {
			g.Write(appendMethod(nil, 1, basicAck, number(tag, 0)...))
		}
		if c := g.consumers["t"].open + g.consumers["v"].open; c != 0 || len(g.open) > 0 || g.gets > 0 {
			t.Errorf("%d deliveries are noted when all have ended, %d of consumers; %d were asked for", len(g.open), c, g.gets)
		}
		for _, end := range [][]byte{append([]byte{1, 't'}, 1), append([]byte{1, 'v'}, 0)} {
			g.Write(appendMethod(nil, 1, basicCancel, end...))
		}
		if len(g.consumers) != 1 || g.asked[1] != basicCancelOK {
			t.Errorf("%d consumers, want the one that the broker has not let go; it is to answer %s", len(g.consumers), g.asked[1])
		}
	}
}

// TestSpare: what nobody has asked for has an end.
func TestSpare(t *testing.T) {
	var in []byte
	for tag := range uint64(3 + mostSpare + 1) {
		in = appendDelivery(in, "t", tag+1, "\x00\x00", 0)
	}
	g := asked(bytes.NewReader(in), 0)
	if _, err := io.Copy(io.Discard, g); err == nil || len(g.open) != 3+mostSpare {
		t.Errorf("%d deliveries, %v", len(g.open), err)
	}
}

// FuzzGuard: what is handed on does not depend on how it comes or is read, and is no more than what
// came and the end of a frame.
func FuzzGuard(f *testing.F) {
	f.Add(appendDelivery(nil, "t", 1, "\x00\x00", 5, []byte("he"), []byte("llo")))
	f.Add(appendDelivery(appendDelivery(nil, "t", 1, "\x00\x00", 9, []byte("123456789")), "u", 2, "\x80\x00\x01a", 0))
	f.Add(appendMethod(nil, 1, basicAck, number(2, 1)...))
	f.Add(appendMethod(appendMethod(nil, 1, basicAck, number(2, 0)...), 1, basicNack, number(2, 0)...))
	f.Add(appendMethod(nil, 0, connectionBlocked, 1, 'm'))
	f.Add(appendFrame(appendFrame(nil, frameHeartbeat, 0, nil), frameBody, 1, []byte("x")))
	f.Fuzz(func(t *testing.T, in []byte) {
		g := asked(bytes.NewReader(in), 8)
		got, err := io.ReadAll(g)
		if len(got) > len(in)+1 {
			t.Errorf("%d bytes of %d", len(got), len(in))
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
