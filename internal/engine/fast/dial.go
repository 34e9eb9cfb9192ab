package fast

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// longestDial ends attempts to connect that have no limit of their own.
const longestDial = 30 * time.Second

// errForeign says that a host must be called through the standard library.
var errForeign = errors.New("the backend speaks HTTP/2")

// newHost finds out how to call an origin.
func newHost(c *Client, o origin) *host {
	h := &host{client: c, made: time.Now()}
	u, err := url.Parse(o.scheme + "://" + o.authority)
	if err != nil || u.Host != o.authority || !plain(o.authority) || c.proxied(u) {
		h.foreign.Store(true)
		return h
	}
	name, port := u.Hostname(), u.Port()
	switch {
	case o.scheme == "http" && port == "":
		port = "80"
	case o.scheme == "https" && port == "":
		port = "443"
	}
	h.address = net.JoinHostPort(name, port)
	switch o.scheme {
	case "http":
		h.plain = true
		h.foreign.Store(c.settings.H2C)
	case "https":
		h.plain = true
		h.tls = c.tls
		if h.tls.ServerName == "" {
			h.tls = c.tls.Clone()
			h.tls.ServerName = name
		}
	default:
		h.foreign.Store(true)
	}
	return h
}

// plain reports whether an authority is a host and a port that go into a
// request as they are: no names to be translated, no zones, no credentials.
func plain(authority string) bool {
	for i := range len(authority) {
		switch c := authority[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte(".-_:[]", c) >= 0:
		default:
			return false
		}
	}
	return authority != "" && authority[0] != ':' && authority[len(authority)-1] != ':'
}

// dial makes a connection for q within ctx. The error is [errForeign] for a host
// that has chosen HTTP/2, which is remembered; for an upgrade and for a session it has no choice.
func (h *host) dial(ctx context.Context, q *gateway.Request, watch *engine.Stopwatch) (*link, error) {
	by := engine.DialBy(ctx, q)
	dialer := h.client.dialer
	dialer.Deadline = by
	if watch != nil {
		h.time(&dialer, watch)
	}
	raw, err := dialer.DialContext(ctx, "tcp", h.address)
	if err != nil {
		return nil, err
	}
	watch.Stop(engine.Connect)
	if h.tls == nil {
		return newLink(raw, raw), nil
	}
	settings := h.tls
	if q.Upgrade != "" || q.Session != nil {
		settings = settings.Clone()
		settings.NextProtos = []string{"http/1.1"}
	}
	below := &ending{Conn: raw}
	conn := tls.Client(below, settings)
	latest := time.Now().Add(engine.HandshakeTimeout)
	if !by.IsZero() && by.Before(latest) {
		latest = by
	}
	shaking, cancel := context.WithDeadline(ctx, latest)
	defer cancel()
	watch.Start(engine.Handshake)
	if err := conn.HandshakeContext(shaking); err != nil {
		raw.Close()
		return nil, err
	}
	watch.Stop(engine.Handshake)
	if conn.ConnectionState().NegotiatedProtocol == "h2" {
		h.foreign.Store(true)
		conn.Close()
		return nil, errForeign
	}
	l := newLink(raw, conn)
	l.below = below
	return l, nil
}

// time lets the watch take the times of the dialer: sockets are made when the name was
// looked up.
func (h *host) time(d *net.Dialer, watch *engine.Stopwatch) {
	if name, _, err := net.SplitHostPort(h.address); err == nil && net.ParseIP(name) == nil {
		watch.Start(engine.Lookup)
	}
	var connecting sync.Once
	d.ControlContext = func(context.Context, string, string, syscall.RawConn) error {
		connecting.Do(func() {
			watch.Stop(engine.Lookup)
			watch.Start(engine.Connect)
		})
		return nil
	}
}

// An ending is the socket below TLS, which remembers that the backend has closed
// it. TLS takes that for its own end, although nobody has vouched for it.
type ending struct {
	net.Conn
	closed bool
}

// Read reads on.
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	e.closed = e.closed || err == io.EOF
	return n, err
}
