package check_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

// TestBackends names backends by their place in the document, and says nothing of answers
// of which nobody knows because something else is wrong.
func TestBackends(t *testing.T) {
	registry := component.NewRegistry(
		component.Backend(component.Info{Namespace: "shadow"}, func(s *component.BackendSite, _ struct{}) error {
			s.Shadow(component.Shadow{Most: 1})
			return nil
		}),
		component.Endpoint(component.Info{Namespace: "sequence"}, func(s *component.EndpointSite, _ struct{}) error { return s.Sequence(nil) }),
	)
	const shadow = `{"url_pattern":"/s","extra_config":{"shadow":{}}}`
	for _, tt := range []struct {
		name, method, backends string
		want                   []string // beginnings, in the order of the document
	}{
		{"writes", "POST", `{"url_pattern":"/a","method":"GET"},{"url_pattern":"/b","method":"PUT"}`, []string{"endpoints[0].backend: POST /x writes through backend[1] PUT /b;"}},
		{"writes behind a shadow", "POST", shadow + `,{"url_pattern":"/a","method":"GET"},{"url_pattern":"/b","method":"PUT"}`,
			[]string{"endpoints[0].backend: POST /x writes through backend[2] PUT /b;"}},
		{"one group for two", "GET", shadow + `,{"url_pattern":"/a","group":"g"},{"url_pattern":"/b","group":"g"}`,
			[]string{`endpoints[0].backend[2].group: "g" is the group of backend[1] too,`}},
		{"an answer that is not there", "GET", `{"url_pattern":"/a"},{"url_pattern":"/{resp1_a}"}`,
			[]string{"endpoints[0].backend[1].url_pattern: {resp1_…} is not the answer of an earlier backend, so this backend always fails; earlier ones are {resp0_…} alone"}},
		{"the answer of a backend that is wrong", "GET", `{"url_pattern":"/{nobody}"},{"url_pattern":"/{resp0_a}"}`,
			[]string{"endpoints[0].backend[0].url_pattern: "}},
		{"the answer behind one that is wrong", "GET", `{"url_pattern":"/{nobody}"},{"url_pattern":"/a","allow":["b"]},{"url_pattern":"/{resp0_a}"}`,
			[]string{"endpoints[0].backend[0].url_pattern: "}},
	} {
		problems := problemsOf(t, registry, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x","method":"`+tt.method+`",`+
			map[bool]string{true: `"extra_config":{"sequence":{}},`}[tt.method == "GET"]+`"backend":[`+tt.backends+`]}]}`)
		if !slices.EqualFunc(problems, tt.want, func(p *config.Problem, want string) bool {
			return strings.HasPrefix(p.Path+": "+p.Err.Error(), want)
		}) {
			t.Errorf("%s: want %q, got\n%s", tt.name, tt.want, config.Format(problems))
		}
	}
}
