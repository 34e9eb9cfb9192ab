package nats

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	client "github.com/nats-io/nats.go"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

func init() {
	queue.Register(queue.Driver{Scheme: "nats", Host: checkHost, Publisher: openPublisher, Subscriber: openSubscriber, Judge: judge, Envelope: true})
}

// order begins the headers that JetStream obeys, such as Nats-Rollup, by which it empties a stream.
const order = "Nats-"

// judge reports that clients might give orders to JetStream, which are left out.
func judge(s *component.BackendSite, a *queue.Address) {
	if !a.Envelope && slices.Contains(a.Passing, "*") {
		s.Warn("", errors.New("input_headers lets all headers through, of which those that begin with Nats- are orders to JetStream and left out unless they are named there, too; name what subscribers need"))
	}
}

// obeys reports whether a header may be an order of a client whom nobody has allowed that.
func (p *publisher) obeys(name string) bool {
	return p.all && strings.HasPrefix(name, order) && !slices.Contains(p.passing, name)
}

// What a subscriber holds that nobody has taken, at most; and what the library holds of a
// rush that has not come to it yet.
const (
	most      = 16 << 10 // messages
	mostBytes = 64 << 20 // of memory, about

	attributes = 1000 // of a message; others are left out
)

// where returns the servers of an address, and what makes a connection to them another one.
func where(s *component.Site, a *queue.Address) (to *server, id []string, err error) {
	text, err := a.Broker(variable, example, func(text string) error { _, err := servers(text); return err })
	if err != nil {
		return nil, nil, err
	}
	to = &server{product: s.Product()}
	if to.urls, err = servers(text); err != nil {
		return nil, nil, err
	}
	to.secure = a.ClientTLS != nil || secure(to.urls)
	secure, secureID, err := a.TLS()
	to.tls = secure
	return to, append([]string{to.product, strconv.FormatBool(to.secure), secureID}, to.urls...), err
}

// A publisher publishes to one subject.
type publisher struct {
	*live.Conn[*link]
	subject  string
	envelope bool
	passing  []string // header fields of clients
	all      bool     // which may be any
}

func openPublisher(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	if err := errors.Join(checkSubject(a.Path, false), a.Only([]string{"natsv2"}, nil)); err != nil {
		return nil, err
	}
	to, id, err := where(s, a)
	if err != nil {
		return nil, err
	}
	c, err := component.Keep(s, "connection "+queue.ID(append(id, a.Retry())...), func() (*live.Conn[*link], func(), error) {
		c := live.New(a.Live(public(to.urls)), to)
		return c, c.Close, nil
	})
	if err != nil {
		return nil, err
	}
	return &publisher{c, a.Path, a.Envelope, a.Passing, slices.Contains(a.Passing, "*")}, nil
}

// Publish sends the message and waits for the word of the server.
func (p *publisher) Publish(ctx context.Context, m *queue.Message) error {
	l, err := p.Get()
	if err != nil {
		return err
	}
	out := client.Msg{Subject: p.subject, Data: m.Body}
	switch {
	case p.envelope:
		out.Data = appendEnvelope(nil, m.Attributes, m.Body)
	case len(m.Attributes) > 0:
		out.Header = make(client.Header, len(m.Attributes))
		values := make([]string, len(m.Attributes))
		for i, f := range m.Attributes {
			if p.obeys(f.Name) {
				continue
			}
			values[i] = f.Value
			out.Header[f.Name] = values[i : i+1 : i+1]
		}
	}
	ctx, cancel := queue.Bounded(ctx)
	defer cancel()
	before := l.refusals(p.subject)
	written, err := l.guard.reserve(ctx, out.Size())
	if err != nil {
		return err
	}
	err = l.PublishMsg(&out)
	written()
	switch {
	case errors.Is(err, client.ErrMaxPayload):
		return gateway.TooLarge("the max_payload of the broker", l.MaxPayload())
	case errors.Is(err, client.ErrConnectionClosed): // and nothing was sent
		return gateway.Away(errLost)
	case errors.Is(err, client.ErrHeadersNotSupported):
		return queue.Refused(err)
	case err != nil:
		return queue.Lost(err)
	}
	if err := l.FlushWithContext(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return queue.Lost(err)
	}
	if err := l.refusal(ctx, p.subject, before); err != nil {
		if ctx.Err() != nil {
			return err
		}
		return queue.Refused(err)
	}
	return nil
}

var errLost = errors.New("the connection was lost")

// A subscriber hears one subject.
type subscriber struct {
	*live.Conn[*link]
	subject string

	held  chan *delivery
	bytes atomic.Int64 // of what is held

	clock    component.Clock
	dropping change.State // whether messages are dropped, because nobody takes them

	mu   sync.Mutex
	logs []*slog.Logger
}

func openSubscriber(s *component.Site, a *queue.Address) (queue.Subscriber, error) {
	if err := errors.Join(checkSubject(a.Path, true), a.Only([]string{"natsv2", "queue"}, nil)); err != nil {
		return nil, err
	}
	group := a.Query.Get("queue")
	if a.Query.Has("queue") && checkSubject(group, false) != nil {
		return nil, errors.New("the queue is the name of a group, in the letters of a subject")
	}
	from, id, err := where(s, a)
	if err != nil {
		return nil, err
	}
	from.subject, from.group = a.Path, group
	sub, err := component.Keep(s, "subscription "+queue.ID(append(id, a.Path, group, a.Site)...), func() (*subscriber, func(), error) {
		sub := &subscriber{subject: a.Path, held: make(chan *delivery, most), clock: s.Clock()}
		from.take, from.slow = sub.take, func() { sub.tell(true) }
		sub.Conn = live.New(a.Live(public(from.urls)+" subject "+from.subject), from)
		return sub, sub.Close, nil
	})
	if err != nil {
		return nil, err
	}
	s.OnStart(func(context.Context) error {
		sub.Adapt(a.Backoff, a.Retries) // which is no reason for another one: what is held would be lost
		return nil
	})
	return sub, nil
}

// Start begins to connect, and keeps the log. When the last one leaves, it is told how many
// messages are held, which nobody takes any more.
func (s *subscriber) Start(log *slog.Logger) (leave func()) {
	own := slog.New(log.Handler())
	s.mu.Lock()
	s.logs = append(s.logs, own)
	s.mu.Unlock()
	gone := s.Conn.Start(log)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logs = slices.DeleteFunc(s.logs, func(l *slog.Logger) bool { return l == own })
		if n := len(s.held); n > 0 && len(s.logs) == 0 {
			own.Warn("messages that are held are lost", "subject", s.subject, "messages", n)
		}
		gone()
	}
}

// take holds a message that has come, or drops it if there are too many.
func (s *subscriber) take(m *client.Msg) {
	d := &delivery{of: s, size: int64(m.Size())}
	for name, values := range m.Header {
		if len(values) > 0 && len(d.m.Attributes) < attributes {
			d.m.Attributes.Add(name, values[0])
		}
	}
	d.m.Body = m.Data
	if len(d.m.Attributes) == 0 {
		if fields, body, err := openEnvelope(m.Data); err == nil {
			d.m.Attributes, d.m.Body = fields, body
		}
	}
	for _, f := range d.m.Attributes { // which hold no part of what came
		d.size += int64(32 + len(f.Name) + len(f.Value))
	}
	s.hold(d)
}

// hold puts a delivery behind those that are held.
func (s *subscriber) hold(d *delivery) {
	if s.bytes.Add(d.size) <= mostBytes {
		select {
		case s.held <- d:
			return
		default:
		}
	}
	s.bytes.Add(-d.size)
	s.tell(true)
}

// tell writes a line if it is news that messages are dropped, or are not any more.
func (s *subscriber) tell(dropping bool) {
	if !s.dropping.Is(dropping, s.clock) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.logs) == 0:
	case dropping:
		s.logs[len(s.logs)-1].Warn("messages are dropped, more than are held have come and nobody takes them", "held", len(s.held))
	default:
		s.logs[len(s.logs)-1].Info("messages are held again")
	}
}

// Receive returns a message that is held, or the next one.
func (s *subscriber) Receive(ctx context.Context) (queue.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case d := <-s.held:
		return s.hand(d), nil
	default:
	}
	l, err := s.Get()
	if err != nil {
		return nil, err
	}
	select {
	case d := <-s.held:
		return s.hand(d), nil
	case <-l.lost:
		return nil, gateway.Away(errLost)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hand notes that a delivery is not held any more.
func (s *subscriber) hand(d *delivery) *delivery {
	s.bytes.Add(-d.size)
	if s.dropping.Bad() {
		s.tell(false)
	}
	return d
}

// A delivery is a message that the broker has forgotten.
type delivery struct {
	of    *subscriber
	m     queue.Message
	size  int64
	ended atomic.Bool
}

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

// Ack does nothing more.
func (d *delivery) Ack(context.Context) error { d.ended.Store(true); return nil }

// Nack holds the message again, or forgets it.
func (d *delivery) Nack(_ context.Context, requeue bool) error {
	if !d.ended.Swap(true) && requeue {
		m := d.m
		m.Redelivered++
		d.of.hold(&delivery{of: d.of, m: m, size: d.size})
	}
	return nil
}
