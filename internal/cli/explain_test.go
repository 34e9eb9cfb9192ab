package cli

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// crossing is a configuration whose routes meet.
const crossing = `version: 3
dialect: sluice
host: [http://shop:8000]
extra_config:
  security/cors: {allow_origins: ["https://shop.example.com"]}
endpoints:
  - endpoint: /v1/*
    output_encoding: no-op
    backend: [{url_pattern: /}]
  - endpoint: /v1/{kind}/{id}
    backend: [{url_pattern: /any}]
  - endpoint: /v1/users/{id}
    timeout: 5s
    concurrent_calls: 3
    extra_config:
      qos/ratelimit/router: {max_rate: 10}
      proxy: {sequential: true}
    backend:
      - url_pattern: /users/{id}
        host: [http://users-1:8000, http://users-2:8000]
        extra_config:
          qos/circuit-breaker: {interval: 60, timeout: 10, max_errors: 3}
      - url_pattern: /orders/{resp0_account}
        allow: [id, pieces]
        group: orders
      - url_pattern: /audit
        extra_config: {proxy: {shadow: true}}
  - endpoint: /status
    backend: [{url_pattern: /status}]
  - endpoint: /v1/users/{name}
    method: DELETE
    backend: [{url_pattern: "/users/{name}"}]
`

// taking is a configuration with an agent.
const taking = `version: 3
dialect: sluice
async_agent:
  - name: orders
    consumer: {topic: "orders.*", workers: 4, max_rate: 100, timeout: 5s}
    backend: [{url_pattern: /orders, method: POST, host: [http://orders:8000]}]
    extra_config:
      async/amqp: {host: "amqp://guest:secret@queue:5672/", exchange: shop, name: orders, max_deliveries: 10, dead_letter_exchange: failed}
  - name: sums
    consumer: {topic: "#"}
    backend: [{url_pattern: /sums, method: POST, host: [http://sums:8000]}]
    extra_config:
      async/amqp: {host: "amqp://queue/", exchange: shop, name: sums, auto_ack: true}
`

// connecting is a configuration whose backends are called otherwise than a host is by its path.
const connecting = `version: 3
dialect: sluice
endpoints:
  - endpoint: /orders/{region}
    backend:
      - url_pattern: /published
        host: ["nats://"]
        extra_config: {backend/pubsub/publisher: {topic_url: "${env:SUBJECT}", server: "nats://gateway:secret@nats:4222"}}
      - url_pattern: /taken
        host: ["nats://people."]
        extra_config: {backend/pubsub/subscriber: {subscription_url: "joined?queue=gateways", server: "nats://gateway:secret@nats:4222"}}
      - url_pattern: /produced
        host: ["amqp://gateway:secret@queue:5672/"]
        extra_config: {backend/amqp/producer: {name: orders, exchange: shop, routing_key: Region}}
      - url_pattern: /keyed
        host: ["amqp://gateway:secret@queue:5672/"]
        extra_config: {backend/amqp/producer: {name: orders, exchange: shop, routing_key: eu, static_routing_key: true}}
      - url_pattern: /consumed
        host: ["amqps://gateway:secret@queue/shop"]
        extra_config: {backend/amqp/consumer: {name: orders, exchange: shop, routing_key: [eu, us]}}
      - url_pattern: /graphql
        host: ["http://people:8000"]
        extra_config: {backend/graphql: {type: query, query: "query Who { who }", operationName: Who}}
`

// TestExplainConnectors says what is called in the place of a path, and shows no secret.
func TestExplainConnectors(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SUBJECT", "orders.created")
	write(t, "connecting.yaml", connecting)
	got := invoke(t, "explain", "-c", "connecting.yaml", "/orders/eu")
	if got.code != 0 || strings.Contains(got.stdout+got.stderr, "secret") {
		t.Errorf("exit code %d, standard error %q", got.code, got.stderr)
	}
	testx.Golden(t, filepath.Join(testdata, "explain-connectors.txt"), got.stdout)
}

// TestExplain says which route wins, why, and what it does.
func TestExplain(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "crossing.yaml", crossing)
	tests := []struct {
		golden string
		args   []string
		code   int
		stderr string
	}{
		{"explain-wins.txt", []string{"/v1/users/7?full=1"}, 0, ""},
		{"explain-method.txt", []string{"delete", "/v1/users/7"}, 0, ""},
		{"explain-wildcard.txt", []string{"GET", "/v1/a/b/c"}, 0, ""},
		{"explain-redirect.txt", []string{"/status/"}, 0, ""},
		{"explain-405.txt", []string{"PUT", "/v1/users/7"}, 1, "sluice: no endpoint answers PUT /v1/users/7\n"},
		{"explain-own.txt", []string{"/__health"}, 0, ""},
		{"explain-404.txt", []string{"/v2"}, 1, "sluice: no endpoint answers GET /v2\n"},
		{"explain-url.txt", []string{"post", "https://shop.example.com:8443/v1/user/7/orders?full=1#top"}, 1,
			"sluice: no endpoint answers POST https://shop.example.com:8443/v1/user/7/orders?full=1\n"},
		{"explain-near.json", []string{"/statsu", "--format", "json"}, 1, "sluice: no endpoint answers GET /statsu\n"},
		{"explain-wins.json", []string{"HTTP://shop.example.com/v1/users/7?full=1#top", "--format=json"}, 0, ""},
	}
	for _, tt := range tests {
		got := invoke(t, append([]string{"explain", "-c", "crossing.yaml"}, tt.args...)...)
		if got.code != tt.code || got.stderr != tt.stderr {
			t.Errorf("%q: exit code %d, standard error %q; want %d and %q", tt.args, got.code, got.stderr, tt.code, tt.stderr)
		}
		testx.Golden(t, filepath.Join(testdata, tt.golden), got.stdout)
	}
}

// TestExplainAgents says what an agent takes, how fast, and what becomes of it.
func TestExplainAgents(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "taking.yaml", taking)
	for _, name := range []string{"orders", "sums"} {
		got := invoke(t, "explain", "-c", "taking.yaml", name)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%s: exit code %d, standard error %q", name, got.code, got.stderr)
		}
		testx.Golden(t, filepath.Join(testdata, "explain-agent-"+name+".txt"), got.stdout)
	}
	got := invoke(t, "explain", "-c", "taking.yaml", "orders", "--format", "json")
	if got.code != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	testx.Golden(t, filepath.Join(testdata, "explain-agent-orders.json"), got.stdout)
	for _, args := range [][]string{{"nobody"}, {"--send", "orders"}, {"POST", "orders"}} {
		got := invoke(t, append([]string{"explain", "-c", "taking.yaml"}, args...)...)
		if got.code != 2 || got.stdout != "" || !strings.Contains(got.stderr, "is no path") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

// TestExplainErrors reports what is wrong instead of explaining half of it.
func TestExplainErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "faulty.yaml", faulty["faulty.yaml"])
	got := invoke(t, "explain", "-c", "faulty.yaml", "/no-op")
	if got.code != 1 || got.stdout != "" || !strings.HasPrefix(got.stderr, "faulty.yaml:6:") {
		t.Errorf("%+v", got)
	}
}
