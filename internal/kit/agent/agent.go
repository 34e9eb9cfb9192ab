package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Options say what becomes of messages.
type Options struct {
	// From is for explanations where the messages come from, without secrets.
	From string

	// AutoAck is that the broker forgets a message when it is received.
	AutoAck bool

	// Discard drops a message at its first failure.
	Discard bool

	// RetryDelay is how long a message that has failed rests, unacknowledged, before it is
	// given back: the double each time it fails again, up to a minute; or always this if it is
	// more.
	RetryDelay time.Duration

	// MaxDeliveries is how often a message is delivered before it is dropped; 0 is no end.
	MaxDeliveries int

	// Letters is the exchange, or the queue, where what is dropped goes; "" is that nobody
	// has said so. Lost returns why nothing gets there, as far as is known; nil is never.
	Letters string
	Lost    func() error

	// Metadata hands the type of the content and the key of a message on, and those of its
	// attributes that Headers names; * is all.
	Metadata bool
	Headers  []string

	// Critical is that the gateway is not ready while the broker is away. Without it that
	// is so when the agent has failed.
	Critical bool
}

// KeyHeader is the header with the key of a message.
const KeyHeader = "X-Message-Routing-Key"

// Take lets the agent of the site take the messages of sub. The error is one of the build.
func Take(s *component.PipeSite, sub queue.Subscriber, o Options) error {
	c := s.Agent()
	state, err := keep(s, sub, o)
	if err != nil {
		return err
	}
	t := &taker{state: state, o: o, sub: sub, agent: c, log: s.Log().With("agent", c.Name), clock: s.Clock(), stamps: s.Service().Dialect == model.KrakenD}
	if err := s.Health(c.Name, true, t.health); err != nil {
		return err
	}
	return s.Source(t, state)
}

// A taker is the source of one generation.
type taker struct {
	*state
	o      Options
	sub    queue.Subscriber
	agent  *model.Agent
	log    *slog.Logger
	clock  component.Clock
	stamps bool // health tells the time alone
}

// String says what is taken, how fast, and what becomes of what fails, a line each.
func (t *taker) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "takes: %s\n", t.o.From)
	many := "%d messages at once"
	if t.agent.Consumer.Workers == 1 {
		many = "%d message at once"
	}
	fmt.Fprintf(&text, "works on: "+many, t.agent.Consumer.Workers)
	if rate := t.agent.Consumer.MaxRate; rate > 0 {
		fmt.Fprintf(&text, ", and begins with %v a second at most", rate)
	}
	text.WriteString("\nwhat fails: ")
	switch {
	case t.o.AutoAck:
		text.WriteString("is gone, because the broker has forgotten it")
	case t.o.Discard:
		text.WriteString("is dropped by the broker, or made a dead letter")
	default:
		if t.o.RetryDelay > 0 {
			fmt.Fprintf(&text, "rests %v, the double each time up to %v, and ", t.o.RetryDelay, max(longest, t.o.RetryDelay))
		}
		text.WriteString("goes back to the broker")
		if t.o.MaxDeliveries > 0 {
			fmt.Fprintf(&text, "; at the delivery number %d it is dropped there, or made a dead letter", t.o.MaxDeliveries)
		} else {
			text.WriteString(", without an end")
		}
	}
	text.WriteByte('\n')
	return text.String()
}

// health is what health paths tell: when the connection was last seen, and that there is none.
func (t *taker) health() (text string, ok bool) {
	text, up := t.sub.Health()
	failed := text == live.Failed.String()
	seen, deaf := t.pinged()
	if up && deaf {
		text, up = "failing", false
	}
	ok = up || !failed && !t.o.Critical
	switch {
	case failed:
	case t.stamps && ok && !seen.IsZero():
		text = seen.String()
	case t.stamps && ok:
		text = ""
	case !seen.IsZero():
		text += ", last seen " + seen.UTC().Format(time.RFC3339)
	}
	return text, ok
}

// Run takes messages until ctx ends.
func (t *taker) Run(ctx context.Context, take func(gateway.Message) error) error {
	defer t.sub.Start(t.log)()
	ended := make(chan error, 1)
	go func() {
		var err error
		defer func() { ended <- err }()
		defer gateway.Recover("", &err)
		err = t.takes(ctx, take)
	}()
	looks := time.NewTicker(time.Duration(t.agent.Connection.HealthInterval))
	defer looks.Stop()
	for {
		select {
		case err := <-ended:
			if ctx.Err() != nil {
				return nil
			}
			t.hear(err) // that nothing is taken any more
			return err
		case <-looks.C:
			t.look()
		}
	}
}

// look notes that the connection is there, and says what is new about it.
func (t *taker) look() {
	if _, up := t.sub.Health(); up {
		t.ping(t.clock())
		if t.waits(t.clock(), queue.Patience) {
			t.heard(nil)
		}
	}
	if t.o.Lost == nil {
		return
	}
	if err := t.o.Lost(); t.nowhere.Is(err != nil, t.clock) {
		if err != nil {
			t.log.Warn("dead letters are lost", "to", t.o.Letters, "cause", err)
			return
		}
		t.log.Info("dead letters are kept", "to", t.o.Letters)
	}
}

// takes takes one message after the other until ctx ends, each for a worker of its own, and
// returns when all of them are done.
func (t *taker) takes(ctx context.Context, take func(gateway.Message) error) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	for {
		d, err := t.next(ctx)
		if err != nil {
			return err
		}
		workers.Go(func() {
			defer func() { <-t.busy }()
			if err := t.work(d, take); err != nil {
				t.told(err)
			}
		})
	}
}

// work lets a message through the pipe. The error is a panic of the driver.
func (t *taker) work(d queue.Delivery, take func(gateway.Message) error) (err error) {
	defer gateway.Recover("", &err)
	if void(d) {
		return nil // it comes again
	}
	failed := func() (err error) {
		defer gateway.Recover("", &err)
		if fault := d.Message().Fault; fault != nil {
			t.log.Warn("a message cannot be taken", "cause", fault)
			return fault
		}
		return take(t.message(d.Message()))
	}()
	t.settle(d, failed)
	return nil
}

// next returns a message for a worker that is free, which counts as busy from here on. None is
// taken that the rate does not allow yet, since a broker may forget what is taken.
func (t *taker) next(ctx context.Context) (d queue.Delivery, err error) {
	if !enter(ctx, t.busy) {
		return nil, ctx.Err()
	}
	defer func() {
		if d == nil {
			<-t.busy
		}
	}()
	if !enter(ctx, t.turn) {
		return nil, ctx.Err()
	}
	defer func() { <-t.turn }()
	if t.rate == nil {
		return t.receive(ctx)
	}
	if wait := t.rate.RetryAfter(t.clock()); wait > 0 && !sleep(ctx, wait) {
		return nil, ctx.Err()
	}
	if d, err = t.receive(ctx); err == nil {
		t.rate.Take(t.clock()) // which nobody else has done meanwhile
	}
	return d, err
}

// enter takes a place in a channel, and reports whether it did before ctx was done.
func enter(ctx context.Context, places chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// again is the pause before a subscriber is asked that has failed while its broker is there.
const again = time.Second

// receive returns the next message of the broker.
func (t *taker) receive(ctx context.Context) (queue.Delivery, error) {
	for tries := 0; ; tries++ {
		d, err := t.ask(ctx)
		if err == nil {
			t.heard(nil)
			return d, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if e, is := errors.AsType[*gateway.Error](err); !is || e.Code != gateway.CodeBackendAway { // of which the driver has a line
			t.heard(err)
		}
		t.sweep()
		if tries > 0 && !sleep(ctx, again) {
			return nil, ctx.Err()
		}
		for t.sub.Wait(ctx) != nil { // it has failed, and is back some day
			if !sleep(ctx, again) {
				return nil, ctx.Err()
			}
		}
		t.ping(t.clock())
	}
}

// ask asks the broker for a message. A panic of the driver is an error.
func (t *taker) ask(ctx context.Context) (d queue.Delivery, err error) {
	defer gateway.Recover("", &err)
	t.asks(t.clock())
	return t.sub.Receive(ctx)
}

// heard notes what has become of a question, and says so if it is news.
func (t *taker) heard(err error) {
	t.hear(err)
	switch {
	case !t.deaf.Is(err != nil, t.clock):
	case err != nil:
		t.log.Warn("no message can be taken", "cause", err)
	default:
		t.log.Info("messages can be taken again")
	}
}

// message returns a message as the pipe gets it: the body alone, or what of it is handed on.
func (t *taker) message(m *queue.Message) gateway.Message {
	out := gateway.Message{Body: m.Body}
	if !t.o.Metadata {
		return out
	}
	for _, f := range m.Attributes {
		name := gateway.Canonical(f.Name)
		if gateway.Alike(name, KeyHeader) || gateway.Withheld(name) || !gateway.Token(f.Name) || !gateway.Carried(f.Value) {
			continue
		}
		if name == "Content-Type" || slices.ContainsFunc(t.o.Headers, func(h string) bool { return h == "*" || config.SameName(h, f.Name) }) {
			out.Header.Add(f.Name, f.Value)
		}
	}
	if m.Key != "" && gateway.Carried(m.Key) {
		out.Header.Add(KeyHeader, m.Key)
	}
	return out
}

// settle ends a delivery by what became of the message, or lets it rest.
func (t *taker) settle(d queue.Delivery, failed error) {
	if void(d) {
		return // what is known of it is for the delivery that comes again
	}
	m := d.Message()
	tally := t.tally(m, failed)
	switch n := tally.before + 1; {
	case failed == nil:
		if dropped, waited := t.drops.Is(false, t.clock), t.full.Is(false, t.clock); dropped || waited {
			t.log.Info("messages are worked on again")
		}
		if t.end(d, d.Ack) != nil {
			t.count(tally.sum, tally.before)
		}
	case errors.Is(failed, gateway.ErrStopped) || gateway.Cut(failed):
		t.count(tally.sum, tally.before)
		t.giveBack(d)
	case t.o.AutoAck:
		t.gone(m, n, failed)
	case t.o.Discard || t.o.MaxDeliveries > 0 && n >= t.o.MaxDeliveries:
		t.gone(m, n, failed)
		if t.end(d, func(ctx context.Context) error { return d.Nack(ctx, false) }) != nil && !t.o.Discard {
			t.count(tally.sum, n)
		}
	default:
		t.count(tally.sum, n)
		if room := t.rest(d, t.o.pause(n), t.giveBack); !room && t.full.Is(true, t.clock) {
			t.log.Warn("as many messages rest as may, because they have failed, and all others wait until one of them has gone back", "cause", failed)
		}
	}
}

// gone says, if it is news, that messages are lost or go elsewhere, and tells which is the
// first of them.
func (t *taker) gone(m *queue.Message, n int, failed error) {
	if !t.drops.Is(true, t.clock) {
		return
	}
	text, about := "messages fail and are dropped", []any{"deliveries", n, "key", queue.Line(m.Key), "cause", failed}
	if t.o.AutoAck {
		text = "messages fail and are lost, since the broker has forgotten them"
	} else if t.o.Letters != "" {
		text, about = "messages fail and become dead letters", append(about, "to", t.o.Letters)
		if t.o.Lost != nil && t.o.Lost() != nil {
			text = "messages fail and are lost, since nobody keeps dead letters"
		}
	}
	t.log.Warn(text, about...)
}

// lastWord is how long the end of a delivery may take.
const lastWord = time.Second

// end ends a delivery by f. The error, which may be a panic of the driver, is that the broker
// has not heard of it, as far as is known, and delivers the message again when the connection
// ends; it is said if it is news.
func (t *taker) end(d queue.Delivery, f func(context.Context) error) (err error) {
	func() {
		defer gateway.Recover("", &err)
		ctx, cancel := context.WithTimeout(context.Background(), lastWord)
		defer cancel()
		err = f(ctx)
	}()
	if err == nil || !void(d) { // else the connection has ended, of which the driver has a line
		t.told(err)
	}
	return err
}

// told says, if it is news, whether the broker is told what becomes of messages.
func (t *taker) told(err error) {
	switch {
	case !t.mute.Is(err != nil, t.clock):
	case err != nil:
		t.log.Warn("what became of a message is not told to the broker, which delivers it again when the connection ends", "cause", err)
	default:
		t.log.Info("the broker is told again what became of messages")
	}
}

// giveBack lets the broker deliver a message again; if it does not hear of that, the end of
// the connection says so.
func (t *taker) giveBack(d queue.Delivery) {
	t.end(d, func(ctx context.Context) error { return d.Nack(ctx, true) })
}

// A tally says of a message which it is, and how often it was delivered before.
type tally struct {
	sum    uint64
	before int
}

// tally takes the count of a message, unless nobody needs it.
func (t *taker) tally(m *queue.Message, failed error) (y tally) {
	if t.o.AutoAck || t.o.Discard || failed == nil && m.Redelivered == 0 {
		return y
	}
	y.sum = t.sum(m)
	if m.Redelivered > 0 {
		y.before = t.uncount(y.sum)
		if !m.Uncounted { // else it may have been with somebody who did not come to it
			y.before = max(m.Redelivered, y.before)
		}
	}
	return y
}

// longest is the pause of a message that has failed often.
const longest = time.Minute

// pause returns how long a message rests that was delivered n times.
func (o *Options) pause(n int) time.Duration {
	if o.RetryDelay >= longest || o.RetryDelay == 0 {
		return o.RetryDelay
	}
	return time.Duration(min(float64(o.RetryDelay)*math.Exp2(float64(n-1)), float64(longest)))
}

// sleep reports whether d has passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// id is of all that shapes what is kept.
func id(s *component.PipeSite, sub queue.Subscriber, o Options) string {
	o.Lost = nil // which is that of sub
	return "agent " + queue.ID(s.Name(), fmt.Sprintf("%p %+v %+v", sub, o, s.Agent().Consumer), strings.Join(o.Headers, "\n"))
}
