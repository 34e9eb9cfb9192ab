package gateway_test

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestAlike(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"X-Admin", "X_admin", true},
		{"X_admin", "X-Admin", true},
		{"x-admin", "X-ADMIN", true},
		{"X.admin", "X-Admin", true},
		{"X!admin", "X_Admin", true},
		{"X-Admin", "XAdmin", false},
		{"X-Admin", "X-Admin1", false},
		{"X-Admin", "X-Adnin", false},
		{"X1Admin", "X-Admin", false},
		{"X@", "X`", true}, // signs, and no letters
		{"X[", "X{", true},
		{"", "", true},
	}
	for _, tt := range tests {
		if got := gateway.Alike(tt.a, tt.b); got != tt.want {
			t.Errorf("Alike(%q, %q) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
		if got := gateway.Hyphens(tt.a) == gateway.Hyphens(tt.b); got != tt.want {
			t.Errorf("Hyphens(%q) is %q, Hyphens(%q) is %q: equal %v, want %v", tt.a, gateway.Hyphens(tt.a), tt.b, gateway.Hyphens(tt.b), got, tt.want)
		}
		if plain := gateway.Hyphens(tt.a); !gateway.Plain(plain) {
			t.Errorf("Hyphens(%q) is %q and not plain", tt.a, plain)
		}
	}
}

func TestLone(t *testing.T) {
	line := func(name, value string) gateway.Field { return gateway.Field{Name: name, Value: value} }
	tests := []struct {
		name   string
		fields gateway.Fields
		value  string
		once   bool
	}{
		{"x-api-key", nil, "", true},
		{"x-api-key", gateway.Fields{line("X-Api-Key", "a")}, "a", true},
		{"X-API-KEY", gateway.Fields{line("x-api-key", "a"), line("X-Api", "b")}, "a", true},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", "a"), line("X-Api-Key", "a")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", ""), line("X-Api-Key", "a")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", "a"), line("X_API_KEY", "b")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", "a"), line("x-api_key", "b")}, "", false},
		{"X-Api-Key", gateway.Fields{line("x_api-key", "b")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X_api_key", "")}, "", false},
		{"x_api_key", gateway.Fields{line("x_api_key", "a")}, "a", true},
		{"x_api_key", gateway.Fields{line("x_api_key", "a"), line("X-Api-Key", "b")}, "", false},
		{"x_api-key", gateway.Fields{line("x_api-key", "a"), line("X-Api_Key", "b")}, "", false},
		{"a_b_c_d_e_f_g_h", gateway.Fields{line("A-B-C-D-E-F-G-H", "b")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", "a"), line("X_Api_Key", "")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", "a"), line("X_Api_Key", ""), line("X_Api_Key", "b")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X_Api-Key", ""), line("X-Api-Key", ""), line("X-Api_Key", "")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", "")}, "", true},
		{"a-b-c-d-e-f-g-h", gateway.Fields{line("A_b_c_d_e_f_g_h", ""), line("A-B-C-D-E-F-G-H", "a")}, "", false},
		{"a-b-c-d-e-f-g-h", gateway.Fields{line("a_b_c_d_e_f_g_h", "b")}, "", false},
		{"Authorization", gateway.Fields{line("Authorization", "a"), line("authorization", "b")}, "", false},
		{"X-Api-Key", gateway.Fields{line("X-Api-Key", "a"), line("X.Api~Key", "b")}, "", false},
		{"Authorization", gateway.Fields{line("Authorization", "a"), line("Proxy-Authorization", "b")}, "a", true},
	}
	for _, tt := range tests {
		l := gateway.NewLone(tt.name)
		value, once := l.Value(testx.Request{Header: tt.fields}.Inbound())
		if value != tt.value || once != tt.once {
			t.Errorf("%s of %v: got %q, once %v, want %q, %v", tt.name, tt.fields, value, once, tt.value, tt.once)
		}
	}
}
