package pubsub

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// gatewayOf returns a configuration with an endpoint for each namespace of the package.
func gatewayOf(b *queuetest.Broker, publisher, subscriber string) string {
	return fmt.Sprintf(`{"version": 3, "dialect": "sluice", "endpoints": [
		{"endpoint": "/orders", "method": "POST", "input_headers": ["X-A"], "backend": [{"url_pattern": "/p", "host": [%[1]q],
			"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders"%[2]s}}}]},
		{"endpoint": "/orders", "backend": [{"url_pattern": "/s", "host": [%[1]q],
			"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "orders"%[3]s}}}]}]}`, b.Host(), publisher, subscriber)
}

// TestAttributes: what has passed input_headers is published, the first value of each name,
// with what the gateway adds.
func TestAttributes(t *testing.T) {
	b := queuetest.New(t)
	g := sitetest.New(t).Compile(t, gatewayOf(b, "", ""))
	header := gateway.Fields{{Name: "X-A", Value: "1"}, {Name: "X-A", Value: "2"}, {Name: "X-B", Value: "3"}, {Name: "User-Agent", Value: "x"}}
	if got := sitetest.Ask(t, g, testx.Request{Method: "POST", Path: "/orders", Query: "q=1", Header: header, Body: "hello"}); got.Status != 200 {
		t.Fatal(got)
	}
	ms := b.Queue("orders")
	if len(ms) != 1 || string(ms[0].Body) != "hello" {
		t.Fatalf("published %v", ms)
	}
	var names []string
	for _, f := range ms[0].Attributes {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if want := []string{"User-Agent", "X-A", "X-Forwarded-For", "X-Forwarded-Host"}; !slices.Equal(names, want) || ms[0].Attributes.Get("X-A") != "1" {
		t.Errorf("attributes %v, want %v", ms[0].Attributes, want)
	}
}

// TestOrders: what JetStream would obey does not get from clients to NATS because all headers do.
func TestOrders(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	got := s.Listen(t, "orders")
	for headers, want := range map[string]string{
		`"*"`: "X-A", `"*", "nats-rollup"`: "Nats-Rollup X-A", `"Nats-Msg-Id"`: "Nats-Msg-Id", `"X-A"`: "X-A",
	} {
		g := sitetest.New(t)
		c := g.Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [{"endpoint": "/orders", "method": "POST", "timeout": "1m", "input_headers": [%s],
			"backend": [{"url_pattern": "/p", "host": ["nats://"], "extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "server": %q}}}]}]}`, headers, s.URL))
		testx.Await(t, func() error {
			if text, ok := g.Env.Health[0].State(); !ok {
				return errors.New(text)
			}
			return nil
		})
		header := gateway.Fields{{Name: "Nats-Rollup", Value: "all"}, {Name: "Nats-Msg-Id", Value: "1"}, {Name: "X-A", Value: "1"}}
		if a := sitetest.Ask(t, c, testx.Request{Method: "POST", Path: "/orders", Header: header, Body: "hello"}); a.Status != 200 {
			t.Fatal(a)
		}
		m, err := got.NextMsg(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for name := range m.Header {
			if name != "User-Agent" && !strings.HasPrefix(name, "X-Forwarded-") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if text := strings.Join(names, " "); text != want {
			t.Errorf("input_headers [%s]: %s, want %s", headers, text, want)
		}
	}
}

// TestReload: what was opened lives as long as its options are the same.
func TestReload(t *testing.T) {
	b, g := queuetest.New(t), sitetest.New(t)
	g.Compile(t, gatewayOf(b, "", ""))
	g.Compile(t, gatewayOf(b, `, "success_status_code": 202`, `, "nack_discard": false`))
	if opened, _ := b.Open(); opened != 2 {
		t.Errorf("opened %d behind the first reload, want 2", opened)
	}
	g.Compile(t, gatewayOf(b, `, "max_retries": 3`, ""))
	if opened, _ := b.Open(); opened != 3 {
		t.Errorf("opened %d behind the second one, want 3", opened)
	}
}

// TestHealth: each backend has a state of its own, and the gateway may depend on it.
func TestHealth(t *testing.T) {
	b, g := queuetest.New(t), sitetest.New(t)
	g.Compile(t, gatewayOf(b, `, "critical": true`, ""))
	b.Lose(errors.New("cut"))
	var got []string
	for _, h := range g.Env.Health {
		text, ok := h.State()
		got = append(got, fmt.Sprint(strings.Replace(h.Name, b.Host(), "mem://", 1), " ", h.Critical, " ", text, " ", ok))
	}
	slices.Sort(got)
	want := []string{"mem of GET /orders backend 0 false connecting false", "mem of POST /orders backend 0 true connecting false"}
	if !slices.Equal(got, want) {
		t.Errorf("health %q, want %q", got, want)
	}
}

// TestHead: HEAD neither takes a message nor publishes one.
func TestHead(t *testing.T) {
	b := queuetest.New(t)
	g := sitetest.New(t).Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [
		{"endpoint": "/take", "backend": [{"url_pattern": "/", "host": [%[1]q], "extra_config": {"backend/pubsub/subscriber": {"subscription_url": "orders"}}}]},
		{"endpoint": "/give", "backend": [{"url_pattern": "/", "host": [%[1]q], "extra_config": {"backend/pubsub/publisher": {"topic_url": "orders"}}}]},
		{"endpoint": "/both", "backend": [{"url_pattern": "/", "host": ["http://a"]}, {"url_pattern": "/", "host": [%[1]q], "extra_config": {"backend/pubsub/subscriber": {"subscription_url": "orders"}}}]}]}`, b.Host()))
	b.Put("orders", queue.Message{Body: []byte(`{}`)})
	for _, path := range []string{"/take", "/give", "/both"} {
		for method, want := range map[string]int{"HEAD": 405, "POST": 405} {
			got := sitetest.Ask(t, g, testx.Request{Method: method, Path: path})
			if allow := got.Header.Get("Allow"); got.Status != want || allow != "GET" {
				t.Errorf("%s %s: %d, Allow %q", method, path, got.Status, allow)
			}
		}
		if why := g.Explain("HEAD", path).Candidates; len(why) != 1 || why[0].Wins || !strings.Contains(why[0].Why, "not HEAD") {
			t.Errorf("%s is explained by %+v", path, why)
		}
	}
	if n := len(b.Queue("orders")); n != 1 || b.Held() != 0 {
		t.Errorf("%d messages are there, %d are held", n, b.Held())
	}
	if got := sitetest.Ask(t, g, testx.Request{Path: "/take"}); got.Status != 200 || got.Text != "{}" {
		t.Errorf("GET: %d %q", got.Status, got.Text)
	}
}

// TestNackDiscard: a message of no use is dropped unless the options say otherwise.
func TestNackDiscard(t *testing.T) {
	for options, dropped := range map[string]int{"": 1, `, "nack_discard": true`: 1, `, "nack_discard": false`: 0} {
		b := queuetest.New(t)
		g := sitetest.New(t).Compile(t, gatewayOf(b, "", options))
		b.Put("orders", queue.Message{Body: []byte("garbage")})
		if got := sitetest.Ask(t, g, testx.Request{Path: "/orders"}); got.Status != 502 {
			t.Errorf("%s: %v", options, got)
		}
		if d, q := len(b.Dropped("orders")), len(b.Queue("orders")); d != dropped || q != 1-dropped {
			t.Errorf("%s: %d dropped, %d requeued", options, d, q)
		}
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		namespace, options string
		want               []string // beginnings of problems
	}{
		{"publisher", `topic_url: orders`, nil},
		{"publisher", `{}`, []string{"error topic_url: missing"}},
		{"publisher", `topic_url: ""`, []string{"error topic_url: "}},
		{"publisher", `{topic_url: orders, success_status_code: 300}`, []string{"error success_status_code: must be between 200 and 299"}},
		{"publisher", `{topic_url: orders, backoff_strategy: never}`, []string{"error backoff_strategy: "}},
		{"publisher", `{topic_url: orders, max_retries: -1}`, []string{"error max_retries: "}},
		{"publisher", `{topic_url: "orders?a=1"}`, []string{`error topic_url: unknown parameter "a"; mem:// has none here`}},
		{"publisher", `{topic_url: "{order}"}`, []string{"warning topic_url: placeholders are not filled in here"}},
		{"subscriber", `subscription_url: orders`, nil},
		{"subscriber", `{}`, []string{"error subscription_url: missing"}},
		{"subscriber", `{subscription_url: orders, empty_status_code: 600}`, []string{"error empty_status_code: must be between 200 and 599"}},
		{"subscriber", `{subscription_url: "orders?a=1"}`, []string{`error subscription_url: unknown parameter "a"`}},
	}
	for _, tt := range tests {
		g := sitetest.New(t)
		g.Config.Backend[0].Host = []string{queuetest.New(t).Host()}
		got := sitetest.Problems(g.Backend(t, "backend/pubsub/"+tt.namespace, tt.options))
		if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", tt.options, got, tt.want)
		}
	}
}

// TestConcurrentCalls: that a message is published several times is told.
func TestConcurrentCalls(t *testing.T) {
	g := sitetest.New(t)
	g.Config.Backend[0].Host, g.Config.ConcurrentCalls = []string{queuetest.New(t).Host()}, 3
	got := sitetest.Problems(g.Backend(t, "backend/pubsub/publisher", `topic_url: orders`))
	if len(got) != 1 || !strings.Contains(got[0], "for each of 3 concurrent_calls") {
		t.Errorf("problems %q", got)
	}
}

// TestOrdersJudged: that orders are left out is told, where they might come.
func TestOrdersJudged(t *testing.T) {
	for list, want := range map[string]int{"*": 1, "X-A": 0} {
		g := sitetest.New(t)
		g.Config.Backend[0].Host, g.Config.InputHeaders = []string{"nats://"}, []string{list}
		got := sitetest.Problems(g.Backend(t, "backend/pubsub/publisher", `{topic_url: orders, server: "nats://127.0.0.1:1"}`))
		if len(got) != want || want > 0 && !strings.Contains(got[0], "begin with Nats- are orders to JetStream") {
			t.Errorf("%s: problems %q", list, got)
		}
	}
}

// TestNull: of null in the place of the options that is said alone, and nothing of the host.
func TestNull(t *testing.T) {
	for _, dialect := range []string{"krakend", "sluice"} {
		_, problems := sitetest.New(t).Check(t, `{"version": 3, "dialect": "`+dialect+`", "endpoints": [{"endpoint": "/x", "method": "POST",
			"backend": [{"url_pattern": "/", "host": ["nats://"], "extra_config": {"backend/pubsub/publisher": null}}]}]}`)
		if len(problems) != 1 || problems[0].Severity != config.Error || !strings.Contains(problems[0].Error(), "null is no options; write the options that are meant") {
			t.Errorf("%s:\n%s", dialect, config.Format(problems))
		}
	}
}
