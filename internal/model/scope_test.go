package model

import (
	"reflect"
	"slices"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A flow is what options look like that hold backends of their own.
type flow struct {
	Backend     []*Backend              `json:"backend"`
	ExtraConfig map[string]*config.Node `json:"extra_config"`
}

func (flow) Scope() string { return "flow" }

// TestObjects finds the objects that have namespaces, however deep they stand, and what a
// value belongs to.
func TestObjects(t *testing.T) {
	d, problems := config.Parse("test.json", []byte(`{"version":3,"extra_config":{"x":{"extra_config":{"flow":{}}}},"endpoints":[
		{"endpoint":"/a","Backend":{"url_pattern":"/1","extra_config":{"flow":{"backend":[
			{"url_pattern":"/2","allow":["deep"],"extra_config":{"flow":{"backend":{"url_pattern":"/3"},"extra_config":{"z":{"of":"flow"}}}}}]}}}},
		{"endpoint":"/b","nobody":{"knows":{"this":"of"}},"extra_config":{"flow":{"backend":[{"url_pattern":"/no flow there"}]}}}]}`))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	options := func(scope, namespace string) *config.Spec {
		if scope == "backend" && namespace == "flow" {
			return config.SpecOf(reflect.TypeFor[flow]())
		}
		return nil
	}
	var got []string
	config.Objects(d.Root, Root(), options, func(scope string, n *config.Node) { got = append(got, scope+" "+n.Path()) })
	const outer = `endpoints[0].Backend.extra_config.flow`
	want := []string{
		"service ", "endpoint endpoints[0]", "backend endpoints[0].Backend", "flow " + outer, "backend " + outer + ".backend[0]",
		"flow " + outer + ".backend[0].extra_config.flow", "backend " + outer + ".backend[0].extra_config.flow.backend", "endpoint endpoints[1]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("objects\n%q, want\n%q", got, want)
	}
	for path, want := range map[string]string{
		"version": "service", "endpoints": "service", "endpoints[0]": "service", "endpoints[0].endpoint": "endpoint", "endpoints[0].Backend": "endpoint",
		"endpoints[0].Backend.url_pattern": "backend", outer: "backend", outer + ".backend": "flow", outer + ".backend[0].allow[0]": "backend",
		outer + ".backend[0].extra_config.flow.extra_config.z.of": "flow", "endpoints[1].nobody.knows.this": "endpoint",
		"endpoints[1].extra_config.flow.backend[0].url_pattern": "endpoint", "extra_config.x.extra_config.flow": "service",
	} {
		n, rest := d.Root.Locate(config.SplitPath(path))
		if len(rest) > 0 {
			t.Fatalf("there is no %s", path)
		}
		if got := config.ScopeOf(n, Root(), options); got != want {
			t.Errorf("%s belongs to the %s, want %s", path, got, want)
		}
	}
}

// TestScopesAreLoose decodes an object that has namespaces like those of the core, and
// what stands around it strictly.
func TestScopesAreLoose(t *testing.T) {
	type options struct {
		Flow  flow `json:"flow"`
		Count int  `json:"count"`
	}
	for text, wrong := range map[string]bool{
		`{"flow":{"Backend":[{"url_pattern":"/","is_collection":"true"}]}}`: false,
		`{"count":"1","flow":{"backend":[]}}`:                               true,
		`{"Flow":{"backend":[]},"count":1}`:                                 false, // it is not known
	} {
		d, _ := config.Parse("test.json", []byte(text))
		var o options
		problems := config.Decode(d.Root, &o)
		if config.HasErrors(problems) != wrong {
			t.Errorf("%s: %s", text, config.Format(problems))
		}
		if !wrong && len(problems) == 0 {
			t.Errorf("%s: nothing is said", text)
		}
	}
}
