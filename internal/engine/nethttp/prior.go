package nethttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http2"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// newPrior returns a transport for HTTP/2 by prior knowledge.
func (c *client) newPrior(t config.Transport) *http.Transport {
	p := c.newTransport(t, nil)
	p.Protocols.SetHTTP1(false)
	p.Protocols.SetUnencryptedHTTP2(true)
	c.speakHTTP2(p)
	dial := p.DialContext
	p.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return greet(ctx, conn), nil
	}
	if c.proxy != nil {
		p.Proxy = func(r *http.Request) (*url.URL, error) {
			via, err := c.proxy(r.URL)
			if err == nil && via != nil && !carriesAny(via) {
				err = errors.New("HTTP/2 without TLS does not pass a forward proxy of HTTP; remove use_h2c, or the proxy, or name the host in NO_PROXY")
			}
			return via, err
		}
	}
	return p
}

// carriesAny reports whether a proxy carries bytes of any protocol.
func carriesAny(via *url.URL) bool { return via.Scheme == "socks5" || via.Scheme == "socks5h" }

// prior reports whether the call is one by prior knowledge.
func (c *call) prior() bool { return c.transport == c.client.prior }

// A greeting is a connection on which a backend has to show that it speaks HTTP/2
// without having been asked: what it sends first is a frame of settings (RFC 9113,
// section 3.4). Nothing goes out before that but our preface, so that a backend which
// does not has got nothing of any request: it was not reached.
//
// One goroutine may read and one may write at a time.
type greeting struct {
	net.Conn
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
	g.began = true
	return g.Conn.Write(p)
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
