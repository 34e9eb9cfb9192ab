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
		{"explain-redirect.txt", []string{"/status/"}, 1, "sluice: no endpoint answers GET /status/\n"},
		{"explain-405.txt", []string{"PUT", "/v1/users/7"}, 1, "sluice: no endpoint answers PUT /v1/users/7\n"},
		{"explain-own.txt", []string{"/__health"}, 0, ""},
		{"explain-404.txt", []string{"/v2"}, 1, "sluice: no endpoint answers GET /v2\n"},
	}
	for _, tt := range tests {
		got := invoke(t, append([]string{"explain", "-c", "crossing.yaml"}, tt.args...)...)
		if got.code != tt.code || got.stderr != tt.stderr {
			t.Errorf("%q: exit code %d, standard error %q; want %d and %q", tt.args, got.code, got.stderr, tt.code, tt.stderr)
		}
		testx.Golden(t, filepath.Join(testdata, tt.golden), got.stdout)
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
