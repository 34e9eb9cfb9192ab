package celx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/template"
)

// nowLayout is RFC 3339 with milliseconds.
const nowLayout = "2006-01-02T15:04:05.000Z07:00"

// An Evaluation evaluates expressions on one exchange. It resolves their variables once,
// and only when one of them asks.
type Evaluation struct{ of activation }

// Begin returns an evaluation of expressions of the scope on x. It ends with
// [Evaluation.End], belongs to one goroutine, and lives no longer than x.
func (s *Scope) Begin(x *gateway.Exchange) *Evaluation {
	ev := evaluations.Get().(*Evaluation)
	ev.of.Scope, ev.of.x = s, x
	return ev
}

// End takes the evaluation back.
func (ev *Evaluation) End() {
	*ev = Evaluation{}
	evaluations.Put(ev)
}

var evaluations = sync.Pool{New: func() any { return new(Evaluation) }}

// Holds reports whether an expression is true. With an error, it is not: the error says
// why it could not be evaluated, or that the request is one of which a backend may read
// something else; a *gateway.Error is that the answer could not be decoded.
func (ev *Evaluation) Holds(ctx context.Context, e *Expression) (bool, error) {
	a := &ev.of
	if e.data && a.answer == nil {
		if err := a.decode(); err != nil {
			return false, err
		}
	}
	for _, name := range e.headers {
		if other := a.header().Respelt(name); other != "" {
			return false, fmt.Errorf("the header %s is sent as %s, which many servers take for the same", name, other)
		}
	}
	holds, err := e.holds(ctx, a)
	if holds && err == nil {
		holds, err = e.holdsElsewhere(ctx, a)
	}
	return holds && err == nil, err
}

// holds evaluates the expression. One that cannot pass its limit and has no loops
// cannot take long, so it is not watched.
func (e *Expression) holds(ctx context.Context, a *activation) (bool, error) {
	var v ref.Val
	var err error
	if e.watched {
		v, _, err = e.program.ContextEval(ctx, a)
	} else {
		v, _, err = e.program.Eval(a)
	}
	return v == types.True, err
}

// An activation resolves the variables of one exchange.
type activation struct {
	*Scope
	x      *gateway.Exchange
	now    string
	path   string // that is tried; "" for the one there is
	params map[string]any
	answer map[string]any // resp_data, if an expression uses it

	headers, query, metadata fieldMap
	sent                     gateway.Fields // header of the client, if nothing is selected yet
}

// Parent returns nil: there are no other variables.
func (a *activation) Parent() interpreter.Activation { return nil }

// ResolveName returns the value of a variable and whether there is one.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case varNow:
		if a.now == "" {
			a.now = a.clock().Format(nowLayout)
		}
		return a.now, true
	case varToken:
		if a.x.Identity == nil {
			return nil, false
		}
		return a.x.Identity.Claims, true
	case varMethod:
		if a.backend {
			return a.x.Request.Method, true
		}
		return a.x.In.Method(), true
	case varPath:
		if a.path != "" {
			return a.path, true
		}
		return plainPath(a.escapedPath()), true
	case varParams:
		if a.params == nil {
			a.params = a.collectParams()
		}
		return a.params, true
	case varHeaders:
		a.headers.fields, a.headers.joined = a.header(), true
		return &a.headers, true
	case varQuery:
		if a.query.fields == nil {
			a.query.fields = a.parameters()
		}
		return &a.query, true
	case varCompleted:
		return a.x.Response.Complete, true
	case varMetadataStatus:
		if a.noop {
			return a.x.Response.Status, true
		}
		return 0, true
	case varMetadataHeaders:
		if a.noop {
			a.metadata.fields = a.x.Response.Header
		}
		return &a.metadata, true
	case varData:
		return a.answer, true
	}
	return nil, false
}

// header returns the fields that req_headers holds.
func (a *activation) header() gateway.Fields {
	if !a.early {
		return a.x.Request.Header
	}
	if a.sent == nil {
		a.sent = a.x.In.AppendHeaders(nil)
	}
	return a.sent
}

// parameters returns those that req_querystring holds.
func (a *activation) parameters() gateway.Fields {
	if !a.early {
		return a.x.Request.Query
	}
	var all gateway.Fields
	for rest, more := a.x.In.RawQuery(), true; more; {
		var name, value string
		if _, name, value, rest, more = template.CutPair(rest); more {
			all.Add(name, template.UnescapeQuery(value))
		}
	}
	return all
}

// escapedPath returns the path that was routed, or that of the call.
func (a *activation) escapedPath() string {
	if a.backend {
		return a.x.Request.Path
	}
	return cmp.Or(a.x.Path, a.x.In.Path())
}

// decode makes the answer of x available as resp_data. An exchange that was
// answered without a body has an empty one.
func (a *activation) decode() error {
	if a.x.Response.Body.Form() == body.Empty {
		a.answer = map[string]any{}
		return nil
	}
	var err error
	switch a.answer, err = a.x.Response.Body.Tree(a.limit); {
	case errors.Is(err, body.ErrTooLarge):
		return &gateway.Error{Code: gateway.CodeBackendTooLarge, Public: "the answer is too large", Err: fmt.Errorf("resp_data: %w", err)}
	case err != nil:
		return &gateway.Error{Code: gateway.CodeInternal, Err: fmt.Errorf("resp_data: %w", err)}
	}
	return nil
}

func (a *activation) collectParams() map[string]any {
	m := make(map[string]any, len(a.Scope.params)+len(a.results))
	for i, name := range a.Scope.params {
		if i < len(a.x.Params) {
			m[name] = a.x.Params[i]
		}
	}
	for _, r := range a.results {
		if text, ok := template.ResultText(a.x.Results, r.call, r.path); ok {
			m[r.name] = text
		}
	}
	return m
}

// plainPath returns a path decoded, with repeated slashes as one. A path with broken
// escapes is not decoded.
func plainPath(path string) string {
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	if !strings.Contains(path, "//") {
		return path
	}
	var b strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b.WriteByte(path[i])
		}
	}
	return b.String()
}
