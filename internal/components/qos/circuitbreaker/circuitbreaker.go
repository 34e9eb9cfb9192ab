package circuitbreaker

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/sony/gobreaker/v2"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/change"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

// codeOpen is the failure of a call that a breaker does not let through.
const codeOpen = "breaker_open"

var info = component.Info{
	Namespace: "qos/circuit-breaker",
	Aliases:   []string{"github.com/devopsfaith/krakend-circuitbreaker/gobreaker"},
	Summary:   "Stops calling a backend that keeps failing.",
	Source:    source,
	Doc:       doc,
	Guards:    component.Passage,
	Failures: []gateway.Failure{
		{Code: codeOpen, Class: gateway.Unavailable, Detail: "A service behind the gateway failed too often and is not called for a while; try again later."},
	},
}

func init() { component.Register(component.Backend(info, build)) }

func build(s *component.BackendSite, o Options) error {
	at := s.Name()
	failures := uint32(o.MaxErrors)
	if s.Service().Behaviour.BreakerThreshold != "at" {
		failures++ // Compatibility: max_errors failures are borne, the next one opens.
	}
	id := fmt.Sprintf("%s: %d failures in %d s, open for %d s", at, failures, o.Interval, o.Timeout)
	b, err := component.Keep(&s.Site, id, func() (*breaker, func(), error) {
		return newBreaker(o, failures), nil, nil
	})
	if err != nil {
		return err
	}
	st := &stage{
		breaker: b,
		noop:    s.Config().Encoding == "no-op",
		calls:   s.Service().Behaviour.BreakerCounts == "calls",
		done:    component.NewSlot[func(error)](&s.Site),
	}
	if st.noop {
		s.Warn("", errors.New("only failures of connection and time count here, because with the encoding no-op every answer passes as it is; choose an encoding that decodes for statuses to count"))
	}
	st.teller = teller{log: s.Log().With("place", at), name: cmp.Or(o.Name, at), every: o.LogStatusChange, clock: s.Clock()}
	s.Prompt(component.BackendBreaker, st)
	return nil
}

// A breaker is the state of one backend. Several generations may use it at a
// time.
type breaker struct {
	*gobreaker.TwoStepCircuitBreaker[struct{}]

	said change.State // bad while it was said to be open

	changed atomic.Bool // whether changes holds any
	mu      sync.Mutex
	changes []step // not reported yet
}

// A step is a step from one state to another.
type step struct{ from, to gobreaker.State }

func newBreaker(o Options, failures uint32) *breaker {
	b := new(breaker)
	b.TwoStepCircuitBreaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1,
		Interval:    o.Interval.Duration(),
		Timeout:     o.Timeout.Duration(),
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
		IsExcluded:  func(err error) bool { return err == errGivenUp || err == errUncalled },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			b.note(step{from, to})
		},
	})
	return b
}

// note keeps a change until the stage that caused it reports it, a moment
// later: the breaker outlives loggers, and it calls this while it is locked.
func (b *breaker) note(c step) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes = append(b.changes, c)
	b.changed.Store(true)
}

// A teller writes the changes of a breaker into the log of its generation.
type teller struct {
	log   *slog.Logger
	name  string // of the breaker
	every bool   // each change of state, in the words of the incumbent
	clock component.Clock
}

// report logs the changes that were noted and forgets them. The cause is the failure
// of the call that made them, nil if it did not fail.
func (b *breaker) report(ctx context.Context, t *teller, cause error) {
	if !b.changed.Load() {
		return
	}
	b.mu.Lock()
	changes := b.changes
	b.changes = nil
	b.changed.Store(false)
	b.mu.Unlock()
	for _, c := range changes {
		switch {
		case t.every: // Compatibility: the words that alerts look for.
			t.log.WarnContext(ctx, fmt.Sprintf("Circuit breaker named '%s' went from '%s' to '%s'", t.name, c.from, c.to))
		case c.to == gobreaker.StateHalfOpen: // whether anything has changed is yet to be seen
		case !b.said.Is(c.to == gobreaker.StateOpen, t.clock):
		case c.to == gobreaker.StateOpen:
			t.log.WarnContext(ctx, "breaker opened, the backend is not called for a while", "name", t.name, "cause", cause)
		default:
			t.log.InfoContext(ctx, "breaker closed, the backend answers again", "name", t.name)
		}
	}
}

// Refusals of a breaker that is not closed.
var (
	errOpen  = &gateway.Error{Code: codeOpen, Public: "circuit breaker is open"}
	errProbe = &gateway.Error{Code: codeOpen, Public: "too many requests"}
)

// Outcomes of a call that have no error of their own.
var (
	errGivenUp    = errors.New("nobody waits for the answer")
	errUncalled   = errors.New("the failure is none of the backend")
	errIncomplete = errors.New("the answer tells about a failure")
)

// A stage asks the breaker on the way in and tells it the outcome on the way
// out.
type stage struct {
	breaker *breaker
	noop    bool
	calls   bool // failures in front of the call do not count
	done    gateway.Slot[func(error)]
	teller  teller
}

func (s *stage) Enter(ctx context.Context, x *gateway.Exchange) error {
	done, err := s.breaker.Allow()
	s.breaker.report(ctx, &s.teller, nil)
	switch err {
	case nil:
		s.done.Set(x, done)
		return nil
	case gobreaker.ErrTooManyRequests:
		return errProbe
	}
	return errOpen
}

func (s *stage) Leave(ctx context.Context, x *gateway.Exchange, err error) error {
	if done, ok := s.done.Get(x); ok {
		outcome := s.outcome(ctx, x, err)
		done(outcome)
		s.breaker.report(ctx, &s.teller, outcome)
	}
	return err
}

// outcome returns what the breaker learns of a call: nil for a success.
func (s *stage) outcome(ctx context.Context, x *gateway.Exchange, err error) error {
	switch {
	case err != nil && givenUp(ctx, err):
		return errGivenUp
	case s.calls && gateway.Uncalled(err), gateway.OfClient(err):
		return errUncalled
	case err == nil && !x.Response.Complete && !s.noop:
		return errIncomplete
	}
	return err
}

// givenUp reports whether a failed call was cancelled rather than late.
func givenUp(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.Canceled) || gateway.Cut(err)
}
