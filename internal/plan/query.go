package plan

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// appendQuery appends the parameters of a raw query that pass, decoded, in the
// order in which they came. Pairs with a semicolon or a broken escape are
// dropped, as the form decoding of the URL standard leaves them undefined.
func appendQuery(dst gateway.Fields, raw string, pass func(name string) bool) gateway.Fields {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" || strings.IndexByte(pair, ';') >= 0 {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := unescapeQuery(name)
		if err != nil || !pass(name) {
			continue
		}
		if value, err = unescapeQuery(value); err == nil {
			dst.Add(name, value)
		}
	}
	return dst
}

func unescapeQuery(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	return url.QueryUnescape(s)
}

// queryValue returns the first value of a parameter.
func queryValue(raw, name string) (string, bool) {
	var room [1]gateway.Field
	found := appendQuery(room[:0], raw, func(n string) bool { return n == name })
	if len(found) == 0 {
		return "", false
	}
	return found[0].Value, true
}

// appendSorted appends parameters form-encoded, sorted by name, values of one
// name in their order.
func appendSorted(dst []byte, q gateway.Fields) []byte {
	if len(q) > 1 {
		slices.SortStableFunc(q, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	}
	for _, f := range q {
		if len(dst) > 0 {
			dst = append(dst, '&')
		}
		dst = appendQueryValue(dst, f.Name)
		dst = append(dst, '=')
		dst = appendQueryValue(dst, f.Value)
	}
	return dst
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
