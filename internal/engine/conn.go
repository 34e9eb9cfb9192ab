package engine

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"time"
)

// HandshakeTimeout is how long a handshake of TLS with a backend may take.
const HandshakeTimeout = 10 * time.Second

// Silence is how long, at least, a connection to a backend rests behind an answer
// without a body before it carries another call. A careless backend sends a body
// where none may be, and in a piece of its own: what comes while nothing was asked
// for is no answer, and what comes later cannot be told from one.
const Silence = 5 * time.Millisecond

// RestsUntil returns when a connection whose answer without a body has just come
// may carry another call, if it was silent until then. The call took its time,
// which the way to the backend and back is a part of: what is behind the answer
// may be as late.
func RestsUntil(now time.Time, took time.Duration) time.Time {
	return now.Add(min(max(took, Silence), longestRest))
}

// longestRest ends the rests behind slow calls.
const longestRest = time.Second

// StallPiece is a number of bytes of an answer: a client has the time of StallTimeout for
// each piece of so many, where the server cannot see how many it has taken.
const StallPiece = 64 << 10

// What a connection of HTTP/2 with a client holds of answers that pass and that the client
// does not take is no more than the product of these: 64 MB, and what is being copied.
const (
	MaxStreams   = 250       // requests that a client may have on the way
	StreamWindow = 256 << 10 // bytes that a backend of HTTP/2 may send ahead of an answer
)

const (
	defaultHeaderBytes = 1 << 20
	headerSlack        = 4 << 10 // on top of the limit, as net/http has it
)

// HeadBytes returns how many bytes the head of a request may have.
func (s *Settings) HeadBytes() int {
	if s.MaxHeaderBytes > 0 {
		return s.MaxHeaderBytes + headerSlack
	}
	return defaultHeaderBytes + headerSlack
}

// HandshakeTimeout returns the shortest of the limits that the handshake of a client
// is part of, 0 if there is none.
func (s *Settings) HandshakeTimeout() time.Duration {
	shortest := time.Duration(0)
	for _, limit := range []time.Duration{s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout} {
		if limit > 0 && (shortest == 0 || limit < shortest) {
			shortest = limit
		}
	}
	return shortest
}

const (
	// leastPatience is left to every client: to those that ask again at once, and to
	// those of which nothing is known.
	leastPatience = 20 * time.Millisecond

	// mostPatience is left to those that take their time, since somebody waits for the
	// server to stop.
	mostPatience = 250 * time.Millisecond

	// gaps is how many times as long as for the last request a client may take for the
	// next.
	gaps = 8

	// lastHead is how long a server that stops waits for the heads of requests that
	// have begun.
	lastHead = time.Second

	// lookAgain is how long it takes until it looks at its connections again.
	lookAgain = 2 * time.Millisecond
)

// Patience returns how long a server that stops leaves a connection open that waits
// for a request: a client that goes on asking gets one more answer and learns from
// it that it is the last, instead of losing a request that is on its way when the
// connection is closed. The gap is how long the client took before its last request,
// on a connection that had served another; 0 where nothing is known.
//
// Source: RFC 9112, section 9.6.
func Patience(gap time.Duration) time.Duration {
	return min(max(gaps*gap, leastPatience), mostPatience)
}

// AwaitLast waits, when a server stops, for the last requests of its clients: as long as
// expecting reports that some may still come, and at most until ctx is done. It reports
// true if it gave up because a head took longer than the time that there is for the last
// ones.
func AwaitLast(ctx context.Context, expecting func() bool) (late bool) {
	for until := time.Now().Add(lastHead); expecting(); {
		if !time.Now().Before(until) {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(lookAgain):
		}
	}
	return false
}

// SpeaksHTTP reports whether a request of plain HTTP begins with the five bytes.
func SpeaksHTTP(b []byte) bool {
	switch string(b) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET":
		return true
	}
	return false
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 256 << 10
)

// rooms holds memory for what is read and dropped.
var rooms = sync.Pool{New: func() any { return new([8 << 10]byte) }}

// Linger lets the client read what was sent before the connection ends. If it is
// still sending, closing at once would make the system reset the connection, which
// may overtake the answer (RFC 9112, section 9.6). The stream is that of TLS over
// the socket, nil without.
func Linger(socket net.Conn, stream *tls.Conn) {
	half, ok := socket.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	if stream != nil {
		stream.CloseWrite() // broken or not, it ends here
	}
	if half.CloseWrite() != nil {
		return
	}
	socket.SetReadDeadline(time.Now().Add(lingerTime)) // fails on a broken connection, as Read will
	p := rooms.Get().(*[8 << 10]byte)
	defer rooms.Put(p)
	for n, left := 0, lingerBytes; left > 0; left -= n {
		var err error
		if n, err = socket.Read(p[:]); err != nil {
			return
		}
	}
}
