package httpcache

import (
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A request is what the cache looks at. The stages inside of the cache and the
// connector change the request of the exchange, so this holds it as it was on
// the way in. It borrows from the exchange.
type request struct {
	key    []byte
	method string
	header gateway.Fields
	rules  directives
	unpack bool // the answer must come without Content-Encoding
	known  bool // the client was authenticated
}

// A call is what Enter hands to Leave about a request that goes to the
// backend.
type call struct {
	request
	asked time.Time
	stale *entry // stored answer to this request; nil if there is none
	asks  bool   // the request carries the validators of stale
}

var calls = sync.Pool{New: func() any { return new(call) }}

// newCall reads the request of x. The origin tells backends apart in keys, whichever
// of its hosts is called; where it says nothing, and where a redirect has led, the
// host does. So does the host that the client asked for: backends get it as
// X-Forwarded-Host and may make links of it, which are nothing for those who asked
// another host.
func newCall(x *gateway.Exchange, origin string) *call {
	k := calls.Get().(*call)
	r := &x.Request
	k.method = r.Method
	k.header = append(k.header, r.Header...)
	k.unpack, k.known = r.Unpack, x.Identity != nil
	k.rules = readDirectives(k.header)
	if !k.header.Has("Cache-Control") && strings.EqualFold(k.header.Get("Pragma"), "no-cache") {
		k.rules.noCache = true
	}
	if r.Foreign {
		k.key = append(k.key, "without credentials "...)
	}
	if origin == "" || r.Hops > 0 {
		k.key = append(append(k.key, r.Scheme...), "://"...)
		origin = r.Host
	}
	for _, part := range [...]string{origin, "\n", r.Path, "?", r.RawQuery, "\n"} {
		k.key = append(k.key, part...)
	}
	k.key = append(appendLower(k.key, x.In.Host()), '\n')
	k.key = append(k.key, r.Method...)
	return k
}

// appendLower appends the name of a host, whose letter case means nothing.
func appendLower(dst []byte, host string) []byte {
	for i := range len(host) {
		c := host[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// urlOf returns the part of a key that is the URL of the backend, whoever asks for it
// and how: neither the host that the client asked for nor a method has a line feed.
func urlOf(key string) string {
	for range 2 {
		if i := strings.LastIndexByte(key, '\n'); i >= 0 {
			key = key[:i]
		}
	}
	return key
}

func (k *call) release() {
	clear(k.header)
	*k = call{request: request{key: k.key[:0], header: k.header[:0]}}
	calls.Put(k)
}

// safe reports whether a method changes nothing (RFC 9110, section 9.2.1).
func safe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE"
}

// Bounds of what is compared with each request.
const (
	maxLines    = 256 // header lines of a request; one with more goes by the store
	maxSelected = 64  // names in Vary, and fields that select an answer; more are *
)

// passes reports whether a request goes by the store, in both directions: its
// answer depends on more than the key and Vary tell, or is a part only.
func passes(r *gateway.Request) bool {
	if r.Method != "GET" && r.Method != "HEAD" || r.Body.Form() != body.Empty && r.Body.Size() != 0 || len(r.Header) > maxLines {
		return true
	}
	for i := range r.Header {
		switch r.Header[i].Name {
		case "Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range":
			return true
		}
	}
	return false
}

// personal reports whether the request carries the credentials of a client.
func (r *request) personal() bool {
	return r.header.Has("Authorization") || r.header.Has("Cookie")
}

// vary returns the fields of the request that select the answer with the given
// header, copied: those that its Vary names and, unless it is public, those
// that may tell authenticated clients from each other. It reports false for an
// answer that no second request selects.
//
// Source: RFC 9111, section 4.1.
func (r *request) vary(header gateway.Fields, public bool) (gateway.Fields, bool) {
	var selected gateway.Fields
	names := 0
	add := func(name string) bool {
		if names++; names > maxSelected {
			return false
		}
		if !selected.Has(name) {
			selected.Add(strings.Clone(name), strings.Clone(joined(r.header, name)))
		}
		return true
	}
	for _, f := range header {
		if f.Name != "Vary" {
			continue
		}
		for name := range strings.SplitSeq(f.Value, ",") {
			name = strings.TrimSpace(name)
			if name == "*" || name != "" && !add(gateway.Canonical(name)) {
				return nil, false
			}
		}
	}
	if r.known && !public {
		names = len(selected)
		for _, f := range r.header {
			if telling(f.Name) && !selected.Has(f.Name) && !add(f.Name) {
				return nil, false
			}
		}
	}
	return selected, true
}

// telling reports whether a field may tell one user from another. Those that
// every client sends, and those that the gateway writes on every call, do not:
// whether they select an answer is for Vary to say.
func telling(name string) bool {
	switch name {
	case "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Cache-Control", "Content-Type",
		"Origin", "Pragma", "Referer", "Traceparent", "Tracestate", "User-Agent",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Via", "X-Request-Id":
		return false
	}
	return true
}

// joined returns all values of a field as one, "" if there is none.
func joined(h gateway.Fields, name string) string {
	only, size, lines := "", 0, 0
	for i := range h {
		if h[i].Name == name {
			only = h[i].Value
			lines++
			size += len(only) + len(between)
		}
	}
	if lines < 2 {
		return only
	}
	var b strings.Builder
	b.Grow(size)
	first := true
	for i := range h {
		if h[i].Name != name {
			continue
		}
		if !first {
			b.WriteString(between)
		}
		first = false
		b.WriteString(h[i].Value)
	}
	return b.String()
}

// between stands between the values of several lines of a field.
const between = ", "

// equals reports whether joined returns value.
func equals(h gateway.Fields, name, value string) bool {
	found := false
	for i := range h {
		if h[i].Name != name {
			continue
		}
		ok := true
		if found {
			value, ok = strings.CutPrefix(value, between)
		}
		if ok {
			value, ok = strings.CutPrefix(value, h[i].Value)
		}
		if !ok {
			return false
		}
		found = true
	}
	return value == ""
}
