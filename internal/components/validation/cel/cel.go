package cel

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"sync"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
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
	Failures: []gateway.Failure{
		{Code: codeRejected, Status: 403, Others: "502 for answers, or as `status` says", Detail: "A condition of this endpoint is not met."},
	},
}

func init() {
	component.Register(
		component.Endpoint(info, buildEndpoint),
		component.Backend(info, buildBackend),
	)
}

func buildEndpoint(s *component.EndpointSite, o Options) error {
	src := newSource(s.Clock(), s.Params())
	src.noop = s.Config().OutputEncoding == "no-op"
	src.lets(s.Config())
	src.limit = s.Config().MaxResponseBytes.Held()
	src.open = src.open || len(s.Arrangement().Upgrade) > 0 // what a handshake needs passes as well
	stages, err := build(&s.Site, src, s.Has("auth/validator"), o)
	if err != nil {
		return err
	}
	put(stages[onToken], func(g *guard) { s.Guard(component.EndpointAuthenticate, gateway.StageFunc(g.hold)) })
	placeAt(&s.PipeSite, stages)
	return nil
}

// placeAt puts the conditions on requests and answers into a pipe.
func placeAt(s *component.PipeSite, stages *[phases]*guard) {
	put(stages[onRequest], func(g *guard) { s.Stage(component.PipeCheck, gateway.StageFunc(g.hold)) })
	put(stages[onResponse], func(g *guard) { s.Stage(component.PipeCheck, gateway.LeaveFunc(g.after)) })
}

func buildBackend(s *component.BackendSite, o Options) error {
	src := newSource(s.Clock(), s.Params())
	src.backend = true
	if s.Endpoint().Arrangement().Sequential {
		src.earlier = max(slices.Index(s.Endpoint().Config().Backend, s.Config()), 0) // shadows count too, which is never too few
	}
	src.noop = s.Config().Encoding == "no-op"
	src.lets(s.Endpoint().Config())
	src.narrow(s.Config())
	src.limit = s.Config().MaxResponseBytes.Held()
	src.open = src.open || len(s.Endpoint().Arrangement().Upgrade) > 0 // what a handshake needs passes as well
	stages, err := build(&s.Site, src, false, o)
	if err != nil {
		return err
	}
	put(stages[onRequest], func(g *guard) { s.Prompt(component.BackendCheck, gateway.StageFunc(g.hold)) })
	put(stages[onResponse], func(g *guard) { s.Prompt(component.BackendCheck, gateway.LeaveFunc(g.after)) })
	return nil
}

func put(g *guard, stage func(*guard)) {
	if len(g.checks) > 0 {
		stage(g)
	}
}

// build compiles the expressions and sorts them by phase. The error holds
// every problem, at the expression that has it. verified tells whether there
// is a token to check.
func build(s *component.Site, src *source, verified bool, o Options) (*[phases]*guard, error) {
	var guards [phases]*guard
	for p := range guards {
		guards[p] = &guard{source: src, secret: phase(p) == onToken}
	}
	guards[onToken].status = 401
	if s.Service().Behaviour.ErrorStatus == "by_cause" {
		guards[onToken].status, guards[onRequest].status, guards[onResponse].status = 403, 403, 502
	}
	header := uint64(cmp.Or(s.Service().MaxHeaderBytes, config.DefaultMaxHeaderBytes))
	var errs []error
	for i, c := range o {
		e, err := compile(c, header, src.noop)
		switch {
		case err != nil:
		case e.phase == onToken && !verified:
			err = errors.New("JWT needs a verified token; configure auth/validator on the endpoint, and write the expression there")
		case e.data && src.noop:
			err = errors.New("resp_data is not decoded with the encoding no-op; use another encoding, or resp_metadata_status and resp_metadata_headers")
		}
		if err != nil {
			errs = append(errs, config.At(path(i), fmt.Errorf("the expression cannot be used: %w", err)))
			continue
		}
		if !e.result.IsExactType(types.BoolType) && !e.result.IsExactType(types.DynType) {
			s.Mistake(path(i), fmt.Errorf("the result is of type %s and never true, so everything is refused; compare it with something", e.result))
		}
		wrong, doubtful := src.doubts(e)
		for _, err := range wrong {
			errs = append(errs, config.At(path(i), err))
		}
		for _, err := range doubtful {
			s.Mistake(path(i), err)
		}
		if e.data {
			s.Needs(body.Empty, body.Tree)
		}
		guards[e.phase].add(e, c)
	}
	return &guards, errors.Join(errs...)
}

// A guard holds the expressions of one phase.
type guard struct {
	*source
	status int  // of a refusal; 0 lets the dialect decide
	secret bool // clients do not learn which expression refused
	data   bool
	checks []check
}

// A check is an expression with its refusal.
type check struct {
	*expression
	text   string
	status int
	denied *gateway.Error
}

// errFalse is the cause of a refusal without an error.
var errFalse = errors.New("it is not true")

func (g *guard) add(e *expression, o Check) {
	c := check{expression: e, text: o.CheckExpr, status: cmp.Or(o.Status, g.status)}
	c.denied = g.refusal(len(g.checks), &c, errFalse)
	g.checks = append(g.checks, c)
	g.data = g.data || e.data
}

// refusal returns the error of the expression with the given number. Clients
// learn the number, unless it was about a token.
func (g *guard) refusal(number int, c *check, cause error) *gateway.Error {
	e := &gateway.Error{Status: c.status, Code: codeRejected, Err: fmt.Errorf("evaluator #%d: %s: %w", number, c.text, cause)}
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

var activations = sync.Pool{New: func() any { return new(activation) }}

// hold returns nil when all expressions are true, and the refusal of the first
// that is not.
func (g *guard) hold(ctx context.Context, x *gateway.Exchange) error {
	a := activations.Get().(*activation)
	defer func() {
		*a = activation{}
		activations.Put(a)
	}()
	a.source, a.x = g.source, x
	if g.data {
		switch err := a.decode(); {
		case errors.Is(err, body.ErrTooLarge):
			return &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer is too large", Err: fmt.Errorf("resp_data: %w", err)}
		case err != nil:
			return &gateway.Error{Code: gateway.CodeInternal, Err: fmt.Errorf("resp_data: %w", err)}
		}
	}
	for i := range g.checks {
		c := &g.checks[i]
		for _, name := range c.headers {
			if other := x.Request.Header.Respelt(name); other != "" {
				return g.refusal(i, c, fmt.Errorf("the header %s is sent as %s, which many servers take for the same", name, other))
			}
		}
		holds, err := c.holds(ctx, a)
		if holds && err == nil {
			holds, err = c.holdsElsewhere(ctx, a)
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

// holds evaluates the expression. One that cannot pass its limit and has no loops
// cannot take long, so it is not watched.
func (e *expression) holds(ctx context.Context, a *activation) (bool, error) {
	var v ref.Val
	var err error
	if e.watched {
		v, _, err = e.program.ContextEval(ctx, a)
	} else {
		v, _, err = e.program.Eval(a)
	}
	return v == types.True, err
}
