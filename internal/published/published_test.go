package published

import "testing"

func TestScopes(t *testing.T) {
	tests := []struct {
		scope, namespace, key, since string
	}{
		{"service", Core, "port", "v2.1"},
		{"endpoint", "auth/validator", "alg", "v2.1"},
		{"backend", "qos/circuit-breaker", "max_errors", "v2.1"},
		{"service", "redis", "", "v2.8"},
	}
	for _, tt := range tests {
		n, ok := Scopes()[tt.scope][tt.namespace]
		if !ok {
			t.Errorf("%s %s is missing", tt.scope, tt.namespace)
			continue
		}
		since := n.Since
		if tt.key != "" {
			since = n.Keys[tt.key].Since
		}
		if since != tt.since {
			t.Errorf("%s %s %s since %q, want %q", tt.scope, tt.namespace, tt.key, since, tt.since)
		}
	}
}

func TestCurrent(t *testing.T) {
	for name, want := range map[string]string{
		"github.com/devopsfaith/krakend-cors": "security/cors",
		"github_com/devopsfaith/krakend-cors": "security/cors",
		"gitlab.com/devopsfaith/krakend-cors": "gitlab.com/devopsfaith/krakend-cors",
		"security/cors":                       "security/cors",
	} {
		if got := Current(name); got != want {
			t.Errorf("Current(%q) = %q, want %q", name, got, want)
		}
	}
	if !Has("service", "github_com/devopsfaith/bloomfilter") || Has("endpoint", "github_com/devopsfaith/bloomfilter") {
		t.Error("old names are not found where the new ones are")
	}
}

func TestHas(t *testing.T) {
	tests := []struct {
		scope, name string
		want        bool
	}{
		{"endpoint", "auth/basic", true},
		{"backend", "auth/basic", false},
		{"endpoint", "websocket", true},
		{"service", Core, false},
		{"service", "auth/nothing", false},
	}
	for _, tt := range tests {
		if got := Has(tt.scope, tt.name); got != tt.want {
			t.Errorf("Has(%q, %q) = %v, want %v", tt.scope, tt.name, got, tt.want)
		}
	}
}
