package jsonschema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	library "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

// MaxViolations is how many violations are told of one value.
const MaxViolations = 20

// A Schema judges values. It is safe for concurrent use.
type Schema struct{ schema *library.Schema }

// A Violation is a rule that a value breaks.
type Violation struct {
	Path string // items[3].name; "" is the value itself
	Text string // what the rule wants
}

// base is the address that a schema has within the library, which no message shows.
const base = "schema:///"

// Compile reads a schema: a bool, or a map with numbers of type [json.Number]. The error
// says in one line what is wrong with it.
func Compile(schema any) (*Schema, error) {
	if v := unlimited(nil, schema); v != nil {
		return nil, errors.New(strings.TrimPrefix(v.Path+": "+v.Text, ": "))
	}
	c := library.NewCompiler()
	c.UseLoader(nowhere{})
	if err := c.AddResource(base, schema); err != nil {
		return nil, problem(err)
	}
	compiled, err := c.Compile(base)
	if err != nil {
		return nil, problem(err)
	}
	return &Schema{compiled}, nil
}

// problem returns what is wrong with a schema.
func problem(err error) error {
	if invalid, ok := errors.AsType[*library.SchemaValidationError](err); ok {
		if broken, ok := errors.AsType[*library.ValidationError](invalid.Err); ok {
			v := violations(broken)[0]
			return errors.New(strings.TrimPrefix(v.Path+": "+v.Text, ": "))
		}
	}
	if elsewhere, ok := errors.AsType[*library.LoadURLError](err); ok {
		return elsewhere.Err
	}
	return errors.New(strings.ReplaceAll(strings.ReplaceAll(err.Error(), base, ""), "\n", "; "))
}

// A fetchError is a reference to a schema elsewhere.
type fetchError struct{ url string }

func (e *fetchError) Error() string {
	return fmt.Sprintf("refers to %s, and no schema is fetched; put it below $defs and refer to #/$defs/NAME", e.url)
}

// nowhere loads no schema.
type nowhere struct{}

func (nowhere) Load(url string) (any, error) { return nil, &fetchError{url} }

// Judge returns what a JSON text breaks, nil for nothing. The error is that of a text that is
// no JSON.
func (s *Schema) Judge(text []byte) ([]Violation, error) {
	value, err := library.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	if v := unlimited(nil, value); v != nil {
		return []Violation{*v}, nil
	}
	broken, _ := errors.AsType[*library.ValidationError](s.schema.Validate(value))
	return violations(broken), nil
}

// maxDigits is how many digits a number may have, written out: the library makes fractions of
// numbers, and 1e99999999 would have as many digits.
const maxDigits = 1000

// unlimited returns the first number in a value that is too long, as what breaks a rule.
func unlimited(location []string, v any) *Violation {
	switch v := v.(type) {
	case json.Number:
		_, exponent, _ := strings.Cut(strings.ToLower(string(v)), "e")
		n, err := strconv.Atoi(cmp.Or(exponent, "0"))
		if err != nil || n < -maxDigits || n > maxDigits || len(v) > maxDigits {
			return &Violation{path(location), fmt.Sprintf("a number of more than %d digits, which is not judged", maxDigits)}
		}
	case []any:
		for i := range v {
			if found := unlimited(append(location, strconv.Itoa(i)), v[i]); found != nil {
				return found
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if found := unlimited(append(location, key), v[key]); found != nil {
				return found
			}
		}
	}
	return nil
}

var english = message.NewPrinter(language.English)

// violations returns the innermost causes of an error in the order of their places.
func violations(e *library.ValidationError) []Violation {
	if e == nil {
		return nil
	}
	all := innermost(nil, e)
	all = ordered(all)
	return all[:min(len(all), MaxViolations)]
}

// innermost appends the innermost causes of an error, and visits each cause once, however
// deep they are nested. Where nothing but the value itself fits none of several schemas, what
// each of them wants is one violation.
func innermost(all []Violation, e *library.ValidationError) []Violation {
	own := path(e.InstanceLocation)
	if len(e.Causes) == 0 {
		text := e.ErrorKind.LocalizedString(english)
		if _, never := e.ErrorKind.(*kind.FalseSchema); never {
			text = "nothing is allowed here"
		}
		return append(all, Violation{own, text})
	}
	begin, ends := len(all), make([]int, 0, len(e.Causes))
	for _, cause := range e.Causes {
		all = innermost(all, cause)
		ends = append(ends, len(all))
	}
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf:
	default:
		return all
	}
	if slices.ContainsFunc(all[begin:], func(v Violation) bool { return v.Path != own }) {
		return all
	}
	var texts []string
	from := begin
	for _, end := range ends {
		for _, v := range ordered(all[from:end]) {
			texts = append(texts, v.Text)
		}
		from = end
	}
	return append(all[:begin], Violation{own, "fits none of these: " + strings.Join(slices.Compact(texts), ", or ")})
}

// ordered returns violations in the order of their places, each once.
func ordered(all []Violation) []Violation {
	slices.SortFunc(all, func(a, b Violation) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text)) })
	return slices.Compact(all)
}

// path returns a location as configurations write it.
func path(location []string) string {
	var b strings.Builder
	for _, step := range location {
		switch _, err := strconv.ParseUint(step, 10, 31); {
		case err == nil:
			b.WriteString("[" + step + "]")
		case strings.ContainsFunc(step, func(r rune) bool {
			return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		}) || step == "":
			b.WriteString("[" + strconv.Quote(step) + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}
