//go:build unix

package nethttp

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// A quiet connection is one to a backend that knows whether the transport waits for bytes on
// it: then nothing whole is left of what that has read, no more than a piece of a record of
// TLS, and whatever comes is found by a look at the socket. The transport puts a connection
// among the idle ones before it looks for what nobody asked for, be that in its own memory,
// in that of TLS or on the socket.
//
// One goroutine reads at a time.
type quiet struct {
	*net.TCPConn
	raw syscall.RawConn
	try func(fd uintptr) bool // these are bound once, because that takes memory
	see func(fd uintptr)

	p   []byte // what is read into
	n   int
	err error

	mu      sync.Mutex // held while bytes are taken off the socket
	waits   bool       // a read has found nothing
	closed  bool
	came    bool          // something that nobody has taken, as see has found
	waiting chan struct{} // closed when one of them is; nil while nobody asks

	carries atomic.Pointer[requestStream] // what has to learn that it is closed; nil for nobody
}

// hush returns a connection that knows whether it is quiet, if it can.
func hush(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	q := &quiet{TCPConn: tcp, raw: raw}
	q.try = q.take
	q.see = func(fd uintptr) { q.came, _ = engine.Readable(fd) }
	return q
}

// Read reads as the connection does.
func (q *quiet) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	q.p = p
	err := q.raw.Read(q.try)
	q.p = nil
	if err != nil {
		return 0, err
	}
	return q.n, q.err
}

// take takes what is there off the socket, and reports false if that is nothing.
func (q *quiet) take(fd uintptr) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		q.n, q.err = syscall.Read(int(fd), q.p) // sockets of package net never block
		switch {
		case q.err == syscall.EINTR:
			continue
		case q.err == syscall.EAGAIN:
			q.waits = true
			q.tell()
			return false
		case q.err != nil:
			q.n = 0
		case q.n == 0:
			q.err = io.EOF
		}
		q.waits = false
		return true
	}
}

// tell tells whoever waits for that. q.mu is held.
func (q *quiet) tell() {
	if q.waiting != nil {
		close(q.waiting)
		q.waiting = nil
	}
}

// Close closes the connection.
func (q *quiet) Close() error {
	q.mu.Lock()
	q.closed = true
	q.tell()
	q.mu.Unlock()
	if s := q.carries.Load(); s != nil {
		s.lose(q)
	}
	return q.TCPConn.Close()
}

// over reports whether it is closed.
func (q *quiet) over() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// settling is how long the transport may take to look for more behind an answer.
const settling = 100 * time.Millisecond

// still reports whether nothing has come on an idle connection, when the transport has
// looked.
func (q *quiet) still() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.waits && !q.closed {
		waiting := make(chan struct{})
		q.waiting = waiting
		q.mu.Unlock()
		timer := time.NewTimer(settling)
		select {
		case <-waiting:
		case <-timer.C:
		}
		timer.Stop()
		q.mu.Lock()
		q.waiting = nil
	}
	if !q.waits || q.closed {
		return false
	}
	return q.raw.Control(q.see) == nil && !q.came
}
