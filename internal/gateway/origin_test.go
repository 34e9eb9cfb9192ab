package gateway_test

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

func TestOriginOf(t *testing.T) {
	for _, tt := range []struct {
		scheme, authority string
		want              gateway.Origin
	}{
		{"http", "a.test", gateway.Origin{"http", "a.test", "80"}},
		{"HTTPS", "A.Test.", gateway.Origin{"https", "a.test", "443"}},
		{"wss", "a.test", gateway.Origin{"wss", "a.test", "443"}},
		{"http", "a.test:8080", gateway.Origin{"http", "a.test", "8080"}},
		{"http", "[2001:DB8::1]", gateway.Origin{"http", "2001:db8::1", "80"}},
		{"https", "[::1]:8443", gateway.Origin{"https", "::1", "8443"}},
		{"http", "\u0130p.test", gateway.Origin{"http", "\u0130p.test", "80"}}, // not an i
	} {
		if got := gateway.OriginOf(tt.scheme, tt.authority); got != tt.want {
			t.Errorf("OriginOf(%q, %q) = %v, want %v", tt.scheme, tt.authority, got, tt.want)
		}
	}
}
