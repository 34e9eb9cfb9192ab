package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/e2e"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// shop writes a configuration in front of the mock, and two specifications of which one is
// right, and returns where the mock is.
func shop(t *testing.T) string {
	t.Helper()
	mock := httptest.NewServer(e2e.NewMock(0))
	t.Cleanup(mock.Close)
	t.Chdir(t.TempDir())
	t.Setenv("BACKEND", mock.URL)
	t.Setenv("TOKEN", "token-of-a-backend")
	if err := os.Mkdir("specs", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "krakend.json", `{
  "version": 3, "listen_ip": "127.0.0.1", "host": ["${env:BACKEND}"],
  "endpoints": [
    { "endpoint": "/things/{id}", "backend": [{ "url_pattern": "/param_forwarding/{id}?token=${env:TOKEN}", "deny": ["headers"] }] },
    { "endpoint": "/itself", "backend": [{ "url_pattern": "/param_forwarding/x", "allow": ["headers.User-Agent"] }] }
  ]
}
`)
	write(t, "specs/things.json", `{
  "@comment": "the address is that of the configuration",
  "in": { "url": "http://localhost:8080/things/7" },
  "out": {
    "status_code": 200,
    "header": { "X-Krakend-Completed": ["true"], "Set-Cookie": [""] },
    "body": { "foo": 42, "path": "/param_forwarding/7", "query": { "token": ["${env:TOKEN}"] } }
  },
  "next": [{ "name": "debug", "in": { "url": "http://localhost:8080/__debug/" }, "out": { "status_code": 200, "body": "{ \"message\": \"pong\" }" } }]
}
`)
	write(t, "specs/wrong.json", `{
  "in": { "url": "http://localhost:8080/things/8", "method": "GET" },
  "out": {
    "status_code": 201,
    "header": { "X-Krakend-Completed": ["false"], "Set-Cookie": ["a=b"] },
    "body": { "foo": 41, "path": "/param_forwarding/8", "query": {} }
  },
  "next": [{ "in": { "url": "http://localhost:8080/things/9" }, "out": { "status_code": 200 } }]
}
`)
	return mock.URL
}

var took = regexp.MustCompile(`(time="|"seconds": )[0-9.]+`)

// TestE2E runs a suite in front of a gateway of its own, in each form of report.
func TestE2E(t *testing.T) {
	shop(t)
	for _, form := range []string{"text", "json", "junit"} {
		got := invoke(t, "e2e", "-p", "0", "--format", form)
		if got.code != 1 || got.stderr != "" {
			t.Errorf("%s: exit code %d, %s", form, got.code, got.stderr)
		}
		testx.Golden(t, filepath.Join(testdata, "e2e."+form), took.ReplaceAllString(got.stdout, "${1}T"))
	}
	want := "things: ok\nthings > debug: ok\n2 cases: 2 ok\n"
	got := invoke(t, "e2e", "-c", "krakend.json", "-p", "0", "--junit", "report.xml", "--logs", "gateway.log", "specs/things.json")
	if got != (result{0, want, ""}) {
		t.Errorf("got %+v, want %q", got, want)
	}
	if got := invoke(t, "e2e", "-p", "0", "--run", "^thi"); got != (result{0, want, ""}) {
		t.Errorf("got %+v, want %q", got, want)
	}
	if text, err := os.ReadFile("report.xml"); err != nil || !strings.Contains(string(text), `tests="2" failures="0"`) {
		t.Errorf("the report: %s, %v", text, err)
	}
	if text, err := os.ReadFile("gateway.log"); err != nil || !strings.Contains(string(text), "/things/7") || strings.Contains(string(text), "token-of") {
		t.Errorf("the log: %s, %v", text, err)
	}
}

// TestE2EColours are those of outcomes, where people look.
func TestE2EColours(t *testing.T) {
	shop(t)
	t.Setenv("CLICOLOR_FORCE", "1")
	got := invoke(t, "e2e", "-p", "0")
	for _, want := range []string{"things: \x1b[32mok\x1b[0m\n", "wrong: \x1b[1;31mfailed\x1b[0m\n  specs/wrong.json:2:9\n", "wrong > 1: \x1b[33mnot run\x1b[0m\n4 cases: "} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("got %q, want %q", got.stdout, want)
		}
	}
	t.Setenv("NO_COLOR", "1")
	if got := invoke(t, "e2e", "-p", "0"); strings.Contains(got.stdout, "\x1b") {
		t.Errorf("got %q", got.stdout)
	}
}

// TestE2ETemplate tests a gateway whose configuration is made of templates.
func TestE2ETemplate(t *testing.T) {
	shop(t)
	if err := os.Mkdir("settings", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "settings/shop.json", `{"path": "/thing/{id}"}`)
	write(t, "shop.tmpl", `{"version": 3, "listen_ip": "127.0.0.1", "endpoints": [
		{"endpoint": "{{ .shop.path }}", "backend": [{"host": ["{{ env "BACKEND" }}"], "url_pattern": "/param_forwarding/{id}", "allow": ["path"]}]}]}`)
	write(t, "thing.yaml", `{in: {url: "http://localhost:8080/thing/7"}, out: {status_code: 200, body: {path: /param_forwarding/7}}}`)
	if got := invoke(t, "e2e", "-c", "shop.tmpl", "--settings", "settings", "-p", "0", "thing.yaml"); got != (result{0, "thing: ok\n1 case: 1 ok\n", ""}) {
		t.Errorf("got %+v", got)
	}
}

// TestE2EProduct gives the gateway the name that specifications of another one have.
func TestE2EProduct(t *testing.T) {
	shop(t)
	write(t, "itself.json", `{"in": {"url": "http://localhost:8080/itself"}, "out": {"status_code": 200,
		"header": {"X-Krakend": ["Version 2.13.8"]}, "body": {"headers": {"User-Agent": ["KrakenD Version 2.13.8"]}}}}`)
	if got := invoke(t, "e2e", "-p", "0", "--product", "KrakenD Version 2.13.8", "itself.json"); got.code != 0 {
		t.Errorf("got %+v", got)
	}
}

// TestE2ERunning tests a gateway that runs elsewhere, waiting until it is ready, and with the
// spellings of KrakenD's runner one that is started.
func TestE2ERunning(t *testing.T) {
	looks := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ready" {
			if looks++; looks < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			return
		}
		if looks < 3 && looks > 0 {
			t.Error("nobody waits")
		}
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer s.Close()
	t.Chdir(t.TempDir())
	write(t, "a.json", `{"in": {"url": "http://localhost:8080/a"}, "out": {"status_code": 302}}`)
	write(t, "b.json", `{"in": {"url": "`+s.URL+`/a"}, "out": {"status_code": 302}}`)
	write(t, "gateway.sh", "#!/bin/sh\necho starting\nexec sleep 60\n")
	write(t, "broken.sh", "#!/bin/sh\necho no license\nexit 3\n")
	for _, name := range []string{"gateway.sh", "broken.sh"} {
		if err := os.Chmod(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "krakend.json", `{"version": 3}`)
	tests := []struct {
		args string
		code int
		want string // of standard output, or within standard error
	}{
		{"--url " + s.URL + " --no-follow --ready-url " + s.URL + "/ready a.json", 0, "a: ok\n1 case: 1 ok\n"},
		{"--no-start --no-follow -s b.json", 0, "b: ok\n1 case: 1 ok\n"},
		{"-krakend_bin_path ./gateway.sh -krakend_config_path=krakend.json -krakend_specs_path b.json -client_not_follow_redirects" +
			" -krakend_ready_url " + s.URL + "/ready -krakend_ready_url_wait 1m -krakend_envar_pattern .* -krakend_delay 1ms -krakend_backend_port 0", 0, "b: ok\n1 case: 1 ok\n"},
		{"--bin ./gateway.sh --no-follow b.json --wait 1m --logs -", 0, "b: ok\n1 case: 1 ok\n"},
		{"--bin ./broken.sh --ready-url " + s.URL + "/never b.json --wait 1m", 3, "sluice: the gateway: it has ended: exit status 3\n  no license\n"},
		{"--bin ./none.sh b.json", 3, "sluice: fork/exec ./none.sh: no such file or directory"},
	}
	for _, tt := range tests {
		got := invoke(t, append([]string{"e2e"}, strings.Fields(tt.args)...)...)
		if got.code != tt.code || tt.code == 0 && got.stdout != tt.want || tt.code != 0 && !strings.Contains(got.stderr, tt.want) {
			t.Errorf("sluice e2e %s: %+v, want %d, %q", tt.args, got, tt.code, tt.want)
		}
	}
}

// TestE2EWrong says what is wrong, and whose fault it is.
func TestE2EWrong(t *testing.T) {
	shop(t)
	write(t, "bad.json", `{"in": {"url": "http://localhost:8080/"}, "out": {"status": 200}}`)
	write(t, "astray.json", `{"in": {"url": "http://localhost:9999/"}, "error": "any"}`)
	write(t, "faulty.json", `{"version": 4}`)
	write(t, "late.json", `{"version": 3, "listen_ip": "127.0.0.1", "async_agent": [], "endpoints": []}`)
	port := strings.TrimPrefix(os.Getenv("BACKEND"), "http://127.0.0.1:")
	tests := []struct {
		args string
		code int
		want string // on standard error
	}{
		{"-p 0 bad.json", 1, `bad.json:1:51: out.status: unknown key "status"`},
		{"-p 0 astray.json", 1, "astray.json:1:16: in.url: the case goes to port 9999, and the gateway is at 8080; write that port, or test what runs elsewhere by --no-start"},
		{"-p 0 none.json", 1, "none.json: there is no such file or folder; name the specifications"},
		{"-c faulty.json", 1, "faulty.json:1:13: version: unsupported version: 4"},
		{"--run ^none", 2, `no case has a name that fits --run "^none"`},
		{"--run (", 2, "--run: error parsing regexp"},
		{"--format xml", 2, `unknown format "xml"; write text, json or junit`},
		{"--url localhost:8080", 2, `--url "localhost:8080" is no address of a gateway; write one such as https://gateway.example.com`},
		{"--url http://me:secret@", 2, `--url "http://***@" is no address`},
		{"--url http://g -c krakend.json", 2, "--url and --no-start test a gateway that runs; leave flags out that are about one which is started: -c"},
		{"--no-start --settings x", 2, "--url and --no-start test a gateway that runs"},
		{"--bin x -p 1", 2, "--port, --product, --allow-unsupported and the flags of templates are for a gateway of our own"},
		{"--bin x --allow-unsupported", 2, "are for a gateway of our own; leave them or --bin out"},
		{"--env-pattern x", 2, "--env-pattern is for --bin"},
		{"--env-pattern ( --bin x", 2, "--env-pattern: error parsing regexp"},
		{"--timeout 0s", 2, "--wait and --timeout must be more than 0"},
		{"--timeout soon", 2, `invalid argument "soon" for "--timeout" flag`},
		{"-c none.yaml", 1, "none.yaml: cannot read the file: no such file or directory"},
		{"-p " + port, 3, "address already in use; stop what uses it, test that by --no-start, or take any free port by -p 0"},
		{"-p 0 --backend-port " + port, 3, "the mock: listen tcp 127.0.0.1:" + port + ": bind: address already in use; stop what uses the port, or choose another one by --backend-port"},
		{"-p 0 --junit none/report.xml specs/things.json", 3, "writing the result: open none/report.xml: no such file or directory"},
		{"-p 0 --logs none/gateway.log", 3, "open none/gateway.log: no such file or directory"},
		{"-p 0 --wait 1ns --ready-url http://" + testx.UnusedAddress(t), 3, "the gateway: not ready after 1ns"},
	}
	for _, tt := range tests {
		got := invoke(t, append([]string{"e2e"}, strings.Fields(tt.args)...)...)
		if got.code != tt.code || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("sluice e2e %s: exit code %d, standard error %q; want %d and %q", tt.args, got.code, got.stderr, tt.code, tt.want)
		}
	}
}

// TestE2EStopped ends at once, and the gateway with it.
func TestE2EStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	backend := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer backend.Close()
	t.Chdir(t.TempDir())
	write(t, "krakend.json", fmt.Sprintf(`{"version": 3, "listen_ip": "127.0.0.1", "timeout": "1h", "endpoints": [{"endpoint": "/a", "backend": [{"url_pattern": "/", "host": [%q]}]}]}`, backend.URL))
	write(t, "a.json", `{"in": {"url": "http://localhost:8080/a"}, "out": {"status_code": 200}}`)
	write(t, "b.json", `{"in": {"url": "http://localhost:8080/a"}, "out": {"status_code": 200}}`)
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"e2e", "-p", "0", "a.json", "b.json"}, []engine.Engine{fast.Engine, nethttp.Engine}, &stdout, &stderr)
	want := "a: failed\n  a.json:1:8\n  request: context canceled\nb: not run\n2 cases: 0 ok, 1 failed, 1 not run\n"
	if code != 3 || stdout.String() != want || stderr.String() != "sluice: stopped before all cases had run\n" {
		t.Errorf("exit code %d, %q, %q", code, stdout.String(), stderr.String())
	}
	if code := run(ctx, []string{"e2e", "-p", "0", "a.json"}, []engine.Engine{fast.Engine}, &stdout, &stderr); code != 3 || !strings.HasSuffix(stderr.String(), "sluice: stopped before the gateway was ready\n") {
		t.Errorf("exit code %d of a command that was stopped before it began, %q", code, stderr.String())
	}
}
