package fast

import (
	"net"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// A link is a connection to a backend. It belongs to one call at a time, or to
// its host while it is idle.
type link struct {
	transport
	socket net.Conn
	born   time.Time
	taken  time.Time // when its call began
	since  time.Time // when it became idle
	rests  time.Time // until when it carries no call then; zero for no rest

	below *ending // TLS; nil without it
	bare  bool    // the last answer had no body, whatever it may have announced

	peek  func(fd uintptr) // sets ready and spoke
	ready bool
	spoke bool // it was bytes that spoiled the link, not its end

	pieces [2][]byte   // room for vector
	vector net.Buffers // here because a local one would be allocated
}

// newLink returns a link over a socket, or over the TLS on it.
func newLink(socket, stream net.Conn) *link {
	now := time.Now()
	l := &link{socket: socket, born: now, taken: now}
	l.open(socket)
	if stream != socket {
		l.encrypt(stream)
	}
	l.in.ResetPaged(stream, l.now)
	l.peek = func(fd uintptr) {
		ready, bytes := engine.Readable(fd)
		l.ready, l.spoke = ready, bytes && l.direct // in TLS they may be its own
	}
	return l
}

// write sends head and rest in one go and returns how many bytes went out.
func (l *link) write(head, rest []byte) (int64, error) {
	if len(rest) == 0 {
		n, err := l.send(head)
		return int64(n), err
	}
	l.pieces = [2][]byte{head, rest}
	l.vector = l.pieces[:]
	n, err := l.vector.WriteTo(l.stream)
	l.pieces = [2][]byte{}
	return n, err
}

// hurry lets the backend send what is behind an answer: a system that gathers small
// pieces holds the next one back until the last has been acknowledged, and ours
// would do that with the next request only.
func (l *link) hurry() {
	if l.raw != nil {
		l.raw.Control(acknowledge) // fails on a broken connection, as writing will
	}
}

// rest prepares the link for waiting.
func (l *link) rest(now time.Time, doubted bool) {
	l.since, l.rests = now, time.Time{}
	if doubted {
		l.rests = engine.RestsUntil(now, now.Sub(l.taken))
	}
	l.in.Free()
}

// spoiled reports whether an idle link cannot be used: the backend has closed
// it, or has sent something that nobody asked for. It does not wait.
func (l *link) spoiled() bool {
	if l.raw == nil {
		return false
	}
	if !l.direct { // TLS may have read it from the socket already
		l.stream.SetReadDeadline(longAgo) // so that it does not read more; fails on a broken connection, as Read will
		if n, err := l.stream.Read(l.first[:]); n > 0 || !timeout(err) {
			l.spoke = n > 0
			return true
		}
		l.stream.SetReadDeadline(time.Time{})
	}
	l.ready = false
	return l.raw.Control(l.peek) != nil || l.ready
}

// cut reports whether a stream of TLS that has ended was cut off: the socket ended
// without a word of TLS about it, so that there may have been more (RFC 9112,
// section 9.8).
func (l *link) cut() bool { return l.below != nil && l.below.closed }

// abort ends whatever waits for the link, at once. Other goroutines than that
// of its call may do so.
func (l *link) abort() { l.socket.Close() }

// close ends the link. TLS says goodbye.
func (l *link) close() {
	l.stream.Close()
	l.in.Reset(nil)
}
