package message

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// header makes fields of names and values in turn.
func header(pairs ...string) gateway.Fields {
	var h gateway.Fields
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// withOurs are fields and those that the gateway adds when the client names no agent.
func withOurs(pairs ...string) gateway.Fields {
	return append(header(pairs...), header("User-Agent", "Sluice 0", "X-Forwarded-For", "198.51.100.7", "X-Forwarded-Host", "gateway.test")...)
}

func TestHeaderSelection(t *testing.T) {
	tests := []struct {
		name string
		list []string
		sent gateway.Fields
		want gateway.Fields
	}{
		{"nothing listed, nothing sent", nil, nil, withOurs()},
		{"nothing listed passes the content type alone", nil, header("Content-Type", "text/x", "Accept", "y"), withOurs("Content-Type", "text/x")},
		{"as soon as one is listed the others do not pass", []string{"Accept"}, header("Content-Type", "text/x", "Accept", "y"), withOurs("Accept", "y")},
		{"letter case of the list", []string{"x-ONE"}, header("X-One", "1"), withOurs("X-One", "1")},
		{"repeated fields, in order", []string{"X-One", "X-Two"}, header("X-One", "1", "X-Two", "2", "X-One", "3"), withOurs("X-One", "1", "X-One", "3", "X-Two", "2")},
		{"listed twice passes once", []string{"X-One", "x-one"}, header("X-One", "1"), withOurs("X-One", "1")},
		{"all", []string{"*"}, header("X-One", "1", "Cookie", "c", "Authorization", "a"), withOurs("X-One", "1", "Cookie", "c", "Authorization", "a")},
		{"hop-by-hop fields never pass", []string{"*"}, header("Te", "trailers", "Upgrade", "h2c", "Keep-Alive", "1", "Proxy-Authorization", "p", "Proxy-Connection", "x", "Transfer-Encoding", "chunked", "Trailer", "X", "Expect", "100-continue", "Content-Length", "3", "Host", "evil.test", "Connection", "close", "X-One", "1"), withOurs("X-One", "1")},
		{"what services take for their own variable never passes", []string{"*"}, header("Proxy", "http://evil.test", "X-One", "1"), withOurs("X-One", "1")},
		{"not even when it is listed", []string{"proxy"}, header("Proxy", "http://evil.test"), withOurs()},
		{"in spellings that are alike to some servers", []string{"*"}, header("X.forwarded.for", "6.6.6.6", "Proxy~authorization", "p", "Transfer.encoding", "chunked", "X.one", "1"), withOurs("X.one", "1")},
		{"not even when they are listed", []string{"Te", "Connection", "Host", "Transfer-Encoding", "Content-Length"}, header("Te", "trailers", "Connection", "close", "Content-Length", "3"), withOurs()},
		{"what Connection names does not pass", []string{"*"}, header("Connection", "X-One", "X-One", "1", "X-Two", "2"), withOurs("X-Two", "2")},
		{"nor when it is listed", []string{"X-One", "X-Two"}, header("Connection", "close, x-one", "X-One", "1", "X-Two", "2"), withOurs("X-Two", "2")},
		{"on any line", []string{"*"}, header("Connection", "keep-alive", "Connection", " X-One ,,x-two", "X-One", "1", "X-Two", "2", "X-Three", "3"), withOurs("X-Three", "3")},
		{"on any line, behind an empty one", []string{"X-One", "X-Two"}, header("Connection", "", "Connection", "x-one", "X-One", "1", "X-Two", "2"), withOurs("X-Two", "2")},
		{"the client cannot strip what the gateway adds", []string{"*"}, header("Connection", "X-Forwarded-For, X-Forwarded-Host, User-Agent", "User-Agent", "mine"), withOurs()},
		{"the client cannot set what the gateway adds", []string{"*"}, header("X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.test", "X-Forwarded-Via", "me"), withOurs()},
		{"not even when it is listed", []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Via"}, header("X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.test", "X-Forwarded-Via", "me"), withOurs()},
		{"what only proxies write, of a peer that is none", []string{"*"}, header("Forwarded", "for=6.6.6.6", "X-Real-Ip", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Port", "443", "X-Forwarded-Prefix", "/a", "X-Forwarded-Ssl", "on", "X_Forwarded_Proto", "https", "X-Forwarded", "x", "True-Client-Ip", "6.6.6.6", "Front-End-Https", "on", "X-Original-Url", "/admin", "X_Rewrite-Url", "/admin", "X-Other", "1"), withOurs("X-Other", "1")},
		{"not even when they are listed", []string{"Forwarded", "X-Real-Ip", "x-forwarded-proto", "X-One"}, header("Forwarded", "for=6.6.6.6", "X-Real-Ip", "6.6.6.6", "X-Forwarded-Proto", "https", "X-One", "1"), withOurs("X-One", "1")},
		{"an agent that passes", []string{"User-Agent"}, header("User-Agent", "mine"), header("User-Agent", "mine", "X-Forwarded-Via", "Sluice 0", "X-Forwarded-For", "198.51.100.7", "X-Forwarded-Host", "gateway.test")},
		{"an agent that does not", []string{"X-One"}, header("User-Agent", "mine"), withOurs()},
		{"an empty name in the list", []string{""}, header("X-One", "1", "Content-Type", "text/x"), withOurs()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := NewHeaderSelection(tt.list, "Sluice 0", &ClientAddress{}, false, false)
			x := gateway.Acquire(testx.Request{Header: tt.sent}.Inbound())
			defer x.Release()
			x.Client = netip.MustParseAddr("198.51.100.7")
			s.fill(x)
			if !slices.Equal(x.Request.Header, tt.want) {
				t.Errorf("list %q, sent %v:\n got %v\nwant %v", tt.list, tt.sent, x.Request.Header, tt.want)
			}
		})
	}
}

// TestNoName withholds a field without a name, which only a stage can set.
func TestNoName(t *testing.T) {
	s := NewHeaderSelection([]string{"*"}, "Sluice 0", &ClientAddress{}, false, false)
	x := gateway.Acquire(testx.Request{Header: header("X-One", "1")}.Inbound())
	defer x.Release()
	x.Edit().SetHeader("", "2")
	s.Choose(x)
	if !slices.Equal(x.Request.Header, header("X-One", "1")) {
		t.Errorf("got %v", x.Request.Header)
	}
}

func TestHeaderFilter(t *testing.T) {
	before := header("X-One", "1", "User-Agent", "mine", "X-Forwarded-Via", "Sluice 0", "X-Two", "2", "X-One", "3", "X-Forwarded-For", "198.51.100.7", "X-Forwarded-Host", "gateway.test")
	forwarded := header("X-Forwarded-For", "198.51.100.7", "X-Forwarded-Host", "gateway.test")
	tests := []struct {
		list []string
		want gateway.Fields
	}{
		{nil, before},
		{[]string{}, before},
		{[]string{"*"}, before},
		{[]string{""}, append(forwarded[:2:2], header("User-Agent", "Sluice 0")...)},
		{[]string{"x-one"}, append(append(header("X-One", "1", "X-One", "3"), forwarded...), header("User-Agent", "Sluice 0")...)},
		{[]string{"User-Agent", "X-Two"}, append(header("User-Agent", "mine", "X-Forwarded-Via", "Sluice 0", "X-Two", "2"), forwarded...)},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.list), func(t *testing.T) {
			f := NewHeaderFilter(tt.list, "Sluice 0", false)
			r := gateway.Request{Header: slices.Clone(before)}
			f.apply(&r)
			if !slices.Equal(r.Header, tt.want) {
				t.Errorf("filter %q:\n got %v\nwant %v", tt.list, r.Header, tt.want)
			}
		})
	}
}

// TestExpectation lets Expect pass where calls wait for 100 Continue, if it is
// named.
func TestExpectation(t *testing.T) {
	for _, tt := range []struct {
		list    []string
		expects bool
		want    string
	}{
		{[]string{"Expect"}, true, "100-continue"},
		{[]string{"*"}, true, "100-continue"},
		{[]string{"X-A"}, true, ""},
		{nil, true, ""},
		{[]string{"Expect"}, false, ""},
		{[]string{"*"}, false, ""},
	} {
		s := NewHeaderSelection(tt.list, "Sluice 0", &ClientAddress{}, tt.expects, false)
		x := testx.Request{Header: gateway.Fields{{Name: "Expect", Value: "100-continue"}}}.Exchange(t)
		x.Request.Header = nil // nothing is selected yet
		s.fill(x)
		if got := x.Request.Header.Get("Expect"); got != tt.want {
			t.Errorf("input_headers %q, a call waits: %t: Expect %q, want %q", tt.list, tt.expects, got, tt.want)
		}
	}
}

// TestUnderscores: names with underscores are those with hyphens, and telling so
// allocates nothing.
func TestUnderscores(t *testing.T) {
	tests := []struct {
		name                          string
		reserved, ofProxies, expected bool
	}{
		{"X_forwarded_for", true, true, true},
		{"X-Forwarded_host", true, true, true},
		{"X_Forwarded-Via", true, true, true},
		{"Transfer_encoding", true, false, true},
		{"Content_length", true, false, true},
		{"X_real_ip", false, true, false},
		{"Front_end_https", false, true, false},
		{"X_forwarded_proto", false, true, false},
		{"X_forwarded", false, true, false},
		{strings.ReplaceAll(hopsField, "-", "_"), false, false, true},
		{"X_other_field_of_some_length", false, false, false},
		{"_-__", false, false, false},
	}
	s := HeaderSelection{counts: true}
	for _, tt := range tests {
		if got := reserved(tt.name); got != tt.reserved {
			t.Errorf("%s: reserved %t, want %t", tt.name, got, tt.reserved)
		}
		if got := ofProxies(tt.name); got != tt.ofProxies {
			t.Errorf("%s: of proxies %t, want %t", tt.name, got, tt.ofProxies)
		}
		if got := s.reserved(tt.name); got != tt.expected {
			t.Errorf("%s: reserved where hops are counted %t, want %t", tt.name, got, tt.expected)
		}
		if n := testing.AllocsPerRun(10, func() { s.reserved(tt.name); ofProxies(tt.name) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", tt.name, n)
		}
	}
}

// TestReserved asks for the fields of the gateway, and for one that no client may send, in
// the spellings that are alike.
func TestReserved(t *testing.T) {
	for _, name := range []string{"Transfer-Encoding", Httpoxy, forwardedFor, forwardedHost, forwardedVia} {
		for _, sign := range []string{"-", "_", "."} {
			if other := gateway.Canonical(strings.ReplaceAll(name, "-", sign)); !reserved(other) {
				t.Errorf("%s passes", other)
			}
		}
	}
}
