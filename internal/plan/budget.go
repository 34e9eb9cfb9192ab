package plan

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/change"
)

// A Budget is the context of the stages of a service that may wait: it ends when they
// have taken longer than they may, on the way in or on the way out. While the endpoint
// has its turn, and once the exchange is answered, it is paused: an endpoint has a
// deadline of its own, and an answer may stream for as long as it likes. Behind the
// endpoint the time begins anew.
//
// It costs a timer only if somebody waits for it.
type Budget struct {
	context.Context // of the exchange
	limit           time.Duration

	mu     sync.Mutex
	paused int       // turns of endpoints that last
	ends   time.Time // when the time is over, unless it is paused
	spent  bool      // it has ended by its own time
	done   chan struct{}
	err    error
	within error       // of the last turn of an endpoint
	timer  *time.Timer // nil until somebody waits
	stop   func() bool // ends looking at the context of the exchange
}

// budgetKey finds the budget in the contexts that are derived from it.
type budgetKey struct{}

// pause stops the time, and reports whether it was over before.
func (b *Budget) pause() (spent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.look()
	b.paused++
	if b.timer != nil {
		b.timer.Stop()
	}
	return b.spent
}

// restart ends the turn of an endpoint, and with it a pause. With the last one the time
// begins anew.
func (b *Budget) restart(failure error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.within = failure
	if b.paused--; b.paused > 0 {
		return
	}
	b.ends = time.Now().Add(b.limit)
	if b.timer != nil {
		b.timer.Reset(b.limit)
	}
}

// release ends the context with its exchange.
func (b *Budget) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done != nil {
		b.stop()
		b.timer.Stop()
		b.end(context.Canceled)
	}
}

// Deadline returns when the context of the exchange ends. The time of the budget is no
// deadline, for a pause puts it off: package context would leave out the later deadline of a
// context that is derived.
func (b *Budget) Deadline() (time.Time, bool) { return b.Context.Deadline() }

// Done returns a channel that is closed when the context ends.
func (b *Budget) Done() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.done == nil {
		b.done = make(chan struct{})
		if b.err != nil {
			close(b.done)
		}
		b.timer = time.AfterFunc(max(0, time.Until(b.ends)), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.look() // or it was stopped too late
		})
		if b.paused > 0 {
			b.timer.Stop()
		}
		b.stop = context.AfterFunc(b.Context, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.end(b.Context.Err())
		})
	}
	return b.done
}

// look ends the context if its time is over; the lock is held.
func (b *Budget) look() {
	if b.err == nil && b.paused == 0 && b.Context.Err() == nil && time.Until(b.ends) <= 0 {
		b.spent = true
		b.end(context.DeadlineExceeded)
	}
}

// end ends the context; the lock is held.
func (b *Budget) end(err error) {
	if b.err != nil {
		return
	}
	if b.err = err; b.done != nil {
		close(b.done)
	}
}

// Err returns why the context has ended, nil if it has not. The time counts even if the
// timer is late.
func (b *Budget) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.look(); b.err == nil {
		return b.Context.Err()
	}
	return b.err
}

// Value returns the budget itself to those who look for it.
func (b *Budget) Value(key any) any {
	if key == (budgetKey{}) {
		return b
	}
	return b.Context.Value(key)
}

// errSpent is the cause of a failure whose stage has not looked whether its time was over.
var errSpent = errors.New("components of the service took longer than service_timeout")

// A Paused connector is the tail of a service with stages that may wait: their time stops
// while the endpoint has its own. An endpoint whose turn comes too late is not asked.
type Paused struct{ gateway.Connector }

// Do runs the endpoint.
func (p Paused) Do(ctx context.Context, x *gateway.Exchange) (err error) {
	if b, ok := ctx.Value(budgetKey{}).(*Budget); ok {
		defer func() { b.restart(err) }()
		if b.pause() {
			return &gateway.Error{Code: gateway.CodeTimeout, Public: "context deadline exceeded", Err: errSpent}
		}
		if ctx == context.Context(b) { // and no context of what stands around
			ctx = b.Context
		}
	}
	return p.Connector.Do(ctx, x)
}

// A ServiceTime is how long the stages of a service may take, over the exchanges of a
// generation; nil where none of them waits.
type ServiceTime struct {
	Limit time.Duration
	Log   *component.Log
	Clock component.Clock
	said  change.State // bad while they take too long
}

// Begin returns the context of the stages of a service for x: ctx with an end of its
// own. It is released with x.
func (s *ServiceTime) Begin(ctx context.Context, x *gateway.Exchange) *Budget {
	b := &Budget{Context: ctx, limit: s.Limit, ends: time.Now().Add(s.Limit)}
	x.OnRelease(b.release)
	return b
}

// End tells of stages that took too long, and that they no longer do: one line each.
func (s *ServiceTime) End(b *Budget, x *gateway.Exchange) {
	late := b.pause()
	if !s.said.Is(late, s.Clock) {
		return
	}
	log := s.Log.Logger()
	failure, failed := errors.AsType[*Failure](x.Err)
	switch {
	case !late:
		log.Info("components of the service end in time again")
	case failed && failure.Err != b.within && !errors.Is(b.within, failure) && !errors.Is(failure, errSpent):
		log.Warn("a component of the service takes longer than service_timeout, so its requests fail",
			"component", failure.Step, "at", failure.At.String(), "service_timeout", s.Limit)
	default: // which one is not known
		log.Warn("components of the service take longer than service_timeout, and do not end with it", "service_timeout", s.Limit)
	}
}
