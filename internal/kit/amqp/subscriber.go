package amqp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// DefaultPrefetch is how many messages the broker hands out ahead where nobody says so.
const DefaultPrefetch = 10

// Subscribing says what a subscriber reads.
type Subscribing struct {
	Topology Topology // whose queue is read
	Existing bool     // nothing is declared

	Prefetch     int // messages; 0 is DefaultPrefetch
	PrefetchSize int // bytes; 0 is no limit, and RabbitMQ knows no other
	NoLocal      bool

	// AutoAck acknowledges a message when it is received: Ack and Nack of its delivery do
	// nothing.
	AutoAck bool
}

// A Subscriber reads a queue. It is a [queue.Subscriber]; the Key of its messages is their
// routing key, and a Content-Type is among their attributes if they have one.
type Subscriber struct {
	*live.Conn[*receiver]
	autoAck bool
}

// Subscriber opens a subscriber. Site is the name of whose it is. The error is one of the
// build.
func (b *Broker) Subscriber(site string, o Subscribing) (*Subscriber, error) {
	if o.Prefetch == 0 {
		o.Prefetch = DefaultPrefetch
	}
	return component.Keep(b.site, b.key("subscriber", site, o), func() (*Subscriber, func(), error) {
		own := *b
		own.site = nil
		c := live.New(b.options("queue "+o.Topology.Queue), &subscription{&own, o})
		return &Subscriber{c, o.AutoAck}, c.Close, nil
	})
}

// A subscription is the live.Peer of a subscriber.
type subscription struct {
	*Broker
	Subscribing
}

// A receiver is a connection that messages come by.
type receiver struct {
	*session
	deliveries <-chan client.Delivery
}

// Dial connects and subscribes.
func (p *subscription) Dial(ctx context.Context, lost func(cause error)) (*receiver, error) {
	s, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r := &receiver{session: s}
	if r.deliveries, err = p.subscribe(s.ch); err != nil {
		s.end(ctx)
		return nil, err
	}
	closes, cancels := s.ch.NotifyClose(make(chan *client.Error, 1)), s.ch.NotifyCancel(make(chan string, 1))
	go func() {
		select {
		case e := <-closes:
			if e == nil {
				s.lose(nil, lost)
				return
			}
			s.lose(e, lost)
		case <-cancels:
			s.lose(fmt.Errorf("the broker has ended the subscription of the queue %q, as if it were deleted", p.Topology.Queue), lost)
		}
	}()
	return r, nil
}

func (p *subscription) subscribe(ch *client.Channel) (<-chan client.Delivery, error) {
	if !p.Existing {
		if err := p.Topology.declare(ch); err != nil {
			return nil, err
		}
	}
	if err := ch.Qos(p.Prefetch, p.PrefetchSize, false); err != nil {
		return nil, fmt.Errorf("limiting what comes ahead: %w", err)
	}
	d, err := ch.Consume(p.Topology.Queue, "", false, p.Topology.Exclusive, p.NoLocal, p.Topology.NoWait, nil)
	if err != nil {
		return nil, fmt.Errorf("subscribing to the queue %q: %w", p.Topology.Queue, err)
	}
	return d, nil
}

// Close ends the connection: what was not acknowledged goes back to the queue.
func (p *subscription) Close(ctx context.Context, r *receiver) {
	r.end(ctx)
	<-r.lost
}

// Receive returns the next message.
func (s *Subscriber) Receive(ctx context.Context) (queue.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := s.Get()
	if err != nil {
		return nil, err
	}
	select {
	case m, ok := <-r.deliveries:
		if !ok || r.ch.IsClosed() { // a message that is left of it comes again
			break
		}
		d := &delivery{m: message(&m), of: r, tag: m.DeliveryTag}
		if s.autoAck {
			if d.Ack(ctx) != nil {
				break
			}
			d.done = true
		}
		return d, nil
	case <-r.lost:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-r.lost:
		return nil, gateway.Away(r.cause)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Wait waits until the broker is there.
func (s *Subscriber) Wait(ctx context.Context) error {
	_, err := s.Conn.Wait(ctx)
	return err
}

// message returns a message as it came.
func message(d *client.Delivery) queue.Message {
	m := queue.Message{Body: d.Body, Key: d.RoutingKey}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		value := d.Headers[name]
		if name == "x-delivery-count" {
			if n, err := strconv.Atoi(text(value)); err == nil && n > 0 {
				m.Redelivered = n
			}
			continue
		}
		if value := text(value); value != "" {
			m.Attributes.Add(name, value)
		}
	}
	if d.Redelivered {
		m.Redelivered = max(m.Redelivered, 1)
	}
	if d.ContentType != "" && !hasFold(m.Attributes, "Content-Type") {
		m.Attributes.Add("Content-Type", d.ContentType)
	}
	return m
}

func hasFold(fields gateway.Fields, name string) bool {
	for _, f := range fields {
		if gateway.Canonical(f.Name) == name {
			return true
		}
	}
	return false
}

// text is the value of a header as text, that of a list its first; "" for what has none.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	case bool, int8, uint8, int16, uint16, int32, uint32, int64, uint64, int, float32, float64:
		return fmt.Sprint(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	case []any:
		if len(v) > 0 {
			if _, list := v[0].([]any); !list {
				return text(v[0])
			}
		}
	}
	return ""
}

// A delivery is a message that the broker waits to hear of.
type delivery struct {
	m     queue.Message
	of    *receiver
	tag   uint64
	ended atomic.Bool
	done  bool // when it was received
}

var errTwice = errors.New("the delivery has ended before")

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

// Ack lets the broker forget the message.
func (d *delivery) Ack(context.Context) error {
	return d.end(func() error { return d.of.ch.Ack(d.tag, false) })
}

// Nack gives the message back, or drops it.
func (d *delivery) Nack(_ context.Context, requeue bool) error {
	return d.end(func() error { return d.of.ch.Nack(d.tag, false, requeue) })
}

func (d *delivery) end(f func() error) error {
	switch {
	case d.done:
		return nil
	case d.ended.Swap(true):
		return errTwice
	}
	return f()
}
