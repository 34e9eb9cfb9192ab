package message

import (
	"net/netip"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, p := range list {
		all[i] = netip.MustParsePrefix(p)
	}
	return all
}

func TestClientAddress(t *testing.T) {
	var (
		open     routing.Router
		trusting = routing.Router{TrustedProxies: prefixes("127.0.0.1/32", "10.0.0.0/8")}
		nobody   = routing.Router{TrustedProxies: []netip.Prefix{}}
		ignoring = routing.Router{IgnoreForwarded: true}
		named    = routing.Router{RemoteHeaders: []string{"Cf-Connecting-Ip", "X-Real-Ip"}}
		engine   = routing.Router{AppEngine: true}
	)
	const balancer, stranger = "10.1.2.3:9", "203.0.113.5:9"
	tests := []struct {
		name   string
		router routing.Router
		peer   string
		header []string
		want   string
	}{
		{"nobody says anything", open, stranger, nil, "203.0.113.5"},
		{"a client on the internet cannot choose its address", open, stranger, []string{"X-Forwarded-For", "6.6.6.6", "X-Real-Ip", "7.7.7.7"}, "203.0.113.5"},
		{"a balancer in front keeps working", open, balancer, []string{"X-Forwarded-For", "6.6.6.6"}, "6.6.6.6"},
		{"so does one on the same machine", open, "127.0.0.9:9", []string{"X-Forwarded-For", "6.6.6.6"}, "6.6.6.6"},
		{"so does one on a mapped address", open, "[::ffff:10.1.2.3]:9", []string{"X-Forwarded-For", "6.6.6.6"}, "6.6.6.6"},
		{"so does one on a link-local address with a zone", open, "[fe80::1%eth0]:9", []string{"X-Forwarded-For", "2001:db8::1"}, "2001:db8::1"},
		{"so does one on a private IPv6 address", open, "[fd00::1]:9", []string{"X-Forwarded-For", "6.6.6.6"}, "6.6.6.6"},
		{"the last that is no proxy is the client", trusting, balancer, []string{"X-Forwarded-For", "6.6.6.6, 1.1.1.1, 10.1.1.1"}, "1.1.1.1"},
		{"what stands before it may be made up", trusting, balancer, []string{"X-Forwarded-For", "nonsense, 1.1.1.1"}, "1.1.1.1"},
		{"proxies only begin with the client", trusting, balancer, []string{"X-Forwarded-For", "10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		{"a peer that is not listed", trusting, "192.168.0.1:9", []string{"X-Forwarded-For", "6.6.6.6"}, "192.168.0.1"},
		{"an empty list trusts nobody", nobody, "127.0.0.1:9", []string{"X-Forwarded-For", "6.6.6.6"}, "127.0.0.1"},
		{"forwarding that is switched off", ignoring, "127.0.0.1:9", []string{"X-Forwarded-For", "6.6.6.6"}, "127.0.0.1"},
		{"several lines are one list", trusting, balancer, []string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-For", "1.1.1.1, 10.9.9.9"}, "1.1.1.1"},
		{"a client before a line of proxies", trusting, balancer, []string{"X-Forwarded-For", "6.6.6.6", "X-Forwarded-For", "10.9.9.9"}, "6.6.6.6"},
		{"addresses with ports", trusting, balancer, []string{"X-Forwarded-For", "1.1.1.1:80, [2001:db8::2]:443"}, "2001:db8::2"},
		{"what is no address discards the header", trusting, balancer, []string{"X-Forwarded-For", "1.1.1.1, unknown"}, "10.1.2.3"},
		{"and the next header counts", trusting, balancer, []string{"X-Forwarded-For", "unknown", "X-Real-Ip", "2.2.2.2"}, "2.2.2.2"},
		{"an empty header says nothing", trusting, balancer, []string{"X-Forwarded-For", "", "X-Real-Ip", "2.2.2.2"}, "2.2.2.2"},
		{"an empty item is no address", trusting, balancer, []string{"X-Forwarded-For", "1.1.1.1,"}, "10.1.2.3"},
		{"the first header wins", trusting, balancer, []string{"X-Real-Ip", "2.2.2.2", "X-Forwarded-For", "1.1.1.1"}, "1.1.1.1"},
		{"other headers", named, balancer, []string{"X-Forwarded-For", "1.1.1.1", "X-Real-Ip", "2.2.2.2", "Cf-Connecting-Ip", "3.3.3.3"}, "3.3.3.3"},
		{"mapped addresses are written plainly", trusting, balancer, []string{"X-Forwarded-For", "::ffff:1.1.1.1"}, "1.1.1.1"},
		{"a mapped proxy is one", trusting, balancer, []string{"X-Forwarded-For", "1.1.1.1, ::ffff:10.0.0.9"}, "1.1.1.1"},
		{"zones are not addresses of clients", trusting, balancer, []string{"X-Forwarded-For", "fe80::1%eth0"}, "fe80::1"},
		{"App Engine wins outright", engine, stranger, []string{"X-Appengine-Remote-Addr", "4.4.4.4", "X-Forwarded-For", "1.1.1.1"}, "4.4.4.4"},
		{"App Engine that says nothing", engine, balancer, []string{"X-Forwarded-For", "1.1.1.1"}, "1.1.1.1"},
		{"App Engine that says nonsense", engine, stranger, []string{"X-Appengine-Remote-Addr", "x"}, "203.0.113.5"},
		{"App Engine's header means nothing elsewhere", open, balancer, []string{"X-Appengine-Remote-Addr", "4.4.4.4"}, "10.1.2.3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := NewClientAddress(tt.router)
			in := testx.Request{Peer: tt.peer, Header: header(tt.header...)}.Inbound()
			if got := c.Of(in).String(); got != tt.want {
				t.Errorf("peer %s, header %q: %s, want %s", tt.peer, tt.header, got, tt.want)
			}
		})
	}
}

// FuzzClientAddress shows that an address is found whatever a header holds, and
// that only a trusted peer changes it.
func FuzzClientAddress(f *testing.F) {
	f.Add("6.6.6.6, 10.0.0.1", true)
	f.Add(",,", true)
	f.Add("[::1]:x", false)
	c := NewClientAddress(routing.Router{})
	f.Fuzz(func(t *testing.T, value string, trusted bool) {
		peer := "203.0.113.5:9"
		if trusted {
			peer = "127.0.0.1:9"
		}
		got := c.Of(testx.Request{Peer: peer, Header: header("X-Forwarded-For", value)}.Inbound())
		if !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Fatalf("%q: %s", value, got)
		}
		if !trusted && got.String() != "203.0.113.5" {
			t.Fatalf("%q from a stranger: %s", value, got)
		}
	})
}
