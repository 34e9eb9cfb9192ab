package runtime_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/runtime"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A bench is a gateway without sockets. Its only namespace, test/probe, tells
// what becomes of each generation.
type bench struct {
	*runtime.Gateway
	text atomic.Pointer[string] // of the configuration

	mu      sync.Mutex
	log     []string          // what happened to generations
	probes  []*probe          // one for each generation that was built
	clients []model.Transport // that were made
	server  *server
	backend func(context.Context, *gateway.Exchange) error
}

// A probe is what test/probe keeps of one generation.
type probe struct {
	name            string
	started, closed atomic.Bool
	late            atomic.Bool // an exchange outlived the generation

	mu       sync.Mutex
	outcomes []telemetry.Outcome
}

func (p *probe) Observe(_ *gateway.Exchange, o telemetry.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outcomes = append(p.outcomes, o)
}

type probeOptions struct {
	Name string `json:"name"`
	Fail string `json:"fail"` // build, start or close; end or stuck: close does not end, or not even with its context

	Await string `json:"await"` // how long a reload waits, or panic

	TLS *model.ClientTLS `json:"tls"`
}

func newBench(text string) *bench { return newBenchWith(text, slog.DiscardHandler) }

func newBenchWith(text string, log slog.Handler) *bench {
	b := new(bench)
	b.set(text)
	b.Gateway = runtime.New(runtime.Options{
		Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
			return config.Parse("gateway.json", []byte(*b.text.Load()))
		},
		Registry: component.NewRegistry(
			component.Service(component.Info{Namespace: "test/probe"}, b.build),
			component.Backend(component.Info{Namespace: "test/shadow"}, func(s *component.BackendSite, _ struct{}) error {
				s.Shadow(component.Shadow{Most: 1, Timeout: time.Minute})
				return nil
			})),
		Engines: []engine.Engine{{
			Name:      "test",
			NewServer: func(s engine.Settings) engine.Server { b.server = newServer(s); return b.server },
			NewClient: func(t model.Transport, _ *tls.Config) engine.Client {
				b.note("client opened")
				b.clients = append(b.clients, t)
				return &client{b}
			},
		}},
		Log: log,
	})
	return b
}

func (b *bench) set(text string) { b.text.Store(&text) }

func (b *bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.log = append(b.log, fmt.Sprintf(format, args...))
}

// noted returns what happened since it was called before.
func (b *bench) noted() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := strings.Join(b.log, ", ")
	b.log = nil
	return all
}

func (b *bench) build(s *component.ServiceSite, o probeOptions) error {
	p := &probe{name: o.Name}
	b.probes = append(b.probes, p)
	if o.Fail == "build" {
		return errors.New("does not build")
	}
	if _, err := s.TLS("tls", o.TLS); err != nil {
		return err
	}
	s.OnStart(func(context.Context) error { b.note("%s starts", o.Name); p.started.Store(true); return nil })
	s.OnClose(func(ctx context.Context) error {
		b.note("%s closes", o.Name)
		p.closed.Store(true)
		switch o.Fail {
		case "close":
			return errors.New("does not close")
		case "end":
			<-ctx.Done()
			return ctx.Err()
		case "stuck":
			time.Sleep(time.Hour)
		}
		return nil
	})
	s.OnStart(func(context.Context) error {
		if o.Fail == "start" {
			return errors.New("does not start")
		}
		return nil
	})
	s.OnClose(func(context.Context) error {
		if o.Fail == "start" {
			b.note("%s closes what was not started", o.Name)
		}
		return nil
	})
	if o.Await != "" {
		s.Await(func(ctx context.Context) error {
			if o.Await == "panic" {
				panic("of who waits")
			}
			d, err := time.ParseDuration(o.Await)
			if err != nil {
				return err
			}
			select {
			case <-time.After(d):
				return nil
			case <-ctx.Done():
				return errors.Join(errors.New("one broker is away"), errors.New("another is not connected yet"))
			}
		})
	}
	s.Observer(p)
	s.Stage(component.ServiceObserve, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
		x.Endpoint = o.Name
		if p.closed.Load() || !p.started.Load() {
			return errors.New("the generation is not alive")
		}
		x.OnRelease(func() {
			if p.closed.Load() {
				p.late.Store(true)
			}
		})
		return nil
	}))
	return nil
}

// A client answers every call in memory.
type client struct{ b *bench }

func (c *client) Close() { c.b.note("client closed") }

func (c *client) Do(ctx context.Context, x *gateway.Exchange) error {
	if c.b.backend != nil {
		return c.b.backend(ctx, x)
	}
	x.Response.Status, x.Response.Body = 200, body.FromBytes([]byte(`{"a":1}`))
	return nil
}

// A server does nothing until it is told to end.
type server struct {
	engine.Settings
	h    chan gateway.Handler
	end  chan error
	stop func(context.Context) error // in place of ending at once
}

func newServer(s engine.Settings) *server {
	return &server{Settings: s, h: make(chan gateway.Handler, 1), end: make(chan error, 2)}
}

func (s *server) Serve(_ net.Listener, h gateway.Handler) error { s.h <- h; return <-s.end }

// handler returns who answers, once it serves.
func (s *server) handler() gateway.Handler { return <-s.h }

func (s *server) Shutdown(ctx context.Context) error {
	var err error
	if s.stop != nil {
		err = s.stop(ctx)
	}
	s.end <- nil
	return err
}

// named is a configuration with a probe of this name.
func named(name string, more ...string) string {
	return `{"version":3` + strings.Join(more, "") + `,"extra_config":{"test/probe":{"name":"` + name + `"}}}`
}

func failing(name, at string) string {
	return `{"version":3,"extra_config":{"test/probe":{"name":"` + name + `","fail":"` + at + `"}}}`
}

const backend = `,"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["http://b"]}]}]`

func (b *bench) load(t testing.TB, text string) []*config.Problem {
	t.Helper()
	b.set(text)
	problems, err := b.Load(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, config.Format(problems))
	}
	return problems
}

// begin starts an exchange and returns its end, which tells the status.
func (b *bench) begin(t testing.TB, path string) (end func() int) {
	t.Helper()
	x := gateway.Acquire(testx.Request{Path: path}.Inbound())
	if err := b.Do(t.Context(), x); err != nil {
		t.Errorf("Do: %v", err)
	}
	return func() int {
		status := x.Response.Status
		b.Done(x, gateway.Sent{Status: x.Response.Status}, nil)
		return status
	}
}

// TestRetire shows what a reload does and does not wait for.
func TestRetire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("")
		b.load(t, named("one", `,"max_shutdown_wait_time":"1s"`, backend))
		if got, want := b.noted(), "client opened, one starts"; got != want {
			t.Errorf("the first load: %s, want %s", got, want)
		}
		end := b.begin(t, "/x")
		b.load(t, named("two", `,"max_shutdown_wait_time":"1s"`, backend))
		synctest.Wait()
		if got, want := b.noted(), "two starts"; got != want {
			t.Errorf("the reload: %s, want %s: a request holds the first, and both share the client", got, want)
		}
		time.Sleep(time.Hour)
		if got := b.noted(); got != "" {
			t.Errorf("while the request lasts: %s", got)
		}
		if status := end(); status != 200 {
			t.Errorf("the request of the first generation ends with %d", status)
		}
		synctest.Wait()
		if got, want := b.noted(), "one closes"; got != want {
			t.Errorf("after the request: %s, want %s", got, want)
		}
		b.load(t, named("three"))
		synctest.Wait()
		if got, want := b.noted(), "three starts, two closes, client closed"; got != want {
			t.Errorf("a reload without requests and without backends: %s, want %s", got, want)
		}
		b.Close()
		if got, want := b.noted(), "three closes"; got != want {
			t.Errorf("the end: %s, want %s", got, want)
		}
		b.Close()
		if got := b.noted(); got != "" {
			t.Errorf("closed twice: %s", got)
		}
		if _, err := b.Load(t.Context()); !errors.Is(err, runtime.ErrClosed) {
			t.Errorf("Load after Close: %v, want %v", err, runtime.ErrClosed)
		}
	})
}

// TestReloadAwaits shows that a reload lets what is new connect while the generation before
// serves, no longer than two seconds, and that a start waits for nothing.
func TestReloadAwaits(t *testing.T) {
	awaiting := func(name, await string) string {
		return `{"version":3` + backend + `,"extra_config":{"test/probe":{"name":"` + name + `","await":"` + await + `"}}}`
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := newBenchWith("", slog.NewTextHandler(&log, nil))
		defer b.Close()
		took := func(text string) time.Duration {
			began := time.Now()
			b.load(t, text)
			return time.Since(began)
		}
		serves := func(p *probe) bool {
			x := gateway.Acquire(testx.Request{Path: "/x"}.Inbound())
			if err := b.Do(t.Context(), x); err != nil || x.Response.Status != 200 {
				t.Errorf("%v, status %d", err, x.Response.Status)
			}
			b.Done(x, gateway.Sent{Status: 200}, nil)
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.outcomes) > 0
		}
		if d := took(awaiting("one", "1h")); d != 0 {
			t.Errorf("a start waits for %v", d)
		}
		one := b.probes[0]
		go func() {
			time.Sleep(499 * time.Millisecond)
			if !serves(one) {
				t.Error("while the second connects, the first does not serve")
			}
		}()
		if d := took(awaiting("two", "500ms")); d != 500*time.Millisecond {
			t.Errorf("a reload whose connection takes half a second takes %v", d)
		}
		if !serves(b.probes[1]) {
			t.Error("behind the reload the second does not serve")
		}
		if d := took(named("three")); d != 0 || log.Len() > 0 {
			t.Errorf("a reload with nothing new takes %v\n%s", d, &log)
		}
		if d := took(awaiting("four", "1h")); d != 2*time.Second || !strings.Contains(log.String(), "before everything is connected") || !strings.Contains(log.String(), "one broker is away; another is not connected yet") {
			t.Errorf("a reload whose connection hangs takes %v\n%s", d, &log)
		}
		log.Reset()
		if d := took(awaiting("five", "panic")); d != 0 || !strings.Contains(log.String(), "panic") {
			t.Errorf("a reload with a panic takes %v\n%s", d, &log)
		}
		synctest.Wait()
		b.noted()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.set(awaiting("six", "1h"))
		if _, err := b.Load(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a reload that is given up: %v", err)
		}
		synctest.Wait()
		if got, want := b.noted(), "six starts, six closes"; got != want {
			t.Errorf("a reload that is given up: %s, want %s", got, want)
		}
	})
}

// TestCloseDeadline shows that requests that do not end, even if they are cut, hold a
// gateway a moment longer than it may wait.
func TestCloseDeadline(t *testing.T) {
	tests := []struct {
		wait string
		last time.Duration // of the request
		want time.Duration // until Close returns
	}{
		{"3s", time.Hour, 3300 * time.Millisecond},
		{"3s", time.Second, time.Second},
		{"0s", time.Hour, time.Hour},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.wait, tt.last), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench("")
				b.load(t, named("one"))
				old := b.begin(t, "/")
				b.load(t, named("two", `,"max_shutdown_wait_time":"`+tt.wait+`"`))
				live := b.begin(t, "/")
				begin := time.Now()
				go func() {
					time.Sleep(tt.last)
					old()
					live()
				}()
				b.Close()
				if took := time.Since(begin); took != tt.want {
					t.Errorf("closed after %v, want %v", took, tt.want)
				}
				for _, p := range b.probes {
					if !p.closed.Load() {
						t.Errorf("%s is not closed", p.name)
					}
				}
				b.Close() // has nothing left to wait for
				if n := strings.Count(b.noted(), "closes"); n != 2 {
					t.Errorf("%d generations were closed, want 2", n)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// TestCloseBounds shows that nothing that is left of requests, and no component, holds a
// gateway much longer than it may wait.
func TestCloseBounds(t *testing.T) {
	const shadowed = `,"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["http://b"]},
		{"url_pattern":"/shadow","host":["http://b"],"extra_config":{"test/shadow":{}}}]}]`
	tests := []struct {
		name, text string
		want       time.Duration // until Close returns
		log        string
	}{
		{"a shadow", named("one", `,"max_shutdown_wait_time":"3s"`, shadowed), 3 * time.Second, ""},
		{"a shadow of a gateway that waits", named("one", shadowed), time.Minute, "shadow calls fail"},
		{"a component that closes as long as it may", strings.Replace(failing("one", "end"), "{", `{"max_shutdown_wait_time":"3s",`, 1), 3600 * time.Millisecond, "closing the old configuration"},
		{"a component that does not end", strings.Replace(failing("one", "stuck"), "{", `{"max_shutdown_wait_time":"3s",`, 1), 3900 * time.Millisecond, "not everything has ended"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log strings.Builder
				b := newBenchWith("", slog.NewTextHandler(&log, nil))
				b.backend = func(ctx context.Context, x *gateway.Exchange) error {
					if x.Request.Path == "/shadow" {
						<-ctx.Done()
						return ctx.Err()
					}
					x.Response.Status, x.Response.Body = 200, body.FromBytes([]byte(`{"a":1}`))
					return nil
				}
				b.load(t, tt.text)
				b.begin(t, "/x")()
				began := time.Now()
				b.Close()
				if took := time.Since(began); took != tt.want {
					t.Errorf("closed after %v, want %v", took, tt.want)
				}
				if got := log.String(); !strings.Contains(got, tt.log) || tt.log == "" && got != "" {
					t.Errorf("the log says %q, want %q", got, tt.log)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// TestPins swaps generations under requests: none ever meets a generation that
// is not alive, and each is closed once its requests have ended.
func TestPins(t *testing.T) {
	swaps := 3_000
	if testing.Short() {
		swaps = 300
	}
	b := newBench("")
	b.load(t, named("0"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				x := gateway.Acquire(testx.Request{}.Inbound())
				if err := b.Do(t.Context(), x); err != nil || x.Response.Status != 404 {
					t.Errorf("%d, %v, want 404: the generation is not alive", x.Response.Status, err)
				}
				b.Done(x, gateway.Sent{Status: x.Response.Status}, nil)
			}
		})
	}
	for i := range swaps {
		b.load(t, named(fmt.Sprint(i)))
	}
	close(stop)
	wg.Wait()
	b.Close()
	if len(b.probes) != swaps+1 {
		t.Fatalf("%d generations, want %d", len(b.probes), swaps+1)
	}
	served := 0
	for _, p := range b.probes {
		if !p.started.Load() || !p.closed.Load() || p.late.Load() {
			t.Fatalf("generation %s: started %t, closed %t, outlived by a request %t", p.name, p.started.Load(), p.closed.Load(), p.late.Load())
		}
		served += len(p.outcomes)
	}
	t.Logf("%d requests", served)
}

// TestBadLoads shows that what does not build or start leaves the live
// generation as it is, and nothing behind.
func TestBadLoads(t *testing.T) {
	tests := []struct {
		name, text string
		config     bool // the error is ErrConfig
		want       string
	}{
		{"no JSON", `{`, true, ""},
		{"wrong version", `{"version":2}`, true, ""},
		{"an unknown namespace", `{"version":3,"extra_config":{"test/none":{}}}`, true, ""},
		{"does not build", failing("bad", "build"), true, ""},
		{"does not start", failing("bad", "start"), false, "bad starts, bad closes"},
		{"an error in an endpoint gives clients back", named("bad", strings.Replace(backend, "]}]", "]},{}]", 1)), true, "client opened, client closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench("")
			b.load(t, named("good"))
			b.noted()
			b.set(tt.text)
			_, err := b.Load(t.Context())
			if err == nil || errors.Is(err, runtime.ErrConfig) != tt.config {
				t.Errorf("Load: %v", err)
			}
			if got := b.noted(); got != tt.want {
				t.Errorf("the load: %q, want %q", got, tt.want)
			}
			x := gateway.Acquire(testx.Request{}.Inbound())
			if err := b.Do(t.Context(), x); err != nil || x.Endpoint != "good" || x.Response.Status != 404 {
				t.Errorf("afterwards %q answers %d, %v", x.Endpoint, x.Response.Status, err)
			}
			b.Done(x, gateway.Sent{Status: x.Response.Status}, nil)
			b.Close()
			if got, want := b.noted(), "good closes"; got != want {
				t.Errorf("the end: %q, want %q", got, want)
			}
		})
	}
}

func TestFirstLoadFails(t *testing.T) {
	b := newBench(failing("bad", "start"))
	if _, err := b.Load(t.Context()); err == nil {
		t.Error("Load succeeded")
	}
	if b.Logger() == nil {
		t.Error("there is no log")
	}
	b.Close()
	if got, want := b.noted(), "bad starts, bad closes"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestCompile compiles without starting anything or keeping anything.
func TestCompile(t *testing.T) {
	b := newBench(named("one", backend))
	gen, problems := b.Compile(t.Context())
	if gen == nil || config.HasErrors(problems) {
		t.Fatalf("Compile: %v", problems)
	}
	if got, want := b.noted(), "client opened, client closed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	b.set(`{"version":4}`)
	if gen, problems := b.Compile(t.Context()); gen != nil || !config.HasErrors(problems) {
		t.Errorf("Compile of an error: %v, %v", gen, problems)
	}
}

// TestSiteTLS lets a component make settings of TLS: their files are watched, be they
// there or not, and what is said about the options is at their keys.
func TestSiteTLS(t *testing.T) {
	const text = `{"version":3,"extra_config":{"test/probe":{"tls":{"ca_certs":["/nowhere/ca.pem"],"min_version":"TLS12","allow_insecure_connections":true}}}}`
	b := newBench(text)
	problems, err := b.Load(t.Context())
	if !errors.Is(err, runtime.ErrConfig) {
		t.Errorf("Load: %v, want %v", err, runtime.ErrConfig)
	}
	var paths []string
	for _, p := range problems {
		if strings.HasPrefix(p.Path, "extra_config") {
			paths = append(paths, p.Severity.String()+" "+p.Path[len("extra_config"):])
		}
	}
	if want := []string{`error ["test/probe"].tls.ca_certs[0]`, `warning ["test/probe"].tls.allow_insecure_connections`}; !slices.Equal(paths, want) {
		t.Errorf("problems at %q, want %q", paths, want)
	}
	if _, watched := b.Files()["/nowhere/ca.pem"]; !watched {
		t.Errorf("watched are %v", b.Files())
	}
}

// TestClients shows who shares a client.
func TestClients(t *testing.T) {
	const two = `{"version":3,%s"endpoints":[{"endpoint":"/x","backend":[
		{"url_pattern":"/","host":["http://b"]},{"url_pattern":"/","host":["http://c","http://d"]}]}],
		"extra_config":{"test/probe":{"name":"p"}}}`
	b := newBench("")
	b.load(t, fmt.Sprintf(two, ""))
	if got, want := b.noted(), "client opened, p starts"; got != want {
		t.Errorf("two backends: %s, want %s", got, want)
	}
	b.load(t, fmt.Sprintf(two, `"timeout":"3s",`))
	if got := b.noted(); strings.Contains(got, "client") {
		t.Errorf("a change elsewhere: %s, want the same client", got)
	}
	b.load(t, fmt.Sprintf(two, `"response_header_timeout":"3s",`))
	b.Close()
	if got := b.noted(); strings.Count(got, "client opened") != 1 || strings.Count(got, "client closed") != 2 {
		t.Errorf("a change of the transport: %s, want another client and both closed in the end", got)
	}
	if got := b.clients[1].ResponseHeaderTimeout; got != config.Duration(3*time.Second) {
		t.Errorf("the new client has the timeout %v", got)
	}
}

// TestFixed lists the changes that need a restart.
func TestFixed(t *testing.T) {
	tests := []struct {
		was, next string
		want      []string
	}{
		{``, ``, nil},
		{`,"timeout":"1s","max_body_bytes":1,"max_shutdown_wait_time":"1s"`, ``, nil},
		{``, `,"port":1`, []string{"port"}},
		{`,"listen_ip":"127.0.0.1"`, `,"listen_ip":"::1"`, []string{"listen_ip"}},
		{`,"read_timeout":"1s","write_timeout":"1s"`, ``, []string{"read_timeout", "read_header_timeout", "write_timeout", "idle_timeout"}},
		{``, `,"use_h2c":true,"idle_timeout":"1s","max_header_bytes":9,"read_header_timeout":"3s"`, []string{"read_header_timeout", "idle_timeout", "max_header_bytes", "use_h2c"}},
	}
	for _, tt := range tests {
		b := newBench("")
		b.load(t, named("one", tt.was))
		var got []string
		for _, p := range b.load(t, named("two", tt.next)) {
			if p.Code == config.CodeNeedsRestart {
				got = append(got, p.Path)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("from {%s} to {%s}: a restart is needed for %q, want %q", tt.was, tt.next, got, tt.want)
		}
		b.Close()
	}
}

// TestServe ends a gateway in every way.
func TestServe(t *testing.T) {
	broken := errors.New("the listener broke")
	tests := []struct {
		name string
		end  func(b *bench, cancel context.CancelFunc)
		want error
	}{
		{"a wanted stop", func(_ *bench, cancel context.CancelFunc) { cancel() }, nil},
		{"a listener that breaks", func(b *bench, _ context.CancelFunc) { b.server.end <- broken }, broken},
		{"requests that are cut", func(b *bench, cancel context.CancelFunc) {
			b.server.stop = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			cancel()
		}, context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench("")
				b.load(t, named("one", `,"max_shutdown_wait_time":"4s"`))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- b.Serve(ctx, nil) }()
				synctest.Wait()
				begin := time.Now()
				tt.end(b, cancel)
				if err := <-done; !errors.Is(err, tt.want) || err != nil && tt.want == nil {
					t.Errorf("Serve: %v, want %v", err, tt.want)
				}
				if errors.Is(tt.want, context.DeadlineExceeded) && time.Since(begin) != 4*time.Second {
					t.Errorf("stopped after %v, want 4s", time.Since(begin))
				}
				if !b.probes[0].closed.Load() {
					t.Error("the generation is not closed")
				}
			})
		})
	}
}

func TestServerSettings(t *testing.T) {
	b := newBench("")
	b.load(t, named("one", `,"read_timeout":"1s","read_header_timeout":"2s","write_timeout":"3s","stall_timeout":"6s","idle_timeout":"4s","max_header_bytes":5,"use_h2c":true`))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Serve(ctx, nil); err != nil {
		t.Fatal(err)
	}
	got := b.server.Settings
	if got.ReadTimeout != time.Second || got.ReadHeaderTimeout != 2*time.Second || got.WriteTimeout != 3*time.Second ||
		got.StallTimeout != 6*time.Second || got.IdleTimeout != 4*time.Second || got.MaxHeaderBytes != 5 || !got.H2C || got.TLS != nil || got.ErrorLog == nil {
		t.Errorf("the server got %+v", got)
	}
	for text, want := range map[string]time.Duration{"": time.Minute, `,"stall_timeout":"0s"`: 0} {
		b := newBench("")
		b.load(t, named("one", text))
		if err := b.Serve(ctx, nil); err != nil || b.server.Settings.StallTimeout != want {
			t.Errorf("%s: a client may stall for %v, want %v; %v", text, b.server.Settings.StallTimeout, want, err)
		}
	}
}

// TestReady tells a balancer that the gateway is about to go.
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench("")
		b.load(t, named("one"))
		if status := b.begin(t, "/__ready")(); status != 200 {
			t.Errorf("while it serves: %d, want 200", status)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Serve(ctx, nil) }()
		synctest.Wait()
		b.server.stop = func(context.Context) error {
			if status := b.begin(t, "/__ready")(); status != 503 {
				t.Errorf("while it drains: %d, want 503", status)
			}
			if status := b.begin(t, "/__live")(); status != 200 {
				t.Errorf("it still lives: %d, want 200", status)
			}
			return nil
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestShutdownDelay goes on serving while balancers learn that the gateway is about
// to go.
func TestShutdownDelay(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench("")
			b.load(t, named("one", `,"shutdown_delay":"5s","max_shutdown_wait_time":"2s"`, backend))
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- b.Serve(ctx, nil) }()
			synctest.Wait()
			var stopped time.Time
			b.server.stop = func(ctx context.Context) error {
				stopped = time.Now()
				if by, limited := ctx.Deadline(); !limited || by.Sub(stopped) != 2*time.Second {
					t.Errorf("requests may take until %v, want 2s from the end of the delay on", by.Sub(stopped))
				}
				return nil
			}
			told := time.Now()
			cancel()
			synctest.Wait()
			if status := b.begin(t, "/__ready")(); status != 503 {
				t.Errorf("readiness is %d from the beginning, want 503", status)
			}
			if status := b.begin(t, "/x")(); status != 200 {
				t.Errorf("a request within the delay: %d, want 200", status)
			}
			broken := errors.New("the listener broke")
			if breaks {
				b.server.end <- broken
			}
			err := <-done
			if took := stopped.Sub(told); breaks && (took != 0 || !errors.Is(err, broken)) || !breaks && (took != 5*time.Second || err != nil) {
				t.Errorf("the listener breaks: %v: it is closed after %v with %v", breaks, took, err)
			}
		})
	}
}

// TestOutcome shows what observers are told.
func TestOutcome(t *testing.T) {
	broken := errors.New("broken pipe")
	gone := &gateway.Error{Code: gateway.CodeClientGone, Err: broken}
	tests := []struct {
		name    string
		backend func(context.Context, *gateway.Exchange) error
		gone    bool  // the client
		sent    int   // the status, by the engine
		err     error // of the engine
		status  int
		code    string // of the error; "" for none
	}{
		{"a good answer", nil, false, 200, nil, 200, ""},
		{"an answer that did not begin", nil, false, 0, broken, 0, gateway.CodeInternal},
		{"an answer that broke off", nil, false, 200, broken, 200, gateway.CodeInternal},
		{"an answer that was too slow", nil, false, 200, &gateway.Error{Code: gateway.CodeTimeout}, 200, gateway.CodeTimeout},
		{"an answer that the client did not take", nil, false, 0, gone, 499, gateway.CodeClientGone},
		{"an answer that the client did not take all of", nil, false, 200, gone, 499, gateway.CodeClientGone},
		{"an answer that was cut", nil, false, 200, &gateway.Error{Code: gateway.CodeShutdown, Err: gone}, 499, gateway.CodeShutdown},
		{"a failure", func(context.Context, *gateway.Exchange) error {
			return &gateway.Error{Code: gateway.CodeNoHost}
		}, false, 500, nil, 500, gateway.CodeNoHost},
		{"a failure that did not arrive", func(context.Context, *gateway.Exchange) error {
			return &gateway.Error{Code: gateway.CodeNoHost}
		}, false, 0, broken, 0, gateway.CodeInternal},
		{"a panic", func(context.Context, *gateway.Exchange) error { panic("trouble") }, false, 500, nil, 500, gateway.CodeInternal},
		{"a client that left", func(ctx context.Context, _ *gateway.Exchange) error { return ctx.Err() }, true, 0, gone, 499, gateway.CodeClientGone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench("")
			b.load(t, named("one", backend))
			b.backend = tt.backend
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.gone {
				cancel()
			}
			x := gateway.Acquire(testx.Request{Path: "/x"}.Inbound())
			begin := time.Now()
			err := b.Do(ctx, x)
			if e := gateway.AsError(err); tt.gone && (e == nil || e.Code != gateway.CodeClientGone) || !tt.gone && err != nil {
				t.Errorf("Do: %v", err)
			}
			b.Done(x, gateway.Sent{Status: tt.sent, Bytes: 7}, tt.err)
			b.Close()
			if len(b.probes[0].outcomes) != 1 {
				t.Fatalf("%d outcomes, want one", len(b.probes[0].outcomes))
			}
			o := b.probes[0].outcomes[0]
			if o.Status != tt.status || o.Written != 7 || o.Took < 0 || o.Started.Before(begin) {
				t.Errorf("outcome %+v, want the status %d and 7 bytes", o, tt.status)
			}
			if e := gateway.AsError(o.Err); (e == nil) != (tt.code == "") || e != nil && e.Code != tt.code {
				t.Errorf("the error is %v, want %q", o.Err, tt.code)
			}
			if tt.err != nil && !errors.Is(o.Err, tt.err) {
				t.Errorf("the error is %v, want %v", o.Err, tt.err)
			}
		})
	}
}

// panicking observes nothing for long.
type panicking struct{}

func (panicking) Observe(*gateway.Exchange, telemetry.Outcome) { panic("observer") }

// TestObserverPanics shows that an observer neither keeps a generation alive nor is the
// trouble of whoever ends an exchange, that the others are told all the same, and that one
// line says so.
func TestObserverPanics(t *testing.T) {
	var closed atomic.Bool
	var log strings.Builder
	other := new(probe)
	g := runtime.New(runtime.Options{
		Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
			return config.Parse("gateway.json", []byte(`{"version":3,"extra_config":{"test/bad":{}}}`))
		},
		Registry: component.NewRegistry(component.Service(component.Info{Namespace: "test/bad"}, func(s *component.ServiceSite, _ struct{}) error {
			s.Observer(panicking{})
			s.Observer(other)
			s.OnClose(func(context.Context) error { closed.Store(true); return nil })
			return nil
		})),
		Log: slog.NewTextHandler(&log, nil),
	})
	if _, err := g.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		x := gateway.Acquire(testx.Request{}.Inbound())
		if err := g.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		g.Done(x, gateway.Sent{}, nil)
	}
	g.Close()
	if !closed.Load() {
		t.Error("the generation is not closed")
	}
	if len(other.outcomes) != 2 {
		t.Errorf("the other observer is told of %d exchanges, want 2", len(other.outcomes))
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "test/bad: panic: observer") {
		t.Errorf("the log says %q, want the panic once", got)
	}
}

func TestListen(t *testing.T) {
	b := newBench("")
	b.load(t, named("one", `,"listen_ip":"127.0.0.1","port":8080`))
	if s := b.Service(); s.Port != 8080 || s.ListenIP != "127.0.0.1" {
		t.Errorf("the service listens on %s:%d", s.ListenIP, s.Port)
	}
	b.Close()
}

// TestFaults tells a fault of the gateway itself once for each configuration, and
// other failures never.
func TestFaults(t *testing.T) {
	var log bytes.Buffer
	b := newBenchWith("", slog.NewTextHandler(&log, nil))
	b.load(t, named("one", backend))
	fail := func(err error) {
		b.backend = func(context.Context, *gateway.Exchange) error { return err }
		b.begin(t, "/x")()
	}
	fail(&gateway.Error{Code: gateway.CodeNoHost})
	if log.Len() > 0 {
		t.Errorf("a failure of a backend is told: %s", log.String())
	}
	for range 3 {
		fail(errors.New("out of order"))
	}
	const want = "a fault of the gateway itself"
	if got := log.String(); strings.Count(got, want) != 1 || !strings.Contains(got, "out of order") || !strings.Contains(got, "level=ERROR") {
		t.Errorf("three faults: %s", got)
	}
	b.load(t, named("two", backend))
	fail(errors.New("out of order"))
	if got := log.String(); strings.Count(got, want) != 2 {
		t.Errorf("another configuration: %s", got)
	}
	b.load(t, named("three", `,"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["http://b"]},{"url_pattern":"/bad","host":["http://b"]}]}]`))
	b.backend = func(_ context.Context, x *gateway.Exchange) error {
		if x.Request.Path == "/bad" {
			panic("trouble")
		}
		x.Response.Status, x.Response.Body = 200, body.FromBytes([]byte(`{"a":1}`))
		return nil
	}
	if status := b.begin(t, "/x")(); status != 200 {
		t.Errorf("an answer of one backend of two: %d", status)
	}
	if got := log.String(); strings.Count(got, want) != 3 || !strings.Contains(got, "trouble") {
		t.Errorf("a fault in one backend of two: %s", got)
	}
	b.Close()
}
