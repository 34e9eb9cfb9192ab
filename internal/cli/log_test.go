package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// quiet is a configuration whose endpoint needs no backend that works.
const quiet = `{"version": 3, "listen_ip": "127.0.0.1", "endpoints": [
  {"endpoint": "/x", "backend": [{"url_pattern": "/", "host": ["http://127.0.0.1:1"]}]}]}`

// pipe returns both ends of a pipe. The writing end is closed in this process by
// whoever hands it on.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// TestUnreadOutput serves on when nobody reads standard output, tells how many
// lines were lost when somebody does again, and says on standard error when nobody
// ever will.
func TestUnreadOutput(t *testing.T) {
	for _, options := range []struct{ name, extra, lost string }{
		{"default", "", `WARNING lines of this log were lost, nobody read them in time lines=(\d+)$`},
		{"json", `"extra_config": {"telemetry/logging": {"level": "INFO", "stdout": false, "syslog": true, "access_log_format": "json"}}, `,
			`^\{"time":"[^"]+","level":"WARNING","message":"lines of this log were lost, nobody read them in time","lines":(\d+)\}$`},
		{"logstash", `"extra_config": {"telemetry/logging": {"level": "INFO", "stdout": true, "format": "logstash", "access_log_format": "json"}}, `,
			`^\{"@timestamp":"[^"]+","@version":1,"level":"WARNING","message":"lines of this log were lost, nobody read them in time","module":"SLUICE","fields":\{"lines":(\d+)\}\}$`},
	} {
		t.Run(options.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			r, w := pipe(t)
			text := strings.Replace(quiet, `"endpoints"`, options.extra+`"endpoints"`, 1)
			p := &process{address: testx.UnusedAddress(t)}
			p.cmd = exec.Command(program, "run", "-c", write(t, "gateway.json", text), "-p", p.address[strings.LastIndex(p.address, ":")+1:])
			p.cmd.Stdout, p.cmd.Stderr = w, p
			p.serve(t)
			w.Close()
			client := http.Client{Timeout: limit, Transport: &http.Transport{MaxConnsPerHost: 1}}
			defer client.CloseIdleConnections()
			ask := func() {
				t.Helper()
				res, err := client.Get("http://" + p.address + "/nothing/" + strings.Repeat("long", 1000))
				if err != nil {
					t.Fatalf("a request waits for the log: %v\n%s", errors.Unwrap(err), p.log())
				}
				res.Body.Close()
			}
			const requests = 1000 // of 4 kB each: the pipe and the buffer hold half of them
			for range requests {
				ask()
			}

			// Whoever begins to read finds every line, or learns how many are missing.
			lines := bufio.NewReader(r)
			lost := regexp.MustCompile(options.lost)
			arrived, missing := 0, 0
			for arrived+missing < requests {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatal(err)
				}
				if line = strings.TrimSuffix(line, "\n"); strings.Contains(line, "/nothing/") {
					arrived++
				} else if m := lost.FindStringSubmatch(line); m != nil {
					n, err := strconv.Atoi(m[1])
					if err != nil {
						t.Fatal(err)
					}
					missing += n
				}
			}
			if arrived+missing != requests || arrived < 100 || missing < 100 {
				t.Errorf("%d lines arrived and %d were said to be lost, of %d", arrived, missing, requests)
			}

			// Nobody will ever read the rest.
			r.Close()
			const gone = "ERROR standard output cannot be written, its lines are lost"
			eventually(t, gone, func() bool { ask(); return strings.Contains(p.log(), gone) })
			for range 10 {
				ask()
			}
			p.signal(t, syscall.SIGTERM)
			if code := p.wait(t); code != 0 {
				t.Errorf("exit code %d:\n%s", code, p.log())
			}
			if n := strings.Count(p.log(), gone); n != 1 {
				t.Errorf("the end of the log is told %d times, want once:\n%s", n, p.log())
			}
		})
	}
}

// TestSecretsInLogs hides what references stand for in every line about calls and
// their failures, and tells where calls went.
func TestSecretsInLogs(t *testing.T) {
	t.Chdir(t.TempDir())
	backend := httptest.NewServer(http.NotFoundHandler())
	defer backend.Close()
	t.Setenv("PART", "hunter")
	t.Setenv("KEY", "s3cr3t/+ k")
	t.Setenv("HOST_OF", backend.URL)
	for _, options := range []string{
		`"level": "DEBUG", "stdout": true, "backend": {"custom_format": "call %{host} %{path} %{query} %{uri} %{error}"}`,
		`"level": "DEBUG", "stdout": true, "backend": {"log_with_level": "INFO", "custom_format": "call %{host} %{path} %{query} %{uri} %{error}"}`,
		`"level": "DEBUG", "stdout": true, "format": "logstash", "access_log_format": "json", "backend": {"custom_format": "call %{host} %{path} %{query} %{uri} %{error}"}`,
	} {
		p := &process{address: testx.UnusedAddress(t)}
		p.cmd = exec.Command(program, "run", "-p", p.address[strings.LastIndex(p.address, ":")+1:], "-c", write(t, "gateway.json", `{"version": 3, "timeout": "1m", "listen_ip": "127.0.0.1",
  "extra_config": {"telemetry/logging": {`+options+`}},
  "endpoints": [
    {"endpoint": "/x", "backend": [{"url_pattern": "/${env:PART}/hunters?key=${env:KEY}", "host": ["${env:HOST_OF}"]}]},
    {"endpoint": "/y", "backend": [{"url_pattern": "/${env:PART}?key=${env:KEY}", "host": ["http://127.0.0.1:1"]}]}]}`))
		p.cmd.Stdout, p.cmd.Stderr = p, p
		p.serve(t)
		for _, path := range []string{"/x", "/y"} {
			if status, _ := p.get(t, path); status != 500 {
				t.Errorf("%s: status %d, want 500", path, status)
			}
		}
		eventually(t, "both requests", func() bool {
			return strings.Count(p.log(), "GET /y")+strings.Count(p.log(), `"path":"/y"`) > 0 && strings.Count(p.log(), "call ") >= 2
		})
		p.signal(t, syscall.SIGTERM)
		p.wait(t)
		log := p.log()
		for _, secret := range []string{"hunter/", "hunter?", "hunter ", "s3cr3t"} {
			if strings.Contains(log, secret) {
				t.Errorf("with %s the log tells %q:\n%s", options, secret, log)
			}
		}
		for _, want := range []string{strings.TrimPrefix(backend.URL, "http://") + " /***/hunters key=*** /***/hunters?key=***", "call 127.0.0.1:1 /*** key=***"} {
			if !strings.Contains(log, want) {
				t.Errorf("with %s the log does not tell %q:\n%s", options, want, log)
			}
		}
	}
}

// TestAccessLines tells what each client saw: the status that was sent to it, or why
// none was, by the ID that its answer carries.
func TestAccessLines(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Chdir(t.TempDir())
			called := make(chan struct{}, 10)
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/good":
					io.WriteString(w, `{"a":1}`)
				case "/breaks":
					w.Header().Set("Content-Length", "10")
					io.WriteString(w, "half")
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				case "/streams":
					io.WriteString(w, "begun")
					w.(http.Flusher).Flush()
					called <- struct{}{}
					<-r.Context().Done()
				default:
					called <- struct{}{}
					<-r.Context().Done()
				}
			}))
			defer backend.Close()
			p := serveFile(t, write(t, "gateway.json", fmt.Sprintf(`{"version": 3, "dialect": "sluice", "engine": %q, "listen_ip": "127.0.0.1",
  "timeout": "1m", "max_shutdown_wait_time": "50ms", "host": [%q],
  "extra_config": {"telemetry/logging": {"level": "INFO", "stdout": true, "access_log_format": "custom", "access_log_custom_format": "LINE %%{requestID} %%{method} %%{path} %%{statusCode} %%{bytes} %%{error}"}},
  "endpoints": [
    {"endpoint": "/good", "backend": [{"url_pattern": "/good"}]},
    {"endpoint": "/dead/{id}", "backend": [{"url_pattern": "/x", "host": ["http://127.0.0.1:1"]}]},
    {"endpoint": "/breaks", "output_encoding": "no-op", "backend": [{"url_pattern": "/breaks"}]},
    {"endpoint": "/streams", "output_encoding": "no-op", "backend": [{"url_pattern": "/streams"}]},
    {"endpoint": "/hangs", "backend": [{"url_pattern": "/hangs"}]}]}`, engine, backend.URL)))
			trace := func(n int) string { return fmt.Sprintf("%032x", n) }
			request := func(n int, method, path string) *http.Request {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.address+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Traceparent", "00-"+trace(n)+"-b7ad6b7169203331-01")
				return r
			}
			line := func(n int, want string) {
				t.Helper()
				expression := regexp.MustCompile(`(?m)^LINE ` + trace(n) + " " + want + "$")
				begin := "LINE " + trace(n)
				eventually(t, begin, func() bool { return strings.Contains(p.log(), begin) && strings.HasSuffix(p.log(), "\n") })
				if !expression.MatchString(p.log()) {
					t.Errorf("no line %s:\n%s", expression, p.log())
				}
			}

			for n, tt := range []struct {
				method, path string
				status       int
				line         string // behind method and path
			}{
				{"GET", "/good?secret=1", 200, "200 7 -"},
				{"GET", "/dead/a%20b", 502, `502 \d+ call .*backend_unreachable: .*connection refused`},
				{"DELETE", "/good", 405, `405 \d+ .*method_not_allowed: .*`},
				{"GET", "/nothing", 404, `404 \d+ .*not_found: .*`},
			} {
				res, err := http.DefaultClient.Do(request(n+1, tt.method, tt.path))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != tt.status || res.Header.Get("X-Request-Id") != trace(n+1) {
					t.Errorf("%s: %d with the ID %q (%v)", tt.path, res.StatusCode, res.Header.Get("X-Request-Id"), err)
				}
				if tt.status != 200 && !strings.Contains(string(body), `"request_id":"`+trace(n+1)+`"`) {
					t.Errorf("%s: the problem has another ID than its line: %s", tt.path, body)
				}
				path, _, _ := strings.Cut(tt.path, "?")
				line(n+1, tt.method+" "+path+" "+tt.line)
			}

			// What broke off shows the status that was sent, and that it did.
			res, err := http.DefaultClient.Do(request(11, "GET", "/breaks"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Error("the answer did not break off")
			}
			line(11, "GET /breaks 200 4 broken off: .*backend_aborted: .*")

			// A client that leaves before its answer, and one that leaves amidst it.
			for n, path := range map[int]string{21: "/hangs", 22: "/streams"} {
				ctx, leave := context.WithCancel(t.Context())
				outcome := make(chan error, 1)
				go func() {
					res, err := http.DefaultClient.Do(request(n, "GET", path).WithContext(ctx))
					if err == nil {
						_, err = io.ReadAll(res.Body)
						res.Body.Close()
					}
					outcome <- err
				}()
				<-called
				leave()
				if err := <-outcome; err == nil {
					t.Errorf("%s: a whole answer", path)
				}
				line(n, `GET `+path+` 499 (0 .*|5 broken off: .*|0 broken off: .*)client_gone.*`)
			}

			// The gateway stops, and does not wait any longer.
			outcome := make(chan error, 1)
			go func() {
				_, err := http.DefaultClient.Do(request(31, "GET", "/hangs"))
				outcome <- err
			}()
			<-called
			p.signal(t, syscall.SIGTERM)
			if err := <-outcome; err == nil {
				t.Error("an answer although the gateway was stopped")
			}
			p.wait(t)
			line(31, `GET /hangs 499 0 .*shutdown.*`)
		})
	}
}

// TestCutRequests tells of requests that their client cut, and of those that the
// gateway cut because it stops, who it was: in the access line, as text and as JSON,
// and at DEBUG. None has a status that was not sent.
func TestCutRequests(t *testing.T) {
	for _, tt := range []struct {
		engine string
		proto  int
	}{{"fast", 1}, {"fast", 2}, {"nethttp", 1}, {"nethttp", 2}} {
		t.Run(fmt.Sprintf("%s/%d", tt.engine, tt.proto), func(t *testing.T) {
			t.Chdir(t.TempDir())
			c := newCutter(t, tt.engine, tt.proto)
			for _, r := range cutRequests {
				ctx, leave := context.WithCancel(t.Context())
				done := c.begin(t, ctx, r, "client")
				leave()
				if err := <-done; err != nil {
					t.Error(err)
				}
				c.told(t, r, "client", "client_gone", "shutdown")
			}
			ctx, release := context.WithCancel(t.Context())
			defer release()
			var all []<-chan error
			for _, r := range cutRequests {
				all = append(all, c.begin(t, ctx, r, "gateway"))
			}
			c.gateway.signal(t, syscall.SIGTERM)
			c.gateway.wait(t)
			release() // the bodies, which the client would wait for
			for i, r := range cutRequests {
				if err := <-all[i]; err != nil {
					t.Errorf("%s: %v", r.name, err)
				}
				c.told(t, r, "gateway", "shutdown", "client_gone")
			}
		})
	}
}

// A cutRequest is a request that is cut before its answer is whole.
type cutRequest struct {
	name, method, path string
	size               int64 // of a body of which a part is sent; -1 for chunks
	held               bool  // the body is read before anybody is called
}

var cutRequests = []cutRequest{
	{"hangs", "GET", "/hangs", 0, false},
	{"merge", "GET", "/merge", 0, false},
	{"sequence", "GET", "/sequence", 0, false},
	{"static", "GET", "/static", 0, false},
	{"streams", "GET", "/streams", 0, false},
	{"sized", "POST", "/upload", 10, false},
	{"chunked", "POST", "/upload", -1, false},
	{"decoded", "POST", "/decoded", 10, false},
	{"decoded-chunked", "POST", "/decoded", -1, false},
	{"held", "POST", "/held", 10, true},
	{"held-chunked", "POST", "/held", -1, true},
}

// A cutter is a gateway with requests that are cut.
type cutter struct {
	gateway *process
	client  http.Client
	called  chan struct{} // by each call of the backend that hangs
}

// newCutter starts a gateway in front of a backend that hangs.
func newCutter(t *testing.T, engine string, proto int) *cutter {
	t.Helper()
	c := &cutter{called: make(chan struct{}, 100)}
	backend := httptest.NewServer(http.HandlerFunc(c.hang))
	t.Cleanup(backend.Close)
	c.gateway = serveFile(t, write(t, "gateway.json", fmt.Sprintf(`{"version": 3, "dialect": "sluice", "engine": %q, "listen_ip": "127.0.0.1", "use_h2c": true,
  "timeout": "1m", "max_shutdown_wait_time": "50ms", "host": [%q],
  "extra_config": {"telemetry/logging": {"level": "DEBUG", "stdout": true, "access_log_format": "json"}},
  "endpoints": [
    {"endpoint": "/hangs", "backend": [{"url_pattern": "/hangs"}]},
    {"endpoint": "/merge", "backend": [{"url_pattern": "/hangs"}, {"url_pattern": "/good"}]},
    {"endpoint": "/sequence", "backend": [{"url_pattern": "/good"}, {"url_pattern": "/hangs"}], "extra_config": {"proxy": {"sequential": true}}},
    {"endpoint": "/static", "backend": [{"url_pattern": "/hangs"}], "extra_config": {"proxy": {"static": {"strategy": "errored", "data": {"b": 2}}}}},
    {"endpoint": "/streams", "output_encoding": "no-op", "backend": [{"url_pattern": "/streams"}]},
    {"endpoint": "/upload", "method": "POST", "output_encoding": "no-op", "backend": [{"url_pattern": "/reads", "method": "POST"}]},
    {"endpoint": "/decoded", "method": "POST", "backend": [{"url_pattern": "/reads", "method": "POST"}]},
    {"endpoint": "/held", "method": "POST", "backend": [{"url_pattern": "/reads", "method": "GET"}, {"url_pattern": "/reads", "method": "POST"}], "extra_config": {"proxy": {"sequential": true}}}]}`, engine, backend.URL)))
	transport := &http.Transport{Protocols: new(http.Protocols), ExpectContinueTimeout: limit}
	transport.Protocols.SetHTTP1(proto == 1)
	transport.Protocols.SetUnencryptedHTTP2(proto == 2)
	c.client.Transport = transport
	t.Cleanup(c.client.CloseIdleConnections)
	return c
}

// hang is the backend, which answers one path only.
func (c *cutter) hang(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/good":
		io.WriteString(w, `{"a":1}`)
		return
	case "/streams":
		io.WriteString(w, "begun")
		w.(http.Flusher).Flush()
	case "/reads":
		c.called <- struct{}{}
		io.Copy(io.Discard, r.Body) // until it breaks off
		return
	}
	c.called <- struct{}{}
	<-r.Context().Done()
}

// begin sends a request, which somebody is to cut, and waits until it is on its way. The
// result has an error if the answer was whole.
func (c *cutter) begin(t *testing.T, ctx context.Context, r cutRequest, by string) <-chan error {
	t.Helper()
	var body io.Reader
	reading := make(chan struct{})
	if r.size != 0 {
		out, in := io.Pipe()
		context.AfterFunc(ctx, func() { in.CloseWithError(ctx.Err()) })
		go func() {
			io.WriteString(in, "part")
			close(reading)
		}()
		body = out
	}
	q, err := http.NewRequestWithContext(ctx, r.method, "http://"+c.gateway.address+r.path, body)
	if err != nil {
		t.Fatal(err)
	}
	q.ContentLength = r.size
	if r.held {
		q.Header.Set("Expect", "100-continue") // nothing of the body is asked of us before the gateway reads it
	}
	q.Header.Set("User-Agent", fmt.Sprintf("%s by %s", r.name, by))
	done := make(chan error, 1)
	go func() { done <- c.wholeAnswer(q) }()
	if r.held {
		<-reading
	} else {
		<-c.called
	}
	return done
}

// wholeAnswer returns an error if the answer to a request is whole.
func (c *cutter) wholeAnswer(q *http.Request) error {
	res, err := c.client.Do(q)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	if _, err := io.ReadAll(res.Body); err != nil {
		return nil
	}
	return fmt.Errorf("a whole answer: %s", res.Status)
}

// told looks for the lines about a request: one with its status and the code of who has
// cut it, and one at DEBUG.
func (c *cutter) told(t *testing.T, r cutRequest, by, code, never string) {
	t.Helper()
	agent := fmt.Sprintf(`"user_agent":"%s by %s"`, r.name, by)
	var line string
	eventually(t, agent, func() bool {
		for l := range strings.Lines(c.gateway.log()) {
			if strings.Contains(l, agent) && strings.HasSuffix(l, "\n") {
				line = l
			}
		}
		return line != ""
	})
	_, id, _ := strings.Cut(line, `"request_id":"`)
	id, _, _ = strings.Cut(id, `"`)
	var debug string
	for l := range strings.Lines(c.gateway.log()) {
		if strings.Contains(l, "request failed") && strings.Contains(l, id) {
			debug = l
		}
	}
	if !strings.Contains(line, `"status":499,`) || !strings.Contains(line, code) || strings.Contains(line, never) || strings.Contains(line, "bad_request") {
		t.Errorf("%s, cut by %s: no line with 499 and %s:\n%s", r.name, by, code, line)
	}
	if !strings.Contains(debug, "status=499") || !strings.Contains(debug, code) || strings.Contains(debug, never) || strings.Contains(debug, "bad_request") {
		t.Errorf("%s, cut by %s: no line at DEBUG with 499 and %s: %q", r.name, by, code, debug)
	}
}

// TestCausesNameHosts tells which of several hosts gave a bad answer, where it is
// configured, and which limit was too small.
func TestCausesNameHosts(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			t.Chdir(t.TempDir())
			backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/html":
					w.Header().Set("Content-Type", "text/html")
					io.WriteString(w, "<html>secret</html>")
				case "/drop":
					panic(http.ErrAbortHandler)
				case "/half":
					w.Header().Set("Content-Length", "10")
					io.WriteString(w, "half")
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				default:
					io.WriteString(w, `{"a":"0123456789"}`)
				}
			}))
			defer backend.Close()
			p := serveFile(t, write(t, "gateway.json", fmt.Sprintf(`{"version": 3, "dialect": "sluice", "engine": %q, "listen_ip": "127.0.0.1",
  "timeout": "1m", "host": [%q],
  "endpoints": [
    {"endpoint": "/html", "backend": [{"url_pattern": "/html"}]},
    {"endpoint": "/drop", "backend": [{"url_pattern": "/drop"}]},
    {"endpoint": "/merge", "backend": [{"url_pattern": "/html"}, {"url_pattern": "/good"}]},
    {"endpoint": "/half", "output_encoding": "no-op", "backend": [{"url_pattern": "/half"}]},
    {"endpoint": "/large", "backend": [{"url_pattern": "/good", "max_response_bytes": 10}]},
    {"endpoint": "/posted", "method": "POST", "max_body_bytes": 3, "backend": [{"url_pattern": "/good"}]}]}`, engine, backend.URL)))
			host := strings.TrimPrefix(backend.URL, "http://")
			for _, tt := range []struct{ path, cause string }{
				{"/html", "|502| .* shape \\(gateway.json:4:\\d+\\), host " + host + `: backend_invalid: status 200, Content-Type \\?"text/html\\?": json offset 0`},
				{"/merge", "|200| .* shape \\(gateway.json:6:\\d+\\), host " + host + ": backend_invalid: "},
				{"/drop", "|502| .* call \\(gateway.json:5:\\d+\\), host " + host + ": backend_aborted: "},
				{"/half", "|200| .* broken off: backend_aborted: host " + host + ": "},
				{"/large", "|502| .*, host " + host + ": backend_too_large: .*max_response_bytes is 10"},
				{"/posted", "|413| .*request_too_large: it is larger than max_body_bytes, which is 3"},
			} {
				method := "GET"
				if tt.path == "/posted" {
					method = "POST"
				}
				r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.address+tt.path, strings.NewReader("long"))
				if err != nil {
					t.Fatal(err)
				}
				if method == "GET" {
					r.Body, r.ContentLength = nil, 0
				}
				res, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, res.Body) // may break off
				res.Body.Close()
				line := regexp.MustCompile(`(?m)^.* ` + method + " " + tt.path + ` \|.*$`)
				eventually(t, tt.path, func() bool { return line.MatchString(p.log()) })
				if got := line.FindString(p.log()); !regexp.MustCompile(strings.ReplaceAll(tt.cause, "|", `\|`)).MatchString(got) || strings.Contains(got, "secret") {
					t.Errorf("%s: line %s\nwant %s", tt.path, got, tt.cause)
				}
			}
		})
	}
}

// TestLibrariesAreQuiet keeps what libraries say by themselves out of standard error,
// and what backends send out of every log.
func TestLibrariesAreQuiet(t *testing.T) {
	for _, level := range []string{"INFO", "DEBUG"} {
		t.Run(level, func(t *testing.T) {
			t.Chdir(t.TempDir())
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan struct{})
			go func() {
				defer close(served)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					// The answer, and later one that nobody has asked for.
					if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
						const answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}"
						io.WriteString(conn, answer)
						io.WriteString(conn, strings.Replace(answer, "a", "s3cr3t", 1))
						io.Copy(io.Discard, conn)
					}
					conn.Close()
				}
			}()
			defer func() { l.Close(); <-served }()
			p := serveFile(t, write(t, "gateway.json", fmt.Sprintf(`{"version": 3, "engine": "nethttp", "listen_ip": "127.0.0.1",
  "extra_config": {"telemetry/logging": {"level": %q, "stdout": true}},
  "endpoints": [{"endpoint": "/x", "backend": [{"url_pattern": "/", "host": ["http://%s"]}]}]}`, level, l.Addr())))
			const line = "a library says line=\"Unsolicited response received on idle HTTP channel\""
			told := func() bool { return strings.Contains(p.log(), line) }
			for range 10 { // whether the second answer comes in time to be noticed is for the system to say
				p.get(t, "/x")
			}
			if level == "DEBUG" {
				eventually(t, line, func() bool { p.get(t, "/x"); return told() })
			}
			p.signal(t, syscall.SIGTERM)
			p.wait(t)
			if log := p.log(); strings.Contains(log, "s3cr3t") || strings.Contains(log, "Unsolicited") != (level == "DEBUG") {
				t.Errorf("the log at level %s:\n%s", level, log)
			}
		})
	}
}

// TestEndWithoutReaders ends within a bound, and cleanly, whatever became of those who
// read the streams.
func TestEndWithoutReaders(t *testing.T) {
	tests := []struct {
		name   string
		reads  bool // somebody could, and does not; otherwise the reader has left
		stderr bool // goes the same way
	}{
		{"standard output that nobody reads", true, false},
		{"both streams that nobody reads", true, true},
		{"standard output whose reader has left", false, false},
		{"both streams whose reader has left", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			r, w := pipe(t)
			p := &process{address: testx.UnusedAddress(t)}
			p.cmd = exec.Command(program, "run", "-c", write(t, "gateway.json", quiet), "-p", p.address[strings.LastIndex(p.address, ":")+1:])
			p.cmd.Stdout, p.cmd.Stderr = w, p
			if tt.stderr {
				p.cmd.Stderr = w
			}
			p.serve(t)
			w.Close()
			if !tt.reads {
				r.Close()
			}
			for range 200 { // of 4 kB each: more than a pipe holds
				if status, _ := p.get(t, "/"+strings.Repeat("long", 1000)); status != 404 {
					t.Fatalf("status %d", status)
				}
			}
			p.signal(t, syscall.SIGTERM)
			if code := p.wait(t); code != 0 {
				t.Errorf("exit code %d:\n%s", code, p.log())
			}
		})
	}
}
