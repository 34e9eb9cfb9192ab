package reliability

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// one is an endpoint at /x with the hosts $1, passed through or decoded.
const one = `"endpoints":[{"endpoint":"/x","method":"POST","backend":[{"url_pattern":"/","host":["$1"]}]}]`

// failed checks that an answer of the sluice dialect is a failure of this code.
func failed(t *testing.T, got told, status int, code string) {
	t.Helper()
	if got.status != status || !strings.Contains(got.body, `"code":"`+code+`"`) {
		t.Errorf("%d %s %v, want %d with the code %s", got.status, got.body, got.err, status, code)
	}
}

// TestEndpointTimeout ends calls of backends that hang. How long each has is
// shown where the clock is not the machine's.
func TestEndpointTimeout(t *testing.T) {
	noLeaks(t)
	for _, d := range dialects {
		p := newPeer(t, hangs(""))
		g := start(t, fill(`{`+d.key+d.quiet()+`"timeout":"200ms","endpoints":[
			{"endpoint":"/one","backend":[{"url_pattern":"/","host":["$1"]}]},
			{"endpoint":"/two","backend":[{"url_pattern":"/","host":["$1"]},{"url_pattern":"/","host":["$1"]}]},
			{"endpoint":"/race","concurrent_calls":3,"backend":[{"url_pattern":"/","host":["$1"]}]},
			{"endpoint":"/own","timeout":"50ms","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, p.url()))
		for _, path := range []string{"/one", "/two", "/race", "/own"} {
			fails("timeout", "?").check(t, d, path, fetch(t, "GET", g.url+path, ""), p)
			p.waitOpen(0)
		}
	}
}

// TestResponseHeaderTimeout limits the wait for the header, not the body.
func TestResponseHeaderTimeout(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, func(c *conn) {
		for c.request() {
			if c.n == 0 {
				return // never answers
			}
			io.WriteString(c, goodHead)
			time.Sleep(100 * time.Millisecond)
			io.WriteString(c, good)
		}
	})
	g := start(t, fill(`{"dialect":"sluice",`+quiet+`"timeout":"1h","response_header_timeout":"50ms",`+one+`}`, p.url()))
	failed(t, fetch(t, "POST", g.url+"/x", ""), 504, "timeout")
	p.waitOpen(0)
	if got := fetch(t, "POST", g.url+"/x", ""); got.status != 200 || got.body != good {
		t.Errorf("a body that takes longer than the header may: %d %q %v", got.status, got.body, got.err)
	}
}

// TestExpectContinue shows how long a body waits for the word of a backend. The
// Expect of a client is its business with the gateway, so it is a component
// that asks here.
func TestExpectContinue(t *testing.T) {
	noLeaks(t)
	asks := component.Backend(component.Info{Namespace: "test/expect"}, func(s *component.BackendSite, _ struct{}) error {
		s.Stage(component.BackendCredential, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.Request.Header.Set("Expect", "100-continue")
			return nil
		}))
		return nil
	})
	tests := []struct {
		name, wait string
		word       string // of the backend, between header and body
		status     int
		body       string // that arrived; "-" for none
	}{
		{"a backend that says go on", "1h", "HTTP/1.1 100 Continue\r\n\r\n", 200, "the body"},
		{"a backend that says nothing, and time that ends", "30ms", "", 200, "the body"},
		{"a backend that says nothing, and no time to wait", "0s", "", 200, "the body"},
		{"a backend that says nothing, and time that does not end", "1h", "", 504, "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPeer(t, func(c *conn) {
				head := readHead(c)
				if !strings.Contains(head, "Expect: 100-continue\r\n") {
					t.Errorf("the backend is not asked: %q", head)
				}
				io.WriteString(c, tt.word)
				body := make([]byte, len("the body"))
				if _, err := io.ReadFull(c.r, body); err != nil {
					return
				}
				c.peer.mu.Lock()
				c.peer.bodies = append(c.peer.bodies, string(body))
				c.peer.mu.Unlock()
				io.WriteString(c, ok(good))
			})
			g := startWith(t, fill(`{"dialect":"sluice",`+quiet+`"timeout":"300ms","expect_continue_timeout":"`+tt.wait+`",
				"endpoints":[{"endpoint":"/x","method":"POST","backend":[{"url_pattern":"/","host":["$1"],"extra_config":{"test/expect":{}}}]}]}`, p.url()),
				with(asks))
			got := fetch(t, "POST", g.url+"/x", "the body")
			_, bodies := p.seen()
			if got.status != tt.status || strings.Join(append(bodies, "-")[:1], "") != tt.body {
				t.Errorf("%d %q %v with the body %q, want %d with %q", got.status, got.body, got.err, bodies, tt.status, tt.body)
			}
		})
	}
}

// readHead reads a request up to its body.
func readHead(c *conn) string {
	var b strings.Builder
	for {
		line, err := c.r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			return b.String()
		}
	}
}

// TestClientExpects shows that the Expect of a client is answered by the
// gateway and not passed on.
func TestClientExpects(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, says(ok(good)))
	g := start(t, fill(`{`+quiet+`"endpoints":[{"endpoint":"/x","method":"POST","input_headers":["*"],"backend":[{"url_pattern":"/","host":["$1"]}]}]}`, p.url()))
	c := call(t, g)
	c.say("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	if line, err := c.r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("the gateway says %q, %v", line, err)
	}
	c.r.ReadString('\n')
	c.say("body")
	if got := c.hear(); got.status != 200 {
		t.Errorf("%d %q %v", got.status, got.body, got.err)
	}
	if got := p.last().Header.Get("Expect"); got != "" {
		t.Errorf("the backend is asked %q", got)
	}
}

// together answers requests only once n of them are there.
func together(n int) func(*conn) {
	arrived := make(chan struct{}, n)
	var mu sync.Mutex
	waiting := 0
	return func(c *conn) {
		for c.request() {
			mu.Lock()
			if waiting++; waiting == n {
				waiting = 0
				for range n - 1 {
					arrived <- struct{}{}
				}
				mu.Unlock()
			} else {
				mu.Unlock()
				<-arrived
			}
			io.WriteString(c, ok(good))
		}
	}
}

// TestIdleConnections shows how many connections are kept, and how long.
func TestIdleConnections(t *testing.T) {
	noLeaks(t)
	const n = 4
	tests := []struct {
		name, keys string
		kept       int // of each of two hosts; -1 for two of both
	}{
		{"the default keeps all", ``, n},
		{"a limit for each host", `"max_idle_connections_per_host":2,`, 2},
		{"a limit for each host of none, which is the default", `"max_idle_connections_per_host":0,`, n},
		{"a limit for all hosts", `"max_idle_connections":2,`, -1},
		{"a limit of time", `"idle_connection_timeout":"60ms",`, 0},
		{"no limit of time", `"idle_connection_timeout":"0s",`, n},
		{"no keeping at all", `"disable_keep_alives":true,`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peers := []*peer{newPeer(t, together(n)), newPeer(t, together(n))}
			g := start(t, fill(`{`+quiet+`"timeout":"20s",`+tt.keys+`"endpoints":[
				{"endpoint":"/0","backend":[{"url_pattern":"/","host":["$1"]}]},
				{"endpoint":"/1","backend":[{"url_pattern":"/","host":["$2"]}]}]}`, peers[0].url(), peers[1].url()))
			round := func() {
				for i := range peers {
					client := newClient(t)
					complaint := load(n, n, func(int) string {
						if status, text, err := get(client, fmt.Sprint(g.url, "/", i)); err != nil || status != 200 {
							return fmt.Sprintf("%d %s %v", status, text, err)
						}
						return ""
					})
					if complaint != "" {
						t.Error(complaint)
					}
				}
			}
			round()
			if tt.kept < 0 {
				peers[0].waitOpen(0)
				peers[1].waitOpen(2)
				return
			}
			for i, p := range peers {
				p.waitOpen(tt.kept)
				if first := p.connections(); first != n {
					t.Errorf("host %d was connected to %d times, want %d", i, first, n)
				}
			}
			round()
			for i, p := range peers {
				if again := p.connections() - n; again != n-tt.kept {
					t.Errorf("host %d was connected to %d times more, want %d", i, again, n-tt.kept)
				}
			}
		})
	}
}

// TestCompression shows what the gateway asks for by itself.
func TestCompression(t *testing.T) {
	noLeaks(t)
	for keys, want := range map[string]string{``: "gzip", `"disable_compression":true,`: ""} {
		p := newPeer(t, says(ok(gzipped(good), "Content-Encoding: gzip")))
		g := start(t, fill(`{`+quiet+keys+one+`}`, p.url()))
		got := fetch(t, "POST", g.url+"/x", "")
		if asked := p.last().Header.Get("Accept-Encoding"); asked != want || got.status != 200 || got.body != good {
			t.Errorf("{%s}: asks for %q, want %q; %d %q %v", keys, asked, want, got.status, got.body, got.err)
		}
	}
}

// TestServerDefaults shows what protects a gateway that sets nothing, and that
// an explicit zero lifts it.
func TestServerDefaults(t *testing.T) {
	noLeaks(t)
	const second = config.Duration(time.Second)
	for keys, want := range map[string]model.Server{
		``:                            {ReadHeaderTimeout: 10 * second, IdleTimeout: 120 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"read_header_timeout":"0s",`: {IdleTimeout: 120 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"stall_timeout":"0s",`:       {ReadHeaderTimeout: 10 * second, IdleTimeout: 120 * second, MaxHeaderBytes: 1_000_000},
		`"idle_timeout":"0s",`:        {ReadHeaderTimeout: 10 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"read_timeout":"7s",`:        {ReadHeaderTimeout: 7 * second, ReadTimeout: 7 * second, IdleTimeout: 7 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"read_timeout":"70s",`:       {ReadHeaderTimeout: 10 * second, ReadTimeout: 70 * second, IdleTimeout: 70 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"read_timeout":"7s","read_header_timeout":"9s","idle_timeout":"3s",`:  {ReadHeaderTimeout: 9 * second, ReadTimeout: 7 * second, IdleTimeout: 3 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"idle_timeout":"0s","read_timeout":"7s",`:                             {ReadHeaderTimeout: 7 * second, ReadTimeout: 7 * second, IdleTimeout: 7 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"idle_timeout":"0s","read_header_timeout":"6s",`:                      {ReadHeaderTimeout: 6 * second, IdleTimeout: 6 * second, StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
		`"idle_timeout":"0s","read_header_timeout":"0s","max_header_bytes":0,`: {StallTimeout: 60 * second, MaxHeaderBytes: 1_000_000},
	} {
		if got := start(t, `{`+quiet+keys+`"endpoints":[]}`).Service().Server; got != want {
			t.Errorf("{%s}: %+v, want %+v", keys, got, want)
		}
	}
}

// TestIdleFallsBack closes idle connections by the timeouts that stand in for
// the one that is not there.
func TestIdleFallsBack(t *testing.T) {
	noLeaks(t)
	for _, keys := range []string{
		`"idle_timeout":"60ms",`,
		`"idle_timeout":"0s","read_timeout":"60ms",`,
		`"idle_timeout":"0s","read_header_timeout":"60ms",`,
	} {
		p := newPeer(t, says(ok(good)))
		g := start(t, fill(`{`+quiet+keys+one+`}`, p.url()))
		c := call(t, g)
		for range 2 {
			c.say("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
			if got := c.hear(); got.status != 200 {
				t.Fatalf("{%s}: %d %q %v", keys, got.status, got.body, got.err)
			}
		}
		if !c.ended() {
			t.Errorf("{%s}: the idle connection goes on", keys)
		}
	}
}

// TestWriteTimeout ends an answer that goes on for ever, and none that ends before.
func TestWriteTimeout(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, func(c *conn) {
		for c.request() {
			if c.n == 0 {
				io.WriteString(c, ok(good))
				continue
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			for err := error(nil); err == nil; time.Sleep(time.Millisecond) {
				_, err = io.WriteString(c, "1\r\na\r\n")
			}
		}
	})
	ask := func(limit string) told {
		g := start(t, fill(`{`+quiet+`"timeout":"1m","write_timeout":"`+limit+`","endpoints":[
			{"endpoint":"/a","output_encoding":"no-op","backend":[{"url_pattern":"/a","host":["$1"]}]}]}`, p.url()))
		return fetch(t, "GET", g.url+"/a", "")
	}
	if got := ask("1m"); got.status != 200 || got.body != good || got.err != nil {
		t.Errorf("an answer that ends: %d %.80q %v", got.status, got.body, got.err)
	}
	if got := ask("60ms"); got.err == nil || errors.Is(got.err, context.DeadlineExceeded) {
		t.Errorf("an answer without an end: %d %.80q %v", got.status, got.body, got.err)
	}
}

// TestShutdown shows what a stop does to requests in flight.
func TestShutdown(t *testing.T) {
	noLeaks(t)
	tests := []struct {
		name, wait string
		ends       bool // the backend answers once the stop has begun
	}{
		{"no limit, and a request that ends", "0s", true},
		{"a limit, and a request that ends in time", "1h", true},
		{"a limit, and a request that does not end", "80ms", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stopping := make(chan struct{})
			p := newPeer(t, func(c *conn) {
				if c.request() && tt.ends {
					<-stopping
					io.WriteString(c, ok(good))
				}
			})
			g := start(t, fill(`{`+quiet+`"timeout":"1h","max_shutdown_wait_time":"`+tt.wait+`",`+one+`}`, p.url()))
			idle := call(t, g)
			idle.say("GET /none HTTP/1.1\r\nHost: a\r\n\r\n")
			if got := idle.hear(); got.status != 404 {
				t.Fatalf("%d %v", got.status, got.err)
			}
			answer := make(chan told, 1)
			go func() { answer <- fetch(t, "POST", g.url+"/x", "") }()
			if !p.wait(func() bool { return len(p.bodies) == 1 }) {
				t.Fatal("the backend is not called")
			}
			stopped := make(chan error, 1)
			go func() { stopped <- g.Stop() }()
			for end := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
				c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
				if err != nil {
					break
				}
				c.Close()
				if time.Now().After(end) {
					t.Fatal("there are new connections while it stops")
				}
			}
			close(stopping)
			got, err := <-answer, <-stopped
			if !idle.ended() {
				t.Error("an idle connection outlives the stop")
			}
			if tt.ends && (got.status != 200 || got.body != good || err != nil) {
				t.Errorf("%d %q %v, stopped with %v", got.status, got.body, got.err, err)
			}
			if !tt.ends && (got.err == nil || !errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("%d %q %v, stopped with %v, want an end and %v", got.status, got.body, got.err, err, context.DeadlineExceeded)
			}
			p.waitOpen(0)
		})
	}
}

// TestH2C speaks HTTP/2 without TLS, where it is switched on.
func TestH2C(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, says(ok(good)))
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for config, want := range map[string]int{
		`{` + quiet + one + `}`:                     0,
		`{` + quiet + `"use_h2c":true,` + one + `}`: 2,
		`{` + strings.Replace(quiet, `"router":{`, `"router":{"use_h2c":true,`, 1) + one + `}`: 2,
	} {
		g := start(t, fill(config, p.url()))
		res, err := client.Post(g.url+"/x", "text/plain", strings.NewReader("body"))
		if (err == nil) != (want == 2) {
			t.Errorf("%s: %v", config, err)
		}
		if err == nil {
			if text := readAll(res); res.ProtoMajor != want || res.StatusCode != 200 || text != good {
				t.Errorf("%s: HTTP/%d, %d %q", config, res.ProtoMajor, res.StatusCode, text)
			}
			res.Body.Close()
		}
		// HTTP/1 is spoken in any case.
		if got := fetch(t, "POST", g.url+"/x", "body"); got.status != 200 {
			t.Errorf("%s: HTTP/1: %d %v", config, got.status, got.err)
		}
		transport.CloseIdleConnections()
	}
}

// TestAddress shows where a gateway listens.
func TestAddress(t *testing.T) {
	noLeaks(t)
	_, port, err := net.SplitHostPort(testx.UnusedAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, fmt.Sprintf(`{%s"listen_ip":"127.0.0.1","port":%s}`, quiet, port))
	l, err := g.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := l.Addr().String(), fmt.Sprint("127.0.0.1:", port); got != want {
		t.Errorf("listens on %s, want %s", got, want)
	}
	if _, err := g.Listen(t.Context()); err == nil {
		t.Error("listens twice on one address")
	}
	l.Close()

	for _, keys := range []string{`"port":0,`, ``} {
		if port := start(t, `{`+quiet+keys+`"endpoints":[]}`).Service().Port; port != 8080 {
			t.Errorf("{%s}: port %d, want 8080", keys, port)
		}
	}

	g = start(t, fmt.Sprintf(`{%s"port":%s}`, quiet, port))
	if l, err = g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsUnspecified() {
		t.Errorf("without listen_ip it listens on %s, want all interfaces", ip)
	}
	l.Close()
}
