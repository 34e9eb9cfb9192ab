package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A step is one stage in a plan.
type step struct {
	enter gateway.Stage  // nil where it is a connector around the plan further in
	leave gateway.Leaver // nil when the stage has no way out
	name  string         // namespace, or a core step such as "shape"
	at    config.Pos     // where it was configured
	phase uint8
	waits bool // it may wait, or it measures: other calls are not to wait with it
}

// A Blueprint is a plan before its steps are in order.
type Blueprint struct {
	Placed []component.Placed
	Phase  func(uint8) string // names the phases
	Tail   gateway.Connector
	Name   string // of the tail, such as "call"
	At     config.Pos
	Limit  time.Duration // deadline derived on entry; 0 for none
	Title  Title
}

// Plan puts the steps into the order of their phases and names, and those further in
// than what stands around them into a plan of their own.
func (b Blueprint) Plan() *Plan {
	slices.SortStableFunc(b.Placed, func(x, y component.Placed) int {
		return cmp.Or(cmp.Compare(x.Phase, y.Phase), cmp.Compare(x.Name, y.Name))
	})
	p := &Plan{tail: b.Tail, name: b.Name, at: b.At, phase: b.Phase, title: b.Title}
	rest := b.Placed
	for i := len(rest) - 1; i >= 0; i-- {
		around := rest[i].Around
		if around == nil {
			continue
		}
		p.place(b.steps(rest[i+1:]))
		s := b.step(&rest[i])
		p = &Plan{tail: &surrounded{around(again{p}), p, s}, name: s.name, at: s.at, phase: b.Phase, title: b.Title}
		rest = rest[:i]
	}
	p.place(b.steps(rest))
	p.limit = b.Limit
	return p
}

// Of returns the plan of what was placed at a site around a tail.
func Of(placed []component.Placed, tail gateway.Connector) *Plan {
	return Blueprint{Placed: slices.Clone(placed), Tail: tail, Name: "call"}.Plan()
}

func (b *Blueprint) steps(placed []component.Placed) []step {
	steps := make([]step, 0, len(placed))
	for i := range placed {
		steps = append(steps, b.step(&placed[i]))
	}
	return steps
}

func (b *Blueprint) step(p *component.Placed) step {
	leave, _ := p.Stage.(gateway.Leaver)
	return step{enter: p.Stage, leave: leave, name: p.Name, phase: p.Phase, at: p.At, waits: !p.Prompt}
}

// A surrounded connector stands around a plan.
type surrounded struct {
	gateway.Connector
	inner *Plan
	step  step // that it is
}

// Do runs what stands around, for which each run of the plan is the same request.
func (s *surrounded) Do(ctx context.Context, x *gateway.Exchange) error {
	return x.Surround(s.inner, func() error { return s.Connector.Do(ctx, x) })
}

// again runs the plan that is surrounded.
type again struct{ plan *Plan }

// Do runs the plan.
func (a again) Do(ctx context.Context, x *gateway.Exchange) error {
	return x.Run(a.plan, func() error { return a.plan.Do(ctx, x) })
}

// A Plan runs its steps inwards, its tail, then its steps outwards. It is made of a
// [Blueprint] and does not change.
type Plan struct {
	steps []step
	tail  gateway.Connector
	name  string // of the tail
	at    config.Pos
	limit time.Duration
	phase func(uint8) string
	waits bool // one of the steps does
	title Title
}

func (p *Plan) place(steps []step) {
	p.steps, p.waits = steps, slices.ContainsFunc(steps, func(s step) bool { return s.waits })
}

// Title returns what the plan is of. It is read-only.
func (p *Plan) Title() *Title { return &p.title }

// Each calls f with every step in order, those of the plans within it too: the name of
// its phase, its own, whether it acts on the way out, and where it was configured.
func (p *Plan) Each(f func(phase, name string, out bool, at config.Pos)) {
	for i := range p.steps {
		s := &p.steps[i]
		f(p.phase(s.phase), s.name, s.leave != nil, s.at)
	}
	if s, ok := p.tail.(*surrounded); ok {
		f(p.phase(s.step.phase), s.step.name, true, s.step.at)
		s.inner.Each(f)
	}
}

// A Failure is an error with the step that it came from, or the tail.
type Failure struct {
	Step string
	At   config.Pos
	Host string // that was called; "" for none, or if Err names it
	Err  error
}

// Error returns the text for operators.
func (f *Failure) Error() string {
	step := f.Step
	if f.At.Line != 0 {
		step += " (" + f.At.String() + ")"
	}
	if f.Host != "" {
		step += ", host " + f.Host
	}
	return fmt.Sprintf("%s: %v", step, f.Err)
}

// Unwrap returns the error of the step.
func (f *Failure) Unwrap() error { return f.Err }

// An early error is of a step that has failed on the way in: the tail was not run, unless
// an outer one says that it is the tail of another plan which has failed so.
type early struct {
	error
	uncalled bool
}

// Unwrap returns the error.
func (e *early) Unwrap() error { return e.error }

// Uncalled is what [gateway.Uncalled] asks.
func (e *early) Uncalled() bool { return e.uncalled }

// Inner returns the failure of a connector that runs a plan of its own, for the plan that
// it is the tail of: it was called, wherever in it the failure is.
func Inner(err error) error {
	if gateway.Uncalled(err) {
		return &early{err, false}
	}
	return err
}

// Do runs the plan. The deadline of the plan holds until x is released,
// because an answer that streams is read after Do has returned.
func (p *Plan) Do(ctx context.Context, x *gateway.Exchange) error {
	if x.Record != nil {
		p = p.watched(x.Record)
	}
	ctx = Within(ctx, x, p.limit)
	n, replied, err := p.enter(ctx, x)
	if err == nil && !replied {
		err = p.answer(ctx, x, nil)
	}
	return p.out(ctx, x, n, err)
}

// enter runs the steps inwards. It returns how many stages entered, and whether one
// of them has ended the way in; a stage that failed to enter does not leave.
func (p *Plan) enter(ctx context.Context, x *gateway.Exchange) (n int, replied bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &early{failed(p.steps[n].name, p.steps[n].at, gateway.Panicked(v)), true}
		}
	}()
	for n < len(p.steps) {
		s := &p.steps[n]
		if err := s.enter.Enter(ctx, x); err != nil {
			return n, false, &early{failed(s.name, s.at, ended(ctx, err)), true}
		}
		n++
		if x.Replied() {
			x.Proceed() // the plans around this one go on
			return n, true, nil
		}
	}
	return n, false, nil
}

// answer runs the tail, or finishes what was begun of it.
func (p *Plan) answer(ctx context.Context, x *gateway.Exchange, begun gateway.Pending) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failed(p.name, p.at, gateway.Panicked(v))
		}
	}()
	if err = Finish(ctx, p.tail, x, begun); err == nil {
		return nil
	}
	return failedCall(p.name, p.at, ended(ctx, err), x)
}

// out lets the first n stages leave. One that panics leaves the others their
// turn, so that whatever was taken on the way in is given back.
func (p *Plan) out(ctx context.Context, x *gateway.Exchange, n int, err error) (result error) {
	defer func() {
		if v := recover(); v != nil {
			s := &p.steps[n]
			result = p.out(ctx, x, n, failed(s.name, s.at, gateway.Panicked(v)))
		}
	}()
	for n > 0 {
		n--
		s := &p.steps[n]
		if s.leave == nil {
			continue
		}
		if after := s.leave.Leave(ctx, x, err); after != err {
			err = failedCall(s.name, s.at, ended(ctx, after), x)
		}
	}
	return err
}

// ended makes the failure of an error that is the end of ctx, which is what stages and
// connectors that wait return.
func ended(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	if _, told := errors.AsType[*gateway.Error](err); told {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &gateway.Error{Code: gateway.CodeTimeout, Public: "context deadline exceeded", Err: err}
	case errors.Is(err, context.Canceled):
		return gateway.Left(ctx, err)
	}
	return err
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
	return &Failure{Step: name, At: at, Err: err}
}

// failedCall is failed for what comes behind the call of x, whose host it names.
func failedCall(name string, at config.Pos, err error, x *gateway.Exchange) error {
	err = failed(name, at, err)
	if f, ok := err.(*Failure); ok && f.Host == "" && x.Request.Host != "" && !strings.Contains(f.Err.Error(), x.Request.Host) {
		f.Host = strings.Clone(x.Request.Host)
	}
	return err
}
