package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Rules are what the check tag of a field demands.
type Rules struct {
	Required, NonEmpty, Unique, Deprecated bool

	// Wanted is what a schema demands and decoding does not: that the key is
	// there, and neither an empty text nor an empty list. Whoever reads the value
	// reports its absence.
	Wanted bool

	// Idle is that the key is accepted and changes nothing.
	Idle bool

	// Object is that a value which is kept as it is must be an object.
	Object bool

	// Min and Max bound numbers, Seconds and Size by value, Duration in
	// nanoseconds, texts in characters, lists and maps in entries. nil is no
	// bound.
	Min, Max *float64

	// Format is what a text, or each entry of a list of texts, must be: "",
	// url, ip, cidr, regexp or token.
	Format string
}

// TokenPattern matches a token of RFC 9110, section 5.6.2, as gateway.Token does.
const TokenPattern = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"

var token = regexp.MustCompile(TokenPattern)

// formats are the rules about the form of a text. Each returns what is wrong
// and what to write.
var formats = map[string]func(string) error{
	"url": func(s string) error {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return errors.New("is not an absolute URL; write https://host/path")
		}
		return nil
	},
	"ip": func(s string) error {
		if _, err := netip.ParseAddr(s); err != nil {
			return errors.New("is not an IP address; write one such as 192.0.2.1 or 2001:db8::1")
		}
		return nil
	},
	"cidr": func(s string) error {
		if _, err := netip.ParsePrefix(s); err == nil {
			return nil
		}
		if _, err := netip.ParseAddr(s); err == nil {
			return nil
		}
		return errors.New("is not an address range; write one such as 10.0.0.0/8 or 2001:db8::/32")
	},
	"regexp": func(s string) error {
		if _, err := regexp.Compile(s); err != nil {
			return fmt.Errorf("is not a regular expression: %w", err)
		}
		return nil
	},
	"token": func(s string) error {
		for i := range len(s) {
			if c := s[i : i+1]; !token.MatchString(c) {
				return fmt.Errorf("holds %q; write letters, digits and !#$%%&'*+-.^_`|~ only", c)
			}
		}
		if s == "" {
			return errors.New("is empty; write a name")
		}
		return nil
	},
}

// readRules reads the check tag of the field f of t. It panics on a rule that
// is unknown or does not fit.
func readRules(t reflect.Type, f reflect.StructField, s *Spec) Rules {
	var r Rules
	tag := f.Tag.Get("check")
	if tag == "" {
		return r
	}
	for rule := range strings.SplitSeq(tag, ",") {
		name, argument, _ := strings.Cut(rule, "=")
		fits := argument == ""
		switch name {
		case "required":
			r.Required = true
		case "wanted":
			r.Wanted = true
		case "idle":
			r.Idle = true
		case "object":
			r.Object = true
			fits = fits && s.Type == nodeType
		case "deprecated":
			r.Deprecated = true
		case "nonempty":
			r.NonEmpty = true
			fits = fits && (s.Shape == TextShape || s.Shape == ListShape || s.Shape == MapShape)
		case "unique":
			r.Unique = true
			fits = fits && s.Shape == ListShape
		case "min":
			r.Min, fits = readBound(s, argument)
		case "max":
			r.Max, fits = readBound(s, argument)
		default:
			r.Format = name
			fits = fits && formats[name] != nil &&
				(s.Shape == TextShape || s.Shape == ListShape && s.Item.Shape == TextShape)
		}
		if !fits {
			panic(fmt.Sprintf("config: the check tag of %s.%s: the rule %q is unknown or does not fit the type", t, f.Name, rule))
		}
	}
	return r
}

func readBound(s *Spec, argument string) (*float64, bool) {
	switch s.Shape {
	case AnyShape, BoolShape, CustomShape, ObjectShape:
		return nil, false
	case DurationShape:
		d, err := time.ParseDuration(argument)
		v := float64(d)
		return &v, err == nil
	}
	v, err := strconv.ParseFloat(argument, 64)
	return &v, err == nil
}

// check reports where v, decoded from n, breaks the rules. v is no pointer.
func (d *decoder) check(n *Node, s *Spec, r Rules, v reflect.Value) (ok bool) {
	before := len(d.problems)
	if r.Deprecated {
		d.report(n.Problem(Note, CodeDeprecated, errors.New("the key is deprecated; its description names what replaces it")))
		before++
	}
	size, what := 0.0, ""
	switch s.Shape {
	case IntShape, SecondsShape, SizeShape:
		if v.CanUint() {
			size = float64(v.Uint())
		} else {
			size = float64(v.Int())
		}
	case DurationShape:
		size = float64(v.Int())
	case FloatShape:
		size = v.Float()
	case TextShape:
		size, what = float64(utf8.RuneCountInString(v.String())), "characters"
	case ListShape, MapShape:
		size, what = float64(v.Len()), "entries"
	}
	if r.NonEmpty && size == 0 {
		err := errors.New("must not be empty; write a value, or remove the key")
		if r.Required {
			err = errors.New("must not be empty; write a value")
		}
		d.report(n.Problem(Error, CodeOutOfRange, err))
	}
	if r.Min != nil && size < *r.Min || r.Max != nil && size > *r.Max {
		code := CodeOutOfRange
		if s.Shape == DurationShape || s.Shape == SizeShape && n.Kind == String {
			code = CodeInvalid // no schema can say it of a text with a unit
		}
		d.report(n.Problem(Error, code, outOfRange(s, r, size, what)))
	}
	if r.Format != "" {
		d.checkFormat(n, s, r.Format, v)
	}
	if r.Unique {
		for i := range v.Len() {
			for j := range i {
				if reflect.DeepEqual(v.Index(i).Interface(), v.Index(j).Interface()) {
					err := fmt.Errorf("is the same as entry [%d]; remove one of them", j)
					d.report(n.ProblemAt("["+strconv.Itoa(i)+"]", Error, CodeInvalid, err))
					break
				}
			}
		}
	}
	return len(d.problems) == before
}

// outOfRange says which bounds size breaks. what is counted: characters,
// entries, or "" for a value.
func outOfRange(s *Spec, r Rules, size float64, what string) error {
	show := func(v float64) string {
		if s.Shape == DurationShape {
			return Duration(v).String()
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	switch counted := what != ""; {
	case r.Min != nil && r.Max != nil && counted:
		return fmt.Errorf("must have between %s and %s %s, has %s", show(*r.Min), show(*r.Max), what, show(size))
	case r.Min != nil && r.Max != nil:
		return fmt.Errorf("must be between %s and %s, got %s", show(*r.Min), show(*r.Max), show(size))
	case counted && r.Min != nil:
		return fmt.Errorf("must have at least %s %s, has %s", show(*r.Min), what, show(size))
	case counted:
		return fmt.Errorf("must have at most %s %s, has %s", show(*r.Max), what, show(size))
	case r.Min != nil:
		return fmt.Errorf("must be %s or more, got %s", show(*r.Min), show(size))
	}
	return fmt.Errorf("must be %s or less, got %s", show(*r.Max), show(size))
}

// checkFormat checks a text, or each of a list of texts.
func (d *decoder) checkFormat(n *Node, s *Spec, format string, v reflect.Value) {
	if s.Shape == TextShape {
		if err := formats[format](v.String()); err != nil {
			if format != "url" { // which may hold a password, wherever it is not a URL
				err = fmt.Errorf("%s %w", n.describe(), err)
			}
			d.report(n.Problem(Error, CodeInvalid, err))
		}
		return
	}
	for i := range v.Len() {
		item := n
		if n.Kind == Array {
			item = n.Items[i]
		}
		d.checkFormat(item, s.Item, format, v.Index(i))
	}
}

// describe says what a node is, for messages of the form "got ...". Secrets and user
// information of URLs are not shown, long texts are cut.
func (n *Node) describe() string {
	const long = 60
	switch {
	case n == nil || n.Kind == Null:
		return "null"
	case n.Kind == Array:
		return "a list"
	case n.Kind == Object:
		return "an object"
	case n.Secret() && n.Kind == Number:
		return "a secret number"
	case n.Secret():
		return "a secret text"
	case n.Kind == String:
		shown := n.Text
		if len(credentials(nil, shown)) > 0 {
			shown = MaskUser(shown)
		}
		if text := []rune(shown); len(text) > long {
			return strconv.Quote(string(text[:long])) + "..."
		}
		return strconv.Quote(shown)
	}
	return n.Text
}

// enumerate writes values in a row: "a", "b" and "c".
func enumerate(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = strconv.Quote(v)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " and " + quoted[last]
}
