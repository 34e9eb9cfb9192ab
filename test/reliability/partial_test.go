package reliability

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestSlowFirst has the property that a backend that is too slow takes no other
// with it, wherever it is declared and however large the other answers are: they
// have come, on connections that were open already, and are in the answer.
func TestSlowFirst(t *testing.T) {
	noLeaks(t)
	large := strings.Repeat("x", 1<<20)
	url, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" && r.URL.RawQuery == "" {
			select {
			case <-time.After(time.Minute):
			case <-r.Context().Done():
			}
			return
		}
		fmt.Fprintf(w, `{"a":"%s"}`, map[string]string{"/large": large}[r.URL.Path])
	})
	warm := func(url string) string { // one call for each backend of the merge, all at once
		return fmt.Sprintf(`{"endpoint":"/warm","timeout":"10s","backend":[{"url_pattern":"/slow?warm","host":["%[1]s"]},{"url_pattern":"/slow?warm","host":["%[1]s"]},
			{"url_pattern":"/slow?warm","host":["%[1]s"]},{"url_pattern":"/slow?warm","host":["%[1]s"]}]}`, url)
	}
	for _, d := range dialects {
		g := start(t, fmt.Sprintf(`{%s%s"timeout":"1s","endpoints":[%s,{"endpoint":"/m","backend":[
			{"url_pattern":"/slow","host":["%[4]s"],"group":"s"},{"url_pattern":"/b","host":["%[4]s"],"group":"b"},
			{"url_pattern":"/large","host":["%[4]s"],"group":"l"},{"url_pattern":"/c","host":["%[4]s"],"group":"c"}]}]}`, d.key, d.quiet(), warm(url), url))
		c := newClient(t)
		want := `{"b":{"a":""},"l":{"a":"` + large + `"},"c":{"a":""}}`
		for range 2 {
			if status, text, err := get(c, g.url+"/warm"); status != 200 {
				t.Fatalf("%s: warming up: %d %q %v", d.name, status, text, err)
			}
			if status, text, err := get(c, g.url+"/m"); status != 200 || text != want || err != nil {
				t.Errorf("%s: %d, %d bytes %.80q, %v; want all answers but the slow one", d.name, status, len(text), text, err)
			}
		}
	}
}
