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

// An Allowance is the context of the stages of a service that may wait: it ends when
// they have taken longer than they may, on the way in or on the way out. While the
// endpoint has its turn no time passes, nor once the exchange is answered: an endpoint
// has a deadline of its own, and an answer may stream for as long as it likes.
//
// It costs a timer only if somebody waits for it.
type Allowance struct {
	context.Context // of the exchange
	limit           time.Duration

	mu    sync.Mutex
	away  int       // turns of endpoints that last
	ends  time.Time // of the time, when nobody is away
	done  chan struct{}
	err   error
	timer *time.Timer // nil until somebody waits
	stop  func() bool // ends looking at the context of the exchange
}

// allowanceKey finds the allowance in the contexts that are derived from it.
type allowanceKey struct{}

// leave stops the time, and enter lets it begin anew.
func (a *Allowance) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away++
	if a.timer != nil {
		a.timer.Stop()
	}
}

func (a *Allowance) enter() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away--; a.away > 0 {
		return
	}
	a.ends = time.Now().Add(a.limit)
	if a.timer != nil {
		a.timer.Reset(a.limit)
	}
}

// release ends the context with its exchange.
func (a *Allowance) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done != nil {
		a.stop()
		a.timer.Stop()
		a.end(context.Canceled)
	}
}

// Deadline returns when the context ends.
func (a *Allowance) Deadline() (time.Time, bool) {
	at, ok := a.Context.Deadline()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away == 0 && (!ok || a.ends.Before(at)) {
		return a.ends, true
	}
	return at, ok
}

// Done returns a channel that is closed when the context ends.
func (a *Allowance) Done() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done == nil {
		a.done = make(chan struct{})
		a.timer = time.AfterFunc(max(0, time.Until(a.ends)), func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.away == 0 { // or it was stopped too late
				a.end(context.DeadlineExceeded)
			}
		})
		if a.away > 0 {
			a.timer.Stop()
		}
		a.stop = context.AfterFunc(a.Context, func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.end(a.Context.Err())
		})
	}
	return a.done
}

// end ends the context; the lock is held.
func (a *Allowance) end(err error) {
	if a.err == nil {
		a.err = err
		close(a.done)
	}
}

// Err returns why the context has ended, nil if it has not. The time counts even if the
// timer is late.
func (a *Allowance) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.err != nil:
		return a.err
	case a.Context.Err() != nil:
		return a.Context.Err()
	case a.away == 0 && time.Until(a.ends) <= 0:
		return context.DeadlineExceeded
	}
	return nil
}

// Value returns the allowance itself to those who look for it.
func (a *Allowance) Value(key any) any {
	if key == (allowanceKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// A Turn is the tail of a service with stages that may wait: their time stops while the
// endpoint has its own.
type Turn struct{ gateway.Connector }

// Do runs the endpoint.
func (t Turn) Do(ctx context.Context, x *gateway.Exchange) error {
	if a, ok := ctx.Value(allowanceKey{}).(*Allowance); ok {
		a.leave()
		defer a.enter()
		if ctx == context.Context(a) { // and no context of what stands around
			ctx = a.Context
		}
	}
	return t.Connector.Do(ctx, x)
}

// An Endurance is how long the stages of a service may take, over the exchanges of a
// generation; nil where none of them waits.
type Endurance struct {
	Limit time.Duration
	Log   *component.Log
	Clock component.Clock
	Began time.Time
	said  change.State // bad while they take too long
}

// Begin returns the context of the stages of a service for x: ctx with an end of its
// own. It is released with x.
func (e *Endurance) Begin(ctx context.Context, x *gateway.Exchange) *Allowance {
	a := &Allowance{Context: ctx, limit: e.Limit, ends: time.Now().Add(e.Limit)}
	x.OnRelease(a.release)
	return a
}

// End tells of stages that took too long, and that they no longer do: one line each.
func (e *Endurance) End(a *Allowance, x *gateway.Exchange) {
	late := a.Context.Err() == nil && a.Err() != nil
	a.leave()
	if !e.said.Is(late, func() time.Duration { return e.Clock().Sub(e.Began) }) {
		return
	}
	if !late {
		e.Log.Logger().Info("components of the service end in time again")
		return
	}
	var component, at string
	if f, ok := errors.AsType[*Failure](x.Err); ok {
		component, at = f.Step, f.At.String()
	}
	e.Log.Logger().Warn("a component of the service takes longer than service_timeout, so its requests fail",
		"component", component, "at", at, "service_timeout", e.Limit)
}
