package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Candidate is a route whose pattern fits a path.
type Candidate struct {
	Method, Pattern string
	Wins            bool
	Why             string // it wins or loses, for a person
}

// Explain returns every route that fits target: the one that Find serves first,
// if there is one, then those of the same method in the order in which they
// would take its place, then those of other methods. When Find answers with a
// redirect, the routes are those of its location. When nothing fits, or target
// has an invalid escape, there are none.
//
// It tries every route of the table, which is too slow for requests.
func (t *Table[T]) Explain(method, target string) []Candidate {
	m := t.Find(method, target, nil)
	asked := method
	if tree := t.tree(method); tree != nil {
		method = tree.method // of GET for HEAD
	}
	note := ""
	switch m.Outcome {
	case Redirect:
		target, note = m.Location, fmt.Sprintf(" after a redirect to %s (%v)", m.Location, m.Reason)
	case BadParam:
		note = ", and refuses the request: " + m.Text
	}
	p, err := t.read(target)
	if err != nil || !strings.HasPrefix(target, "/") {
		return nil
	}

	var fits []*route
	for _, r := range t.routes {
		if r.fits(p) {
			fits = append(fits, r)
		}
	}
	slices.SortFunc(fits, func(a, b *route) int {
		if a.method != b.method {
			switch method {
			case a.method:
				return -1
			case b.method:
				return 1
			}
			return strings.Compare(a.method, b.method)
		}
		order, _ := compare(a, b)
		return order
	})

	var winner *route
	if tree := t.tree(method); tree != nil {
		s, _ := t.lookup(tree, p, study{}, nil)
		winner = s.route
	}
	var out []Candidate
	for _, r := range fits {
		c := Candidate{Method: r.method, Pattern: r.pattern}
		switch {
		case r == winner && !t.serves(asked, r):
			c.Why = "serves GET and not HEAD, which would take or publish a message as GET does"
		case r == winner:
			c.Wins, c.Why = true, "wins"+note
		case r.method != method:
			c.Why = "serves " + r.method + " only"
		case winner == nil:
			c.Why = "dot segments, slashes or another spelling lead elsewhere"
		default:
			_, why := compare(winner, r)
			c.Why = "loses to " + winner.pattern + ": " + why
		}
		out = append(out, c)
	}
	return out
}

// fits reports whether the segments of p are those of r.
func (r *route) fits(p path) bool {
	pos := 1
	for _, part := range r.parts {
		if pos > len(p) {
			return false
		}
		text, _, next := p.segment(pos)
		value, ok := strings.CutPrefix(text, part.text)
		if !ok || (value == "") != (part.kind == literal) {
			return false
		}
		pos = next
	}
	return r.wild || pos > len(p)
}

// compare orders two routes that fit the same path: negative when a goes
// first, and then why.
func compare(a, b *route) (order int, why string) {
	if a.wild != b.wild {
		if a.wild {
			return 1, ""
		}
		return -1, "explicit paths go before wildcards"
	}
	if order := cmp.Compare(len(b.parts), len(a.parts)); order != 0 {
		return order, "longer prefixes go before shorter ones"
	}
	for i := range a.parts {
		x, y := a.parts[i], b.parts[i]
		if order := cmp.Compare(x.kind, y.kind); order != 0 {
			return order, fmt.Sprintf("in segment %d %v goes before %v", i+1, x.kind, y.kind)
		}
		if order := cmp.Compare(len(y.text), len(x.text)); order != 0 {
			return order, fmt.Sprintf("in segment %d the longer text before the variable goes first", i+1)
		}
	}
	return 0, "both have the same shape"
}

// String names the kind with its article.
func (k kind) String() string {
	switch k {
	case literal:
		return "a literal"
	case word:
		return "a variable after text"
	}
	return "a variable"
}
