//go:build !unix

package nethttp

import (
	"net"
	"sync/atomic"
)

// A quiet connection is one that tells when it is closed: the system cannot be asked here
// whether anything has come.
type quiet struct {
	*net.TCPConn
	closed  atomic.Bool
	carries atomic.Pointer[requestStream] // what has to learn that it is closed; nil for nobody
}

// hush returns a connection that tells when it is closed, if it can.
func hush(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	return &quiet{TCPConn: tcp}
}

// Close closes the connection.
func (q *quiet) Close() error {
	q.closed.Store(true)
	if s := q.carries.Load(); s != nil {
		s.lose(q)
	}
	return q.TCPConn.Close()
}

// over reports whether it is closed.
func (q *quiet) over() bool { return q.closed.Load() }

func (*quiet) still() bool { return true }
