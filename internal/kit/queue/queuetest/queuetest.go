package queuetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

func init() {
	queue.Register(queue.Driver{Scheme: "mem", Publisher: openPublisher, Subscriber: openSubscriber, Envelope: true})
}

// A Broker holds messages. It is safe for concurrent use.
type Broker struct {
	name string

	mu      sync.Mutex
	queues  map[string][]queue.Message
	held    []*delivery // nobody has ended them
	dropped map[string][]queue.Message
	down    error
	judge   func(ctx context.Context, m *queue.Message) error
	turned  chan struct{} // closed when there is something new
	logs    []*slog.Logger
	opened  int
	closed  int
}

var (
	mu      sync.Mutex
	brokers = make(map[string]*Broker)
	made    int
)

// New returns a broker, which is there until the test ends.
func New(t testing.TB) *Broker {
	mu.Lock()
	defer mu.Unlock()
	made++
	b := &Broker{name: fmt.Sprintf("b%d", made), queues: make(map[string][]queue.Message), dropped: make(map[string][]queue.Message), turned: make(chan struct{})}
	brokers[b.name] = b
	t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		delete(brokers, b.name)
	})
	return b
}

// Host returns what the host of a backend is.
func (b *Broker) Host() string { return "mem://" + b.name + "/" }

// change runs f while nobody else does, and wakes who waits.
func (b *Broker) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.turned)
	b.turned = make(chan struct{})
}

// Put adds messages to a queue.
func (b *Broker) Put(name string, ms ...queue.Message) {
	b.change(func() { b.queues[name] = append(b.queues[name], ms...) })
}

// Queue returns the messages that are there to be taken.
func (b *Broker) Queue(name string) []queue.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.queues[name])
}

// Dropped returns the messages that were given back and not requeued.
func (b *Broker) Dropped(name string) []queue.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.dropped[name])
}

// Held returns how many deliveries nobody has ended.
func (b *Broker) Held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.held)
}

// Open returns how many publishers and subscribers were opened, and how many of them were
// closed.
func (b *Broker) Open() (opened, closed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.opened, b.closed
}

// Lose lets the connections end for a cause, after which the broker is away: deliveries
// that are held are requeued, whoever holds them.
func (b *Broker) Lose(cause error) {
	b.change(func() {
		b.down = cause
		for _, d := range b.held {
			b.requeue(d)
		}
		b.held = nil
	})
}

// Return lets the broker be there again.
func (b *Broker) Return() { b.change(func() { b.down = nil }) }

// Judge lets f say what Publish returns; with nil the message is taken.
func (b *Broker) Judge(f func(ctx context.Context, m *queue.Message) error) {
	b.change(func() { b.judge = f })
}

// Logs returns how many logs are told of the broker.
func (b *Broker) Logs() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.logs)
}

// requeue puts a message back in front. The caller holds the lock.
func (b *Broker) requeue(d *delivery) {
	m := d.m // which belongs to whoever has received it
	m.Redelivered++
	b.queues[d.queue] = slices.Insert(b.queues[d.queue], 0, m)
}

// end is who publishes to a queue or subscribes to it.
type end struct {
	*Broker
	queue string
	over  bool // nobody wants it any more
}

var errOver = errors.New("the gateway has closed the connection")

// away says why the broker is not there. The caller holds the lock.
func (e *end) away() error {
	if e.over {
		return errOver
	}
	return e.down
}

func open(s *component.Site, a *queue.Address, role string) (*end, error) {
	if err := a.Only(nil, nil); err != nil {
		return nil, err
	}
	name, topic, _ := strings.Cut(a.Path, "/")
	mu.Lock()
	b := brokers[name]
	mu.Unlock()
	if b == nil || topic == "" {
		return nil, errors.New("there is no such broker; write one of a test, and the name of a queue")
	}
	return component.Keep(s, role+" "+queue.ID(a.String(), a.Site, a.Retry()), func() (*end, func(), error) {
		b.change(func() { b.opened++ })
		e := &end{Broker: b, queue: topic}
		return e, func() { b.change(func() { b.closed++; e.over = true }) }, nil
	})
}

func openPublisher(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	return open(s, a, "publisher")
}

func openSubscriber(s *component.Site, a *queue.Address) (queue.Subscriber, error) {
	return open(s, a, "subscriber")
}

// Start takes a log.
func (e *end) Start(log *slog.Logger) (leave func()) {
	own := slog.New(log.Handler())
	e.change(func() { e.logs = append(e.logs, own) })
	return func() {
		e.change(func() { e.logs = slices.DeleteFunc(e.logs, func(l *slog.Logger) bool { return l == own }) })
	}
}

// Tried returns nil, since there is nothing to wait for.
func (e *end) Tried(context.Context) error { return nil }

// Health returns "ready" unless the broker is away.
func (e *end) Health() (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away() != nil {
		return "connecting", false
	}
	return "ready", true
}

// Publish takes a copy of the message.
func (e *end) Publish(ctx context.Context, m *queue.Message) error {
	e.mu.Lock()
	down, judge := e.away(), e.judge
	e.mu.Unlock()
	if down != nil {
		return gateway.Away(down)
	}
	if judge != nil {
		if err := judge(ctx, m); err != nil {
			return err
		}
	}
	own := *m
	own.Body, own.Attributes, own.Key = bytes.Clone(m.Body), nil, strings.Clone(m.Key)
	for _, f := range m.Attributes {
		own.Attributes.Add(strings.Clone(f.Name), strings.Clone(f.Value))
	}
	e.Put(e.queue, own)
	return nil
}

// Receive returns the next message.
func (e *end) Receive(ctx context.Context) (queue.Delivery, error) {
	for {
		e.mu.Lock()
		down, turned := e.away(), e.turned
		var d *delivery
		if waiting := e.queues[e.queue]; down == nil && len(waiting) > 0 && ctx.Err() == nil {
			d = &delivery{end: e, m: waiting[0]}
			e.queues[e.queue] = waiting[1:]
			e.held = append(e.held, d)
		}
		e.mu.Unlock()
		switch {
		case d != nil:
			return d, nil
		case down != nil:
			return nil, gateway.Away(down)
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Wait waits until the broker is there.
func (e *end) Wait(ctx context.Context) error {
	for {
		e.mu.Lock()
		down, turned := e.away(), e.turned
		e.mu.Unlock()
		if down == nil {
			return nil
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type delivery struct {
	*end
	m queue.Message
}

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

var errGone = errors.New("the delivery has ended, or its connection")

// finish ends the delivery.
func (d *delivery) finish(f func()) error {
	err := errGone
	d.change(func() {
		if i := slices.Index(d.held, d); i >= 0 {
			d.held = slices.Delete(d.held, i, i+1)
			f()
			err = nil
		}
	})
	return err
}

// Void reports whether the delivery has ended, or its connection.
func (d *delivery) Void() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !slices.Contains(d.held, d)
}

// Ack forgets the message.
func (d *delivery) Ack(context.Context) error { return d.finish(func() {}) }

// Nack gives it back, or drops it.
func (d *delivery) Nack(_ context.Context, requeue bool) error {
	return d.finish(func() {
		if requeue {
			d.requeue(d)
			return
		}
		d.dropped[d.queue] = append(d.dropped[d.queue], d.m)
	})
}
