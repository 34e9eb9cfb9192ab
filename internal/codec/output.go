package codec

import (
	"errors"
	"strings"
)

// Output is a form in which a client gets a result.
type Output uint8

const (
	JSON           Output = iota
	JSONCollection        // the array under "collection" alone
	XML
	YAML
	String     // the text under "content" alone
	NoOp       // the answer of the backend as it is
	Negotiated // what Negotiate says for each request
)

// ErrTooLarge is the error of what would become larger than its limit.
var ErrTooLarge = errors.New("too large")

// end returns where what is appended to dst has to end, 0 if it may be of any length.
func end(dst []byte, limit int64) int {
	if limit <= 0 {
		return 0
	}
	return len(dst) + int(limit)
}

// beyond reports whether more was written than up to end, which is 0 for no end.
func beyond(text []byte, end int) bool { return end > 0 && len(text) > end }

// OutputNamed returns the output that a configuration calls name, as in
// output_encoding, and whether there is one. Names are case-sensitive.
func OutputNamed(name string) (Output, bool) {
	switch name {
	case "json", "fast-json":
		return JSON, true
	case "json-collection":
		return JSONCollection, true
	case "xml":
		return XML, true
	case "yaml":
		return YAML, true
	case "string":
		return String, true
	case "no-op":
		return NoOp, true
	case "negotiate":
		return Negotiated, true
	}
	return JSON, false
}

// ContentType returns the Content-Type of the output, "" for NoOp and
// Negotiated, which have none of their own.
func (o Output) ContentType() string {
	switch o {
	case JSON, JSONCollection:
		return "application/json; charset=utf-8"
	case XML:
		return "application/xml"
	case YAML:
		return "application/yaml; charset=utf-8"
	case String:
		return "text/plain; charset=utf-8"
	}
	return ""
}

// Negotiate returns JSON, XML or YAML, whichever the Accept header likes best.
// Several header lines are joined with commas, in order.
//
// JSON is application/json, XML is application/xml and text/xml, YAML is
// application/yaml, application/x-yaml, text/plain and text/*. All three match
// application/* and */*. For each output the most specific range counts, and
// the highest of the equally specific ones; the greatest weight wins, then the
// range that comes first, then JSON before XML before YAML. If nothing
// matches, or only with weight 0, the answer is JSON. A range with a malformed
// weight is skipped; other parameters are not looked at.
//
// Negotiate does not allocate.
//
// Compatibility: with equal weights the first range that matches decides, as
// in KrakenD, which ignores weights altogether.
//
// Source: RFC 9110, sections 12.4.2 and 12.5.1.
func Negotiate(accept string) Output {
	var best [3]preference
	outputs := [3]Output{JSON, XML, YAML}
	for order := 0; accept != ""; order++ {
		var entry string
		entry, accept = cutUnquoted(accept, ',')
		mediaRange, params := cutUnquoted(entry, ';')
		weight, ok := weightOf(params)
		if !ok {
			continue
		}
		for i, o := range outputs {
			if s := specificity(strings.Trim(mediaRange, " \t"), o); s > 0 {
				best[i].offer(preference{s, weight, order})
			}
		}
	}
	chosen := 0
	for i := range best {
		if best[i].weight > best[chosen].weight ||
			best[i].weight == best[chosen].weight && best[i].order < best[chosen].order {
			chosen = i
		}
	}
	if best[chosen].weight == 0 {
		return JSON
	}
	return outputs[chosen]
}

// A preference is what the most specific range says about an output.
type preference struct {
	specificity int // 0 if no range matched
	weight      int // in thousandths
	order       int // the number of the range in the header
}

func (p *preference) offer(q preference) {
	if q.specificity > p.specificity || q.specificity == p.specificity && q.weight > p.weight {
		*p = q
	}
}

// specificity returns how closely mediaRange matches o: 3 names it, 2 names
// its type with any subtype, 1 is any type, 0 is no match.
func specificity(mediaRange string, o Output) int {
	switch {
	case mediaRange == "*/*":
		return 1
	case strings.EqualFold(mediaRange, "application/*"):
		return 2
	case strings.EqualFold(mediaRange, "text/*"):
		if o == YAML {
			return 2
		}
		return 0
	}
	named := false
	switch o {
	case JSON:
		named = strings.EqualFold(mediaRange, "application/json")
	case XML:
		named = strings.EqualFold(mediaRange, "application/xml") || strings.EqualFold(mediaRange, "text/xml")
	case YAML:
		named = strings.EqualFold(mediaRange, "application/yaml") ||
			strings.EqualFold(mediaRange, "application/x-yaml") || strings.EqualFold(mediaRange, "text/plain")
	}
	if named {
		return 3
	}
	return 0
}

// weightOf returns the weight among params, in thousandths, which is 1000 if
// there is none. It reports whether the weight is well-formed.
func weightOf(params string) (int, bool) {
	for params != "" {
		var param string
		param, params = cutUnquoted(params, ';')
		name, value, _ := strings.Cut(strings.Trim(param, " \t"), "=")
		if strings.EqualFold(name, "q") {
			return thousandths(value)
		}
	}
	return 1000, true
}

// thousandths reads a qvalue: 0 or 1, with up to three decimals, of which
// those behind a 1 are zeros.
func thousandths(s string) (int, bool) {
	if s == "" || s[0] != '0' && s[0] != '1' || len(s) > len("0.000") {
		return 0, false
	}
	n := int(s[0]-'0') * 1000
	if len(s) > 1 && s[1] != '.' {
		return 0, false
	}
	for i, unit := 2, 100; i < len(s); i, unit = i+1, unit/10 {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n += int(s[i]-'0') * unit
	}
	return n, n <= 1000
}

// cutUnquoted splits s around the first sep outside of quoted strings.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == sep && !quoted:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
