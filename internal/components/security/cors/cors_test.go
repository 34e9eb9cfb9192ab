package cors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	rscors "github.com/rs/cors"
	"pgregory.net/rapid"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// buildStage returns the stage that options make, nil for none, and the problems that
// they have.
func buildStage(t testing.TB, options string) (*stage, []*config.Problem) {
	t.Helper()
	s := sitetest.Service(t, "security/cors", options)
	if len(s.Placed()) == 0 {
		return nil, s.Problems()
	}
	return sitetest.Stage[*stage](t, s), s.Problems()
}

// pass runs an exchange through the stage; inner is what the rest of the
// gateway does with it unless the stage replied.
func pass(st *stage, x *gateway.Exchange, inner func(*gateway.Exchange) error) error {
	ctx := context.Background()
	if err := st.Enter(ctx, x); err != nil {
		return err
	}
	var err error
	if !x.Replied() && inner != nil {
		err = inner(x)
	}
	return st.Leave(ctx, x, err)
}

// fields returns header as a map with the values of each name joined.
func fields(header gateway.Fields) map[string]string {
	m := make(map[string]string)
	for _, f := range header {
		if m[f.Name] != "" {
			f.Value = m[f.Name] + ", " + f.Value
		}
		m[f.Name] = f.Value
	}
	return m
}

const (
	preflightVary = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
	app           = "https://app.example.com"
)

func TestPreflight(t *testing.T) {
	listed := `{"allow_origins":["https://app.example.com","https://*.b.com"],"allow_methods":["GET","PUT"],
		"allow_headers":["X-One","x-two"],"expose_headers":["x-total"],"max_age":"2h","allow_credentials":true}`
	tests := []struct {
		name    string
		options string
		header  gateway.Fields
		want    map[string]string
	}{
		{
			"defaults allow any origin and echo the headers", `{}`,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "POST"}, {Name: requestHeaders, Value: "x-a,x-b"}},
			map[string]string{"Vary": preflightVary, allowOrigin: "*", allowMethods: "POST", allowHeaders: "x-a,x-b"},
		},
		{
			"no headers asked, none named", `{}`,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}},
			map[string]string{"Vary": preflightVary, allowOrigin: "*", allowMethods: "GET"},
		},
		{
			"accepted with everything configured", listed,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "PUT"}, {Name: requestHeaders, Value: "x-one, X-TWO"}},
			map[string]string{
				"Vary": preflightVary, allowOrigin: app, allowMethods: "PUT", allowHeaders: "x-one, X-TWO",
				maxAge: "7200", allowCredentials: "true",
			},
		},
		{
			"a pattern matches below", listed,
			gateway.Fields{{Name: "Origin", Value: "https://x.b.com"}, {Name: requestMethod, Value: "GET"}},
			map[string]string{
				"Vary": preflightVary, allowOrigin: "https://x.b.com", allowMethods: "GET", maxAge: "7200", allowCredentials: "true",
			},
		},
		{
			"a pattern does not match the parent", listed,
			gateway.Fields{{Name: "Origin", Value: "https://b.com"}, {Name: requestMethod, Value: "GET"}},
			map[string]string{"Vary": preflightVary},
		},
		{
			"foreign origin", listed,
			gateway.Fields{{Name: "Origin", Value: "https://evil.com"}, {Name: requestMethod, Value: "GET"}},
			map[string]string{"Vary": preflightVary},
		},
		{
			"method not listed", listed,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "DELETE"}},
			map[string]string{"Vary": preflightVary},
		},
		{
			"one header not listed", listed,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}, {Name: requestHeaders, Value: "x-one,x-three"}},
			map[string]string{"Vary": preflightVary},
		},
		{
			"headers spread over two fields", listed,
			gateway.Fields{
				{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"},
				{Name: requestHeaders, Value: "x-one"}, {Name: requestHeaders, Value: "x-three"},
			},
			map[string]string{"Vary": preflightVary},
		},
		{
			"no origin", `{}`,
			gateway.Fields{{Name: requestMethod, Value: "GET"}},
			map[string]string{"Vary": preflightVary},
		},
		{
			"private network allowed and asked", `{"allow_private_network":true}`,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}, {Name: requestPrivateNetwork, Value: "true"}},
			map[string]string{
				"Vary": preflightVary + ", Access-Control-Request-Private-Network", allowOrigin: "*", allowMethods: "GET", allowPrivateNetwork: "true",
			},
		},
		{
			"private network asked and not allowed", `{}`,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}, {Name: requestPrivateNetwork, Value: "true"}},
			map[string]string{"Vary": preflightVary, allowOrigin: "*", allowMethods: "GET"},
		},
		{
			"methods in lower case and a star among headers", `{"allow_methods":["put"],"allow_headers":["x-one","*"]}`,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "PUT"}, {Name: requestHeaders, Value: "x-any"}},
			map[string]string{"Vary": preflightVary, allowOrigin: "*", allowMethods: "PUT", allowHeaders: "x-any"},
		},
		{
			"an age below a second is not announced", `{"max_age":"900ms"}`,
			gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}},
			map[string]string{"Vary": preflightVary, allowOrigin: "*", allowMethods: "GET"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st, problems := buildStage(t, tt.options)
			if config.HasErrors(problems) {
				t.Fatalf("options %s: %v", tt.options, problems)
			}
			x := testx.Request{Method: "OPTIONS", Path: "/not/declared", Header: tt.header}.Exchange(t)
			err := pass(st, x, func(*gateway.Exchange) error {
				t.Error("the preflight went on to the router")
				return nil
			})
			if err != nil || x.Response.Status != 204 {
				t.Errorf("status = %d, error %v, want 204, nil", x.Response.Status, err)
			}
			if got := fields(x.Response.Header); !maps.Equal(got, tt.want) {
				t.Errorf("header = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestOpenPatterns reports a * that follows the whole name of a host, where a port is
// meant and any longer name allowed.
func TestOpenPatterns(t *testing.T) {
	for pattern, write := range map[string]string{
		"http://localhost*":        `"http://localhost:*"`,
		"https://App.Example.com*": `"https://App.Example.com:*"`,
		"http://127.0.0.1*":        `"http://127.0.0.1:*"`,
		"http://[::1]*":            `"http://[::1]:*"`,
		"http://localhost:*":       "",
		"http://localhost:80*":     "",
		"http://[::1]:*":           "",
		"https://*":                "",
		"https://app-*":            "",
		"https://app.*":            "",
		"https://*.example.com":    "",
		"*":                        "",
	} {
		_, problems := buildStage(t, fmt.Sprintf(`{"allow_origins":["https://a.com",%q]}`, pattern))
		switch {
		case write == "" && len(problems) > 0:
			t.Errorf("%s: %v, want nothing", pattern, problems)
		case write != "" && (len(problems) != 1 || problems[0].Code != config.CodeMistake || problems[0].Path != "allow_origins[1]" ||
			!strings.Contains(problems[0].Err.Error(), "write "+write)):
			t.Errorf("%s: %v, want a mistake that says to write %s", pattern, problems, write)
		}
	}
}

// TestPatterns lets the * of an origin stand for a part of a name or for a port, and
// for nothing that a page could be reached by otherwise.
func TestPatterns(t *testing.T) {
	tests := []struct {
		pattern, origin string
		allowed         bool
	}{
		{"https://*.b.com", "https://x.b.com", true},
		{"https://*.b.com", "https://a-1.x.b.com", true},
		{"https://*.b.com", "https://X.B.com", true},
		{"https://*.b.com", "https://xn--bcher-kva.b.com", true},
		{"https://a.ok.com", "https://a.o\u212a.com", false}, // the sign of Kelvin
		{"https://*.ok.com", "https://a.o\u212a.com", false},
		{"https://*.b.com", "https://b.com", false},
		{"https://*.b.com", "https://evil.com/.b.com", false},
		{"https://*.b.com", "https://evil.com#.b.com", false},
		{"https://*.b.com", "https://evil.com?.b.com", false},
		{"https://*.b.com", "https://evil.com:80@x.b.com", false},
		{"https://*.b.com", "https://evil@x.b.com", false},
		{"https://*.b.com", `https://evil.com\.b.com`, false},
		{"https://*.b.com", "https://evil.com:443.b.com", false},
		{"https://*.b.com", "https://evil.com%2f.b.com", false},
		{"https://*.b.com", "https://evil.com .b.com", false},
		{"https://*.b.com", "https://evil_x.b.com", false},
		{"https://*.b.com", "https://\xff.b.com", false},
		{"https://*.b.com", "https://\x00.b.com", false},
		{"https://*.b.com", "https://x.b.com:8080", false},
		{"https://*.b.com:8080", "https://x.b.com:8080", true},
		{"http://localhost:*", "http://localhost:3000", true},
		{"http://localhost:*", "http://localhost", false},
		{"http://localhost:*", "http://localhost:3000/x", false},
		{"http://localhost:*", "http://localhost:x@evil.com", false},
		{"http://localhost*", "http://localhost:3000", true},
		{"http://localhost*", "http://localhost", true},
		{"http://localhost*", "http://localhost.evil.com", true}, // which is said at the start
		{"http://localhost*", "http://localhost.evil.com:3000", false},
		{"http://localhost*", "http://localhost:", false},
		{"http://localhost*", "http://localhost:3000.evil.com", false},
		{"http://localhost*", "http://localhost:3000:1", false},
		{"http://localhost*", "http://localhost:x@evil.com", false},
		{"http://localhost*", "http://localhost:3000@evil.com", false},
		{"http://localhost*", "http://localhost:-1", false},
		{"http://localhost*", "http://localhost:123456", false},
		{"http://[::1]*", "http://[::1]:3000", true},
		{"http://[::1]*", "http://[::1]", true},
		{"https://app-*", "https://app-1.b.com", true},
		{"https://app-*", "https://app-:80", false},
		{"https://app.*", "https://app.:80", false},
		{"http://localhost:80*", "http://localhost:8080", true},
		{"http://localhost:80*", "http://localhost:80:80", false},
		{"http://*", "http://a.com", true},
		{"http://*", "http://a.com:80", false},
		{"*://a.com", "https://a.com", true},
		{"*a.com", "https://a.com", false},
	}
	for _, tt := range tests {
		st, problems := buildStage(t, fmt.Sprintf(`{"allow_origins":[%q]}`, tt.pattern))
		if config.HasErrors(problems) {
			t.Fatalf("%s: %v", tt.pattern, problems)
		}
		for _, method := range []string{"GET", "OPTIONS"} {
			x := testx.Request{Method: method, Header: gateway.Fields{{Name: "Origin", Value: tt.origin}, {Name: requestMethod, Value: "GET"}}}.Exchange(t)
			if err := pass(st, x, nil); err != nil {
				t.Fatal(err)
			}
			if got := x.Response.Header.Has(allowOrigin); got != tt.allowed {
				t.Errorf("%s, %s of %q: allowed %v, want %v", tt.pattern, method, tt.origin, got, tt.allowed)
			}
		}
	}
}

// TestOriginsHaveSchemes reports origins that no page has.
func TestOriginsHaveSchemes(t *testing.T) {
	_, problems := buildStage(t, `{"allow_origins":["https://a.com","null","app://x","*.b.com","c.com"]}`)
	var got []string
	for _, p := range problems {
		got = append(got, fmt.Sprintf("%s %s %v", p.Code, p.Path, p.Err))
	}
	want := []string{"allow_origins[3]", `write "https://*.b.com"`, "allow_origins[4]", `write "https://c.com"`}
	if len(got) != 2 || problems[0].Code != config.CodeMistake {
		t.Fatalf("got %q, want two mistakes", got)
	}
	for i, text := range want {
		if !strings.Contains(got[i/2], text) {
			t.Errorf("got %s, want %q in it", got[i/2], text)
		}
	}
}

// TestTwoOrigins allows nothing to a request that has two origins, or a preflight
// that asks for two methods.
func TestTwoOrigins(t *testing.T) {
	const app = "https://app.example.com"
	st, _ := buildStage(t, `{"allow_origins":["https://app.example.com"],"allow_methods":["GET","PUT"]}`)
	ask := func(method string, extra ...gateway.Field) bool {
		h := append(gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}}, extra...)
		x := testx.Request{Method: method, Header: h}.Exchange(t)
		if err := pass(st, x, nil); err != nil {
			t.Fatal(err)
		}
		return x.Response.Header.Has(allowOrigin)
	}
	for _, method := range []string{"GET", "OPTIONS"} {
		if !ask(method) {
			t.Errorf("%s: one origin is refused", method)
		}
		for _, other := range []string{app, "https://evil.com", ""} {
			if ask(method, gateway.Field{Name: "Origin", Value: other}) {
				t.Errorf("%s: a second origin %q is allowed", method, other)
			}
		}
	}
	if ask("OPTIONS", gateway.Field{Name: requestMethod, Value: "PUT"}) {
		t.Error("a preflight for two methods is allowed")
	}
}

func TestPreflightStatus(t *testing.T) {
	st, _ := buildStage(t, `{"options_success_status":200}`)
	x := testx.Request{Method: "OPTIONS", Header: gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}}}.Exchange(t)
	if err := pass(st, x, nil); err != nil || x.Response.Status != 200 {
		t.Errorf("status = %d, error %v, want 200, nil", x.Response.Status, err)
	}
}

func TestPassthrough(t *testing.T) {
	st, _ := buildStage(t, `{"options_passthrough":true}`)
	x := testx.Request{Method: "OPTIONS", Header: gateway.Fields{{Name: "Origin", Value: app}, {Name: requestMethod, Value: "GET"}}}.Exchange(t)
	err := pass(st, x, func(x *gateway.Exchange) error {
		x.Response.Status = 200
		x.Response.Header.Set("Allow", "GET")
		return nil
	})
	want := map[string]string{"Vary": preflightVary, allowOrigin: "*", allowMethods: "GET", "Allow": "GET"}
	if got := fields(x.Response.Header); err != nil || x.Response.Status != 200 || !maps.Equal(got, want) {
		t.Errorf("status %d, header %v, error %v, want 200, %v, nil", x.Response.Status, got, err, want)
	}
}

func TestActual(t *testing.T) {
	options := `{"allow_origins":["https://app.example.com"],"allow_credentials":true,"expose_headers":["x-total","X-Page"]}`
	denied := &gateway.Error{Status: 401, Code: "denied"}
	tests := []struct {
		name   string
		method string
		origin string
		inner  func(*gateway.Exchange) error
		want   map[string]string
	}{
		{"no origin", "GET", "", nil, map[string]string{"Vary": "Origin"}},
		{"allowed origin", "GET", app, nil, map[string]string{
			"Vary": "Origin", allowOrigin: app, allowCredentials: "true", exposeHeaders: "X-Total, X-Page",
		}},
		{"origins ignore letter case and are echoed as sent", "GET", "HTTPS://App.example.com", nil, map[string]string{
			"Vary": "Origin", allowOrigin: "HTTPS://App.example.com", allowCredentials: "true", exposeHeaders: "X-Total, X-Page",
		}},
		{"foreign origin is served without permission", "GET", "https://evil.com", nil, map[string]string{"Vary": "Origin"}},
		{"method not listed", "PUT", app, nil, map[string]string{"Vary": "Origin"}},
		{"OPTIONS without a requested method is an ordinary request", "OPTIONS", app,
			func(x *gateway.Exchange) error { x.Response.Header.Set("Allow", "GET"); return nil },
			map[string]string{
				"Vary": "Origin", "Allow": "GET", allowOrigin: app, allowCredentials: "true", exposeHeaders: "X-Total, X-Page",
			}},
		{"a failed exchange carries the permission too", "GET", app,
			func(x *gateway.Exchange) error { x.Response.Header.Set("Www-Authenticate", "Bearer"); return denied },
			map[string]string{
				"Vary": "Origin", "Www-Authenticate": "Bearer",
				allowOrigin: app, allowCredentials: "true", exposeHeaders: "X-Total, X-Page",
			}},
		{"the permissions of a backend are replaced", "GET", app,
			func(x *gateway.Exchange) error {
				x.Response.Header = gateway.Fields{
					{Name: allowOrigin, Value: "*"}, {Name: "Vary", Value: "Accept-Encoding, origin"},
					{Name: allowMethods, Value: "DELETE"}, {Name: "Content-Type", Value: "text/plain"},
				}
				return nil
			},
			map[string]string{
				"Vary": "Accept-Encoding, origin", "Content-Type": "text/plain",
				allowOrigin: app, allowCredentials: "true", exposeHeaders: "X-Total, X-Page",
			}},
		{"the permissions of a backend do not reach a foreign origin", "GET", "https://evil.com",
			func(x *gateway.Exchange) error { x.Response.Header.Set(allowOrigin, "*"); return nil },
			map[string]string{"Vary": "Origin"}},
		{"Vary is extended", "GET", "",
			func(x *gateway.Exchange) error { x.Response.Header.Set("Vary", "Accept"); return nil },
			map[string]string{"Vary": "Accept, Origin"}},
		{"a Vary of * says it all", "GET", "",
			func(x *gateway.Exchange) error { x.Response.Header.Set("Vary", "*"); return nil },
			map[string]string{"Vary": "*"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st, problems := buildStage(t, options)
			if config.HasErrors(problems) {
				t.Fatalf("options: %v", problems)
			}
			r := testx.Request{Method: tt.method}
			if tt.origin != "" {
				r.Header.Add("Origin", tt.origin)
			}
			x := r.Exchange(t)
			var want error
			err := pass(st, x, func(x *gateway.Exchange) error {
				if tt.inner != nil {
					want = tt.inner(x)
				}
				return want
			})
			if !errors.Is(err, want) || (want == nil) != (err == nil) {
				t.Errorf("error = %v, want %v", err, want)
			}
			if got := fields(x.Response.Header); !maps.Equal(got, tt.want) {
				t.Errorf("header = %v, want %v", got, tt.want)
			}
		})
	}
}

// TestNoMethods lets an empty list be the default, and says so.
func TestNoMethods(t *testing.T) {
	st, problems := buildStage(t, `{"allow_methods":[]}`)
	if len(problems) != 1 || problems[0].Severity != config.Warning || problems[0].Path != "allow_methods" {
		t.Errorf("problems %v, want a warning of allow_methods", problems)
	}
	if want, _ := buildStage(t, `{}`); !slices.Equal(st.methods, want.methods) {
		t.Errorf("methods %v, want %v", st.methods, want.methods)
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		name, options string
		path, text    string // of the first error; "" is none
	}{
		{"an empty object", `{}`, "", ""},
		{"comments", `{"@note":"x","$a":1}`, "", ""},
		{"origins as a string", `{"allow_origins":"https://a.com"}`, "allow_origins", "list of texts"},
		{"no origins", `{"allow_origins":[]}`, "allow_origins", "every origin"},
		{"two stars", `{"allow_origins":["https://*.*.com"]}`, "allow_origins[0]", "more than one *"},
		{"an origin with a path", `{"allow_origins":["https://a.com/"]}`, "allow_origins[0]", `write "https://a.com"`},
		{"an empty origin", `{"allow_origins":[""]}`, "allow_origins[0]", "matches nothing"},
		{"no methods", `{"allow_methods":[]}`, "", ""},
		{"an unknown method", `{"allow_methods":["GET","FETCH"]}`, "allow_methods[1]", "FETCH"},
		{"a header that is none", `{"allow_headers":["X A"]}`, "allow_headers[0]", "letters"},
		{"an exposed header that is none", `{"expose_headers":["a,b"]}`, "expose_headers[0]", "letters"},
		{"max_age as a number", `{"max_age":7200}`, "max_age", ""},
		{"max_age without a unit", `{"max_age":"7200"}`, "max_age", "unit"},
		{"a negative max_age", `{"max_age":"-1s"}`, "max_age", "negative"},
		{"a status that is no success", `{"options_success_status":404}`, "options_success_status", "299"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st, problems := buildStage(t, tt.options)
			if tt.path == "" {
				if config.HasErrors(problems) || st == nil {
					t.Errorf("options %s: %v, want no error", tt.options, problems)
				}
				return
			}
			if !config.HasErrors(problems) || st != nil {
				t.Fatalf("options %s: no error, want one at %s", tt.options, tt.path)
			}
			if p := problems[0]; p.Path != tt.path || !strings.Contains(p.Err.Error(), tt.text) {
				t.Errorf("options %s: %s: %v, want %q at %s", tt.options, p.Path, p.Err, tt.text, tt.path)
			}
		})
	}
}

func TestAliasAndDebug(t *testing.T) {
	if component.Default.Find(component.InService, "github.com/devopsfaith/krakend-cors") == nil {
		t.Error("the historical name is unknown")
	}
	st, _ := buildStage(t, `{"debug":true}`)
	var log strings.Builder
	st.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	x := testx.Request{Header: gateway.Fields{{Name: "Origin", Value: app}}}.Exchange(t)
	if err := pass(st, x, nil); err != nil || !strings.Contains(log.String(), "allowed=true") {
		t.Errorf("log = %q, error %v, want a decision", log.String(), err)
	}
}

// TestOracle compares decisions with those of rs/cors for random policies and
// messages as browsers send them: header names in lower case, sorted, unique.
func TestOracle(t *testing.T) {
	origins := []string{"https://a.com", "https://x.b.com", "https://b.com", "http://a.com", "null", "HTTPS://A.com"}
	allowed := []string{"https://a.com", "https://*.b.com", "https://X.b.com", "http://*", "null"}
	methods := []Method{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
	names := []string{"accept", "content-type", "x-a", "x-b", "x-c"}
	rapid.Check(t, func(t *rapid.T) {
		o := Options{}.Defaults()
		o.AllowOrigins = rapid.SliceOfNDistinct(rapid.SampledFrom(allowed), 1, 3, rapid.ID[string]).Draw(t, "allow_origins")
		if rapid.Bool().Draw(t, "any origin") {
			o.AllowOrigins = append(o.AllowOrigins, "*")
		}
		o.AllowMethods = rapid.SliceOfNDistinct(rapid.SampledFrom(methods), 1, 4, rapid.ID[Method]).Draw(t, "allow_methods")
		o.AllowHeaders = rapid.SliceOfNDistinct(rapid.SampledFrom(append(names, "*")), 0, 3, rapid.ID[string]).Draw(t, "allow_headers")
		o.ExposeHeaders = rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 2, rapid.ID[string]).Draw(t, "expose_headers")
		o.MaxAge = config.Duration(rapid.SampledFrom([]int64{0, 1e9, 3600e9}).Draw(t, "max_age"))
		o.AllowCredentials = rapid.Bool().Draw(t, "allow_credentials")
		o.AllowPrivateNetwork = rapid.Bool().Draw(t, "allow_private_network")

		r := testx.Request{Method: string(rapid.SampledFrom(methods).Draw(t, "method"))}
		if rapid.Bool().Draw(t, "with origin") {
			r.Header.Add("Origin", rapid.SampledFrom(origins).Draw(t, "origin"))
		}
		if rapid.Bool().Draw(t, "with method") {
			r.Header.Add(requestMethod, string(rapid.SampledFrom(methods).Draw(t, "requested method")))
		}
		if asked := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, rapid.ID[string]).Draw(t, "asked"); asked != nil {
			slices.Sort(asked)
			r.Header.Add(requestHeaders, strings.Join(asked, ","))
		}
		if rapid.Bool().Draw(t, "private network") {
			r.Header.Add(requestPrivateNetwork, "true")
		}

		x := gateway.Acquire(r.Inbound())
		defer x.Release()
		if err := pass(&stage{policy: newPolicy(o)}, x, nil); err != nil {
			t.Fatal(err)
		}
		got := fields(x.Response.Header)
		if want := oracle(o, r); !maps.Equal(got, want) {
			t.Fatalf("header = %v, rs/cors says %v", got, want)
		}
	})
}

// oracle returns the header that rs/cors adds to the answer of r.
func oracle(o Options, r testx.Request) map[string]string {
	methods := make([]string, len(o.AllowMethods))
	for i, m := range o.AllowMethods {
		methods[i] = string(m)
	}
	headers := o.AllowHeaders
	if len(headers) == 0 {
		headers = []string{"*"} // the one default in which the two differ
	}
	c := rscors.New(rscors.Options{
		AllowedOrigins: o.AllowOrigins, AllowedMethods: methods, AllowedHeaders: headers, ExposedHeaders: o.ExposeHeaders,
		MaxAge: int(o.MaxAge / 1e9), AllowCredentials: o.AllowCredentials, AllowPrivateNetwork: o.AllowPrivateNetwork,
	})
	req := httptest.NewRequest(r.Method, "/", nil)
	for _, f := range r.Header {
		req.Header.Add(f.Name, f.Value)
	}
	rec := httptest.NewRecorder()
	c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(rec, req)
	want := make(map[string]string)
	for name, values := range rec.Header() {
		want[name] = strings.Join(values, ", ")
	}
	return want
}

func BenchmarkActual(b *testing.B) {
	st, _ := buildStage(b, `{"allow_origins":["https://app.example.com"],"expose_headers":["X-Total"]}`)
	x := testx.Request{Header: gateway.Fields{{Name: "Origin", Value: app}}}.Exchange(b)
	b.ReportAllocs()
	for b.Loop() {
		x.Response.Header = x.Response.Header[:0]
		_ = pass(st, x, nil)
	}
}

func TestActualAllocatesNothing(t *testing.T) {
	st, _ := buildStage(t, `{"allow_origins":["https://app.example.com"],"expose_headers":["X-Total"]}`)
	x := testx.Request{Header: gateway.Fields{{Name: "Origin", Value: app}}}.Exchange(t)
	x.Response.Header = make(gateway.Fields, 0, 8)
	if n := testing.AllocsPerRun(100, func() {
		x.Response.Header = x.Response.Header[:0]
		_ = pass(st, x, nil)
	}); n > 0 {
		t.Errorf("%v allocations per request, want 0", n)
	}
}

// TestCredentialsForEverybody checks that credentials are not allowed beside the
// origin *, and that this is said.
func TestCredentialsForEverybody(t *testing.T) {
	for _, options := range []string{
		`{"allow_origins":["*"],"allow_credentials":true}`,
		`{"allow_origins":["https://a.com","*"],"allow_credentials":true}`,
		`{"allow_credentials":true}`,
	} {
		st, problems := buildStage(t, options)
		if len(problems) != 1 || problems[0].Severity != config.Warning || !strings.Contains(problems[0].Error(), "list the origins") {
			t.Fatalf("%s: problems %v, want one warning", options, problems)
		}
		for _, in := range []testx.Request{
			{Header: gateway.Fields{{Name: "Origin", Value: "https://a.com"}}},
			{Method: "OPTIONS", Header: gateway.Fields{{Name: "Origin", Value: "https://a.com"}, {Name: "Access-Control-Request-Method", Value: "GET"}}},
		} {
			x := in.Exchange(t)
			if err := pass(st, x, nil); err != nil {
				t.Fatal(err)
			}
			got := fields(x.Response.Header)
			if _, has := got["Access-Control-Allow-Credentials"]; has || got["Access-Control-Allow-Origin"] != "*" {
				t.Errorf("%s, %s: header %v, want the origin * and no credentials", options, in.Method, got)
			}
		}
	}
}
