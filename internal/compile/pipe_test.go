package compile_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
)

// A workflow is all that a component of pipes within backends needs: options, and a
// connector.
type workflow struct {
	Endpoint        string                  `json:"endpoint" check:"required"`
	Backend         []*model.Backend        `json:"backend" check:"required"`
	ConcurrentCalls int                     `json:"concurrent_calls" check:"min=0"`
	IgnoreErrors    bool                    `json:"ignore_errors"`
	OutputEncoding  model.OutputEncoding    `json:"output_encoding"`
	Timeout         config.Duration         `json:"timeout"`
	ExtraConfig     map[string]*config.Node `json:"extra_config"`
	Node            *config.Node            `json:"-"`
}

func (workflow) Scope() string { return string(component.InWorkflow) }

func buildWorkflow(s *component.BackendSite, o workflow) error {
	c := s.Pipe(component.InWorkflow, &model.Endpoint{
		Endpoint: o.Endpoint, Backend: o.Backend, ConcurrentCalls: o.ConcurrentCalls, OutputEncoding: o.OutputEncoding,
		Timeout: o.Timeout, ExtraConfig: o.ExtraConfig, Node: o.Node,
	})
	if o.IgnoreErrors {
		return s.Connector(gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
			if err := c.Do(ctx, x); err != nil {
				x.Response.Status = 200
				x.Response.Body.SetTree(map[string]any{})
			}
			return nil
		}))
	}
	return s.Connector(c)
}

// An agent is one whose source is the test: it asks what a message says.
type agent struct {
	Name        string                  `json:"name"`
	Backend     []*model.Backend        `json:"backend"`
	Timeout     config.Duration         `json:"timeout"`
	ExtraConfig map[string]*config.Node `json:"extra_config"`
	Node        *config.Node            `json:"-"`
}

func (agent) Scope() string { return string(component.InAgent) }

type agents struct {
	Agents []*agent `json:"agents"`
}

func buildAgents(s *component.ServiceSite, o agents) error {
	for _, a := range o.Agents {
		s.Source(a.Name, nil, s.Pipe(component.InAgent, &model.Endpoint{
			Endpoint: a.Name, Method: "POST", Backend: a.Backend, Timeout: a.Timeout, ExtraConfig: a.ExtraConfig, Node: a.Node,
		}))
	}
	return nil
}

// A passage is a stage that keeps something on the exchange.
type passage struct {
	slot gateway.Slot[string]
	name string
}

func (p *passage) Enter(_ context.Context, x *gateway.Exchange) error {
	if kept, ok := p.slot.Get(x); ok {
		return fmt.Errorf("%s finds what %s has kept", p.name, kept)
	}
	p.slot.Set(x, p.name)
	return nil
}

func (p *passage) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	if kept, _ := p.slot.Get(x); kept != p.name {
		return fmt.Errorf("%s finds %q", p.name, kept)
	}
	return err
}

// nesting are components of pipes.
var nesting = component.NewRegistry(slices.Concat(
	component.Pipe(component.Info{Namespace: "test/piped"}, func(s *component.PipeSite, _ struct{}) error {
		s.Stage(component.PipeCheck, &passage{component.NewSlot[string](&s.Site), s.Config().Endpoint})
		return nil
	}),
	component.Pipe(component.Info{Namespace: "test/sequence", Aliases: []string{"test/in-order"}}, func(s *component.PipeSite, _ struct{}) error {
		return s.Sequence([]string{"resp0_a"})
	}),
	component.Nested(component.Info{Namespace: "test/fails"}, func(s *component.PipeSite, _ struct{}) error {
		s.Stage(component.PipeValidate, gateway.StageFunc(func(context.Context, *gateway.Exchange) error {
			return &gateway.Error{Status: 403, Code: "failing"}
		}))
		return nil
	}),
	component.Pipe(component.Info{Namespace: "test/again"}, func(s *component.PipeSite, _ struct{}) error {
		says := func(word string) gateway.StageFunc {
			return func(_ context.Context, x *gateway.Exchange) error { x.Request.Header.Add("X-A", word); return nil }
		}
		s.Stage(component.PipeIntake, says("outside"))
		s.Stage(component.PipeValidate, says("inside"))
		s.Around(component.PipeCheck, func(next gateway.Connector) gateway.Connector {
			return gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
				if err := next.Do(ctx, x); err == nil {
					return nil
				}
				return next.Do(ctx, x)
			})
		})
		return nil
	}),
	component.Pipe(component.Info{Namespace: "test/writes"}, func(s *component.PipeSite, _ struct{}) error {
		s.AllowWrites()
		return nil
	}),
	[]component.Declaration{
		component.Endpoint(component.Info{Namespace: "test/door", Identifies: true}, func(s *component.EndpointSite, _ struct{}) error {
			s.Guard(component.EndpointAuthenticate, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
				x.Identity = &gateway.Identity{Claims: map[string]any{"sub": "ann"}}
				return nil
			}))
			return nil
		}),
		component.Endpoint(component.Info{Namespace: "test/key"}, func(s *component.EndpointSite, o keyed) error {
			s.Guard(o.phase(), gateway.StageFunc(func(context.Context, *gateway.Exchange) error { return nil }))
			return nil
		}),
		component.Backend(component.Info{Namespace: "test/workflow", Pipes: component.InWorkflow, Hosts: component.Verbatim}, buildWorkflow),
		component.Service(component.Info{Namespace: "test/agents", Pipes: component.InAgent}, buildAgents),
		component.Backend(component.Info{Namespace: "test/each", Pipes: component.InWorkflow, Hosts: component.Verbatim}, func(s *component.BackendSite, o workflow) error {
			for _, b := range o.Backend {
				s.Pipe(component.InWorkflow, &model.Endpoint{Endpoint: "each", Backend: []*model.Backend{b}, Node: o.Node})
			}
			return s.Connector(gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return nil }))
		}),
		component.Backend(component.Info{Namespace: "test/counter"}, func(s *component.BackendSite, _ struct{}) error {
			count, err := component.Keep(&s.Site, "count\x00"+s.Name(), func() (*int, func(), error) { return new(int), nil, nil })
			if *count++; *count > 1 {
				err = errors.New("counts what another one has counted")
			}
			return err
		}),
		component.Backend(component.Info{Namespace: "test/shadow"}, func(s *component.BackendSite, _ struct{}) error {
			return s.Shadow(component.Shadow{Most: 2})
		}),
	},
)...)

// keyed are the options of somebody who asks for a key, and knows no claims.
type keyed struct {
	At string `json:"at"`
}

func (o keyed) phase() component.EndpointPhase {
	return map[string]component.EndpointPhase{
		"admit": component.EndpointAdmit, "authenticate": component.EndpointAuthenticate, "authorize": component.EndpointAuthorize, "limit": component.EndpointLimit,
	}[o.At]
}

// TestAuthenticatedAnswers takes answers as those for one client wherever somebody asks who
// that is, claims or not, and says so where every cache may keep them.
func TestAuthenticatedAnswers(t *testing.T) {
	const flow = `{"url_pattern":"/","extra_config":{"test/workflow":{"endpoint":"/flow","backend":[{"url_pattern":"/one"}]}}}`
	for _, tt := range []struct {
		at, backend string
		want        string
	}{
		{"admit", `{"url_pattern":"/one"}`, "public"},
		{"authenticate", `{"url_pattern":"/one"}`, "private"},
		{"authorize", `{"url_pattern":"/one"}`, "private"},
		{"limit", `{"url_pattern":"/one"}`, "public"},
		{"authenticate", flow, "private"},
		{"limit", flow, "public"},
	} {
		const document = `{"version":3,"host":["http://up"],%s"endpoints":[{"endpoint":"/x","cache_ttl":"60s","extra_config":{"test/key":{"at":%q}},"backend":[%s]}]}`
		g, problems := compileNested(t, new(town), fmt.Sprintf(document, `"behaviour":{"personal_cache":"private"},`, tt.at, tt.backend))
		if g == nil || len(problems) > 0 {
			t.Fatal(config.Format(problems))
		}
		x := testx.Request{Method: "GET", Path: "/x"}.Exchange(t)
		if err := g.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if got := x.Response.Header.Get("Cache-Control"); got != tt.want+", max-age=60" {
			t.Errorf("%s: got %s, want %s", tt.at, got, tt.want)
		}
		_, problems = compileNested(t, new(town), fmt.Sprintf(document, "", tt.at, tt.backend))
		if warned := strings.Contains(config.Format(problems), "because the endpoint authenticates"); warned != (tt.want == "private") {
			t.Errorf("%s: without a word about caches the problems are %s", tt.at, config.Format(problems))
		}
	}
}

// A town is a network whose hosts do what the first part of their name says.
type town struct{ network }

func (n *town) Do(ctx context.Context, x *gateway.Exchange) error {
	r := &x.Request
	payload, _ := r.Body.Bytes(0)
	n.mu.Lock()
	n.seen = append(n.seen, strings.TrimSpace(fmt.Sprintf("%s %s%s?%s %s %s", r.Method, r.Host, r.Path, r.RawQuery, lines(r.Header, "X-A"), payload)))
	if packed := r.Header.Get("Accept-Encoding") == "gzip"; !packed || !r.Unpack {
		n.seen = append(n.seen, "an answer that may be packed, and is not unpacked")
	}
	n.mu.Unlock()
	if n.look != nil {
		n.look(r)
	}
	switch r.Host {
	case "slow":
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return &gateway.Error{Code: gateway.CodeTimeout, Err: ctx.Err()}
		}
	case "teapot":
		return &gateway.Error{Status: 418, Code: "teapot", Public: "I am one", Show: true}
	case "raw":
		x.Response.Header.Set("Content-Type", "application/json")
	}
	return answer(x, `{"a":1,"b":2}`)
}

func compileNested(t *testing.T, n gateway.Connector, text string) (*compile.Generation, []*config.Problem) {
	t.Helper()
	d, problems := config.Parse("test.json", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	g, problems := compile.Compile(d, compile.Options{Registry: nesting, Env: &component.Env{
		Product: "Sluice 0", Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
		Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return n, nil },
	}})
	if g != nil {
		t.Cleanup(func() { g.Close(context.Background()) })
	}
	return g, problems
}

// nested compiles one endpoint, POST /x/{id} with a timeout of a second, whose first
// backend is a workflow of these members; more are members of the endpoint.
func nested(t *testing.T, n gateway.Connector, flow, backend, beside, more string) *compile.Generation {
	t.Helper()
	g, problems := compileNested(t, n, `{"version":3,"host":["http://up"],"timeout":"5s","endpoints":[{"endpoint":"/x/{id}","method":"POST","timeout":"1s",`+more+`"backend":[
		{"url_pattern":"/outer?o=1"`+backend+`,"extra_config":{"test/workflow":{"endpoint":"/flow",`+flow+`}}}`+beside+`]}]}`)
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	return g
}

// TestNested runs pipes within backends: they have namespaces, backends and answers of
// their own, see what the backend around them would send, and what they answer is shaped
// like any other answer.
func TestNested(t *testing.T) {
	const one = `{"url_pattern":"/one/{id}"}`
	tests := []struct {
		name, flow, backend, beside, more string
		want                              string
		seen                              []string
	}{
		{"one backend", `"backend":[` + one + `]`, ``, ``, ``, `{"a":1,"b":2}`, []string{"POST up/one/7?c=1 X-A: a hello"}},
		{"several", `"backend":[{"url_pattern":"/one/{id}?q=1","group":"one"},{"url_pattern":"/two","method":"GET","mapping":{"a":"c"},"deny":["b"]}],"extra_config":{"test/writes":{}}`,
			``, ``, ``, `{"one":{"a":1,"b":2},"c":1}`, []string{"GET up/two?c=1 X-A: a hello", "POST up/one/7?q=1&c=1 X-A: a hello"}},
		{"that are shaped outside", `"backend":[{"url_pattern":"/one","group":"one"},{"url_pattern":"/two","group":"two"}]`,
			`,"method":"GET","target":"one","allow":["a"],"mapping":{"a":"z"},"group":"g"`, ``, ``, `{"g":{"z":1}}`, []string{"GET up/one?c=1 X-A: a hello", "GET up/two?c=1 X-A: a hello"}},
		{"beside others", `"backend":[` + one + `]`, `,"deny":["b"],"group":"g"`, `,{"url_pattern":"/beside","method":"GET","allow":["b"]}`, `"extra_config":{"test/writes":{},"test/piped":{}},`,
			`{"g":{"a":1},"b":2}`, []string{"GET up/beside?c=1 X-A: a hello", "POST up/one/7?c=1 X-A: a hello"}},
		{"in sequence", `"backend":[{"url_pattern":"/one/{id}","method":"GET"},{"url_pattern":"/two/{resp0_a}","group":"g"}],"extra_config":{"test/sequence":{},"test/piped":{}}`, ``, ``, `"extra_config":{"test/piped":{}},`,
			`{"a":1,"b":2,"g":{"a":1,"b":2}}`, []string{"GET up/one/7?c=1 X-A: a hello", "POST up/two/1?c=1 X-A: a hello"}},
		{"less of the client", `"backend":[{"url_pattern":"/one","input_query_strings":[""]}]`, `,"input_headers":["X-B"]`, ``, ``, `{"a":1,"b":2}`, []string{"POST up/one?  hello"}},
		{"in each other", `"extra_config":{"test/piped":{}},"backend":[{"url_pattern":"/in","group":"g","extra_config":{"test/workflow":{"endpoint":"/deeper","extra_config":{"test/piped":{}},"backend":[` + one + `]}}}]`,
			``, ``, ``, `{"g":{"a":1,"b":2}}`, []string{"POST up/one/7?c=1 X-A: a hello"}},
		{"raced", `"concurrent_calls":2,"backend":[` + one + `]`, ``, ``, ``, `{"a":1,"b":2}`, []string{"POST up/one/7?c=1 X-A: a hello", "POST up/one/7?c=1 X-A: a hello"}},
		{"errors that do not count", `"ignore_errors":true,"backend":[{"url_pattern":"/","host":["http://teapot"]}]`, ``, `,{"url_pattern":"/beside","method":"GET"}`, `"extra_config":{"test/writes":{}},`,
			`{"a":1,"b":2}`, []string{"GET up/beside?c=1 X-A: a hello", "POST teapot/?c=1 X-A: a hello"}},
		{"as it is", `"output_encoding":"no-op","backend":[{"url_pattern":"/","host":["http://raw"]}]`, `,"deny":["b"]`, ``, ``, `{"a":1}`, []string{"POST raw/?c=1 X-A: a hello"}},
		{"all of it as it is", `"backend":[{"url_pattern":"/","host":["http://raw"]}]`, ``, ``, `"output_encoding":"no-op",`, `{"a":1,"b":2}`, []string{"POST raw/?c=1 X-A: a hello"}},
		{"data that is passed on", `"output_encoding":"json","backend":[{"url_pattern":"/","host":["http://raw"]}]`, ``, ``, `"output_encoding":"no-op",`, `{"a":1,"b":2}`, []string{"POST raw/?c=1 X-A: a hello"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := new(town)
			g := nested(t, n, tt.flow, tt.backend, tt.beside, `"input_headers":["X-A","X-B"],"input_query_strings":["c"],`+tt.more)
			in := testx.Request{Method: "POST", Path: "/x/7", Query: "c=1&d=2", Body: "hello", Header: gateway.Fields{{Name: "X-A", Value: "a"}, {Name: "X-B", Value: "b"}}}
			x := gateway.Acquire(in.Inbound())
			defer x.Release()
			if err := g.Do(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			if got := text(t, x); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			slices.Sort(n.seen)
			if !slices.Equal(n.seen, tt.seen) {
				t.Errorf("the backends got\n%s\nwant\n%s", strings.Join(n.seen, "\n"), strings.Join(tt.seen, "\n"))
			}
			if got := x.Response.Header.Get("X-Krakend-Completed"); got != "true" && !strings.Contains(tt.more, "no-op") && !strings.Contains(tt.flow, "ignore") {
				t.Errorf("complete: %s", got)
			}
		})
	}
}

// A hinted client counts the hints that it gets, as engines do: without a lock.
type hinted struct {
	gateway.Inbound
	hints int
}

func (h *hinted) Hint(gateway.Fields) { h.hints++ }

// A hinting network sends a hint in front of each answer and a trailer behind it, where
// they are asked for, and answers when all calls of the test have come.
type hinting struct{ calls sync.WaitGroup }

func (n *hinting) Do(_ context.Context, x *gateway.Exchange) error {
	n.calls.Done()
	n.calls.Wait()
	if in, ok := x.In.(gateway.Hinter); ok && x.Request.Through {
		in.Hint(nil)
	}
	x.Response.AddTrailer("X-End", "1")
	return answer(x, `{"a":1}`)
}

// TestNestedThrough passes what is around an answer only where all that is around the
// pipe passes it as it comes. Hints are given by one call at a time.
func TestNestedThrough(t *testing.T) {
	flow := func(backend string) string {
		return `{"url_pattern":"/","method":"GET","encoding":"no-op","extra_config":{"test/workflow":{"endpoint":"/flow","backend":[` + backend + `]}}}`
	}
	const one = `{"url_pattern":"/"}`
	decoding := strings.Replace(flow(one), `"encoding":"no-op",`, ``, 1)
	tests := []struct {
		name, members string
		calls, hints  int
		trailer       bool
	}{
		{"as it is", `"output_encoding":"no-op","backend":[` + one + `]`, 1, 1, true},
		{"of a pipe", `"output_encoding":"no-op","backend":[` + flow(one) + `]`, 1, 1, true},
		{"of a pipe in a pipe", `"output_encoding":"no-op","backend":[` + flow(flow(one)) + `]`, 1, 1, true},
		{"decoded", `"backend":[` + strings.Replace(decoding, `"endpoint":`, `"output_encoding":"no-op","endpoint":`, 1) + `]`, 1, 0, false},
		{"dropped", `"backend":[` + flow(one) + `]`, 1, 0, false},
		{"merged", `"backend":[` + flow(one) + `,` + flow(one) + `]`, 2, 0, false},
		{"merged within", `"output_encoding":"no-op","backend":[` + strings.Replace(flow(flow(one)+`,`+flow(one)), `"endpoint":`, `"output_encoding":"json","endpoint":`, 1) + `]`, 2, 0, false},
		{"the first of several", `"output_encoding":"no-op","concurrent_calls":2,"backend":[` + one + `]`, 2, 0, false},
		{"the first of several pipes", `"output_encoding":"no-op","concurrent_calls":2,"backend":[` + flow(one) + `]`, 2, 0, false},
	}
	for _, tt := range tests {
		n := new(hinting)
		n.calls.Add(tt.calls)
		g, problems := compileNested(t, n, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x",`+tt.members+`}]}`)
		if g == nil {
			t.Fatalf("%s: %s", tt.name, config.Format(problems))
		}
		in := &hinted{Inbound: testx.Request{Method: "GET", Path: "/x"}.Inbound()}
		x := gateway.Acquire(in)
		if err := g.Do(t.Context(), x); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if trailer := x.Response.Trailer != nil; in.hints != tt.hints || trailer != tt.trailer {
			t.Errorf("%s: %d hints, trailers %t, want %d and %t", tt.name, in.hints, trailer, tt.hints, tt.trailer)
		}
		x.Release()
	}
}

// TestNestedTime calls the backends of a pipe at once, within the time that there is
// around it.
func TestNestedTime(t *testing.T) {
	const slow = `{"url_pattern":"/","host":["http://slow"]}`
	tests := []struct {
		name, flow, beside, more string
		took                     time.Duration
		want, code               string
	}{
		{"two that are slow", `"timeout":"3s","backend":[` + slow + `,` + slow + `]`, ``, `"timeout":"2s",`, time.Second, `{"a":1,"b":2}`, ""},
		{"two in each other", `"backend":[` + slow + `,{"url_pattern":"/deeper","extra_config":{"test/workflow":{"endpoint":"/deeper","backend":[` + slow + `,` + slow + `]}}}]`, ``, `"timeout":"2s",`, time.Second, `{"a":1,"b":2}`, ""},
		{"a time of its own", `"timeout":"300ms","backend":[` + slow + `]`, ``, ``, 300 * time.Millisecond, ``, gateway.CodeTimeout},
		{"one of two in its own time", `"timeout":"400ms","backend":[` + slow + `,{"url_pattern":"/"}]`, ``, ``, 340 * time.Millisecond, `{"a":1,"b":2}`, ""},
		{"one of two in that of the endpoint", `"backend":[` + slow + `,{"url_pattern":"/"}]`, ``, `"timeout":"500ms",`, 425 * time.Millisecond, `{"a":1,"b":2}`, ""},
		{"one of two beside another", `"backend":[` + slow + `,{"url_pattern":"/"}]`, `,{"url_pattern":"/","group":"g"}`, `"timeout":"800ms",`, 578 * time.Millisecond, `{"a":1,"b":2,"g":{"a":1,"b":2}}`, ""},
		{"longer than the endpoint", `"timeout":"4s","backend":[` + slow + `]`, ``, `"timeout":"500ms",`, 500 * time.Millisecond, ``, gateway.CodeTimeout},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			more := `"extra_config":{"test/writes":{}},` + tt.more
			if !strings.Contains(tt.more, "timeout") {
				more += `"timeout":"1s",`
			}
			g := nested(t, new(town), `"extra_config":{"test/writes":{}},`+tt.flow, `,"method":"GET"`, tt.beside, more)
			x := gateway.Acquire(testx.Request{Method: "POST", Path: "/x/7"}.Inbound())
			defer x.Release()
			began := time.Now()
			err := g.Do(t.Context(), x)
			if took := time.Since(began); took != tt.took {
				t.Errorf("%s: took %v, want %v", tt.name, took, tt.took)
			}
			switch {
			case tt.code != "":
				if e := gateway.AsError(err); err == nil || e.Code != tt.code {
					t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
				}
			case err != nil:
				t.Errorf("%s: %v", tt.name, err)
			default:
				if got := text(t, x); got != tt.want {
					t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
				}
				if got, want := x.Response.Header.Get("X-Krakend-Completed"), fmt.Sprint(!strings.HasPrefix(tt.name, "one of")); got != want {
					t.Errorf("%s: complete is %s, want %s", tt.name, got, want)
				}
			}
		})
	}
}

// TestNestedFailures shows that failures within a pipe are those of the backend around
// it: with their status, their words and their code, and the place where they happened.
func TestNestedFailures(t *testing.T) {
	tests := []struct {
		name, flow, want string
		status           int
	}{
		{"with a status", `"backend":[{"url_pattern":"/","host":["http://teapot"]}]`, "teapot", 418},
		{"deeper", `"backend":[{"url_pattern":"/in","extra_config":{"test/workflow":{"endpoint":"/in","backend":[{"url_pattern":"/","host":["http://teapot"]}]}}}]`, "teapot", 418},
		{"of several", `"backend":[{"url_pattern":"/","host":["http://teapot"]},{"url_pattern":"/","host":["http://teapot"]}]`, "teapot", 500},
		{"of a stage", `"extra_config":{"test/fails":{}},"backend":[{"url_pattern":"/"}]`, "failing", 403},
	}
	for _, tt := range tests {
		g := nested(t, new(town), tt.flow, `,"method":"GET"`, ``, ``)
		x := gateway.Acquire(testx.Request{Method: "POST", Path: "/x/7"}.Inbound())
		err := g.Do(t.Context(), x)
		if e := gateway.AsError(err); err == nil || e.Code != tt.want || x.Response.Status != tt.status {
			t.Errorf("%s: %v with the code %v and the status %d, want %s and %d", tt.name, err, e, x.Response.Status, tt.want, tt.status)
		}
		f, ok := errors.AsType[*plan.Failure](err)
		if !ok || f.At.Line == 0 {
			t.Errorf("%s: %v has no place", tt.name, err)
		}
		x.Release()
	}
}

// TestPipeAround lets a connector around the inner part of a pipe, of an endpoint or of one
// without a door, run it again: what stands outside runs once, and what the first run has added is undone.
func TestPipeAround(t *testing.T) {
	const again = `"extra_config":{"test/again":{}},`
	for _, door := range []bool{true, false} {
		pipe := again + `"backend":[{"url_pattern":"/one"}]`
		if !door {
			pipe = `"backend":[{"url_pattern":"/outer","extra_config":{"test/workflow":{"endpoint":"/flow",` + pipe + `}}}]`
		}
		n := new(town)
		first := true
		g, problems := compileNested(t, gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
			err := n.Do(ctx, x)
			if first {
				first, err = false, errors.New("not yet")
			}
			return err
		}), `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x",`+pipe+`}]}`)
		if g == nil {
			t.Fatal(config.Format(problems))
		}
		p := g.Explain("GET", "/x").Endpoint.PipePlan
		if !door {
			p = p.Backends[0].Pipes[0]
		}
		if !slices.ContainsFunc(p.Steps, func(s compile.Step) bool { return s.Name == "test/again" && s.Phase == "check" && s.Out }) {
			t.Errorf("door %t: explained as %+v", door, p.Steps)
		}
		x := gateway.Acquire(testx.Request{Method: "GET", Path: "/x"}.Inbound())
		err := g.Do(t.Context(), x)
		if want := []string{"GET up/one? X-A: outside, X-A: inside", "GET up/one? X-A: outside, X-A: inside"}; err != nil || text(t, x) != `{"a":1,"b":2}` || !slices.Equal(n.seen, want) {
			t.Errorf("door %t: %v, the backends got %q", door, err, n.seen)
		}
		x.Release()
	}
}

// TestPipesInTurn lets a connector run one pipe after another: each gets the request if they
// are run as the same request again, and otherwise the second one says what is missing.
func TestPipesInTurn(t *testing.T) {
	for _, runs := range []bool{true, false} {
		for _, payload := range []string{"hello", ""} {
			n := new(town)
			r := component.NewRegistry(component.Backend(component.Info{Namespace: "test/turns", Pipes: component.InWorkflow, Hosts: component.Verbatim},
				func(s *component.BackendSite, o workflow) error {
					s.Needs(body.Raw, body.Empty)
					var pipes []gateway.Connector
					for range 2 {
						pipes = append(pipes, s.Pipe(component.InWorkflow, &model.Endpoint{Endpoint: o.Endpoint, Backend: o.Backend, Node: o.Node}))
					}
					part := new(int)
					return s.Connector(gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
						if !runs {
							return errors.Join(pipes[0].Do(ctx, x), pipes[1].Do(ctx, x))
						}
						return x.Surround(part, func() (err error) {
							for _, p := range pipes {
								err = errors.Join(err, x.Run(part, func() error { return p.Do(ctx, x) }))
							}
							return err
						})
					}))
				}))
			d, problems := config.Parse("test.json", []byte(`{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","method":"POST","backend":[{"url_pattern":"/","extra_config":{
				"test/turns":{"endpoint":"/turn","backend":[{"url_pattern":"/one"}]}}}]}]}`))
			if config.HasErrors(problems) {
				t.Fatal(config.Format(problems))
			}
			g, problems := compile.Compile(d, compile.Options{Registry: r, Env: &component.Env{
				Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
				Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return n, nil },
			}})
			if g == nil {
				t.Fatal(config.Format(problems))
			}
			x := gateway.Acquire(testx.Request{Method: "POST", Path: "/x", Body: payload}.Inbound())
			err := g.Do(t.Context(), x)
			want := []string{strings.TrimSpace("POST up/one?  " + payload)}
			if runs {
				want = append(want, want...)
			}
			if !slices.Equal(n.seen, want) || runs != (err == nil) || !runs && !strings.Contains(err.Error(), "run each of them by x.Run") {
				t.Errorf("runs %t, body %q: %v, the backends got %q", runs, payload, err, n.seen)
			}
			x.Release()
			g.Close(t.Context())
		}
	}
}

// TestNestedNames gives the backends of several pipes in the same options names of their own,
// so that what they keep is theirs.
func TestNestedNames(t *testing.T) {
	counted := func(path string) string {
		return `{"url_pattern":"` + path + `","extra_config":{"test/counter":{}}}`
	}
	g, problems := compileNested(t, new(town), `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","extra_config":{
		"test/each":{"endpoint":"/each","backend":[`+counted("/a")+`,`+counted("/b")+`]}}}]}]}`)
	if g == nil {
		t.Error(config.Format(problems))
	}
}

// TestNestedProblems reports what is wrong in a pipe where it stands, and what has no
// place in one.
func TestNestedProblems(t *testing.T) {
	const flow = `endpoints[0].backend[0].extra_config["test/workflow"]`
	deep := `{"endpoint":"/i","backend":[{"url_pattern":"/"}]}`
	for range 8 { // and what is around them
		deep = `{"endpoint":"/i","backend":[{"url_pattern":"/","extra_config":{"test/workflow":` + deep + `}}]}`
	}
	many := `{"endpoint":"/i","concurrent_calls":20,"backend":[{"url_pattern":"/"}]}`
	many = `{"endpoint":"/i","concurrent_calls":20,"backend":[{"url_pattern":"/","extra_config":{"test/workflow":` + many + `}}]}`
	tests := []struct{ name, flow, path, want string }{
		{"no backend", `{"endpoint":"/i","backend":[]}`, flow + ".backend", "no backend"},
		{"no object", `5`, flow, "must be an object"},
		{"no such parameter", `{"endpoint":"/i","backend":[{"url_pattern":"/"},{"url_pattern":"/{nobody}"}]}`, flow + ".backend[1].url_pattern", "undefined output param 'nobody'! input: [id]; "},
		{"a door", `{"endpoint":"/i","extra_config":{"test/door":{}},"backend":[{"url_pattern":"/"}]}`, flow + `.extra_config["test/door"]`, "has no effect in the pipe of test/workflow; move it to the extra_config of the endpoint"},
		{"nobody's namespace", `{"endpoint":"/i","extra_config":{"test/pipd":{}},"backend":[{"url_pattern":"/"}]}`, flow + `.extra_config["test/pipd"]`, `did you mean "test/piped"?`},
		{"a namespace of the backend within", `{"endpoint":"/i","backend":[{"url_pattern":"/","extra_config":{"test/piped":{}}}]}`, flow + `.backend[0].extra_config["test/piped"]`, "has no effect in the backend"},
		{"no options", `{"endpoint":"/i","backend":[{"url_pattern":"/","extra_config":{"test/workflow":null}}]}`, flow + `.backend[0].extra_config["test/workflow"]`, "null is no options"},
		{"a filter that is misspelt", `{"endpoint":"/i","backend":[{"url_pattern":"/","dney":["a"]}]}`, flow + ".backend[0].dney", `"deny"`},
		{"a filter in another place", `{"endpoint":"/i","deny":["a"],"backend":[{"url_pattern":"/"}]}`, flow + ".deny", "the backend"},
		{"a claim that nobody has verified", `{"endpoint":"/i","backend":[{"url_pattern":"/{JWT.sub}"}]}`, flow + ".backend[0].url_pattern", "has a value behind test/door only"},
		{"an answer of no sequence", `{"endpoint":"/i","backend":[{"url_pattern":"/"},{"url_pattern":"/{resp0_a}"}]}`, flow + ".backend[1].url_pattern", "sequence"},
		{"two writes", `{"endpoint":"/i","backend":[{"url_pattern":"/","method":"POST"},{"url_pattern":"/","method":"POST"}]}`, flow + ".backend", "write"},
		{"an encoding for clients", `{"endpoint":"/i","output_encoding":"xml","backend":[{"url_pattern":"/"}]}`, flow + ".output_encoding", "has no effect here"},
		{"a longer time", `{"endpoint":"/i","timeout":"3s","backend":[{"url_pattern":"/"}]}`, flow + ".timeout", "is longer than the"},
		{"a key in another letter case", `{"endpoint":"/i","Backend":[{"URL_pattern":"/"}]}`, flow + ".Backend[0].URL_pattern", "letter case"},
		{"what is left over", `{"endpoint":"/i","backend":[{"url_pattern":"/","group":"${GROUP}"}]}`, flow + ".backend[0].group", "nobody fills in"},
		{"an old name", `{"endpoint":"/i","extra_config":{"test/in-order":{}},"backend":[{"url_pattern":"/"}]}`, flow + `.extra_config["test/in-order"]`, "old name of test/sequence"},
		{"too many within each other", deep, flow + strings.Repeat(`.backend[0].extra_config["test/workflow"]`, 8), "stands within 8 others, and no more than 8 "},
		{"too many calls", many, flow + `.backend[0].extra_config["test/workflow"].concurrent_calls`, "more than 100 times"},
	}
	for _, tt := range tests {
		for _, broken := range []bool{false, true} { // by something else in the endpoint
			more := ""
			if broken {
				more = `"timeout":5.5e99,`
			}
			_, problems := compileNested(t, new(town), `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x/{id}","method":"POST","timeout":"1s","backend":[
				{"url_pattern":"/","extra_config":{"test/workflow":`+tt.flow+`}}],`+more+`"cache_ttl":"1s"}]}`)
			if !slices.ContainsFunc(problems, func(p *config.Problem) bool { return p.Path == tt.path && strings.Contains(p.Err.Error(), tt.want) }) {
				t.Errorf("%s, broken %t: want %s: %s, got\n%s", tt.name, broken, tt.path, tt.want, config.Format(problems))
			}
		}
	}
}

// TestNestedExplained shows the steps of a pipe within those of its backend, to those who
// ask what would happen and to those who look at what does.
func TestNestedExplained(t *testing.T) {
	g := nested(t, new(town), `"timeout":"700ms","extra_config":{"test/piped":{},"test/sequence":{}},"backend":[
		{"url_pattern":"/one","method":"GET"},{"url_pattern":"/two","group":"g"}]`, `,"deny":["b"]`, `,{"url_pattern":"/three","method":"GET","mapping":{"a":"c"}}`, `"extra_config":{"test/writes":{}},`)
	e := g.Explain("POST", "/x/7").Endpoint
	if len(e.Backends) != 2 || len(e.Backends[0].Pipes) != 1 || len(e.Backends[1].Pipes) != 0 {
		t.Fatalf("got %+v", e)
	}
	if e.Backends[0].By != "test/workflow" || e.Backends[1].By != "" {
		t.Errorf("the backends are called by %q and %q; want test/workflow and nobody", e.Backends[0].By, e.Backends[1].By)
	}
	p := e.Backends[0].Pipes[0]
	var steps []string
	for _, s := range p.Steps {
		steps = append(steps, fmt.Sprint(s.Phase, " ", s.Name, " ", s.Out, " ", s.At.Line > 0))
	}
	if p.Name != "/flow" || p.At.Line == 0 || p.Timeout != 700*time.Millisecond || !strings.HasPrefix(p.Calls, "one backend after the other") || !slices.Equal(steps, []string{"check test/piped true true"}) {
		t.Errorf("the pipe is explained as %+v", p)
	}
	if len(p.Backends) != 2 || p.Backends[1].Pattern != "/two" || p.Backends[1].Method != "POST" || p.Backends[1].Hosts[0] != "http://up" || len(p.Backends[1].Steps) != 2 {
		t.Errorf("its backends are explained as %+v", p.Backends)
	}

	x := gateway.Acquire(testx.Request{Method: "POST", Path: "/x/7"}.Inbound())
	defer x.Release()
	x.Record = gateway.NewRecord()
	if err := g.Do(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	var plans []string
	for _, s := range x.Record.Spans() {
		if s.Phase == "" && !strings.Contains(s.Plan, "://") { // without the calls themselves
			plans = append(plans, s.Plan)
		}
	}
	slices.Sort(plans)
	if want := []string{"backend 0 /one of /flow", "backend 0 /outer?o=1", "backend 1 /three", "backend 1 /two of /flow", "endpoint /x/{id}", "pipe /flow", "service"}; !slices.Equal(plans, want) {
		t.Errorf("the plans that ran are %q, want %q", plans, want)
	}
	if got, want := fmt.Sprint(x.Record.Members()), "[{a backend 0 /outer?o=1} {g backend 0 /outer?o=1} {c backend 1 /three} {b backend 1 /three}]"; got != want {
		t.Errorf("the members come from %s, want %s", got, want)
	}
}

// TestNestedPersonal keeps answers from the caches of others where a pipe asks for what a
// header of the client names.
func TestNestedPersonal(t *testing.T) {
	for backend, want := range map[string]string{
		`{"url_pattern":"/one"}`:                 "public, max-age=60",
		`{"url_pattern":"/{input_headers.X-A}"}`: "private, max-age=60",
		`{"url_pattern":"/","extra_config":{"test/workflow":{"endpoint":"/deeper","backend":[{"url_pattern":"/{input_headers.X-A}"}]}}}`: "private, max-age=60",
	} {
		g, problems := compileNested(t, new(town), `{"version":3,"host":["http://up"],"behaviour":{"personal_cache":"private"},"endpoints":[{"endpoint":"/x","cache_ttl":"60s","input_headers":["X-A"],"backend":[
			{"url_pattern":"/outer","extra_config":{"test/workflow":{"endpoint":"/flow","backend":[`+backend+`]}}}]}]}`)
		if g == nil {
			t.Fatal(config.Format(problems))
		}
		x := gateway.Acquire(testx.Request{Method: "GET", Path: "/x", Header: gateway.Fields{{Name: "X-A", Value: "a"}}}.Inbound())
		if err := g.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if got := x.Response.Header.Get("Cache-Control"); got != want {
			t.Errorf("%s: got %s, want %s", backend, got, want)
		}
		x.Release()
	}
}

// TestNestedIdentity lets a pipe see who the client is, where the endpoint around it
// asks that.
func TestNestedIdentity(t *testing.T) {
	const flow = `{"url_pattern":"/outer","extra_config":{"test/workflow":{"endpoint":"/flow","backend":[{"url_pattern":"/{JWT.sub}"}]}}}`
	n := new(town)
	g, problems := compileNested(t, n, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","extra_config":{"test/door":{}},"backend":[`+flow+`]}]}`)
	if len(problems) > 0 {
		t.Fatal(config.Format(problems))
	}
	x := gateway.Acquire(testx.Request{Method: "GET", Path: "/x"}.Inbound())
	defer x.Release()
	if err := g.Do(t.Context(), x); err != nil || !slices.Equal(n.seen, []string{"GET up/ann?"}) {
		t.Errorf("%v, the backends got %q", err, n.seen)
	}
}

// TestNestedMemory gives back what is used within a pipe when the exchange around it ends,
// once, whoever has won and whoever is not waited for.
func TestNestedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(town)
		g := nested(t, n, `"concurrent_calls":3,"backend":[{"url_pattern":"/","group":"g"},{"url_pattern":"/","host":["http://slow"],"extra_config":{"test/shadow":{}}}]`, `,"method":"GET"`,
			`,{"url_pattern":"/","method":"GET","extra_config":{"test/shadow":{},"test/workflow":{"endpoint":"/beside","backend":[{"url_pattern":"/"}]}}}`,
			`"concurrent_calls":2,"extra_config":{"test/writes":{}},`)
		for range 50 {
			x := gateway.Acquire(testx.Request{Method: "POST", Path: "/x/7", Body: "hello"}.Inbound())
			if err := g.Do(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			if got, want := text(t, x), `{"g":{"a":1,"b":2}}`; got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
			x.Release()
			if x.Parent != nil || len(x.Request.Header) > 0 {
				t.Fatal("the exchange is in use")
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}

// TestNestedShadow asks within a shadow of a sequence, and within the only call of one, for
// what no earlier answer holds, because there was none: the call fails, as one of a
// sequence does whose answers lack the value.
func TestNestedShadow(t *testing.T) {
	const flow = `{"url_pattern":"/s","method":"GET","extra_config":{%s"test/workflow":{"endpoint":"/flow","backend":[{"url_pattern":"/in/{resp0_a}"}]}}}`
	for _, shadow := range []bool{true, false} {
		backends := fmt.Sprintf(flow, "")
		if shadow {
			backends = `{"url_pattern":"/one"},{"url_pattern":"/two"},` + fmt.Sprintf(flow, `"test/shadow":{},`)
		}
		n := new(town)
		g, problems := compileNested(t, n, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x/{id}","extra_config":{"test/sequence":{}},"backend":[`+backends+`]}]}`)
		if g == nil {
			t.Fatal(config.Format(problems))
		}
		x := gateway.Acquire(testx.Request{Method: "GET", Path: "/x/7"}.Inbound())
		err := g.Do(t.Context(), x)
		if failed := gateway.AsError(err); shadow != (err == nil) || !shadow && failed.Code != gateway.CodeMissingValue {
			t.Errorf("shadow %t: %v", shadow, err)
		}
		x.Release()
		g.Close(t.Context())
		if slices.ContainsFunc(n.seen, func(call string) bool { return strings.Contains(call, "/in") }) {
			t.Errorf("shadow %t: the backends got %q", shadow, n.seen)
		}
	}
}

// TestAgents answers what a source asks by a pipe of the service: nobody has let a
// client in, and nothing of one is there.
func TestAgents(t *testing.T) {
	n := new(town)
	g, problems := compileNested(t, n, `{"version":3,"host":["http://up"],"extra_config":{"test/agents":{"agents":[
		{"name":"one","backend":[{"url_pattern":"/one","deny":["b"]},{"url_pattern":"/two","method":"GET","group":"g"}],"extra_config":{"test/piped":{},"test/writes":{}}},
		{"name":"two","timeout":"1s","backend":[{"url_pattern":"/","host":["http://teapot"]}]}]}}}`)
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	if slices.ContainsFunc(problems, func(p *config.Problem) bool { return p.Path == "endpoints" }) {
		t.Errorf("a source is served, and the problems are\n%s", config.Format(problems))
	}
	p, found := g.ExplainPipe("one")
	if len(p.Steps) != 1 || p.Steps[0].Name != "test/piped" || len(p.Backends) != 2 || p.Backends[0].Pattern != "/one" || p.Backends[0].Hosts[0] != "http://up" {
		t.Errorf("the pipe is explained as %+v, %t", p, found)
	}
	if p, found = g.ExplainPipe("two"); p.Timeout != time.Second || !found {
		t.Errorf("the other one is explained as %+v, %t", p, found)
	}
	if p, found = g.ExplainPipe("three"); found {
		t.Errorf("nobody's pipe is explained as %+v", p)
	}
	var header gateway.Fields
	for _, name := range []string{"X-B", "Proxy", "content_length", "Transfer_Encoding", "X_Forwarded_For", "HTTP2-Settings", "Expect", "X-Real-Ip", "", "x-a"} {
		header = append(header, gateway.Field{Name: name, Value: "1"})
	}
	header = append(header, gateway.Field{Name: "connection", Value: "http2-settings, x-b"})
	x := g.Taken("queue", gateway.Message{Header: header})
	if got := x.Request.Header; len(got) != 2 || got.Get("User-Agent") != "Sluice 0" || !got.Has("X-A") {
		t.Errorf("of a message pass %v, want X-A alone, and the gateway's name", got)
	}
	x.Release()
	x = g.Taken("queue", gateway.Message{Header: gateway.Fields{{Name: "user-agent", Value: "shop"}}})
	if got := x.Request.Header; len(got) != 1 || got.Get("User-Agent") != "shop" {
		t.Errorf("of a message pass %v, want its own name", got)
	}
	x.Release()
	for name, want := range map[string]string{"async/queue": "/async/queue", "the belt?": "/the%20belt%3F"} {
		x := g.Taken(name, gateway.Message{})
		if path := x.In.Path(); path != want {
			t.Errorf("a message of %s has the path %s, want %s", name, path, want)
		}
		x.Release()
	}
	for i, want := range []string{`{"a":1,"g":{"a":1,"b":2}}`, "teapot"} {
		x := g.Taken("queue", gateway.Message{Header: gateway.Fields{{Name: "x-a", Value: "a"}}, Body: []byte("hello")})
		x.Record = gateway.NewRecord()
		err := g.Take(t.Context(), x, g.Sources()[i].By)
		got := text(t, x)
		if err != nil {
			got = gateway.AsError(err).Code
		}
		if spans := x.Record.Spans(); spans[len(spans)-1].Plan != "source "+g.Sources()[i].Name {
			t.Errorf("the record ends with %+v", spans[len(spans)-1])
		}
		if got != want || (err == nil) != x.Response.Complete {
			t.Errorf("got %s, %v, complete %t, want %s", got, err, x.Response.Complete, want)
		}
		x.Release()
	}
	for _, bad := range []struct{ agent, path, want string }{
		{`{"name":"one","backend":[{"url_pattern":"/{id}"}]}`, "backend[0].url_pattern", "id"},
		{`{"name":"one","backend":[{"url_pattern":"/"}],"extra_config":{"test/door":{}}}`, `extra_config["test/door"]`, "has no effect in the pipe of test/agents"},
		{`{"name":"one","backend":[]}`, "backend", "no backend"},
		{`{"name":"one","backend":[{"url_pattern":"/{resp0_id}"},{"url_pattern":"/"}]}`, "backend[0].url_pattern", "\"sequential\": true in the extra_config of the pipe of test/agents"},
		{`{"name":"one","backend":[{"url_pattern":"/","encoding":"no-op"},{"url_pattern":"/","encoding":"no-op"}]}`, "backend[0].encoding", "every answer of this pipe of test/agents is empty"},
		{`{"name":"one","backend":[{"url_pattern":"/","method":"PUT"},{"url_pattern":"/","method":"PUT"}]}`, "backend", "make the pipe of test/agents sequential"},
	} {
		g, problems := compileNested(t, n, `{"version":3,"host":["http://up"],"extra_config":{"test/agents":{"agents":[`+bad.agent+`]}}}`)
		path := `extra_config["test/agents"].agents[0].` + bad.path
		if g != nil || !slices.ContainsFunc(problems, func(p *config.Problem) bool { return p.Path == path && strings.Contains(p.Err.Error(), bad.want) }) {
			t.Errorf("%s: want %s: %s, got\n%s", bad.agent, path, bad.want, config.Format(problems))
		}
	}
}
