package fast

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Client is an [engine.Client] that calls on the goroutine of its caller.
//
// Backends that negotiate HTTP/2, forward proxies, and authorities that are
// not plain names, addresses and ports are called through [nethttp]; which
// ones, it finds out itself.
type Client struct {
	settings model.Transport
	perHost  int // idle connections of one host
	tls      *tls.Config
	dialer   net.Dialer
	proxied  func(*url.URL) bool // whether calls of this origin go through a proxy
	standard engine.Client

	idle     atomic.Int64 // connections that wait for a call, of all hosts
	evicting sync.Mutex   // held while connections are chosen that have to go

	mu       sync.RWMutex
	hosts    map[origin]*host
	sweeping bool        // sweeper will run
	sweeper  *time.Timer // nil until it first runs
}

var _ gateway.Beginner = (*Client)(nil)

// NewClient returns a client with connections of its own.
func NewClient(t model.Transport, s *tls.Config) engine.Client {
	c := &Client{
		settings: t,
		perHost:  t.MaxIdleConnectionsPerHost,
		tls:      &tls.Config{},
		dialer: net.Dialer{
			Timeout:       time.Duration(t.DialerTimeout),
			KeepAlive:     time.Duration(t.DialerKeepAlive),
			FallbackDelay: time.Duration(t.DialerFallbackDelay),
		},
		proxied:  proxies(t.Proxy),
		standard: nethttp.NewClient(t, s),
		hosts:    make(map[origin]*host),
	}
	if c.perHost == 0 {
		c.perHost = model.DefaultIdlePerHost
	}
	if c.dialer.Timeout == 0 {
		c.dialer.Timeout = longestDial
	}
	if s != nil {
		c.tls = s.Clone()
	}
	c.tls.NextProtos = []string{"h2", "http/1.1"}
	return c
}

// proxies returns what says whether a URL is called through a forward proxy:
// always if there is an address, or as the environment says now.
func proxies(address string) func(*url.URL) bool {
	if address != "" {
		return func(*url.URL) bool { return true }
	}
	env := httpproxy.FromEnvironment().ProxyFunc()
	return func(u *url.URL) bool {
		via, err := env(u)
		return via != nil || err != nil
	}
}

// Close closes idle connections. Those of calls in flight are closed when
// their calls end.
func (c *Client) Close() {
	c.mu.Lock()
	hosts := c.hosts
	c.hosts = make(map[origin]*host)
	c.mu.Unlock()
	for _, h := range hosts {
		h.leave()
	}
	c.standard.Close()
}

// Do makes the call.
func (c *Client) Do(ctx context.Context, x *gateway.Exchange) error {
	if !engine.ValidRequest(&x.Request) {
		return engine.Unsendable("its method, path, query or a field holds what would end it")
	}
	h := c.host(&x.Request)
	if h.foreign.Load() && (x.Request.Session == nil || !h.plain) {
		return c.standard.Do(ctx, x)
	}
	if err := ctx.Err(); err != nil {
		return engine.Failure(ctx, err, false)
	}
	k := acquire(ctx, h, x)
	if err := k.prepare(); err != nil {
		return err
	}
	if s := x.Request.Session; s != nil {
		if err := k.resume(s); err != nil {
			return err
		}
	} else if x.Request.Upgrade != "" || !k.reuse() {
		if err := k.dial(); err == errForeign {
			return c.standard.Do(ctx, x)
		} else if err != nil {
			return engine.Failure(ctx, err, false)
		}
	}
	k.send()
	return k.Finish()
}

// Begin sends the request of x as [gateway.Beginner] says: on a connection that
// is idle and open, and with a body that is small and in memory. Any other call
// is for Do, which also tells what is wrong with it.
func (c *Client) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	if ctx.Err() != nil || !engine.ValidRequest(&x.Request) || !inMemory(&x.Request) {
		return nil, false
	}
	h := c.host(&x.Request)
	if h.foreign.Load() || x.Request.Upgrade != "" || x.Request.Session != nil {
		return nil, false
	}
	k := acquire(ctx, h, x)
	if k.prepare() != nil || k.size > inlineLimit || k.expecting || !k.reuse() {
		return nil, false
	}
	k.send()
	return k, true
}

// An origin is where connections lead to.
type origin struct{ scheme, authority string }

// host returns what is known of the origin that q is for.
func (c *Client) host(q *gateway.Request) *host {
	c.mu.RLock()
	h := c.hosts[origin{q.Scheme, q.Host}]
	c.mu.RUnlock()
	if h != nil {
		return h
	}
	o := origin{strings.Clone(q.Scheme), strings.Clone(q.Host)} // the strings of q die with the exchange
	c.mu.Lock()
	defer c.mu.Unlock()
	if h = c.hosts[o]; h == nil {
		h = newHost(c, o)
		c.hosts[o] = h
		c.scheduleSweep(sweepAtLeast)
	}
	return h
}
