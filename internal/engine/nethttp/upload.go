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
// memory or from a stream. The transport may go on reading after a call is
// over, when the memory belongs to somebody else; end stops that.
type requestStream struct {
	stream io.Reader // nil for a body in memory
	left   int64     // of the stream; negative when unknown

	mu      sync.Mutex
	raw     []byte      // the whole body, when it is in memory
	read    int         // how much of raw, or of what is kept, was read
	started bool        // something was asked of the stream
	reading bool        // somebody waits for the stream
	ended   bool        // the call is over
	err     error       // how the stream ended
	keeping bool        // everything that was read of the stream is kept
	kept    []byte      // that, in
	little  *[4096]byte // this, or, where it is more,
	much    *[keepLimit]byte
}

var (
	errEnded = errors.New("the call is over")
	errSpent = errors.New("the body of the request was sent already")
)

// The memory for what is kept of streams.
var (
	littles = sync.Pool{New: func() any { return new([4096]byte) }}
	muches  = sync.Pool{New: func() any { return new([keepLimit]byte) }}
)

// Read reads on, until the end of the body or of the call.
func (s *requestStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	switch {
	case s.ended:
		s.mu.Unlock()
		return 0, errEnded
	case s.stream == nil:
		defer s.mu.Unlock()
		if s.read == len(s.raw) {
			return 0, io.EOF
		}
		n := copy(p, s.raw[s.read:])
		s.read += n
		return n, nil
	case s.read < len(s.kept):
		defer s.mu.Unlock()
		n := copy(p, s.kept[s.read:])
		s.read += n
		return n, nil
	case s.err != nil:
		defer s.mu.Unlock()
		return 0, s.err
	}
	s.started, s.reading = true, true
	s.mu.Unlock()
	n, err := s.pull(p)
	if s.left >= 0 {
		if s.left -= int64(n); err == io.EOF && s.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading, s.err = false, err
	s.remember(p[:n])
	return n, err
}

// pull reads the stream, which a stage may have made, on a goroutine of the transport.
func (s *requestStream) pull(p []byte) (n int, err error) {
	defer gateway.Recover("", &err)
	return s.stream.Read(p)
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

// Close does nothing: the body belongs to the exchange.
func (s *requestStream) Close() error { return nil }

// again returns the body from its beginning, for a second attempt of the
// transport. A stream can be repeated if nothing was read of it, or all of that is kept.
func (s *requestStream) again() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started && !s.keeping || s.err != nil && s.err != io.EOF {
		return nil, errSpent
	}
	s.read = 0
	return s, nil
}

// end lets go of the memory of the body, and reports whether somebody waits for the
// stream: that ends with the exchange at the latest.
func (s *requestStream) end() (waits bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.raw = true, nil
	s.forget()
	return s.reading
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
