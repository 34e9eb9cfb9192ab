package runtime_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// A single is a source with one message.
type single struct{ told chan error } // what became of it

func (s *single) Run(ctx context.Context, take func(gateway.Message) error) error {
	s.told <- take(gateway.Message{})
	<-ctx.Done()
	return nil
}

// TestStopBesideSource stops a gateway while a message takes long: clients are not made
// to wait for that, nor is it cut for their sake. Both have the whole time, which ends for
// both at once.
func TestStopBesideSource(t *testing.T) {
	tests := []struct {
		name             string
		message, request time.Duration
		took             time.Duration
		cut              bool // the message
		err              error
	}{
		{"a slow message", 9 * time.Second, 2 * time.Second, 9 * time.Second, false, nil},
		{"a slow request", 2 * time.Second, 9 * time.Second, 9 * time.Second, false, nil},
		{"a message that does not end", time.Hour, 2 * time.Second, 10 * time.Second, true, nil},
		{"a request that does not end", 2 * time.Second, time.Hour, 10 * time.Second, false, context.DeadlineExceeded},
		{"neither ends", time.Hour, time.Hour, 10 * time.Second, true, context.DeadlineExceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &single{make(chan error, 1)}
				var log strings.Builder
				b := newBench(`{"version":3,"max_shutdown_wait_time":"10s","extra_config":{"test/single":{}}}`)
				b.Gateway = runtime.New(runtime.Options{
					Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
						return config.Parse("gateway.json", []byte(*b.text.Load()))
					},
					Registry: component.NewRegistry(component.Service(component.Info{Namespace: "test/single"}, func(s *component.ServiceSite, _ struct{}) error {
						s.Source("single", src, gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
							select {
							case <-time.After(tt.message):
								x.Response.Complete = true
								return nil
							case <-ctx.Done():
								return ctx.Err()
							}
						}))
						s.OnClose(func(context.Context) error {
							if len(src.told) == 0 {
								t.Error("the generation is closed before the message has ended")
							}
							return nil
						})
						return nil
					})),
					Engines: []engine.Engine{{Name: "test", NewServer: func(s engine.Settings) engine.Server { b.server = newServer(s); return b.server }}},
					Log:     slog.NewTextHandler(&log, nil),
				})
				b.load(t, *b.text.Load())
				stop := b.serve(t)
				began := time.Now()
				b.server.stop = func(ctx context.Context) error {
					if by, _ := ctx.Deadline(); time.Since(began) != 0 || by.Sub(began) != 10*time.Second {
						t.Errorf("the server is told after %v, and has until %v, want at once and all of the 10s", time.Since(began), by.Sub(began))
					}
					select {
					case <-time.After(tt.request):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				if err := stop(); !errors.Is(err, tt.err) || err != nil && tt.err == nil {
					t.Errorf("Serve: %v, want %v", err, tt.err)
				}
				if took := time.Since(began); took != tt.took {
					t.Errorf("stopped after %v, want %v", took, tt.took)
				}
				err := <-src.told
				if !tt.cut && err != nil || tt.cut && (err == nil || gateway.AsError(err).Code != gateway.CodeShutdown) {
					t.Errorf("the message: %v, cut is %t", err, tt.cut)
				}
				if got := log.String(); strings.Contains(got, "messages of sources were cut") != tt.cut || strings.Count(got, "\n") > 1 {
					t.Errorf("the log says %q", got)
				}
			})
		})
	}
}

// TestDrainBesideSource shows the same over connections: the listener is closed while a
// message takes long, and a request in flight gets its answer.
func TestDrainBesideSource(t *testing.T) {
	for _, e := range []engine.Engine{fast.Engine, nethttp.Engine} {
		t.Run(e.Name, func(t *testing.T) {
			entered, answer, taken, finish := make(chan bool), make(chan bool), make(chan bool), make(chan bool)
			src := &single{make(chan error, 1)}
			g := runtime.New(runtime.Options{
				Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
					return config.Parse("gateway.json", []byte(`{"version":3,"listen_ip":"127.0.0.1","max_shutdown_wait_time":"1m","extra_config":{"test/both":{}}}`))
				},
				Registry: component.NewRegistry(component.Service(component.Info{Namespace: "test/both"}, func(s *component.ServiceSite, _ struct{}) error {
					s.Source("single", src, gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
						close(taken)
						<-finish
						x.Response.Complete = true
						return nil
					}))
					s.Stage(component.ServiceSecure, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
						close(entered)
						<-answer
						x.Response.Status = 200
						x.Reply()
						return nil
					}))
					return nil
				})),
				Engines: []engine.Engine{e},
				Log:     slog.DiscardHandler,
				Adjust:  anyPort,
			})
			if _, err := g.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			l, err := g.Listen(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			served, asked := make(chan error, 1), make(chan int, 1)
			go func() { served <- g.Serve(ctx, l) }()
			transport := new(http.Transport)
			defer transport.CloseIdleConnections()
			go func() {
				status := 0
				if res, err := (&http.Client{Transport: transport}).Get("http://" + l.Addr().String() + "/"); err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
					status = res.StatusCode
				}
				asked <- status
			}()
			<-entered
			<-taken
			cancel()
			for { // the listener is closed soon, though the message goes on
				conn, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					break
				}
				conn.Close()
			}
			close(answer)
			if status := <-asked; status != 200 {
				t.Errorf("the request in flight got %d, want 200", status)
			}
			if len(served)+len(src.told) > 0 {
				t.Error("the gateway does not wait for the message")
			}
			close(finish)
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
			if err := <-src.told; err != nil {
				t.Errorf("the message: %v", err)
			}
		})
	}
}

// TestStopBesidePort asks at ports while they drain, one of which was dropped by a reload:
// the generation that answers there is closed behind them.
func TestStopBesidePort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, dropped := range []bool{false, true} {
			b, _ := newBelted(t, slog.DiscardHandler, engine.Engine{})
			b.load(t, belted(`"port":"`+testx.UnusedAddress(t)+`","name":"one"`))
			h := b.server.handler()
			b.server.stop = func(context.Context) error {
				time.Sleep(time.Second)
				x := gateway.Acquire(testx.Request{Path: "/late"}.Inbound())
				if err := h.Do(context.Background(), x); err != nil || (x.Response.Status == 200) == dropped {
					t.Errorf("a request while the port drains: status %d, %v", x.Response.Status, err)
				}
				h.Done(x, gateway.Sent{Status: 200}, nil)
				b.note("the port ends")
				return nil
			}
			want := "the port ends, one closes"
			if dropped {
				b.load(t, belted(`"name":"two"`))
				synctest.Wait()
				want = "one closes, the port ends, two closes"
			}
			b.Close()
			if got := b.noted(); got != want {
				t.Errorf("dropped %t: %s, want %s", dropped, got, want)
			}
		}
	})
}
