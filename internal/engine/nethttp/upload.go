package nethttp

import (
	"errors"
	"io"
	"sync"
)

// A requestStream is the body of a request as the transport reads it: from
// memory or from a stream. The transport may go on reading after a call is
// over, when the memory belongs to somebody else; end stops that.
type requestStream struct {
	stream io.Reader // nil for a body in memory
	left   int64     // of the stream; negative when unknown

	mu      sync.Mutex
	raw     []byte // the whole body, when it is in memory
	read    int    // how much of raw was read
	started bool   // something was asked of the stream
	ended   bool
	err     error // why the stream broke off
}

var (
	errEnded = errors.New("the call is over")
	errSpent = errors.New("the body of the request was sent already")
)

// Read reads on, until the end of the body or of the call.
func (s *requestStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return 0, errEnded
	}
	if s.stream == nil {
		defer s.mu.Unlock()
		if s.read == len(s.raw) {
			return 0, io.EOF
		}
		n := copy(p, s.raw[s.read:])
		s.read += n
		return n, nil
	}
	s.started = true
	s.mu.Unlock()
	n, err := s.stream.Read(p)
	if s.left >= 0 {
		if s.left -= int64(n); err == io.EOF && s.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil && err != io.EOF {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	return n, err
}

// Close does nothing: the body belongs to the exchange.
func (s *requestStream) Close() error { return nil }

// again returns the body from its beginning, for a second attempt of the
// transport. A stream can be repeated as long as nobody has asked it.
func (s *requestStream) again() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return nil, errSpent
	}
	s.read = 0
	return s, nil
}

// end lets go of the memory of the body.
func (s *requestStream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.raw = true, nil
}

// failure returns why the stream broke off, nil if it did not.
func (s *requestStream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
