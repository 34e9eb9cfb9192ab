package component

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestNameOfAgent: an agent is called by its name, wherever it stands in the document.
func TestNameOfAgent(t *testing.T) {
	e := &model.Endpoint{Endpoint: "orders", Method: "GET", Backend: []*model.Backend{{}, {}}}
	env := &Env{Service: new(model.Service)}
	s := NewAgentSite(env, &model.Agent{Name: "orders"}, e)
	if got := s.Name(); got != "agent orders" {
		t.Errorf("the agent is %q", got)
	}
	if got := NewBackendSite(env, s, e.Backend[1]).Name(); got != "agent orders backend 1" {
		t.Errorf("the backend is %q", got)
	}
}

func TestNames(t *testing.T) {
	doc, problems := config.Parse("gateway.json", []byte(`{
		"endpoints": [{}, {"backend": [{"extra_config": {"workflow": {"backend": [{}, {}]}}}]}],
		"async_agent": [{}]
	}`))
	if config.HasErrors(problems) {
		t.Fatal(problems)
	}
	outer := doc.Root.Get("endpoints").Items[1]
	nested := outer.Get("backend").Items[0].Get("extra_config").Get("workflow")
	tests := []struct {
		name     string
		node     *config.Node
		endpoint string
		want     string
	}{
		{"an endpoint", outer, "/a/{id}", "GET /a/{id}"},
		{"a nested endpoint", nested, "/__workflow/w",
			"GET /__workflow/w at endpoints[1].backend[0].extra_config.workflow"},
		{"a pipe of no agent", doc.Root.Get("async_agent").Items[0], "", "GET  at async_agent[0]"},
		{"an endpoint of no document", nil, "/a", "GET /a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			backends := []*model.Backend{{}, {}}
			backend := tt.want + " backend 1"
			if written := tt.node.Get("backend"); tt.node == nested { // each in a pipe of its own
				backends = []*model.Backend{{Node: written.Items[0]}, {Node: written.Items[1]}}
				backend = tt.want + ".backend[1]"
			}
			e := &model.Endpoint{Method: "GET", Endpoint: tt.endpoint, Backend: backends, Node: tt.node}
			env := &Env{Service: new(model.Service)}
			es := NewEndpointSite(env, NewServiceSite(env), e, nil)
			if got := es.Name(); got != tt.want {
				t.Errorf("Endpoint = %q, want %q", got, tt.want)
			}
			if got := NewBackendSite(env, &es.PipeSite, backends[1]).Name(); got != backend {
				t.Errorf("Backend = %q, want %q", got, backend)
			}
		})
	}
}
