package celx_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/celx"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// options are those of a component with a condition.
type options struct {
	// When must hold.
	When string `json:"when"`
}

// conditions are components that refuse requests for which a condition does not hold: of
// the service, of an endpoint where limits stand, and of one call.
func conditions() *component.Registry {
	info := component.Info{Namespace: "test/when"}
	stage := func(scope *celx.Scope, o options) (gateway.Stage, error) {
		e, err := scope.Compile(o.When, celx.Bounds{CostLimit: celx.DefaultCostLimit})
		if err != nil {
			return nil, config.At("when", err)
		}
		return gateway.StageFunc(func(ctx context.Context, x *gateway.Exchange) error {
			ev := scope.Begin(x)
			defer ev.End()
			if holds, err := ev.Holds(ctx, e); !holds {
				return &gateway.Error{Status: 403, Code: "refused", Err: err}
			}
			return nil
		}), nil
	}
	return component.NewRegistry(
		component.Service(info, func(s *component.ServiceSite, o options) error {
			st, err := stage(celx.Service(s), o)
			if err == nil {
				s.Stage(component.ServiceLimit, st)
			}
			return err
		}),
		component.Endpoint(info, func(s *component.EndpointSite, o options) error {
			st, err := stage(celx.Early(s), o)
			if err == nil {
				s.Guard(component.EndpointLimit, st)
			}
			return err
		}),
		component.Backend(info, func(s *component.BackendSite, o options) error {
			st, err := stage(celx.Backend(s), o)
			if err == nil {
				s.Prompt(component.BackendCheck, st)
			}
			return err
		}),
	)
}

// TestComponent judges requests of a compiled gateway in front of what an endpoint lets
// through, where all that the client sends counts, and behind it.
func TestComponent(t *testing.T) {
	const gold, page, order = "req_headers['X-Tier'][0] == 'gold'", "req_querystring.page[0] == '2'", "req_params.Id == '7'"
	tests := []struct {
		service, endpoint, backend string
		header, query, path        string
		status                     int
	}{
		{gold, "true", "true", "gold", "", "/orders/7", 200},
		{gold, "true", "true", "tin", "", "/orders/7", 403},
		{"true", gold + " && " + order, "true", "gold", "", "/orders/7", 200},
		{"true", gold + " && " + order, "true", "gold", "", "/orders/8", 403},
		{"true", gold, "true", "", "", "/orders/7", 403},
		{"true", page, "true", "", "a=1&page=2", "/orders/7", 200},
		{"true", page, "true", "", "a=1&page=3", "/orders/7", 403},
		{"true", "true", order, "", "", "/orders/7", 200},
		{"true", "true", gold, "gold", "", "/orders/7", 403}, // which is not let through
		{"true", "true", "req_path == '/inner/7' && req_method == 'POST'", "", "", "/orders/7", 200},
	}
	for _, tt := range tests {
		g := sitetest.New(t)
		g.Registry, g.Answer = conditions(), sitetest.JSON(`{"ok":true}`)
		gen := g.Compile(t, fmt.Sprintf(`{"version": 3, "host": ["http://b.test"], "extra_config": {"test/when": {"when": %q}},
			"endpoints": [{"endpoint": "/orders/{id}", "extra_config": {"test/when": {"when": %q}},
			"backend": [{"url_pattern": "/inner/{id}", "method": "POST", "extra_config": {"test/when": {"when": %q}}}]}]}`, tt.service, tt.endpoint, tt.backend))
		r := testx.Request{Path: tt.path, Query: tt.query}
		if tt.header != "" {
			r.Header = gateway.Fields{{Name: "X-Tier", Value: tt.header}}
		}
		if a := sitetest.Ask(t, gen, r); a.Status != tt.status {
			t.Errorf("%s, %s, %s: %d, %v, want %d", tt.service, tt.endpoint, tt.backend, a.Status, a.Err, tt.status)
		}
	}
}
