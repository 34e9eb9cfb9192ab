package reliability

import (
	"net/http"
	"sync/atomic"
	"testing"
)

// TestLoop sends a request to a gateway that calls itself, by way of a service that
// passes it on: it ends after so many rounds.
func TestLoop(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) {
			text := `{` + quiet + `"dialect":"sluice","engine":"` + engine + `","endpoints":[
				{"endpoint":"/loop","timeout":"20s","output_encoding":"no-op","backend":[{"url_pattern":"/loop","host":["$1"]}]}]}`
			var g *running
			var rounds atomic.Int64
			client := newClient(t)
			middle, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
				rounds.Add(1)
				again, err := http.NewRequestWithContext(r.Context(), r.Method, g.url+"/loop", nil)
				if err != nil {
					t.Error(err)
					return
				}
				again.Header = r.Header.Clone()
				again.Header.Del("Accept-Encoding")
				answer, err := client.Do(again)
				if err != nil {
					w.WriteHeader(500)
					return
				}
				answer.Body.Close()
				w.WriteHeader(answer.StatusCode)
			})
			g = start(t, fill(text, middle))
			status, _, err := get(client, g.url+"/loop")
			if err != nil || status != 508 || rounds.Load() != 16 {
				t.Errorf("status %d, %v, after %d rounds, want 508 after 16", status, err, rounds.Load())
			}
		})
	}
}
