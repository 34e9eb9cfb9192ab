package check

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

func TestLacks(t *testing.T) {
	tests := []struct {
		open, guarded string // extra_config
		want          string
	}{
		{`{}`, `{"token": {}}`, "token"},
		{`{"limit": {}}`, `{"expression": {}, "token": {}}`, "expression"},
		{`{"other": {}}`, `{"absent": {}}`, "absent"},
		{`{"token": {}}`, `{"token": {"roles": ["admin"]}}`, "roles of token"},
		{`{"token": {"roles": []}}`, `{"token": {"scopes": ["a"]}}`, "scopes of token"},
		{`{"token": {"roles": ["user"]}}`, `{"token": {"roles": ["admin"]}}`, ""},
		{`{"token": {}, "expression": {}}`, `{"token": {"roles": ["admin"]}}`, ""},
		{`{"absent": {}}`, `{"token": {"roles": ["admin"]}}`, ""},
		{`{"token": {}}`, `{"expression": {}}`, ""},
	}
	type who struct {
		Roles  []string `json:"roles" guards:"access"`
		Scopes []string `json:"scopes" guards:"access"`
	}
	declare := func(name string, guard component.Guard) component.Declaration {
		return component.Endpoint(component.Info{Namespace: name, Guards: guard}, func(*component.EndpointSite, who) error { return nil })
	}
	registry := component.NewRegistry(declare("token", component.Access), declare("expression", component.Access), declare("limit", component.Passage))
	c := &Checker{Env: &component.Env{
		Registry: registry,
		Missing: func(_ component.Scope, name string) *component.Absent {
			return &component.Absent{Guard: map[string]component.Guard{"absent": component.Access}[name]}
		},
	}}
	endpoint := func(text string) *model.Endpoint {
		d, problems := config.Parse("a.json", []byte(text))
		if len(problems) > 0 {
			t.Fatal(config.Format(problems))
		}
		e := &model.Endpoint{ExtraConfig: make(map[string]*config.Node)}
		for _, m := range d.Root.Members {
			e.ExtraConfig[m.Key] = m.Value
		}
		return e
	}
	for _, tt := range tests {
		if got := c.lacks(endpoint(tt.open), endpoint(tt.guarded)); got != tt.want {
			t.Errorf("lacks(%s, %s) = %q, want %q", tt.open, tt.guarded, got, tt.want)
		}
	}
}
