package spelling

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/test/gatewaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is what the protected path answers with.
const secret = "the secret"

// A backend notes what it is sent. It tells its secret to whoever asks for the
// protected path in a way that it understands, and that is any way.
type backend struct {
	address   string
	protected string

	mu   sync.Mutex
	seen []string // targets
}

func newBackend(t *testing.T, protected string) *backend {
	b := &backend{protected: protected}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.seen = append(b.seen, r.RequestURI)
		b.mu.Unlock()
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if b.isProtected(r.RequestURI) {
			io.WriteString(w, secret)
			return
		}
		io.WriteString(w, "public")
	}))
	t.Cleanup(s.Close)
	b.address = s.URL
	return b
}

func (b *backend) isProtected(target string) bool {
	return slices.Contains(readings(target), b.protected)
}

// take returns what was sent since the last look.
func (b *backend) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := b.seen
	b.seen = nil
	return seen
}

// start runs a gateway until the test ends and returns its address.
func start(t *testing.T, e engine.Engine, text string) string {
	t.Helper()
	return gatewaytest.Start(t, gatewaytest.Options(text, e)).Address
}

// A form is a way to send a request.
type form struct {
	name string
	send func(t *testing.T, addr, method, target string, fields ...string) *answer
}

var forms = []form{
	{"1.1", http1("%s %s HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n")},
	{"1.0", http1("%s %s HTTP/1.0\r\nHost: gateway.test\r\n")},
	{"absolute", http1("%s http://gateway.test%s HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n")},
	{"2", sendHTTP2},
}

// An answer is what came back; the status is 0 when nothing did.
type answer struct {
	status int
	header http.Header
	body   string
}

func http1(head string) func(t *testing.T, addr, method, target string, fields ...string) *answer {
	return func(t *testing.T, addr, method, target string, fields ...string) *answer {
		t.Helper()
		conn := dial(t, addr)
		defer conn.Close()
		text := fmt.Sprintf(head, method, target)
		for _, f := range fields {
			text += f + "\r\n"
		}
		if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
		if err != nil {
			return &answer{}
		}
		defer response.Body.Close()
		text2, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, target, err)
		}
		return &answer{response.StatusCode, response.Header, string(text2)}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn
}

// sendHTTP2 sends one request by prior knowledge.
func sendHTTP2(t *testing.T, addr, method, target string, fields ...string) *answer {
	t.Helper()
	conn := dial(t, addr)
	defer conn.Close()
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range append([]string{":method: " + method, ":scheme: http", ":authority: gateway.test", ":path: " + target}, fields...) {
		i := strings.Index(f[1:], ":") + 1
		e.WriteField(hpack.HeaderField{Name: strings.ToLower(f[:i]), Value: strings.TrimSpace(f[i+1:])})
	}
	io.WriteString(conn, http2.ClientPreface)
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.WriteSettings()
	framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	a := &answer{header: http.Header{}}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return &answer{}
		}
		switch f := frame.(type) {
		case *http2.MetaHeadersFrame:
			fmt.Sscan(f.PseudoValue("status"), &a.status)
			for _, field := range f.RegularFields() {
				a.header.Add(field.Name, field.Value)
			}
		case *http2.DataFrame:
			a.body += string(f.Data())
		case *http2.RSTStreamFrame:
			return &answer{}
		}
		if frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return a
		}
	}
}

// A policy keeps clients from the protected path.
type policy struct {
	name   string
	root   string // members of the configuration
	on     string // of the extra_config of the protected endpoint
	within string // of the extra_config of its backend, and of those of all others
	spent  bool   // one good request is let through first
}

var policies = []policy{
	{name: "validator", on: `"auth/validator":{"alg":"HS256","jwk_url":"$B/jwk","disable_jwk_security":true,"cache":true}`},
	{name: "cel", on: `"validation/cel":[{"check_expr":"'X-Pass' in req_headers"}]`},
	{name: "rate limit", on: `"qos/ratelimit/router":{"max_rate":1,"capacity":1,"every":"1h"}`, spent: true},
	{name: "cache", on: `"validation/cel":[{"check_expr":"'X-Pass' in req_headers"}]`, within: `"qos/http-cache":{"shared":true}`, spent: true},
	{name: "cors", root: `"security/cors":{"allow_origins":["https://good.test"],"allow_methods":["GET"]}`,
		on: `"validation/cel":[{"check_expr":"'X-Pass' in req_headers"}]`},
}

// beside are the routes that would take the protected path in other spellings:
// pairs of endpoint and url_pattern.
var beside = []struct {
	name   string
	routes [][2]string
}{
	{"alone", nil},
	{"wildcard", [][2]string{{"/v1/*", "/v1"}}},
	{"parameter", [][2]string{{"/v1/{id}", "/v1/{id}"}, {"/{x}/{id}", "/{x}/{id}"}}},
	{"both", [][2]string{{"/v1/*", "/v1/"}, {"/v1/{id}", "/v1/{id}"}, {"/{x}/{id}/", "/{x}/{id}"}, {"/{x}/*", "/{x}"}, {"/v1/{id}/{more}", "/v1/{id}/{more}"}}},
}

// configuration has the protected path and what stands beside it.
func configuration(b *backend, p policy, routes [][2]string, router string) string {
	endpoint := func(path, pattern, extra string) string {
		return fmt.Sprintf(`{"endpoint":%q,"output_encoding":"no-op","input_headers":["X-Pass"],"extra_config":{%s},
			"backend":[{"url_pattern":%q,"host":[%q],"extra_config":{%s}}]}`, path, extra, pattern, b.address, p.within)
	}
	all := []string{endpoint("/v1/admin", "/v1/admin", p.on)}
	for _, r := range routes {
		all = append(all, endpoint(r[0], r[1], ""))
	}
	if p.root != "" {
		p.root += ","
	}
	text := fmt.Sprintf(`{"version":3,"timeout":"5s","use_h2c":true,"endpoints":[%s],"extra_config":{%s"router":{"disable_access_log":true%s},"telemetry/logging":{"level":"CRITICAL"}}}`,
		strings.Join(all, ","), p.root, router)
	return strings.ReplaceAll(text, "$B", b.address)
}

var engines = []engine.Engine{fast.Engine, nethttp.Engine}

// TestMatrix is the matrix. Every request that has not passed the policy must
// leave the backend without one that it reads as the protected path.
func TestMatrix(t *testing.T) {
	for _, e := range engines {
		for _, p := range policies {
			for _, side := range beside {
				t.Run(e.Name+"/"+p.name+"/"+side.name, func(t *testing.T) {
					t.Parallel()
					b := newBackend(t, "/v1/admin")
					addr := start(t, e, configuration(b, p, side.routes, ""))
					open(t, b, addr, p)
					sent := forms[:1]
					if p.name == "validator" { // routes do not depend on policies
						sent = forms
					}
					for _, f := range sent {
						for _, target := range spellings(b.protected) {
							ask(t, b, f, addr, "GET", target)
						}
					}
				})
			}
		}
	}
}

// TestRouterOptions is the matrix under the options of the router.
func TestRouterOptions(t *testing.T) {
	for _, e := range engines {
		for _, router := range []string{
			`,"remove_extra_slash":true`, `,"disable_path_decoding":true`, `,"disable_redirect_fixed_path":true`, `,"disable_redirect_trailing_slash":true`,
			`,"disable_redirect_fixed_path":true,"disable_redirect_trailing_slash":true`, `,"disable_handle_method_not_allowed":true`, `,"auto_options":true`,
			`,"remove_extra_slash":true,"disable_path_decoding":true,"disable_redirect_fixed_path":true,"disable_redirect_trailing_slash":true`,
		} {
			t.Run(e.Name+"/"+strings.ReplaceAll(router[1:], `"`, ""), func(t *testing.T) {
				t.Parallel()
				b := newBackend(t, "/v1/admin")
				addr := start(t, e, configuration(b, policies[0], beside[len(beside)-1].routes, router))
				open(t, b, addr, policies[0])
				for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "get"} {
					for _, target := range spellings(b.protected) {
						ask(t, b, forms[0], addr, method, target)
					}
				}
			})
		}
	}
}

// open shows that the policy is there, and uses up what it lets through.
func open(t *testing.T, b *backend, addr string, p policy) {
	t.Helper()
	if p.spent {
		if a := forms[0].send(t, addr, "GET", b.protected, "X-Pass: 1"); a.status != 200 || a.body != secret {
			t.Fatalf("the first request: %+v", a)
		}
	}
	b.take()
	if a := forms[0].send(t, addr, "GET", b.protected); a.status < 400 || slices.ContainsFunc(b.take(), b.isProtected) {
		t.Fatalf("the policy lets through: %+v", a)
	}
}

// ask sends one request that has not passed the policy.
func ask(t *testing.T, b *backend, f form, addr, method, target string) {
	t.Helper()
	a := f.send(t, addr, method, target, "Origin: https://bad.test")
	for _, seen := range b.take() {
		if b.isProtected(seen) {
			t.Errorf("HTTP %s: %s %s reached the backend as %s", f.name, method, target, seen)
		}
	}
	if strings.Contains(a.body, secret) {
		t.Errorf("HTTP %s: %s %s was told the secret", f.name, method, target)
	}
	if got := a.header.Get("Access-Control-Allow-Origin"); a.status == 200 && got != "" && got != "*" {
		t.Errorf("HTTP %s: %s %s may be read by %s", f.name, method, target, got)
	}
}
