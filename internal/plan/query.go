package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Only & separates the pairs of a query, and everything else in it is data, as
// the URL standard of the WHATWG says of application/x-www-form-urlencoded: a
// semicolon is text, and a percent sign that begins no escape is one.

// cutPair returns the first pair of a raw query that is not empty, its name
// decoded, and its value as it stands. It reports false at the end.
func cutPair(raw string) (pair, name, value, rest string, ok bool) {
	for raw != "" {
		if pair, raw, _ = strings.Cut(raw, "&"); pair != "" {
			name, value, _ = strings.Cut(pair, "=")
			return pair, unescapeQuery(name), value, raw, true
		}
	}
	return "", "", "", "", false
}

// unescapeQuery decodes a name or a value.
func unescapeQuery(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && escaped(s[i:]):
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String()
}

// respell returns a pair as it is sent on: as it stands, but for what may not
// stand in a query (RFC 3986, section 3.4) and for semicolons, at which some
// servers cut.
func respell(pair string) string {
	for i := range len(pair) {
		if !plainQuery(pair, i) {
			b := append(make([]byte, 0, len(pair)+8), pair[:i]...)
			for ; i < len(pair); i++ {
				if c := pair[i]; plainQuery(pair, i) {
					b = append(b, c)
				} else {
					b = append(b, '%', upperHex[c>>4], upperHex[c&15])
				}
			}
			return string(b)
		}
	}
	return pair
}

// plainQuery reports whether the byte at i stays.
func plainQuery(pair string, i int) bool {
	c := pair[i]
	return unreserved(c) || c == '%' && escaped(pair[i:]) || strings.IndexByte("!$'()*+,:@/?=", c) >= 0
}

// selectQuery gives the request the parameters of a raw query that pass, in the
// order in which they came: decoded, and as they are sent on.
func selectQuery(r *gateway.Request, raw string, s *selection) {
	for {
		pair, name, value, rest, ok := cutPair(raw)
		if !ok {
			return
		}
		if raw = rest; s.pass(name) {
			r.Query.Add(name, unescapeQuery(value))
			r.Pairs = append(r.Pairs, respell(pair))
		}
	}
}

// queryValue returns the first value of a parameter, decoded and as it stands.
func queryValue(raw, name string) (value, as string, ok bool) {
	for {
		_, n, v, rest, more := cutPair(raw)
		if !more {
			return "", "", false
		}
		if n == name {
			return unescapeQuery(v), v, true
		}
		raw = rest
	}
}

// appendQuery appends the parameters of a request, sorted by name, values of one
// name in their order.
func appendQuery(dst []byte, r *gateway.Request) []byte {
	if len(r.Pairs) != len(r.Query) { // a stage has made others of them
		r.Pairs = r.Pairs[:0]
		for _, f := range r.Query {
			pair := append(appendQueryValue(nil, f.Name), '=')
			r.Pairs = append(r.Pairs, string(appendQueryValue(pair, f.Value)))
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

// A selection is a compiled input_headers or input_query_strings.
type selection struct {
	all   bool
	names []string
}

// newSelection compiles a list. A "*" anywhere passes everything.
func newSelection(list []string, canonical bool) selection {
	s := selection{all: slices.Contains(list, "*")}
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
func (s *selection) pass(name string) bool { return s.all || slices.Contains(s.names, name) }
