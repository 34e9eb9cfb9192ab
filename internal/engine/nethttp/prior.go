package nethttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// newPrior returns a transport for HTTP/2 by prior knowledge.
func (c *client) newPrior(t model.Transport) *http.Transport {
	p := c.newTransport(t, nil)
	p.Protocols.SetHTTP1(false)
	p.Protocols.SetUnencryptedHTTP2(true)
	c.speakHTTP2(p)
	shared := &sharing{dial: p.DialContext, leads: make(map[string]*lead)}
	p.DialContext = shared.connect
	if c.proxy != nil {
		p.Proxy = func(r *http.Request) (*url.URL, error) {
			via, err := c.proxy(r.URL)
			if err == nil && via != nil {
				err = errors.New("HTTP/2 without TLS does not pass a forward proxy; remove use_h2c, or the proxy, or name the host in NO_PROXY")
			}
			return via, err
		}
	}
	return p
}

// prior reports whether the call is one by prior knowledge.
func (c *call) prior() bool { return c.transport == c.client.prior }

// A sharing keeps calls that begin at once from making a connection each, of which the
// transport would keep one: it dials for every call that finds no connection among its
// idle ones, and puts one there only after the call that it was made for has got it.
//
// Who comes second gets a connection that is not made yet. The transport asks for the
// first byte of it only if no other carries the call.
type sharing struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu    sync.Mutex
	leads map[string]*lead // by address
}

// A lead is the connection to an address for which others wait, or which carries calls.
type lead struct {
	over    chan struct{} // closed when the transport knows the connection, or none was made
	settled sync.Once
	made    bool // set before
}

// longestLead is how long a call waits for the connection of another before it makes its
// own: an address that was dead a moment ago must not hold up who comes after. A packet
// may be lost once.
const longestLead = 3 * time.Second

// connect returns a connection to an address, or what becomes one when it is needed.
func (s *sharing) connect(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	first := s.leads[address]
	if first == nil {
		first = s.leadLocked(address)
		s.mu.Unlock()
		return ready(s.dialFor(ctx, network, address, first))
	}
	s.mu.Unlock()
	later := func() (*greeting, error) { return s.dialFor(ctx, network, address, s.lead(address)) }
	if first.wait(ctx) {
		return &greeting{over: make(chan struct{}), later: later}, nil
	}
	return ready(later())
}

func ready(g *greeting, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return g, nil
}

// dialFor makes the connection of l.
func (s *sharing) dialFor(ctx context.Context, network, address string, l *lead) (*greeting, error) {
	conn, err := s.dial(ctx, network, address)
	if err != nil {
		s.leave(address, l)
		l.settle(false)
		return nil, err
	}
	g := greet(ctx, conn)
	g.known = func() { l.settle(true) }
	g.gone = func() { s.leave(address, l) }
	return g, nil
}

// lead lets the next wait for a new connection.
func (s *sharing) lead(address string) *lead {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leadLocked(address)
}

func (s *sharing) leadLocked(address string) *lead {
	l := &lead{over: make(chan struct{})}
	s.leads[address] = l
	return l
}

// leave ends the waiting for l.
func (s *sharing) leave(address string, l *lead) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leads[address] == l {
		delete(s.leads, address)
	}
}

// wait waits as long as the call of ctx may, and reports whether there is a connection.
func (l *lead) wait(ctx context.Context) bool {
	latest := longestLead
	if by := dialBy(ctx); !by.IsZero() {
		latest = min(latest, time.Until(by))
	}
	timer := time.NewTimer(latest)
	defer timer.Stop()
	select {
	case <-l.over:
		return l.made
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

func (l *lead) settle(made bool) {
	l.settled.Do(func() {
		l.made = made
		close(l.over)
	})
}

// A greeting is a connection on which a backend has to show that it speaks HTTP/2
// without having been asked: what it sends first is a frame of settings (RFC 9113,
// section 3.4). Nothing goes out before that but our preface, so that a backend which
// does not has got nothing of any request: it was not reached.
//
// One goroutine may read and one may write at a time.
type greeting struct {
	net.Conn                           // nil before it was made
	later    func() (*greeting, error) // makes it with the first byte; nil if it is made from the start
	known    func()                    // called when the transport has decided on it; may be nil
	gone     func()                    // called when it is closed; may be nil

	began bool          // our preface was written
	first [4]byte       // of what the backend has sent
	have  int           // of them
	over  chan struct{} // closed when it is known what the backend speaks
	err   error         // set before, if that is not HTTP/2
}

// greet begins with a connection. The backend has as long as it would have for the
// handshake of TLS.
func greet(ctx context.Context, conn net.Conn) *greeting {
	latest := time.Now().Add(engine.HandshakeTimeout)
	if by := dialBy(ctx); !by.IsZero() && by.Before(latest) {
		latest = by
	}
	conn.SetReadDeadline(latest) // fails on a broken connection, as Read will
	return &greeting{Conn: conn, over: make(chan struct{})}
}

// heard reports whether the backend has shown that it speaks HTTP/2, and the error if it
// has shown that it does not.
func (g *greeting) heard() (bool, error) {
	select {
	case <-g.over:
		return g.err == nil, g.err
	default:
		return false, nil
	}
}

// Write writes the preface at once, and anything else when the backend has been heard.
func (g *greeting) Write(p []byte) (int, error) {
	if g.began {
		if <-g.over; g.err != nil {
			return 0, g.err
		}
	}
	if !g.began && g.later != nil {
		made, err := g.later()
		if err != nil {
			return 0, err
		}
		g.Conn, g.known, g.gone = made.Conn, made.known, made.gone
	}
	if !g.began && g.known != nil {
		g.known()
	}
	g.began = true
	return g.Conn.Write(p)
}

// RemoteAddr is nil before the connection was made, which the transport asks in its traces.
func (g *greeting) RemoteAddr() net.Addr {
	if g.Conn == nil {
		return nil
	}
	return g.Conn.RemoteAddr()
}

// Close closes the connection, which the transport may never have made use of: then
// another carries its calls.
func (g *greeting) Close() error {
	if g.known != nil {
		g.known()
	}
	if g.gone != nil {
		g.gone()
	}
	if g.Conn == nil {
		return nil
	}
	return g.Conn.Close()
}

// Read reads on, and judges what comes first.
func (g *greeting) Read(p []byte) (int, error) {
	switch {
	case g.err != nil:
		return 0, g.err
	case g.have == len(g.first):
		return g.Conn.Read(p)
	}
	n, err := g.Conn.Read(p)
	g.have += copy(g.first[g.have:], p[:n])
	if err == nil && g.have < len(g.first) {
		return n, nil
	}
	if g.err = g.judge(err); g.err == nil {
		g.Conn.SetReadDeadline(time.Time{})
	}
	g.have = len(g.first)
	close(g.over)
	if g.err != nil {
		return 0, g.err
	}
	return n, err
}

// judge returns why a connection that began with g.first, or ended with err before that,
// is none of HTTP/2.
func (g *greeting) judge(err error) error {
	const remedy = "remove use_h2c from the options of that backend, or let it speak HTTP/2 without TLS"
	host := g.RemoteAddr()
	if err == nil && http2.FrameType(g.first[3]) == http2.FrameSettings {
		return nil
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: host %s does not begin to speak HTTP/2; %s: %w", gateway.ErrUnreached, host, remedy, err)
	case string(g.first[:]) == "HTTP":
		return fmt.Errorf("%w: host %s answers in HTTP/1 where HTTP/2 is spoken by prior knowledge; %s", gateway.ErrUnreached, host, remedy)
	case g.first[0] == tlsAlert:
		return fmt.Errorf("%w: host %s speaks TLS; write https:// in front of it, where HTTP/2 is negotiated, and remove use_h2c", gateway.ErrUnreached, host)
	}
	return fmt.Errorf("%w: host %s does not speak HTTP/2; %s", gateway.ErrUnreached, host, remedy)
}

// tlsAlert is how a server of TLS answers what is no handshake (RFC 8446, section 5.1).
const tlsAlert = 21
