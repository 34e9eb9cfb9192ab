package compile_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// A mirror is the hosts behind a gateway, which note all that they get of a request.
type mirror struct {
	mu   sync.Mutex
	seen []string
}

func (m *mirror) Do(_ context.Context, x *gateway.Exchange) error {
	r := &x.Request
	payload, err := r.Body.Bytes(0)
	if err != nil {
		return err
	}
	header := make([]string, len(r.Header))
	for i, f := range r.Header {
		header[i] = f.Name + ": " + f.Value
	}
	m.mu.Lock()
	m.seen = append(m.seen, fmt.Sprintf("%s %s://%s%s?%s %s %q", r.Method, r.Scheme, r.Host, r.Path, r.RawQuery, strings.Join(header, ", "), payload))
	m.mu.Unlock()
	if strings.HasSuffix(r.Path, "/moved") {
		x.Response.Status = 302
		x.Response.Header.Set("Location", "http://other.test/elsewhere?e=1")
		return nil
	}
	return answer(x, `{"a":1}`)
}

// A retry is where the rest of a plan runs twice.
type retry struct {
	Phase int  `json:"phase"`
	Needs bool `json:"needs"`
}

func (retry) around(next gateway.Connector) gateway.Connector {
	return gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
		if err := next.Do(ctx, x); err != nil {
			return err
		}
		answered := x.Response.Status
		x.Request.Header.Set("X-Again", "1") // which is no part of the first run
		defer func() { x.Request.Header.Del("X-Again") }()
		if err := next.Do(ctx, x); err != nil {
			return err
		}
		if x.Response.Status != answered {
			return fmt.Errorf("status %d, and %d before", x.Response.Status, answered)
		}
		return nil
	})
}

var retrying = component.NewRegistry(sitetest.Flow,
	component.Service(component.Info{Namespace: "test/retry"}, func(s *component.ServiceSite, o retry) error {
		s.Around(component.ServicePhase(o.Phase), o.around)
		return nil
	}),
	component.Service(component.Info{Namespace: "test/base"}, func(s *component.ServiceSite, _ struct{}) error {
		s.Prompt(component.ServiceRewrite, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.Edit().SetPath(x.In.Path() + "x")
			return nil
		}))
		return nil
	}),
	component.Endpoint(component.Info{Namespace: "test/retry"}, func(s *component.EndpointSite, o retry) error {
		s.Around(component.PipePhase(o.Phase), o.around)
		if o.Needs {
			s.Needs(body.Raw, body.Empty)
		}
		return nil
	}),
	component.Endpoint(component.Info{Namespace: "test/writes"}, func(s *component.EndpointSite, _ struct{}) error {
		s.AllowWrites()
		return nil
	}),
	component.Backend(component.Info{Namespace: "test/retry"}, func(s *component.BackendSite, o retry) error {
		s.Around(component.BackendPhase(o.Phase), o.around)
		if o.Needs {
			s.Needs(body.Raw, body.Empty)
		}
		return nil
	}),
	component.Backend(component.Info{Namespace: "test/key"}, func(s *component.BackendSite, _ struct{}) error {
		s.Prompt(component.BackendCredential, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
			x.Request.Header.Add("X-Key", "k")
			return nil
		}))
		return nil
	}),
)

// TestAgain runs the rest of a plan twice, from each place: the backends get the same
// requests again, or none where the body went with the first.
func TestAgain(t *testing.T) {
	const refused = "went with the first run"
	at := func(phase int, needs bool) string {
		return fmt.Sprintf(`"test/retry":{"phase":%d,"needs":%t}`, phase, needs)
	}
	backend := func(path, hosts, extra string) string {
		return `{"url_pattern":"` + path + `","method":"POST","host":[` + hosts + `],"extra_config":{"test/key":{}` + extra + `}}`
	}
	const one, two = `"http://up/base"`, `"http://up/base1","http://down/base2"`
	type place struct {
		name, root, endpoint, backends string
		mixed                          bool // the calls of the two runs are not one behind the other, or not to the same host
	}
	var places []place
	for _, phase := range []component.ServicePhase{component.ServicePlugin, component.ServiceScript} {
		places = append(places, place{fmt.Sprintf("service %d", phase), at(int(phase), false), "", backend("/1/{id}", one, ""), false})
	}
	for _, needs := range []bool{false, true} {
		for _, phase := range []component.PipePhase{component.PipeIntake, component.PipeCheck} {
			pipe := "," + at(int(phase), needs)
			name := fmt.Sprintf("pipe %d, needs %t", phase, needs)
			places = append(places, place{name, "", pipe, backend("/1", one, ""), false},
				place{name + ", two backends", "", pipe, backend("/1", one, "") + "," + strings.Replace(backend("/2", one, ""), `{`, `{"group":"g",`, 1), false})
		}
		for _, phase := range []component.BackendPhase{component.BackendAdapt, component.BackendBreaker, component.BackendAttempt, component.BackendCredential} {
			extra := "," + at(int(phase), needs)
			name := fmt.Sprintf("backend %d, needs %t", phase, needs)
			places = append(places, place{name, "", "", backend("/1", one, extra), false}, place{name + ", two hosts", "", "", backend("/1", two, extra), true},
				place{name + ", redirect", "", "", strings.Replace(backend("/moved", one, extra), `"POST"`, `"GET"`, 1), phase.OnWire()})
			if phase < component.BackendAttempt {
				places = append(places, place{name + ", a pipe", "", "", `{"url_pattern":"/f","method":"POST","extra_config":{` + extra[1:] + `,"test/flow":{"backend":[` + backend("/1", one, "") + `]}}}`, false})
			}
		}
	}
	for _, p := range places {
		for _, payload := range []string{"", "hello"} {
			t.Run(p.name+", "+payload, func(t *testing.T) {
				m := new(mirror)
				root := `"test/base":{}`
				if p.root != "" {
					root += "," + p.root
				}
				d, problems := config.Parse("test.json", []byte(`{"version":3,"dialect":"sluice","extra_config":{`+root+`},"endpoints":[{"endpoint":"/v/{id}","method":"POST","input_headers":["*"],
					"input_query_strings":["*"],"extra_config":{"test/writes":{}`+p.endpoint+`},"backend":[`+p.backends+`]}]}`))
				if config.HasErrors(problems) {
					t.Fatal(config.Format(problems))
				}
				g, problems := compile.Compile(d, compile.Options{Registry: retrying, Env: &component.Env{
					Product: "Sluice 0", Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
					Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return m, nil },
				}})
				if g == nil {
					t.Fatal(config.Format(problems))
				}
				defer g.Close(context.Background())
				x := gateway.Acquire(testx.Request{Method: "POST", Path: "/v/1", Query: "q=1", Body: payload, Header: gateway.Fields{{Name: "Authorization", Value: "a"}}}.Inbound())
				defer x.Release()
				err := g.Do(t.Context(), x)
				if err != nil {
					if payload == "" || strings.Contains(p.name, "needs true") || x.Response.Status != 500 || !strings.Contains(err.Error(), refused) {
						t.Errorf("status %d: %v", x.Response.Status, err)
					}
					return
				}
				half := len(m.seen) / 2
				marked := 0
				for i, s := range m.seen {
					if m.seen[i] = strings.NewReplacer(", X-Again: 1", "", "X-Again: 1, ", "").Replace(s); m.seen[i] != s {
						marked++
					}
				}
				first, second := slices.Sorted(slices.Values(m.seen[:half])), slices.Sorted(slices.Values(m.seen[half:]))
				if half == 0 || marked != half || !slices.Equal(first, second) && !p.mixed {
					t.Errorf("the backends got\n%s\nand then\n%s", strings.Join(first, "\n"), strings.Join(second, "\n"))
				}
				for _, s := range m.seen {
					once := strings.Count(s, "q=1") < 2 && strings.Count(s, "/base") < 2 && !strings.Contains(s, "xx") && strings.Count(s, "X-Key") < 2 && strings.Count(s, "Authorization") < 2
					for _, name := range []string{"X-Forwarded-For: ", "Sluice-Hops: ", "User-Agent: "} {
						once = once && strings.Count(s, name) == 1
					}
					if !once || strings.HasPrefix(s, "POST") && !strings.HasSuffix(s, fmt.Sprintf("%q", payload)) {
						t.Errorf("a backend got %s", s)
					}
				}
			})
		}
	}
}
