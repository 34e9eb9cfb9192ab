package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/route"
)

// place is where in a URL a value goes; it decides how the value is escaped.
type place uint8

const (
	inPath place = iota
	inQuery
	inHost
)

// origin is where a value comes from.
type origin uint8

const (
	literal origin = iota
	fromParam
	fromResult
	fromClaim
	fromHeader
	fromQuery
)

// A part is a literal or a placeholder of a template.
type part struct {
	text   string // the literal, ready to send, or the placeholder as written
	index  int    // of the parameter or the earlier result
	origin origin
	*source
}

// A source says where the value of a placeholder is found. Those of parameters,
// which most are, have none.
type source struct {
	path []string // of the claim or within the earlier result
	name string   // of the claim, the header or the query parameter
	lone gateway.Lone
}

// A template is a compiled url_pattern or host: values are looked up by index
// and escaped for the place where they go, so that a value can never become
// structure.
type template struct {
	path  []part
	query []part
}

// undefined is the error of a placeholder that names nothing: what it names.
type undefined string

func (name undefined) Error() string { return "undefined output param '" + string(name) + "'" }

// parseTemplate compiles a url_pattern; params are the names of the parameters
// that it may use. The error names the placeholder and
// what may stand there.
func parseTemplate(pattern string, params []string) (*template, error) {
	path, query, _ := strings.Cut(pattern, "?")
	t := new(template)
	var err error
	if t.path, err = parseParts(path, inPath, params); err != nil {
		return nil, err
	}
	t.query, err = parseParts(query, inQuery, params)
	return t, err
}

func parseParts(text string, where place, params []string) ([]part, error) {
	if text == "" {
		return nil, nil
	}
	count := 2 * strings.Count(text, "{")
	if !strings.HasSuffix(text, "}") {
		count++
	}
	parts := make([]part, 0, count)
	for text != "" {
		open := strings.IndexByte(text, '{')
		if open < 0 {
			break
		}
		end := strings.IndexByte(text[open:], '}')
		if end < 0 {
			break
		}
		name := text[open+1 : open+end]
		if open > 0 {
			literal, err := cleanLiteral(text[:open], where)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part{text: literal})
		}
		p, err := parsePlaceholder(name, params)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		text = text[open+end+1:]
	}
	if text != "" {
		literal, err := cleanLiteral(text, where)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{text: literal})
	}
	return parts, nil
}

func parsePlaceholder(name string, params []string) (part, error) {
	p := part{text: name}
	if i := slices.Index(params, name); i >= 0 {
		p.origin, p.index = fromParam, i
		return p, nil
	}
	kind, rest, dotted := strings.Cut(name, ".")
	switch {
	case dotted && kind == "JWT" && rest != "":
		p.origin, p.source = fromClaim, &source{path: jsonspan.SplitPath(rest), name: rest}
		return p, nil
	case dotted && kind == "input_headers" && rest != "":
		p.origin, p.source = fromHeader, &source{name: gateway.Canonical(rest), lone: gateway.NewLone(rest)}
		return p, nil
	case dotted && kind == "input_query_strings" && rest != "":
		p.origin, p.source = fromQuery, &source{name: rest}
		return p, nil
	}
	if n, path, ok := parseResult(name); ok {
		p.origin, p.index, p.source = fromResult, n, &source{path: jsonspan.SplitPath(path)}
		return p, nil
	}
	return p, undefined(name)
}

// parseResult takes a name such as resp0_user.id apart.
func parseResult(name string) (index int, path string, ok bool) {
	digits, path, found := strings.Cut(strings.TrimPrefix(name, "resp"), "_")
	n, err := strconv.Atoi(digits)
	return n, path, found && strings.HasPrefix(name, "resp") && err == nil && n >= 0 && path != ""
}

// errEscape marks text that looks like an escape and is none.
var errEscape = errors.New("invalid escape")

// cleanLiteral escapes what may not stand in a URL and leaves the rest as it
// is written.
func cleanLiteral(text string, where place) (string, error) {
	if where == inHost {
		return text, nil
	}
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c == '%' {
			if _, err := url.PathUnescape(text[i:min(i+3, len(text))]); err != nil {
				return "", fmt.Errorf("%w %q; write %%25 for a percent sign", errEscape, text[i:min(i+3, len(text))])
			}
		}
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

// fixed reports whether the template holds no placeholder.
func fixed(parts []part) bool {
	return len(parts) == 0 || len(parts) == 1 && parts[0].origin == literal
}

// badValue says that a value of the client may not stand where it would go.
func badValue(why string) error {
	return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: why}
}

// appendParts appends the parts with the values of x, escaped for their place.
// The error is a *gateway.Error: 400 for a value that may not be there or a
// header or parameter that is missing, [gateway.CodeMissingValue] for a claim
// or an earlier answer without the value.
func appendParts(dst []byte, parts []part, where place, x *gateway.Exchange) ([]byte, error) {
	s := segment{start: len(dst)}
	for i := range parts {
		p := &parts[i]
		if p.origin == literal {
			before := len(dst)
			dst = append(dst, p.text...)
			if where != inPath {
				continue
			}
			if slash := strings.LastIndexByte(p.text, '/'); slash >= 0 {
				first := strings.IndexByte(p.text, '/')
				s.joined = s.joined || first > 0
				if err := s.check(dst[:before+first]); err != nil {
					return dst, err
				}
				s = segment{start: before + slash + 1, joined: slash+1 < len(p.text)}
			} else {
				s.joined = true
			}
			continue
		}
		value, raw, err := p.value(x)
		if err != nil {
			return dst, err
		}
		switch where {
		case inPath:
			if route.DotSegment(value) {
				return dst, errDots()
			}
			s.joined = s.joined || s.built
			s.built = true
			dst = p.appendSegment(dst, value, raw)
		case inQuery:
			dst = appendQueryValue(dst, value)
		case inHost:
			if !hostValue(value) {
				return dst, badValue("a host may hold letters, digits, hyphens, and dots between them only")
			}
			dst = append(dst, value...)
		}
	}
	return dst, s.check(dst)
}

// A segment is the one of a path that is being put together.
type segment struct {
	start  int
	built  bool // a value is part of it
	joined bool // and something else
}

// check refuses a segment that ends with dst if values have made dots or nothing
// of it. What is wholly literal is the operator's.
func (s *segment) check(dst []byte) error {
	text := dst[s.start:]
	switch {
	case !s.built:
		return nil
	case len(text) == 0:
		return badValue("a path segment may not be empty")
	case s.joined && bytes.ContainsAny(text, ".%") && route.DotSegment(string(text)):
		return errDots()
	}
	return nil
}

func errDots() error { return badValue("a path may not hold dot segments") }

// appendSegment appends a value to a path segment. What may stand there stays as
// it came: a reserved character that came escaped stays escaped. A semicolon is
// data, unless it comes from the path of the client: many servers cut there.
func (p *part) appendSegment(dst []byte, value, raw string) []byte {
	switch {
	case raw != "":
		return appendEscaped(dst, raw, p.origin == fromQuery)
	case p.origin == fromParam:
		return appendSegment(dst, value, "!$&'()*+,;=:@")
	}
	return appendSegment(dst, value, "!$&'()*+,=:@")
}

// hostValue reports whether s may be a part of a host: labels, and dots between
// them.
func hostValue(s string) bool {
	before := byte('.')
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' && before != '.') {
			return false
		}
		before = c
	}
	return before != '.'
}

// value returns the text that the placeholder stands for, and how the client
// wrote it in its URL if that may be another.
func (p *part) value(x *gateway.Exchange) (text, raw string, err error) {
	switch p.origin {
	case fromParam:
		if p.index < len(x.Raw) {
			raw = x.Raw[p.index]
		}
		return x.Params[p.index], raw, nil
	case fromHeader:
		v, once := p.lone.Value(x.In)
		if p.name == "Host" {
			v, once = x.In.Host(), true
		}
		if !once { // the path would be made of one line, and the service might believe the other
			return "", "", badValue("the header " + p.name + " is sent more than once")
		}
		if v != "" {
			return v, "", nil
		}
		return "", "", badValue("the header " + p.name + " is missing")
	case fromQuery:
		if v, raw, ok := queryValue(x.In.RawQuery(), p.name); ok {
			return v, raw, nil
		}
		return "", "", badValue("the query parameter " + p.name + " is missing")
	case fromClaim:
		if x.Identity != nil {
			if v, ok := claim(x.Identity.Claims, p.name, p.path); ok {
				text := claimText(v)
				if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '?' || r == '#' }) {
					return "", "", badValue("a claim holds a character that may not stand in a URL")
				}
				return text, "", nil
			}
		}
		return "", "", &gateway.Error{Code: gateway.CodeMissingValue, Public: "a claim is missing", Err: fmt.Errorf("the token has no claim %s", p.name)}
	}
	if p.index < len(x.Results) {
		if v, ok := resultText(x.Results[p.index], p.path); ok {
			return v, "", nil
		}
	}
	return "", "", &gateway.Error{Code: gateway.CodeMissingValue, Public: "an earlier answer lacks a value", Err: fmt.Errorf("no earlier answer holds %s", p.text)}
}

// claim finds a claim by its literal name, or else by its path, in which
// numbers are array positions.
func claim(claims map[string]any, name string, path []string) (any, bool) {
	if v, ok := claims[name]; ok {
		return v, v != nil
	}
	var v any = claims
	for _, key := range path {
		switch level := v.(type) {
		case map[string]any:
			v = level[key]
		case []any:
			i, ok := jsonspan.Position(key)
			if !ok || i >= len(level) {
				return nil, false
			}
			v = level[i]
		default:
			return nil, false
		}
	}
	return v, v != nil
}

// claimText is a value as text: lists joined with commas, objects as JSON.
func claimText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = claimText(item)
		}
		return strings.Join(texts, ",")
	}
	text, err := jsonspan.AppendTree(nil, v)
	if err != nil {
		return "" // claims were decoded from JSON, so they can be written
	}
	return string(text)
}

// resultText finds a value in an earlier answer and returns it as text: lists
// joined with commas, objects as compact JSON, null as "<nil>".
func resultText(r gateway.Result, path []string) (string, bool) {
	if r.Body == nil {
		return "", false
	}
	o, err := r.Body.Object()
	if err != nil {
		return "", false
	}
	v, ok := o.Get(path[0])
	if ok {
		v, ok = jsonspan.Lookup(v, path[1:]...)
	}
	if !ok {
		return "", false
	}
	return spanText(v), true
}

func spanText(v []byte) string {
	switch jsonspan.KindOf(v) {
	case jsonspan.KindString:
		return string(jsonspan.AppendUnquoted(nil, v))
	case jsonspan.KindNull:
		return "<nil>"
	case jsonspan.KindArray, jsonspan.KindObject:
		tree, err := jsonspan.Tree(v)
		if err != nil {
			return "" // the span was validated when it was cut
		}
		if list, ok := tree.([]any); ok {
			return joined(list)
		}
		return claimText(tree)
	}
	return string(v)
}

func joined(list []any) string {
	texts := make([]string, len(list))
	for i, item := range list {
		if texts[i] = "<nil>"; item != nil {
			texts[i] = claimText(item)
		}
	}
	return strings.Join(texts, ",")
}

const upperHex = "0123456789ABCDEF"

// appendSegment appends s to a path segment. Of what RFC 3986, section 3.3, calls
// pchar the unreserved characters and those of plain stay, everything else is
// escaped.
func appendSegment(dst []byte, s, plain string) []byte {
	for i := range len(s) {
		dst = appendPlain(dst, s[i], plain)
	}
	return dst
}

func appendPlain(dst []byte, c byte, plain string) []byte {
	if unreserved(c) || strings.IndexByte(plain, c) >= 0 {
		return append(dst, c)
	}
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// appendEscaped appends a text of the client's path, or of its query, to a path
// segment. Escapes stay, but for those that nobody needs.
func appendEscaped(dst []byte, raw string, query bool) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '%' && escaped(raw[i:]):
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
			dst = appendPlain(dst, c, "")
		case query && c == '+':
			dst = append(dst, "%20"...)
		case query && c == ';':
			dst = append(dst, "%3B"...)
		default:
			dst = appendPlain(dst, c, "!$&'()*+,;=:@")
		}
	}
	return dst
}

// escaped reports whether s begins with a valid escape.
func escaped(s string) bool { return len(s) > 2 && hexDigit(s[1]) && hexDigit(s[2]) }

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// appendQueryValue appends s as one name or value of a form-encoded query.
func appendQueryValue(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case unreserved(c):
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// unreserved reports whether c never needs escaping: RFC 3986, section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
