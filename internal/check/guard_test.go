package check_test

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A nest is options that hold a pipe.
type nest struct {
	Backend     []*model.Backend        `json:"backend"`
	ExtraConfig map[string]*config.Node `json:"extra_config"`
	Node        *config.Node            `json:"-"`
}

type (
	workflow nest
	agent    nest
)

func (workflow) Scope() string { return string(component.InWorkflow) }
func (agent) Scope() string    { return string(component.InAgent) }

// problemsOf are those of a configuration with components of a registry.
func problemsOf(t testing.TB, r *component.Registry, text string) []*config.Problem {
	t.Helper()
	d, problems := config.Parse("gateway.json", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	g, problems := compile.Compile(d, compile.Options{Registry: r, Env: &component.Env{
		Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
		Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return nil, nil },
	}})
	if g != nil {
		g.Close(t.Context())
	}
	return problems
}

// TestPlaces sends a key that protects to the nearest object that has it.
func TestPlaces(t *testing.T) {
	type veils struct {
		Veil []string `json:"veil" guards:"list"`
	}
	veil := func(scope component.Scope) component.Declaration {
		i := component.Info{Namespace: "veil/" + string(scope)}
		switch scope {
		case component.InService:
			return component.Service(i, func(*component.ServiceSite, veils) error { return nil })
		case component.InEndpoint:
			return component.Endpoint(i, func(*component.EndpointSite, veils) error { return nil })
		}
		nested := component.Nested(i, func(*component.PipeSite, veils) error { return nil })
		return nested[slices.IndexFunc(nested, func(d component.Declaration) bool { return d.Scope == scope })]
	}
	registry := component.NewRegistry(veil(component.InService), veil(component.InEndpoint), veil(component.InWorkflow), veil(component.InAgent),
		component.Backend(component.Info{Namespace: "flow", Pipes: component.InWorkflow, Hosts: component.Verbatim}, func(s *component.BackendSite, o workflow) error {
			return s.Connector(s.Pipe(component.InWorkflow, &model.Endpoint{Backend: o.Backend, ExtraConfig: o.ExtraConfig, Node: o.Node}))
		}),
		component.Service(component.Info{Namespace: "asking", Pipes: component.InAgent}, func(s *component.ServiceSite, o agent) error {
			s.Pipe(component.InAgent, &model.Endpoint{Backend: o.Backend, ExtraConfig: o.ExtraConfig, Node: o.Node})
			return nil
		}),
	)
	const stray = `"veil":["a"]`
	for _, tt := range []struct{ name, root, endpoint, backend, flow, inner, want string }{
		{"the root", stray, "", "", "", "", "veil/service"},
		{"an endpoint", "", stray, "", "", "", "veil/endpoint"},
		{"a backend", "", "", stray, "", "", "veil/endpoint"},
		{"a workflow", "", "", "", stray, "", "veil/workflow"},
		{"a backend of a workflow", "", "", "", "", stray, "veil/workflow"},
		{"the namespaces of a backend of a workflow", "", "", "", "", `"extra_config":{` + stray + `}`, "veil/workflow"},
		{"an agent", `"extra_config":{"asking":{"backend":[{"url_pattern":"/"}],` + stray + `}}`, "", "", "", "", "veil/async_agent"},
		{"a backend of an agent", `"extra_config":{"asking":{"backend":[{"url_pattern":"/",` + stray + `}]}}`, "", "", "", "", "veil/async_agent"},
	} {
		more := func(members string) string {
			if members == "" {
				return ""
			}
			return "," + members
		}
		problems := problemsOf(t, registry, `{"version":3,"host":["http://up"]`+more(tt.root)+`,"endpoints":[{"endpoint":"/x"`+more(tt.endpoint)+`,"backend":[
			{"url_pattern":"/"`+more(tt.backend)+`,"extra_config":{"flow":{"backend":[{"url_pattern":"/"`+more(tt.inner)+`}]`+more(tt.flow)+`}}}]}]}`)
		want := func(p *config.Problem) bool {
			return p.Severity == config.Error && strings.HasSuffix(p.Err.Error(), "move it into "+tt.want)
		}
		if len(problems) != 1 || !want(problems[0]) {
			t.Errorf("in %s: want one error that says to move it into %s, got\n%s", tt.name, tt.want, config.Format(problems))
		}
	}
}
