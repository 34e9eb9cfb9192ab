package template_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
	"github.com/sluice-gateway/sluice/internal/template"
)

// components are one that says who asks, and one that writes a text with placeholders
// into a header.
func components() *component.Registry {
	type options struct {
		// Key is the value of the header X-Key.
		Key string `json:"key"`
	}
	return component.NewRegistry(
		component.Endpoint(component.Info{Namespace: "test/who", Identifies: true}, func(s *component.EndpointSite, _ struct{}) error {
			s.Guard(component.EndpointAuthenticate, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
				x.Identity = &gateway.Identity{Claims: map[string]any{"sub": "ann", "org": map[string]any{"id": "acme"}}}
				return nil
			}))
			return nil
		}),
		component.Backend(component.Info{Namespace: "test/key"}, func(s *component.BackendSite, o options) error {
			key, err := s.Template("key", o.Key, template.InHeader)
			if err != nil {
				return err
			}
			s.Prompt(component.BackendLimit, gateway.StageFunc(func(_ context.Context, x *gateway.Exchange) error {
				value, err := key.Append(nil, x)
				if err == nil {
					x.Request.Header.Set("X-Key", string(value))
				}
				return err
			}))
			return nil
		}),
	)
}

// TestComponent writes a text with placeholders by a component of a compiled gateway.
func TestComponent(t *testing.T) {
	const document = `{"version": 3, "host": ["http://b.test"], "endpoints": [{"endpoint": "/orders/{id}", "extra_config": {"test/who": {}},
		"backend": [{"url_pattern": "/", "extra_config": {"test/key": {"key": %q}}}]}]}`
	tests := []struct{ key, path, query, want string }{
		{"orders.{id}.{JWT.org.id}", "/orders/7", "", `200 orders.7.acme`},
		{"{JWT.sub} at {input_headers.X-Tenant}, page {input_query_strings.page}", "/orders/7", "page=2", "200 ann at t1, page 2"},
		{"plain", "/orders/7", "", "200 plain"},
		{"{id}", "/orders/a%0D%0AX-Admin:%201", "", "400 "},
		{"{input_query_strings.page}", "/orders/7", "", "400 "},
		{"{JWT.email}", "/orders/7", "", "500 "},
	}
	for _, tt := range tests {
		g := sitetest.New(t)
		g.Registry = components()
		got := ""
		g.Answer = gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
			got = x.Request.Header.Get("X-Key")
			x.Response.Status, x.Response.Body = 200, body.FromBytes([]byte(`{"ok":true}`))
			return nil
		})
		a := sitetest.Ask(t, g.Compile(t, fmt.Sprintf(document, tt.key)), testx.Request{
			Path: tt.path, Query: tt.query, Header: gateway.Fields{{Name: "X-Tenant", Value: "t1"}},
		})
		if got := fmt.Sprint(a.Status, " ", got); got != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.key, got, a.Err, tt.want)
		}
	}
	g := sitetest.New(t)
	g.Registry = components()
	if generation, problems := g.Check(t, fmt.Sprintf(document, "{order}")); generation != nil || !config.HasErrors(problems) {
		t.Error("a placeholder that names nothing compiles")
	}
}
