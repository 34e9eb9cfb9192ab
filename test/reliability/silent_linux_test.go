package reliability

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// silent returns the address of a host that says nothing to whoever connects, as
// one that is switched off: its listener has room for one connection, which is
// taken.
func silent(t testing.TB) string { return silentAt(t, 0) }

// silentAt is silent on a port of which only connections are left.
func silentAt(t testing.TB, port int) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(os.NewSyscallError("socket", err))
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(os.NewSyscallError("setsockopt", err))
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}, Port: port}); err != nil {
		t.Fatal(os.NewSyscallError("bind", err))
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(os.NewSyscallError("listen", err))
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(os.NewSyscallError("getsockname", err))
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(name.(*syscall.SockaddrInet4).Port))
	for { // until one is not answered
		c, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { c.Close() })
	}
}

// TestSilentHost has the property that one of two hosts that does not even
// refuse connections fails no request: the other one has its share of the time.
func TestSilentHost(t *testing.T) {
	noLeaks(t)
	alive, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":1}`) })
	for _, d := range dialects {
		for _, timeouts := range []string{`"timeout":"400ms"`, `"timeout":"600ms","dialer_timeout":"250ms"`} {
			g := start(t, fill(`{`+d.key+d.quiet()+timeouts+`,"endpoints":[
				{"endpoint":"/one","backend":[{"url_pattern":"/","host":["http://$1","$2"]}]},
				{"endpoint":"/two","backend":[{"url_pattern":"/","host":["http://$1","$2"]},{"url_pattern":"/","host":["$2"],"group":"g"}]}]}`, silent(t), alive))
			c := newClient(t)
			for path, want := range map[string]string{"/one": `{"a":1}`, "/two": `{"a":1,"g":{"a":1}}`} {
				for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					if status, text, err := get(c, g.url+path); status != 200 || text != want || err != nil {
						t.Errorf("%s{%s} %s: %d %q %v, want %s", d.name, timeouts, path, status, text, err, want)
					}
				}
			}
		}
	}
}

// TestFallsSilent has the property that a host which resets its connections and
// falls silent takes nothing out of a merge, whose calls are sent at once on
// connections that seem to be fine.
func TestFallsSilent(t *testing.T) {
	noLeaks(t)
	alive, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":1}`) })
	for _, d := range dialects {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var gone atomic.Bool
		falls := newPeerOn(t, l, func(c *conn) {
			for c.request() {
				if gone.Load() {
					c.Conn.(*net.TCPConn).SetLinger(0)
					c.Conn.Close()
					return
				}
				io.WriteString(c, ok(`{"a":1}`))
			}
		})
		g := start(t, fill(`{`+d.key+d.quiet()+`"timeout":"600ms","endpoints":[
			{"endpoint":"/m","backend":[{"url_pattern":"/","host":["$1","$2"]},{"url_pattern":"/","host":["$2"],"group":"g"}]}]}`, falls.url(), alive))
		c := newClient(t)
		for i := range 20 {
			if i == 10 {
				l.Close()
				gone.Store(true)
				silentAt(t, l.Addr().(*net.TCPAddr).Port)
			}
			if status, text, err := get(c, g.url+"/m"); status != 200 || text != `{"a":1,"g":{"a":1}}` || err != nil {
				t.Errorf("%s, request %d: %d %q %v", d.name, i, status, text, err)
			}
		}
	}
}

// TestMuteHost has the same property for a host that takes connections and never
// shakes hands.
func TestMuteHost(t *testing.T) {
	if engines()[0].Name != "fast" {
		t.Skip("net/http bounds handshakes by 10 seconds")
	}
	noLeaks(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	alive := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":1}`) }))
	defer alive.Close()
	g := start(t, fill(`{`+quiet+`"timeout":"400ms","client_tls":{"allow_insecure_connections":true,"min_version":"TLS12"},"endpoints":[
		{"endpoint":"/x","backend":[{"url_pattern":"/","host":["https://$1","$2"]}]}]}`, mute.Addr().String(), alive.URL))
	c := newClient(t)
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if status, text, err := get(c, g.url+"/x"); status != 200 || text != `{"a":1}` || err != nil {
			t.Errorf("%d %q %v", status, text, err)
		}
	}
}
