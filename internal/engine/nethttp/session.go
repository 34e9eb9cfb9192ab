package nethttp

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
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
			return s.pace(conn), nil
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

// A paced connection is that of a session. It hands nothing of an answer over before what
// was being written has been written: the transport gives a connection up whose answer has
// come while its writer, on a busy machine, has not got round to saying that the request is
// sent; for a session there would be no other.
type paced struct {
	net.Conn
	session *session
	used    atomic.Bool   // a call of the session had it, or it is closed
	written chan struct{} // holds something while nobody writes
	lost    bool          // the backend takes nothing more; only the reader knows
}

func (s *session) pace(conn net.Conn) *paced {
	p := &paced{Conn: conn, session: s, written: make(chan struct{}, 1)}
	p.written <- struct{}{}
	return p
}

// Close closes the connection. One that no call had yet, such as in the handshake of TLS,
// leaves room for another.
func (p *paced) Close() error {
	if !p.used.Swap(true) {
		p.session.made.Store(false)
	}
	return p.Conn.Close()
}

// longestPace is for an answer that comes although the backend takes nothing more: then
// the transport gives the connection up, and the rest of the answer need not wait.
const longestPace = time.Second

// Write writes on.
func (p *paced) Write(b []byte) (int, error) {
	<-p.written
	defer func() { p.written <- struct{}{} }()
	return p.Conn.Write(b)
}

// Read reads on.
func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if p.lost {
		return n, err
	}
	select {
	case <-p.written:
		p.written <- struct{}{}
		return n, err
	default:
	}
	late := time.NewTimer(longestPace)
	defer late.Stop()
	select {
	case <-p.written:
		p.written <- struct{}{}
	case <-late.C:
		p.lost = true
	}
	return n, err
}

// CloseWrite closes our half of the connection.
func (p *paced) CloseWrite() error { return closeWrite(p.Conn) }
