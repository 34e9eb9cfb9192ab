package message

import (
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Headers that the gateway writes itself on the way to backends.
const (
	userAgent     = "User-Agent"
	forwardedFor  = "X-Forwarded-For"
	forwardedHost = "X-Forwarded-Host"
	forwardedVia  = "X-Forwarded-Via"
	ContentType   = "Content-Type"
)

// Httpoxy is a field that has no meaning in a request: see [gateway.Withheld].
const Httpoxy = "Proxy"

// A HeaderSelection is what an endpoint lets through, with the fields that the
// gateway adds.
type HeaderSelection struct {
	Selection
	product string // of the gateway, as in User-Agent
	expects bool   // Expect passes like others: calls wait for 100 Continue
	counts  bool   // hops are counted, in a field of ours

	proxies *ClientAddress // says whose word about the client counts
	wary    bool           // fields may pass that only proxies write
}

// NewHeaderSelection compiles input_headers. With an empty list the
// Content-Type of the client passes alone; as soon as a header is named, it
// must be named too.
func NewHeaderSelection(list []string, product string, proxies *ClientAddress, expects, counts bool) HeaderSelection {
	if len(list) == 0 {
		list = []string{ContentType}
	}
	s := HeaderSelection{Selection: NewSelection(list, true), product: product, expects: expects, counts: counts, proxies: proxies}
	s.names = slices.DeleteFunc(s.names, s.reserved)
	s.wary = s.All || slices.ContainsFunc(s.names, ofProxies)
	return s
}

// reserved reports whether a field of the client does not pass.
func (s *HeaderSelection) reserved(name string) bool {
	if reserved(name) {
		return !(s.expects && name == "Expect")
	}
	return s.counts && gateway.Alike(name, hopsField)
}

// reserved reports whether a field is for the gateway alone to write, or for one
// connection alone. A name that is alike counts as the same, as it does for many
// servers.
func reserved(name string) bool {
	switch {
	case name == "": // which no client can send, but a stage
		return true
	case name[0] == 'X':
		return gateway.Alike(name, forwardedFor) || gateway.Alike(name, forwardedHost) || gateway.Alike(name, forwardedVia)
	}
	return gateway.Withheld(name)
}

// among reports whether a list has the name of a field, or one that is alike.
func among(list []string, name string) bool {
	if gateway.Plain(name) {
		return slices.Contains(list, name)
	}
	return slices.ContainsFunc(list, func(n string) bool { return gateway.Alike(name, n) })
}

// fill puts the selected fields of the client and those of the gateway into
// the request. What stages have set is not the client's: neither does it take a proxy
// to write it, nor can the client take it away.
func (s *HeaderSelection) fill(x *gateway.Exchange) {
	s.Choose(x)
	h := x.Request.Header
	if h.Has(userAgent) {
		h.Add(forwardedVia, s.product)
	} else {
		h.Add(userAgent, s.product)
	}
	h.Add(forwardedFor, x.Client.String())
	h.Add(forwardedHost, x.In.Host())
	x.Request.Header = h
}

// Choose puts the selected fields into the request, without those of the gateway: for what
// no client has sent.
func (s *HeaderSelection) Choose(x *gateway.Exchange) {
	h := x.Request.Header
	if s.All {
		h = x.In.AppendHeaders(h)
		h = slices.DeleteFunc(h, func(f gateway.Field) bool { return s.reserved(f.Name) })
	} else {
		for _, name := range s.names {
			h = x.In.AppendHeader(h, name)
		}
	}
	if s.wary && slices.ContainsFunc(h, s.vouched) && !s.proxies.believes(x.In) {
		h = slices.DeleteFunc(h, func(f gateway.Field) bool { return s.vouched(f) && !x.Wrote(f.Name) })
	}
	x.Request.Header = withoutNamed(h, x.In, x.Wrote)
}

// vouched reports whether a field passes from trusted proxies only.
func (s *HeaderSelection) vouched(f gateway.Field) bool {
	return ofProxies(f.Name) || s.All && vouches(f.Name)
}

// withoutNamed removes the fields that a Connection field of the client names, but for
// those that it says are ours.
func withoutNamed(h gateway.Fields, in gateway.Inbound, ours func(name string) bool) gateway.Fields {
	var named gateway.Names
	n := len(h)
	h = in.AppendHeader(h, "Connection") // for as long as it takes to read them
	for _, line := range h[n:] {
		if !plainConnection(line.Value) {
			named.AddList(line.Value)
		}
	}
	clear(h[n:])
	if h = h[:n]; named.Empty() {
		return h
	}
	return slices.DeleteFunc(h, func(f gateway.Field) bool { return named.Has(f.Name) && !ours(f.Name) })
}

// plainConnection reports whether a Connection field holds one of the options
// that name no other field.
func plainConnection(v string) bool {
	return strings.EqualFold(v, "keep-alive") || strings.EqualFold(v, "close")
}

// A HeaderFilter is the second filter, that of a backend. The fields of the
// gateway pass it always.
type HeaderFilter struct {
	Selection
	on      bool
	product string
	counts  bool // hops are counted
}

// NewHeaderFilter compiles the input_headers of a backend, of which an empty list filters
// nothing; product is what the gateway calls itself, counts whether hops are counted.
func NewHeaderFilter(list []string, product string, counts bool) HeaderFilter {
	return HeaderFilter{NewSelection(list, true), len(list) > 0, product, counts}
}

// apply removes what the backend may not see.
func (f *HeaderFilter) apply(r *gateway.Request) {
	if !f.on || f.All {
		return
	}
	h := &r.Header
	agent := false
	*h = slices.DeleteFunc(*h, func(field gateway.Field) bool {
		switch field.Name {
		case forwardedFor, forwardedHost, forwardedVia:
			return false
		case hopsField:
			return !f.counts && !f.pass(hopsField)
		case userAgent:
			agent = agent || f.pass(userAgent)
		}
		return !f.pass(field.Name) && !(r.Upgrade != "" && slices.Contains(handshake, field.Name))
	})
	if !agent {
		h.Del(forwardedVia)
		h.Set(userAgent, f.product)
	}
}

// Credential reports whether the name of a field speaks of a credential. Nobody can
// list them all: services give their keys, tokens and sessions names of their own.
func Credential(name string) bool {
	if gateway.Alike(name, "Idempotency-Key") {
		return false
	}
	for i := range len(name) {
		for _, word := range credentials[name[i]|0x20] {
			if len(name)-i >= len(word) && strings.EqualFold(name[i:i+len(word)], word) {
				return true
			}
		}
	}
	return false
}

// credentials are words that names of credentials hold, by their first letter.
var credentials = [256][]string{
	'a': {"auth"},
	'c': {"cookie", "credential", "csrf"},
	'j': {"jwt"},
	'k': {"key"},
	'p': {"pass"},
	's': {"secret", "session", "signature"},
	't': {"token"},
	'x': {"xsrf"},
}
