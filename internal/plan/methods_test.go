package plan

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

func TestLacks(t *testing.T) {
	tests := []struct {
		open, guarded string // extra_config
		want          string
	}{
		{`{}`, `{"auth/validator": {}}`, "auth/validator"},
		{`{"qos/ratelimit/router": {}}`, `{"validation/cel": [], "auth/validator": {}}`, "auth/validator"},
		{`{"auth/signer": {}}`, `{"auth/basic": {}}`, "auth/basic"},
		{`{"auth/validator": {}}`, `{"auth/validator": {"roles": ["admin"]}}`, "roles of auth/validator"},
		{`{"auth/validator": {"roles": []}}`, `{"auth/validator": {"scopes": ["a"]}}`, "scopes of auth/validator"},
		{`{"auth/validator": {"roles": ["user"]}}`, `{"auth/validator": {"roles": ["admin"]}}`, ""},
		{`{"auth/validator": {}, "validation/cel": []}`, `{"auth/validator": {"roles": ["admin"]}}`, ""},
		{`{"auth/basic": {}}`, `{"auth/validator": {"roles": ["admin"]}}`, ""},
		{`{"auth/validator": {}}`, `{"validation/cel": []}`, ""},
	}
	endpoint := func(text string) *config.Endpoint {
		d, problems := config.Parse("a.json", []byte(text))
		if len(problems) > 0 {
			t.Fatal(config.Format(problems))
		}
		e := &config.Endpoint{ExtraConfig: make(map[string]*config.Node)}
		for _, m := range d.Root.Members {
			e.ExtraConfig[m.Key] = m.Value
		}
		return e
	}
	for _, tt := range tests {
		if got := lacks(endpoint(tt.open), endpoint(tt.guarded)); got != tt.want {
			t.Errorf("lacks(%s, %s) = %q, want %q", tt.open, tt.guarded, got, tt.want)
		}
	}
}
