package runtime_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// A belt is a queue that always has a message. One consumer at a time may take from it.
type belt struct {
	consumers atomic.Int32
	taken     atomic.Int32
	acked     atomic.Int32
}

type beltOptions struct {
	Name   string          `json:"name"`
	Takes  config.Duration `json:"takes"` // that a message is worked on
	Fails  string          `json:"fails"` // "pipe", "run" or "panic"
	Port   string          `json:"port"`
	Second string          `json:"second"` // another port
	Health string          `json:"health"`

	// Of a pipe that answers, in the place of a function.
	Backend     []*model.Backend        `json:"backend"`
	ExtraConfig map[string]*config.Node `json:"extra_config"`
	Node        *config.Node            `json:"-"`
}

// peerOptions are those of a backend that a belt leads to.
type peerOptions struct {
	Health string `json:"health"`
}

func (beltOptions) Scope() string { return string(component.InAgent) }

// A consumer takes from a belt, one message at a time.
type consumer struct {
	t    testing.TB
	b    *bench
	belt *belt
	beltOptions
}

func (c *consumer) Run(ctx context.Context, take func(gateway.Message) error) error {
	switch c.Fails {
	case "run":
		return errors.New("the broker refuses us")
	case "panic":
		panic("trouble")
	}
	if n := c.belt.consumers.Add(1); n != 1 {
		c.t.Errorf("%d consumers take from the queue", n)
	}
	c.b.note("%s takes", c.Name)
	for ctx.Err() == nil {
		c.belt.taken.Add(1)
		if take(gateway.Message{Path: "/" + c.Name}) == nil {
			c.belt.acked.Add(1)
		}
	}
	c.b.note("%s ends", c.Name)
	c.belt.consumers.Add(-1)
	return nil
}

// newBelted returns a gateway with the component test/belt besides its probe.
func newBelted(t testing.TB, log slog.Handler, e engine.Engine) (*bench, *belt) {
	b, all := new(bench), new(belt)
	build := func(s *component.ServiceSite, o beltOptions) error {
		if o.Name != "" {
			s.OnClose(func(context.Context) error { b.note("%s closes", o.Name); return nil })
			by := gateway.Connector(gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
				time.Sleep(time.Duration(o.Takes))
				if o.Fails == "pipe" {
					return errors.New("does not work")
				}
				x.Response.Status, x.Response.Complete = 200, true
				return ctx.Err()
			}))
			if o.Backend != nil {
				by = s.Pipe(component.InAgent, &model.Endpoint{Endpoint: o.Name, Backend: o.Backend, Timeout: o.Takes, ExtraConfig: o.ExtraConfig, Node: o.Node})
			}
			s.Source(o.Name, &consumer{t, b, all, o}, by)
		}
		if o.Port != "" {
			err := s.Serve("the port of the test", o.Port, gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
				switch x.In.Path() {
				case "/bad":
					return &gateway.Error{Status: 418, Code: "teapot"}
				case "/panic":
					panic("trouble")
				}
				x.Response.Status = 200
				x.Response.Header.Set("X-Name", o.Name+" "+x.In.Path())
				if _, limited := ctx.Deadline(); limited {
					x.Response.Header.Set("X-Until", "soon")
				}
				return nil
			}))
			if err != nil {
				return config.At("port", err)
			}
		}
		if o.Second != "" {
			if err := s.Serve("another port", o.Second, nil); err != nil {
				return config.At("second", err)
			}
		}
		if o.Health != "" {
			return s.Health("another", false, func() (string, bool) { return "", false })
		}
		return nil
	}
	peer := func(s *component.BackendSite, o peerOptions) error {
		call := gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
			if o.Health != "well" {
				return gateway.Away(errors.New("lost"))
			}
			x.Response.Body.SetTree(map[string]any{"here": true})
			x.Response.Complete = true
			return nil
		})
		return errors.Join(s.Connector(call),
			s.Health("belt", o.Health != "", func() (string, bool) { return o.Health, o.Health == "well" }))
	}
	if e.Name == "" {
		e = engine.Engine{Name: "test", NewServer: func(s engine.Settings) engine.Server { b.server = newServer(s); return b.server }}
	}
	b.Gateway = runtime.New(runtime.Options{
		Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
			return config.Parse("gateway.json", []byte(*b.text.Load()))
		},
		Registry: component.NewRegistry(
			component.Service(component.Info{Namespace: "test/belt", Pipes: component.InAgent}, build),
			component.Backend(component.Info{Namespace: "test/peer", Hosts: component.Verbatim}, peer)),
		Engines: []engine.Engine{e},
		Log:     log,
	})
	return b, all
}

// serve serves without a listener; stop ends that and returns what Serve does.
func (b *bench) serve(t testing.TB) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx, nil) }()
	synctest.Wait()
	return func() error { cancel(); return <-served }
}

func belted(options string) string {
	return `{"version":3,"max_shutdown_wait_time":"1m","extra_config":{"test/belt":{` + options + `}}}`
}

// TestSources shows when sources run: one generation's at a time, from the moment when
// it is live and the gateway serves until the next one is, and each until it has finished
// what it took. At the stop that is beside the server.
func TestSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, queue := newBelted(t, slog.DiscardHandler, engine.Engine{})
		b.load(t, belted(`"name":"none"`))
		b.load(t, belted(`"name":"one","takes":"10s"`))
		synctest.Wait()
		if got, want := b.noted(), "none closes"; got != want {
			t.Errorf("before the gateway serves: %s, want %s", got, want)
		}
		stop := b.serve(t)
		b.load(t, belted(`"name":"two","takes":"1s"`))
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if got, want := b.noted(), "one takes"; got != want {
			t.Errorf("while the first works: %s, want %s", got, want)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if got, want := b.noted(), "one ends, two takes, one closes"; got != want && got != "one ends, one closes, two takes" {
			t.Errorf("when it has finished: %s, want %s", got, want)
		}
		b.load(t, belted(`"name":"three"`)) // its turn does not come
		b.load(t, belted(`"name":"four","takes":"1s"`))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := b.noted(); !strings.HasPrefix(got, "two ends") || strings.Contains(got, "three takes") || !strings.Contains(got, "four takes") {
			t.Errorf("two reloads at once: %s", got)
		}
		b.server.stop = func(context.Context) error { b.note("the server ends"); return nil }
		if err := stop(); err != nil {
			t.Error(err)
		}
		if got, want := b.noted(), "the server ends, four ends, four closes"; got != want {
			t.Errorf("at the stop: %s, want %s", got, want)
		}
		if taken, acked := queue.taken.Load(), queue.acked.Load(); taken != acked || taken < 3 {
			t.Errorf("%d messages were taken and %d acknowledged", taken, acked)
		}
	})
}

// A peer is a backend that takes a second to answer, if it has as long.
type peer struct{ calls atomic.Int32 }

func (p *peer) Do(ctx context.Context, x *gateway.Exchange) error {
	p.calls.Add(1)
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		return &gateway.Error{Code: gateway.CodeTimeout, Err: ctx.Err()}
	}
	x.Response.Status, x.Response.Body = 200, body.FromBytes([]byte(`{"a":1}`))
	return nil
}

func (*peer) Close() {}

// TestSourcesOfPipes lets messages through pipes: backends of one are called at once, a
// message counts as done when the whole answer is there, and a reload waits for the pipe
// that is at work.
func TestSourcesOfPipes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backends := new(peer)
		e := engine.Engine{Name: "test", NewServer: func(s engine.Settings) engine.Server { return newServer(s) },
			NewClient: func(model.Transport, *tls.Config) engine.Client { return backends }}
		b, queue := newBelted(t, slog.DiscardHandler, e)
		const two = `"backend":[{"url_pattern":"/1","host":["http://up"]},{"url_pattern":"/2","host":["http://up"]}]`
		b.load(t, belted(`"name":"one","takes":"2s",`+two))
		stop := b.serve(t)
		time.Sleep(2500 * time.Millisecond) // within the third message
		b.load(t, belted(`"name":"two","takes":"500ms",`+two))
		synctest.Wait()
		if got, want := b.noted(), "one takes"; got != want {
			t.Errorf("while the first works: %s, want %s", got, want)
		}
		time.Sleep(600 * time.Millisecond)
		synctest.Wait()
		if got := b.noted(); !strings.HasPrefix(got, "one ends") || !strings.Contains(got, "one closes") || !strings.Contains(got, "two takes") {
			t.Errorf("when it has finished: %s", got)
		}
		if acked, calls := queue.acked.Load(), backends.calls.Load(); acked != 3 || calls != 8 {
			t.Errorf("%d messages are done after %d calls, want 3 and 8", acked, calls)
		}
		time.Sleep(time.Second) // in which no message of the second is done
		b.load(t, belted(``))
		time.Sleep(time.Second)
		synctest.Wait()
		if taken, acked := queue.taken.Load(), queue.acked.Load(); acked != 3 || taken < 5 {
			t.Errorf("%d messages are done of %d, want 3", acked, taken)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestSourcesThatFail shows that one that ends is told and holds nobody up.
func TestSourcesThatFail(t *testing.T) {
	for _, fails := range []string{"run", "panic", "pipe"} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			b, queue := newBelted(t, slog.NewTextHandler(&log, nil), engine.Engine{})
			b.load(t, belted(`"name":"one","takes":"1s","fails":"`+fails+`"`))
			stop := b.serve(t)
			time.Sleep(2500 * time.Millisecond)
			if err := stop(); err != nil {
				t.Errorf("%s: %v", fails, err)
			}
			want := "nothing is taken from a source any more"
			if fails == "pipe" {
				want = "a fault of the gateway itself"
			}
			if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || !strings.Contains(got, "level=ERROR") {
				t.Errorf("%s: the log says %q, want %q once", fails, got, want)
			}
			if queue.acked.Load() != 0 {
				t.Errorf("%s: a message was acknowledged", fails)
			}
		})
	}
}

// TestPorts serves at a second address, over reloads.
func TestPorts(t *testing.T) {
	address := testx.UnusedAddress(t)
	b, _ := newBelted(t, slog.DiscardHandler, fast.Engine)
	defer b.Close()
	get := func(path string) string {
		t.Helper()
		answer, err := http.Get("http://" + address + path)
		if err != nil {
			return "closed"
		}
		defer answer.Body.Close()
		io.Copy(io.Discard, answer.Body)
		return fmt.Sprint(answer.StatusCode, " ", answer.Header.Get("X-Name"))
	}
	b.load(t, belted(`"port":"`+address+`"`))
	if got := get("/a"); got != "200 /a" {
		t.Errorf("got %q", got)
	}
	if got := get("/bad"); got != "418 " {
		t.Errorf("a failure: got %q", got)
	}
	b.load(t, belted(`"port":"`+address+`","name":"two","fails":"run"`))
	if got := get("/b"); got != "200 two /b" {
		t.Errorf("after a reload: got %q", got)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b.set(belted(`"port":"` + taken.Addr().String() + `"`))
	if _, err := b.Load(t.Context()); err == nil || !strings.Contains(err.Error(), "the port of the test") {
		t.Errorf("a port that is taken: %v", err)
	}
	if got := get("/c"); got != "200 two /c" {
		t.Errorf("after a reload that failed: got %q", got)
	}
	b.load(t, belted(``))
	if l, err := net.Listen("tcp", address); err == nil { // nobody listens any more, at once or soon
		l.Close()
	} else if got := get("/d"); got == "200 two /d" {
		t.Errorf("the port is served although nobody needs it")
	}
}

// TestHealth shows what the health path and the readiness path tell of what the
// gateway depends on, by its own components and those of its backends, and what a call to
// who is away comes to.
func TestHealth(t *testing.T) {
	const away = `503 {"type":"about:blank","title":"Service Unavailable","status":503,"code":"backend_away","detail":"A service behind the gateway is away.",`
	for health, want := range map[string][3]string{
		"":     {`200 {"agents":{},`, `200 {"status":"ready"}`, away},
		"well": {`200 {"agents":{"belt":"well"},`, `200 {"status":"ready"}`, `200 {"here":true}`},
		"down": {`200 {"agents":{"belt":"down"},`, `503 {"status":"unavailable","agents":{"belt":"down"}}`, away},
	} {
		b, _ := newBelted(t, slog.DiscardHandler, engine.Engine{})
		b.load(t, fmt.Sprintf(`{"version":3,"dialect":"sluice","extra_config":{"test/belt":{"health":"away"}},"endpoints":[
			{"endpoint":"/x","backend":[{"url_pattern":"/x","extra_config":{"test/peer":{"health":%q}}}]}]}`, health))
		for i, path := range []string{"/__health", "/__ready", "/x"} {
			x := gateway.Acquire(testx.Request{Path: path}.Inbound())
			b.Do(t.Context(), x)
			text, _ := x.Response.Body.Bytes(0)
			if got := fmt.Sprintf("%d %s", x.Response.Status, text); !strings.HasPrefix(got, want[i]) {
				t.Errorf("%s: got %s, want %s", path, got, want[i])
			}
			b.Done(x, gateway.Sent{}, nil)
		}
		b.Close()
	}
}

// TestAgents: an agent waits for nobody but the one that had its name, and not for that if it
// takes messages in the same way.
func TestAgents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bench)
		type options struct {
			Kept  string          `json:"kept"`
			Takes config.Duration `json:"takes"`
		}
		driver := component.Driver(component.Info{Namespace: "test/driver"}, func(s *component.PipeSite, o options) error {
			name := s.Agent().Name
			return s.Source(sourceFunc(func(ctx context.Context, take func(gateway.Message) error) error {
				b.note("%s takes", name)
				<-ctx.Done()
				time.Sleep(time.Duration(o.Takes))
				b.note("%s ends", name)
				return nil
			}), o.Kept)
		})
		b.Gateway = runtime.New(runtime.Options{
			Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
				return config.Parse("gateway.json", []byte(*b.text.Load()))
			},
			Registry: component.NewRegistry(driver),
			Engines: []engine.Engine{{Name: "test", NewServer: func(s engine.Settings) engine.Server { b.server = newServer(s); return b.server },
				NewClient: func(model.Transport, *tls.Config) engine.Client { return new(peer) }}},
		})
		text := func(agents ...string) string {
			for i, a := range agents {
				name, options, _ := strings.Cut(a, " ")
				agents[i] = fmt.Sprintf(`{"name":%q,"consumer":{"topic":"t"},"backend":[{"url_pattern":"/","host":["http://a"]}],"extra_config":{"test/driver":{%s}}}`, name, options)
			}
			return `{"version":3,"async_agent":[` + strings.Join(agents, ",") + `]}`
		}
		steps := []struct {
			agents []string
			after  time.Duration
			want   []string
		}{
			{[]string{`slow "kept":"1","takes":"10s"`, `other "kept":"1"`}, 0, []string{"other takes", "slow takes"}},
			{[]string{`slow "kept":"1","takes":"10s"`, `other "kept":"2"`}, 0, []string{"other ends", "other takes", "slow takes"}},
			{[]string{`slow "kept":"2","takes":"1s"`, `other "kept":"2"`}, 5 * time.Second, []string{"other ends", "other takes"}},
			{nil, 6 * time.Second, []string{"slow ends", "slow ends", "slow takes"}},
			{[]string{`other "kept":"2"`}, 0, []string{"other ends", "other takes"}},
			{[]string{`slow "kept":"3"`, `other "kept":"2"`}, 0, []string{"other ends", "other takes"}},
			{nil, time.Second, []string{"slow ends", "slow takes"}},
		}
		var stop func() error
		for i, s := range steps {
			if s.agents != nil {
				b.load(t, text(s.agents...))
			}
			if stop == nil {
				stop = b.serve(t)
			}
			time.Sleep(s.after)
			synctest.Wait()
			got := strings.Split(b.noted(), ", ")
			slices.Sort(got)
			if !slices.Equal(got, s.want) {
				t.Errorf("step %d: %q, want %q", i, got, s.want)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

type sourceFunc func(ctx context.Context, take func(gateway.Message) error) error

func (f sourceFunc) Run(ctx context.Context, take func(gateway.Message) error) error {
	return f(ctx, take)
}
