package amqp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// DefaultPrefetch is how many messages the broker hands out ahead to whoever takes them without
// end and does not say how many.
const DefaultPrefetch = 10

// wider is how many more consumers take part, each with as much ahead, while messages rest.
const wider = 9

// look is how often it is looked whether the queue is there while nobody asks for messages, and
// for an exchange of dead letters that is not there.
const look = 10 * time.Second

// Subscribing says what a subscriber reads.
type Subscribing struct {
	Topology Topology // whose queue is read
	Existing bool     // nothing is declared

	// Prefetch is how many messages the broker hands out ahead. They are held until somebody
	// asks, but no longer than its consumer_timeout, and each time they go back counts as
	// a delivery. If it is more than 1, and messages rest, it hands out more in their place,
	// ten times as many in all at most. 0 is none: a message is taken for each who waits. Of a queue that goes
	// with its last consumer it is 1 then, since one has to stay.
	Prefetch     int
	PrefetchSize int // bytes; 0 is no limit, and RabbitMQ knows no other
	NoLocal      bool

	// Limit is how many bytes the body of a message may have; 0 is no limit. One that is larger
	// is received without its body, and its Fault says so; so is one whose header nobody
	// reads.
	Limit int64

	// AutoAck acknowledges a message when it is received: Ack and Nack of its delivery do
	// nothing.
	AutoAck bool
}

// A Subscriber reads a queue. It is a [queue.Subscriber]; the Key of its messages is their
// routing key, and a Content-Type is among their attributes if they have one.
type Subscriber struct {
	*live.Conn[*receiver]
	of *subscription
}

// Lost returns why dead letters are lost: the broker has no such exchange, as it said when the
// connection was made, or a moment ago. Nil is that it has one, or that nobody knows.
func (s *Subscriber) Lost() error {
	if e := s.of.nowhere.Load(); e != nil {
		return e
	}
	return nil
}

// Subscriber opens a subscriber. Site is the name of whose it is. The error is one of the
// build.
func (b *Broker) Subscriber(site string, o Subscribing) (*Subscriber, error) {
	if o.Prefetch == 0 && o.Topology.Delete {
		o.Prefetch = 1
	}
	return component.Keep(b.site, b.key("subscriber", site, o), func() (*Subscriber, func(), error) {
		own := *b
		own.site = nil
		p := &subscription{Broker: &own, Subscribing: o}
		c := live.New(b.options("queue "+o.Topology.Queue), p)
		return &Subscriber{c, p}, c.Close, nil
	})
}

// A subscription is the live.Peer of a subscriber.
type subscription struct {
	*Broker
	Subscribing
	waits   atomic.Bool                  // the queue is one of those whose messages come to consumers alone
	nowhere atomic.Pointer[client.Error] // that the exchange of dead letters is not there; nil if it is, or nobody knows
}

// A receiver is a connection that messages come by.
type receiver struct {
	*session
	*subscription
	ahead  <-chan client.Delivery // what the broker hands out ahead; nil if it does not
	others chan client.Delivery   // of askers whose client has left, and of consumers beside the first
	left   chan struct{}          // of size 1: one has
	done   sync.WaitGroup

	// The answers of the broker do not name what was asked: questions of one kind, of
	// which each may have the answer of another, share the lock.
	answers sync.RWMutex

	mu      sync.Mutex
	made    int      // how many askers, or consumers beside the first
	idle    []*asker // whose clients have left, the oldest first
	resting int      // deliveries
	more    []string // tags of consumers beside the first
}

// An asker gets one message: what the queue has, or else as a consumer at the broker.
type asker struct {
	tag     string
	message chan client.Delivery // of size 1, closed when none is to come

	mu       sync.Mutex
	over     bool // it must not become a consumer any more
	consumes bool
}

// Dial connects and subscribes.
func (p *subscription) Dial(ctx context.Context, lost func(cause error)) (*receiver, error) {
	s, err := p.dial(ctx, p.Limit)
	if err == nil && !p.letters(s) { // its channel has ended
		s.end(ctx, func() {})
		s.stop()
		s, err = p.dial(ctx, p.Limit)
	}
	if err != nil {
		return nil, err
	}
	defer s.stop()
	r := &receiver{session: s, subscription: p, others: make(chan client.Delivery), left: make(chan struct{}, 1)}
	if err := r.subscribe(); err != nil {
		s.end(ctx, func() {})
		return nil, s.blame(err)
	}
	closes, cancels := s.ch.NotifyClose(make(chan *client.Error, 1)), s.ch.NotifyCancel(make(chan string, 1))
	r.done.Go(func() {
		select {
		case e := <-closes:
			if e == nil {
				s.lose(nil, lost)
				return
			}
			s.lose(e, lost)
		case <-cancels:
			s.lose(fmt.Errorf("the broker has ended the subscription of the queue %q, as if it were deleted", p.Topology.Queue), lost)
			for range cancels { // which come one for each asker, and hold up all else
			}
		}
	})
	if r.ahead == nil {
		r.done.Go(r.watch)
	}
	if p.nowhere.Load() != nil {
		r.done.Go(r.seek)
	}
	return r, nil
}

// letters looks whether the exchange of dead letters is there, if there has to be one. It reports
// false if the broker has ended the channel for that.
func (p *subscription) letters(s *session) bool {
	name := p.Topology.DeadLetters
	if name == "" {
		return true
	}
	err := s.ch.ExchangeDeclarePassive(name, client.ExchangeTopic, false, false, false, false, nil)
	e, _ := errors.AsType[*client.Error](err)
	if e != nil && e.Code != client.NotFound {
		e = nil
	}
	p.nowhere.Store(e)
	return err == nil
}

// seek looks for the exchange of dead letters until it is there, by connections of their own, since
// they end if it is not.
func (r *receiver) seek() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.done.Go(func() {
		<-r.lost
		cancel()
	})
	again := time.NewTicker(look)
	defer again.Stop()
	for r.nowhere.Load() != nil {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
		if s, err := r.dial(ctx, r.Limit); err == nil {
			r.letters(s)
			s.end(ctx, func() {})
			s.stop()
		}
	}
}

// subscribe declares the queue, or looks for it, and begins to take what comes ahead.
func (r *receiver) subscribe() (err error) {
	if !r.Existing {
		if err := r.Topology.declare(r.ch); err != nil {
			return err
		}
	}
	if err := r.ch.Qos(max(r.Prefetch, 1), r.PrefetchSize, false); err != nil {
		return fmt.Errorf("limiting what comes ahead: %w", err)
	}
	if r.Prefetch == 0 {
		if r.Existing {
			return r.find()
		}
		return nil
	}
	t := &r.Topology
	if r.ahead, err = r.ch.Consume(t.Queue, "", false, false, r.NoLocal, t.NoWait, nil); err != nil {
		return fmt.Errorf("subscribing to the queue %q: %w", t.Queue, err)
	}
	return nil
}

// find returns an error if the queue is not there, which has ended the channel.
func (r *receiver) find() error {
	r.answers.Lock()
	defer r.answers.Unlock()
	t := &r.Topology
	if _, err := r.ch.QueueDeclarePassive(t.Queue, t.Durable, t.Delete, t.Exclusive, false, nil); err != nil {
		return fmt.Errorf("looking for the queue %q: %w", t.Queue, err)
	}
	return nil
}

// watch ends askers whose clients have left, and looks for the queue: nobody else would hear that
// it is deleted, and one that expires unless it is used would do so.
func (r *receiver) watch() {
	looks := time.NewTicker(look)
	defer looks.Stop()
	for {
		select {
		case <-r.left:
			r.endIdle()
		case <-looks.C:
			r.find() // and if it is not there, the connection is lost
		case <-r.lost:
			return
		}
	}
}

// next returns the next message for whoever asks. It reports false if the connection is lost.
func (r *receiver) next(ctx context.Context) (m client.Delivery, ok bool, err error) {
	if r.ahead != nil {
		select {
		case m, ok = <-r.ahead:
			return m, ok, nil
		case m = <-r.others:
			return m, true, nil
		case <-r.lost:
			return m, false, nil
		case <-ctx.Done():
			return m, false, ctx.Err()
		}
	}
	a := r.ask()
	select {
	case m, ok = <-a.message:
		return m, ok, nil
	case m = <-r.others:
		r.leave(a)
		return m, true, nil
	case <-r.lost:
		return m, false, nil
	case <-ctx.Done():
		r.leave(a)
		return m, false, ctx.Err()
	}
}

// rest notes that one more delivery rests, and lets the broker hand out more if too little is left
// of what comes ahead. The broker knows no other way: what it hands out ahead to a consumer is
// fixed, and one number for all of a channel is not for quorum queues. It reports whether others
// can come meanwhile.
func (r *receiver) rest() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resting++
	for r.Prefetch > 1 && len(r.more) < min(wider, (r.resting+r.Prefetch/2)/r.Prefetch) {
		r.made++
		tag := strconv.Itoa(r.made)
		come, err := r.ch.Consume(r.Topology.Queue, tag, false, false, r.NoLocal, true, nil)
		if err != nil {
			break // the connection is lost, and the messages come again
		}
		r.more = append(r.more, tag)
		go r.pass(come)
	}
	return r.resting < r.Prefetch*(1+len(r.more))
}

// pass hands on what comes for a consumer beside the first, until it ends.
func (r *receiver) pass(come <-chan client.Delivery) {
	for m := range come {
		select {
		case r.others <- m:
		case <-r.lost:
			return
		}
	}
}

// unrest notes that a delivery does not rest any more. Behind the last one the consumers beside
// the first end; what has come for them is not lost.
func (r *receiver) unrest() {
	r.mu.Lock()
	r.resting--
	var over []string
	if r.resting == 0 {
		over, r.more = r.more, nil
	}
	r.mu.Unlock()
	if len(over) == 0 {
		return
	}
	go func() {
		r.answers.Lock()
		defer r.answers.Unlock()
		for _, tag := range over {
			r.ch.Cancel(tag, false) // which fails if the connection is lost
		}
	}()
}

// ask returns an asker: one that somebody has left, if there is any, so that there are never
// more than have waited at a time.
func (r *receiver) ask() *asker {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.idle); n > 0 {
		a := r.idle[n-1]
		r.idle = r.idle[:n-1]
		return a
	}
	r.made++
	a := &asker{tag: strconv.Itoa(r.made), message: make(chan client.Delivery, 1)}
	go r.get(a) // it ends with the connection at the latest
	return a
}

// get gets the message of an asker.
func (r *receiver) get(a *asker) {
	defer close(a.message)
	if !r.waits.Load() {
		r.answers.RLock()
		m, ok, err := r.ch.Get(r.Topology.Queue, false)
		r.answers.RUnlock()
		if ok {
			a.message <- m
		}
		if e, is := errors.AsType[*client.Error](err); is && (e.Code == client.NotImplemented || e.Code == client.ResourceLocked) {
			r.waits.Store(true) // a stream, or a quorum queue with a single active consumer
		}
		if ok || err != nil {
			return
		}
	}
	come := r.consume(a)
	if come == nil {
		return
	}
	if m, ok := <-come; ok && r.ch.Cancel(a.tag, true) == nil { // none is on its way: one is out, and not acknowledged
		a.message <- m
	}
}

// consume makes a consumer of an asker, and returns nil if that is of no use any more.
func (r *receiver) consume(a *asker) (come <-chan client.Delivery) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return nil
	}
	a.consumes = true
	come, _ = r.ch.Consume(r.Topology.Queue, a.tag, false, false, r.NoLocal, true, nil) // which fails if the connection is lost
	return come
}

// leave gives back an asker whose client waits no longer. It is the next one's, or is ended.
func (r *receiver) leave(a *asker) {
	r.mu.Lock()
	r.idle = append(r.idle, a)
	r.mu.Unlock()
	select {
	case r.left <- struct{}{}:
	default: // it was said before
	}
}

// endIdle ends askers until none is left. A message that has come for one meanwhile is that of
// another who waits, or goes back.
func (r *receiver) endIdle() {
	for {
		r.mu.Lock()
		if len(r.idle) == 0 {
			r.mu.Unlock()
			return
		}
		a := r.idle[0]
		r.idle = r.idle[1:]
		r.mu.Unlock()
		a.mu.Lock()
		a.over = true
		a.mu.Unlock()
		if a.consumes {
			r.answers.Lock()
			r.ch.Cancel(a.tag, false) // which fails if the connection is lost, and all askers with it
			r.answers.Unlock()
		}
		for m := range a.message {
			select {
			case r.others <- m:
			default:
				r.ch.Nack(m.DeliveryTag, false, true) // if it fails, the end of the connection does it
			}
		}
	}
}

// Close ends the connection: what was not acknowledged goes back to the queue.
func (p *subscription) Close(ctx context.Context, r *receiver) {
	r.end(ctx, func() { <-r.lost; r.done.Wait() })
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
	m, ok, err := r.next(ctx)
	if err != nil {
		return nil, err
	}
	if ok && !r.ch.IsClosed() { // a message that is left of one that is comes again
		d := &delivery{m: message(&m), of: r, tag: m.DeliveryTag}
		d.m.Fault = r.guard.unfit(d.tag)
		if !s.of.AutoAck {
			return d, nil
		}
		if d.Ack(ctx) == nil {
			d.done = true
			return d, nil
		}
	}
	select {
	case <-r.lost:
		return nil, gateway.Away(r.cause)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
		m.Uncounted = m.Redelivered == 0
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
	rests bool // it has said so
	done  bool // when it was received
}

var errTwice = errors.New("the delivery has ended before")

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

// Void reports whether the message has gone back, because the connection has ended.
func (d *delivery) Void() bool { return !d.done && d.of.ch.IsClosed() }

// Rest tells that the delivery will not end for a while. The broker hands out others in its
// place, as far as room is true.
func (d *delivery) Rest() (room bool) {
	if d.done || d.rests {
		return true
	}
	d.rests = true
	return d.of.rest()
}

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
	err := f()
	if d.rests {
		d.of.unrest()
	}
	return err
}
