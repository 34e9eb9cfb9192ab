package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Title says which plan this is, for those who look.
type Title struct {
	Subject string // pattern of its path, or name
	Index   uint16 // of the backend
	Of      Kind
}

// A Kind is what a plan is of.
type Kind uint8

const (
	OfService Kind = iota
	OfEndpoint
	OfBackend
	OfAttempt
	OfPipe
	OfSource
	OfPort
)

// String returns the title, such as "backend 0 /users/{id}".
func (t Title) String() string {
	switch t.Of {
	case OfEndpoint:
		return "endpoint " + t.Subject
	case OfBackend:
		return fmt.Sprintf("backend %d %s", t.Index, t.Subject)
	case OfAttempt:
		return fmt.Sprintf("attempt %d %s", t.Index, t.Subject)
	case OfPipe:
		return "pipe " + t.Subject
	case OfSource:
		return "source " + t.Subject
	case OfPort:
		return "port " + t.Subject
	}
	return "service"
}

// watched returns the plan with steps and a tail that tell r what happens. It sends
// nothing before it collects, so that times are those of each call.
func (p *Plan) watched(r *gateway.Record) *Plan {
	w := *p
	w.steps = slices.Clone(p.steps)
	name := p.title.String()
	for i := range w.steps {
		s := &w.steps[i]
		stage := &watchedStage{r, name, p.phase(s.phase), *s}
		if s.enter = stage; s.leave != nil {
			s.leave = stage
		}
	}
	if _, tells := p.tail.(teller); !tells {
		w.tail = &watchedTail{r, name, p}
	}
	return &w
}

// A teller is a tail that tells a record of itself.
type teller interface{ Tells() }

// A watchedStage tells what a stage does.
type watchedStage struct {
	r     *gateway.Record
	plan  string
	phase string
	step  step
}

func (w *watchedStage) span() gateway.Span {
	s := gateway.Span{Plan: w.plan, Step: w.step.name, Phase: w.phase, Began: w.r.Since()}
	if w.step.at.Line > 0 {
		s.Place = w.step.at.String()
	}
	return s
}

// Enter lets the stage enter.
func (w *watchedStage) Enter(ctx context.Context, x *gateway.Exchange) (err error) {
	s := w.span()
	s.Before = x.Request.Body.Form()
	defer func() {
		s.Took, s.After, s.Replied, s.Err = w.r.Since()-s.Began, x.Request.Body.Form(), x.Replied(), err
		w.r.Add(s)
	}()
	return w.step.enter.Enter(ctx, x)
}

// Leave lets the stage leave.
func (w *watchedStage) Leave(ctx context.Context, x *gateway.Exchange, err error) (after error) {
	s := w.span()
	s.Out, s.Before = true, x.Response.Body.Form()
	defer func() {
		s.Took, s.After, s.Status, s.Err = w.r.Since()-s.Began, x.Response.Body.Form(), x.Response.Status, after
		w.r.Add(s)
	}()
	return w.step.leave.Leave(ctx, x, err)
}

// A watchedTail tells what the tail of a plan does, and all that is within it.
type watchedTail struct {
	r    *gateway.Record
	name string
	plan *Plan
}

// Do runs the tail.
func (w *watchedTail) Do(ctx context.Context, x *gateway.Exchange) (err error) {
	s := gateway.Span{Plan: w.name, Step: w.plan.name, Began: w.r.Since(), Before: x.Request.Body.Form()}
	defer func() {
		s.Took, s.After, s.Status, s.Err = w.r.Since()-s.Began, x.Response.Body.Form(), x.Response.Status, err
		w.r.Add(s)
	}()
	return w.plan.tail.Do(ctx, x)
}
