package message

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/template"
)

// SelectQuery gives the request the parameters of a raw query that pass, in the
// order in which they came: decoded, and as they are sent on.
func SelectQuery(r *gateway.Request, raw string, s *Selection) {
	for {
		pair, name, value, rest, ok := template.CutPair(raw)
		if !ok {
			return
		}
		if raw = rest; s.pass(name) {
			r.Query.Add(name, template.UnescapeQuery(value))
			r.Pairs = append(r.Pairs, template.Respell(pair))
		}
	}
}

// appendQuery appends the parameters of a request, sorted by name, values of one
// name in their order.
func appendQuery(dst []byte, r *gateway.Request) []byte {
	if len(r.Pairs) != len(r.Query) { // a stage has made others of them
		r.Pairs = r.Pairs[:0]
		for _, f := range r.Query {
			pair := append(template.AppendQueryValue(nil, f.Name), '=')
			r.Pairs = append(r.Pairs, string(template.AppendQueryValue(pair, f.Value)))
		}
	}
	sortQuery(r)
	for _, pair := range r.Pairs {
		if len(dst) > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, pair...)
	}
	return dst
}

// few is how many parameters are sorted in place, without memory.
const few = 12

// sortQuery sorts the parameters of a request by name, values of one name in their
// order. Many of them cost no more than it takes to compare them: a stable sort in
// place would move each again and again.
func sortQuery(r *gateway.Request) {
	q, pairs := r.Query, r.Pairs
	if len(q) <= few {
		for i := range q {
			for j := i; j > 0 && q[j].Name < q[j-1].Name; j-- {
				q[j], q[j-1] = q[j-1], q[j]
				pairs[j], pairs[j-1] = pairs[j-1], pairs[j]
			}
		}
		return
	}
	if slices.IsSortedFunc(q, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) }) {
		return
	}
	order := make([]int, len(q))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(strings.Compare(q[a].Name, q[b].Name), a-b) })
	was, spelt := slices.Clone(q), slices.Clone(pairs)
	for i, from := range order {
		q[i], pairs[i] = was[from], spelt[from]
	}
}

// A Selection is a compiled input_headers or input_query_strings.
type Selection struct {
	All   bool
	names []string
}

// NewSelection compiles a list. A "*" anywhere passes everything.
func NewSelection(list []string, canonical bool) Selection {
	s := Selection{All: slices.Contains(list, "*")}
	for _, name := range list {
		if canonical {
			name = gateway.Canonical(name)
		}
		if name != "" && !slices.Contains(s.names, name) {
			s.names = append(s.names, name)
		}
	}
	return s
}

// pass reports whether a name is let through.
func (s *Selection) pass(name string) bool { return s.All || slices.Contains(s.names, name) }
