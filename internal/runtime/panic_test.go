package runtime_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// faultyOptions say where test/faulty panics, or hangs.
type faultyOptions struct {
	At string `json:"at"`
}

// A faulty gateway has the component test/faulty.
type faulty struct {
	*runtime.Gateway
	text   atomic.Pointer[string]
	log    strings.Builder
	mu     sync.Mutex
	closed []string
	hang   chan struct{} // what hangs goes on when it is closed
	server *server
}

func newFaulty() *faulty {
	f := &faulty{hang: make(chan struct{})}
	f.Gateway = runtime.New(runtime.Options{
		Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
			return config.Parse("gateway.json", []byte(*f.text.Load()))
		},
		Registry: component.NewRegistry(component.Service(component.Info{Namespace: "test/faulty"}, f.build)),
		Engines:  []engine.Engine{{Name: "test", NewServer: func(s engine.Settings) engine.Server { f.server = newServer(s); return f.server }}},
		Log:      slog.NewTextHandler(&f.log, nil),
	})
	return f
}

func (f *faulty) build(s *component.ServiceSite, o faultyOptions) error {
	here := func(at string) error {
		switch o.At {
		case at:
			panic("trouble")
		case "hang in " + at:
			<-f.hang
		}
		return nil
	}
	s.OnClose(func(context.Context) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.closed = append(f.closed, o.At)
		return nil
	})
	s.Finally(func() error { return here("Finally") })
	s.OnStart(func(context.Context) error { return here("OnStart") })
	s.OnClose(func(context.Context) error { return here("OnClose") })
	_, err := component.Keep(&s.Site, o.At, func() (int, func(), error) {
		here("opening")
		return 1, func() { here("closing") }, nil
	})
	s.Observer(&probe{})
	return errors.Join(err, here("build"))
}

func (f *faulty) load(at string) ([]*config.Problem, error) {
	return f.loadWithin(context.Background(), at)
}

func (f *faulty) loadWithin(ctx context.Context, at string) ([]*config.Problem, error) {
	text := `{"version":3,"extra_config":{"test/faulty":{"at":"` + at + `"}}}`
	f.text.Store(&text)
	return f.Load(ctx)
}

// TestHooksPanic shows that a component that panics at a reload is a reload that has failed,
// and one that does at the end of a generation is one line, behind which the rest ends.
func TestHooksPanic(t *testing.T) {
	for _, at := range []string{"build", "Finally", "opening", "OnStart", "OnClose", "closing"} {
		f := newFaulty()
		if _, err := f.load("no place"); err != nil {
			t.Fatal(err)
		}
		was := f.Service()
		problems, err := f.load(at)
		text := ""
		for _, p := range problems {
			text += p.Error()
		}
		if err != nil {
			text += err.Error()
		}
		switch at {
		case "OnClose", "closing":
			if err != nil {
				t.Errorf("%s: %v", at, err)
			}
		default:
			if err == nil || f.Service() != was || !strings.Contains(text, "test/faulty: panic: trouble") {
				t.Errorf("%s: %q, another configuration serves: %t; want the old one, and why", at, text, f.Service() != was)
			}
		}
		if _, err := f.load("no other place"); err != nil { // retires what closes badly
			t.Errorf("%s: the next one: %v", at, err)
		}
		f.Close()
		want := []string{"no other place", "no place"}
		if slices.Contains([]string{"OnStart", "OnClose", "closing"}, at) {
			want = append(want, at)
		}
		slices.Sort(f.closed)
		slices.Sort(want)
		if !slices.Equal(f.closed, want) {
			t.Errorf("%s: closed: %q, want %q", at, f.closed, want)
		}
		lines := 0
		if at == "OnClose" || at == "closing" {
			lines = 1
		}
		if got := f.log.String(); strings.Count(got, "\n") != lines || strings.Count(got, "test/faulty: panic: trouble") != lines || strings.Count(got, "level=ERROR") != lines {
			t.Errorf("%s: the log says %q, want %d lines", at, got, lines)
		}
	}
}

// TestHooksHang shows that a gateway stops although a reload hangs, which gives up when its
// context ends, and that what has hung ends by itself.
func TestHooksHang(t *testing.T) {
	for _, at := range []string{"build", "OnStart"} {
		synctest.Test(t, func(t *testing.T) {
			f := newFaulty()
			if _, err := f.load("no place"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			served, loaded := make(chan error, 1), make(chan error, 1)
			go func() { served <- f.Serve(ctx, nil) }()
			synctest.Wait()
			go func() { _, err := f.loadWithin(ctx, "hang in "+at); loaded <- err }()
			synctest.Wait()
			if f.Files(); len(loaded) > 0 {
				t.Fatalf("%s: it does not hang", at)
			}
			began := time.Now()
			cancel()
			if err := <-served; err != nil || time.Since(began) > time.Second {
				t.Errorf("%s: stopped after %v, %v", at, time.Since(began), err)
			}
			if err := <-loaded; !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
				t.Errorf("%s: the reload gives up after %v, %v", at, time.Since(began), err)
			}
			close(f.hang)
			synctest.Wait()
			if at == "OnStart" && !slices.Equal(f.closed, []string{"no place", "hang in OnStart"}) {
				t.Errorf("closed: %q", f.closed)
			}
			if _, err := f.load("no place"); !errors.Is(err, runtime.ErrClosed) {
				t.Errorf("%s: a load behind the stop: %v", at, err)
			}
		})
	}
}

// TestReleasePanics shows that an exchange whose end panics is told once and keeps no
// generation alive.
func TestReleasePanics(t *testing.T) {
	f := newFaulty()
	if _, err := f.load("no place"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		x := gateway.Acquire(testx.Request{}.Inbound())
		if err := f.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		x.OnRelease(func() { panic("trouble") })
		x.Response.Body = body.FromBytes(nil)
		f.Done(x, gateway.Sent{Status: 200}, nil)
	}
	f.Close()
	if !slices.Equal(f.closed, []string{"no place"}) {
		t.Errorf("closed: %q", f.closed)
	}
	if got := f.log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "panic: trouble") {
		t.Errorf("the log says %q, want the panic once", got)
	}
}
