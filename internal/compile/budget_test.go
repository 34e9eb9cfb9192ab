package compile_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// rest waits, no longer than it may.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A waiter is a component of the service that waits for as long as each part of it says.
type waiter struct {
	in, out, around, within time.Duration
	most                    time.Duration // of the rest; 0 is an hour
	fails                   bool          // the backend
	lost                    bool          // there is no endpoint
	blind                   bool          // it does not look at its context while it waits, and goes on
	ended                   error         // of the context, as a blind one has found it
}

func (w *waiter) rest(ctx context.Context, d time.Duration) error {
	if !w.blind {
		return rest(ctx, d)
	}
	time.Sleep(d)
	if w.ended != nil && ctx.Err() == nil {
		return errors.New("the context has ended, and goes on")
	}
	w.ended = ctx.Err()
	return nil
}

func (w *waiter) Enter(ctx context.Context, _ *gateway.Exchange) error { return w.rest(ctx, w.in) }

func (w *waiter) Leave(ctx context.Context, _ *gateway.Exchange, err error) error {
	if waited := w.rest(ctx, w.out); waited != nil && (err == nil || w.blind) {
		return waited
	}
	return err
}

// surround runs the rest with a context of its own.
func (w *waiter) surround(next gateway.Connector) gateway.Connector {
	return gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
		if err := rest(ctx, w.around); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(ctx, cmp.Or(w.most, time.Hour))
		defer cancel()
		return next.Do(ctx, x)
	})
}

// TestServiceTimeout ends what components of the service wait for, and nothing else: not
// an endpoint with a longer time of its own, and not what comes behind the answer.
func TestServiceTimeout(t *testing.T) {
	const second = time.Second
	tests := []struct {
		name, root string
		waits      waiter
		status     int
		took       time.Duration
		step       string // that the log names; "" for no line
	}{
		{"nobody waits long", ``, waiter{in: 29 * second, out: 29 * second, within: second}, 200, 59 * second, ""},
		{"an endpoint that takes its time", ``, waiter{in: 20 * second, out: 20 * second, around: 5 * second, within: 40 * second}, 200, 85 * second, ""},
		{"a shorter time of what stands around", ``, waiter{most: 20 * second, within: 40 * second}, 504, 20 * second, ""},
		{"one that is longer than that of the service", `"service_timeout":"2s",`, waiter{most: 20 * second, within: 40 * second}, 504, 20 * second, ""},
		{"the same", `"service_timeout":"20s",`, waiter{most: 20 * second, within: 40 * second}, 504, 20 * second, ""},
		{"in front of the router", ``, waiter{in: time.Hour}, 504, 30 * second, "test/waiter"},
		{"in front of the router, in the other dialect", `"dialect":"krakend",`, waiter{in: time.Hour}, 500, 30 * second, "test/waiter"},
		{"behind the answer", ``, waiter{out: time.Hour, within: 40 * second}, 504, 70 * second, "test/waiter"},
		{"around the rest", ``, waiter{around: time.Hour}, 504, 30 * second, "test/around"},
		{"all of the way in", ``, waiter{around: 20 * second, in: 20 * second}, 504, 30 * second, "test/waiter"},
		{"in front of the router, and blind", ``, waiter{in: 40 * second, blind: true}, 504, 40 * second, "do not end with it"},
		{"behind the answer, and blind", ``, waiter{out: 40 * second, blind: true}, 200, 40 * second, "do not end with it"},
		{"behind a failure, and blind", ``, waiter{out: 40 * second, blind: true, fails: true}, 500, 40 * second, "do not end with it"},
		{"behind no endpoint, and blind", ``, waiter{out: 40 * second, blind: true, lost: true}, 404, 40 * second, "do not end with it"},
		{"another limit", `"service_timeout":"2s",`, waiter{in: time.Hour}, 504, 2 * second, "test/waiter"},
		{"no limit", `"service_timeout":"0s",`, waiter{in: 50 * time.Minute}, 200, 50 * time.Minute, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &waiter{}
				registry := component.NewRegistry(
					component.Service(component.Info{Namespace: "test/waiter"}, func(s *component.ServiceSite, _ struct{}) error {
						s.Stage(component.ServiceScript, w)
						return nil
					}),
					component.Service(component.Info{Namespace: "test/around"}, func(s *component.ServiceSite, _ struct{}) error {
						s.Around(component.ServiceSecure, w.surround)
						return nil
					}),
					component.Backend(component.Info{Namespace: "test/slow", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
						return s.Connector(gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
							if err := rest(ctx, w.within); err != nil {
								return err
							}
							if w.fails {
								return errors.New("broken")
							}
							return answer(x, `{}`)
						}))
					}),
				)
				var log strings.Builder
				g := compileService(t, registry, slog.NewTextHandler(&log, nil), tt.root+`"extra_config":{"test/waiter":{},"test/around":{}},`)
				for range 2 {
					*w = tt.waits
					ctx, cancel := context.WithCancel(t.Context()) // as engines have it
					began := time.Now()
					path := "/x"
					if tt.waits.lost {
						path = "/nowhere"
					}
					x := gateway.Acquire(testx.Request{Path: path}.Inbound())
					err := g.Do(ctx, x)
					if took := time.Since(began); x.Response.Status != tt.status || took != tt.took || (err != nil) != (tt.status != 200) {
						t.Errorf("status %d, %v, after %v; want %d after %v", x.Response.Status, err, took, tt.status, tt.took)
					}
					if want := gateway.Timeout; tt.status != 200 && !tt.waits.fails && !tt.waits.lost && gateway.ClassOf(err) != want {
						t.Errorf("observers are told %v", err)
					}
					x.Release()
					cancel()
				}
				const said = "longer than service_timeout"
				if got := log.String(); strings.Count(got, said) > 1 || strings.Contains(got, said) != (tt.step != "") || !strings.Contains(got, tt.step) {
					t.Errorf("the log says %q", got)
				}
				if *w = (waiter{}); tt.step != "" { // and it works again
					x := gateway.Acquire(testx.Request{Path: "/x"}.Inbound())
					if err := g.Do(t.Context(), x); err != nil || !strings.Contains(log.String(), "in time again") {
						t.Errorf("%v; the log says %q", err, log.String())
					}
					x.Release()
				}
			})
		})
	}
}

// TestServicePrompt gives stages that wait for nobody the context as it is, so that no
// request pays for a watch; the others, and what they ask for, an end that comes.
func TestServicePrompt(t *testing.T) {
	for _, waits := range []bool{false, true} {
		var seen context.Context
		look := gateway.StageFunc(func(ctx context.Context, _ *gateway.Exchange) error { seen = ctx; return nil })
		registry := component.NewRegistry(component.Service(component.Info{Namespace: "test/look"}, func(s *component.ServiceSite, _ struct{}) error {
			if waits {
				s.Stage(component.ServiceScript, look)
			} else {
				s.Prompt(component.ServiceScript, look)
			}
			return nil
		}))
		g := compileService(t, registry, slog.DiscardHandler, `"extra_config":{"test/look":{}},`)
		type key struct{}
		ctx := context.WithValue(t.Context(), key{}, 1)
		x := gateway.Acquire(testx.Request{Path: "/nowhere"}.Inbound())
		g.Do(ctx, x)
		if _, ends := seen.Deadline(); (seen == ctx) == waits || seen.Value(key{}) != 1 || ends {
			t.Errorf("waits %v: the context is that of the exchange: %v, a deadline once it is answered: %v", waits, seen == ctx, ends)
		}
		if seen.Err() != nil {
			t.Errorf("waits %v: the context has ended before the answer was sent: %v", waits, seen.Err())
		}
		x.Release()
	}
}

// compileService compiles a service with an endpoint of a minute, /x, which calls the
// backend of test/slow if there is one.
func compileService(t *testing.T, registry *component.Registry, log slog.Handler, root string) *compile.Generation {
	t.Helper()
	if !strings.Contains(root, "dialect") {
		root += `"dialect":"sluice",`
	}
	slow := ""
	if registry.Find(component.InBackend, "test/slow") != nil {
		slow = `,"extra_config":{"test/slow":{}}`
	}
	d, _ := config.Parse("test.json", fmt.Appendf(nil, `{"version":3,%s"endpoints":[{"endpoint":"/x","timeout":"60s","backend":[{"url_pattern":"/","host":["http://up"]%s}]}]}`, root, slow))
	g, problems := compile.Compile(d, compile.Options{Registry: registry, Env: &component.Env{
		Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(log),
		Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return new(network), nil },
	}})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	t.Cleanup(func() { g.Close(context.Background()) })
	return g
}
