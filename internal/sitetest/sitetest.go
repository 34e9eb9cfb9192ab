package sitetest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/httpcall"
	"github.com/sluice-gateway/sluice/internal/kit/tlsx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
)

// A Gateway is one generation of a gateway, whose components a test builds. What is not
// to its liking it changes before it builds: any field of Env, Service included, which is
// what a configuration without a dialect means, and the endpoint.
type Gateway struct {
	Env      *component.Env
	Registry *component.Registry // the components that the test imports, unless it sets another

	Config *model.Endpoint // GET /users/{id}, of two backends
	Params []string        // of its path

	// Answer makes the calls: to backends, to the world, and those of pipes within a
	// component that is not compiled. Without one they fail.
	Answer gateway.Connector

	Log Log // what is logged, at all levels, as text

	service  *component.ServiceSite
	compiled bool // in this Env
}

// A Log holds what is written to it. It may be read while a component logs.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write appends to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what has been written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Reset forgets it.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}

const plain = `{"version": 3, "host": ["http://backend.test"], "endpoints": [
	{"endpoint": "/users/{id}", "backend": [{"url_pattern": "/users/{id}"}, {"url_pattern": "/orders"}]}]}`

// New returns a gateway with a keeper of its own. What is kept for it is given back when
// the test ends.
func New(t testing.TB) *Gateway {
	t.Helper()
	svc, problems := model.Resolve(document(t, plain))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	g := &Gateway{Registry: component.Default, Config: svc.Endpoints[0], Params: []string{"id"}}
	svc.Endpoints = nil
	g.begin(t, &component.Env{
		Service: svc, Registry: component.Default, Product: "Sluice 0", Clock: time.Now, Keeper: new(component.Keeper),
		Log: component.NewLog(slog.NewTextHandler(&g.Log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) {
			return gateway.ConnectorFunc(g.answer), nil
		},
		Pipe: func(component.Scope, *component.BackendSite, *model.Endpoint) gateway.Connector {
			return gateway.ConnectorFunc(g.answer)
		},
		TLS: func(c *model.ClientTLS) (*tls.Config, []error, error) {
			settings, err := tlsx.Client(c)
			return settings, tlsx.ClientWarnings(c), err
		},
	})
	return g
}

func (g *Gateway) begin(t testing.TB, e *component.Env) {
	g.Env, g.service, g.compiled = e, component.NewServiceSite(e), false
	t.Cleanup(func() {
		if err := e.Release(); err != nil {
			t.Errorf("giving back what was kept: %v", err)
		}
	})
}

func (g *Gateway) answer(ctx context.Context, x *gateway.Exchange) error {
	if g.Answer == nil {
		return errors.New("nobody answers the calls of this test; set Answer")
	}
	return g.Answer.Do(ctx, x)
}

// Reload begins the next generation in the same surroundings, and returns the Env of the
// one before. As long as the test does not release that, what it kept is found again.
func (g *Gateway) Reload(t testing.TB) *component.Env {
	before := g.Env
	g.begin(t, &component.Env{
		Service: before.Service, Registry: before.Registry, Missing: before.Missing, Product: before.Product,
		Clock: before.Clock, Keeper: before.Keeper, Dial: before.Dial, TLS: before.TLS, Pipe: before.Pipe,
		Log: before.Log, Stdout: before.Stdout, Stderr: before.Stderr, Mask: before.Mask, Reads: before.Reads, SkipFiles: before.SkipFiles, Getenv: before.Getenv,
	})
	return before
}

// Provide offers a value to components, in place of one that does.
func Provide[T any](t testing.TB, g *Gateway, k component.Key[T], v T) {
	t.Helper()
	if err := component.Provide(g.service, k, v); err != nil {
		t.Fatal(err)
	}
}

// Start runs what components have registered for the start.
func (g *Gateway) Start(t testing.TB) {
	t.Helper()
	if err := g.Env.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
}

// Service builds a component with options, JSON or YAML; with "" it builds it as if the
// configuration did not name it. All components of the service are built at one site,
// which the test finishes when they are.
func (g *Gateway) Service(t testing.TB, namespace, options string) *component.ServiceSite {
	t.Helper()
	g.service.Build(g.find(t, component.InService, namespace), Node(t, options))
	return g.service
}

// Endpoint builds a component at a new site of the endpoint, with what the extra_config
// of its backends names.
func (g *Gateway) Endpoint(t testing.TB, namespace, options string) *component.EndpointSite {
	t.Helper()
	s := g.EndpointSite()
	s.Build(g.find(t, component.InEndpoint, namespace), Node(t, options))
	for _, b := range g.Config.Backend {
		site := component.NewBackendSite(g.Env, &s.PipeSite, b)
		for _, name := range slices.Sorted(maps.Keys(b.ExtraConfig)) {
			site.Build(g.find(t, component.InBackend, name), b.ExtraConfig[name])
		}
		site.Finish()
	}
	s.Finish()
	return s
}

// Backend builds a component at a new site of the first backend of the endpoint.
func (g *Gateway) Backend(t testing.TB, namespace, options string) *component.BackendSite {
	t.Helper()
	return g.BackendOf(t, g.EndpointSite(), 0, namespace, options)
}

// BackendOf builds a component at a new site of the backend with the given index.
func (g *Gateway) BackendOf(t testing.TB, e *component.EndpointSite, i int, namespace, options string) *component.BackendSite {
	t.Helper()
	s := component.NewBackendSite(g.Env, &e.PipeSite, g.Config.Backend[i])
	s.Build(g.find(t, component.InBackend, namespace), Node(t, options))
	s.Finish()
	return s
}

// EndpointSite returns a new site of the endpoint.
func (g *Gateway) EndpointSite() *component.EndpointSite {
	return component.NewEndpointSite(g.Env, g.service, g.Config, g.Params)
}

func (g *Gateway) find(t testing.TB, scope component.Scope, namespace string) *component.Declaration {
	t.Helper()
	d := g.Registry.Find(scope, namespace)
	if d == nil {
		t.Fatalf("nobody has registered %s in the %s; import its package", namespace, scope)
	}
	return d
}

// Service builds a component of the service of a new gateway.
func Service(t testing.TB, namespace, options string) *component.ServiceSite {
	t.Helper()
	s := New(t).Service(t, namespace, options)
	s.Finish()
	return s
}

// Endpoint builds a component of an endpoint of a new gateway.
func Endpoint(t testing.TB, namespace, options string) *component.EndpointSite {
	t.Helper()
	return New(t).Endpoint(t, namespace, options)
}

// Backend builds a component of a backend of a new gateway.
func Backend(t testing.TB, namespace, options string) *component.BackendSite {
	t.Helper()
	return New(t).Backend(t, namespace, options)
}

// A Site is where a component was built.
type Site interface {
	Placed() []component.Placed
	Problems() []*config.Problem
}

// Problems returns what was reported at a site, each as "severity key: text", such as
// "error wait: missing". The component itself has no key: "warning : has no effect".
func Problems(s Site) []string {
	var texts []string
	for _, p := range s.Problems() {
		texts = append(texts, p.Severity.String()+" "+p.Path+": "+p.Err.Error())
	}
	return texts
}

// Stage returns the first stage that was placed at a site.
func Stage[T gateway.Stage](t testing.TB, s Site) T {
	t.Helper()
	built(t, s)
	if len(s.Placed()) == 0 {
		t.Fatal("no stage was placed")
	}
	st, ok := s.Placed()[0].Stage.(T)
	if !ok {
		t.Fatalf("the stage is a %T", s.Placed()[0].Stage)
	}
	return st
}

// Run takes an exchange through what was placed at a site, in the order of phases, as a
// plan does. The rest of the gateway does what rest does, nil for nothing; it is not
// called where a stage replied, which x.Replied no longer tells then. Stages of the wire
// plan see the URL that is called, base path included: that of the first host of the
// backend, unless the test has set x.Request.Host.
func Run(ctx context.Context, t testing.TB, s Site, x *gateway.Exchange, rest gateway.ConnectorFunc) error {
	t.Helper()
	built(t, s)
	if rest == nil {
		rest = func(context.Context, *gateway.Exchange) error { return nil }
	}
	b, ok := s.(*component.BackendSite)
	if !ok || x.Request.Host != "" || len(b.Config().Host) == 0 {
		return plan.Of(s.Placed(), rest).Do(ctx, x)
	}
	var stages, onWire []component.Placed
	for _, p := range s.Placed() {
		if component.BackendPhase(p.Phase).OnWire() {
			onWire = append(onWire, p)
		} else {
			stages = append(stages, p)
		}
	}
	set, err := balance.NewStatic(b.Config().Host[:1], balance.Options{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	says := httpcall.Reporter{Log: component.NewLog(slog.DiscardHandler)}
	return plan.Of(stages, httpcall.NewDirect(set.First(), plan.Of(onWire, rest), says)).Do(ctx, x)
}

func built(t testing.TB, s Site) {
	t.Helper()
	if problems := s.Problems(); config.HasErrors(problems) {
		t.Fatalf("the component is not built:\n%s", config.Format(problems))
	}
}

// Node parses options, nil for "". Text that is no JSON is YAML, be it in braces. References
// are replaced: ${env:NAME} by what t.Setenv has set, ${file:NAME} from the folder of the test.
func Node(t testing.TB, text string) *config.Node {
	t.Helper()
	if text == "" {
		return nil
	}
	return document(t, text).Root
}

func document(t testing.TB, text string) *config.Document {
	t.Helper()
	name := "test.yaml"
	if json.Valid([]byte(text)) {
		name = "test.json"
	}
	d, problems := config.Parse(name, []byte(text))
	if d != nil {
		problems = append(problems, d.ExpandReferences(config.LoadOptions{Environ: os.Environ()})...)
	}
	if d == nil || config.HasErrors(problems) {
		t.Fatalf("%s\n%s", text, config.Format(problems))
	}
	return d
}
