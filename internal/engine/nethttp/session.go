package nethttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A session is the connection of a [gateway.Session]: that of a transport which makes
// one and no second.
type session struct {
	client    *client
	transport *http.Transport
	made      atomic.Bool
}

// session returns the transport for the calls of g. The error is that of a session which
// carries no more calls here.
func (c *client) session(g *gateway.Session) (*http.Transport, error) {
	kept, err := g.Bound()
	if err != nil {
		return nil, err
	}
	if kept == nil {
		s := &session{client: c, transport: c.newTransport(c.settings, c.tls)}
		s.transport.DisableKeepAlives = false
		dial := s.transport.DialContext
		s.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if s.made.Swap(true) {
				return nil, gateway.ErrSessionOver
			}
			conn, err := dial(ctx, network, address)
			if err != nil {
				s.made.Store(false)
				return nil, err
			}
			return pace(conn), nil
		}
		g.Bind(s)
		return s.transport, nil
	}
	s, ours := kept.(*session)
	if !ours || s.client != c {
		g.Close() // whatever it was, it carries no more calls
		return nil, gateway.ErrSessionOver
	}
	return s.transport, nil
}

// Close ends the connection, now or when its call is over.
func (s *session) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// A paced connection hands nothing of an answer over before what was being written has
// been written. The transport gives a connection up whose answer has come while its
// writer, on a busy machine, has not got round to saying that the request is sent; for a
// session there would be no other.
type paced struct {
	net.Conn
	quiet chan struct{} // holds something while nobody writes
}

func pace(conn net.Conn) *paced {
	p := &paced{conn, make(chan struct{}, 1)}
	p.quiet <- struct{}{}
	return p
}

// longestPace is for an answer that comes although the backend takes nothing more.
const longestPace = time.Second

// Write writes on.
func (p *paced) Write(b []byte) (int, error) {
	<-p.quiet
	defer func() { p.quiet <- struct{}{} }()
	return p.Conn.Write(b)
}

// Read reads on.
func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	select {
	case <-p.quiet:
		p.quiet <- struct{}{}
		return n, err
	default:
	}
	late := time.NewTimer(longestPace)
	defer late.Stop()
	select {
	case <-p.quiet:
		p.quiet <- struct{}{}
	case <-late.C:
	}
	return n, err
}

// CloseWrite closes our half of the connection.
func (p *paced) CloseWrite() error {
	half, ok := p.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// SyscallConn returns that of the socket.
func (p *paced) SyscallConn() (syscall.RawConn, error) {
	socket, ok := p.Conn.(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return socket.SyscallConn()
}
