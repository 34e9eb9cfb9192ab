package cel

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestReadingsOfPaths shows for which paths a condition holds: those for which it holds
// whatever a service reads.
func TestReadingsOfPaths(t *testing.T) {
	const prefix, pattern, either = "!req_path.startsWith('/v2/admin')", `!req_path.matches('^/v2/(admin|Internal)(/.*)?$')`, "req_path in ['/v2/Index', '/v2/index/']"
	tests := []struct {
		expr, path string
		want       bool
	}{
		{prefix, "/v2/docs", true},
		{prefix, "/v2/DOCS;a=1/%2541", true},
		{prefix, "/v2/Admin", false},
		{prefix, "/v2/;/admin", false},
		{prefix, "/v2/%2561dmin", false},
		{prefix, "/v2/%252fadmin", false},
		{prefix, "/v2/%5Cadmin", false},
		{"!req_path.startsWith('/files')", "/%EF%AC%81les", false}, // a ligature
		{"!req_path.startsWith('/office')", "/o%EF%AC%83ce/1", false},
		{prefix, "/v2/adm%C4%B1n", false},
		{prefix, "/v2/%EF%AC%81les", true},
		{"req_path.startsWith('/yazı/')", "/yaz%C4%B1/1", true},
		{pattern, "/v2/ADMIN", false},
		{pattern, "/v2/internal/", false},
		{pattern, "/v2/x%3b/admin", true},
		{pattern, "/v2/%3b/admin", false},
		{either, "/v2/Index", true},
		{either, "/v2/index/", true},
		{either, "/v2/other", false},
		{"req_path != '/v2/admin'", "/v2/admin/", false},
		{"req_path != '/v2/admin'", "/v2/admin/%3bx", false},
		{"req_path != '/v2/admin/'", "/v2/admin/", false},
		{"req_path.startsWith('/v2/public/')", "/v2/public/", true},
		{"req_path.startsWith('/v2/public/')", "/v2/public/%2e", true}, // which no route lets pass
		{"req_path.matches('^/v2/[a-z]+;v=[0-9]+$')", "/v2/a;v=1", true},
		{"req_path == '/v2/a '", "/v2/a%20", true},
		{"req_path.matches('^/v2/[A-Z][a-z]+$')", "/v2/Report", true},
		{"['/v2/admin', '/v2/x'].all(p, !req_path.startsWith(p))", "/v2/X", false},
		{"req_method == 'get' || req_path != '/get'", "/widGET", true},
		{"req_method == 'GET' && req_path == '/widget'", "/widget", true},
		{"!req_path.contains('admin') && req_method == 'GET'", "/v2/a%64MIN", false},
		{"req_method == 'GET'", "/v2/;/admin", true},
	}
	for _, tt := range tests {
		p := fixture{}.build(t, list(tt.expr))
		if config.HasErrors(p.problems) {
			t.Fatalf("%s: %v", tt.expr, p.problems)
		}
		x := testx.Request{Path: tt.path}.Exchange(t)
		if err := p.run(t.Context(), x); (err == nil) != tt.want {
			t.Errorf("%s, %s: %v, want that it holds: %v", tt.expr, tt.path, err, tt.want)
		}
	}
}

// TestPlainPathsCostNothing counts what the readings of a usual path allocate.
func TestPlainPathsCostNothing(t *testing.T) {
	ctx := t.Context()
	count := func(expr, path string) float64 {
		p := fixture{}.build(t, list(expr))
		x := testx.Request{Path: path}.Exchange(t)
		return testing.AllocsPerRun(100, func() { _ = p.run(ctx, x) })
	}
	for _, path := range []string{"/v2/docs/readme", "/v2/a/b-c_d.json"} {
		if a, b := count("!req_path.startsWith('/v2/admin')", path), count("!req_method.startsWith('/v2/admin')", path); a > b {
			t.Errorf("%s: %v allocations, and %v for a condition on something else", path, a, b)
		}
	}
}
