package reliability

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A caller is a client that speaks over a bare connection.
type caller struct {
	*net.TCPConn
	t testing.TB
	r *bufio.Reader
}

// call opens a connection to the gateway, which ends with the test.
func call(t testing.TB, g *running) *caller {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * soon))
	return &caller{c.(*net.TCPConn), t, bufio.NewReader(c)}
}

// say sends a text. That it does not arrive is no fault of the client's.
func (c *caller) say(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	io.WriteString(c, format)
}

// hear reads one answer.
func (c *caller) hear() told {
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return told{err: err}
	}
	text, err := io.ReadAll(res.Body)
	return told{res.StatusCode, res.Header, string(text), err}
}

// ended reports whether the gateway closes the connection without another word.
func (c *caller) ended() bool {
	n, err := io.Copy(io.Discard, c.r)
	timeout, ok := errors.AsType[net.Error](err)
	return n == 0 && !(ok && timeout.Timeout())
}

// endpoints are one that passes a body on as it comes and two that need all of
// it first.
const endpoints = `"endpoints":[
	{"endpoint":"/stream","method":"POST","output_encoding":"no-op","backend":[{"url_pattern":"/inside","host":["$1"]}]},
	{"endpoint":"/one","method":"POST","backend":[{"url_pattern":"/inside","host":["$1"]}]},
	{"endpoint":"/several","method":"POST","extra_config":{"proxy":{"allow_multiple_writes":true}},"backend":[{"url_pattern":"/inside","host":["$1"]},{"url_pattern":"/inside","host":["$1"]}]},
	{"endpoint":"/race","method":"POST","concurrent_calls":2,"backend":[{"url_pattern":"/inside","host":["$1"]}]}]`

var paths = []string{"/stream", "/one", "/several", "/race"}

// TestMalformed sends what is no request: it is refused, the connection ends,
// and no backend hears of it.
func TestMalformed(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, says(ok(good)))
	g := start(t, fill(`{`+quiet+endpoints+`}`, p.url()))
	const head = "POST /one HTTP/1.1\r\nHost: gateway.test\r\n"
	tests := []struct {
		name, text string
		status     []int // the ones that are right; none for an end without an answer
	}{
		{"nonsense", "hello\r\n\r\n", []int{400}},
		{"no version", "GET /one\r\n\r\n", []int{400}},
		{"an unknown version", "GET /one HTTP/9.9\r\nHost: a\r\n\r\n", []int{400, 505}},
		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", []int{400}},
		{"HTTP/2 that is not switched on", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 505}},
		{"no host", "GET /one HTTP/1.1\r\n\r\n", []int{400}},
		{"two hosts", "GET /one HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []int{400}},
		{"a host that is none", "GET /one HTTP/1.1\r\nHost: a b\r\n\r\n", []int{400}},
		{"a space in the target", "GET /on e HTTP/1.1\r\nHost: a\r\n\r\n", []int{400}},
		{"a target without a path", "GET one HTTP/1.1\r\nHost: a\r\n\r\n", []int{400}},
		{"a broken escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", []int{400}},
		{"a method that is no token", "G(T /one HTTP/1.1\r\nHost: a\r\n\r\n", []int{400}},
		{"a space before the colon", head + "X-One : 1\r\nContent-Length: 0\r\n\r\n", []int{400}},
		{"a field without a colon", head + "X-One\r\nContent-Length: 0\r\n\r\n", []int{400}},
		{"a name that is no token", head + "X(One): 1\r\nContent-Length: 0\r\n\r\n", []int{400}},
		{"a null byte in a value", head + "X-One: a\x00b\r\nContent-Length: 0\r\n\r\n", []int{400}},
		{"two lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", []int{400}},
		{"a length that is no number", head + "Content-Length: x\r\n\r\n", []int{400}},
		{"a negative length", head + "Content-Length: -1\r\n\r\n", []int{400}},
		{"a length with a sign", head + "Content-Length: +1\r\n\r\na", []int{400}},
		{"an unknown transfer encoding", head + "Transfer-Encoding: gzip\r\n\r\n", []int{400, 501}},
		{"chunked twice", head + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", []int{400, 501}},
		{"chunked that is hidden", head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", []int{400, 501}},
		{"a chunk size that is no number", head + "Transfer-Encoding: chunked\r\n\r\nx\r\na\r\n0\r\n\r\n", []int{400}},
		{"a chunk size with a sign", head + "Transfer-Encoding: chunked\r\n\r\n-1\r\na\r\n0\r\n\r\n", []int{400}},
		{"a chunk that is longer than its size", head + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", []int{400}},
		{"a chunk size beyond all measure", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na\r\n0\r\n\r\n", []int{400}},
		{"an asterisk", "POST * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", []int{400}},
		{"a tunnel", "CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\nConnection: close\r\n\r\n", []int{400}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := call(t, g)
			c.say("%s", tt.text)
			got := c.hear()
			right := false
			for _, status := range tt.status {
				right = right || got.status == status
			}
			if !right {
				t.Errorf("%d %q %v, want %v", got.status, got.body, got.err, tt.status)
			}
			got.keepsSecrets(t, p.address)
			if !c.ended() {
				t.Error("the connection goes on")
			}
			if _, bodies := p.seen(); len(bodies) > 0 {
				t.Errorf("a backend got %q", bodies)
			}
		})
	}
}

// TestSmuggling sends a request whose end is a matter of opinion. The gateway
// has one opinion, and the backend hears one request or none.
func TestSmuggling(t *testing.T) {
	noLeaks(t)
	for _, path := range paths[:2] {
		p := newPeer(t, says(ok(good)))
		g := start(t, fill(`{`+quiet+endpoints+`}`, p.url()))
		c := call(t, g)
		c.say("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"+
			"0\r\n\r\nPOST /inside/evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", path)
		first := c.hear()
		second := c.hear()
		requests, bodies := p.seen()
		if first.status != 200 && first.status != 400 || second.status != 0 && second.status != 404 {
			t.Errorf("%s: answers %d and %d", path, first.status, second.status)
		}
		if requests > 1 || len(bodies) > 1 || len(bodies) == 1 && bodies[0] != "" {
			t.Errorf("%s: the backend got %d requests with %q", path, requests, bodies)
		}
	}
}

// TestLargeHeader sends a header beyond the limit.
func TestLargeHeader(t *testing.T) {
	noLeaks(t)
	for _, d := range dialects {
		p := newPeer(t, says(ok(good)))
		g := start(t, fill(`{`+d.key+d.quiet()+`"max_header_bytes":8192,`+endpoints+`}`, p.url()))
		for name, text := range map[string]string{
			"one field":   "X-Large: " + strings.Repeat("x", 64<<10) + "\r\n",
			"many fields": strings.Repeat("X-Small: 1\r\n", 8<<10),
			"the target":  "",
		} {
			c := call(t, g)
			target := "/one"
			if text == "" {
				target = "/" + strings.Repeat("x", 64<<10)
			}
			c.say("POST %s HTTP/1.1\r\nHost: a\r\n%sContent-Length: 0\r\n\r\n", target, text)
			got := c.hear()
			if got.status != 431 && !(text == "" && got.status == 414) {
				t.Errorf("%s, %s: %d %v, want 431", d.name, name, got.status, got.err)
			}
			got.keepsSecrets(t, p.address)
			if !c.ended() {
				t.Errorf("%s, %s: the connection goes on", d.name, name)
			}
		}
		c := call(t, g)
		c.say("POST /one HTTP/1.1\r\nHost: a\r\nX-Medium: %s\r\nContent-Length: 0\r\n\r\n", strings.Repeat("x", 7000))
		if got := c.hear(); got.status != 200 {
			t.Errorf("%s: a header within the limit: %d %v", d.name, got.status, got.err)
		}
		if requests, _ := p.seen(); requests != 1 {
			t.Errorf("%s: the backend got %d requests, want one", d.name, requests)
		}
	}
}

// TestLargeBody sends bodies around the limit, of known and of unknown length.
func TestLargeBody(t *testing.T) {
	noLeaks(t)
	fits, tooLong := strings.Repeat("x", 1000), strings.Repeat("x", 1001)
	known := func(text string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(text), text) }
	inChunks := func(text string) string {
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 500, text[:500], len(text)-500, text[500:])
	}
	for _, d := range dialects {
		for _, path := range paths {
			t.Run(d.name+path, func(t *testing.T) {
				p := newPeer(t, says(ok(good)))
				g := start(t, fill(`{`+d.key+d.quiet()+`"max_body_bytes":1000,`+endpoints+`}`, p.url()))
				for name, text := range map[string]string{"announced": known(fits), "chunked": inChunks(fits)} {
					c := call(t, g)
					c.say("POST %s HTTP/1.1\r\nHost: a\r\n%s", path, text)
					if got := c.hear(); got.status != 200 {
						t.Errorf("%s, as long as it may be: %d %q %v", name, got.status, got.body, got.err)
					}
				}
				p = newPeer(t, says(ok(good)))
				g = start(t, fill(`{`+d.key+d.quiet()+`"max_body_bytes":1000,`+endpoints+`}`, p.url()))
				for name, text := range map[string]string{
					"announced": known(tooLong), "chunked": inChunks(tooLong),
					"announced and never sent": "Content-Length: 1001\r\n\r\n",
					"beyond all measure":       "Content-Length: 9223372036854775807\r\n\r\n",
				} {
					c := call(t, g)
					c.say("POST %s HTTP/1.1\r\nHost: a\r\n%s", path, text)
					got := c.hear()
					if got.status != 413 || d.problem && !strings.Contains(got.body, `"code":"request_too_large"`) || !d.problem && got.body != "" {
						t.Errorf("%s, too long: %d %q %v, want 413", name, got.status, got.body, got.err)
					}
					got.keepsSecrets(t, p.address)
				}
				calls, whole := p.seen()
				if len(whole) > 0 {
					t.Errorf("a backend got a body of %d bytes for a whole one", len(whole[0]))
				}
				if path != "/stream" && path != "/one" && calls > 0 {
					t.Errorf("backends were called %d times with a body that is too long", calls)
				}
			})
		}
	}
}

// TestBrokenOff ends a body in the middle: no backend takes it for a whole one,
// and no connection to a backend stays.
func TestBrokenOff(t *testing.T) {
	noLeaks(t)
	bodies := map[string]string{
		"announced": "Content-Length: 100\r\n\r\nhalf",
		"chunked":   "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
		"between":   "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"broken":    "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nx\r\n",
	}
	for _, d := range dialects {
		for _, path := range paths {
			for name, text := range bodies {
				t.Run(d.name+path+"/"+name, func(t *testing.T) {
					p := newPeer(t, says(ok(good)))
					g := start(t, fill(`{`+d.key+d.quiet()+endpoints+`}`, p.url()))
					c := call(t, g)
					c.say("POST %s HTTP/1.1\r\nHost: a\r\n%s", path, text)
					c.CloseWrite() // the client still listens
					got := c.hear()
					// A client that is gone may be told or not.
					if got.err == nil && (got.status != 400 || got.header.Get(d.completed) != "false") {
						t.Errorf("%d %q %v, want 400 or nothing", got.status, got.body, got.err)
					}
					got.keepsSecrets(t, p.address)
					p.waitOpen(0)
					if _, whole := p.seen(); len(whole) > 0 {
						t.Errorf("a backend got %q for a whole body", whole)
					}
				})
			}
		}
	}
}

// TestSlowClients shows what becomes of clients that take their time.
func TestSlowClients(t *testing.T) {
	noLeaks(t)
	const head = "POST %s HTTP/1.1\r\nHost: a\r\n"
	t.Run("in the header", func(t *testing.T) {
		p := newPeer(t, says(ok(good)))
		g := start(t, fill(`{`+quiet+`"read_header_timeout":"50ms",`+endpoints+`}`, p.url()))
		for _, text := range []string{"", "P", "POST /one HTTP/1.1\r\n", "POST /one HTTP/1.1\r\nHost: a\r\nX-One"} {
			c := call(t, g)
			c.say("%s", text)
			// A line that is cut off may be called malformed.
			if got := c.hear(); got.err == nil && got.status != 400 && got.status != 408 {
				t.Errorf("after %q: %d %q", text, got.status, got.body)
			}
			if !c.ended() {
				t.Errorf("after %q the connection goes on", text)
			}
		}
		if n, _ := p.seen(); n > 0 {
			t.Errorf("a backend was called %d times", n)
		}
	})
	t.Run("in the header, by the byte", func(t *testing.T) {
		g := start(t, `{`+quiet+`"read_header_timeout":"100ms"}`)
		c := call(t, g)
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
					c.say("x")
				}
			}
		}()
		_, err := io.Copy(io.Discard, c.r)
		close(stop)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			t.Error("a client that sends a byte now and then is never given up")
		}
	})
	for _, path := range paths {
		t.Run("in the body of "+path, func(t *testing.T) {
			p := newPeer(t, says(ok(good)))
			g := start(t, fill(`{`+quiet+`"timeout":"20s","read_timeout":"80ms",`+endpoints+`}`, p.url()))
			for _, text := range []string{"Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"} {
				c := call(t, g)
				c.say(head+"%s", path, text)
				got := c.hear()
				if got.status != 408 && got.err == nil {
					t.Errorf("%q: %d %q, want 408 or an end", text, got.status, got.body)
				}
				if !c.ended() {
					t.Errorf("%q: the connection goes on", text)
				}
			}
			p.waitOpen(0)
			if _, whole := p.seen(); len(whole) > 0 {
				t.Errorf("a backend got %q for a whole body", whole)
			}
		})
	}
	t.Run("in the body, and the endpoint gives up first", func(t *testing.T) {
		p := newPeer(t, says(ok(good)))
		g := start(t, fill(`{`+quiet+`"timeout":"80ms",`+endpoints+`}`, p.url()))
		for _, path := range paths {
			c := call(t, g)
			c.say(head+"Content-Length: 10\r\n\r\nhalf", path)
			got := c.hear()
			if got.status < 400 {
				t.Errorf("%s: %d %q %v, want a failure", path, got.status, got.body, got.err)
			}
			c.Close()
		}
		p.waitOpen(0)
		if _, whole := p.seen(); len(whole) > 0 {
			t.Errorf("a backend got %q for a whole body", whole)
		}
	})
	t.Run("between requests", func(t *testing.T) {
		p := newPeer(t, says(ok(good)))
		g := start(t, fill(`{`+quiet+`"idle_timeout":"60ms",`+endpoints+`}`, p.url()))
		c := call(t, g)
		for range 2 {
			c.say(head+"Content-Length: 0\r\n\r\n", "/one")
			if got := c.hear(); got.status != 200 {
				t.Fatalf("%d %q %v", got.status, got.body, got.err)
			}
		}
		if !c.ended() {
			t.Error("an idle connection goes on")
		}
	})
	t.Run("in reading", func(t *testing.T) {
		p := newPeer(t, endless)
		g := start(t, fill(`{`+quiet+`"timeout":"1h","write_timeout":"100ms",`+endpoints+`}`, p.url()))
		c := call(t, g)
		c.say(head+"Content-Length: 0\r\n\r\n", "/stream")
		p.waitOpen(1)
		p.waitOpen(0) // although the client never reads, and the backend never ends
	})
	t.Run("in reading, and the endpoint gives up first", func(t *testing.T) {
		p := newPeer(t, endless)
		g := start(t, fill(`{`+quiet+`"timeout":"150ms","write_timeout":"300ms",`+endpoints+`}`, p.url()))
		c := call(t, g)
		c.say(head+"Content-Length: 0\r\n\r\n", "/stream")
		if !p.wait(func() bool { return p.accepted == 1 && len(p.open) == 0 }) {
			t.Error("the connection to the backend stays")
		}
	})
}

// endless answers with a body without an end.
func endless(c *conn) {
	c.request()
	io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	chunk := strings.Repeat("x", 64<<10)
	for {
		if _, err := io.WriteString(c, chunk); err != nil {
			return
		}
	}
}

// TestClientGone shows that the calls for a client end with the client, however
// it goes and whatever the calls are doing.
func TestClientGone(t *testing.T) {
	noLeaks(t)
	leave := map[string]func(*caller){
		"closes": func(c *caller) { c.Close() },
		"resets": func(c *caller) { c.SetLinger(0); c.Close() },
	}
	serve := map[string]func(*conn){
		"hangs before the header": hangs(""),
		"hangs in the body":       hangs(goodHead + `{"a"`),
		"never ends":              endless,
	}
	for how, f := range leave {
		for what, s := range serve {
			for _, path := range paths {
				t.Run(how+"/"+what+path, func(t *testing.T) {
					p := newPeer(t, s)
					g := start(t, fill(`{`+quiet+`"timeout":"1h",`+endpoints+`}`, p.url()))
					c := call(t, g)
					c.say("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", path)
					calls := 1
					if path == "/several" || path == "/race" {
						calls = 2
					}
					if !p.wait(func() bool { return len(p.bodies) == calls }) {
						t.Fatalf("%d calls, want %d", len(p.bodies), calls)
					}
					f(c)
					p.waitOpen(0)
				})
			}
		}
	}
}

// TestHalfClosed shows that a client that has sent everything and closed its
// half still gets its answer, or an end, but no answer of another kind.
func TestHalfClosed(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, says(ok(good)))
	g := start(t, fill(`{`+quiet+endpoints+`}`, p.url()))
	for _, path := range paths {
		c := call(t, g)
		c.say("POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", path)
		c.CloseWrite()
		got := c.hear()
		gone := errors.Is(got.err, io.EOF) || errors.Is(got.err, io.ErrUnexpectedEOF) || errors.Is(got.err, syscall.ECONNRESET)
		if got.status != 200 && !gone {
			t.Errorf("%s: %d %q %v, want the answer", path, got.status, got.body, got.err)
		}
	}
}

// TestPipelined shows that requests sent at once are answered one by one.
func TestPipelined(t *testing.T) {
	noLeaks(t)
	p := newPeer(t, says(ok(good)))
	g := start(t, fill(`{`+quiet+endpoints+`}`, p.url()))
	c := call(t, g)
	const n = 20
	c.say("%s", strings.Repeat("POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", n))
	for i := range n {
		if got := c.hear(); got.status != 200 || got.body != good {
			t.Fatalf("answer %d: %d %q %v", i, got.status, got.body, got.err)
		}
	}
	if _, bodies := p.seen(); len(bodies) != n {
		t.Errorf("the backend got %d bodies, want %d", len(bodies), n)
	}
}
