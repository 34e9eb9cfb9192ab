package httpcache

import (
	"iter"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// absent stands for a directive of time that is not there.
const absent time.Duration = -1

// directives are those of one Cache-Control that a shared cache acts on, of a
// request or of a response.
type directives struct {
	noStore, noCache, private, public, mustRevalidate, onlyIfCached bool

	maxAge, sMaxAge, minFresh, maxStale, staleIfError time.Duration // absent, or 0 and more
}

// noDirectives is what a message says that says nothing.
var noDirectives = directives{maxAge: absent, sMaxAge: absent, minFresh: absent, maxStale: absent, staleIfError: absent}

// readDirectives reads all Cache-Control fields of a header. Names have any
// letter case; of a repeated directive the first counts. A directive whose
// time cannot be read counts as 0, which is never fresher than what was meant.
//
// Source: RFC 9111, sections 5.2 and 4.2.1.
func readDirectives(h gateway.Fields) directives {
	d := noDirectives
	for i := range h {
		if h[i].Name != "Cache-Control" {
			continue
		}
		for name, value := range elements(h[i].Value) {
			d.set(name, value)
		}
	}
	return d
}

func (d *directives) set(name, value string) {
	is := func(s string) bool { return strings.EqualFold(name, s) }
	switch {
	case is("no-store"):
		d.noStore = true
	case is("no-cache"): // with or without the names of fields
		d.noCache = true
	case is("private"):
		d.private = true
	case is("public"):
		d.public = true
	case is("must-revalidate"), is("proxy-revalidate"):
		d.mustRevalidate = true
	case is("only-if-cached"):
		d.onlyIfCached = true
	case is("max-age"):
		setSeconds(&d.maxAge, value)
	case is("s-maxage"):
		setSeconds(&d.sMaxAge, value)
	case is("min-fresh"):
		setSeconds(&d.minFresh, value)
	case is("stale-if-error"):
		setSeconds(&d.staleIfError, value)
	case is("max-stale") && value == "": // any staleness
		d.maxStale = math.MaxInt64
	case is("max-stale"):
		setSeconds(&d.maxStale, value)
	}
}

// setSeconds sets d, unless it is set already, to a whole number of seconds.
// Numbers beyond 2^31 stand for it (RFC 9111, section 1.2.2).
func setSeconds(d *time.Duration, value string) {
	if *d == absent {
		*d = seconds(value)
	}
}

// seconds reads a whole number of seconds; what is none is 0.
func seconds(value string) time.Duration {
	const most = 1 << 31
	value = strings.TrimSpace(value)
	if value == "" || strings.Trim(value, "0123456789") != "" {
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n > most {
		n = most
	}
	return time.Duration(n) * time.Second
}

// elements yields the directives of one field: names as they were sent, values
// without quotes, "" if there is none.
func elements(field string) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for field != "" {
			element, rest := cutElement(field)
			field = rest
			name, value, _ := strings.Cut(element, "=")
			name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
			if name != "" && !yield(name, value) {
				return
			}
		}
	}
}

// cutElement cuts a list at its first comma that is not within quotes.
func cutElement(list string) (element, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

// date reads the first field called name as a date of RFC 9110, section 5.6.7.
// It reports false when there is none or it is none: a reader that is content
// with one digit for an hour, with two blanks or with fractions of a second
// would take for fresh what must count as past. Letter case makes no difference
// (RFC 9111, section 4.2), and whether the day is that of the week is not looked
// at.
func date(h gateway.Fields, name string) (time.Time, bool) {
	value := h.Get(name)
	if value == "" || len(value) > len("Wednesday, 02-Jan-06 15:04:05 GMT") {
		return time.Time{}, false
	}
	for _, layout := range [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		t, err := time.Parse(layout, zoneInCapitals(value))
		if err != nil {
			continue
		}
		_, written, _ := strings.Cut(value, " ")
		_, exact, _ := strings.Cut(t.Format(layout), " ")
		return t, strings.EqualFold(written, exact)
	}
	return time.Time{}, false
}

// zoneInCapitals returns a date whose zone is written as package time wants it.
func zoneInCapitals(date string) string {
	const zone = " GMT"
	if n := len(date) - len(zone); n > 0 && date[n:] != zone && strings.EqualFold(date[n:], zone) {
		return date[:n] + zone
	}
	return date
}
