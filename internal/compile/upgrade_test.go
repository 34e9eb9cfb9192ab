package compile_test

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// switching is an endpoint at /x whose clients may switch to a and b, with the
// given namespaces at endpoint and backend.
func switching(endpoint, backend string) string {
	return `{"version":3,"endpoints":[{"endpoint":"/x","output_encoding":"no-op","extra_config":{"test/upgrade":{}` + endpoint + `},
		"backend":[{"url_pattern":"/","host":["http://b"],"extra_config":{` + backend + `}}]}]}`
}

// compileSwitching compiles it; backend is what answers.
func compileSwitching(t *testing.T, text string, backend gateway.Connector) (*compile.Generation, []*config.Problem) {
	t.Helper()
	reads := func(s *component.Site) { s.Needs(body.Empty, body.Raw) }
	d, problems := config.Parse("test.json", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	return compile.Compile(d, compile.Options{
		Registry: component.NewRegistry(
			component.Endpoint(component.Info{Namespace: "test/upgrade"}, func(s *component.EndpointSite, _ struct{}) error {
				s.Upgrade("a", "b/1")
				return nil
			}),
			component.Endpoint(component.Info{Namespace: "test/reads"}, func(s *component.EndpointSite, _ struct{}) error {
				reads(&s.Site)
				return nil
			}),
			component.Backend(component.Info{Namespace: "test/reads"}, func(s *component.BackendSite, _ struct{}) error {
				reads(&s.Site)
				return nil
			}),
			component.Backend(component.Info{Namespace: "test/queue"}, func(s *component.BackendSite, _ struct{}) error {
				return s.Connector(backend)
			}),
		),
		Env: &component.Env{
			Product: "Sluice 0",
			Clock:   time.Now,
			Keeper:  new(component.Keeper),
			Log:     component.NewLog(slog.DiscardHandler),
			Dial:    func(model.Transport, *tls.Config) (gateway.Connector, error) { return backend, nil },
		},
	})
}

// TestUpgradeSites refuses what cannot have to do with a tunnel.
func TestUpgradeSites(t *testing.T) {
	nobody := gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return errors.New("called") })
	for _, tt := range []struct{ name, endpoint, backend, want string }{
		{"nothing else", ``, ``, ""},
		{"a stage of the endpoint that reads the answer", `,"test/reads":{}`, ``, `endpoints[0].extra_config["test/reads"]`},
		{"a stage of the backend that reads the answer", ``, `"test/reads":{}`, `endpoints[0].backend[0].extra_config["test/reads"]`},
		{"a backend that is not called by HTTP", ``, `"test/queue":{}`, `endpoints[0].backend[0].extra_config`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, problems := compileSwitching(t, switching(tt.endpoint, tt.backend), nobody)
			var got []string
			for _, p := range problems {
				got = append(got, p.Path)
			}
			if tt.want == "" && (g == nil || got != nil) || tt.want != "" && (g != nil || !slices.Equal(got, []string{tt.want})) {
				t.Errorf("compiled: %t, problems\n%s\nwant one at %q", g != nil, config.Format(problems), tt.want)
			}
		})
	}
}

// An asking message upgrades, or cannot.
type asking struct {
	gateway.Inbound
	can bool
}

func (a asking) Upgrades() bool { return a.can }

// TestUpgradeOffered shows what a backend is asked for.
func TestUpgradeOffered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method string
		can    bool
		fields []string // values of Upgrade
		want   string
	}{
		{"one", "GET", true, []string{"a"}, "a"},
		{"none that is allowed", "GET", true, []string{"c, h2c,a/1,b", "websocket"}, ""},
		{"all in the order of the client", "GET", true, []string{" b/1 ,x,\tA"}, "b/1, A"},
		{"on several lines, each once", "GET", true, []string{"a", "A, B/1,,", "b/1"}, "a, B/1"},
		{"cannot be granted", "GET", false, []string{"a"}, ""},
		{"is not asked for", "GET", true, nil, ""},
		{"HEAD has an answer without a body, not a tunnel", "HEAD", true, []string{"a"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked, compressed := "", false
			g, problems := compileSwitching(t, switching(``, ``), gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
				asked, compressed = x.Request.Upgrade, x.Request.Header.Has("Accept-Encoding")
				x.Response.Status, x.Response.Upgrade = 101, asked
				return nil
			}))
			if g == nil {
				t.Fatal(config.Format(problems))
			}
			r := testx.Request{Method: tt.method, Path: "/x"}
			for _, v := range tt.fields {
				r.Header = append(r.Header, gateway.Field{Name: "Upgrade", Value: v})
			}
			x := r.Exchange(t)
			x.In = asking{x.In, tt.can}
			if err := g.Do(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			if asked != tt.want || x.Response.Upgrade != asked || compressed != (asked == "") {
				t.Errorf("asked for %q, answered %q, compression asked for: %t; want %q", asked, x.Response.Upgrade, compressed, tt.want)
			}
		})
	}
}
