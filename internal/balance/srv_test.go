package balance

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

func TestAddresses(t *testing.T) {
	tests := []struct {
		name    string
		records []SRV
		want    string
	}{
		{"none", nil, ""},
		{"dot at the end", []SRV{{"h.example.", 80, 0, 0}}, "http://h.example:80"},
		{"ipv6 target", []SRV{{"::1", 80, 0, 0}}, "http://[::1]:80"},
		{"order of the answer does not matter", []SRV{{"b", 1, 0, 1}, {"a", 2, 0, 1}, {"a", 1, 0, 1}}, "http://a:1 http://a:2 http://b:1"},
		{"lowest priority only", []SRV{{"c", 1, 20, 1}, {"a", 1, 10, 1}, {"d", 1, 30, 1}, {"b", 1, 10, 1}}, "http://a:1 http://b:1"},
		{"all weights 0", []SRV{{"a", 1, 0, 0}, {"b", 1, 0, 0}}, "http://a:1 http://b:1"},
		{"weights", []SRV{{"a", 1, 0, 20}, {"b", 1, 0, 10}}, "http://a:1 http://a:1 http://b:1"},
		{"weight 0 among others", []SRV{{"a", 1, 0, 5}, {"b", 1, 0, 0}}, "http://a:1"},
		{"no service", []SRV{{".", 0, 0, 0}}, ""},
		{"no port", []SRV{{"a", 0, 0, 0}}, ""},
		{"unusable records do not count for the priority", []SRV{{".", 1, 0, 0}, {"a", 1, 5, 0}}, "http://a:1"},
		{"hostile targets", []SRV{{"user@h", 1, 0, 0}, {"h/p", 1, 0, 0}, {"h:9", 1, 0, 0}, {"h?q", 1, 0, 0}, {"é", 1, 0, 0}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(Addresses("http", tt.records), " "); got != tt.want {
				t.Errorf("Addresses(%v) = %s, want %s", tt.records, got, tt.want)
			}
		})
	}
}

func TestShares(t *testing.T) {
	tests := []struct{ weights, want []int }{
		{[]int{1}, []int{1}},
		{[]int{0}, []int{1}},
		{[]int{0, 0, 0}, []int{1, 1, 1}},
		{[]int{0, 7}, []int{0, 1}},
		{[]int{50, 50}, []int{1, 1}},
		{[]int{100, 500, 1000}, []int{1, 5, 10}},
		{[]int{25, 10000, 1000}, []int{0, 10, 1}},
		{[]int{25, 1000, 10000, 65535}, []int{0, 1, 13, 85}},
	}
	for _, tt := range tests {
		if got := shares(tt.weights); !slices.Equal(got, tt.want) {
			t.Errorf("shares(%v) = %v, want %v", tt.weights, got, tt.want)
		}
	}
}

func TestSharesAreBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 65535), 1, 300).Draw(t, "weights")
		sum := 0
		for i, n := range shares(weights) {
			if n < 0 || n > 0 && weights[i] == 0 && slices.Max(weights) > 0 {
				t.Fatalf("weight %d has %d turns", weights[i], n)
			}
			sum += n
		}
		if sum < 1 || sum > 100+len(weights) {
			t.Fatalf("%d turns for %d weights", sum, len(weights))
		}
	})
}

// serve answers SRV questions on a loopback socket and returns a resolver
// that asks there and nowhere else. Its answers are looked up by full name.
func serve(t *testing.T, answers map[string][]string) Resolver {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		lines, known := answers[q.Question[0].Name]
		if !known {
			m.Rcode = dns.RcodeNameError
		}
		for _, line := range lines {
			if rr, err := dns.NewRR(q.Question[0].Name + " 30 IN SRV " + line); err == nil {
				m.Answer = append(m.Answer, rr)
			}
		}
		w.WriteMsg(m)
	})}
	var wg sync.WaitGroup
	wg.Go(func() { server.ActivateAndServe() })
	t.Cleanup(func() {
		conn.Close()
		wg.Wait()
	})
	return DNS(&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}})
}

func TestDNS(t *testing.T) {
	resolve := serve(t, map[string][]string{
		"_api._tcp.example.com.":   {"10 3 8080 b.example.com.", "10 1 80 a.example.com.", "20 1 80 spare.example.com."},
		"_empty._tcp.example.com.": nil,
		"_off._tcp.example.com.":   {"0 0 0 ."},
	})
	tests := []struct{ name, want string }{
		{"_api._tcp.example.com", "https://a.example.com:80 https://b.example.com:8080 https://b.example.com:8080 https://b.example.com:8080"},
		{"_empty._tcp.example.com", ""},
		{"_off._tcp.example.com", ""},
		{"_unknown._tcp.example.com", ""},
	}
	for _, tt := range tests {
		records, err := resolve(t.Context(), tt.name)
		if got := strings.Join(Addresses("https", records), " "); got != tt.want {
			t.Errorf("%s: %s (error %v), want %s", tt.name, got, err, tt.want)
		}
		if tt.name == "_unknown._tcp.example.com" && err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
}

func TestDiscoveryOverDNS(t *testing.T) {
	d, err := NewDiscovery("_api._tcp.example.com", DiscoveryOptions{
		Resolver: serve(t, map[string][]string{"_api._tcp.example.com.": {"0 0 80 a.example.com.", "0 0 80 b.example.com."}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Start(t.Context(), nil)()
	b := New(d.Hosts("http"), RoundRobin)
	if got, want := take(b, 3), "http://a.example.com:80 http://b.example.com:80 http://a.example.com:80"; got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
}
