package message

import (
	"cmp"
	"context"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/template"
)

// An Address is the first step of a backend plan. It finds the request with
// what the endpoint selected, takes away what this backend may not see, and
// writes method, path and query.
type Address struct {
	method   string
	Pattern  *URLPattern
	path     string     // when the path of the pattern is fixed
	wildcard bool       // the rest of the client's path follows
	Fixed    FixedNames // of the query of the pattern, which the client may not repeat
	Query    Selection
	Queries  bool // whether query filters at all
	Header   HeaderFilter
	Trace    bool // the backend is told the trace of the request
	Compress bool // gzip is asked for unless the client's own wish passes
	Decodes  bool // the answer is decoded, so only what we unpack may be asked for
}

// A URLPattern is a compiled url_pattern.
type URLPattern struct{ Path, Query template.Text }

// ParseURLPattern compiles a url_pattern; params are the names of the parameters that
// it may use. Errors are those of [template.Parse].
func ParseURLPattern(pattern string, params []string) (*URLPattern, error) {
	path, query, _ := strings.Cut(pattern, "?")
	t := new(URLPattern)
	var err error
	if t.Path, err = template.Parse(path, template.InPath, params); err != nil {
		return nil, err
	}
	t.Query, err = template.Parse(query, template.InQuery, params)
	return t, err
}

// NewAddress returns the step for a backend with a method and a pattern; wildcard says
// that what the path of a wildcard endpoint has beyond its own follows the pattern.
func NewAddress(method string, t *URLPattern, wildcard bool) *Address {
	a := &Address{method: method, Pattern: t, wildcard: wildcard, Fixed: namesOf(t.Query)}
	if path, fixed := t.Path.Literal(); fixed && !wildcard {
		a.path = cmp.Or(path, "/")
	}
	return a
}

// Enter writes the request line and filters the header.
func (a *Address) Enter(_ context.Context, x *gateway.Exchange) error {
	r := &x.Request
	r.Method = a.method
	if r.Path = a.path; a.path == "" {
		var room [256]byte
		path, err := a.Pattern.Path.Append(room[:0], x)
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
	a.Header.apply(r)
	if a.Trace {
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
func (a *Address) writeQuery(x *gateway.Exchange) error {
	r := &x.Request
	if a.Queries && !a.Query.All {
		keepQuery(r, a.Query.pass)
	}
	if len(r.Query) == 0 {
		var fixed bool
		if r.RawQuery, fixed = a.Pattern.Query.Literal(); fixed {
			return nil
		}
	}
	var room [256]byte
	query, err := a.Pattern.Query.Append(room[:0], x)
	if err != nil {
		return err
	}
	if len(r.Query) > 0 && !a.Fixed.none() {
		names := &a.Fixed
		if names.later != nil {
			names = names.written(string(query))
		}
		keepQuery(r, func(name string) bool { return !names.Takes(name) })
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
func (a *Address) askEncoding(r *gateway.Request) {
	const name = "Accept-Encoding"
	if a.Decodes {
		r.Header.Del(name)
	}
	r.Unpack = a.Decodes
	if a.Compress && r.Upgrade == "" && !r.Header.Has(name) && !r.Header.Has("Range") && r.Method != "HEAD" {
		r.Header.Add(name, "gzip")
		r.Unpack = true
	}
}
