package httpcache

import (
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// keepStale is how long an answer is kept after it has become stale: a 304 may
// renew it, and a client may accept it.
const keepStale = 10 * time.Minute

// An entry is a stored answer. It does not change and borrows nothing.
type entry struct {
	status int
	header gateway.Fields
	body   []byte

	vary  gateway.Fields // request fields that must be equal, with their values; "" for none
	rules rules

	got      time.Time     // when its header arrived
	age      time.Duration // what the answer said of its age when it arrived
	lifetime time.Duration // how long it is fresh
}

// newEntry returns what can be stored of an answer that arrived at got to a
// request sent at asked, without its body. It returns nil if the answer must
// not be stored or could never be used.
//
// Sources: RFC 9111, section 3 (storing), 3.5 (authenticated requests), 4.2.1
// (freshness) and 4.2.3 (age).
func newEntry(r *request, status int, header gateway.Fields, asked, got time.Time) *entry {
	if r.rules.noStore || !slices.Contains(storable, status) {
		return nil
	}
	rules := rulesOf(header)
	if rules.noStore || rules.private || r.personal() && !rules.public || header.Has("Set-Cookie") && !rules.public {
		return nil
	}
	e := &entry{status: status, rules: rules, got: got}
	var ok bool
	if e.vary, ok = r.vary(header, rules.public); !ok {
		return nil
	}
	e.age = initialAge(header, asked, got)
	e.lifetime = lifetime(header, rules, got)
	e.header = cloneHeader(header)
	if e.lifetime <= e.age && !e.validatable() {
		return nil
	}
	return e
}

// storable lists the statuses that are stored. All of them are final and mean
// the same to every client.
var storable = []int{200, 203, 301, 404, 410}

// initialAge is the corrected_initial_age of RFC 9111, section 4.2.3.
func initialAge(header gateway.Fields, asked, got time.Time) time.Duration {
	var apparent time.Duration
	if sent, ok := date(header, "Date"); ok {
		apparent = max(0, got.Sub(sent))
	}
	first, _, _ := strings.Cut(header.Get("Age"), ",") // RFC 9111, section 5.1
	return max(apparent, seconds(first)+max(0, got.Sub(asked)))
}

// rules are the directives of an answer.
type rules struct {
	directives
	targeted bool // they are those of the targeted field: nothing else counts
}

// rulesOf returns the directives of an answer: those for caches of our kind, where
// it has them, otherwise those for all.
func rulesOf(header gateway.Fields) rules {
	if d, ok := readTargeted(header); ok {
		return rules{d, true}
	}
	return rules{readDirectives(header), false}
}

// lifetime is the freshness_lifetime of RFC 9111, section 4.2.1, for a shared
// cache. An answer that says nothing is never fresh.
func lifetime(header gateway.Fields, rules rules, got time.Time) time.Duration {
	switch {
	case rules.sMaxAge != absent:
		return rules.sMaxAge
	case rules.maxAge != absent:
		return rules.maxAge
	case rules.targeted:
		return 0
	}
	expires, ok := date(header, "Expires")
	if !ok {
		return 0
	}
	sent, ok := date(header, "Date")
	if !ok {
		sent = got
	}
	return max(0, expires.Sub(sent))
}

// validatable reports whether the answer can be renewed by a 304.
func (e *entry) validatable() bool {
	return e.header.Has("Etag") || e.header.Has("Last-Modified")
}

// ageAt is the current_age of RFC 9111, section 4.2.3.
func (e *entry) ageAt(now time.Time) time.Duration {
	return e.age + max(0, now.Sub(e.got))
}

// fresh reports whether the answer may be given to a request with the given
// rules without asking the backend.
//
// Source: RFC 9111, sections 4.2, 4.2.4 and 5.2.1.
func (e *entry) fresh(now time.Time, rules directives) bool {
	if e.rules.noCache || rules.noCache {
		return false
	}
	age := e.ageAt(now)
	if rules.maxAge != absent && age > rules.maxAge {
		return false
	}
	left := e.lifetime - age
	if rules.minFresh != absent && left < rules.minFresh {
		return false
	}
	if left > 0 {
		return true
	}
	return rules.maxStale != absent && -left <= rules.maxStale && !e.strict()
}

// strict reports whether the answer must not be given when it is stale.
func (e *entry) strict() bool {
	return e.rules.mustRevalidate || e.rules.noCache || e.rules.sMaxAge != absent
}

// excuses reports whether the answer may stand in for a failure.
//
// Source: RFC 5861, section 4.
func (e *entry) excuses(now time.Time, rules directives) bool {
	stale := max(0, e.ageAt(now)-e.lifetime)
	grace := max(e.rules.staleIfError, rules.staleIfError)
	return grace != absent && stale <= grace && !e.strict()
}

// useless returns when the answer can no longer be used.
func (e *entry) useless() time.Time {
	return e.got.Add(e.lifetime - e.age + max(keepStale, e.rules.staleIfError))
}

// matches reports whether the answer is one to r.
func (e *entry) matches(r *request) bool {
	if r.unpack && e.header.Has("Content-Encoding") {
		return false // whoever asks takes plain bytes only
	}
	for i := range e.vary {
		if !equals(r.header, e.vary[i].Name, e.vary[i].Value) {
			return false
		}
	}
	if e.rules.public {
		return true
	}
	if r.known {
		for i := range r.header {
			if name := r.header[i].Name; telling(name) && !e.vary.Has(name) {
				return false
			}
		}
	}
	return !r.personal()
}

// replaces reports whether the answer takes the place of another one of its URL:
// the same fields of the request select both.
func (e *entry) replaces(other *entry) bool { return slices.Equal(e.vary, other.vary) }

// renewed returns the answer as a 304 describes it, and whether it may go on
// being stored.
//
// Source: RFC 9111, sections 3.2 and 4.3.4.
func (e *entry) renewed(r *request, header gateway.Fields, asked, got time.Time) (*entry, bool) {
	said := make(map[string]bool, len(header))
	for _, f := range header {
		said[f.Name] = !describesBody(f.Name)
	}
	merged := slices.DeleteFunc(slices.Clone(e.header), func(f gateway.Field) bool { return said[f.Name] })
	for _, f := range header {
		if !describesBody(f.Name) {
			merged.Add(f.Name, f.Value)
		}
	}
	if !header.Has("Date") {
		merged.Del("Date") // the stored one says when the first answer was made
	}
	if n := newEntry(r, e.status, merged, asked, got); n != nil {
		n.body = e.body
		return n, true
	}
	n := *e
	n.header, n.got, n.age = cloneHeader(merged), got, initialAge(merged, asked, got)
	return &n, false
}

// describesBody reports whether a field of a 304 would say something wrong
// about the stored body.
func describesBody(name string) bool {
	switch name {
	case "Content-Encoding", "Content-Length", "Content-Range", "Content-Type":
		return true
	}
	return false
}

// cost is the memory of the entry, nearly.
func (e *entry) cost() int64 {
	const fixed = 256 // the entry itself and its place in the store
	n := fixed + len(e.body)
	for _, f := range e.header {
		n += len(f.Name) + len(f.Value) + 32
	}
	for _, f := range e.vary {
		n += len(f.Name) + len(f.Value) + 32
	}
	return int64(n)
}

// cloneHeader copies a header into memory of its own, without cookies and
// without the age it had, which the entry knows.
func cloneHeader(h gateway.Fields) gateway.Fields {
	c := make(gateway.Fields, 0, len(h))
	for _, f := range h {
		if f.Name != "Set-Cookie" && f.Name != "Age" {
			c = append(c, gateway.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)})
		}
	}
	return c
}
