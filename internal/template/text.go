package template

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/route"
)

// A Place is what a text is for. It decides how the parts of the text are escaped and
// which values are refused.
type Place uint8

// The places. In a path, a value is a segment or a part of one, and neither dots nor
// nothing may come of it. In a query it is a part of a name or a value. A host takes
// letters, digits, hyphens, and dots between them. The value of a header takes what
// [gateway.Carried] says. In text, values stand as they are. In JSON, the whole text is
// one string, its quotes included.
const (
	InPath Place = iota
	InQuery
	InHost
	InHeader
	InText
	InJSON
)

// A Text is a compiled text with placeholders: values are looked up by index and
// escaped for the place where they go, so that a value can never become structure. It
// is immutable and safe for concurrent use; the zero value is an empty path.
type Text struct {
	parts []Part
	place Place
}

// Undefined is the error of a placeholder that names nothing: what it names.
type Undefined string

func (name Undefined) Error() string { return "undefined output param '" + string(name) + "'" }

// Parse compiles a text. Params are the names of the parameters that it may use, as
// x.Params has their values. The error is an [Undefined] for a placeholder that may not
// stand there; any other is about what is written out and says what to write instead. A
// brace that is not closed is text.
func Parse(text string, place Place, params []string) (Text, error) {
	t := Text{place: place}
	if text == "" {
		return t, nil
	}
	count := 2 * strings.Count(text, "{")
	if !strings.HasSuffix(text, "}") {
		count++
	}
	t.parts = make([]Part, 0, count)
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
			if err := t.addLiteral(text[:open]); err != nil {
				return Text{}, err
			}
		}
		p, err := parsePlaceholder(name, params)
		if err != nil {
			return Text{}, err
		}
		t.parts = append(t.parts, p)
		text = text[open+end+1:]
	}
	if text != "" {
		if err := t.addLiteral(text); err != nil {
			return Text{}, err
		}
	}
	return t, nil
}

// addLiteral adds text that is written out: what may not stand in a URL is escaped, the
// rest is left as it is.
func (t *Text) addLiteral(text string) error {
	switch t.place {
	case InHeader:
		if !gateway.Carried("x" + text + "x") {
			return fmt.Errorf("%q holds what no header carries; write it without line ends and other control characters", text)
		}
	case InJSON:
		quoted := jsonspan.AppendString(nil, text)
		text = string(quoted[1 : len(quoted)-1])
	case InPath, InQuery:
		var err error
		if text, err = escapeLiteral(text); err != nil {
			return err
		}
	}
	t.parts = append(t.parts, Part{Text: text})
	return nil
}

// escapeLiteral escapes what may not stand in a path or a query.
func escapeLiteral(text string) (string, error) {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if c == '%' {
			if _, err := url.PathUnescape(text[i:min(i+3, len(text))]); err != nil {
				return "", fmt.Errorf("invalid escape %q; write %%25 for a percent sign", text[i:min(i+3, len(text))])
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

func parsePlaceholder(name string, params []string) (Part, error) {
	p := Part{Text: name}
	if i := slices.Index(params, name); i >= 0 {
		p.From, p.Index = FromParam, i
		return p, nil
	}
	kind, rest, dotted := strings.Cut(name, ".")
	switch {
	case dotted && kind == "JWT" && rest != "":
		p.From, p.source = FromClaim, &source{path: jsonspan.SplitPath(rest), name: rest}
		return p, nil
	case dotted && kind == "input_headers" && rest != "":
		p.From, p.source = FromHeader, &source{name: gateway.Canonical(rest), lone: gateway.NewLone(rest)}
		return p, nil
	case dotted && kind == "input_query_strings" && rest != "":
		p.From, p.source = FromQuery, &source{name: rest}
		return p, nil
	}
	if n, path, ok := ParseResult(name); ok {
		p.From, p.Index, p.source = FromResult, n, &source{path: path}
		return p, nil
	}
	return p, Undefined(name)
}

// ParseResult takes a name such as resp0_user.id apart: the call, counted from 0, and
// the path of the value within its answer.
func ParseResult(name string) (call int, path []string, ok bool) {
	digits, rest, found := strings.Cut(strings.TrimPrefix(name, "resp"), "_")
	n, err := strconv.Atoi(digits)
	if !found || !strings.HasPrefix(name, "resp") || err != nil || n < 0 || rest == "" {
		return 0, nil, false
	}
	return n, jsonspan.SplitPath(rest), true
}

// Parts returns the literals and placeholders in their order. They are read-only.
func (t Text) Parts() []Part { return t.parts }

// Place returns what the text is for.
func (t Text) Place() Place { return t.place }

// Literal returns the text as it is sent if it holds no placeholder.
func (t Text) Literal() (text string, ok bool) {
	switch {
	case len(t.parts) > 1 || len(t.parts) == 1 && t.parts[0].From != Literal:
		return "", false
	case len(t.parts) == 1:
		text = t.parts[0].Text
	}
	if t.place == InJSON {
		text = `"` + text + `"`
	}
	return text, true
}

// Lacks reports whether the client has not sent a header or a query parameter that the text
// is made of, so that [Text.Append] fails. Who can do without the text asks.
func (t Text) Lacks(x *gateway.Exchange) bool {
	for i := range t.parts {
		if t.parts[i].lacks(x) {
			return true
		}
	}
	return false
}

// Append appends the text with the values of x, escaped for their place. The error is a
// *gateway.Error: 400 for a value that may not be there or a header or parameter that is
// missing, [gateway.CodeMissingValue] for a claim or an earlier answer without the value.
func (t Text) Append(dst []byte, x *gateway.Exchange) ([]byte, error) {
	if t.place == InJSON {
		dst = append(dst, '"')
	}
	s := segment{start: len(dst)}
	for i := range t.parts {
		p := &t.parts[i]
		if p.From == Literal {
			before := len(dst)
			dst = append(dst, p.Text...)
			if t.place != InPath {
				continue
			}
			if slash := strings.LastIndexByte(p.Text, '/'); slash >= 0 {
				first := strings.IndexByte(p.Text, '/')
				s.joined = s.joined || first > 0
				if err := s.check(dst[:before+first]); err != nil {
					return dst, err
				}
				s = segment{start: before + slash + 1, joined: slash+1 < len(p.Text)}
			} else {
				s.joined = true
			}
			continue
		}
		value, raw, err := p.value(x)
		if err != nil {
			return dst, err
		}
		if dst, err = t.place.appendValue(dst, p, value, raw); err != nil {
			return dst, err
		}
		if t.place == InPath {
			s.joined = s.joined || s.built
			s.built = true
		}
	}
	if t.place == InJSON {
		dst = append(dst, '"')
	}
	return dst, s.check(dst)
}

// appendValue appends the value of a placeholder, or refuses it.
func (place Place) appendValue(dst []byte, p *Part, value, raw string) ([]byte, error) {
	if p.From == FromClaim && place <= InHost && strings.ContainsFunc(value, endsURL) {
		return dst, badValue("a claim holds a character that may not stand in a URL")
	}
	switch place {
	case InPath:
		if route.DotSegment(value) {
			return dst, errDots()
		}
		return p.appendSegment(dst, value, raw), nil
	case InQuery:
		return AppendQueryValue(dst, value), nil
	case InHost:
		if !hostValue(value) {
			return dst, badValue("a host may hold letters, digits, hyphens, and dots between them only")
		}
	case InHeader:
		if !gateway.Carried(value) {
			return dst, badValue("a value holds what no header carries")
		}
	case InJSON:
		start := len(dst)
		dst = jsonspan.AppendString(dst, value)
		return append(dst[:start], dst[start+1:len(dst)-1]...), nil // within the quotes of the text
	}
	return append(dst, value...), nil
}

// endsURL reports whether a claim with r could end a part of a URL.
func endsURL(r rune) bool { return r < ' ' || r == 0x7f || r == '?' || r == '#' }

// Check returns the error of putting the value of a placeholder into a place: that of
// the value alone, because whether a segment is empty shows only with all that it is
// made of.
func (p Part) Check(place Place, x *gateway.Exchange) error {
	var room [128]byte
	parts := [...]Part{{Text: "x"}, p}
	_, err := Text{parts: parts[:], place: place}.Append(room[:0], x)
	return err
}

// badValue says that a value of the client may not stand where it would go.
func badValue(why string) error {
	return &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: why}
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
