package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

func init() {
	never := func(*component.Site, *queue.Address) (queue.Publisher, error) { return nil, errors.New("never") }
	queue.Register(queue.Driver{Scheme: "sends", Publisher: never, Instead: "write mem://",
		Host: func(after string) error {
			if after != "" {
				return errors.New("write sends:// alone")
			}
			return nil
		}})
}

// TestReadHost: a host begins with the scheme of a driver that does what is wanted.
func TestReadHost(t *testing.T) {
	tests := []struct {
		host string
		role queue.Role
		want string // part of the error, "" for none
	}{
		{"mem://b/", queue.Publishing, ""},
		{"MEM://b/", queue.Subscribing, ""},
		{"sends://", queue.Publishing, ""},
		{"sends://", queue.Subscribing, "nobody can subscribe to sends://; write mem://"},
		{"sends://x", queue.Publishing, "write sends:// alone"},
		{"mem://user:pass@b/", queue.Publishing, "credentials stand in the environment"},
		{"http://b", queue.Publishing, "the scheme is none of awssns://, awssqs://, azuresb://, gcppubsub://, kafka://, nats://, rabbit://"},
		{"orders", queue.Publishing, "it has no scheme; the schemes are awssns://, "},
		{"amqp://guest:guest@b", queue.Publishing, "stands in RABBIT_SERVER_URL or in the option server; write rabbit://"},
	}
	for _, tt := range tests {
		got, err := queue.ReadHost(tt.role)(tt.host)
		if tt.want == "" && (err != nil || got != tt.host) || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %q, %v; want %q", tt.host, got, err, tt.want)
		}
	}
}

// TestAddress: host and rest are one text, of which everything is judged.
func TestAddress(t *testing.T) {
	s := &sitetest.New(t).EndpointSite().Site
	tests := []struct{ host, rest, path, query, err string }{
		{"mem://", "b/orders", "b/orders", "", ""},
		{"mem://b", "/orders?a=1&b=2&b=3", "b/orders", "a=1&b=2&b=3", ""},
		{"mem:///arn:aws:sns:eu-west-1:123:orders", "?a=1", "/arn:aws:sns:eu-west-1:123:orders", "a=1", ""},
		{"mem://", "a%20b%40", "a b@", "", ""},
		{"mem://", "a%2", "", "", "topic_url: a % is followed by two"},
		{"mem://", "?a=1", "", "", "topic_url: it names nothing"},
		{"mem://", "b?a=%", "", "", "topic_url: the parameters behind the ? cannot be read"},
		{"mem://", "user:pass@b", "", "", "topic_url: it holds an @; credentials"},
		{"mem://", "b?c=1", "", "", `unknown parameter "c"; mem:// knows a, b here`},
		{"mem://", "b?a=1&a=2", "", "", `the parameter "a" occurs twice`},
	}
	for _, tt := range tests {
		a, err := queue.NewAddress(s, "GET /x backend 0", "topic_url", tt.host, tt.rest)
		if err == nil {
			err = a.Only([]string{"a"}, []string{"b"})
		}
		switch {
		case tt.err != "":
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) || strings.Contains(err.Error(), "pass") {
				t.Errorf("%s%s: error %v, want %s", tt.host, tt.rest, err, tt.err)
			}
		case err != nil || a.Path != tt.path || a.Query.Encode() != tt.query:
			t.Errorf("%s%s: %q, %v, %v; want %q and %q", tt.host, tt.rest, a.Path, a.Query, err, tt.path, tt.query)
		}
	}
}

// TestBroker: where the broker is stands in the options or in a variable, and a check for
// another machine does without.
func TestBroker(t *testing.T) {
	wrong := func(text string) error {
		if strings.Contains(text, "wrong") {
			return errors.New("it is wrong; write it right")
		}
		return nil
	}
	tests := []struct {
		server, variable string
		elsewhere        bool
		want, err        string
	}{
		{"", "nats://a", false, "nats://a", ""},
		{"nats://b", "nats://a", false, "nats://b", ""},
		{"", "", false, "", `nobody says where the broker is; set the variable NATS_SERVER_URL, such as nats://name:4222, or write "server"`},
		{"", "", true, "nats://name:4222", ""},
		{"wrong", "", false, "", "server: it is wrong"},
		{"", "wrong", false, "", "the variable NATS_SERVER_URL: it is wrong"},
	}
	for _, tt := range tests {
		g := sitetest.New(t)
		g.Env.Getenv = func(name string) string {
			if name != "NATS_SERVER_URL" {
				return ""
			}
			return tt.variable
		}
		g.Env.SkipFiles = tt.elsewhere
		a, err := queue.NewAddress(&g.EndpointSite().Site, "", "topic_url", "mem://", "orders")
		if err != nil {
			t.Fatal(err)
		}
		a.Server = tt.server
		got, err := a.Broker("NATS_SERVER_URL", "nats://name:4222", wrong)
		if got != tt.want || (err != nil) != (tt.err != "") || err != nil && !strings.HasPrefix(err.Error(), tt.err) {
			t.Errorf("%q, %q: %q, %v; want %q, %q", tt.server, tt.variable, got, err, tt.want, tt.err)
		}
	}
}

// opened returns both ends of a queue, opened at the site of an endpoint and started.
func opened(t *testing.T, g *sitetest.Gateway, b *queuetest.Broker) (queue.Publisher, queue.Subscriber) {
	t.Helper()
	s := &g.EndpointSite().Site
	a, err := queue.NewAddress(s, "x", "topic_url", b.Host(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	p, err := queue.OpenPublisher(s, a)
	if err != nil {
		t.Fatal(err)
	}
	sub, err := queue.OpenSubscriber(s, a)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]queue.Lasting{"publisher": p, "subscriber": sub} {
		if err := queue.Attend(s, name, name == "publisher", l); err != nil {
			t.Fatal(err)
		}
	}
	g.Start(t)
	return p, sub
}

// TestAttend: what was opened lives as long as some generation wants it, and health paths
// tell of it.
func TestAttend(t *testing.T) {
	b, g := queuetest.New(t), sitetest.New(t)
	p, _ := opened(t, g, b)
	before := g.Env
	g.Reload(t)
	if again, _ := opened(t, g, b); again != p {
		t.Error("another publisher after the reload")
	}
	if n := b.Logs(); n != 4 {
		t.Errorf("%d logs while two generations are there, want 4", n)
	}
	if err := errors.Join(before.Close(t.Context()), before.Release()); err != nil {
		t.Fatal(err)
	}
	if n, closed := b.Logs(), func() int { _, c := b.Open(); return c }(); n != 2 || closed != 0 {
		t.Errorf("%d logs and %d closed behind the first generation, want 2 and none", n, closed)
	}
	b.Lose(errors.New("cut"))
	for _, h := range g.Env.Health {
		if text, ok := h.State(); text != "connecting" || ok || h.Critical != (h.Name == "publisher") {
			t.Errorf("%s: %q, %t, critical %t", h.Name, text, ok, h.Critical)
		}
	}
	if err := errors.Join(g.Env.Close(t.Context()), g.Env.Release()); err != nil {
		t.Fatal(err)
	}
	if opened, closed := b.Open(); opened != 2 || closed != 2 || b.Logs() != 0 {
		t.Errorf("opened %d, closed %d, %d logs", opened, closed, b.Logs())
	}
}

// memory is the network of a broker in memory.
type memory struct{ *queuetest.Broker }

func (m memory) Cut()     { m.Stop(); m.Restart() }
func (m memory) Stop()    { m.Lose(errors.New("cut")) }
func (m memory) Restart() { m.Return() }
func (m memory) Resume()  { m.Judge(nil) }

func (m memory) Hold() {
	m.Judge(func(ctx context.Context, _ *queue.Message) error { <-ctx.Done(); return ctx.Err() })
}

func (m memory) Connections() int {
	opened, closed := m.Open()
	return opened - closed
}

// TestMemory: the broker of tests does what drivers have to do, and tells what became of
// messages.
func TestMemory(t *testing.T) {
	queuetest.Conform(t, func(t *testing.T) *queuetest.Stand {
		b := queuetest.New(t)
		return &queuetest.Stand{Network: memory{b}, Ends: queuetest.NewEnds(t, nil), Host: b.Host(), Topic: "orders", Queue: "orders"}
	})
	b, g := queuetest.New(t), sitetest.New(t)
	_, sub := opened(t, g, b)
	b.Put("orders", queue.Message{})
	d, err := sub.Receive(t.Context())
	if err != nil || b.Held() != 1 {
		t.Fatalf("received %v, %v; %d held", d, err, b.Held())
	}
	if err := d.Nack(t.Context(), false); err != nil || len(b.Dropped("orders")) != 1 || b.Held() != 0 {
		t.Errorf("dropped %v, %v", b.Dropped("orders"), err)
	}
	if err := d.Ack(t.Context()); err == nil {
		t.Error("a delivery ended twice")
	}
}

// TestFailures: errors are for clients, and tell them nothing of the broker.
func TestFailures(t *testing.T) {
	cause := errors.New("NOT_FOUND at nats://user:pass@internal")
	for _, tt := range []struct {
		err    error
		status int
	}{
		{queue.Refused(cause), 502},
		{queue.Lost(cause), 502},
	} {
		e := gateway.AsError(tt.err)
		if !errors.Is(tt.err, cause) || e.ByCause() != tt.status || strings.Contains(e.Public, "internal") {
			t.Errorf("%v: status %d, public %q", tt.err, e.ByCause(), e.Public)
		}
	}
}

// TestLine: what others say is told in a line.
func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"refused\nof token secret":    "refused",
		strings.Repeat("\u00e9", 300): strings.Repeat("\u00e9", 256),
		strings.Repeat("\u20ac", 300): strings.Repeat("\u20ac", 170),
		"a\xffb":                      "ab",
	} {
		if got := queue.Line(text); got != want {
			t.Errorf("%.20q: %.40q of %d bytes, want %.40q", text, got, len(got), want)
		}
	}
}

// TestBounded: a call has an end, which is that of who has set one.
func TestBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for _, tt := range []struct {
			ctx  context.Context
			want time.Duration
		}{{t.Context(), queue.Patience}, {set, time.Hour}} {
			ctx, cancel := queue.Bounded(tt.ctx)
			if until, limited := ctx.Deadline(); !limited || time.Until(until) != tt.want {
				t.Errorf("it ends in %v, want %v", time.Until(until), tt.want)
			}
			cancel()
		}
		if set.Err() != nil {
			t.Error("that of somebody else has ended")
		}
	})
}
