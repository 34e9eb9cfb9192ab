package sitetest_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

// options of the component of these tests, which adds its word to a header.
type options struct {
	Word string `json:"word" check:"required"`
}

type mark struct {
	word string
	mute bool // what is said is not passed on
}

func (m mark) Enter(_ context.Context, x *gateway.Exchange) error {
	x.Request.Header.Add("Word", m.word)
	if m.mute {
		x.Reply()
	}
	return nil
}

func (m mark) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	x.Response.Header.Add("Word", m.word)
	return err
}

var shared = component.NewKey[string]("shared")

func registry() *component.Registry {
	info := component.Info{Namespace: "test/mark"}
	return component.NewRegistry(
		component.Service(info, func(s *component.ServiceSite, o options) error {
			s.Stage(component.ServicePlugin, mark{word: o.Word})
			log := s.Log()
			s.OnStart(func(context.Context) error { log.Info("started", "word", o.Word); return nil })
			return component.Provide(s, shared, o.Word)
		}),
		component.Endpoint(info, func(s *component.EndpointSite, o options) error {
			word, _ := component.Use(&s.Site, shared)
			s.Guard(component.EndpointLimit, mark{word: o.Word + word})
			s.Guard(component.EndpointAdmit, mark{word: strings.Join(s.Params(), " "), mute: o.Word == "mute"})
			return nil
		}),
		component.Backend(info, func(s *component.BackendSite, o options) error {
			n, err := component.Keep(&s.Site, o.Word, func() (*int, func(), error) { return new(int), nil, nil })
			*n++
			s.Stage(component.BackendLimit, mark{word: strings.Repeat(o.Word, *n)})
			if o.Word == "odd" {
				s.Warn("word", errors.New("is odd"))
			}
			return err
		}),
	)
}

func words(f gateway.Fields) string {
	var all []string
	for _, f := range f {
		if f.Name == "Word" {
			all = append(all, f.Value)
		}
	}
	return strings.Join(all, ",")
}

// TestSites builds a component at each kind of site and runs an exchange through it.
func TestSites(t *testing.T) {
	g := sitetest.New(t)
	g.Registry = registry()
	service := g.Service(t, "test/mark", "word: s")
	tests := []struct {
		name      string
		site      sitetest.Site
		sent, got string
	}{
		{"service", service, "s", "s"},
		{"endpoint", g.Endpoint(t, "test/mark", `{"word":"e"}`), "id,es", "es,id"},
		{"endpoint that replies", g.Endpoint(t, "test/mark", "word: mute"), "", "id"},
		{"backend", g.Backend(t, "test/mark", "word: b"), "b", "b"},
	}
	for _, tt := range tests {
		x := testx.Request{}.Exchange(t)
		sent := ""
		err := sitetest.Run(t.Context(), t, tt.site, x, func(_ context.Context, x *gateway.Exchange) error {
			sent = words(x.Request.Header)
			return nil
		})
		if got := words(x.Response.Header); err != nil || sent != tt.sent || got != tt.got {
			t.Errorf("%s: sent %q, got %q, %v; want %q and %q", tt.name, sent, got, err, tt.sent, tt.got)
		}
	}
	if g.Start(t); !strings.Contains(g.Log.String(), "msg=started component=test/mark word=s") {
		t.Errorf("the log is %q", g.Log.String())
	}
}

// TestURL shows stages the URL of the call where the gateway shows it, and lets a test
// say another.
func TestURL(t *testing.T) {
	var seen []string
	look := gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
		seen = append(seen, x.Request.Scheme+"://"+x.Request.Host+x.Request.Path)
		return nil
	})
	g := sitetest.New(t)
	g.Config.Backend[0].Host = []string{"https://one.test:8443/base/", "http://two.test"}
	g.Registry = component.NewRegistry(component.Backend(component.Info{Namespace: "test/look"}, func(s *component.BackendSite, _ struct{}) error {
		s.Prompt(component.BackendSign, look)
		s.Prompt(component.BackendStatus, look)
		return nil
	}))
	s := g.Backend(t, "test/look", "{}")
	x := testx.Request{Path: "/a"}.Exchange(t)
	other := testx.Request{Path: "/a"}.Exchange(t)
	other.Request.Scheme, other.Request.Host = "http", "other.test"
	for _, x := range []*gateway.Exchange{x, other} {
		if err := sitetest.Run(t.Context(), t, s, x, nil); err != nil {
			t.Error(err)
		}
	}
	want := []string{":///a", "https://one.test:8443/base/a", "http://other.test/a", "http://other.test/a"}
	if !slices.Equal(seen, want) {
		t.Errorf("stages see %q, want %q", seen, want)
	}
}

// TestLog reads the log while a component writes there.
func TestLog(t *testing.T) {
	g := sitetest.New(t)
	var all sync.WaitGroup
	all.Go(func() {
		for range 100 {
			g.Env.Log.Logger().Info("again")
		}
	})
	for range 100 {
		_ = g.Log.String()
	}
	all.Wait()
	if got := strings.Count(g.Log.String(), "again"); got != 100 {
		t.Errorf("%d lines, want 100", got)
	}
	if g.Log.Reset(); g.Log.String() != "" {
		t.Errorf("forgotten, and it has %s", g.Log.String())
	}
}

// TestKept shows that what a component keeps is found by the next generation.
func TestKept(t *testing.T) {
	g := sitetest.New(t)
	g.Registry = registry()
	now := time.Unix(7, 0)
	g.Env.Clock = func() time.Time { return now }
	word := func() string { return sitetest.Stage[mark](t, g.Backend(t, "test/mark", "word: k")).word }
	first, before := word(), g.Reload(t)
	second := word()
	before.Release()
	g.Reload(t).Release()
	if third := word(); first != "k" || second != "kk" || third != "k" {
		t.Errorf("built %s, %s, %s", first, second, third)
	}
	if got := g.Env.Clock(); !got.Equal(now) {
		t.Errorf("after a reload the clock says %v", got)
	}
}

func TestProblems(t *testing.T) {
	g := sitetest.New(t)
	g.Registry = registry()
	for options, want := range map[string][]string{
		"word: a": nil, `{"word":"a"}`: nil, "{word: a}": nil, "word: odd": {"warning word: is odd"}, "{}": {`error word: missing; add for instance "word": "text"`},
	} {
		if got := sitetest.Problems(g.Backend(t, "test/mark", options)); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", options, got, want)
		}
	}
}

// outcomes are what an observer is told.
type outcomes []telemetry.Outcome

func (o *outcomes) Observe(_ *gateway.Exchange, told telemetry.Outcome) { *o = append(*o, told) }

// TestCompileAgain compiles one configuration after the other, each of which is a
// generation of its own.
func TestCompileAgain(t *testing.T) {
	g := sitetest.New(t)
	g.Registry = registry()
	for _, word := range []string{"one", "two"} {
		generation := g.Compile(t, `{"version":3,"extra_config":{"test/mark":{"word":"`+word+`"}}}`)
		if got := sitetest.Ask(t, generation, testx.Request{Path: "/"}).Header.Get("Word"); got != word {
			t.Errorf("got %q, want %q", got, word)
		}
	}
}

// TestCompile asks a whole gateway.
func TestCompile(t *testing.T) {
	g := sitetest.New(t)
	g.Registry = registry()
	g.Answer = sitetest.JSON(`{"id":7,"name":"Ada"}`)
	var seen outcomes
	g.Env.Observers = append(g.Env.Observers, component.Observer{Observer: &seen})
	generation := g.Compile(t, `
version: 3
dialect: sluice
endpoints:
  - endpoint: /users/{id}
    backend: [{url_pattern: "/u/{id}", host: ["http://users.test"], allow: [name], extra_config: {test/mark: {word: b}}}]
extra_config: {test/mark: {word: s}}
`)
	answer := sitetest.Ask(t, generation, testx.Request{Path: "/users/7"})
	if answer.Status != 200 || answer.Text != `{"name":"Ada"}` || answer.Header.Get("Word") != "s" || answer.Err != nil {
		t.Errorf("got %+v", answer)
	}
	if answer = sitetest.Ask(t, generation, testx.Request{Path: "/"}); answer.Status != 404 || gateway.AsError(answer.Err) == nil {
		t.Errorf("nothing there: got %+v", answer)
	}
	if len(seen) != 2 || seen[0].Status != 200 || seen[0].Written != int64(len(`{"name":"Ada"}`)) || seen[1].Err == nil {
		t.Errorf("observers are told %+v", seen)
	}
	if none, problems := sitetest.New(t).Check(t, `{"version":3,"timeout":true}`); none != nil || !config.HasErrors(problems) {
		t.Errorf("a wrong configuration is compiled: %s", config.Format(problems))
	}
}

// TestReferences replaces references as a start does, at a site and in a configuration.
func TestReferences(t *testing.T) {
	t.Setenv("MARK", "from the environment")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("mark.txt", []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for reference, want := range map[string]string{"${env:MARK}": "from the environment", "${file:mark.txt}": "from a file"} {
		g := sitetest.New(t)
		g.Registry, g.Env.Registry = registry(), registry()
		x := testx.Request{}.Exchange(t)
		if err := sitetest.Run(t.Context(), t, g.Backend(t, "test/mark", "word: "+reference), x, nil); err != nil || words(x.Request.Header) != want {
			t.Errorf("%s at a site: %q, %v; want %q", reference, words(x.Request.Header), err, want)
		}
		g = sitetest.New(t)
		g.Registry, g.Env.Registry = registry(), registry()
		g.Answer = gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
			if got := words(x.Request.Header); got != want {
				t.Errorf("%s in a configuration: %q, want %q", reference, got, want)
			}
			return sitetest.JSON(`{}`).Do(ctx, x)
		})
		document := `{"version": 3, "host": ["http://up"], "endpoints": [{"endpoint": "/", "backend": [{"url_pattern": "/", "extra_config": {"test/mark": {"word": "` + reference + `"}}}]}]}`
		if got := sitetest.Ask(t, g.Compile(t, document), testx.Request{Path: "/"}); got.Status != 200 {
			t.Errorf("%s: status %d, %v", reference, got.Status, got.Err)
		}
	}
}
