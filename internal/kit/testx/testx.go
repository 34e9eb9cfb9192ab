package testx

import (
	"crypto/tls"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"
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
	header := make(gateway.Fields, len(r.Header))
	for i, f := range r.Header {
		header[i] = gateway.Field{Name: gateway.Canonical(f.Name), Value: f.Value}
	}
	r.Header = header
	return &inbound{r}
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

type inbound struct{ r Request }

func (in *inbound) Method() string            { return in.r.Method }
func (in *inbound) Path() string              { return in.r.Path }
func (in *inbound) RawQuery() string          { return in.r.Query }
func (in *inbound) Host() string              { return in.r.Host }
func (in *inbound) Proto() string             { return in.r.Proto }
func (in *inbound) Secure() bool              { return in.r.Secure }
func (in *inbound) TLS() *tls.ConnectionState { return in.r.TLS }
func (in *inbound) Peer() netip.AddrPort      { return netip.MustParseAddrPort(in.r.Peer) }
func (in *inbound) Header(name string) string { return in.r.Header.Get(name) }

func (in *inbound) AppendHeader(dst gateway.Fields, name string) gateway.Fields {
	for _, f := range in.r.Header {
		if f.Name == name {
			dst = append(dst, f)
		}
	}
	return dst
}

func (in *inbound) AppendHeaders(dst gateway.Fields) gateway.Fields {
	var seen []string
	for _, f := range in.r.Header {
		if !slices.Contains(seen, f.Name) {
			seen = append(seen, f.Name)
			dst = in.AppendHeader(dst, f.Name)
		}
	}
	return dst
}

func (in *inbound) Body() io.Reader {
	if in.r.Body == "" {
		return nil
	}
	return strings.NewReader(in.r.Body)
}

func (in *inbound) Length() int64 { return int64(len(in.r.Body)) }
