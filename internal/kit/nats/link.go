package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"

	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// probe is how often a connection on which nothing comes is asked whether it is there; it is
// lost when two probes have no answer.
const probe = 20 * time.Second

// A server is where connections lead. It is a live.Peer.
type server struct {
	urls    []string
	product string
	tls     *tls.Config
	secure  bool // TLS is wanted

	mu    sync.Mutex
	found []string // URLs of others of the cluster, as the last server told that has let the gateway in
	name  string   // of a server that has told, by which its cluster is known; "" for that of the first address

	subject, group string // of a subscription; "" for none
	take           func(*client.Msg)
	slow           func() // the library has dropped messages
}

// A link is a connection to a server.
type link struct {
	*client.Conn
	guard *guard
	lost  chan struct{} // closed when it is

	mu      sync.Mutex
	refused map[string]*refusals // by the subjects to which somebody publishes
	last    error                // the last refusal that was noted
	noted   chan struct{}        // closed when there is another
}

// Refusals are those of messages to one subject.
type refusals struct {
	n    int // how many there were
	last error
}

// Dial connects, and subscribes.
func (s *server) Dial(ctx context.Context, lost func(cause error)) (*link, error) {
	l := &link{lost: make(chan struct{}), refused: make(map[string]*refusals), noted: make(chan struct{})}
	d := &dialer{ctx: ctx, of: s, servers: s.all()}
	defer d.done()
	o := client.Options{
		Servers: d.servers, Name: s.product, SkipHostLookup: true, AllowReconnect: false, IgnoreDiscoveredServers: true, Secure: s.secure,
		CustomDialer: d, PingInterval: probe, MaxPingsOut: 2, PermissionErrOnSubscribe: true,
		AsyncErrorCB: func(c *client.Conn, _ *client.Subscription, err error) {
			if errors.Is(err, client.ErrSlowConsumer) {
				s.slow()
				return
			}
			if l.note(err); s.subject != "" && errors.Is(err, client.ErrPermissionViolation) && strings.Contains(err.Error(), "Subscription to") {
				c.Close() // and it may be allowed again
			}
		},
		ClosedCB: func(c *client.Conn) {
			lost(said(c.LastError())) // before anybody learns it from here and asks for the next one
			close(l.lost)
		},
	}
	if until, limited := ctx.Deadline(); limited {
		o.Timeout = max(time.Until(until)/time.Duration(len(d.servers)), time.Millisecond)
	}
	var err error
	if l.Conn, err = o.Connect(); err != nil {
		if errors.Is(err, client.ErrNoServers) && d.failed != nil {
			err = d.failed
		}
		return nil, said(err)
	}
	l.guard = d.made
	if s.subject == "" {
		s.find(d.made.cluster, l.ConnectedUrl())
		return l, nil
	}
	sub, err := l.QueueSubscribe(s.subject, s.group, s.take)
	if err == nil {
		err = sub.SetPendingLimits(most, mostBytes)
	}
	if err == nil {
		err = l.FlushWithContext(ctx) // whose limit live has set
	}
	if err == nil {
		err = l.LastError() // such as that this subject is not to be heard
	}
	if err != nil {
		l.Conn.Close()
		return nil, said(err)
	}
	s.find(d.made.cluster, l.ConnectedUrl())
	return l, nil
}

// said returns an error with what of it is told, since it may be a line of the server.
func said(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(queue.Line(err.Error()))
}

// mostFound is how many servers are known that no address names.
const mostFound = 100

// find notes which servers the cluster has: as the one told whose URL is by. They get the user that
// it got, and no other, since nobody else has vouched for them.
func (s *server) find(found []string, by string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = nil
	own, err := url.Parse(by)
	if err != nil || own.Host == "" { // it has gone meanwhile
		return
	}
	if net.ParseIP(own.Hostname()) == nil {
		s.name = own.Hostname()
	}
	for _, host := range found[:min(len(found), mostFound)] {
		u := url.URL{Scheme: own.Scheme, User: own.User, Host: host}
		if _, err := url.Parse(u.String()); err == nil {
			s.found = append(s.found, u.String())
		}
	}
}

// all returns the servers to try.
func (s *server) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.urls, s.found)
}

// settings returns the settings of TLS for an address. A server of the cluster that is known by
// its number alone has the certificate of the name by which the cluster is known.
func (s *server) settings(address string) *tls.Config {
	c := s.tls.Clone()
	if c.ServerName != "" {
		return c
	}
	c.ServerName, _, _ = net.SplitHostPort(address)
	if net.ParseIP(c.ServerName) == nil || s.names(c.ServerName) {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, err := url.Parse(s.urls[0]); s.name != "" {
		c.ServerName = s.name
	} else if err == nil && net.ParseIP(own.Hostname()) == nil {
		c.ServerName = own.Hostname()
	}
	return c
}

// names reports whether an address names the host.
func (s *server) names(host string) bool {
	return slices.ContainsFunc(s.urls, func(text string) bool {
		u, err := url.Parse(text)
		return err == nil && u.Hostname() == host
	})
}

// Close sends what is left and ends the connection.
func (s *server) Close(ctx context.Context, l *link) {
	if !l.IsClosed() {
		l.FlushWithContext(ctx) // nobody is left who would be told
	}
	l.Conn.Close()
}

// note keeps what the server has refused.
func (l *link) note(err error) {
	if !errors.Is(err, client.ErrPermissionViolation) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, rest, found := strings.Cut(err.Error(), `Publish to "`); found {
		subject, _, _ := strings.Cut(rest, `"`)
		if r := l.refused[subject]; r != nil {
			r.n++
			r.last = said(err)
		}
	}
	l.last = err
	close(l.noted)
	l.noted = make(chan struct{})
}

// refusals returns how many messages to the subject were refused so far.
func (l *link) refusals(subject string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused[subject] == nil {
		l.refused[subject] = new(refusals)
	}
	return l.refused[subject].n
}

// refusal returns why the server has not taken a message to the subject, behind which it has
// answered a PING; nil if it has. So many were refused before it. The library learns of a
// refusal in front of that answer and tells it behind: what it has learnt last is waited for.
// A refusal names no message, so that one of another to the same subject, at the same time, is
// taken for it.
func (l *link) refusal(ctx context.Context, subject string, before int) error {
	for {
		l.mu.Lock()
		r, last, noted := l.refused[subject], l.last, l.noted
		n, why := r.n, r.last
		l.mu.Unlock()
		learnt := l.LastError() // behind it: were it older than last, nobody might tell of another
		switch {
		case n > before:
			return why
		case learnt == nil || learnt == last || !errors.Is(learnt, client.ErrPermissionViolation):
			return nil
		}
		select {
		case <-noted:
		case <-l.lost:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A dialer makes the connections of one attempt, which ends with ctx.
type dialer struct {
	ctx     context.Context
	of      *server
	servers []string // that are to be tried
	tried   int      // how many were
	made    *guard   // the last one
	failed  error    // why the last one was not made
	stop    []func()
}

// SkipTLSHandshake tells the library that its connections are secure already where they have to
// be.
func (d *dialer) SkipTLSHandshake() bool { return true }

// Dial connects to an address.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	d.made, d.failed = nil, nil
	ctx, cancel := share(d.ctx, len(d.servers)-d.tried)
	d.tried++
	var nd net.Dialer
	c, err := nd.DialContext(ctx, network, address)
	if err != nil {
		cancel()
		d.failed = err
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	d.stop = append(d.stop, func() { stop(); cancel() })
	g, err := newGuard(ctx, c, d.of.settings(address), d.of.secure)
	if err != nil {
		c.Close()
		d.failed = err
		return nil, err
	}
	d.made = g
	return g, nil
}

// share returns a context that ends when one of n servers has had its part of what is left of ctx.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	if until, limited := ctx.Deadline(); limited && n > 1 {
		return context.WithTimeout(ctx, time.Until(until)/time.Duration(n))
	}
	return context.WithCancel(ctx)
}

// done lets connections outlive the attempt.
func (d *dialer) done() {
	for _, stop := range d.stop {
		stop()
	}
}
