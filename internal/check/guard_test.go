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

// TestPlacesBeside sends such a key into the namespace that stands there of several that
// have it, and else into none that makes another kind of backend of it.
func TestPlacesBeside(t *testing.T) {
	type veils struct {
		Veil []string `json:"veil" guards:"list"`
	}
	nothing := func(*component.BackendSite, veils) error { return nil }
	registry := component.NewRegistry(
		component.Backend(component.Info{Namespace: "a/queue", Hosts: component.Verbatim}, nothing),
		component.Backend(component.Info{Namespace: "b/queue", Hosts: component.Verbatim}, nothing),
		component.Backend(component.Info{Namespace: "web/client"}, nothing),
	)
	for there, want := range map[string]string{"web/client": "web/client", "b/queue": "b/queue", "@none": "web/client"} {
		problems := problemsOf(t, registry, `{"version":3,"endpoints":[{"endpoint":"/x","backend":[
			{"url_pattern":"/","host":["http://up"],"veil":["a"],"extra_config":{"`+there+`":{}}}]}]}`)
		if all := config.Format(problems); !strings.Contains(all, `"veil" has no effect here; move it into `+want) {
			t.Errorf("beside %s: nothing says %s, but\n%s", there, want, all)
		}
	}
}

// TestOwners names all that have a key, and heeds the one that protects by it.
func TestOwners(t *testing.T) {
	type limit struct {
		Most  int `json:"most_calls" check:"min=0" guards:"option"`
		Inner struct {
			Least int `json:"least_calls"`
		} `json:"inner"`
	}
	type free struct {
		Most int `json:"most_calls"`
	}
	type believed struct {
		Most int `json:"most_calls" guards:"option"`
	}
	service := func(name string, guards component.Guard) component.Info {
		return component.Info{Namespace: name, Guards: guards}
	}
	limits := component.Service(service("qos/limit", component.Passage), func(*component.ServiceSite, limit) error { return nil })
	frees := component.Service(service("async/free", component.Nothing), func(*component.ServiceSite, free) error { return nil })
	believes := component.Service(service("trusting", component.Nothing), func(*component.ServiceSite, believed) error { return nil })
	for _, tt := range []struct {
		name   string
		with   []component.Declaration
		root   string
		errors bool
		want   string
	}{
		{"one that protects", []component.Declaration{limits}, `"most_calls":1`, true, "is an option of qos/limit and"},
		{"another one that does not", []component.Declaration{limits, frees}, `"most_calls":1`, true, "is an option of qos/limit or async/free and"},
		{"one whose key does", []component.Declaration{limits, believes, frees}, `"most_calls":1`, true, "is an option of qos/limit or trusting or async/free and"},
		{"among namespaces", []component.Declaration{limits}, `"extra_config":{"Most-Calls":1}`, true, `is an option of qos/limit; move it there and write "most_calls"`},
		{"only one that does not", []component.Declaration{frees}, `"most_calls":1`, false, "it is an option of the namespace async/free"},
		{"misspelt where it protects", []component.Declaration{limits, frees}, `"extra_config":{"qos/limit":{"mostCalls":1}}`, true, `did you mean "most_calls"?`},
		{"misspelt where it does not", []component.Declaration{limits, frees}, `"extra_config":{"async/free":{"mostCalls":1}}`, false, `did you mean "most_calls"?`},
		{"misspelt where the key does", []component.Declaration{limits, believes, frees}, `"extra_config":{"trusting":{"mostCalls":1}}`, true, `did you mean "most_calls"?`},
	} {
		problems := problemsOf(t, component.NewRegistry(tt.with...), `{"version":3,"dialect":"krakend","host":["http://up"],"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/"}]}],`+tt.root+`}`)
		if len(problems) != 1 || config.HasErrors(problems) != tt.errors || !strings.Contains(problems[0].Err.Error(), tt.want) {
			t.Errorf("%s: want a problem with %q, an error: %t; got\n%s", tt.name, tt.want, tt.errors, config.Format(problems))
		}
	}
}

// TestPlainOptions looks for an option of a component that protects in documents that use
// it: to others its name says nothing.
func TestPlainOptions(t *testing.T) {
	type rule struct {
		Words []string `json:"words"`
	}
	type closed struct {
		Body  string `json:"body"`
		Rules []rule `json:"rules"`
		Name  string `json:"name" check:"required"` // that of a core option, too
		Key   string `json:"key" guards:"beside"`
		Last  string `json:"last" check:"required" guards:"beside"`
	}
	registry := component.NewRegistry(component.Endpoint(component.Info{Namespace: "security/closed", Guards: component.Access},
		func(*component.EndpointSite, closed) error { return nil }))
	const all, some = `{"body":"b","name":"n","last":"l"}`, `{"name":"n","last":"l"}`
	const there = `endpoints[0].extra_config["security/closed"]`
	for _, tt := range []struct {
		name, options, stray string // "" is a document without the namespace
		errors               bool
		want                 string
	}{
		{"a document without it", "", `"body":"x"`, false, "unknown key"},
		{"a document without it, within", "", `"rules":[]`, false, "unknown key"},
		{"a document with it", all, `"body":"x"`, true, `"body" is an option of security/closed and has no effect here; move it there`},
		{"one that lacks it", some, `"Body":"x"`, true, `"Body" has no effect here; move it into ` + there + ` and write "body"`},
		{"a key within", all, `"words":["x"]`, true, `"words" is an option of security/closed`},
		{"a plain word", all, `"key":"x"`, false, "unknown key"},
		{"a plain word that is missing", `{"name":"n"}`, `"last":"x"`, true, `"last" has no effect here; move it into ` + there},
		{"one of the core that is missing", `{"last":"l"}`, `"name":"x"`, true, `"name" has no effect here; move it into ` + there},
	} {
		extra := ""
		if tt.options != "" {
			extra = `"extra_config":{"security/closed":` + tt.options + `},`
		}
		problems := problemsOf(t, registry, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x",`+extra+`"backend":[{"url_pattern":"/"}]},{"endpoint":"/y",`+tt.stray+`,"backend":[{"url_pattern":"/"}]}]}`)
		problems = slices.DeleteFunc(problems, func(p *config.Problem) bool { return p.Path == there+".last" || p.Path == there+".name" })
		if len(problems) != 1 || config.HasErrors(problems) != tt.errors || !strings.HasPrefix(problems[0].Err.Error(), tt.want) {
			t.Errorf("%s: want a problem with %q, an error: %t; got\n%s", tt.name, tt.want, tt.errors, config.Format(problems))
		}
	}
}

// TestOtherScope advises the scope of a namespace that is nearest.
func TestOtherScope(t *testing.T) {
	type inner struct {
		Other bool `json:"other"`
	}
	type outer struct {
		Order bool `json:"in_order"`
	}
	named := component.Info{Namespace: "arrange"}
	registry := component.NewRegistry(append(component.Pipe(named, func(*component.PipeSite, outer) error { return nil }),
		component.Backend(named, func(*component.BackendSite, inner) error { return nil }),
		component.Service(component.Info{Namespace: "another"}, func(*component.ServiceSite, inner) error { return nil }), // of the same type
		component.Service(component.Info{Namespace: "asking", Pipes: component.InAgent}, func(s *component.ServiceSite, o agent) error {
			s.Pipe(component.InAgent, &model.Endpoint{Backend: o.Backend, ExtraConfig: o.ExtraConfig, Node: o.Node})
			return nil
		}))...)
	const stray = `"extra_config":{"arrange":{"in_order":true}}`
	for _, tt := range []struct{ endpoint, agent, want string }{
		{stray, "", "move it into arrange of the endpoint"},
		{"", stray, "move it into arrange of the pipe of asking"},
	} {
		more := func(members string) string { return strings.TrimSuffix(","+members, ",") }
		problems := problemsOf(t, registry, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/"`+more(tt.endpoint)+`}]}],
			"extra_config":{"asking":{"backend":[{"url_pattern":"/"`+more(tt.agent)+`}]}}}`)
		if len(problems) != 1 || !strings.HasSuffix(problems[0].Err.Error(), tt.want) {
			t.Errorf("want one problem that says %q, got\n%s", tt.want, config.Format(problems))
		}
	}
}
