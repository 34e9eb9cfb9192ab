package component_test

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Options of the components of these tests.
type options struct {
	Limit int `json:"limit" check:"min=1"`
}

func (options) Defaults() options { return options{Limit: 7} }

func service(name string, build func(*component.ServiceSite, options) error, aliases ...string) component.Declaration {
	return component.Service(component.Info{Namespace: name, Aliases: aliases}, build)
}

func nothing(*component.ServiceSite, options) error { return nil }

// newEnv returns the surroundings of a generation with an empty configuration.
func newEnv(keeper *component.Keeper) *component.Env {
	return &component.Env{
		Service: &model.Service{Node: parse("{}")},
		Product: "Sluice 0",
		Clock:   func() time.Time { return time.Unix(0, 0) },
		Keeper:  keeper,
		Log:     component.NewLog(slog.DiscardHandler),
	}
}

func parse(text string) *config.Node {
	d, problems := config.Parse("test.json", []byte(text))
	if config.HasErrors(problems) {
		panic(config.Format(problems))
	}
	return d.Root
}

func TestRegistry(t *testing.T) {
	r := component.NewRegistry(
		service("b/two", nothing, "old/two"),
		service("a/one", nothing),
		component.Backend(component.Info{Namespace: "a/one"}, func(*component.BackendSite, options) error { return nil }),
		component.Endpoint(component.Info{Namespace: "a/one"}, func(*component.EndpointSite, options) error { return nil }),
	)
	var names []string
	for _, d := range r.All() {
		names = append(names, d.Namespace+" "+string(d.Scope))
	}
	if want := []string{"a/one backend", "a/one endpoint", "a/one service", "b/two service"}; !slices.Equal(names, want) {
		t.Errorf("All() = %q, want %q", names, want)
	}
	two := r.Find(component.InService, "b/two")
	if two == nil || r.Find(component.InService, "old/two") != two {
		t.Error("a name and its alias find different declarations")
	}
	if d := r.Find(component.InBackend, "b/two"); d != nil {
		t.Errorf("found %s in a scope where it was not declared", d.Namespace)
	}
	if d := r.Find(component.InService, "B/two"); d != nil {
		t.Errorf("found %s by another letter case", d.Namespace)
	}
}

// TestMisordered finds names that nobody has, and circles, in what components come after.
func TestMisordered(t *testing.T) {
	after := func(name string, after ...string) component.Declaration {
		return component.Service(component.Info{Namespace: name, After: after}, func(*component.ServiceSite, options) error { return nil })
	}
	backend := component.Backend(component.Info{Namespace: "b"}, func(*component.BackendSite, options) error { return nil })
	for _, tt := range []struct {
		name string
		ds   []component.Declaration
		want []string
	}{
		{"one after another", []component.Declaration{after("a", "c"), after("b", "a", "c"), after("c")}, nil},
		{"a family that it is of", []component.Declaration{after("x/a", "x/"), after("x/b")}, nil},
		{"one that is known otherwise", []component.Declaration{after("a", "planned")}, nil},
		{"a misspelt name", []component.Declaration{after("a", "bb"), after("b")}, []string{`a comes after "bb", which nothing of the scope service is called`}},
		{"a family of nobody", []component.Declaration{after("a", "y/"), after("x/b")}, []string{`a comes after "y/", which nothing`}},
		{"one of another scope", []component.Declaration{after("a", "b"), backend}, []string{`a comes after "b", which nothing`}},
		{"a circle", []component.Declaration{after("a", "b"), after("b", "x/"), after("x/c", "a"), after("d", "a")}, []string{"a, b, x/c, a come after each other;"}},
	} {
		errs := component.NewRegistry(tt.ds...).Misordered(func(name string) bool { return name == "planned" })
		if !slices.EqualFunc(errs, tt.want, func(err error, want string) bool { return strings.HasPrefix(err.Error(), want) }) {
			t.Errorf("%s: %q, want %q", tt.name, errs, tt.want)
		}
	}
}

func TestRegistryDuplicates(t *testing.T) {
	tests := []struct {
		name string
		ds   []component.Declaration
		want string // "" for none
	}{
		{"one name in two scopes", []component.Declaration{service("a", nothing), component.Backend(component.Info{Namespace: "a"}, func(*component.BackendSite, options) error { return nil })}, ""},
		{"one name twice", []component.Declaration{service("a", nothing), service("a", nothing)}, "component a is declared twice for the scope service"},
		{"an alias that is a name", []component.Declaration{service("a", nothing), service("b", nothing, "a")}, "component a is declared twice"},
		{"a name that is an alias", []component.Declaration{service("b", nothing, "a"), service("a", nothing)}, "component a is declared twice"},
		{"one alias twice", []component.Declaration{service("a", nothing, "x"), service("b", nothing, "x")}, "component x is declared twice"},
		{"an alias of itself", []component.Declaration{service("a", nothing, "a")}, "component a is declared twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				v := recover()
				if text := fmt.Sprint(v); (v == nil) != (tt.want == "") || !strings.Contains(text, tt.want) && v != nil {
					t.Errorf("NewRegistry panics with %v, want %q", v, tt.want)
				}
			}()
			component.NewRegistry(tt.ds...)
		})
	}
}

// TestBuild shows what becomes of options and of errors.
func TestBuild(t *testing.T) {
	tests := []struct {
		name, options string // "" for an implicit component
		fail          error
		limit         int // that build saw; 0 if it was not called
		want          []string
	}{
		{"options", `{"limit":3}`, nil, 3, nil},
		{"defaults of a named component", `{}`, nil, 7, nil},
		{"defaults of an implicit component", "", nil, 7, nil},
		{"wrong options are never built", `{"limit":"x"}`, nil, 0, []string{"extra.limit"}},
		{"options out of range are never built", `{"limit":0}`, nil, 0, []string{"extra.limit"}},
		{"an error of the component", `{}`, errors.New("no"), 7, []string{"extra"}},
		{"an error at a key", `{"limit":3}`, config.At("limit", errors.New("no")), 3, []string{"extra.limit"}},
		{"an error of an implicit component", "", errors.New("no"), 7, []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var n *config.Node
			if tt.options != "" {
				n = parse(`{"extra":` + tt.options + `}`).Get("extra")
			}
			limit := 0
			r := component.NewRegistry(service("a", func(s *component.ServiceSite, o options) error {
				if s.Declared() != (n != nil) {
					t.Errorf("Declared() = %t", s.Declared())
				}
				if s.Written("limit") != strings.Contains(tt.options, "limit") {
					t.Errorf("Written(limit) = %t", s.Written("limit"))
				}
				limit = o.Limit
				return tt.fail
			}))
			s := component.NewServiceSite(newEnv(nil))
			s.Build(r.Find(component.InService, "a"), n)
			if limit != tt.limit {
				t.Errorf("built with the limit %d, want %d", limit, tt.limit)
			}
			var paths []string
			for _, p := range s.Problems() {
				paths = append(paths, p.Path)
			}
			if !slices.Equal(paths, tt.want) {
				t.Errorf("problems at %q, want %q", paths, tt.want)
			}
			if config.HasErrors(s.Problems()) != (len(tt.want) > 0) {
				t.Errorf("problems %v", s.Problems())
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	n := parse(`{"extra":{"limit":1}}`).Get("extra")
	r := component.NewRegistry(service("a", func(s *component.ServiceSite, _ options) error {
		s.Warn("limit", errors.New("small"))
		s.Note("", errors.New("by the way"))
		return nil
	}))
	for _, tt := range []struct {
		n    *config.Node
		want []string
	}{
		{n, []string{"extra.limit warning", "extra note"}},
		{nil, nil}, // nobody wrote what could be changed
	} {
		s := component.NewServiceSite(newEnv(nil))
		s.Build(r.Find(component.InService, "a"), tt.n)
		var got []string
		for _, p := range s.Problems() {
			got = append(got, p.Path+" "+p.Severity.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("problems %q, want %q", got, tt.want)
		}
	}
}

// TestPhases shows that every phase has a name of its own, and that each scope
// ends where its names end.
func TestPhases(t *testing.T) {
	tests := []struct {
		scope string
		last  uint8
		name  func(uint8) string
	}{
		{"service", uint8(component.ServiceBot), func(p uint8) string { return component.ServicePhase(p).String() }},
		{"endpoint", uint8(component.PipeFlatmap), func(p uint8) string { return component.PipePhase(p).String() }},
		{"backend", uint8(component.BackendSign), func(p uint8) string { return component.BackendPhase(p).String() }},
	}
	for _, tt := range tests {
		var seen []string
		for p := range tt.last + 1 {
			name := tt.name(p)
			if name == "" || slices.Contains(seen, name) {
				t.Errorf("%s: phase %d is called %q, after %q", tt.scope, p, name, seen)
			}
			seen = append(seen, name)
		}
		func() {
			defer func() { recover() }()
			t.Errorf("%s: there is a name %q behind the last phase", tt.scope, tt.name(tt.last+1))
		}()
	}
	for p, want := range map[fmt.Stringer]string{
		component.ServiceRender: "render", component.ServiceOwn: "own", component.EndpointEncode: "encode", component.PipeFlatmap: "flatmap",
		component.BackendAddress: "address", component.BackendShape: "shape", component.BackendCredential: "credential", component.BackendSign: "sign",
	} {
		if p.String() != want {
			t.Errorf("%T %v, want %s", p, p, want)
		}
	}
}

var stage = gateway.StageFunc(nil)

// TestSites builds one component of each scope and looks at what its site
// says of it.
func TestSites(t *testing.T) {
	env := newEnv(nil)
	env.Service.Transport.MaxIdleConnections = 5
	n := parse(`{"x":{"limit":1}}`).Get("x")
	var slots [3]gateway.Slot[int]
	r := component.NewRegistry(
		service("s", func(s *component.ServiceSite, _ options) error {
			s.Stage(component.ServiceLimit, stage)
			s.Stage(component.ServiceObserve, stage)
			slots[0] = component.NewSlot[int](&s.Site)
			return nil
		}),
		component.Endpoint(component.Info{Namespace: "e", Identifies: true}, func(s *component.EndpointSite, _ options) error {
			s.Stage(component.PipeFlatmap, stage)
			s.Needs(body.Raw, body.Tree)
			s.Upgrade("a", "b")
			s.Upgrade("b", "c")
			slots[1] = component.NewSlot[int](&s.Site)
			if !slices.Equal(s.Params(), []string{"id"}) || s.Config().Endpoint != "/x/{id}" || !s.Identified() {
				t.Errorf("the site of the endpoint: %q, %v", s.Params(), s.Config())
			}
			return s.Sequence([]string{"resp0_id"})
		}),
		component.Backend(component.Info{Namespace: "b"}, func(s *component.BackendSite, _ options) error {
			s.Stage(component.BackendCache, stage)
			s.Endpoint().Stage(component.PipePlugin, stage)
			slots[2] = component.NewSlot[int](&s.Site)
			s.Transport().MaxIdleConnections++
			stated := errors.Join(s.Redirects(component.Redirects{Return: true}), s.Shadow(component.Shadow{Timeout: time.Second, Most: 1}), s.Connector(gateway.ConnectorFunc(nil)))
			s.Reshape(func(m map[string]any) map[string]any { return m })
			if !slices.Equal(s.Params(), []string{"id", "resp0_id"}) || s.Endpoint().Config().Endpoint != "/x/{id}" || s.Config().URLPattern != "/b" {
				t.Errorf("the site of the backend: %q", s.Params())
			}
			if s.Product() != "Sluice 0" || !s.Clock()().Equal(time.Unix(0, 0)) || s.Service() != env.Service || s.Log() == nil {
				t.Error("the site does not give what the environment holds")
			}
			return stated
		}),
	)
	env.Registry = r
	ss := component.NewServiceSite(env)
	ss.Build(r.Find(component.InService, "s"), n)
	es := component.NewEndpointSite(env, ss, &model.Endpoint{Endpoint: "/x/{id}", ExtraConfig: map[string]*config.Node{"e": n}}, []string{"id"})
	es.Build(r.Find(component.InEndpoint, "e"), n)
	bs := component.NewBackendSite(env, &es.PipeSite, &model.Backend{URLPattern: "/b"})
	bs.Build(r.Find(component.InBackend, "b"), n)

	placed := ss.Placed()
	if len(placed) != 2 || placed[0].Name != "s" || placed[0].Phase != uint8(component.ServiceLimit) || placed[0].At != n.Pos || placed[1].Phase != uint8(component.ServiceObserve) {
		t.Errorf("placed %+v", placed)
	}
	if needs := es.Stated(); len(needs) != 1 || needs[0].Name != "e" || needs[0].Request != body.Raw || needs[0].Response != body.Tree || needs[0].Node != n {
		t.Errorf("stated %+v", needs)
	}
	if a := es.Arrangement(); !a.Sequential || len(a.Propagate) != 1 || !slices.Equal(a.Upgrade, []string{"a", "b", "c"}) {
		t.Errorf("arranged %+v", a)
	}
	if p := es.Placed(); len(p) != 2 || p[1].Name != "b" || p[1].At != n.Pos {
		t.Errorf("a stage of a backend at its endpoint: %+v", p)
	}
	call := bs.Call()
	if call.Connector == nil || call.Transport.MaxIdleConnections != 6 || !call.Redirects.Return || call.Shadow.Timeout != time.Second || call.Reshape == nil {
		t.Errorf("call %+v", call)
	}
	if env.Service.Transport.MaxIdleConnections != 5 {
		t.Error("a backend changed the settings of the service")
	}
	if p := bs.Problems(); len(p) != 0 {
		t.Errorf("the backend has %v", p)
	}

	// Stages of the service and of the endpoint meet on one exchange, those of
	// the backend on another.
	x := gateway.Acquire(nil)
	defer x.Release()
	slots[0].Set(x, 1)
	slots[1].Set(x, 2)
	slots[2].Set(x.Child(), 3)
	if v, _ := slots[0].Get(x); v != 1 {
		t.Errorf("the slot of the service holds %d, want 1", v)
	}
	if v, _ := slots[1].Get(x); v != 2 {
		t.Errorf("the slot of the endpoint holds %d, want 2", v)
	}
}

func TestProvide(t *testing.T) {
	env := newEnv(nil)
	s := component.NewServiceSite(env)
	number, text := component.NewKey[int]("a"), component.NewKey[string]("a")
	if v, ok := component.Use(&s.Site, number); ok {
		t.Errorf("Use before Provide: %d", v)
	}
	if err := component.Provide(s, number, 1); err != nil {
		t.Fatal(err)
	}
	if err := component.Provide(s, text, "one"); err != nil {
		t.Errorf("a key of another type: %v", err)
	}
	if err := component.Provide(s, number, 2); err == nil || err.Error() != "a is provided twice" {
		t.Errorf("Provide twice: %v", err)
	}
	if v, ok := component.Use(&s.Site, number); !ok || v != 1 {
		t.Errorf("Use = %d, %t, want what was provided first", v, ok)
	}
	if v, ok := component.Shared(env, text); !ok || v != "one" {
		t.Errorf("Shared = %q, %t", v, ok)
	}
	if v, ok := component.Shared(newEnv(nil), text); ok {
		t.Errorf("another generation sees %q", v)
	}
}

// TestTokens holds what options may say of the names of headers against what the gateway
// takes for one.
func TestTokens(t *testing.T) {
	pattern := regexp.MustCompile(config.TokenPattern)
	for c := range 0x100 {
		for _, s := range []string{string([]byte{byte(c)}), "a" + string([]byte{byte(c)}) + "z"} {
			if gateway.Token(s) != pattern.MatchString(s) {
				t.Errorf("%q: a token for the gateway: %t, for options: %t", s, gateway.Token(s), pattern.MatchString(s))
			}
		}
	}
}

// TestDecidedOnce lets two components decide the same of one site: what only one may say
// is an error that names both, and the rest counts together.
func TestDecidedOnce(t *testing.T) {
	nobody := gateway.ConnectorFunc(nil)
	backend := func(f func(*component.BackendSite) error) func(string) component.Declaration {
		return func(name string) component.Declaration {
			return component.Backend(component.Info{Namespace: name}, func(s *component.BackendSite, _ options) error { return f(s) })
		}
	}
	endpoint := func(f func(*component.PipeSite) error) func(string) component.Declaration {
		return func(name string) component.Declaration {
			return component.Endpoint(component.Info{Namespace: name}, func(s *component.EndpointSite, _ options) error { return f(&s.PipeSite) })
		}
	}
	redirects := func(r component.Redirects) func(string) component.Declaration {
		return backend(func(s *component.BackendSite) error { return s.Redirects(r) })
	}
	payload := func(most config.Size) func(string) component.Declaration {
		return endpoint(func(s *component.PipeSite) error { s.Payload(most); return nil })
	}
	shadow := func(most int) func(string) component.Declaration {
		return backend(func(s *component.BackendSite) error { return s.Shadow(component.Shadow{Most: most}) })
	}
	rename := func(from, to string) func(string) component.Declaration {
		return backend(func(s *component.BackendSite) error {
			s.Reshape(func(tree map[string]any) map[string]any {
				tree[to] = tree[from]
				delete(tree, from)
				return tree
			})
			return nil
		})
	}
	client := backend(func(s *component.BackendSite) error { return s.Client(nobody) })
	connector := backend(func(s *component.BackendSite) error { return s.Connector(nobody) })
	sequence := endpoint(func(s *component.PipeSite) error { return s.Sequence(nil) })
	tests := []struct {
		name string
		a, b func(string) component.Declaration
		want string // of the error, or what counts
	}{
		{"clients", client, client, "make the call"},
		{"connectors", connector, connector, "make the call"},
		{"a connector and a client", connector, client, "make the call"},
		{"redirects", redirects(component.Redirects{Return: true}), redirects(component.Redirects{}), "redirects"},
		{"shadows", shadow(1), shadow(2), "nobody waits for"},
		{"sequences", sequence, sequence, "in sequence"},
		{"payloads", payload(7), payload(5), "5 5"},
		{"payloads, the other way round", payload(5), payload(7), "5 5"},
		{"no payload, and one", payload(0), payload(5), "5 5"},
		{"one payload, and none", payload(5), payload(0), "5 5"},
		{"answers", rename("x", "y"), rename("y", "z"), "map[z:1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			env, n := newEnv(new(component.Keeper)), parse(`{"x":{"limit":1}}`).Get("x")
			ss := component.NewServiceSite(env)
			es := component.NewEndpointSite(env, ss, &model.Endpoint{Endpoint: "/x"}, nil)
			bs := component.NewBackendSite(env, &es.PipeSite, &model.Backend{URLPattern: "/b"})
			for _, d := range []component.Declaration{tt.a("test/a"), tt.b("test/b")} {
				switch d.Scope {
				case component.InService:
					ss.Build(&d, n)
				case component.InEndpoint:
					es.Build(&d, n)
				default:
					bs.Build(&d, n)
				}
			}
			problems := slices.Concat(ss.Problems(), es.Problems(), bs.Problems())
			got := config.Format(problems)
			if reshape := bs.Call().Reshape; reshape != nil {
				got = fmt.Sprint(reshape(map[string]any{"x": 1}))
			}
			if most := es.Arrangement().Payload; most != nil {
				inner := component.NewPipeSite(env, component.InWorkflow, bs, &model.Endpoint{Endpoint: "/y"})
				inner.Payload(9)
				got = fmt.Sprint(*most, *inner.Arrangement().Payload)
			}
			if !strings.Contains(got, tt.want) || len(problems) > 0 && !strings.Contains(got, "test/a and test/b both") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
