package testx

import (
	"crypto/tls"
	"net/netip"
	"net/url"
	"slices"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Request is a client's message. Zero fields stand for GET, "/",
// "gateway.test", HTTP/1.1 and a peer at 192.0.2.1:1024.
type Request struct {
	Method string
	Path   string // escaped
	Query  string // without "?"
	Host   string
	Proto  string
	Secure bool
	TLS    *tls.ConnectionState // nil for none that is known
	Peer   string               // address and port
	Header gateway.Fields
	Body   string // "" is no body
}

// Inbound returns the message as an engine would offer it.
func (r Request) Inbound() gateway.Inbound {
	fill(&r.Method, "GET")
	fill(&r.Path, "/")
	fill(&r.Host, "gateway.test")
	fill(&r.Proto, "HTTP/1.1")
	fill(&r.Peer, "192.0.2.1:1024")
	var header gateway.Fields
	for _, f := range r.Header {
		if name := gateway.Canonical(f.Name); !header.Has(name) {
			for _, f := range r.Header {
				if gateway.Canonical(f.Name) == name {
					header.Add(name, f.Value)
				}
			}
		}
	}
	return gateway.Message{
		Method: r.Method, Path: r.Path, RawQuery: r.Query, Host: r.Host, Proto: r.Proto,
		Secure: r.Secure, TLS: r.TLS, Peer: netip.MustParseAddrPort(r.Peer), Header: header, Body: []byte(r.Body),
	}.Inbound()
}

// Exchange returns an exchange for the message whose request lets everything
// through: method, path, all query parameters and all headers. The client is
// the peer. The exchange is released when the test ends.
func (r Request) Exchange(t testing.TB) *gateway.Exchange {
	t.Helper()
	in := r.Inbound()
	query, err := url.ParseQuery(in.RawQuery())
	if err != nil {
		t.Fatalf("query %q: %v", in.RawQuery(), err)
	}
	x := gateway.Acquire(in)
	t.Cleanup(x.Release)
	x.Client = in.Peer().Addr()
	x.Request.Method, x.Request.Path, x.Request.RawQuery = in.Method(), in.Path(), in.RawQuery()
	for _, name := range sortedKeys(query) {
		for _, value := range query[name] {
			x.Request.Query.Add(name, value)
		}
	}
	x.Request.Header = in.AppendHeaders(x.Request.Header)
	return x
}

func sortedKeys(v url.Values) []string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func fill(s *string, fallback string) {
	if *s == "" {
		*s = fallback
	}
}
