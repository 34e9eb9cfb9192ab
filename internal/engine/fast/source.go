package fast

import (
	"net"
	"syscall"

	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
)

// A source is the receiving half of a connection, which waits without memory
// to read into: many connections wait, and few read.
type source struct {
	in     wire.Reader
	stream net.Conn        // what messages pass through: the socket, or TLS over it
	raw    syscall.RawConn // of the socket; nil where there is none
	direct bool            // the stream is the socket, and can be read by readNow

	reads func(fd uintptr) bool // read, bound once
	err   error                 // what it ended with
	first [1]byte               // of a message, where readNow cannot read
}

// open begins to receive from a socket without TLS.
func (s *source) open(socket net.Conn) {
	s.stream = socket
	if sc, ok := socket.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	s.direct = hasSockets && s.raw != nil
	s.reads = s.read
}

// encrypt continues to receive through TLS.
func (s *source) encrypt(stream net.Conn) { s.stream, s.direct = stream, false }

// wait reads once. The memory for it is taken only when there is something to
// read, and the call costs no more than Read: that, too, asks the system,
// waits until the socket becomes readable and asks again.
func (s *source) wait() error {
	if s.direct {
		if err := s.raw.Read(s.reads); err != nil {
			return err
		}
		return s.err
	}
	n, err := s.stream.Read(s.first[:])
	if n == 0 {
		return err
	}
	copy(s.in.Room(), s.first[:n])
	s.in.Filled(n)
	return nil
}

// read reads what has arrived, and reports false if the caller has to wait for
// more.
func (s *source) read(fd uintptr) bool {
	n, waits, err := readNow(fd, s.in.Room())
	if n == 0 {
		s.in.Free()
	} else {
		s.in.Filled(n)
	}
	s.err = err
	return !waits
}
