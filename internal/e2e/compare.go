package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/config"
)

const (
	maxDifferences = 20  // that are listed of a case
	maxShown       = 200 // characters of a value
)

// differences collects what is not as it should be.
type differences struct {
	list []Difference
	more int
	body bool // one of them shows the body
	mask func(string) string
}

// in adds a difference within the body.
func (d *differences) in(path, got, want string) {
	d.body = d.body || want != ""
	d.add(inBody(path), got, want)
}

func (d *differences) add(where, got, want string) {
	if len(d.list) == maxDifferences {
		d.more++
		return
	}
	d.list = append(d.list, Difference{d.mask(where), d.mask(got), d.mask(want)})
}

// show returns a text as a report shows it: masked, not too long, and in quotes where it is
// nothing to be seen otherwise.
func (d *differences) show(text string) string {
	text = d.mask(text)
	unseen := func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }
	if text == "" || strings.TrimSpace(text) != text || strings.ContainsFunc(text, unseen) {
		text = strconv.Quote(text)
	}
	return shorten(text)
}

// shorten cuts what is too long to be read.
func shorten(text string) string {
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return fmt.Sprintf("%s... (%d bytes)", string([]rune(text)[:maxShown]), len(text))
}

// compare compares an answer with what it should be.
func (c *Case) compare(d *differences, a *answer, exact bool) {
	out := &c.spec.Out
	if a.status != out.StatusCode {
		d.add("status", strconv.Itoa(a.status), strconv.Itoa(out.StatusCode))
	}
	names := slices.SortedFunc(maps.Keys(out.Header), func(a, b string) int {
		return cmp.Or(cmp.Compare(textproto.CanonicalMIMEHeaderKey(a), textproto.CanonicalMIMEHeaderKey(b)), cmp.Compare(a, b))
	})
	for _, name := range names {
		want, got := out.Header[name], a.header[textproto.CanonicalMIMEHeaderKey(name)]
		if slices.Equal(got, want) || len(got) == 0 && want[0] == "" && len(want) == 1 {
			continue
		}
		where := "header " + textproto.CanonicalMIMEHeaderKey(name)
		switch {
		case len(want) == 1 && want[0] == "":
			d.add(where, d.values(got), "none")
		case len(got) == 0:
			d.add(where, "none", d.values(want))
		default:
			d.add(where, d.values(got), d.values(want))
		}
	}
	switch {
	case c.schema != nil:
		c.judge(d, a)
	case out.Body.Written():
		compareBody(d, out.Body, a.body, exact)
	}
}

// values returns those of a field as a specification has them.
func (d *differences) values(values []string) string {
	var b []byte
	for i, v := range values {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = config.AppendQuoted(b, v)
	}
	return shorten("[" + d.mask(string(b)) + "]")
}

// judge holds a body against the schema.
func (c *Case) judge(d *differences, a *answer) {
	if len(a.body) == 0 {
		d.body = true
		d.add("body", "nothing", "what the schema says")
		return
	}
	broken, err := c.schema.Judge(a.body)
	if err != nil {
		d.body = true
		d.add("body", d.show(string(a.body)), "JSON, which the schema is about")
		return
	}
	for _, v := range broken {
		d.in(v.Path, v.Text, "")
	}
}

// inBody returns where something in a body is.
func inBody(path string) string {
	if path == "" || path[0] == '[' {
		return "body" + path
	}
	return "body " + path
}

// compareBody compares a body with a text or a value of JSON.
func compareBody(d *differences, want *config.Node, got []byte, exact bool) {
	if want.Kind == config.String {
		if string(got) == want.Text {
			return
		}
		first, firstOK := parse([]byte(want.Text))
		second, secondOK := parse(got)
		if !exact && firstOK && secondOK && compound(first) && compound(second) {
			compareJSON(d, "", second, first)
			return
		}
		d.body = true
		compareText(d, string(got), want.Text)
		return
	}
	value, ok := parse(got)
	if !ok {
		d.body = true
		d.add("body", d.show(string(got))+", which is no JSON", d.shown(want.Value()))
		return
	}
	compareJSON(d, "", value, want.Value())
}

// parse returns a text as JSON: maps, lists, texts, bools, nil, and [json.Number].
func parse(text []byte) (any, bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return nil, false
	}
	_, err := dec.Token()
	return v, err == io.EOF
}

// compound reports whether a value is an object or a list.
func compound(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// compareText compares texts, and shows long ones from where they begin to differ.
func compareText(d *differences, got, want string) {
	got, want = d.mask(got), d.mask(want) // before anything is cut
	same := 0
	for same < len(got) && same < len(want) && got[same] == want[same] {
		same++
	}
	where := "body"
	if line := 1 + strings.Count(got[:same], "\n"); same > maxShown/2 || line > 1 {
		start := max(same-maxShown/10, 0)
		for start > 0 && !utf8.RuneStart(got[start]) {
			start--
		}
		where = fmt.Sprintf("body, which differs in line %d behind %d bytes", line, same)
		got, want = got[start:], want[start:]
	}
	d.add(where, d.show(got), d.show(want))
}

// compareJSON compares values, and says where they differ.
func compareJSON(d *differences, path string, got, want any) {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok {
			break
		}
		keys := slices.Sorted(maps.Keys(want))
		for key := range got {
			if _, both := want[key]; !both {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			g, has := got[key]
			w, wants := want[key]
			switch at := member(path, key); {
			case !has:
				d.in(at, "none", d.shown(w))
			case !wants:
				d.in(at, d.shown(g), "none")
			default:
				compareJSON(d, at, g, w)
			}
		}
		return
	case []any:
		got, ok := got.([]any)
		if !ok {
			break
		}
		for i := range max(len(got), len(want)) {
			switch at := path + "[" + strconv.Itoa(i) + "]"; {
			case i >= len(got):
				d.in(at, "none", d.shown(want[i]))
			case i >= len(want):
				d.in(at, d.shown(got[i]), "none")
			default:
				compareJSON(d, at, got[i], want[i])
			}
		}
		return
	case json.Number:
		if got, ok := got.(json.Number); ok && sameNumber(string(got), string(want)) {
			return
		}
	default:
		if !compound(got) && got == want {
			return
		}
	}
	d.in(path, d.shown(got), d.shown(want))
}

// member returns the path of a member, as configurations have it.
func member(path, key string) string {
	plain := key != "" && (key[0] < '0' || key[0] > '9') && !strings.ContainsFunc(key, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	switch {
	case !plain:
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

// shown returns a value as JSON that is short enough to be read.
func (d *differences) shown(v any) string {
	switch v := v.(type) {
	case absent:
		return "none"
	case plain:
		return d.show(string(v))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return shorten(d.mask(strings.TrimSpace(b.String())))
}

// sameNumber reports whether two numbers of JSON are equal, whatever their digits.
func sameNumber(a, b string) bool {
	if a == b {
		return true
	}
	first, ok := decimalOf(a)
	second, also := decimalOf(b)
	return ok && also && first == second
}

// A decimal is a number as 0.digits times a power of ten; zero has no digits.
type decimal struct {
	negative bool
	digits   string
	exponent int64
}

// decimalOf reads a number of JSON. It reports false of one whose exponent nobody means.
func decimalOf(text string) (d decimal, ok bool) {
	text, d.negative = strings.CutPrefix(text, "-")
	mantissa, exponent, found := strings.Cut(strings.ToLower(text), "e")
	if found {
		n, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil {
			return d, false
		}
		d.exponent = n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	d.exponent += int64(len(whole) - (len(whole+fraction) - len(digits)))
	if d.digits = strings.TrimRight(digits, "0"); d.digits == "" {
		return decimal{}, true
	}
	return d, true
}
