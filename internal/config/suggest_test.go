package config_test

import (
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestSuggest(t *testing.T) {
	known := []string{"max_errors", "max_error_age", "interval", "role", "roles", "timeout", "url", "qos/ratelimit/router", "größe", strings.Repeat("a", 4<<20) + "b", strings.Repeat("c", 300)}
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
		{strings.Repeat("a", 4<<20), ""}, // which the whole table of distances would take minutes for
		{strings.Repeat("b", 1<<20), ""},
	}
	for _, tt := range tests {
		got, found := config.Suggest(tt.word, known)
		if got != tt.want || found != (tt.want != "") {
			t.Errorf("Suggest(%q) = %q, %v; want %q", tt.word, got, found, tt.want)
		}
	}
}

func TestNear(t *testing.T) {
	tests := []struct {
		word, name string
		want       bool
	}{
		{"extra_config", "extra_config", true},
		{"Extra-Config", "extra_config", true},
		{"extraConfig", "extra_config", true},
		{" extra config", "extra_config", true},
		{"extra_confi", "extra_config", true},
		{"extra_cofnig", "extra_config", true},
		{"extra_conf", "extra_config", false},
		{"exträ_config", "extra_config", true},
		{"alow", "allow", true},
		{"allowed", "allow", false},
		{"alowed", "allow", false},
		{"dny", "deny", true},
		{"tls", "tls", true},
		{"T_L_S", "tls", true},
		{"tsl", "tls", true},
		{"lts", "tls", true},
		{"slt", "tls", false},
		{"ttls", "tls", false},
		{"tl", "tls", false},
		{"als", "tls", false},
		{"", "tls", false},
		{"---", "", false},
	}
	for _, tt := range tests {
		if got := config.Near(tt.word, tt.name); got != tt.want {
			t.Errorf("Near(%q, %q) = %v", tt.word, tt.name, got)
		}
	}
}
