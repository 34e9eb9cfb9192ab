package cel

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/interpreter"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/template"
)

// nowLayout is RFC 3339 with milliseconds.
const nowLayout = "2006-01-02T15:04:05.000Z07:00"

// A source knows where the variables of an endpoint or a backend come from.
type source struct {
	clock   component.Clock
	backend bool
	earlier int // calls of the sequence before that of the backend
	noop    bool
	limit   int64    // of an answer, in bytes; 0 is none
	params  []string // as req_params names them, by index of the path parameter
	results []result // of earlier calls, that some expression looks up

	headers, query []string // names that are let through
	open, anyQuery bool     // all are
}

// A result is a name in req_params that stands for a value of an earlier
// answer.
type result struct {
	name string
	call int      // index among the calls of the sequence
	path []string // of the value in its answer
}

var resultName = regexp.MustCompile(`^Resp(0|[1-9][0-9]{0,3})_(.+)$`)

// newSource returns a source for an endpoint whose path has the given
// parameters.
func newSource(clock component.Clock, params []string) *source {
	s := &source{clock: clock}
	for _, p := range params {
		s.params = append(s.params, strings.ToUpper(p[:1])+p[1:])
	}
	return s
}

// look makes req_params hold name. It returns an error when nothing can be
// behind it.
func (s *source) look(name string) error {
	if slices.Contains(s.params, name) {
		return nil
	}
	m := resultName.FindStringSubmatch(name)
	if m == nil || !s.backend {
		return s.unknown(name)
	}
	call, _ := strconv.Atoi(m[1])
	switch {
	case s.earlier == 0:
		return fmt.Errorf(`req_params.%s never has a value, because no call of a sequence comes before this one; write "proxy": {"sequential": true} on the endpoint, and the expression in a later backend`, name)
	case call >= s.earlier:
		return fmt.Errorf("req_params.%s never has a value, because backend %d is not called before this one; earlier ones are Resp0_… to Resp%d_…", name, call, s.earlier-1)
	}
	s.results = append(s.results, result{name, call, jsonspan.SplitPath(m[2])})
	return nil
}

// unknown says that req_params never holds name, and what was meant.
func (s *source) unknown(name string) error {
	for _, p := range s.params {
		if strings.EqualFold(p, name) {
			return fmt.Errorf("req_params.%s never has a value, because letter case counts and names begin with a capital letter there; write req_params.%s", name, p)
		}
	}
	switch {
	case resultName.MatchString(name):
		return fmt.Errorf("req_params.%s never has a value in an endpoint; write the expression in a backend behind the one that answers it", name)
	case s.backend && resultName.MatchString(strings.ToUpper(name[:min(1, len(name))])+name[min(1, len(name)):]):
		return fmt.Errorf("req_params.%s never has a value, because letter case counts and names begin with a capital letter there; write req_params.%s", name, "R"+name[1:])
	case len(s.params) == 0:
		return fmt.Errorf("req_params.%s never has a value; the path of the endpoint has no parameters", name)
	}
	return fmt.Errorf("req_params.%s never has a value; the parameters here are %q", name, s.params)
}

// An activation resolves the variables of one exchange, only when an expression
// asks for them.
type activation struct {
	*source
	x      *gateway.Exchange
	now    string
	path   string // that is tried; "" for the one there is
	params map[string]any
	answer map[string]any // resp_data, if an expression uses it

	headers, query, metadata fieldMap
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
		a.headers.fields, a.headers.joined = a.x.Request.Header, true
		return &a.headers, true
	case varQuery:
		a.query.fields = a.x.Request.Query
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
	a.answer, err = a.x.Response.Body.Tree(a.limit)
	return err
}

func (a *activation) collectParams() map[string]any {
	m := make(map[string]any, len(a.source.params)+len(a.results))
	for i, name := range a.source.params {
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
