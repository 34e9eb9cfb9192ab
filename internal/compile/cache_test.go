package compile_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/template"
)

// TestNoStore lets no cache keep what a call has taken away, be it one of several or in a
// pipe, and says where an endpoint announces otherwise. HEAD calls none of these, nor one
// whose answer nobody waits for.
func TestNoStore(t *testing.T) {
	r := component.NewRegistry(
		component.Backend(component.Info{Namespace: "test/take", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			s.NoStore()
			return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error { return answer(x, `{"message":1}`) }))
		}),
		component.Backend(component.Info{Namespace: "test/shadow"}, func(s *component.BackendSite, _ struct{}) error {
			return s.Shadow(component.Shadow{Most: 1})
		}),
		component.Backend(component.Info{Namespace: "test/workflow", Pipes: component.InWorkflow, Hosts: component.Verbatim}, buildWorkflow))
	const (
		take = `{"url_pattern":"/1","extra_config":{"test/take":{}}}`
		ask  = `{"url_pattern":"/2"}`
		see  = `{"url_pattern":"/3","extra_config":{"test/shadow":{},"test/take":{}}}`
	)
	flow := func(backends string) string {
		return `{"url_pattern":"/","extra_config":{"test/workflow":{"endpoint":"/x","backend":[` + backends + `]}}}`
	}
	tests := []struct {
		name, endpoint, cache, problem string
		head                           bool
	}{
		{"no cache_ttl", `"backend":[` + take + `]`, "no-store", "", false},
		{"cache_ttl", `"cache_ttl":"60s","backend":[` + take + `]`, "no-store", "warning endpoints[0].cache_ttl", false},
		{"another method", `"cache_ttl":"60s","method":"POST","backend":[` + take + `]`, "no-store", "warning endpoints[0].cache_ttl", false},
		{"one of two", `"backend":[` + ask + `,` + take + `]`, "no-store", "", false},
		{"in a pipe", `"backend":[` + flow(take) + `]`, "no-store", "", false},
		{"none", `"cache_ttl":"60s","backend":[` + ask + `]`, "public, max-age=60", "", true},
		{"a shadow", `"cache_ttl":"60s","backend":[` + ask + `,` + see + `]`, "public, max-age=60", "", false},
		{"a shadow in a pipe", `"cache_ttl":"60s","backend":[` + flow(ask+`,`+see) + `]`, "public, max-age=60", "", false},
	}
	for _, tt := range tests {
		g, problems := compileMeeting(t, r, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x",`+tt.endpoint+`}]}`)
		var got []string
		for _, p := range problems {
			got = append(got, p.Severity.String()+" "+p.Path)
		}
		want := []string{tt.problem}
		if tt.problem == "" {
			want = nil
		}
		if !slices.Equal(got, want) || g == nil {
			t.Errorf("%s: problems %q, want %q", tt.name, got, want)
			continue
		}
		if why := g.Explain("HEAD", "/x").Candidates; len(why) == 0 || why[0].Wins != tt.head {
			t.Errorf("%s: HEAD is explained by %+v", tt.name, why)
		}
		request := testx.Request{Path: "/x"}
		if tt.name == "another method" {
			request.Method = "POST"
		}
		x := request.Exchange(t)
		if err := g.Do(t.Context(), x); err != nil || x.Response.Header.Get("Cache-Control") != tt.cache {
			t.Errorf("%s: Cache-Control is %q, want %q; error %v", tt.name, x.Response.Header.Get("Cache-Control"), tt.cache, err)
		}
	}
}

// TestTakes: what takes its answer away is called once for a request, alone, beside others and
// in pipes, whatever concurrent_calls is, and nobody may keep the answer.
func TestTakes(t *testing.T) {
	var taken, asked atomic.Int32
	count := func(n *atomic.Int32, text string) gateway.Connector {
		return gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error { n.Add(1); return answer(x, text) })
	}
	r := component.NewRegistry(
		component.Backend(component.Info{Namespace: "test/take", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			s.Takes()
			return s.Connector(count(&taken, `{"message":1}`))
		}),
		component.Backend(component.Info{Namespace: "test/ask", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			return s.Connector(count(&asked, `{"asked":1}`))
		}),
		component.Backend(component.Info{Namespace: "test/workflow", Pipes: component.InWorkflow, Hosts: component.Verbatim}, buildWorkflow))
	const (
		take = `{"url_pattern":"/1","extra_config":{"test/take":{}}}`
		ask  = `{"url_pattern":"/2","extra_config":{"test/ask":{}}}`
	)
	in := func(flow string) string { return `{"url_pattern":"/","extra_config":{"test/workflow":{` + flow + `}}}` }
	tests := []struct {
		name, backends string
		asked          int32
		problems       []string
	}{
		{"alone", take, 0, []string{"endpoints[0].concurrent_calls: backend[0] is called once"}},
		{"beside another", ask + "," + take, 3, []string{"endpoints[0].concurrent_calls: backend[1] is called once"}},
		{"in a pipe", ask + "," + in(`"endpoint":"/y","backend":[`+ask+","+take+`]`), 4, []string{"endpoints[0].concurrent_calls: backend[1] is called once"}},
		{"in a pipe of several calls", in(`"endpoint":"/y","concurrent_calls":2,"backend":[` + ask + "," + take + `]`), 2, []string{
			"endpoints[0].concurrent_calls: backend[0] is called once", `endpoints[0].backend[0].extra_config["test/workflow"].concurrent_calls: backend[1] is called once`}},
	}
	for _, tt := range tests {
		taken.Store(0)
		asked.Store(0)
		g, problems := compileMeeting(t, r, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","concurrent_calls":3,"backend":[`+tt.backends+`]}]}`)
		if g == nil || !slices.EqualFunc(problems, tt.problems, func(p *config.Problem, want string) bool {
			return strings.HasPrefix(p.Path+": "+p.Err.Error(), want) && p.Severity == config.Warning
		}) {
			t.Errorf("%s: problems\n%s", tt.name, config.Format(problems))
			continue
		}
		x := testx.Request{Path: "/x"}.Exchange(t)
		if err := g.Do(t.Context(), x); err != nil || x.Response.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v, Cache-Control %q", tt.name, err, x.Response.Header.Get("Cache-Control"))
		}
		if n, m := taken.Load(), asked.Load(); n != 1 || m != tt.asked {
			t.Errorf("%s: taken %d times, asked %d times; want once and %d", tt.name, n, m, tt.asked)
		}
	}
}

// TestThrownAway: nothing is taken away by a call whose answer nobody gets, unless another call
// of its pipe may use it.
func TestThrownAway(t *testing.T) {
	r := component.NewRegistry(
		component.Backend(component.Info{Namespace: "test/take", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			s.Takes()
			return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error { return answer(x, `{}`) }))
		}),
		component.Backend(component.Info{Namespace: "test/shadow"}, func(s *component.BackendSite, _ struct{}) error {
			return s.Shadow(component.Shadow{Most: 1})
		}),
		component.Backend(component.Info{Namespace: "test/workflow", Pipes: component.InWorkflow, Hosts: component.Verbatim}, buildWorkflow))
	const (
		ask  = `{"url_pattern":"/1"}`
		take = `{"url_pattern":"/2","extra_config":{"test/take":{}}}`
		lost = `{"url_pattern":"/3","extra_config":{"test/shadow":{},"test/take":{}}}`
	)
	in := func(extra, backends string) string {
		return `{"url_pattern":"/","extra_config":{` + extra + `"test/workflow":{"endpoint":"/y","backend":[` + backends + `]}}}`
	}
	for _, tt := range []struct{ name, backends, at string }{
		{"beside another", ask + "," + lost, `endpoints[0].backend[1].extra_config["test/take"]`},
		{"in a pipe", in("", ask+","+lost), `endpoints[0].backend[0].extra_config["test/workflow"].backend[1].extra_config["test/take"]`},
		{"by a pipe", ask + "," + in(`"test/shadow":{},`, take+","+ask), ""},
	} {
		for _, dialect := range []string{"krakend", "sluice"} {
			g, problems := compileMeeting(t, r, `{"version":3,"dialect":"`+dialect+`","host":["http://up"],"endpoints":[{"endpoint":"/x","backend":[`+tt.backends+`]}]}`)
			at := slices.IndexFunc(problems, func(p *config.Problem) bool {
				return p.Severity == config.Error && strings.HasPrefix(p.Err.Error(), "each call takes a message away")
			})
			if (g == nil) != (tt.at != "") || (at >= 0) != (tt.at != "") || at >= 0 && problems[at].Path != tt.at {
				t.Errorf("%s, %s: served: %t\n%s", tt.name, dialect, g != nil, config.Format(problems))
			}
		}
	}
}

// TestPersonal announces for one client alone what a component asks by a header or a claim of
// the client, as if url_pattern held it, and says of a text what is said of that.
func TestPersonal(t *testing.T) {
	type options struct {
		Key string `json:"key"`
	}
	r := component.NewRegistry(
		component.Backend(component.Info{Namespace: "test/key", Hosts: component.Verbatim}, func(s *component.BackendSite, o options) error {
			key, err := s.Template("key", o.Key, template.InText)
			if err != nil {
				return err
			}
			return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
				text, err := key.Append(nil, x)
				if err != nil {
					return err
				}
				x.Response.Body.SetTree(map[string]any{"key": string(text)})
				x.Response.Complete = true
				return nil
			}))
		}),
		component.Backend(component.Info{Namespace: "test/reads", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			s.Personal()
			return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
				return answer(x, `{"for":"`+x.In.Header("X-Who")+`"}`)
			}))
		}),
		component.Endpoint(component.Info{Namespace: "test/who", Identifies: true}, func(*component.EndpointSite, struct{}) error { return nil }),
		component.Endpoint(component.Info{Namespace: "test/sequence"}, func(s *component.EndpointSite, _ struct{}) error { return s.Sequence(nil) }),
		component.Backend(component.Info{Namespace: "test/shadow"}, func(s *component.BackendSite, _ struct{}) error {
			return s.Shadow(component.Shadow{Most: 1})
		}),
		component.Backend(component.Info{Namespace: "test/workflow", Pipes: component.InWorkflow, Hosts: component.Verbatim}, buildWorkflow))
	key := func(text string) string {
		return `{"url_pattern":"/","group":"k","extra_config":{"test/key":{"key":"` + text + `"}}}`
	}
	in := func(backend string) string {
		return `{"url_pattern":"/","extra_config":{"test/workflow":{"endpoint":"/x","backend":[` + backend + `]}}}`
	}
	const (
		reads   = `{"url_pattern":"/","extra_config":{"test/reads":{}}}`
		plain   = `{"url_pattern":"/p"}`
		public  = "public, max-age=60"
		private = "private, max-age=60"
	)
	tests := []struct{ name, extra, backends, cache, problem string }{
		{"a parameter", "", key("u:{id}"), public, ""},
		{"a header", "", key("u:{input_headers.X-Who}"), private, ""},
		{"a header in a pipe", "", plain + "," + in(in(key("u:{input_headers.X-Who}"))), private, ""},
		{"a header that a component reads", "", plain + "," + reads, private, ""},
		{"the same in pipes", "", in(in(reads)), private, ""},
		{"a header of a shadow", "", plain + `,{"url_pattern":"/","extra_config":{"test/shadow":{},"test/key":{"key":"{input_headers.X-Who}"}}}`, public, ""},
		{"a claim of nobody", "", key("{JWT.sub}"), "", `endpoints[0].backend[0].extra_config["test/key"].key: {JWT.…} has a value behind test/who only`},
		{"a claim", `"test/who":{}`, key("{JWT.sub}"), "", ""},
		{"what names nothing", "", key("{ids}"), "", `endpoints[0].backend[0].extra_config["test/key"].key: {ids} names nothing; did you mean {id}? else use a variable of the endpoint,`},
		{"an answer of no sequence", "", plain + "," + key("{resp0_a}"), "", `endpoints[0].backend[1].extra_config["test/key"].key: {resp…} has a value in a sequence only`},
		{"the answer of a later call", `"test/sequence":{}`, key("{resp1_a}") + "," + plain, "", `endpoints[0].backend[0].extra_config["test/key"].key: {resp1_…} is not the answer of an earlier backend`},
		{"an earlier answer", `"test/sequence":{}`, plain + "," + key("{resp0_a}"), public, ""},
	}
	for _, tt := range tests {
		for dialect, severity := range map[string]string{"krakend": "warning", "sluice": "error"} {
			g, problems := compileMeeting(t, r, `{"version":3,"dialect":"`+dialect+`","cache_ttl":"60s","host":["http://up"],"endpoints":[
				{"endpoint":"/x/{id}","input_headers":["X-Who"],"extra_config":{`+tt.extra+`},"backend":[`+tt.backends+`]}]}`)
			if tt.problem != "" {
				want := severity + " " + tt.problem
				if strings.Contains(tt.problem, "names nothing") {
					want = "error " + tt.problem
				}
				if !slices.ContainsFunc(problems, func(p *config.Problem) bool {
					return strings.HasPrefix(p.Severity.String()+" "+p.Path+": "+p.Err.Error(), want)
				}) {
					t.Errorf("%s, %s: want %s, got\n%s", tt.name, dialect, want, config.Format(problems))
				}
				continue
			}
			if g == nil {
				t.Errorf("%s, %s: %s", tt.name, dialect, config.Format(problems))
				continue
			}
			want := tt.cache
			if dialect == "krakend" && want != "" {
				want = public // and says so
				if warned := slices.ContainsFunc(problems, func(p *config.Problem) bool { return p.Path == "cache_ttl" || p.Path == "endpoints[0].cache_ttl" }); warned != (tt.cache == private) {
					t.Errorf("%s, %s: %s", tt.name, dialect, config.Format(problems))
				}
			}
			if want == "" {
				continue
			}
			x := testx.Request{Path: "/x/7", Header: gateway.Fields{{Name: "X-Who", Value: "ann"}}}.Exchange(t)
			if err := g.Do(t.Context(), x); err != nil || x.Response.Header.Get("Cache-Control") != want {
				t.Errorf("%s, %s: Cache-Control is %q, want %q; error %v", tt.name, dialect, x.Response.Header.Get("Cache-Control"), want, err)
			}
		}
	}
	// Without the header there is no whole answer, so nobody is called.
	g, problems := compileMeeting(t, r, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x/{id}","input_headers":["X-Who"],"backend":[`+plain+`,`+key("{input_headers.X-Who}")+`]}]}`)
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	x := testx.Request{Path: "/x/7"}.Exchange(t)
	if err := g.Do(t.Context(), x); x.Response.Status != 400 {
		t.Errorf("without the header: status %d, error %v; want 400", x.Response.Status, err)
	}
}
