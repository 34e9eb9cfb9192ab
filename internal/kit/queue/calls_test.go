package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

type produce struct {
	Status int `json:"status"`
}

// address returns that of a backend, whose queue is orders.
func address(s *component.BackendSite) *queue.Address {
	a, err := queue.NewAddress(&s.Site, s.Name(), "", s.Config().Host[0], "orders")
	if err != nil {
		panic(err)
	}
	return a
}

func init() {
	component.Register(
		component.Backend(component.Info{Namespace: "test/produce", Hosts: &component.Hosts{Read: queue.ReadHost(queue.Publishing)}},
			func(s *component.BackendSite, o produce) error {
				p, err := queue.OpenPublisher(&s.Site, address(s))
				if err != nil {
					return err
				}
				return queue.Produce(s, p, o.Status)
			}),
		component.Backend(component.Info{Namespace: "test/produceby", Hosts: &component.Hosts{Read: queue.ReadHost(queue.Publishing)}},
			func(s *component.BackendSite, o produce) error {
				p, err := queue.OpenPublisher(&s.Site, address(s))
				if err != nil {
					return err
				}
				return queue.ProduceBy(s, o.Status, func(ctx context.Context, x *gateway.Exchange, payload []byte) error {
					return p.Publish(ctx, &queue.Message{Body: payload, Attributes: x.Request.Header})
				})
			}))
}

const inSluice = `"dialect": "sluice",`

// asking returns a gateway whose endpoint /x has one backend of the namespace, and more keys.
func asking(t *testing.T, b *queuetest.Broker, dialect, endpoint, backend, namespace, options string) (*sitetest.Gateway, func(ctx context.Context, r testx.Request) sitetest.Answer) {
	t.Helper()
	g := sitetest.New(t)
	generation := g.Compile(t, fmt.Sprintf(`{"version": 3, %s "endpoints": [{"endpoint": "/x", "method": "POST", "timeout": "10s", %s
		"backend": [{"url_pattern": "/orders", "host": [%q], %s "extra_config": {%q: {%s}}}]}]}`, dialect, endpoint, b.Host(), backend, namespace, options))
	return g, func(ctx context.Context, r testx.Request) sitetest.Answer {
		r.Method, r.Path = "POST", "/x"
		return sitetest.AskIn(ctx, t, generation, r)
	}
}

func completed(a sitetest.Answer) string {
	return a.Header.Get("X-Sluice-Completed") + a.Header.Get("X-Krakend-Completed")
}

// TestProduce: an answer comes when the message is taken, and has no data.
func TestProduce(t *testing.T) {
	const status = `"status": 200`
	tests := []struct {
		name, dialect, endpoint, backend, options string
		want                                      sitetest.Answer
		completed                                 string
	}{
		{"krakend", "", "", "", status, sitetest.Answer{Status: 200, Text: "null"}, "true"},
		{"sluice", inSluice, "", "", status, sitetest.Answer{Status: 200, Text: "null"}, "true"},
		{"another status", inSluice, "", "", `"status": 202`, sitetest.Answer{Status: 202, Text: "null"}, "true"},
		{"without a body", inSluice, "", "", `"status": 204`, sitetest.Answer{Status: 204}, "true"},
		{"what shapes data has none", inSluice, "", `"group": "g", "allow": ["a"],`, status, sitetest.Answer{Status: 200, Text: "null"}, "true"},
		{"a collection", inSluice, `"output_encoding": "json-collection",`, `"is_collection": true,`, status, sitetest.Answer{Status: 200, Text: "[]"}, "true"},
		{"no-op", inSluice, `"output_encoding": "no-op",`, `"encoding": "no-op",`, `"status": 201`, sitetest.Answer{Status: 201}, "true"},
		{"no-op in krakend", "", `"output_encoding": "no-op",`, `"encoding": "no-op",`, `"status": 201`, sitetest.Answer{Status: 201}, "true"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := queuetest.New(t)
			_, ask := asking(t, b, tt.dialect, tt.endpoint, tt.backend, "test/produce", tt.options)
			got := ask(t.Context(), testx.Request{Body: "hello", Header: gateway.Fields{{Name: "Content-Type", Value: "text/plain"}}})
			if got.Status != tt.want.Status || got.Text != tt.want.Text || got.Err != nil || completed(got) != tt.completed {
				t.Errorf("got %d %q, %v, complete %q; want %d %q", got.Status, got.Text, got.Err, completed(got), tt.want.Status, tt.want.Text)
			}
			ms := b.Queue("orders")
			if len(ms) != 1 || string(ms[0].Body) != "hello" || ms[0].Attributes.Get("Content-Type") != "text/plain" || !ms[0].Attributes.Has("X-Forwarded-For") {
				t.Errorf("published %v", ms)
			}
		})
	}
}

// TestProduceHeader: a message has what the client sent and where it came from, and nothing of
// the way by HTTP.
func TestProduceHeader(t *testing.T) {
	for _, namespace := range []string{"test/produce", "test/produceby"} {
		b := queuetest.New(t)
		_, ask := asking(t, b, inSluice, `"input_headers": ["*"],`, "", namespace, `"status": 200`)
		if got := ask(t.Context(), testx.Request{Header: gateway.Fields{{Name: "User-Agent", Value: "a"}, {Name: "Sluice-Hops", Value: "3"}}}); got.Status != 200 {
			t.Fatal(got)
		}
		for _, m := range b.Queue("orders") {
			slices.SortFunc(m.Attributes, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
			if got := fmt.Sprint(m.Attributes); !strings.HasPrefix(got, "[{User-Agent a} {X-Forwarded-For ") || len(m.Attributes) != 3 {
				t.Errorf("%s: attributes %v", namespace, got)
			}
		}
	}
}

// TestProduceFails: what is not taken is a failure, each of its kind.
func TestProduceFails(t *testing.T) {
	tests := []struct {
		name    string
		judge   func(context.Context, *queue.Message) error
		krakend int
		sluice  int
	}{
		{"away", nil, 500, 503},
		{"refused", func(context.Context, *queue.Message) error { return queue.Refused(errors.New("no exchange")) }, 500, 502},
		{"lost", func(context.Context, *queue.Message) error { return queue.Lost(errors.New("cut")) }, 500, 502},
		{"slow", func(ctx context.Context, _ *queue.Message) error { <-ctx.Done(); return ctx.Err() }, 500, 504},
	}
	for _, tt := range tests {
		for dialect, want := range map[string]int{"": tt.krakend, inSluice: tt.sluice} {
			synctest.Test(t, func(t *testing.T) {
				b := queuetest.New(t)
				_, ask := asking(t, b, dialect, "", "", "test/produce", `"status": 200`)
				b.Judge(tt.judge)
				if tt.judge == nil {
					b.Lose(errors.New("cut"))
				}
				if got := ask(t.Context(), testx.Request{Body: "hello"}); got.Status != want || completed(got) != "false" {
					t.Errorf("%s: got %d, complete %q; want %d", tt.name, got.Status, completed(got), want)
				}
			})
		}
	}
}

// watched is the message of a client that has left, or has not.
type watched struct {
	gateway.Inbound
	left bool
}

func (w watched) Left() bool { return w.left }

// TestSettle: a delivery ends by what became of it.
func TestSettle(t *testing.T) {
	b := queuetest.New(t)
	b.Put("orders", queue.Message{Body: []byte(`{"id":1}`)})
	g := sitetest.New(t)
	s := g.EndpointSite()
	a, err := queue.NewAddress(&s.Site, "x", "", b.Host(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	sub, err := queue.OpenSubscriber(&s.Site, a)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name     string
		ended    bool
		in       gateway.Inbound
		err      error
		discard  bool
		requeued int
		fails    bool
	}{
		{"gone before the acknowledgement", true, nil, nil, true, 1, true},
		{"gone, which the context does not know", false, watched{left: true}, nil, true, 1, true},
		{"gone before it was used", true, nil, context.Canceled, true, 1, true},
		{"of no use", false, nil, errors.New("garbage"), false, 1, true},
		{"good", false, watched{}, nil, true, 0, false},
	}
	for _, tt := range tests {
		d, err := sub.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		if tt.ended {
			leave()
		}
		err = queue.Settle(ctx, tt.in, d, tt.err, tt.discard)
		leave()
		if n := len(b.Queue("orders")); n != tt.requeued || (err != nil) != tt.fails || b.Held() != 0 {
			t.Errorf("%s: %v, %d requeued, %d held", tt.name, err, n, b.Held())
		}
	}
}

// lasting is a delivery whose end takes a while.
type lasting struct {
	polled
	takes time.Duration
}

func (d lasting) end(ctx context.Context) error {
	select {
	case <-time.After(d.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d lasting) Ack(ctx context.Context) error              { return d.end(ctx) }
func (d lasting) Nack(ctx context.Context, again bool) error { return d.end(ctx) }

// TestSettleEnds: the end of a delivery has the time of its request and a second at least, and
// whoever leaves meanwhile does not cut it short.
func TestSettleEnds(t *testing.T) {
	garbage := errors.New("garbage")
	tests := []struct {
		name   string
		limit  time.Duration // of the request; 0 for none
		leaves time.Duration // when the client does
		takes  time.Duration // what the end would
		err    error
		want   time.Duration
		fails  bool
	}{
		{"who leaves while it is given back", 10 * time.Second, time.Second, 5 * time.Second, garbage, 5 * time.Second, false},
		{"while it is acknowledged", 10 * time.Second, time.Second, 5 * time.Second, nil, 5 * time.Second, false},
		{"and without a deadline", 0, time.Second, 5 * time.Second, garbage, 5 * time.Second, false},
		{"a broker that says nothing", 10 * time.Second, time.Hour, time.Hour, garbage, 10 * time.Second, true},
		{"or to whom nobody set a deadline", 0, time.Hour, time.Hour, garbage, queue.Patience, true},
		{"a deadline that is near", 500 * time.Millisecond, time.Hour, time.Hour, garbage, time.Second, true},
		{"and nobody knows whether it has heard", 500 * time.Millisecond, time.Hour, time.Hour, nil, time.Second, false},
		{"nor without a deadline", 0, time.Hour, time.Hour, nil, queue.Patience, false},
		{"one that has passed", 1, time.Hour, 900 * time.Millisecond, garbage, 900 * time.Millisecond, false},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			if tt.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.limit)
				defer cancel()
			}
			if tt.limit == 1 {
				<-ctx.Done()
			}
			defer time.AfterFunc(tt.leaves, leave).Stop()
			began := time.Now()
			err := queue.Settle(ctx, nil, lasting{takes: tt.takes}, tt.err, false)
			if took := time.Since(began); took != tt.want || errors.Is(err, context.DeadlineExceeded) != tt.fails || errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v after %v, want %v", tt.name, err, took, tt.want)
			}
		})
	}
}

// refusing is a delivery whose acknowledgement is refused.
type refusing struct {
	polled
	again *bool
}

func (refusing) Ack(context.Context) error { return queue.Unserved(errors.New("no")) }

func (d refusing) Nack(_ context.Context, again bool) error { *d.again = again; return nil }

// TestSettleRefused: a message whose acknowledgement is refused is given back at once.
func TestSettleRefused(t *testing.T) {
	again := false
	if err := queue.Settle(t.Context(), nil, refusing{again: &again}, nil, true); queuetest.Code(err) != gateway.CodeBackendAborted || !again {
		t.Errorf("%v, given back: %t", err, again)
	}
}

// TestConsumeUnacknowledged: a message that cannot be acknowledged comes again, so that the
// client does not get it now.
func TestConsumeUnacknowledged(t *testing.T) {
	b := queuetest.New(t)
	g := sitetest.New(t)
	_, sub := opened(t, g, b)
	b.Put("orders", queue.Message{})
	d, err := sub.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.Lose(errors.New("cut"))
	if err := queue.Settle(t.Context(), nil, d, nil, true); err == nil || gateway.AsError(err).Code != gateway.CodeBackendAborted ||
		gateway.AsError(err).Public != "the message could not be acknowledged" {
		t.Errorf("Settle: %v", err)
	}
}

// TestAppendFirst: a name occurs once, with its first value, however many there are.
func TestAppendFirst(t *testing.T) {
	got := queue.AppendFirst(gateway.Fields{{Name: "A", Value: "0"}}, gateway.Fields{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}, {Name: "A", Value: "3"}})
	if want := "[{A 0} {A 1} {B 2}]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	many := names(100)
	if got := queue.AppendFirst(nil, append(many, many...)); !slices.Equal(got, many) {
		t.Errorf("of %d names there are %d fields: %v", len(many), len(got), got)
	}
}

// names returns a header of n names.
func names(n int) gateway.Fields {
	header := make(gateway.Fields, n)
	for i := range header {
		header[i] = gateway.Field{Name: "X-" + strconv.Itoa(i), Value: "v"}
	}
	return header
}

// BenchmarkAppendFirst: what a field costs does not grow with their number.
func BenchmarkAppendFirst(b *testing.B) {
	for _, n := range []int{8, 16, 1_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			header, dst := names(n), make(gateway.Fields, 0, n)
			b.ReportAllocs()
			for b.Loop() {
				queue.AppendFirst(dst, header)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/field")
		})
	}
}
