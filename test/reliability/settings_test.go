package reliability

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestCacheTTL announces how long complete answers may be kept, and nothing for
// others.
func TestCacheTTL(t *testing.T) {
	good, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":1}`) })
	bad, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	g := start(t, fill(`{`+quiet+`"cache_ttl":"90s","endpoints":[
		{"endpoint":"/root","backend":[{"url_pattern":"/","host":["$1"]}]},
		{"endpoint":"/own","cache_ttl":"1h","backend":[{"url_pattern":"/","host":["$1"]}]},
		{"endpoint":"/partial","backend":[{"url_pattern":"/","host":["$1"]},{"url_pattern":"/","host":["$2"]}]},
		{"endpoint":"/failed","backend":[{"url_pattern":"/","host":["$2"]}]}]}`, good, bad))
	client := newClient(t)
	for path, want := range map[string]string{"/root": "public, max-age=90", "/own": "public, max-age=3600", "/partial": "", "/failed": ""} {
		res, err := client.Get(g.url + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if got := strings.Join(res.Header.Values("Cache-Control"), " | "); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", path, got, want)
		}
	}
}
