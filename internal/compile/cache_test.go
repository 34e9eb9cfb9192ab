package compile_test

import (
	"context"
	"slices"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestNoStore lets no cache keep what a call has taken away, be it one of several or in a
// pipe, and says where an endpoint announces otherwise.
func TestNoStore(t *testing.T) {
	r := component.NewRegistry(
		component.Backend(component.Info{Namespace: "test/take", Hosts: component.Verbatim}, func(s *component.BackendSite, _ struct{}) error {
			s.NoStore()
			return s.Connector(gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error { return answer(x, `{"message":1}`) }))
		}),
		component.Backend(component.Info{Namespace: "test/workflow", Pipes: component.InWorkflow, Hosts: component.Verbatim}, buildWorkflow))
	const (
		take = `{"url_pattern":"/1","extra_config":{"test/take":{}}}`
		ask  = `{"url_pattern":"/2"}`
	)
	tests := []struct{ name, endpoint, cache, problem string }{
		{"no cache_ttl", `"backend":[` + take + `]`, "no-store", ""},
		{"cache_ttl", `"cache_ttl":"60s","backend":[` + take + `]`, "no-store", "warning endpoints[0].cache_ttl"},
		{"another method", `"cache_ttl":"60s","method":"POST","backend":[` + take + `]`, "no-store", "warning endpoints[0].cache_ttl"},
		{"one of two", `"backend":[` + ask + `,` + take + `]`, "no-store", ""},
		{"in a pipe", `"backend":[{"url_pattern":"/","extra_config":{"test/workflow":{"endpoint":"/x","backend":[` + take + `]}}}]`, "no-store", ""},
		{"none", `"cache_ttl":"60s","backend":[` + ask + `]`, "public, max-age=60", ""},
	}
	for _, tt := range tests {
		g, problems := compileMeeting(t, r, `{"version":3,"host":["http://up"],"endpoints":[{"endpoint":"/x",`+tt.endpoint+`}]}`)
		var got []string
		for _, p := range problems {
			got = append(got, p.Severity.String()+" "+p.Path)
		}
		want := []string{tt.problem}
		if tt.problem == "" {
			want = nil
		}
		if !slices.Equal(got, want) || g == nil {
			t.Errorf("%s: problems %q, want %q", tt.name, got, want)
			continue
		}
		request := testx.Request{Path: "/x"}
		if tt.name == "another method" {
			request.Method = "POST"
		}
		x := request.Exchange(t)
		if err := g.Do(t.Context(), x); err != nil || x.Response.Header.Get("Cache-Control") != tt.cache {
			t.Errorf("%s: Cache-Control is %q, want %q; error %v", tt.name, x.Response.Header.Get("Cache-Control"), tt.cache, err)
		}
	}
}
