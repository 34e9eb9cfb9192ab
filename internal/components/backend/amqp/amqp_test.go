package amqp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// ready waits until all that a gateway depends on is there.
func ready(t *testing.T, g *sitetest.Gateway) {
	t.Helper()
	testx.Await(t, func() error {
		for _, h := range g.Env.Health {
			if text, ok := h.State(); !ok {
				return fmt.Errorf("%s: %s\n%s", h.Name, text, g.Log.String())
			}
		}
		return nil
	})
}

// producing returns what asks an endpoint whose backend is a producer.
func producing(t *testing.T, s *amqptest.Server, dialect, endpoint, options string) (g *sitetest.Gateway, ask func(r testx.Request) sitetest.Answer) {
	t.Helper()
	g = sitetest.New(t)
	generation := g.Compile(t, fmt.Sprintf(`{"version": 3, "dialect": %q, "endpoints": [{"method": "POST", "timeout": "1m", %s,
		"backend": [{"url_pattern": "/p", "host": [%q], "extra_config": {"backend/amqp/producer": {%s}}}]}]}`, dialect, endpoint, s.URL, options))
	ready(t, g)
	return g, func(r testx.Request) sitetest.Answer {
		t.Helper()
		r.Method = "POST"
		return sitetest.Ask(t, generation, r)
	}
}

// TestProperties: what a message has comes from the parameters of the path, whatever the case
// of the first letter of their names, and from the header.
func TestProperties(t *testing.T) {
	s := amqptest.Start(t)
	take := s.Queue(t, "properties", "properties")
	const names = `"name": "q", "exchange": "properties", "durable": true, "exp_key": "A", "reply_to_key": "b", "msg_id_key": "Id", "priority_key": "Prio", "routing_key": "Route"`
	const endpoint = `"endpoint": "/prod/{a}/{b}/{id}/{prio}/{Route}", "input_headers": ["X-Foo", "Content-Type"]`
	_, ask := producing(t, s, "krakend", endpoint, names)
	header := gateway.Fields{{Name: "X-Foo", Value: "bar"}, {Name: "X-Foo", Value: "baz"}, {Name: "X-Other", Value: "1"}, {Name: "Content-Type", Value: "text/plain"}}
	got := ask(testx.Request{Path: "/prod/60000/replyq/id1/5/my.route", Header: header, Body: "hello"})
	if got.Status != 200 || got.Text != "null" || got.Header.Get("X-Krakend-Completed") != "true" {
		t.Fatalf("got %d %q, %v", got.Status, got.Text, got.Err)
	}
	d := take()
	if d == nil || string(d.Body) != "hello" || d.RoutingKey != "my.route" || d.Expiration != "60000" || d.ReplyTo != "replyq" || d.MessageId != "id1" ||
		d.Priority != 5 || d.ContentType != "text/plain" || d.DeliveryMode != client.Persistent || d.Timestamp.IsZero() {
		t.Errorf("published %+v", d)
	}
	if fmt.Sprint(d.Headers["X-Foo"], d.Headers["Content-Type"], d.Headers["X-Other"]) != "[bar baz] [text/plain] <nil>" {
		t.Errorf("headers %v", d.Headers)
	}
	for _, name := range []string{"User-Agent", "X-Forwarded-For", "X-Forwarded-Host"} {
		if values, _ := d.Headers[name].([]any); len(values) != 1 {
			t.Errorf("header %s: %v", name, d.Headers[name])
		}
	}

	if got := ask(testx.Request{Path: "/prod/soon/r/i/5/k", Body: "x"}); got.Status != 400 {
		t.Errorf("an expiration that is none: %d", got.Status)
	}
	if got := ask(testx.Request{Path: "/prod/-1/r/i/5/k", Body: "x"}); got.Status != 400 {
		t.Errorf("a negative expiration: %d", got.Status)
	}
	if got := ask(testx.Request{Path: "/prod/1000/r/i/5/" + strings.Repeat("x", 256), Body: "x"}); got.Status != 400 {
		t.Errorf("a long routing key: %d", got.Status)
	}
	for _, priority := range []string{"high", "256", "-1"} {
		if got := ask(testx.Request{Path: "/prod/60000/r/i/" + priority + "/k"}); got.Status != 200 {
			t.Errorf("priority %s: %d %v", priority, got.Status, got.Err)
		}
		if d := take(); d == nil || d.Priority != 0 || len(d.Body) != 0 {
			t.Errorf("priority %s: %+v", priority, d)
		}
	}
}

// TestContentType: the property comes from the header, which passes where nothing is said of
// headers, or by its name.
func TestContentType(t *testing.T) {
	s := amqptest.Start(t)
	take := s.Queue(t, "types", "types")
	for list, want := range map[string]string{"": "text/plain", `, "input_headers": ["X-Foo"]`: "", `, "input_headers": ["content-type"]`: "text/plain"} {
		_, ask := producing(t, s, "krakend", `"endpoint": "/x"`+list, `"name": "q", "exchange": "types", "durable": true, "routing_key": "k", "static_routing_key": true`)
		if got := ask(testx.Request{Path: "/x", Header: gateway.Fields{{Name: "X-Other", Value: "1"}, {Name: "Content-Type", Value: "text/plain"}}, Body: "hello"}); got.Status != 200 {
			t.Fatalf("%q: %d, %v", list, got.Status, got.Err)
		}
		if d := take(); d == nil || d.ContentType != want || d.Headers["X-Other"] != nil {
			t.Errorf("%q: %+v, want the type %q", list, d, want)
		}
	}
}

// TestKeys: where the routing key comes from, and whether a message is kept.
func TestKeys(t *testing.T) {
	s := amqptest.Start(t)
	take := s.Queue(t, "keys", "keys")
	const names = `"name": "q", "exchange": "keys", "durable": true, `
	for _, tt := range []struct {
		options, key string
		persistent   bool
	}{
		{`"routing_key": "a.b", "static_routing_key": true`, "a.b", true},
		{`"routing_key": "a.b"`, "", true},
		{`"routing_key": ""`, "", true},
		{`"routing_key": "Id", "persistent": false`, "7", false},
		{`"routing_key": "id", "static_routing_key": true, "persistent": true`, "id", true},
	} {
		_, ask := producing(t, s, "krakend", `"endpoint": "/x/{id}"`, names+tt.options)
		if got := ask(testx.Request{Path: "/x/7"}); got.Status != 200 {
			t.Fatalf("%s: %d, %v", tt.options, got.Status, got.Err)
		}
		if d := take(); d == nil || d.RoutingKey != tt.key || (d.DeliveryMode == client.Persistent) != tt.persistent {
			t.Errorf("%s: %+v", tt.options, d)
		}
	}
}

// TestUnroutable: what gets to no queue is a failure where it is mandatory; declare_queue
// makes the queue.
func TestUnroutable(t *testing.T) {
	s := amqptest.Start(t)
	const names = `"durable": true, "routing_key": "orders.created", "static_routing_key": true, `
	for _, tt := range []struct {
		dialect, options string
		status, waiting  int
	}{
		{"krakend", `"name": "none", "exchange": "unbound1"`, 200, 0},
		{"krakend", `"name": "none", "exchange": "unbound1", "mandatory": true`, 500, 0},
		{"sluice", `"name": "none", "exchange": "unbound1", "mandatory": true`, 502, 0},
		{"sluice", `"name": "made", "exchange": "unbound2", "mandatory": true, "declare_queue": true, "success_status_code": 201`, 201, 1},
		{"sluice", `"name": "gone", "exchange": "unbound4", "mandatory": true, "declare_queue": true, "delete": true, "no_wait": true`, 200, 0},
	} {
		_, ask := producing(t, s, tt.dialect, `"endpoint": "/x"`, names+tt.options)
		if got := ask(testx.Request{Path: "/x"}); got.Status != tt.status {
			t.Errorf("%s: %d, %v; want %d", tt.options, got.Status, got.Err, tt.status)
		}
		if tt.waiting > 0 && s.Count(t, "made") != tt.waiting {
			t.Errorf("%s: %d messages wait, want %d", tt.options, s.Count(t, "made"), tt.waiting)
		}
	}
	_, ask := producing(t, s, "sluice", `"endpoint": "/x/{id}"`, `"name": "any", "exchange": "unbound3", "routing_key": "id", "mandatory": true, "declare_queue": true`)
	if got := ask(testx.Request{Path: "/x/some.key"}); got.Status != 200 {
		t.Errorf("by any key: %d, %v", got.Status, got.Err)
	}
}

// TestNobodyPublishes: what RabbitMQ does with options that the check warns of.
func TestNobodyPublishes(t *testing.T) {
	s := amqptest.Start(t)
	for _, option := range []string{"exclusive", "immediate"} {
		g, ask := producing(t, s, "krakend", `"endpoint": "/x"`, fmt.Sprintf(`"name": "q", "exchange": "nobody-%[1]s", "routing_key": "k", "static_routing_key": true, %[1]q: true`, option))
		if got := ask(testx.Request{Path: "/x"}); got.Status != 500 {
			t.Errorf("%s: %d %v", option, got.Status, got.Err)
		}
		ready(t, g)
	}
}

// TestConsume: a message is decoded, shaped and acknowledged, and what cannot be decoded ends
// as the options say.
func TestConsume(t *testing.T) {
	for i, tt := range []struct {
		backend, options, message string
		status                    int
		text                      string
		left                      int
	}{
		{`"allow": ["id"],`, "", `{"id":1,"x":2}`, 200, `{"id":1}`, 0},
		{`"is_collection": true,`, "", `[1]`, 200, `{"collection":[1]}`, 0},
		{`"encoding": "string",`, "", `hello`, 200, `{"content":"hello"}`, 0},
		{"", "", `[1]`, 500, "", 1},
		{"", `, "nack_discard": true`, `[1]`, 500, "", 0},
		{"", `, "auto_ack": true`, `[1]`, 500, "", 0},
		{"", `, "auto_ack": true`, `{"id":1}`, 200, `{"id":1}`, 0},
	} {
		s := amqptest.Start(t)
		name := fmt.Sprint("consume", i)
		g := sitetest.New(t)
		generation := g.Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [{"endpoint": "/x", "timeout": "1m",
			"backend": [{"url_pattern": "/c", "host": [%q], %s "extra_config": {"backend/amqp/consumer":
				{"name": %[3]q, "exchange": %[3]q, "routing_key": ["#"], "durable": true, "prefetch_count": 1 %[4]s}}}]}]}`, s.URL, tt.backend, name, tt.options))
		ready(t, g)
		s.Put(t, name, client.Publishing{Body: []byte(tt.message)}, client.Publishing{Body: []byte("next")})
		for range 1 + tt.left { // what goes back fails each request
			if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Status != tt.status || got.Text != tt.text {
				t.Errorf("%s %s: got %d %q, %v; want %d %q", tt.backend, tt.options, got.Status, got.Text, got.Err, tt.status, tt.text)
			}
		}
		left := func(want int) {
			t.Helper()
			testx.Await(t, func() error {
				if n := s.Count(t, name); n != want {
					return fmt.Errorf("%s %s: %d messages are left, want %d", tt.backend, tt.options, n, want)
				}
				return nil
			})
		}
		left(tt.left) // once the broker has heard, the next is sent ahead
		s.Stop()
		left(tt.left + 1)
	}
}

// TestConcurrentCalls: one message is taken for a request.
func TestConcurrentCalls(t *testing.T) {
	s := amqptest.Start(t)
	g := sitetest.New(t)
	generation := g.Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [{"endpoint": "/x", "timeout": "1m", "concurrent_calls": 3,
		"backend": [{"url_pattern": "/c", "host": [%q], "extra_config": {"backend/amqp/consumer": {"name": "once", "exchange": "once", "routing_key": ["#"]}}}]}]}`, s.URL))
	ready(t, g)
	const n = 30
	for i := range n {
		s.Put(t, "once", client.Publishing{Body: fmt.Appendf(nil, `{"id":%d}`, i)})
	}
	for i := range n {
		if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Text != fmt.Sprintf(`{"id":%d}`, i) {
			t.Fatalf("message %d: %d %s, %v", i, got.Status, got.Text, got.Err)
		}
	}
}

// TestTopology: exchange and queue are declared, and bound by each key.
func TestTopology(t *testing.T) {
	s := amqptest.Start(t)
	g := sitetest.New(t)
	generation := g.Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [{"endpoint": "/x", "timeout": "1m",
		"backend": [{"url_pattern": "/c", "host": [%q, "amqp://elsewhere"], "extra_config": {"backend/amqp/consumer": {"name": "bound", "exchange": "topology", "routing_key": ["a.*", "b"], "delete": true, "no_wait": true, "no_local": true}}}]}]}`, s.URL))
	ready(t, g)
	testx.Await(t, func() error { // which nobody waits for
		ch := s.Channel(t)
		for _, key := range []string{"a.x", "b", "c", "a.x.y"} {
			word, err := ch.PublishWithDeferredConfirm("topology", key, false, false, client.Publishing{Body: []byte(`{"key":"` + key + `"}`)})
			if err != nil || word != nil {
				return fmt.Errorf("%v, %v", word, err)
			}
		}
		return nil
	})
	var got []string
	for range 2 {
		got = append(got, sitetest.Ask(t, generation, testx.Request{Path: "/x"}).Text)
	}
	if want := []string{`{"key":"a.x"}`, `{"key":"b"}`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := s.Count(t, "bound"); n != 0 {
		t.Errorf("%d more messages", n)
	}
}

// TestExclusive: the queue is for the gateway alone.
func TestExclusive(t *testing.T) {
	s := amqptest.Start(t)
	g := sitetest.New(t)
	g.Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [{"endpoint": "/x", "backend": [{"url_pattern": "/c", "host": [%q],
		"extra_config": {"backend/amqp/consumer": {"name": "mine", "exchange": "mine", "routing_key": ["#"], "exclusive": true}}}]}]}`, s.URL))
	ready(t, g)
	_, err := s.Channel(t).QueueDeclarePassive("mine", false, false, true, false, nil)
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != client.ResourceLocked {
		t.Errorf("for another connection: %v", err)
	}
}

// TestRetries: attempts end as the options say, and begin anew when somebody asks.
func TestRetries(t *testing.T) {
	const retries = `"name": "q", "exchange": "e", "max_retries": 1, "backoff_strategy": "linear"`
	for namespace, options := range map[string]string{
		"backend/amqp/producer": retries + `, "routing_key": "k", "static_routing_key": true`,
		"backend/amqp/consumer": retries + `, "routing_key": ["#"]`,
	} {
		g := sitetest.New(t)
		generation := g.Compile(t, fmt.Sprintf(`{"version": 3, "endpoints": [{"endpoint": "/x", "timeout": "1m",
			"backend": [{"url_pattern": "/p", "host": ["amqp://user:secret@%s"], "extra_config": {%q: {%s}}}]}]}`, testx.UnusedAddress(t), namespace, options))
		failed := func() {
			t.Helper()
			testx.Await(t, func() error {
				if text, _ := g.Env.Health[0].State(); text != "failed" {
					return errors.New(text)
				}
				return nil
			})
		}
		failed()
		if got := sitetest.Ask(t, generation, testx.Request{Path: "/x"}); got.Status != 500 {
			t.Errorf("%s: %d", namespace, got.Status)
		}
		failed()
		testx.Await(t, func() error { // it is said behind the state
			if log := g.Log.String(); !strings.Contains(log, "is tried once a minute or when it is asked for") {
				return errors.New(log)
			}
			return nil
		})
		if log := g.Log.String(); strings.Contains(log, "secret") {
			t.Errorf("%s: log:\n%s", namespace, log)
		}
	}
}

func TestOptions(t *testing.T) {
	const c, p = `name: q, exchange: e, routing_key: ["#"]`, `name: q, exchange: e, routing_key: Id`
	tests := []struct {
		namespace, options string
		want               []string // beginnings of problems
	}{
		{"consumer", c, nil},
		{"consumer", c + `, max_retries: -1, prefetch_count: 0`, nil},
		{"consumer", `name: q`, []string{"error exchange: missing", "error routing_key: missing"}},
		{"consumer", `name: "", exchange: e, routing_key: []`, []string{"error name: "}},
		{"consumer", c + `, prefetch_count: 70000`, []string{"error prefetch_count: must be between 0 and 65535"}},
		{"consumer", c + `, prefetch_size: 1024`, []string{"warning prefetch_size: RabbitMQ takes no such limit"}},
		{"consumer", c + `, backoff_strategy: sometimes`, []string{"error backoff_strategy: "}},
		{"consumer", c + `, backoff_strategy: Exponential-Jitter`, []string{`warning backoff_strategy: `}},
		{"consumer", c + `, empty_status_code: 100`, []string{"error empty_status_code: must be between 200 and 599"}},
		{"consumer", c + `, client_tls: {min_version: TLS13}`, []string{"error client_tls: the address is one without TLS; write amqps://"}},
		{"producer", p + `, client_tls: {min_version: TLS13}`, []string{"error client_tls: the address is one without TLS; write amqps://"}},
		{"producer", p, nil},
		{"producer", p + `, static_routing_key: true`, nil},
		{"producer", `name: q, exchange: e`, []string{"error routing_key: missing"}},
		{"producer", `name: q, exchange: e, routing_key: orders`, []string{`warning routing_key: "orders" names no parameter of the endpoint, so nothing is sent for it; write the name of one, without braces, or static_routing_key`}},
		{"producer", p + `, exp_key: Ttl`, []string{`warning exp_key: "Ttl" names no parameter`}},
		{"producer", p + `, msg_id_key: JWT.sub, reply_to_key: input_headers.X-Reply`, nil},
		{"producer", `name: q, exchange: "e{id}", routing_key: k, static_routing_key: true`, []string{"warning exchange: placeholders are not filled in here; write the name as it is"}},
		{"producer", `name: q, routing_key: k, static_routing_key: true, exchange: ` + strings.Repeat("e", 256), []string{"error exchange: it has 256 bytes, and names and keys of a broker have 255 at most"}},
		{"producer", `name: q, exchange: e, static_routing_key: true, routing_key: ` + strings.Repeat("k", 256), []string{"error routing_key: it has 256 bytes"}},
		{"consumer", `exchange: e, name: ` + strings.Repeat("q", 256) + `, routing_key: [k, ` + strings.Repeat("k", 256) + `]`, []string{"error name: it has 256 bytes", "error routing_key[1]: it has 256 bytes"}},
		{"producer", `name: q, exchange: e, routing_key: "o.{id}", static_routing_key: true`, []string{"warning routing_key: placeholders are not filled in here"}},
		{"producer", `name: q, exchange: amq.orders, routing_key: Id`, []string{"warning exchange: RabbitMQ refuses to declare a name that begins with amq.; write another one"}},
		{"producer", `name: q, exchange: amq.topic, durable: true, routing_key: Id`, nil},
		{"consumer", `name: amq.q, exchange: e, routing_key: ["#"]`, []string{"warning name: RabbitMQ refuses to declare"}},
		{"producer", p + `, exclusive: true`, []string{"warning exclusive: the exchange is declared as internal"}},
		{"producer", p + `, immediate: true`, []string{"warning immediate: RabbitMQ does not know it"}},
		{"producer", p + `, no_local: true, prefetch_count: 1, prefetch_size: 1`, []string{"warning no_local: nothing is sent to a producer", "warning prefetch_count: ", "warning prefetch_size: "}},
		{"producer", p + `, success_status_code: 302`, []string{"error success_status_code: must be between 200 and 299"}},
		{"producer", p + `, backoff_strategy: sometimes`, []string{"error backoff_strategy: "}},
	}
	for _, tt := range tests {
		g := sitetest.New(t)
		g.Config.Endpoint = "/x/{id}"
		g.Config.Backend[0].Host = []string{"amqp://user:secret@a"}
		got := sitetest.Problems(g.Backend(t, "backend/amqp/"+tt.namespace, "{"+tt.options+"}"))
		if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want %q", tt.options, got, tt.want)
		}
	}
}

// TestHosts: what is no address of a broker is told without secrets.
func TestHosts(t *testing.T) {
	for host, want := range map[string]string{
		"amqps://user:secret@a/v":  "",
		"http://user:secret@a":     "the scheme of a broker is amqp or amqps",
		"user:secret@a":            "the scheme of a broker is amqp or amqps",
		"amqp://user:se%cret@a":    "it is no address of a broker",
		"amqps://a?cafile=/secret": "a parameter is unknown, or a part of a password; there are auth_mechanism,",
	} {
		if _, err := hosts.Read(host); want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v, want %q", host, err, want)
		}
	}
}
