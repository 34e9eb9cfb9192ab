package cli

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// listenAt serves an empty object at an address that was unused.
func listenAt(t *testing.T, address string) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"a":1}`) }))
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// TestHostsAreSaid tells once that a host cannot be reached, whoever asks and how
// often, over reloads too, and once that it is back.
func TestHostsAreSaid(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Chdir(t.TempDir())
			down, alone := testx.UnusedAddress(t), testx.UnusedAddress(t)
			p := serveFile(t, write(t, "gateway.json", fmt.Sprintf(`{"version": 3, "dialect": "sluice", "timeout": "1m", "engine": %q, "listen_ip": "127.0.0.1", "endpoints": [
  {"endpoint": "/two", "backend": [{"url_pattern": "/a", "host": [%q, "http://%s"]}]},
  {"endpoint": "/one/{id}", "backend": [{"url_pattern": "/b/{id}", "host": ["http://%s"]}]},
  {"endpoint": "/merged", "backend": [{"url_pattern": "/c", "host": ["http://%[4]s"]}, {"url_pattern": "/d", "host": ["http://%[4]s"]}]}]}`,
				engine, newBackend(t), down, alone)))
			for i := range 30 {
				if status, _ := p.get(t, "/two"); status != 200 {
					t.Errorf("status %d with one of two hosts", status)
				}
				if status, _ := p.get(t, fmt.Sprint("/one/", i)); status != 502 {
					t.Errorf("status %d without a host", status)
				}
				if status, _ := p.get(t, "/merged"); status != 502 {
					t.Errorf("status %d without a host", status)
				}
				if i == 20 {
					p.reload(t, "reloaded")
				}
			}
			const cause = `error="backend_unreachable: [^\n]*connection refused"`
			once := func(line string) {
				t.Helper()
				eventually(t, line, func() bool { return regexp.MustCompile(line).MatchString(p.log()) })
				if n := len(regexp.MustCompile(line).FindAllString(p.log(), -1)); n != 1 {
					t.Errorf("%s: told %d times, want once:\n%s", line, n, p.log())
				}
			}
			passedOver := `WARNING host cannot be reached, it is passed over for a while host=http://` + down + ` endpoint=/two backend=/a ` + cause
			unreachable := `WARNING host cannot be reached host=http://` + alone + ` endpoint=/one/\{id\} backend=/b/\{id\} ` + cause
			once(passedOver)
			once(unreachable)

			listenAt(t, down)
			listenAt(t, alone)
			back := `INFO host is back host=http://`
			eventually(t, "both are back", func() bool {
				p.get(t, "/two")
				p.get(t, "/merged")
				return strings.Count(p.log(), back) == 2
			})
			for range 10 {
				p.get(t, "/two")
				p.get(t, "/one/1")
			}
			once(back + down + ` endpoint=/two backend=/a`)
			once(back + alone + ` endpoint=/merged backend=/[cd]`)
			once(passedOver)
			once(unreachable)
		})
	}
}

// TestStrangersAreSaid tells once that a host does not speak HTTP/2 without TLS, and what
// to write instead.
func TestStrangersAreSaid(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Chdir(t.TempDir())
			host := newBackend(t)
			p := serveFile(t, write(t, "gateway.json", fmt.Sprintf(`{"version": 3, "dialect": "sluice", "timeout": "1m", "engine": %q, "listen_ip": "127.0.0.1", "endpoints": [
  {"endpoint": "/", "backend": [{"url_pattern": "/a", "host": [%q], "extra_config": {"backend/http/client": {"use_h2c": true}}}]}]}`, engine, host)))
			for range 5 {
				if status, text := p.get(t, "/"); status != 502 || !strings.Contains(text, `"code":"backend_unreachable"`) {
					t.Errorf("answer %d %s", status, text)
				}
			}
			line := "WARNING host cannot be reached host=" + host + " endpoint=/ backend=/a error="
			const why = "answers in HTTP/1 where HTTP/2 is spoken by prior knowledge; remove use_h2c from the options of that backend"
			eventually(t, line, func() bool { return strings.Contains(p.log(), line) && strings.Contains(p.log(), why) })
			if n := strings.Count(p.log(), line); n != 1 {
				t.Errorf("told %d times:\n%s", n, p.log())
			}
		})
	}
}

// TestAcceptFailuresAreSaid tells once that the system lets no connection in, and once
// that it does again.
func TestAcceptFailuresAreSaid(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Chdir(t.TempDir())
			file := write(t, "gateway.json", strings.Replace(quiet, `"endpoints"`, `"engine": "`+engine+`", "endpoints"`, 1))
			p := &process{cmd: exec.Command("sh", "-c", `ulimit -n 40 && exec "$0" run -p 0 -c "$1"`, program, file)}
			p.cmd.Stdout, p.cmd.Stderr = p, p
			p.serve(t)
			const failing, works = "ERROR connections cannot be accepted, trying again error=", "INFO connections are accepted again"
			var conns []net.Conn
			for range 60 { // more than it has files; the system keeps the others waiting
				conn, err := net.Dial("tcp", p.address)
				if err != nil {
					t.Fatal(err)
				}
				conns = append(conns, conn)
			}
			eventually(t, failing, func() bool { return strings.Contains(p.log(), failing) })
			for _, conn := range conns {
				conn.Close()
			}
			eventually(t, works, func() bool { return strings.Contains(p.log(), works) })
			if status, _ := p.get(t, "/__health"); status != 200 {
				t.Errorf("status %d afterwards", status)
			}
			if n := strings.Count(p.log(), failing); n > 6 { // as connections end it may succeed and fail a few times
				t.Errorf("told %d times:\n%s", n, p.log())
			}
		})
	}
}
