package reliability

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// silent returns the address of a host that says nothing to whoever connects, as
// one that is switched off: its listener has room for one connection, which is
// taken.
func silent(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(os.NewSyscallError("socket", err))
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
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
			g := start(t, fill(`{`+d.key+quiet+timeouts+`,"endpoints":[
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
