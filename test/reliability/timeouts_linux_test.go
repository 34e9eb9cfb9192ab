package reliability

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// deaf returns an address where connections are neither accepted nor refused: a
// listener whose queue is full. Port 0 stands for a free one.
func deaf(t *testing.T, address netip.AddrPort) netip.AddrPort {
	t.Helper()
	family, bind := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: int(address.Port()), Addr: address.Addr().As16()})
	if address.Addr().Is4() {
		family, bind = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no socket: %v", err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if family == syscall.AF_INET6 {
		err = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 1)
	}
	if err == nil {
		err = syscall.Bind(fd, bind)
	}
	if err == nil {
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		t.Skipf("no listener on %s: %v", address, err)
	}
	if bound, err := syscall.Getsockname(fd); err == nil {
		switch bound := bound.(type) {
		case *syscall.SockaddrInet4:
			address = netip.AddrPortFrom(address.Addr(), uint16(bound.Port))
		case *syscall.SockaddrInet6:
			address = netip.AddrPortFrom(address.Addr(), uint16(bound.Port))
		}
	}
	for range 16 {
		c, err := net.DialTimeout("tcp", address.String(), 50*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Skip("the queue of a listener is never full here")
	return address
}

var loopback = netip.MustParseAddr("127.0.0.1")

// TestDialerTimeout gives up a host that does not answer, for another one.
func TestDialerTimeout(t *testing.T) {
	noLeaks(t)
	silent := "http://" + deaf(t, netip.AddrPortFrom(loopback, 0)).String()
	p := newPeer(t, says(ok(good)))
	const keys = `{"dialect":"sluice",` + quiet + `"timeout":"1h","dialer_timeout":"60ms",`
	g := start(t, fill(keys+one+`}`, silent))
	failed(t, fetch(t, "POST", g.url+"/x", ""), 502, "backend_unreachable")
	g = start(t, fill(keys+strings.Replace(one, `"$1"`, `"$1","$2"`, 1)+`}`, silent, p.url()))
	for range 2 {
		if got := fetch(t, "POST", g.url+"/x", "body"); got.status != 200 {
			t.Errorf("with another host: %d %q %v", got.status, got.body, got.err)
		}
	}
	g = start(t, fill(`{"dialect":"sluice",`+quiet+`"timeout":"100ms",`+one+`}`, silent))
	failed(t, fetch(t, "POST", g.url+"/x", ""), 504, "timeout")
}

// TestDialerKeepAlive asks the system how often it probes a connection.
func TestDialerKeepAlive(t *testing.T) {
	noLeaks(t)
	for keys, want := range map[string]int{``: 15, `"dialer_keep_alive":"7s",`: 7, `"dialer_keep_alive":"0s",`: 15} {
		p := newPeer(t, says(ok(good)))
		g := start(t, fill(`{`+quiet+keys+one+`}`, p.url()))
		if got := fetch(t, "POST", g.url+"/x", ""); got.status != 200 {
			t.Fatalf("%d %q %v", got.status, got.body, got.err)
		}
		fd := connectedTo(p.address)
		if fd < 0 {
			t.Fatal("no connection to the backend")
		}
		idle, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
		on, _ := syscall.GetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
		if err != nil || idle != want || on == 0 {
			t.Errorf("{%s}: a probe after %ds, %v, switched on: %d; want %ds", keys, idle, err, on, want)
		}
	}
}

// connectedTo returns the descriptor of the only connection of this process to
// an address, -1 if there is none.
func connectedTo(address string) int {
	for fd := range 1024 {
		other, err := syscall.Getpeername(fd)
		if err != nil {
			continue
		}
		if other, ok := other.(*syscall.SockaddrInet4); ok && netip.AddrPortFrom(netip.AddrFrom4(other.Addr), uint16(other.Port)).String() == address {
			return fd
		}
	}
	return -1
}

// resolve makes names of this process known until the test ends: from name to
// addresses. A nil list is never answered.
func resolve(t *testing.T, names map[string][]string) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: conn, NotifyStartedFunc: func() { close(started) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		name := strings.TrimSuffix(q.Question[0].Name, ".")
		addresses, known := names[name]
		if known && addresses == nil {
			return
		}
		m := new(dns.Msg).SetReply(q)
		for _, a := range addresses {
			kind := "A"
			if strings.Contains(a, ":") {
				kind = "AAAA"
			}
			if kind == dns.TypeToString[q.Question[0].Qtype] {
				rr, err := dns.NewRR(fmt.Sprintf("%s. 60 IN %s %s", name, kind, a))
				if err != nil {
					t.Error(err)
					return
				}
				m.Answer = append(m.Answer, rr)
			}
		}
		if !known {
			m.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(m)
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	<-started
	before := net.DefaultResolver
	// A look-up that nobody answers goes on for a while after its caller has
	// left. Here it ends with the test.
	asking, stop := context.WithCancel(context.Background())
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if asking.Err() != nil {
			return nil, asking.Err()
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, "udp", conn.LocalAddr().String())
		if err == nil {
			context.AfterFunc(asking, func() { c.Close() })
		}
		return c, err
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		stop()
		server.Shutdown()
		<-done
	})
}

// TestFallbackDelay calls a host with two addresses, of which the one that goes
// first does not answer.
func TestFallbackDelay(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, says(ok(good)))
	port := netip.MustParseAddrPort(p.address).Port()
	deaf(t, netip.AddrPortFrom(netip.IPv6Loopback(), port))
	resolve(t, map[string][]string{"both.test": {"127.0.0.1", "::1"}})
	host := fmt.Sprintf("http://both.test:%d", port)
	for delay, status := range map[string]int{"20ms": 200, "1h": 504} {
		g := start(t, fill(`{"dialect":"sluice",`+quiet+`"timeout":"500ms","dialer_fallback_delay":"`+delay+`",`+one+`}`, host))
		if got := fetch(t, "POST", g.url+"/x", ""); got.status != status {
			t.Errorf("after %s: %d %s %v, want %d", delay, got.status, got.body, got.err, status)
		}
	}
}

// TestNames shows what becomes of names that are not known, and of a resolver
// that does not answer.
func TestNames(t *testing.T) {
	noLeaks(t)
	resolve(t, map[string][]string{"silent.test": nil, "empty.test": {}})
	for name, want := range map[string]want{
		"unknown.test": fails("backend_unreachable", "no such host"),
		"empty.test":   fails("backend_unreachable", "no such host"),
		"silent.test":  fails("timeout", tooLate),
	} {
		for _, d := range dialects {
			g := start(t, fill(`{`+d.key+d.quiet()+`"timeout":"300ms",`+one+`}`, "http://"+name))
			got := fetch(t, "POST", g.url+"/x", "")
			want.check(t, d, name, got, &peer{address: name})
		}
	}
}

// TestDescriptors shows that nothing of all the connections that were made and
// broken stays in the process.
func TestDescriptors(t *testing.T) {
	count := func() int {
		n := 0
		for fd := range 4096 {
			if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); errno == 0 {
				n++
			}
		}
		return n
	}
	before := 0
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for _, tt := range badBackends {
				if tt.slow {
					continue
				}
				p := newPeer(t, tt.serve)
				g := start(t, fill(`{`+quiet+`"timeout":"20s","endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, p.url()))
				fetch(t, "GET", g.url+"/x", "")
			}
		})
		if i == 0 {
			before = count()
		}
	}
	if after := count(); after > before+2 {
		t.Errorf("%d descriptors are open, %d before", after, before)
	}
}
