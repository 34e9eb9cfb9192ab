package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A step is one stage in a plan.
type step struct {
	enter gateway.Stage
	leave gateway.Leaver // nil when the stage has no way out
	name  string         // namespace, or a core step such as "shape"
	phase string
	at    config.Pos // where it was configured
	waits bool       // it may wait, or it measures: other calls are not to wait with it
}

// makeSteps sorts stages by phase and name, behind those that come first.
func makeSteps(placed []component.Placed, phase func(uint8) string, first ...step) []step {
	slices.SortStableFunc(placed, func(a, b component.Placed) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Name, b.Name))
	})
	steps := append(make([]step, 0, len(first)+len(placed)), first...)
	for _, p := range placed {
		leave, _ := p.Stage.(gateway.Leaver)
		steps = append(steps, step{enter: p.Stage, leave: leave, name: p.Name, phase: phase(p.Phase), at: p.At, waits: !p.Prompt})
	}
	return steps
}

// A Plan runs its steps inwards, its tail, then its steps outwards.
type Plan struct {
	steps []step
	tail  gateway.Connector
	name  string // of the tail, such as "call"
	at    config.Pos
	limit time.Duration // deadline derived on entry; 0 for none
	waits bool          // one of the steps does
}

// newPlan returns a plan without a deadline.
func newPlan(steps []step, tail gateway.Connector, name string, at config.Pos) *Plan {
	waits := slices.ContainsFunc(steps, func(s step) bool { return s.waits })
	return &Plan{steps: steps, tail: tail, name: name, at: at, waits: waits}
}

// A Failure is an error with the step that it came from, or the tail.
type Failure struct {
	Step string
	At   config.Pos
	Err  error
}

// Error returns the text for operators.
func (f *Failure) Error() string {
	if f.At.Line == 0 {
		return fmt.Sprintf("%s: %v", f.Step, f.Err)
	}
	return fmt.Sprintf("%s (%s): %v", f.Step, f.At, f.Err)
}

// Unwrap returns the error of the step.
func (f *Failure) Unwrap() error { return f.Err }

// Do runs the plan. The deadline of the plan holds until x is released,
// because an answer that streams is read after Do has returned.
func (p *Plan) Do(ctx context.Context, x *gateway.Exchange) error {
	ctx = within(ctx, x, p.limit)
	n, err := p.enter(ctx, x)
	if err == nil && !x.Replied() {
		err = p.answer(ctx, x, nil)
	}
	return p.out(ctx, x, n, err)
}

// enter runs the steps inwards. It returns how many stages entered; a stage
// that failed to enter does not leave.
func (p *Plan) enter(ctx context.Context, x *gateway.Exchange) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failed(p.steps[n].name, p.steps[n].at, panicked(v))
		}
	}()
	for n < len(p.steps) && !x.Replied() {
		s := &p.steps[n]
		if err := s.enter.Enter(ctx, x); err != nil {
			return n, failed(s.name, s.at, err)
		}
		n++
	}
	return n, nil
}

// answer runs the tail, or finishes what was begun of it.
func (p *Plan) answer(ctx context.Context, x *gateway.Exchange, begun gateway.Pending) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failed(p.name, p.at, panicked(v))
		}
	}()
	if begun != nil {
		return failed(p.name, p.at, begun.Finish())
	}
	return failed(p.name, p.at, p.tail.Do(ctx, x))
}

// out lets the first n stages leave. One that panics leaves the others their
// turn, so that whatever was taken on the way in is given back.
func (p *Plan) out(ctx context.Context, x *gateway.Exchange, n int, err error) (result error) {
	defer func() {
		if v := recover(); v != nil {
			s := &p.steps[n]
			result = p.out(ctx, x, n, failed(s.name, s.at, panicked(v)))
		}
	}()
	for n > 0 {
		n--
		s := &p.steps[n]
		if s.leave == nil {
			continue
		}
		if after := s.leave.Leave(ctx, x, err); after != err {
			err = failed(s.name, s.at, after)
		}
	}
	return err
}

// panicked makes an error of a panic, so that one request dies and not the
// gateway.
func panicked(v any) error {
	return &gateway.Error{Code: gateway.CodeInternal, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
}

// failed wraps an error with the step it came from, unless an inner one did so
// already.
func failed(name string, at config.Pos, err error) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[*Failure](err); known {
		return err
	}
	return &Failure{name, at, err}
}
