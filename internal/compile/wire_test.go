package compile_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// A network is the hosts behind a gateway, in memory.
type network struct {
	begins bool                   // calls are sent first and collected later
	look   func(*gateway.Request) // at what arrives; may be nil
	mu     sync.Mutex
	seen   []string
}

func (n *network) Do(_ context.Context, x *gateway.Exchange) error {
	r := &x.Request
	if n.look != nil {
		n.look(r)
	}
	n.mu.Lock()
	n.seen = append(n.seen, fmt.Sprintf("%s://%s%s?%s %s", r.Scheme, r.Host, r.Path, r.RawQuery, lines(r.Header, "Authorization", "X-Signature")))
	n.mu.Unlock()
	switch r.Host {
	case "down":
		return &gateway.Error{Code: gateway.CodeBackendUnreachable, Err: gateway.ErrUnreached}
	case "moved":
		x.Response.Status = 302
		x.Response.Header.Set("Location", strings.TrimPrefix(r.Path, "/base/to/"))
		if r.Path == "/base/to/1" {
			x.Response.Header.Set("Location", "/base/to/http://other.test/x")
		}
		return nil
	}
	return answer(x, `{"a":1,"b":2}`)
}

// Begin sends only where the network begins.
func (n *network) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	if !n.begins {
		return nil, false
	}
	return late(func() error { return n.Do(ctx, x) }), true
}

type late func() error

func (f late) Finish() error { return f() }

// lines lists the fields of h with these names.
func lines(h gateway.Fields, names ...string) string {
	var all []string
	for _, f := range h {
		if slices.Contains(names, f.Name) {
			all = append(all, f.Name+": "+f.Value)
		}
	}
	return strings.Join(all, ", ")
}

// front changes the message of the client before it is routed.
var front = component.Service(component.Info{Namespace: "test/front"}, func(s *component.ServiceSite, _ struct{}) error {
	s.Stage(component.ServiceRewrite, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
		in := x.Edit()
		in.SetMethod("POST")
		in.SetPath("/x")
		in.SetRawQuery("shown=1&hidden=2")
		in.SetHost("front.test")
		in.SetHeader("X-Shown", "of the gateway")
		in.SetHeader("X-Real-Ip", "192.0.2.77")
		in.SetHeader("X-Hidden", "of the gateway")
		in.SetBody(strings.NewReader("more than before"), 16)
		return nil
	}))
	return nil
})

// wired are components of the wire plan, and what stands around plans.
var wired = component.NewRegistry(
	front,
	component.Endpoint(component.Info{Namespace: "test/writes"}, func(s *component.EndpointSite, _ struct{}) error {
		s.AllowWrites()
		return nil
	}),
	component.Backend(component.Info{Namespace: "test/sign"}, func(s *component.BackendSite, _ struct{}) error {
		s.Prompt(component.BackendSign, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			r := &x.Request
			payload, err := r.Body.Bytes(0)
			if err != nil {
				return err
			}
			r.Header.Add("X-Signature", fmt.Sprintf("%s://%s%s?%s %.4x", r.Scheme, r.Host, r.Path, r.RawQuery, sha256.Sum256(payload)))
			return nil
		}))
		s.Prompt(component.BackendCredential, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.Request.Header.Add("Authorization", "of the gateway")
			return nil
		}))
		return nil
	}),
	component.Backend(component.Info{Namespace: "test/query"}, func(s *component.BackendSite, _ struct{}) error {
		s.Prompt(component.BackendRewrite, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.Request.RawQuery += "&more"
			return nil
		}))
		return nil
	}),
	component.Backend(component.Info{Namespace: "test/stored"}, func(s *component.BackendSite, _ struct{}) error {
		s.Stage(component.BackendCache, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			if x.Request.Hops == 0 {
				x.Response.Status = 302
				x.Response.Header.Set("Location", "http://stored.test/x")
				x.Reply()
			}
			return nil
		}))
		return nil
	}),
	component.Backend(component.Info{Namespace: "test/twice"}, func(s *component.BackendSite, _ struct{}) error {
		s.Around(component.BackendBreaker, func(next gateway.Connector) gateway.Connector {
			return gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
				for range 2 {
					c := x.Child()
					c.Request.Path, c.Request.RawQuery = x.Request.Path, x.Request.RawQuery
					if err := next.Do(ctx, c); err != nil {
						return err
					}
					x.Response, c.Response = c.Response, gateway.Response{}
				}
				return nil
			})
		})
		return nil
	}),
	component.Backend(component.Info{Namespace: "test/data"}, func(s *component.BackendSite, _ struct{}) error {
		return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.Response.Complete = true
			x.Response.Body.SetTree(map[string]any{"t": map[string]any{"a": true, "b": false, "c": map[string]any{"d": "x"}}})
			return nil
		}))
	}),
)

// wire compiles one endpoint, POST /x, whose backends are called over n.
func wire(t *testing.T, n *network, backends string) *compile.Generation {
	t.Helper()
	return compileWired(t, n, `{"version":3,"endpoints":[{"endpoint":"/x","method":"POST","backend":[`+backends+`],"extra_config":{"test/writes":{}}}]}`)
}

func compileWired(t *testing.T, n *network, text string) *compile.Generation {
	t.Helper()
	d, problems := config.Parse("test.json", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	g, problems := compile.Compile(d, compile.Options{Registry: wired, Env: &component.Env{
		Product: "Sluice 0", Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
		Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return n, nil },
	}})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	t.Cleanup(func() { g.Close(context.Background()) })
	return g
}

// TestWire shows what the stages of the wire plan see and what of theirs is sent, at
// every attempt: the whole URL, and no credentials once a redirect has led to another
// origin.
func TestWire(t *testing.T) {
	const signature = ` Authorization: of the gateway, X-Signature: `
	const nobody, hello = "e3b0c442", "2cf24dba" // SHA-256 of nothing and of hello
	signed := func(url, hash string) string { return url + signature + url + " " + hash }
	tests := []struct {
		name, backend string
		want          []string
	}{
		{"one host", `"url_pattern":"/1?q=1","host":["http://up/base"],"extra_config":{"test/sign":{}}`,
			[]string{signed("http://up/base/1?q=1", hello)}},
		{"a host that is down", `"url_pattern":"/1?q=1","host":["https://down/base","http://up"],"extra_config":{"test/sign":{},"test/query":{}}`,
			[]string{signed("https://down/base/1?q=1&more", hello), signed("http://up/1?q=1&more", hello)}},
		{"redirects", `"url_pattern":"/to/1","method":"GET","host":["http://moved/base"],"extra_config":{"test/sign":{}}`,
			[]string{signed("http://moved/base/to/1?", hello), signed("http://moved/base/to/http://other.test/x?", hello), "http://other.test/x? "}},
		{"an answer that was stored", `"url_pattern":"/1","host":["http://up"],"extra_config":{"test/stored":{}}`,
			[]string{"http://stored.test/x? "}},
		{"twice", `"url_pattern":"/1","host":["http://up"],"extra_config":{"test/sign":{},"test/twice":{}}`,
			[]string{signed("http://up/1?", nobody), signed("http://up/1?", nobody)}},
	}
	for _, tt := range tests {
		for _, begins := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/begun %v", tt.name, begins), func(t *testing.T) {
				n := &network{begins: begins}
				backend := "{" + tt.backend + "}"
				if begins { // calls are begun only beside others
					backend += `,{"url_pattern":"/beside","method":"GET","host":["http://up"]}`
				}
				x, err := ask(t, wire(t, n, backend), testx.Request{Body: "hello"})
				if err != nil {
					t.Fatal(err)
				}
				x.Release()
				seen := slices.DeleteFunc(n.seen, func(s string) bool { return strings.Contains(s, "/beside") })
				if !slices.Equal(seen, tt.want) {
					t.Errorf("the backends got\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(tt.want, "\n"))
				}
			})
		}
	}
}

// TestUnwired serves no backend that is not called by HTTP without what guards it on the
// wire, in both dialects. What guards nothing is a mistake there, and so is a cache, which
// opens nothing where it is not.
func TestUnwired(t *testing.T) {
	const says = "has no effect on a backend that is not called by HTTP; write it in one that is, or give this call what it needs by its own options"
	on := func(namespace string, guards component.Guard, phases ...component.BackendPhase) component.Declaration {
		return component.Backend(component.Info{Namespace: namespace, Guards: guards}, func(s *component.BackendSite, _ struct{}) error {
			for _, p := range phases {
				s.Prompt(p, gateway.StageFunc(func(context.Context, *gateway.Exchange) error { return nil }))
			}
			return nil
		})
	}
	g := sitetest.New(t)
	g.Registry = component.NewRegistry(sitetest.Flow,
		on("test/passage", component.Passage, component.BackendAttempt),
		on("test/access", component.Access, component.BackendRewrite),
		on("test/trust", component.Trust, component.BackendCache, component.BackendSign, component.BackendCredential),
		on("test/stored", component.Trust, component.BackendCache),
		on("test/spans", component.Nothing, component.BackendAttempt),
	)
	for dialect, mistake := range map[string]config.Severity{"krakend": config.Warning, "sluice": config.Error} {
		for namespace, severity := range map[string]config.Severity{
			"test/passage": config.Error, "test/access": config.Error, "test/trust": config.Error, "test/stored": mistake, "test/spans": mistake,
		} {
			text := `{"version":3,"dialect":"` + dialect + `","endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/1","extra_config":{"` + namespace + `":{},
				"test/flow":{"backend":[{"url_pattern":"/2","host":["http://up"]}]}}}]}]}`
			generation, problems := g.Check(t, text)
			if len(problems) != 1 || problems[0].Severity != severity || problems[0].Err.Error() != says || (generation == nil) != (severity == config.Error) {
				t.Errorf("%s, %s: served: %t\n%s", dialect, namespace, generation != nil, config.Format(problems))
			}
		}
	}
}

// TestUncalled shows that a stage which fails in front of a call says nothing of whom it
// is to: no host is passed over, no other one is tried, be it that the stage itself has
// reached nobody. A pipe within a backend was called, whatever fails in it.
func TestUncalled(t *testing.T) {
	var log strings.Builder
	asked := 0
	registry := component.NewRegistry(sitetest.Flow,
		component.Backend(component.Info{Namespace: "test/token"}, func(s *component.BackendSite, _ struct{}) error {
			s.Prompt(component.BackendCredential, gateway.StageFunc(func(context.Context, *gateway.Exchange) error {
				asked++
				return gateway.Away(errors.New("nobody gives tokens"))
			}))
			return nil
		}),
		component.Backend(component.Info{Namespace: "test/closed"}, func(s *component.BackendSite, _ struct{}) error {
			s.Prompt(component.BackendLimit, gateway.StageFunc(func(context.Context, *gateway.Exchange) error {
				asked++
				return errors.New("not now")
			}))
			return nil
		}),
	)
	const up, down = `"url_pattern":"/1","host":["http://up"]`, `"url_pattern":"/1","host":["http://down"]`
	for _, tt := range []struct {
		name, backend string
		asked         int
		uncalled      bool
	}{
		{"one host", up + `,"extra_config":{"test/token":{}}`, 1, true},
		{"several hosts", `"url_pattern":"/1","host":["http://up","http://up2"],"extra_config":{"test/token":{}}`, 1, true},
		{"hosts of the request", `"url_pattern":"/1","host":["http://up","http://{input_headers.X-Host}"],"disable_host_sanitize":true,"extra_config":{"test/token":{}}`, 1, true},
		{"in front of the hosts", up + `,"extra_config":{"test/closed":{}}`, 1, true},
		{"a call", down, 0, false},
		{"a pipe", `"url_pattern":"/1","extra_config":{"test/flow":{"backend":[{` + up + `,"extra_config":{"test/closed":{}}}]}}`, 1, false},
	} {
		n := new(network)
		d, _ := config.Parse("test.json", []byte(`{"version":3,"endpoints":[{"endpoint":"/x","method":"POST","input_headers":["X-Host"],"backend":[{`+tt.backend+`}]}]}`))
		g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
			Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.NewTextHandler(&log, nil)),
			Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return n, nil },
		}})
		if g == nil {
			t.Fatal(config.Format(problems))
		}
		log.Reset()
		asked = 0
		x, err := ask(t, g, testx.Request{Header: gateway.Fields{{Name: "X-Host", Value: "up"}}})
		if err == nil || gateway.Uncalled(err) != tt.uncalled || asked != tt.asked || tt.uncalled && (len(n.seen) > 0 || log.Len() > 0) {
			t.Errorf("%s: %v: uncalled %t; the stage ran %d times; called %q; the log says %q", tt.name, err, gateway.Uncalled(err), asked, n.seen, log.String())
		}
		x.Release()
		g.Close(t.Context())
	}
}

// TestData shows that what shapes answers shapes those that a connector gives as
// data, too.
func TestData(t *testing.T) {
	tests := []struct{ name, backend, want string }{
		{"nothing", ``, `{"t":{"a":true,"b":false,"c":{"d":"x"}}}`},
		{"target", `,"target":"t"`, `{"a":true,"b":false,"c":{"d":"x"}}`},
		{"allow", `,"target":"t","allow":["a"]`, `{"a":true}`},
		{"deny", `,"deny":["t.a","t.c"]`, `{"t":{"b":false}}`},
		{"mapping", `,"target":"t","allow":["a"],"mapping":{"a":"z"}`, `{"z":true}`},
		{"group", `,"target":"t.c","group":"g"`, `{"g":{"d":"x"}}`},
		{"a collection", `,"is_collection":true`, `{"t":{"a":true,"b":false,"c":{"d":"x"}}}`},
		{"other encodings", `,"encoding":"xml","target":"t.c"`, `{"d":"x"}`},
		{"as large as it may be", `,"max_response_bytes":40`, `{"t":{"a":true,"b":false,"c":{"d":"x"}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, err := ask(t, wire(t, new(network), `{"url_pattern":"/1","host":["http://up"],"extra_config":{"test/data":{}}`+tt.backend+`}`), testx.Request{})
			if err != nil {
				t.Fatal(err)
			}
			defer x.Release()
			if got := text(t, x); got != tt.want || x.Response.Status != 200 || !x.Response.Complete {
				t.Errorf("got %s, status %d, complete %t; want the whole %s", got, x.Response.Status, x.Response.Complete, tt.want)
			}
		})
	}
}

// TestDataLimit holds what a connector answers with to max_response_bytes, too: data, and
// bytes of any encoding. The network's own answer has 13 bytes.
func TestDataLimit(t *testing.T) {
	for _, backend := range []string{
		`"max_response_bytes":39,"extra_config":{"test/data":{}}`,
		`"max_response_bytes":12`, `"max_response_bytes":12,"encoding":"yaml"`, `"max_response_bytes":12,"encoding":"string"`,
	} {
		x, err := ask(t, wire(t, new(network), `{"url_pattern":"/1","host":["http://up"],`+backend+`}`), testx.Request{})
		if err == nil || gateway.AsError(err).Code != gateway.CodeBackendTooLarge {
			t.Errorf("%s: %v", backend, err)
		}
		x.Release()
	}
}

// TestFront changes the client's message in front of the router: what it becomes is
// routed, and of that only what the endpoint names goes on.
func TestFront(t *testing.T) {
	n := new(network)
	g := compileWired(t, n, `{"version":3,"extra_config":{"test/front":{}},"endpoints":[{"endpoint":"/x","method":"POST",
		"input_headers":["X-Shown","X-Real-Ip"],"input_query_strings":["shown"],"max_body_bytes":16,"backend":[{"url_pattern":"/1","host":["http://up"]}]}]}`)
	in := testx.Request{Path: "/old", Query: "q", Body: "before", Header: gateway.Fields{
		{Name: "X-Shown", Value: "of the client"}, {Name: "X_Shown", Value: "of the client"}, {Name: "Connection", Value: "x-shown"},
	}}.Inbound()
	var got string
	n.look = func(r *gateway.Request) {
		payload, err := r.Body.Bytes(0)
		got = fmt.Sprintf("%s %s?%s %s %s %v", r.Method, r.Path, r.RawQuery, lines(r.Header, "X-Shown", "X_shown", "X-Hidden", "X-Real-Ip", "X-Forwarded-Host"), payload, err)
	}
	x := gateway.Acquire(in)
	defer x.Release()
	if err := g.Do(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	const want = "POST /1?shown=1 X-Shown: of the gateway, X-Real-Ip: 192.0.2.77, X-Forwarded-Host: front.test more than before <nil>"
	if got != want {
		t.Errorf("the backend got\n%s\nwant\n%s", got, want)
	}
	if x.Endpoint != "/x" || x.Sent().Path() != "/old" {
		t.Errorf("endpoint %s for %s", x.Endpoint, x.Sent().Path())
	}
}

// TestExplainFront tells of whoever may answer, or ask for something else, in front of
// what a request finds as it is sent.
func TestExplainFront(t *testing.T) {
	const document = `{"version":3,"extra_config":{%s},"endpoints":[{"endpoint":"/x","method":"POST","backend":[{"url_pattern":"/1","host":["http://up"]}]}]}`
	with := compileWired(t, new(network), fmt.Sprintf(document, `"test/front":{}`))
	without := compileWired(t, new(network), fmt.Sprintf(document, ""))
	for _, tt := range []struct{ path, want string }{{"/old", "[test/front]"}, {"/x", "[test/front]"}, {"/__health", "[]"}} {
		if got := fmt.Sprint(with.Explain("GET", tt.path).First); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.path, got, tt.want)
		}
		if got := without.Explain("GET", tt.path).First; got != nil {
			t.Errorf("%s: without anybody in front got %v", tt.path, got)
		}
	}
}

// TestRewrittenToOwnPaths finds nothing of the gateway itself behind a path that was
// rewritten, which does not keep clients from what they ask for by its name.
func TestRewrittenToOwnPaths(t *testing.T) {
	registry := component.NewRegistry(component.Service(component.Info{Namespace: "test/rewrite"}, func(s *component.ServiceSite, _ struct{}) error {
		s.Prompt(component.ServiceRewrite, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.Edit().SetPath("/__" + strings.TrimPrefix(x.In.Path(), "/"))
			return nil
		}))
		return nil
	}))
	d, _ := config.Parse("test.json", []byte(`{"version":3,"debug_endpoint":true,"echo_endpoint":true,"extra_config":{"test/rewrite":{}}}`))
	g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
		Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
	}})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	defer g.Close(t.Context())
	for path, want := range map[string]int{
		"/health": 404, "/ready": 404, "/debug/x": 404, "/echo/x": 404,
		"/__health": 200, "/__debug/x": 200, "/__echo/x": 200,
	} {
		x := testx.Request{Path: path}.Exchange(t)
		g.Do(t.Context(), x)
		if got := x.Response.Status; got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
}

// TestRendered shows that a stage in front of the rendering sees a failure as the client
// does, and one behind it as an error.
func TestRendered(t *testing.T) {
	var seen []string
	look := func(name string) gateway.Stage {
		return gateway.LeaveFunc(func(_ context.Context, x *gateway.Exchange, err error) error {
			seen = append(seen, fmt.Sprintf("%s: %d, failed %v, told %v", name, x.Response.Status, err != nil, x.Err != nil))
			return err
		})
	}
	registry := component.NewRegistry(component.Service(component.Info{Namespace: "test/look"}, func(s *component.ServiceSite, _ struct{}) error {
		s.Stage(component.ServicePlugin, look("outside"))
		s.Stage(component.ServiceSecure, look("inside"))
		return nil
	}))
	d, _ := config.Parse("test.json", []byte(`{"version":3,"extra_config":{"test/look":{}}}`))
	g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
		Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
	}})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	defer g.Close(t.Context())
	x := testx.Request{Path: "/nowhere"}.Exchange(t)
	if err := g.Do(t.Context(), x); gateway.AsError(err).Status != 404 {
		t.Errorf("observers are told %v", err)
	}
	want := []string{"inside: 0, failed true, told false", "outside: 404, failed false, told true"}
	if !slices.Equal(seen, want) {
		t.Errorf("seen\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
}

// TestUnmade shows that an answer of a stage says nothing of the host, and that a stage
// which makes something of a failure does not hide that nobody was reached.
func TestUnmade(t *testing.T) {
	var log strings.Builder
	stands := false // in for a failure
	registry := component.NewRegistry(component.Backend(component.Info{Namespace: "test/store"}, func(s *component.BackendSite, _ struct{}) error {
		s.Prompt(component.BackendCache, &store{&stands})
		return nil
	}))
	n := new(network)
	d, _ := config.Parse("test.json", []byte(`{"version":3,"endpoints":[{"endpoint":"/x","method":"POST","backend":[
		{"url_pattern":"/1","host":["http://down"],"extra_config":{"test/store":{}}}]}]}`))
	g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
		Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.NewTextHandler(&log, nil)),
		Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return n, nil },
	}})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	defer g.Close(t.Context())
	for _, step := range []struct {
		stands bool
		calls  int
		says   string
	}{
		{false, 0, ""},
		{true, 1, "host cannot be reached"},
		{false, 1, ""},
	} {
		stands = step.stands
		log.Reset()
		x, err := ask(t, g, testx.Request{})
		if err != nil || x.Response.Status != 200 {
			t.Errorf("%v: status %d, %v", step, x.Response.Status, err)
		}
		x.Release()
		if len(n.seen) != step.calls || step.says == "" && log.Len() > 0 || !strings.Contains(log.String(), step.says) {
			t.Errorf("%v: %d calls; the log says %q", step, len(n.seen), log.String())
		}
	}
}

// A store answers at once, or in place of a failure.
type store struct{ stands *bool }

func (s *store) Enter(_ context.Context, x *gateway.Exchange) error {
	if !*s.stands {
		x.Reply()
		return answer(x, `{"stored":1}`)
	}
	return nil
}

func (s *store) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	if err != nil {
		return answer(x, `{"stale":1}`)
	}
	return nil
}

// TestBuildOrder builds each namespace behind those it comes after, and otherwise in the
// order of their names.
func TestBuildOrder(t *testing.T) {
	var built []string
	declare := func(name string, after ...string) component.Declaration {
		return component.Service(component.Info{Namespace: name, After: after}, func(*component.ServiceSite, struct{}) error {
			built = append(built, name)
			return nil
		})
	}
	registry := component.NewRegistry(
		declare("a/limit", "z/pool"), declare("b/x", "c/"), declare("c/one"), declare("c/two", "a/limit"),
		declare("circle/1", "circle/2"), declare("circle/2", "circle/1"), declare("z/pool"), declare("self/", "self/"),
	)
	d, _ := config.Parse("test.json", []byte(`{"version":3,"extra_config":{"z/pool":{},"c/two":{},"c/one":{},"b/x":{},"a/limit":{},"circle/1":{},"circle/2":{},"self/":{}}}`))
	g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
		Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
	}})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	defer g.Close(t.Context())
	if want := []string{"z/pool", "a/limit", "c/one", "c/two", "b/x", "circle/2", "circle/1", "self/"}; !slices.Equal(built, want) {
		t.Errorf("built %q, want %q", built, want)
	}
}

// TestRecord shows what somebody sees who looks: each step of each plan with its time,
// and where the members of the answer come from.
func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{begins: true}
		var asked atomic.Int32
		n.look = func(r *gateway.Request) {
			if r.Timing != nil {
				asked.Add(1)
			}
			time.Sleep(map[string]time.Duration{"/1": 40, "/2": 1, "/3": 2}[r.Path] * time.Millisecond)
		}
		g := compileWired(t, n, `{"version":3,"endpoints":[{"endpoint":"/x","method":"POST","timeout":"1s","extra_config":{"test/writes":{}},"backend":[
			{"url_pattern":"/1","host":["http://up"]},
			{"url_pattern":"/2","host":["http://up"],"mapping":{"a":"c"},"extra_config":{"test/query":{}}},
			{"url_pattern":"/3","host":["http://up"],"deny":["a","b"]}]}]}`)
		x := gateway.Acquire(testx.Request{Method: "POST", Path: "/x"}.Inbound())
		defer x.Release()
		x.Record = gateway.NewRecord()
		if err := g.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		took := make(map[string]time.Duration)
		var order []string
		for _, s := range x.Record.Spans() {
			if called := s.Step == "client"; called != (s.Call != nil) || called && !strings.HasPrefix(s.Plan, "POST http://up/") {
				t.Errorf("%v: times %v", s, s.Call)
			}
			if s.Phase == "" {
				took[s.Plan] = s.Took
			}
			if s.Plan == "backend 1 /2" || s.Plan == "attempt 1 /2" || s.Plan == "POST http://up/2" {
				order = append(order, fmt.Sprintf("%s %s %v %s>%s", s.Phase, s.Step, s.Out, s.Before, s.After))
			}
			if s.Err != nil {
				t.Errorf("%v failed", s)
			}
		}
		for plan, want := range map[string]time.Duration{"backend 0 /1": 40, "backend 1 /2": 1, "backend 2 /3": 2, "endpoint /x": 40, "service": 40, "POST http://up/2": 1} {
			if got := took[plan]; got != want*time.Millisecond {
				t.Errorf("%s took %v, want %vms", plan, got, int(want))
			}
		}
		want := []string{
			"address address false empty>empty", "shape shape false empty>empty", "rewrite test/query false empty>empty",
			" client false empty>raw", " call false empty>raw", "shape shape true raw>spans",
		}
		if !slices.Equal(order, want) {
			t.Errorf("the second backend:\n%s\nwant\n%s", strings.Join(order, "\n"), strings.Join(want, "\n"))
		}
		if got := fmt.Sprint(x.Record.Members()); got != "[{a backend 0 /1} {b backend 1 /2} {c backend 1 /2}]" {
			t.Errorf("the members come from %s", got)
		}
		if asked.Load() != 3 || x.Request.Timing != nil {
			t.Errorf("%d of 3 calls were asked for their times", asked.Load())
		}
		other := gateway.Acquire(testx.Request{Method: "POST", Path: "/x"}.Inbound())
		defer other.Release()
		if err := g.Do(t.Context(), other); err != nil || asked.Load() != 3 {
			t.Errorf("%v; %d calls were asked for their times although nobody looks", err, asked.Load()-3)
		}
	})
}
