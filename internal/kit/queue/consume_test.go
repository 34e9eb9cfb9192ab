package queue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

type consume struct {
	Requeue bool `json:"requeue"`
	Empty   int  `json:"empty"`
}

func init() {
	component.Register(
		component.Backend(component.Info{Namespace: "test/consume", Hosts: &component.Hosts{Read: queue.ReadHost(queue.Subscribing)}, Failures: queue.Failures},
			func(s *component.BackendSite, o consume) error {
				sub, err := queue.OpenSubscriber(&s.Site, address(s))
				if err != nil {
					return err
				}
				return queue.Consume(s, sub, queue.Consuming{Discard: !o.Requeue, Empty: o.Empty})
			}))
}

// TestConsume: a message is acknowledged once it is decoded, and not before.
func TestConsume(t *testing.T) {
	tests := []struct {
		name, dialect, endpoint, backend, options string
		message                                   string
		status                                    int
		text                                      string
		requeued, dropped                         int
	}{
		{"data", inSluice, "", `"allow": ["id"],`, "", `{"id":1,"x":2}`, 200, `{"id":1}`, 0, 0},
		{"bytes", inSluice, `"output_encoding": "no-op",`, `"encoding": "no-op",`, "", `hello`, 200, `hello`, 0, 0},
		{"text", inSluice, "", `"encoding": "string",`, "", `hello`, 200, `{"content":"hello"}`, 0, 0},
		{"garbage is dropped", "", "", "", "", `{`, 500, "", 0, 1},
		{"or requeued", "", "", "", `"requeue": true`, `{`, 500, "", 1, 0},
		{"so is what is too large", "", "", `"max_response_bytes": 3,`, "", `{"id":1}`, 500, "", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := queuetest.New(t)
			_, ask := asking(t, b, tt.dialect, tt.endpoint, tt.backend, "test/consume", tt.options)
			b.Put("orders", queue.Message{Body: []byte(tt.message), Attributes: gateway.Fields{{Name: "content-type", Value: "text/plain"}}})
			got := ask(t.Context(), testx.Request{})
			if got.Status != tt.status || got.Text != tt.text {
				t.Errorf("got %d %q, %v; want %d %q", got.Status, got.Text, got.Err, tt.status, tt.text)
			}
			if tt.status == 200 && got.Header.Get("Cache-Control") != "no-store" && tt.backend[:10] != `"encoding"` {
				t.Errorf("Cache-Control %q", got.Header.Get("Cache-Control"))
			}
			if q, d := len(b.Queue("orders")), len(b.Dropped("orders")); q != tt.requeued || d != tt.dropped || b.Held() != 0 {
				t.Errorf("%d requeued, %d dropped, %d held; want %d, %d and none", q, d, b.Held(), tt.requeued, tt.dropped)
			}
		})
	}
}

// TestConsumeFault: a message that is not there fails who takes it, and is dropped or requeued as
// one that cannot be used.
func TestConsumeFault(t *testing.T) {
	for options, left := range map[string]int{"": 0, `"requeue": true`: 1} {
		b := queuetest.New(t)
		_, ask := asking(t, b, inSluice, "", "", "test/consume", options)
		b.Put("orders", queue.Message{Fault: &gateway.Error{Code: gateway.CodeBackendTooLarge, Err: errors.New("it is too large")}})
		if got := ask(t.Context(), testx.Request{}); got.Status != 502 || queuetest.Code(got.Err) != gateway.CodeBackendTooLarge {
			t.Errorf("%s: %d, %v", options, got.Status, got.Err)
		}
		if q, d := len(b.Queue("orders")), len(b.Dropped("orders")); q != left || d != 1-left || b.Held() != 0 {
			t.Errorf("%s: %d requeued, %d dropped, %d held", options, q, d, b.Held())
		}
	}
}

// TestConsumeHeader: of the attributes nothing reaches the client but the type of a body that
// is passed on.
func TestConsumeHeader(t *testing.T) {
	for backend, want := range map[string]string{"": "application/json; charset=utf-8", `"encoding": "no-op",`: "text/plain"} {
		b := queuetest.New(t)
		endpoint := ""
		if backend != "" {
			endpoint = `"output_encoding": "no-op",`
		}
		_, ask := asking(t, b, inSluice, endpoint, backend, "test/consume", "")
		b.Put("orders", queue.Message{Body: []byte(`{"id":1}`), Attributes: gateway.Fields{{Name: "content-type", Value: "text/plain"}, {Name: "X-A", Value: "1"}, {Name: "Set-Cookie", Value: "a=b"}}})
		got := ask(t.Context(), testx.Request{})
		if got.Text != `{"id":1}` || got.Header.Get("Content-Type") != want || got.Header.Has("X-A") || got.Header.Has("Set-Cookie") {
			t.Errorf("%s: got %s with %v; want the type %s", backend, got.Text, got.Header, want)
		}
	}
}

// TestConsumeAgain: who runs the call again takes another message, and the one before is
// given back.
func TestConsumeAgain(t *testing.T) {
	for phase, want := range map[component.BackendPhase]string{component.BackendAddress: `{"id":2}`, component.BackendScript: `{"id":1}`} {
		b := queuetest.New(t)
		g := sitetest.New(t)
		g.Registry = component.NewRegistry(append([]component.Declaration{
			component.Backend(component.Info{Namespace: "test/again"}, func(s *component.BackendSite, _ struct{}) error {
				s.Around(phase, func(next gateway.Connector) gateway.Connector {
					return gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
						if err := next.Do(ctx, x); err != nil {
							return err
						}
						return next.Do(ctx, x)
					})
				})
				return nil
			}),
		}, *component.Default.Find(component.InBackend, "test/consume"))...)
		generation := g.Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [{"endpoint": "/x", "backend": [{"url_pattern": "/orders", "host": [%q],
			"extra_config": {"test/consume": {}, "test/again": {}}}]}]}`, b.Host()))
		b.Put("orders", queue.Message{Body: []byte(`{"id":1}`)}, queue.Message{Body: []byte(`{"id":2}`)})
		if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Text != want {
			t.Errorf("%s: %q, %v; want %s", phase, got.Text, got.Err, want)
		}
		left := map[string]int{`{"id":1}`: 1, `{"id":2}`: 0}[want]
		if n := len(b.Queue("orders")); b.Held() != 0 || n != left {
			t.Errorf("%s: %d held, %d left; want %d", phase, b.Held(), n, left)
		}
	}
}

// TestConsumeNothing: that no message came is a failure, or an answer.
func TestConsumeNothing(t *testing.T) {
	tests := []struct {
		dialect, options string
		status           int
		text, completed  string
	}{
		{"", "", 500, "", "false"},
		{"", `"empty": 204`, 204, "", "true"},
		{"", `"empty": 404`, 404, "", "false"},
		{inSluice, `"empty": 200`, 200, "null", "true"},
		{inSluice, "", 504, `{"type":"about:blank","title":"Gateway Timeout","status":504,"code":"queue_empty","detail":"There was no message before the time for this was over."`, "false"},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			_, ask := asking(t, queuetest.New(t), tt.dialect, "", "", "test/consume", tt.options)
			began := time.Now()
			got := ask(t.Context(), testx.Request{})
			if took := time.Since(began); took != 10*time.Second {
				t.Errorf("%s: took %v", tt.options, took)
			}
			if len(got.Text) > len(tt.text) && tt.text != "" {
				got.Text = got.Text[:len(tt.text)] // in front of the ID
			}
			if got.Status != tt.status || got.Text != tt.text || completed(got) != tt.completed {
				t.Errorf("%s: got %d %q, complete %q; want %d %q", tt.options, got.Status, got.Text, completed(got), tt.status, tt.text)
			}
		})
	}
}

// TestConsumeAway: that the broker is away is no sign of an empty queue, whatever it is away for.
func TestConsumeAway(t *testing.T) {
	for _, options := range []string{`"empty": 204`, ``} {
		for _, cause := range []error{context.DeadlineExceeded, os.ErrDeadlineExceeded, context.Canceled} {
			synctest.Test(t, func(t *testing.T) {
				b := queuetest.New(t)
				_, ask := asking(t, b, inSluice, "", "", "test/consume", options)
				b.Lose(fmt.Errorf("dial tcp 10.0.0.1:5672: %w", cause))
				if got := ask(t.Context(), testx.Request{}); got.Status != 503 || completed(got) != "false" || gateway.AsError(got.Err).Code != gateway.CodeBackendAway {
					t.Errorf("%s, %v: got %d, complete %q, %v; want 503", options, cause, got.Status, completed(got), got.Err)
				}
			})
		}
	}
}

// TestConsumeLeaves: a client that leaves takes no message along, whether it waits for one
// or has one that is not decoded yet.
func TestConsumeLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := queuetest.New(t)
		_, ask := asking(t, b, "", "", "", "test/consume", "")
		ctx, leave := context.WithCancel(t.Context())
		answers := make(chan sitetest.Answer, 3)
		go func() { answers <- ask(ctx, testx.Request{}) }()
		synctest.Wait()
		leave()
		if got := <-answers; gateway.AsError(got.Err).Code != gateway.CodeClientGone {
			t.Errorf("of who left: %v", got.Err)
		}
		for range 3 {
			go func() { answers <- ask(t.Context(), testx.Request{}) }()
		}
		synctest.Wait()
		b.Put("orders", queue.Message{Body: []byte(`{"id":1}`)}, queue.Message{Body: []byte(`{"id":2}`)}, queue.Message{Body: []byte(`{"id":3}`)})
		got := make(map[string]bool)
		for range 3 {
			got[(<-answers).Text] = true
		}
		if len(got) != 3 || !got[`{"id":1}`] {
			t.Errorf("three who waited got %v", got)
		}
	})
}

// TestConsumeOnce: concurrent_calls takes no message that nobody gets.
func TestConsumeOnce(t *testing.T) {
	b := queuetest.New(t)
	_, ask := asking(t, b, inSluice, `"concurrent_calls": 3,`, "", "test/consume", "")
	const n = 60
	for i := range n {
		b.Put("orders", queue.Message{Body: fmt.Appendf(nil, `{"id":%d}`, i)})
	}
	for i := range n {
		got := ask(t.Context(), testx.Request{})
		if want := fmt.Sprintf(`{"id":%d}`, i); got.Text != want || len(b.Queue("orders")) != n-1-i || b.Held() != 0 {
			t.Fatalf("got %s, %v, %d are left, %d held; want %s", got.Text, got.Err, len(b.Queue("orders")), b.Held(), want)
		}
	}
}
