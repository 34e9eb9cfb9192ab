package jose

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// rules are what the registered claims must say.
type rules struct {
	issuer     string   // "" for any
	audience   []string // all of them are needed
	leeway     time.Duration
	requireExp bool
}

// check reports the first claim that breaks a rule.
//
// Source: RFC 7519, section 4.1.
func (r *rules) check(claims map[string]any, now time.Time) error {
	if r.issuer != "" && claims["iss"] != r.issuer {
		return errors.New("iss is not the issuer")
	}
	if _, isText := claims["iss"].(string); claims["iss"] != nil && !isText {
		return errors.New("iss is no text")
	}
	held, ok := audience(claims["aud"])
	if !ok {
		return errors.New("aud is neither a text nor a list of texts")
	}
	if len(r.audience) > 0 {
		for _, want := range r.audience {
			if !slices.Contains(held, want) {
				return fmt.Errorf("aud lacks %q", want)
			}
		}
	}
	seconds := float64(now.Unix()) + float64(now.Nanosecond())/1e9
	leeway := r.leeway.Seconds()
	for _, name := range [...]string{"nbf", "exp", "iat"} {
		claim := claims[name]
		if claim == nil {
			if name == "exp" && r.requireExp {
				return errors.New("exp is missing")
			}
			continue
		}
		number, _ := claim.(json.Number)
		date, err := number.Float64()
		switch {
		case err != nil:
			return fmt.Errorf("%s is no date", name)
		case name == "exp" && date+leeway < seconds:
			return errors.New("the token has expired")
		case name != "exp" && date-leeway > seconds:
			return fmt.Errorf("%s is in the future", name)
		}
	}
	return nil
}

// audience returns the texts of an aud claim, which is one or a list of them, or
// missing. It reports false for any other.
func audience(claim any) (held []string, ok bool) {
	switch claim := claim.(type) {
	case nil:
	case string:
		held = append(held, claim)
	case []any:
		for _, v := range claim {
			s, ok := v.(string)
			if !ok {
				return nil, false
			}
			held = append(held, s)
		}
	default:
		return nil, false
	}
	return held, true
}

// A path leads to a claim: its name, or the names of the objects around it and
// its own.
type path []string

// pathOf returns the path that a configuration writes as name. A nested one has
// the form of [jsonspan.SplitPath].
func pathOf(name string, nested bool) path {
	if nested {
		return jsonspan.SplitPath(name)
	}
	return path{name}
}

// dotted reports whether dots in the name of a claim are steps: they are not in
// a name that is a URL, such as https://example.com/roles.
func dotted(name string) bool { return !strings.HasPrefix(name, "http") }

// lookup returns the claim, nil if it is missing.
func (p path) lookup(claims map[string]any) any {
	var v any = claims
	for _, name := range p {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// A requirement is a claim that must hold some words: any of them or all.
// Without words it is met.
type requirement struct {
	claim path
	words []string
	all   bool
}

// met reports whether the claims hold the words. A claim that is neither a
// text nor a list of texts holds none.
func (r *requirement) met(claims map[string]any) bool {
	if len(r.words) == 0 {
		return true
	}
	held, ok := words(r.claim.lookup(claims))
	if !ok {
		return false
	}
	for _, word := range r.words {
		if slices.Contains(held, word) != r.all {
			return !r.all
		}
	}
	return r.all
}

// words returns the elements of a list of texts, or the words of a text that
// are separated by single spaces.
func words(claim any) ([]string, bool) {
	switch claim := claim.(type) {
	case string:
		return strings.Split(claim, " "), true
	case []any:
		list := make([]string, len(claim))
		for i, v := range claim {
			s, ok := v.(string)
			if !ok {
				return nil, false
			}
			list[i] = s
		}
		return list, true
	}
	return nil, false
}

// headerText returns a claim as the value of a header: texts as they are,
// whole numbers without a fraction and others with six decimals, lists joined
// by commas, objects as JSON, nothing for null.
//
// A text that a header cannot carry as it is counts as null. Whoever reads the header
// takes blanks at its ends away, and a name with one would be that of somebody else;
// control characters end a header, for some readers. The same holds for each entry of a
// list.
//
// Compatibility: the six decimals.
func headerText(claim any) string {
	if s := plainText(claim); gateway.Carried(s) {
		return s
	}
	return ""
}

func plainText(claim any) string {
	switch claim := claim.(type) {
	case string:
		return claim
	case bool:
		return strconv.FormatBool(claim)
	case json.Number:
		return numberText(claim)
	case []any:
		parts := make([]string, len(claim))
		for i, v := range claim {
			parts[i] = headerText(v)
		}
		return strings.Join(parts, ",")
	case map[string]any:
		b, err := json.Marshal(claim)
		if err != nil {
			return "" // cannot be: the object was decoded from JSON
		}
		return string(b)
	}
	return ""
}

func numberText(n json.Number) string {
	if !strings.ContainsAny(string(n), ".eE") {
		return string(n)
	}
	f, err := n.Float64()
	switch {
	case err != nil:
		return string(n)
	case f == math.Trunc(f):
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'f', 6, 64)
}
