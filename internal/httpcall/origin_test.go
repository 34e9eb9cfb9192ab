package httpcall

import (
	"net/url"
	"testing"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

func TestRedirectTrust(t *testing.T) {
	set, err := balance.NewStatic([]string{"http://h1.test", "https://h2.test:8443/base", "HTTP://[::1]:81"}, balance.Options{})
	if err != nil {
		t.Fatal(err)
	}
	several := &Redirected{First: &Balanced{Hosts: balance.New(set, balance.RoundRobin)}}
	one := &Redirected{First: NewDirect(set.First(), nil, Reporter{})}
	named := &Redirected{First: one.First, Named: true}
	made := &Redirected{First: &Templated{}}
	tests := []struct {
		by         *Redirected
		from, host string
		to         string
		want       bool
	}{
		{one, "http", "h1.test", "http://h1.test/x", true},
		{one, "http", "h1.test", "http://H1.TEST.:80/x", true},
		{one, "http", "h1.test", "https://h1.test/x", true},
		{one, "http", "h1.test", "https://h1.test:8443/x", false},
		{one, "http", "h1.test:8080", "https://h1.test/x", false},
		{one, "http", "h1.test", "http://h1.test:8080/x", false},
		{one, "http", "h1.test", "http://sub.h1.test/x", false},
		{one, "http", "h1.test", "http://h2.test/x", false},
		{named, "http", "h1.test", "http://h1.test:8080/x", true},
		{named, "http", "h1.test:8080", "https://H1.test./x", true},
		{named, "http", "h1.test", "http://sub.h1.test/x", true},
		{named, "http", "h1.test", "http://xh1.test/x", false},
		{named, "http", "h1.test", "http://test/x", false},
		{named, "http", "h1.test", "http://h2.test/x", false},
		{named, "https", "h1.test", "http://h1.test/x", false}, // in the clear
		{one, "http", "evil.test", "http://h1.test/x", true},
		{made, "http", "h1.test", "http://h1.test/x", true},
		{made, "http", "h1.test", "http://h2.test/x", false},
		{several, "http", "h1.test", "https://h2.test:8443/x", true},
		{several, "http", "h1.test", "https://h2.test/x", false},
		{several, "http", "h1.test", "http://[::1]:81/x", true},
		{several, "http", "h1.test", "http://[::1]/x", false},
		{several, "https", "h2.test:8443", "http://h1.test/x", false}, // in the clear
	}
	for _, tt := range tests {
		to, err := url.Parse(tt.to)
		if err != nil {
			t.Fatal(err)
		}
		r := &gateway.Request{Scheme: tt.from, Host: tt.host}
		if got := tt.by.trusts(r, to); got != tt.want {
			t.Errorf("%s://%s to %s: %t, want %t", tt.from, tt.host, tt.to, got, tt.want)
		}
	}
}

func TestWithhold(t *testing.T) {
	h := gateway.Fields{{Name: "Accept", Value: "a"}, {Name: "Proxy-Authorization", Value: "b"}, {Name: "X-Passwd", Value: "c"},
		{Name: "X-Csrf", Value: "d"}, {Name: "Apikey", Value: "e"}, {Name: "Traceparent", Value: "f"}, {Name: "idempotency_key", Value: "g"}}
	withhold(&h)
	if len(h) != 3 || h[0].Name != "Accept" || h[1].Name != "Traceparent" || h[2].Name != "idempotency_key" {
		t.Errorf("left: %v", h)
	}
}
