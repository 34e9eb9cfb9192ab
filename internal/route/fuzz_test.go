package route

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// plain is a route as the slow matcher sees it.
type plain struct {
	pattern  string
	segments []string // "{" stands for a variable, "text{" for a word
	wild     bool
}

func newPlain(pattern string) plain {
	segments := strings.Split(pattern[1:], "/")
	p := plain{pattern: pattern}
	if n := len(segments) - 1; segments[n] == "*" {
		p.wild, segments = true, segments[:n]
	}
	for _, s := range segments {
		if i := strings.IndexByte(s, '{'); i >= 0 {
			s = s[:i+1]
		}
		p.segments = append(p.segments, s)
	}
	return p
}

func (p plain) matches(segments []string) bool {
	if len(segments) < len(p.segments) || len(segments) > len(p.segments) && !p.wild {
		return false
	}
	for i, s := range p.segments {
		before, isVariable := strings.CutSuffix(s, "{")
		if !isVariable && segments[i] != s {
			return false
		}
		if isVariable && (!strings.HasPrefix(segments[i], before) || segments[i] == before) {
			return false
		}
	}
	return true
}

// before reports whether p is preferred to q, when both match.
func (p plain) before(q plain) bool {
	if p.wild != q.wild {
		return q.wild
	}
	if len(p.segments) != len(q.segments) {
		return len(p.segments) > len(q.segments)
	}
	for i := range p.segments {
		a, b := p.segments[i], q.segments[i]
		if a == b {
			continue
		}
		if aVariable, bVariable := strings.HasSuffix(a, "{"), strings.HasSuffix(b, "{"); aVariable != bVariable {
			return bVariable
		}
		return len(a) > len(b)
	}
	return false
}

// find is the slow matcher: it knows neither redirects nor dots.
func find(routes []plain, segments []string) (best plain, found bool) {
	for _, r := range routes {
		if r.matches(segments) && (!found || r.before(best)) {
			best, found = r, true
		}
	}
	return best, found
}

func untidy(segments []string) bool {
	for i, s := range segments {
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return true
		}
	}
	return false
}

// ways is every way in which a server may cut a path of ASCII characters into
// segments, written down as plainly as can be.
func ways(path string) (all [][]string) {
	const hard, soft = "\x01", "\x02"
	escape := regexp.MustCompile("%[0-9a-fA-F]{2}")
	text := strings.ReplaceAll(path, "/", hard)
	text = regexp.MustCompile("%2[fF]").ReplaceAllString(text, soft)
	for range maxDecodings {
		text = escape.ReplaceAllStringFunc(text, func(e string) string {
			n, _ := strconv.ParseUint(e[1:], 16, 8)
			return string([]byte{byte(n)})
		})
	}
	text = strings.ToLower(text)
	for _, end := range []string{"", ";", "\x00", "?", "#"} {
		for _, separators := range []string{hard, hard + soft, hard + soft + "/", hard + "\\", hard + soft + "\\", hard + soft + "/\\"} {
			cut := text
			if i := strings.Index(text, end); end != "" && i >= 0 {
				cut = text[:i]
			}
			pieces := strings.FieldsFunc(cut, func(r rune) bool { return strings.ContainsRune(separators, r) })
			all = append(all, pieces)
			stripped := make([]string, 0, len(pieces))
			for _, p := range pieces {
				p, _, _ = strings.Cut(p, ";")
				if p = strings.TrimRight(strings.TrimSpace(p), ". "); p != "" {
					stripped = append(stripped, p)
				}
			}
			all = append(all, stripped)
		}
	}
	return all
}

// exotic matches what the ways leave out: control characters and those beyond
// ASCII, plain or escaped.
var exotic = regexp.MustCompile("[^ -~]|%(25)*[0189a-fA-F7][0-9a-fA-F]|%(25)*[uU]")

// elsewhere returns a route that a way to read path leads to, although the route
// that serves it, and the rules, say another, and that way.
func elsewhere(routes []plain, serves plain, path string, segments []string) (plain, []string) {
	lower := func(p plain) plain {
		p.segments = slices.DeleteFunc(slices.Clone(p.segments), func(s string) bool { return s == "" })
		for i := range p.segments {
			p.segments[i] = strings.ToLower(p.segments[i])
		}
		return p
	}
	literal := !serves.wild && !strings.Contains(serves.pattern, "{")
	if literal || exotic.MatchString(path) {
		return plain{}, nil
	}
	for _, way := range ways(path) {
		for _, r := range routes {
			same := strings.TrimSuffix(r.pattern, "/") == strings.TrimSuffix(serves.pattern, "/")
			if !same && !r.matches(segments) && lower(r).matches(way) && !slices.Equal(lower(r).segments, lower(serves).segments) {
				return r, way
			}
		}
	}
	return plain{}, nil
}

// FuzzFind checks that Find agrees with the slow matcher, that its redirects
// lead to a route at once and stay on the host, that what a wildcard takes has no
// dot segments, and that nothing is served which reads as another route.
func FuzzFind(f *testing.F) {
	patterns := "/\n/a/b/c\n/a/{x}/d\n/{p}/b/e\n/f.{e}\n/f.g.{e}\n/{n}\n/V/*\n/V/w/*\n/V/in\n/{s}/q/*\n/s/\n/a//b"
	for _, path := range []string{
		"/", "/a/b/d", "/f.g.h", "/v/x", "/V/../s", "/V/a/./b%2Fc", "/V//in", "/s", "/S/", "//a", "/%2e%2e", "/a%25b", "/V/%zz", "/x/q/../q/z", "/V%2Fw%2f..",
		"/v/IN", "/V/in;a", "/V/%2569n", "/V/in%5c", "/V/in%00", "/V/x%2Fq", "/f.g.%252f", "/V/..;/x", "/V/%2Fx",
	} {
		f.Add(patterns, path, byte(0))
	}
	f.Add("/{a}/{b}/*\n/x{y}/*", "/xx/%2E/y/", byte(255))
	f.Fuzz(func(t *testing.T, patterns, path string, bits byte) {
		o := Options{
			DisableRest:                  true,
			DisableTrailingSlashRedirect: bits&1 != 0,
			DisableFixedPathRedirect:     bits&2 != 0,
			RemoveExtraSlash:             bits&4 != 0,
			DisablePathDecoding:          bits&8 != 0,
		}
		b := NewBuilder[int](o)
		var routes []plain
		for pattern := range strings.Lines(patterns) {
			pattern = strings.TrimSuffix(pattern, "\n")
			if b.Add("GET", pattern, len(routes)) == nil {
				routes = append(routes, newPlain(pattern))
			}
		}
		table := b.Build()
		got := table.Find("GET", path, nil)
		table.Explain("GET", path)

		if other := table.Find("PUT", path, nil).Outcome; (got.Outcome == Found) && other != MethodNotAllowed {
			t.Fatalf("%q is found by GET, and PUT has outcome %d", path, other)
		}
		switch got.Outcome {
		case Redirect:
			if !strings.HasPrefix(got.Location, "/") || strings.HasPrefix(got.Location, "//") {
				t.Fatalf("%q: location %q leaves the host", path, got.Location)
			}
			if u, err := url.Parse("http://host" + got.Location); err != nil || u.Host != "host" || u.RawQuery != "" || u.Fragment != "" {
				t.Fatalf("%q: location %q is not a path: %v", path, got.Location, err)
			}
			if next := table.Find("GET", got.Location, nil); next.Outcome != Found {
				t.Fatalf("%q: location %q has outcome %d", path, got.Location, next.Outcome)
			}
			if o.DisableTrailingSlashRedirect && o.DisableFixedPathRedirect {
				t.Fatalf("%q: redirect to %q although all are off", path, got.Location)
			}
		case Found:
			if got.Pattern != routes[got.Value].pattern {
				t.Fatalf("%q: value of %q, pattern %q", path, routes[got.Value].pattern, got.Pattern)
			}
			if slices.ContainsFunc(got.Params, func(v string) bool { return v == "" || v == "." || v == ".." }) {
				t.Fatalf("%q: values %q", path, got.Params)
			}
			rest, err := url.PathUnescape(got.Rest)
			if err != nil || strings.HasPrefix(got.Rest, "/") || slices.ContainsFunc(strings.Split(rest, "/"), dot) {
				t.Fatalf("%q: rest %q, %v", path, got.Rest, err)
			}
		}

		// From here on the slow matcher has its say.
		decoded, err := url.PathUnescape(path)
		if err != nil || !strings.HasPrefix(path, "/") {
			if got.Outcome == Found || got.Outcome == Redirect {
				t.Fatalf("%q: outcome %d", path, got.Outcome)
			}
			return
		}
		segments := strings.Split(decoded[1:], "/")
		if o.RemoveExtraSlash && strings.Contains(decoded, "//") {
			return
		}
		want, found := find(routes, segments)
		if found && got.Outcome == Found && want.wild && untidy(segments) {
			want = routes[got.Value] // the plain version does not know which
		}
		if found && got.Outcome == Found && !strings.Contains(patterns, "//") {
			if other, way := elsewhere(routes, want, got.Path, segments); way != nil {
				t.Fatalf("%q: found %q, although it reads as %q of %q", path, got.Pattern, way, other.pattern)
			}
		}
		switch {
		case found && want.wild && untidy(segments):
			// Covered by the properties above and by the tables.
		case found && got.Outcome == BadParam:
		case found && got.Outcome != Found:
			if _, way := elsewhere(routes, want, path, segments); way != nil || want.wild && strings.ContainsAny(path, "%;\\ ?#") || strings.Contains(patterns, "//") || exotic.MatchString(path) {
				return // empty segments of patterns and odd characters are left to the tables
			}
			t.Fatalf("%q: outcome %d, want %q", path, got.Outcome, want.pattern)
		case found && got.Pattern != want.pattern:
			t.Fatalf("%q: found %q, want %q", path, got.Pattern, want.pattern)
		case !found && got.Outcome == Found:
			t.Fatalf("%q: found %q, want none", path, got.Pattern)
		}
	})
}
