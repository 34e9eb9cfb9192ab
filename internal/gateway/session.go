package gateway

import (
	"errors"
	"io"
)

// ErrSessionOver is wrapped by the error of a call that finds the connection of its
// session gone, or the session closed. What the backend has learned on it is lost:
// whoever holds the session begins with another one, if the request may be sent twice. A
// connection that breaks while it carries a call fails that call like any other.
var ErrSessionOver = errors.New("the connection of the session is gone")

// A Session is a connection of HTTP/1.1 to a backend that belongs to nobody else: what
// the backend learns with one call, such as who has authenticated (NTLM does that to a
// connection), counts for the next, and for no other exchange. The first call makes the
// connection, whatever is idle, and it never becomes one of the client's own.
//
// The zero value is ready. Its calls follow each other, each behind the end of the last
// answer's body, and go to one origin. Whoever makes a session closes it. It belongs to
// one goroutine at a time.
type Session struct {
	bound io.Closer
	over  bool
}

// Bound returns what an engine keeps of the session, nil before its first call. The error
// is that of a session that is closed. It is for engines.
func (s *Session) Bound() (io.Closer, error) {
	if s.over {
		return nil, ErrSessionOver
	}
	return s.bound, nil
}

// Bind lets an engine keep something, which is closed with the session.
func (s *Session) Bind(c io.Closer) { s.bound = c }

// Close ends the connection, at once or with the call that it carries.
func (s *Session) Close() error {
	if s.over = true; s.bound == nil {
		return nil
	}
	return s.bound.Close()
}
