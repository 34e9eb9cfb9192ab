package compile_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

const wild = `{"version":3,"endpoints":[
	{"endpoint":"/files/*","output_encoding":"no-op","backend":[{"url_pattern":"/up/","host":["http://b"]}]},
	{"endpoint":"/item/{id}","output_encoding":"no-op","backend":[{"url_pattern":"/items/{id}/x","host":["http://b"]}]}]}`

// called answers with the path that the backend was called by.
var called = gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
	return answer(x, x.Request.Path)
})

// TestTargets sends paths that try to leave the place they belong to.
func TestTargets(t *testing.T) {
	g := generationOf(t, wild, called)
	tests := []struct {
		path   string
		status int
		want   string // path of the call
	}{
		{"/files/a/b.txt", 200, "/up/a/b.txt"},
		{"/files/a%20b", 200, "/up/a%20b"},
		{"/files/a/%2e%2e/b", 200, "/up/b"},
		{"/files/%2e%2e/b", 404, ""},
		{"/files/%2E./b", 404, ""},
		{"/item/7", 200, "/items/7/x"},
		{"/item/a%20b", 200, "/items/a%20b/x"},
		{"/item/%2e%2e", 400, ""},
		{"/item/%2e", 400, ""},
		{"/item/a%3Fb", 400, ""},
		{"/item/a%23b", 400, ""},
		{"/item/%252e%252e", 400, ""},
	}
	for _, tt := range tests {
		x := gateway.Acquire(testx.Request{Path: tt.path}.Inbound())
		g.Do(t.Context(), x)
		got := ""
		if x.Response.Status == 200 {
			got = text(t, x)
		}
		if x.Response.Status != tt.status || got != tt.want {
			t.Errorf("%s: %d, calls %q, want %d, %q", tt.path, x.Response.Status, got, tt.status, tt.want)
		}
		x.Release()
	}
}

// FuzzTargets shows that no path of a client makes the gateway call anything
// above the place that an endpoint stands for.
func FuzzTargets(f *testing.F) {
	for _, path := range []string{"/files/a", "/files/../x", "/files/..%2f..", "/files/%2e%2e/", "/files/.", "/files//..//", "/item/..", "/item/%2f..", "/files/a;..", "/files/%", "/files/..;/"} {
		f.Add(path)
	}
	g := generationOf(f, wild, called)
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '?' || r == '#' }) {
			return // no engine hands it over
		}
		x := gateway.Acquire(testx.Request{Path: path}.Inbound())
		defer x.Release()
		g.Do(t.Context(), x)
		if x.Response.Status != 200 || strings.HasPrefix(path, "/__") {
			return
		}
		got := text(t, x)
		if !strings.HasPrefix(got, "/up/") && got != "/up" && !(strings.HasPrefix(got, "/items/") && strings.HasSuffix(got, "/x")) {
			t.Fatalf("%q calls %q", path, got)
		}
		for segment := range strings.SplitSeq(got, "/") {
			plain, err := url.PathUnescape(segment)
			if err != nil || plain == "." || plain == ".." {
				t.Fatalf("%q calls %q: segment %q, %v", path, got, segment, err)
			}
		}
		if strings.HasPrefix(got, "/items/") && strings.Count(got, "/") != 3 {
			t.Fatalf("%q calls %q", path, got)
		}
	})
}
