package config_test

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestSuggest(t *testing.T) {
	known := []string{"max_errors", "max_error_age", "interval", "role", "roles", "timeout", "url", "qos/ratelimit/router", "größe"}
	tests := []struct{ word, want string }{
		{"max_erors", "max_errors"},
		{"maxErrors", "max_errors"},
		{"MAX-ERRORS", "max_errors"},
		{"timeuot", "timeout"},
		{"rol", "role"},
		{"rolse", "role"},
		{"intervall", "interval"},
		{"ulr", "url"},
		{"ratelimit/router", ""},
		{"qos/ratelimit/proxy", ""},
		{"qos/ratelimit/routr", "qos/ratelimit/router"},
		{"groesse", ""},
		{"große", "größe"},
		{"x", ""},
		{"ab", ""},
		{"", ""},
		{"something", ""},
	}
	for _, tt := range tests {
		got, found := config.Suggest(tt.word, known)
		if got != tt.want || found != (tt.want != "") {
			t.Errorf("Suggest(%q) = %q, %v; want %q", tt.word, got, found, tt.want)
		}
	}
}
