package cel

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/celx"
)

//go:embed options.go
var manual string

//go:embed doc.go
var doc string

// codeRejected is the failure of a condition that is not met.
const codeRejected = "cel_rejected"

var info = component.Info{
	Namespace: "validation/cel",
	Aliases:   []string{"github.com/devopsfaith/krakend-cel"},
	Summary:   "Demands that expressions over the request, the token or the answer hold.",
	Source:    manual,
	Doc:       doc,
	Guards:    component.Access,
	Failures: []gateway.Failure{
		{Code: codeRejected, Class: gateway.Denied, Others: "502 for answers, or as `status` says", Detail: "A condition of this endpoint is not met."},
	},
}

func init() { component.Register(declarations()...) }

func declarations() []component.Declaration {
	return append(component.Nested(info, buildNested), component.Endpoint(info, buildEndpoint), component.Backend(info, buildBackend))
}

// buildNested builds the conditions of a pipe without a door: those on tokens hold there
// with the others.
func buildNested(s *component.PipeSite, o Options) error {
	stages, err := build(&s.Site, celx.Pipe(s), o)
	if err != nil {
		return err
	}
	put(stages[celx.OnToken], func(g *guard) { s.Stage(component.PipeCheck, gateway.StageFunc(g.hold)) })
	placeAt(s, stages)
	return nil
}

func buildEndpoint(s *component.EndpointSite, o Options) error {
	s.Finally(func() error { return placeEndpoint(s, o) }) // it depends on what else the endpoint has
	return nil
}

func placeEndpoint(s *component.EndpointSite, o Options) error {
	stages, err := build(&s.Site, celx.Pipe(&s.PipeSite), o)
	if err != nil {
		return err
	}
	put(stages[celx.OnToken], func(g *guard) { s.Guard(component.EndpointAuthenticate, gateway.StageFunc(g.hold)) })
	placeAt(&s.PipeSite, stages)
	return nil
}

// placeAt puts the conditions on requests and answers into a pipe.
func placeAt(s *component.PipeSite, stages *[celx.Phases]*guard) {
	put(stages[celx.OnRequest], func(g *guard) { s.Stage(component.PipeCheck, gateway.StageFunc(g.hold)) })
	put(stages[celx.OnResponse], func(g *guard) { s.Stage(component.PipeCheck, gateway.LeaveFunc(g.after)) })
}

func buildBackend(s *component.BackendSite, o Options) error {
	stages, err := build(&s.Site, celx.Backend(s), o)
	if err != nil {
		return err
	}
	put(stages[celx.OnRequest], func(g *guard) { s.Prompt(component.BackendCheck, gateway.StageFunc(g.hold)) })
	put(stages[celx.OnResponse], func(g *guard) { s.Prompt(component.BackendCheck, gateway.LeaveFunc(g.after)) })
	return nil
}

func put(g *guard, stage func(*guard)) {
	if len(g.checks) > 0 {
		stage(g)
	}
}

// build compiles the expressions and sorts them by phase. The error holds
// every problem, at the expression that has it.
func build(s *component.Site, scope *celx.Scope, o Options) (*[celx.Phases]*guard, error) {
	var guards [celx.Phases]*guard
	for p := range guards {
		guards[p] = &guard{scope: scope, secret: celx.Phase(p) == celx.OnToken}
	}
	guards[celx.OnResponse].class = gateway.Invalid
	if s.Service().Behaviour.ErrorStatus != "by_cause" {
		guards[celx.OnToken].status = 401
	}
	var errs []error
	for i, c := range o {
		e, err := scope.Compile(c.CheckExpr, celx.Bounds{CostLimit: c.CostLimit, DynamicPatterns: c.DynamicPatterns})
		if err != nil {
			errs = append(errs, config.At(path(i), fmt.Errorf("the expression cannot be used: %w", err)))
			continue
		}
		wrong, mistakes := e.Doubts()
		for _, err := range wrong {
			errs = append(errs, config.At(path(i), err))
		}
		for _, err := range mistakes {
			s.Mistake(path(i), err)
		}
		if e.Data() {
			s.Needs(body.Empty, body.Tree)
		}
		guards[e.Phase()].add(e, c)
	}
	return &guards, errors.Join(errs...)
}

// A guard holds the expressions of one phase.
type guard struct {
	scope  *celx.Scope
	status int // of a refusal; 0 lets the dialect decide
	class  gateway.Class
	secret bool // clients do not learn which expression refused
	checks []check
}

// A check is an expression with its refusal.
type check struct {
	*celx.Expression
	text   string
	status int
	denied *gateway.Error
}

// errFalse is the cause of a refusal without an error.
var errFalse = errors.New("it is not true")

func (g *guard) add(e *celx.Expression, o Check) {
	c := check{Expression: e, text: o.CheckExpr, status: cmp.Or(o.Status, g.status)}
	c.denied = g.refusal(len(g.checks), &c, errFalse)
	g.checks = append(g.checks, c)
}

// refusal returns the error of the expression with the given number. Clients
// learn the number, unless it was about a token.
func (g *guard) refusal(number int, c *check, cause error) *gateway.Error {
	e := &gateway.Error{Status: c.status, Class: g.class, Code: codeRejected, Err: fmt.Errorf("evaluator #%d: %s: %w", number, c.text, cause)}
	if !g.secret {
		e.Public = fmt.Sprintf("request aborted by evaluator #%d", number)
	}
	return e
}

// after is hold on the way out. An exchange that failed has no answer to check.
func (g *guard) after(ctx context.Context, x *gateway.Exchange, err error) error {
	if err != nil {
		return err
	}
	return g.hold(ctx, x)
}

// hold returns nil when all expressions are true, and the refusal of the first
// that is not.
func (g *guard) hold(ctx context.Context, x *gateway.Exchange) error {
	ev := g.scope.Begin(x)
	defer ev.End()
	for i := range g.checks {
		c := &g.checks[i]
		holds, err := ev.Holds(ctx, c.Expression)
		if undecoded, ok := errors.AsType[*gateway.Error](err); ok {
			return undecoded
		}
		if err != nil {
			return g.refusal(i, c, err)
		}
		if !holds {
			return c.denied
		}
	}
	return nil
}
