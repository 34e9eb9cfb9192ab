package check_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// mistaken are kinds of mistakes that a file may hold in every endpoint: what is added to
// the path of the endpoint, to its members, and to those of its backend.
var mistaken = []struct{ name, path, endpoint, backend string }{
	{"nothing", "", "", ""},
	{"a key that nobody knows", "", `,"description":"x"`, ""},
	{"an option that strayed", "", `,"signing_key":"x"`, ""},
	{"a filter that is misspelt", "", "", `,"alow":["a"]`},
	{"a namespace that nobody knows", "", `,"extra_config":{"abc":{}}`, ""},
	{"a namespace that is misspelt", "", `,"extra_config":{"test/tokn":{}}`, ""},
	{"a path with a query, behind a guard", "?a=1", `,"extra_config":{"test/token":{"signing_key":"a"}}`, ""},
}

// guarded are components that protect.
var guarded = func() *component.Registry {
	type token struct {
		Key   string   `json:"signing_key" check:"required"`
		Roles []string `json:"roles" guards:"access"`
	}
	return component.NewRegistry(component.Endpoint(component.Info{Namespace: "test/token", Guards: component.Access},
		func(*component.EndpointSite, token) error { return nil }))
}()

// manyMistaken is a configuration of n endpoints with a mistake in each, behind as many
// that lack an option.
func manyMistaken(n int, path, endpoint, backend string) string {
	var b strings.Builder
	b.WriteString(`{"version":3,"host":["http://up"],"endpoints":[`)
	for i := range n {
		fmt.Fprintf(&b, `{"endpoint":"/A/%d","extra_config":{"test/token":{}},"backend":[{"url_pattern":"/"}]},`, i)
	}
	for i := range n {
		fmt.Fprintf(&b, `{"endpoint":"/B/%d%s"%s,"backend":[{"url_pattern":"/"%s}]},`, i, path, endpoint, backend)
	}
	return strings.TrimSuffix(b.String(), ",") + `]}`
}

// TestManyMistakes shows that what a mistake costs does not depend on how large the file
// is, nor on how many others there are.
func TestManyMistakes(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector takes memory of its own")
	}
	for _, tt := range mistaken {
		each := func(n int) uint64 { // allocations for each endpoint
			text := manyMistaken(n, tt.path, tt.endpoint, tt.backend)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			problemsOf(t, guarded, text)
			runtime.ReadMemStats(&after)
			return (after.Mallocs - before.Mallocs) / uint64(n)
		}
		each(10) // what the first one alone makes does not count
		few, many := each(50), each(1000)
		t.Logf("%s: %d allocations an endpoint among a few, %d among many", tt.name, few, many)
		if many > few+few/4 {
			t.Errorf("%s costs %d allocations among a few endpoints, and %d among many", tt.name, few, many)
		}
	}
}

// BenchmarkMistakes judges two thousand endpoints with a mistake in each second one.
func BenchmarkMistakes(b *testing.B) {
	for _, bm := range mistaken {
		b.Run(strings.ReplaceAll(bm.name, " ", "_"), func(b *testing.B) {
			const n = 1000
			text := manyMistaken(n, bm.path, bm.endpoint, bm.backend)
			b.ReportAllocs()
			for b.Loop() {
				problemsOf(b, guarded, text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/mistake")
		})
	}
}
