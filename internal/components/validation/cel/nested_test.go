package cel

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// TestNested demands conditions of a pipe in a backend: of its request, and of its answer.
func TestNested(t *testing.T) {
	for _, tt := range []struct {
		check  string
		status int
		wrong  string
	}{
		{"req_params.Id == '7'", 200, ""},
		{"req_params.Id == '8'", 500, ""},
		{"req_headers['X-A'][0] == 'a'", 200, ""},
		{"resp_data.a == 1", 200, ""},
		{"resp_data.a == 2", 500, ""},
		{"JWT.sub == 'ann'", 0, "JWT"},
	} {
		g := sitetest.New(t)
		g.Registry = component.NewRegistry(append(declarations(), sitetest.Flow)...)
		g.Answer = sitetest.JSON(`{"a":1}`)
		generation, problems := g.Check(t, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x/{id}","input_headers":["X-A"],"backend":[{"url_pattern":"/outer","extra_config":{"test/flow":{
			"extra_config":{"validation/cel":[{"check_expr":"`+tt.check+`"}]},"backend":[{"url_pattern":"/one"}]}}}]}]}`)
		if tt.wrong != "" {
			const path = `endpoints[0].backend[0].extra_config["test/flow"].extra_config["validation/cel"]`
			if !slices.ContainsFunc(problems, func(p *config.Problem) bool {
				return p.Severity == config.Error && strings.HasPrefix(p.Path, path) && strings.Contains(p.Err.Error(), tt.wrong)
			}) {
				t.Errorf("%s: want an error, got\n%s", tt.check, config.Format(problems))
			}
			continue
		}
		if generation == nil {
			t.Fatalf("%s: %s", tt.check, config.Format(problems))
		}
		answer := sitetest.Ask(t, generation, testx.Request{Method: "GET", Path: "/x/7", Header: gateway.Fields{{Name: "X-A", Value: "a"}}})
		if answer.Status != tt.status {
			t.Errorf("%s: got %d %v, want %d", tt.check, answer.Status, answer.Err, tt.status)
		}
	}
}
