package nats

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	client "github.com/nats-io/nats.go"
)

// probe is how often a connection on which nothing comes is asked whether it is there; it is
// lost when two probes have no answer.
const probe = 20 * time.Second

// A server is where connections lead. It is a live.Peer.
type server struct {
	urls    []string
	product string
	tls     *tls.Config

	subject, group string // of a subscription; "" for none
	take           func(*client.Msg)
	slow           func() // the library has dropped messages
}

// A link is a connection to a server.
type link struct {
	*client.Conn
	lost  chan struct{} // closed when it is
	cause error         // why, before lost is closed

	mu      sync.Mutex
	refused map[string]error // by subjects to which nobody may publish
	last    error            // the last refusal that was noted
	noted   chan struct{}    // closed when there is another
}

// Dial connects, and subscribes.
func (s *server) Dial(ctx context.Context, lost func(cause error)) (*link, error) {
	l := &link{lost: make(chan struct{}), refused: make(map[string]error), noted: make(chan struct{})}
	d := &dialer{ctx: ctx}
	defer d.done()
	o := client.Options{
		Servers: s.urls, Name: s.product, TLSConfig: s.tls.Clone(), SkipHostLookup: true, AllowReconnect: false,
		CustomDialer: d, PingInterval: probe, MaxPingsOut: 2, PermissionErrOnSubscribe: true,
		AsyncErrorCB: func(_ *client.Conn, _ *client.Subscription, err error) {
			if errors.Is(err, client.ErrSlowConsumer) {
				s.slow()
				return
			}
			l.note(err)
		},
		ClosedCB: func(c *client.Conn) {
			l.cause = c.LastError()
			lost(l.cause) // before anybody learns it from here and asks for the next one
			close(l.lost)
		},
	}
	if until, limited := ctx.Deadline(); limited {
		o.Timeout = max(time.Until(until), time.Millisecond)
	}
	var err error
	if l.Conn, err = o.Connect(); err != nil {
		if errors.Is(err, client.ErrNoServers) && d.failed != nil {
			err = d.failed
		}
		return nil, err
	}
	if s.subject == "" {
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
		return nil, err
	}
	return l, nil
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
		l.refused[subject] = err
	}
	l.last = err
	close(l.noted)
	l.noted = make(chan struct{})
}

// refusal returns why the server has not taken a message to the subject, behind which it has
// answered a PING; nil if it has. The library learns of a refusal in front of that answer and
// tells it behind: what it has learnt last is waited for.
func (l *link) refusal(ctx context.Context, subject string) error {
	for {
		learnt := l.LastError()
		l.mu.Lock()
		refused, last, noted := l.refused[subject], l.last, l.noted
		l.mu.Unlock()
		if refused != nil || learnt == nil || learnt == last || !errors.Is(learnt, client.ErrPermissionViolation) {
			return refused
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
	ctx    context.Context
	failed error // why the last one was not made
	stop   []func() bool
}

// Dial connects to an address.
func (d *dialer) Dial(network, address string) (net.Conn, error) {
	var nd net.Dialer
	c, err := nd.DialContext(d.ctx, network, address)
	if err != nil {
		d.failed = err
		return nil, err
	}
	d.stop = append(d.stop, context.AfterFunc(d.ctx, func() { c.Close() }))
	return c, nil
}

// done lets connections outlive the attempt.
func (d *dialer) done() {
	for _, stop := range d.stop {
		stop()
	}
}
