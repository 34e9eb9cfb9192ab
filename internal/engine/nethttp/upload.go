package nethttp

import (
	"errors"
	"io"
	"sync"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// keepLimit is how much of a stream is kept that a backend of HTTP/2 may refuse: what
// everybody may send before the backend has said anything (RFC 9113, section 6.5.2).
const keepLimit = 1<<16 - 1

// A requestStream is the body of a request as the transport reads it: from
// memory or from a stream. The transport waits for who reads before it says that a call
// has failed, and a client may stall: so a goroutine reads the stream, a piece whenever
// somebody waits for one, and who waits leaves when the attempt is over. What it has read
// the next attempt gets, or nobody: it ends with the stream, or with the call and its read.
type requestStream struct {
	stream io.Reader // nil for a body in memory
	left   int64     // of the stream; negative when unknown

	mu      sync.Mutex
	changed sync.Cond   // that reading, over, cut or ended have; its lock is mu
	raw     []byte      // the whole body, when it is in memory
	read    int         // how much of raw, or of what is kept, was read
	started bool        // something was asked of the stream: the goroutine is there
	reading bool        // that has to read a piece, or does
	over    bool        // the attempt is: it was closed
	via     *quiet      // the connection of the attempt over HTTP/1
	cut     bool        // that is closed
	ended   bool        // the call is over
	err     error       // how the stream ended
	keeping bool        // everything that was read of the stream is kept
	kept    []byte      // that, in
	little  *[4096]byte // this, or, where it is more,
	much    *[keepLimit]byte

	room *[pieceSize]byte // what the goroutine reads into; nil while there is nothing
	rest []byte           // of it, which nobody has got
}

// pieceSize is as large as the frames of HTTP/2 that everybody takes.
const pieceSize = 16 << 10

var (
	errEnded = errors.New("the call is over")
	errSpent = errors.New("the body of the request was sent already")
	errGone  = errors.New("the backend has gone before it had the whole request")
)

// The memory for what is kept of streams.
var (
	littles = sync.Pool{New: func() any { return new([4096]byte) }}
	muches  = sync.Pool{New: func() any { return new([keepLimit]byte) }}
	rooms   = sync.Pool{New: func() any { return new([pieceSize]byte) }}
)

// Read reads on, until the end of the body, of the attempt or of the call.
func (s *requestStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil && s.read == len(s.kept) {
		s.await()
	}
	switch {
	case s.ended:
		return 0, errEnded
	case s.over, s.cut:
		return 0, errGone
	case s.stream == nil && s.read == len(s.raw):
		return 0, io.EOF
	case s.stream == nil:
		n := copy(p, s.raw[s.read:])
		s.read += n
		return n, nil
	case s.read < len(s.kept):
		n := copy(p, s.kept[s.read:])
		s.read += n
		return n, nil
	}
	n := copy(p, s.rest)
	s.remember(p[:n])
	if s.rest = s.rest[n:]; len(s.rest) > 0 {
		return n, nil
	}
	s.putRoom()
	return n, s.err
}

// await waits until something of the stream is there, or nobody needs it. s.mu is held.
func (s *requestStream) await() {
	s.changed.L = &s.mu
	if !s.reading && len(s.rest) == 0 && s.err == nil && !s.stops() {
		s.reading = true
		s.room = rooms.Get().(*[pieceSize]byte)
		if s.started {
			s.changed.Broadcast()
		} else {
			s.started = true
			go s.pull()
		}
	}
	for s.reading && !s.stops() {
		s.changed.Wait()
	}
}

// stops reports whether nothing is to be read any more. s.mu is held.
func (s *requestStream) stops() bool { return s.ended || s.over || s.cut }

// pull reads the pieces of the stream that are waited for, until it or the call has ended.
func (s *requestStream) pull() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && !s.ended {
		if !s.reading {
			s.changed.Wait()
			continue
		}
		room := s.room
		s.mu.Unlock()
		n, err := s.ask(room[:])
		s.mu.Lock()
		if s.left >= 0 {
			if s.left -= int64(n); err == io.EOF && s.left > 0 {
				err = io.ErrUnexpectedEOF
			}
		}
		s.reading, s.rest, s.err = false, room[:n], err
		if n == 0 {
			s.putRoom()
		}
		s.changed.Broadcast()
	}
	if s.ended {
		s.reading = false
		s.putRoom()
	}
}

// ask reads from whatever a stage may have made.
func (s *requestStream) ask(p []byte) (n int, err error) {
	defer gateway.Recover("", &err)
	return s.stream.Read(p)
}

func (s *requestStream) putRoom() {
	if s.room != nil {
		rooms.Put(s.room)
		s.room, s.rest = nil, nil
	}
}

// keep makes the stream one that can be repeated as long as it is short. It is to be
// called before the first read; memory is taken with that.
func (s *requestStream) keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keeping = s.stream != nil && !s.started && !s.ended
}

// remember keeps what was read.
func (s *requestStream) remember(p []byte) {
	size := len(s.kept) + len(p)
	switch {
	case !s.keeping || len(p) == 0:
		return
	case size > keepLimit:
		s.forget()
		return
	case size > len(s.little) && s.much == nil:
		s.much = muches.Get().(*[keepLimit]byte)
		s.kept = append(s.much[:0], s.kept...)
		s.putLittle()
	case s.kept == nil:
		s.little = littles.Get().(*[4096]byte)
		s.kept = s.little[:0]
	}
	s.kept = append(s.kept, p...)
	s.read = size
}

// forget gives up what is kept.
func (s *requestStream) forget() {
	s.putLittle()
	if s.much != nil {
		muches.Put(s.much)
	}
	s.keeping, s.kept, s.much, s.read = false, nil, nil, 0
}

func (s *requestStream) putLittle() {
	if s.little != nil {
		littles.Put(s.little)
		s.little = nil
	}
}

// settle says that nobody will ask for the stream again.
func (s *requestStream) settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.read == len(s.kept) { // or the second attempt still reads it
		s.forget()
	}
}

// Close ends the attempt. The body belongs to the exchange.
func (s *requestStream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.changed.Broadcast()
	return nil
}

// carry says that the next to be read goes over a connection of HTTP/1, of which the
// transport does not tell that it is closed.
func (s *requestStream) carry(q *quiet) {
	if s.stream == nil {
		return
	}
	s.mu.Lock()
	s.via, s.cut = q, false
	s.mu.Unlock()
	if q.carries.Store(s); q.over() {
		s.lose(q)
	}
}

// lose says that a connection is closed.
func (s *requestStream) lose(q *quiet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.via == q {
		s.cut = true
		s.changed.Broadcast()
	}
}

// again returns the body from its beginning, for a second attempt of the transport, which
// has closed the first. A stream can be repeated if nothing was read of it, or all of that
// is kept.
func (s *requestStream) again() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started && !s.keeping || s.err != nil && s.err != io.EOF {
		return nil, errSpent
	}
	s.read, s.over, s.cut = 0, false, false
	return s, nil
}

// end lets go of the memory of the body, and of whoever waits for the stream: that ends
// with the exchange at the latest.
func (s *requestStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.via != nil {
		s.via.carries.CompareAndSwap(s, nil)
	}
	s.ended, s.raw = true, nil
	s.forget()
	if !s.reading {
		s.putRoom()
	}
	s.changed.Broadcast()
}

// failure returns why the stream broke off, nil if it did not.
func (s *requestStream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == io.EOF {
		return nil
	}
	return s.err
}
