package component_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

// newText returns a handler that writes lines without times.
func newText(to *strings.Builder, level slog.Level) slog.Handler {
	return slog.NewTextHandler(to, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
}

// TestLog replaces the end of a log that loggers were made from before.
func TestLog(t *testing.T) {
	var old, fresh strings.Builder
	env := newEnv(nil)
	env.Log = component.NewLog(newText(&old, slog.LevelInfo))
	s := component.NewServiceSite(env)
	before := env.Log.Logger().With("a", 1).WithGroup("g").With("b", 2)
	sibling := before.With("c", 3)
	other := before.With("d", 4)

	before.Info("one", "x", 1)
	before.Debug("never")
	s.Logger(newText(&fresh, slog.LevelDebug))
	before.Debug("two", "x", 1)
	sibling.Info("three")
	other.Info("four")
	env.Log.Logger().Info("five")

	if want := "level=INFO msg=one a=1 g.b=2 g.x=1\n"; old.String() != want {
		t.Errorf("the old end has\n%swant\n%s", &old, want)
	}
	want := "level=DEBUG msg=two a=1 g.b=2 g.x=1\n" +
		"level=INFO msg=three a=1 g.b=2 g.c=3\n" +
		"level=INFO msg=four a=1 g.b=2 g.d=4\n" +
		"level=INFO msg=five\n"
	if fresh.String() != want {
		t.Errorf("the new end has\n%swant\n%s", &fresh, want)
	}
}

// TestLogEnds lets several components say where the log goes: each that is named gets all
// lines, and the defaults of one that is not give way to them, in whatever order they are
// built.
func TestLogEnds(t *testing.T) {
	tests := []struct{ built, want string }{ // "-" stands before one that is not named
		{"", "old"},
		{"-a", "a"},
		{"a", "a"},
		{"a b", "a b"},
		{"-a b", "b"},
		{"b -a", "b"},
		{"b -a c", "b c"},
	}
	for _, tt := range tests {
		ends := map[string]*strings.Builder{"old": {}, "a": {}, "b": {}, "c": {}}
		env := newEnv(nil)
		env.Log = component.NewLog(newText(ends["old"], slog.LevelInfo))
		s := component.NewServiceSite(env)
		for name := range strings.FieldsSeq(tt.built) {
			n := parse(`{"x":{"limit":1}}`).Get("x")
			name, implicit := strings.CutPrefix(name, "-")
			if implicit {
				n = nil
			}
			d := service("test/"+name, func(s *component.ServiceSite, _ options) error {
				s.Logger(newText(ends[name], slog.LevelInfo))
				return nil
			})
			s.Build(&d, n)
		}
		if problems := s.Problems(); len(problems) > 0 {
			t.Errorf("%q: %s", tt.built, config.Format(problems))
		}
		env.Log.Logger().Info("line")
		for name, end := range ends {
			want := ""
			if slices.Contains(strings.Fields(tt.want), name) {
				want = "level=INFO msg=line\n"
			}
			if end.String() != want {
				t.Errorf("%q: %s has %q, want %q", tt.built, name, end, want)
			}
		}
	}
}

// TestLogOfSite names the component in its build and in its hooks, whatever was built
// since.
func TestLogOfSite(t *testing.T) {
	var out strings.Builder
	env := newEnv(nil)
	env.Log = component.NewLog(newText(&out, slog.LevelInfo))
	build := func(s *component.ServiceSite, _ options) error {
		s.Log().Warn("built")
		s.OnStart(func(context.Context) error { s.Log().Warn("started"); return nil })
		s.OnClose(func(context.Context) error { s.Log().Warn("closed"); return nil })
		return nil
	}
	r := component.NewRegistry(service("a/name", build), service("b/name", build))
	s := component.NewServiceSite(env)
	s.Build(r.Find(component.InService, "a/name"), nil)
	s.Build(r.Find(component.InService, "b/name"), nil)
	if err := errors.Join(env.Start(t.Context()), env.Close(t.Context())); err != nil {
		t.Error(err)
	}
	var want strings.Builder
	for _, line := range []string{"built a", "built b", "started a", "started b", "closed b", "closed a"} {
		what, name, _ := strings.Cut(line, " ")
		fmt.Fprintf(&want, "level=WARN msg=%s component=%s/name\n", what, name)
	}
	if out.String() != want.String() {
		t.Errorf("the log has\n%swant\n%s", &out, &want)
	}
}

// TestLogConcurrently writes while the end is replaced.
func TestLogConcurrently(t *testing.T) {
	env := newEnv(nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			l := env.Log.Logger()
			for range 500 {
				l.With("a", 1).Info("line")
			}
		})
	}
	for range 500 {
		component.NewServiceSite(env).Logger(slog.DiscardHandler)
	}
	wg.Wait()
}
