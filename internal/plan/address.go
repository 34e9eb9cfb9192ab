package plan

import (
	"cmp"
	"context"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/template"
)

// An address is the first step of a backend plan. It finds the request with
// what the endpoint selected, takes away what this backend may not see, and
// writes method, path and query.
type address struct {
	method   string
	pattern  *urlPattern
	path     string     // when the path of the pattern is fixed
	wildcard bool       // the rest of the client's path follows
	fixed    fixedNames // of the query of the pattern, which the client may not repeat
	query    selection
	queries  bool // whether query filters at all
	header   headerFilter
	trace    bool // the backend is told the trace of the request
	compress bool // gzip is asked for unless the client's own wish passes
	decodes  bool // the answer is decoded, so only what we unpack may be asked for
}

// A urlPattern is a compiled url_pattern.
type urlPattern struct{ path, query template.Text }

// parseURLPattern compiles a url_pattern; params are the names of the parameters that
// it may use. Errors are those of [template.Parse].
func parseURLPattern(pattern string, params []string) (*urlPattern, error) {
	path, query, _ := strings.Cut(pattern, "?")
	t := new(urlPattern)
	var err error
	if t.path, err = template.Parse(path, template.InPath, params); err != nil {
		return nil, err
	}
	t.query, err = template.Parse(query, template.InQuery, params)
	return t, err
}

func newAddress(method string, t *urlPattern, wildcard bool) *address {
	a := &address{method: method, pattern: t, wildcard: wildcard, fixed: namesOf(t.query)}
	if path, fixed := t.path.Literal(); fixed && !wildcard {
		a.path = cmp.Or(path, "/")
	}
	return a
}

// Enter writes the request line and filters the header.
func (a *address) Enter(_ context.Context, x *gateway.Exchange) error {
	r := &x.Request
	r.Method = a.method
	if r.Path = a.path; a.path == "" {
		var room [256]byte
		path, err := a.pattern.path.Append(room[:0], x)
		if err != nil {
			return err
		}
		if a.wildcard && x.Rest != "" {
			path = append(append(trimSlash(path), '/'), x.Rest...)
		}
		r.Path = string(path)
	}
	if err := a.writeQuery(x); err != nil {
		return err
	}
	a.header.apply(r)
	if a.trace {
		addTrace(x)
	}
	a.askEncoding(r)
	return nil
}

// addTrace tells the backend the trace of the request. What vendors keep of a trace
// goes along with the client's only (W3C Trace Context, section 3.3).
func addTrace(x *gateway.Exchange) {
	const state = "Tracestate"
	var room [55]byte
	text, joined := x.AppendTraceparent(room[:0])
	h := &x.Request.Header
	h.Set("Traceparent", string(text))
	switch {
	case !joined:
		h.Del(state)
	case !h.Has(state):
		*h = x.In.AppendHeader(*h, state)
	}
}

func trimSlash(path []byte) []byte {
	if n := len(path); n > 0 && path[n-1] == '/' {
		return path[:n-1]
	}
	return path
}

// writeQuery appends what this backend may have of the client's parameters to those of
// the pattern, but for the names whose values are of a token.
func (a *address) writeQuery(x *gateway.Exchange) error {
	r := &x.Request
	if a.queries && !a.query.all {
		keepQuery(r, a.query.pass)
	}
	if len(r.Query) == 0 {
		var fixed bool
		if r.RawQuery, fixed = a.pattern.query.Literal(); fixed {
			return nil
		}
	}
	var room [256]byte
	query, err := a.pattern.query.Append(room[:0], x)
	if err != nil {
		return err
	}
	if len(r.Query) > 0 && !a.fixed.none() {
		names := &a.fixed
		if names.later != nil {
			names = names.written(string(query))
		}
		keepQuery(r, func(name string) bool { return !names.takes(name) })
	}
	r.RawQuery = string(appendQuery(query, r))
	return nil
}

// keepQuery keeps the parameters whose names pass.
func keepQuery(r *gateway.Request, pass func(name string) bool) {
	kept, pairs := r.Query[:0], r.Pairs[:0]
	for i, f := range r.Query {
		if pass(f.Name) {
			kept = append(kept, f)
			if i < len(r.Pairs) {
				pairs = append(pairs, r.Pairs[i])
			}
		}
	}
	r.Query, r.Pairs = kept, pairs
}

// askEncoding decides which compression the backend may use. Where the answer
// is decoded, only what can be unpacked is asked for, whatever the client said.
func (a *address) askEncoding(r *gateway.Request) {
	const name = "Accept-Encoding"
	if a.decodes {
		r.Header.Del(name)
	}
	r.Unpack = a.decodes
	if a.compress && r.Upgrade == "" && !r.Header.Has(name) && !r.Header.Has("Range") && r.Method != "HEAD" {
		r.Header.Add(name, "gzip")
		r.Unpack = true
	}
}
