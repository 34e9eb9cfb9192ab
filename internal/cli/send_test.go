package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestSend makes requests within the command, and prints what happened.
func TestSend(t *testing.T) {
	t.Chdir(t.TempDir())
	var got []string
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("X-Mine"), text))
		switch r.URL.Path {
		case "/user/7":
			io.WriteString(w, `{"account":12,"name":"Ada","secret":"x"}`)
		case "/orders/12":
			io.WriteString(w, `{"pieces":3,"name":"of the order"}`)
		case "/raw":
			w.Write([]byte{0xff, 0xfe})
		default:
			w.WriteHeader(404)
		}
	}))
	defer backend.Close()
	write(t, "shop.yaml", `version: 3
dialect: sluice
host: [`+backend.URL+`]
endpoints:
  - endpoint: /users/{id}
    method: POST
    input_headers: [X-Mine]
    extra_config: {proxy: {sequential: true}}
    backend:
      - {url_pattern: "/user/{id}", method: GET, deny: [secret]}
      - {url_pattern: "/orders/{resp0_account}"}
  - endpoint: /raw
    output_encoding: no-op
    backend: [{url_pattern: /raw}]
  - endpoint: /broken
    backend: [{url_pattern: "/nowhere?key=${env:SHOP_KEY}"}]
`)
	write(t, "body.txt", "hello")
	t.Setenv("SHOP_KEY", "tuesday-12")
	tests := []struct {
		golden string
		args   []string
		code   int
		sent   []string
	}{
		{"send-sequence.txt", []string{"-H", "X-Mine: 1", "-H", "Host: shop.test", "--data", "@body.txt", "post", "/users/7?q"}, 0,
			[]string{"GET /user/7 1 hello", "POST /orders/12 1 hello"}},
		{"send-raw.txt", []string{"/raw"}, 0, []string{"GET /raw  "}},
		{"send-broken.txt", []string{"/broken"}, 1, []string{"GET /nowhere?key=tuesday-12  "}},
		{"send-404.txt", []string{"/other"}, 0, nil},
	}
	varies := regexp.MustCompile(`[0-9]+(\.[0-9]+)?(ns|µs|ms|s)\b *|[0-9a-f]{32}|[A-Z][a-z]{2}, .* GMT`)
	for _, tt := range tests {
		got = nil
		result := invoke(t, append([]string{"explain", "-c", "shop.yaml", "--send"}, tt.args...)...)
		if result.code != tt.code || strings.Join(got, "; ") != strings.Join(tt.sent, "; ") {
			t.Errorf("%q: exit code %d, %s; the backend got %q, want %q", tt.args, result.code, result.stderr, got, tt.sent)
		}
		testx.Golden(t, filepath.Join(testdata, tt.golden), strings.ReplaceAll(varies.ReplaceAllString(result.stdout, "T "), backend.URL, "http://shop"))
	}
	for _, args := range [][]string{{"--send", "-H", "no colon", "/raw"}, {"--send", "--data", "@missing", "/raw"}, {"--data", "x", "/raw"}} {
		if result := invoke(t, append([]string{"explain", "-c", "shop.yaml"}, args...)...); result.code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, result.code, result.stderr)
		}
	}
}
