package reliability

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// names answers every question of this process for names until the test ends:
// SRV records as records says, and the loopback address for every host.
func names(t *testing.T, records *atomic.Pointer[[]string]) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		add := func(format string, args ...any) {
			rr, err := dns.NewRR(q.Question[0].Name + " 0 IN " + fmt.Sprintf(format, args...))
			if err != nil {
				t.Error(err)
				return
			}
			m.Answer = append(m.Answer, rr)
		}
		switch q.Question[0].Qtype {
		case dns.TypeA:
			add("A 127.0.0.1")
		case dns.TypeSRV:
			for _, r := range *records.Load() {
				add("SRV 0 0 %s", r)
			}
		}
		w.WriteMsg(m)
	})}
	var wg sync.WaitGroup
	wg.Go(func() { server.ActivateAndServe() })
	system := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = system
		conn.Close()
		wg.Wait()
	})
}

// TestDiscovery calls the hosts that SRV records name, with the configured
// scheme, and other hosts once the records have changed and dns_cache_ttl is
// over.
func TestDiscovery(t *testing.T) {
	var records atomic.Pointer[[]string]
	names(t, &records)
	for _, tt := range []struct {
		sd, scheme string
		serve      func(http.Handler) *httptest.Server
	}{
		{"dns", `"sd_scheme":"https",`, httptest.NewTLSServer},
		{"dns", "", httptest.NewServer},
		{"dns-shared", `"sd_scheme":"https",`, httptest.NewTLSServer},
		{"dns-shared", `"sd_scheme":"http",`, httptest.NewServer},
	} {
		t.Run(tt.sd+" "+tt.scheme, func(t *testing.T) {
			host := func(name string) (record string) {
				s := tt.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					fmt.Fprintf(w, `{"host":%q}`, name)
				}))
				t.Cleanup(s.Close)
				at := netip.MustParseAddrPort(s.Listener.Addr().String())
				return fmt.Sprintf("%d %s.shop.test.", at.Port(), name)
			}
			first, second := []string{host("first")}, []string{host("second")}
			records.Store(&first)
			g := start(t, fill(`{`+quiet+`"dns_cache_ttl":"1s","client_tls":{"allow_insecure_connections":true,"min_version":"TLS12"},
				"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","sd":"$1",$2"host":["_http._tcp.shop.test"],"disable_host_sanitize":true}]}]}`, tt.sd, tt.scheme))
			client := newClient(t)
			await := func(want string) {
				t.Helper()
				for deadline := time.Now().Add(2 * soon); ; {
					status, text, err := get(client, g.url+"/x")
					if err == nil && status == 200 && text == want {
						return
					}
					if time.Now().After(deadline) {
						t.Fatalf("%d %s %v, want %s", status, text, err, want)
					}
				}
			}
			await(`{"host":"first"}`)
			records.Store(&second)
			await(`{"host":"second"}`)
		})
	}
}
