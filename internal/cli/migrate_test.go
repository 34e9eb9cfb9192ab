package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/migrate"
)

// migrated uses what works, what works differently, what is not built and what is refused.
const migrated = `{
  "version": 3,
  "name": "shop",
  "extra_config": { "server/virtualhost": { "hosts": ["a"] } },
  "endpoints": [
    {
      "endpoint": "/users/{id}",
      "timeout": "800ms",
      "backend": [
        { "url_pattern": "/users/{id}", "host": ["http://users:8000"], "concurrent": 3 },
        { "url_pattern": "/orders?user={id}", "host": ["http://orders:8000"], "group": "orders" }
      ],
      "extra_config": {
        "github.com/devopsfaith/krakend-ratelimit/juju/router": { "max_rate": 5 }
      }
    },
    {
      "endpoint": "/both",
      "method": "POST",
      "backend": [
        { "url_pattern": "/a", "host": ["http://users:8000"] },
        { "url_pattern": "/b", "host": ["http://users:8000"] }
      ]
    }
  ]
}
`

func TestMigrate(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "krakend.json", migrated)
	got := invoke(t, "migrate", "krakend.json")
	if got.code != 1 || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	before, everywhere, _ := strings.Cut(got.stdout, "Done differently for every")
	before = strings.TrimSuffix(before, "\n")
	testx.Golden(t, filepath.Join(testdata, "migrate.txt"), before)
	if brief := invoke(t, "migrate", "krakend.json", "--brief"); brief != (result{1, before, ""}) {
		t.Errorf("--brief: %+v", brief)
	}
	if !strings.Contains(everywhere, "\n  JSON text: members keep the order") {
		t.Errorf("what holds for every file: %q", everywhere)
	}
	for _, args := range [][]string{{"migrate"}, {"migrate", "-c", "krakend.json"}, {"migrate", "--skip-files", "krakend.json"}} {
		if again := invoke(t, args...); again != got {
			t.Errorf("%q: %+v", args, again)
		}
	}
	inJSON := invoke(t, "migrate", "krakend.json", "--format", "json")
	var r migrate.Report
	if err := json.Unmarshal([]byte(inJSON.stdout), &r); err != nil || inJSON.code != 1 || r.Starts || len(r.Change) != 1 || len(r.Unsupported) != 1 || r.Endpoints != 2 {
		t.Errorf("json: %+v, %v", inJSON, err)
	}
	write(t, "plain.json", clean)
	if got := invoke(t, "migrate", "plain.json"); got.code != 0 || !strings.HasPrefix(got.stdout, "plain.json: starts; 0 to change first, 0 not supported yet, 0 done differently, ") {
		t.Errorf("a plain file: %+v", got)
	}
	if got := invoke(t, "migrate", "plain.json"); strings.Contains(got.stdout, "templates: ") {
		t.Errorf("no template made this file: %s", got.stdout)
	}
	t.Setenv("FC_ENABLE", "1")
	if got := invoke(t, "migrate", "plain.json"); got.code != 0 || !strings.Contains(got.stdout, "templates: ") {
		t.Errorf("a template: %+v", got)
	}
	t.Setenv("FC_ENABLE", "")
	wrong := []struct {
		args string
		code int
		want string
	}{
		{"migrate a.json b.json", 2, `unexpected argument "b.json"; write one FILE`},
		{"migrate a.json -c b.json", 2, `unexpected argument "a.json" beside -c; write one FILE`},
		{"migrate plain.json --format xml", 2, `unknown format "xml"; write text or json`},
		{"migrate missing.json", 1, "missing.json: cannot read the file: no such file or directory"},
	}
	for _, tt := range wrong {
		if got := invoke(t, strings.Fields(tt.args)...); got.code != tt.code || !strings.Contains(got.stderr, tt.want) || got.stdout != "" {
			t.Errorf("%s: %+v, want %d and %q", tt.args, got, tt.code, tt.want)
		}
	}
}

// comparable has an endpoint for each verdict. The backend answers what its path says.
const comparable = `version: 3
host: ["%s"]
endpoints:
  - {endpoint: "/same/{id}", backend: [{url_pattern: "/same/{id}"}]}
  - {endpoint: /order, backend: [{url_pattern: /order}]}
  - {endpoint: /fails-there, backend: [{url_pattern: /ok}]}
  - {endpoint: /value, backend: [{url_pattern: /ok}]}
  - {endpoint: /merge, backend: [{url_pattern: /ok}, {url_pattern: /two}]}
  - {endpoint: /varies, backend: [{url_pattern: /ok}]}
  - {endpoint: /beside, backend: [{url_pattern: /ok}]}
  - {endpoint: /limited, backend: [{url_pattern: /ok}], extra_config: {qos/ratelimit/router: {client_max_rate: 1, strategy: ip, every: 1h}}}
  - {endpoint: "/files/*", output_encoding: no-op, backend: [{url_pattern: /files/x}]}
  - {endpoint: /order, method: POST, backend: [{url_pattern: /echo}]}
  - {endpoint: /write, backend: [{url_pattern: /write, method: PUT}]}
`

func TestMigrateAgainst(t *testing.T) {
	t.Chdir(t.TempDir())
	reply := func(w http.ResponseWriter, status int, text string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/write":
			t.Error("a backend that may change something was called")
		case "/echo":
			text, _ := io.ReadAll(r.Body)
			reply(w, 200, string(text))
		case "/files/x/1":
			http.Error(w, "no such file", 404)
		case "/order":
			reply(w, 200, `{"b": 1, "a": "<é>"}`)
		case "/two":
			reply(w, 200, `{"x": 2}`)
		default:
			reply(w, 200, `{"x": 1}`)
		}
	}))
	defer backend.Close()
	var asked atomic.Int64
	theirs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Test") != "yes" {
			t.Errorf("%s %s: the header of all requests is missing", r.Method, r.URL)
		}
		w.Header().Set("X-Krakend-Completed", "true")
		switch r.Method + " " + r.URL.Path {
		case "GET /same/1":
			reply(w, 200, `{"x":1}`)
		case "GET /order":
			reply(w, 200, `{"a":"\u003cé\u003e","b":1.0}`)
		case "POST /order":
			text, _ := io.ReadAll(r.Body)
			reply(w, 200, string(text))
		case "GET /fails-there":
			w.WriteHeader(500)
		case "GET /value":
			reply(w, 200, `{"x":7,"y":[1]}`)
		case "GET /merge":
			reply(w, 200, `{"x":1}`)
		case "GET /varies":
			reply(w, 200, fmt.Sprintf(`{"x":%d}`, asked.Add(1)+1))
		case "GET /beside":
			reply(w, 403, fmt.Sprintf(`{"x":%d,"y":2}`, asked.Add(1)))
		case "GET /limited":
			reply(w, 200, `{"x":1}`)
		case "GET /files/1":
			w.Header().Del("X-Krakend-Completed")
			http.Error(w, "no such file", 404)
		default:
			t.Errorf("nobody asks for %s %s", r.Method, r.URL)
		}
	}))
	defer theirs.Close()
	write(t, "krakend.yaml", fmt.Sprintf(comparable, backend.URL))
	got := invoke(t, "migrate", "krakend.yaml", "--against", theirs.URL, "-H", "X-Test: yes")
	if got.code != 1 || got.stderr != "" {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	testx.Golden(t, filepath.Join(testdata, "migrate-against.txt"), got.stdout)
	inJSON := invoke(t, "migrate", "krakend.yaml", "--against", theirs.URL, "-H", "X-Test: yes", "--format", "json")
	var cs []migrate.Comparison
	if err := json.Unmarshal([]byte(inJSON.stdout), &cs); err != nil || len(cs) != 11 || inJSON.code != 1 {
		t.Errorf("json: %+v, %v", inJSON, err)
	}

	write(t, "requests.http", "### a name\n# a comment\nPOST http://example.com/order?a=1 HTTP/1.1\nx-test: yes\n\n{\"a\":\n1}\n\n###\nGET /same/1\n")
	want := "identical  POST /order?a=1 (POST /order)\n           as JSON; the order of members, escapes or digits are not\n           docs/compatibility.md#json-text\nidentical  GET /same/1 (GET /same/{id})\n2 identical\n"
	if got := invoke(t, "migrate", "krakend.yaml", "--against", theirs.URL, "--requests", "requests.http", "-H", "X-Test: yes"); got != (result{0, want, ""}) {
		t.Errorf("requests of a file: %+v, want %q", got, want)
	}

	write(t, "wrong.http", "GET /a\nnothing at all\n")
	write(t, "refused.json", `{"version": 3, "endpoints": [{"endpoint": "/a", "method": "GOT", "backend": []}]}`)
	closed := httptest.NewServer(nil)
	closed.Close()
	wrong := []struct {
		args []string
		code int
		want string
	}{
		{[]string{"krakend.yaml", "--against", "localhost:8080"}, 2, `--against "localhost:8080" is no address of a gateway; write one such as http://localhost:8080`},
		{[]string{"krakend.yaml", "--requests", "requests.http"}, 2, "--requests is for requests; write --against URL as well"},
		{[]string{"krakend.yaml", "--against", theirs.URL, "-H", "nothing"}, 2, "-H takes a line of a header"},
		{[]string{"krakend.yaml", "--against", theirs.URL, "--timeout", "0s"}, 2, "--timeout must be more than 0"},
		{[]string{"krakend.yaml", "--against", theirs.URL, "--requests", "none.http"}, 2, "none.http"},
		{[]string{"krakend.yaml", "--against", theirs.URL, "--requests", "wrong.http"}, 1, `wrong.http:2:1: "nothing at all" is neither a request nor a line of its header`},
		{[]string{"refused.json", "--against", theirs.URL}, 1, "refused.json:1:"},
		{[]string{"krakend.yaml", "--against", closed.URL}, 3, "the gateway to compare with: "},
	}
	for _, tt := range wrong {
		if got := invoke(t, append([]string{"migrate"}, tt.args...)...); got.code != tt.code || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("%q: %+v, want %d and %q", tt.args, got, tt.code, tt.want)
		}
	}
}

// TestMigrateTakesNothing keeps the gateway of a comparison away from queues: their messages are
// for those who serve.
func TestMigrateTakesNothing(t *testing.T) {
	t.Chdir(t.TempDir())
	broker, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var called atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := broker.Accept()
			if err != nil {
				return
			}
			called.Add(1)
			c.Close()
		}
	}()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Krakend-Completed", "false")
		io.WriteString(w, "{}")
	}))
	defer service.Close()
	write(t, "krakend.yaml", fmt.Sprintf(`version: 3
endpoints: [{endpoint: /a, output_encoding: no-op, backend: [{url_pattern: /a, host: ["%[1]s"]}]}]
async_agent:
  - name: orders
    consumer: {topic: "orders.*"}
    backend: [{url_pattern: /a, host: ["%[1]s"]}]
    extra_config: {async/amqp: {host: "amqp://%[2]s/", name: orders, exchange: shop}}
`, service.URL, broker.Addr()))
	got := invoke(t, "migrate", "krakend.yaml", "--against", service.URL)
	broker.Close()
	<-ended
	if n := called.Load(); n > 0 || got.code != 0 || !strings.HasSuffix(got.stdout, "1 identical\n") {
		t.Errorf("%+v, and the broker was called %d times", got, n)
	}
}
