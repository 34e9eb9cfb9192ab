package httpcall

import (
	"net/url"
	"testing"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

func TestRedirectTrust(t *testing.T) {
	set, err := balance.NewStatic([]string{"http://h1.test", "https://h2.test:8443/base", "HTTP://[::1]:81", "http://I.test"}, balance.Options{})
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
		{named, "http", "h1.test", "http://A.sub.H1.TEST/x", true},
		{named, "http", "h1.test", "http://ä.h1.test/x", false},
		{named, "http", "h1.test", "http://a。h1.test/x", false},
		{named, "http", "h1.test", "http://[2001:db8::5%25.h1.test]/x", false}, // a zone is no name
		{named, "http", "h1.test", "http://[::ffff:192.0.2.5%25.h1.test]:8080/x", false},
		{named, "http", "ip.test", "http://\u0130p.test/x", false}, // which is no i
		{named, "http", "ip.test", "http://%C4%B0p.test/x", false},
		{named, "http", "ip.test", "http://a.\u0130p.test/x", false},
		{named, "http", "ok.test", "http://o\u212a.test/x", false}, // and the sign of Kelvin no k
		{one, "http", "ip.test", "http://\u0130p.test/x", false},
		{one, "http", "ip.test", "https://\u0130p.test/x", false},
		{named, "http", "192.0.2.1", "https://192.0.2.1:8443/x", true},
		{named, "http", "192.0.2.1", "http://7.192.0.2.1/x", false},
		{named, "http", "192.0.2.1", "http://[2001:db8::5%25.192.0.2.1]/x", false},
		{named, "http", "0x7f000001", "http://1.0x7f000001/x", false},
		{named, "http", "[::1]:81", "http://[::1]/x", true},
		{named, "http", "[::1]:81", "http://[2001:db8::1]/x", false},
		{several, "http", "h1.test", "http://i.test/x", true},
		{several, "http", "h1.test", "http://\u0130.test/x", false}, // not the one of the list
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

// TestRedirectHost calls one host by one text, however redirects spell it.
func TestRedirectHost(t *testing.T) {
	for _, tt := range []struct{ scheme, host, to, want string }{
		{"http", "up.test", "http://UP.test:80/b", "up.test"},
		{"http", "Up.test:80", "http://up.test/b", "Up.test:80"}, // as the configuration has it
		{"http", "up.test:81", "/b", "up.test:81"},
		{"http", "up.test", "https://UP.test:443/b", "up.test"},
		{"http", "up.test", "https://up.test:80/b", "up.test:80"},
		{"https", "up.test", "//Other.test:/b", "other.test"},
		{"http", "up.test", "http://Other.test:8080", "other.test:8080"},
		{"http", "up.test", "http://[2001:DB8::1]:80/b", "[2001:db8::1]"},
		{"http", "up.test", "http://[::80]/b", "[::80]"},
	} {
		x := gateway.Acquire(nil)
		x.Request.Method, x.Request.Scheme, x.Request.Host, x.Request.Path = "GET", tt.scheme, tt.host, "/a"
		x.Response.Status = 302
		x.Response.Header.Set("Location", tt.to)
		again, err := new(Redirected).follow(x, false)
		if x.Request.Host != tt.want || !again || err != nil {
			t.Errorf("%s://%s to %s: the host is %q, followed: %t, %v; want %q", tt.scheme, tt.host, tt.to, x.Request.Host, again, err, tt.want)
		}
		x.Release()
	}
}

// TestRedirectedHost: two texts of one host behind a redirect are one.
func TestRedirectedHost(t *testing.T) {
	for to, want := range map[string]string{
		"http://UP.test:80/b":         "up.test.", // as it was
		"http://other.test/":          "other.test",
		"http://Other.test:/":         "other.test",
		"http://u@Other.test:80/":     "other.test",
		"http://other.test.:80/":      "other.test",
		"http://other.test.:81/":      "other.test:81",
		"https://other.test:443/":     "other.test",
		"https://other.test:80/":      "other.test:80",
		"http://[FE80::1]:80/":        "[fe80::1]",
		"http://[FE80::1%25Eth0]:80/": "[fe80::1%Eth0]",
		"http://[FE80::1%25Eth0]:81/": "[fe80::1%Eth0]:81",
	} {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		if got := redirectedHost(&gateway.Request{Scheme: "http", Host: "up.test."}, u); got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
}
