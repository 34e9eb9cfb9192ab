//go:build !race

package reliability

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	held   = 32 << 20 // what may be held in memory where nobody says otherwise
	excess = 8 << 20  // what may be on its way when the end is reached
)

// zeros is a body of n bytes.
func zeros(n int) io.Reader { return io.LimitReader(ofZeros{}, int64(n)) }

type ofZeros struct{}

func (ofZeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

// TestHeldAnswers has backends whose answers never end. What is decoded is read up
// to the limit, by what it unpacks to, and is a failed backend then; what streams
// has no limit.
func TestHeldAnswers(t *testing.T) {
	noLeaks(t)
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	io.WriteString(z, `{"a":"`)
	io.Copy(z, zeros(held+excess))
	io.WriteString(z, `"}`)
	z.Close()
	var most atomic.Int64 // that one call without an end got rid of
	backend, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		n := held + excess
		switch r.URL.Path {
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
			return
		case "/small":
			io.WriteString(w, `{"b":1}`)
			return
		case "/status":
			w.WriteHeader(404)
			n = 1 << 40
		case "/endless":
			n = 1 << 40
		case "/announced":
			w.Header().Set("Content-Length", fmt.Sprint(held+1))
			n = held + 1 - len(`{"a":""}`)
		}
		io.WriteString(w, `{"a":"`)
		copied, _ := io.Copy(w, zeros(n))
		if n > held+excess {
			for was := most.Load(); copied > was && !most.CompareAndSwap(was, copied); was = most.Load() {
			}
		}
		io.WriteString(w, `"}`)
	})
	for _, engine := range []string{"fast", "nethttp"} {
		g := start(t, fill(`{`+quiet+`"dialect":"sluice","engine":"`+engine+`","timeout":"60s","host":["$1"],"endpoints":[
			{"endpoint":"/decoded","backend":[{"url_pattern":"/endless"}]},
			{"endpoint":"/text","backend":[{"url_pattern":"/endless","encoding":"string"}]},
			{"endpoint":"/announced","backend":[{"url_pattern":"/announced"}]},
			{"endpoint":"/bomb","backend":[{"url_pattern":"/bomb"}]},
			{"endpoint":"/merged","backend":[{"url_pattern":"/endless"},{"url_pattern":"/small"}]},
			{"endpoint":"/sequence","backend":[{"url_pattern":"/endless","encoding":"no-op"},{"url_pattern":"/small"}],
				"extra_config":{"proxy":{"sequential":true,"sequential_propagated_params":["resp0"]}}},
			{"endpoint":"/race","concurrent_calls":2,"backend":[{"url_pattern":"/bomb"}]},
			{"endpoint":"/details","backend":[{"url_pattern":"/status","extra_config":{"backend/http":{"return_error_details":"x"}}}]},
			{"endpoint":"/lifted","max_response_bytes":0,"backend":[{"url_pattern":"/finite"}]},
			{"endpoint":"/lifted-bomb","backend":[{"url_pattern":"/bomb","max_response_bytes":"64MiB"}]},
			{"endpoint":"/less","backend":[{"url_pattern":"/small","max_response_bytes":3}]},
			{"endpoint":"/stream","output_encoding":"no-op","backend":[{"url_pattern":"/finite"}]}]}`, backend))
		c := newClient(t)
		for _, tt := range []struct {
			path   string
			status int
			has    string
			size   int // at least
		}{
			{"/decoded", 502, "backend_too_large", 0},
			{"/text", 502, "backend_too_large", 0},
			{"/announced", 502, "backend_too_large", 0},
			{"/bomb", 502, "backend_too_large", 0},
			{"/merged", 200, `{"b":1}`, 0},
			{"/sequence", 502, "backend_too_large", 0},
			{"/race", 502, "backend_too_large", 0},
			{"/details", 502, "", 0},
			{"/less", 502, "backend_too_large", 0},
			{"/lifted", 200, "", held + excess},
			{"/lifted-bomb", 200, "", held + excess},
			{"/stream", 200, "", held + excess},
		} {
			status, text, err := get(c, g.url+tt.path)
			if status != tt.status || err != nil || !strings.Contains(text, tt.has) || len(text) < tt.size {
				t.Errorf("%s: %s: %d, %d bytes, %.200q, %v, want %d and %d bytes with %q", engine, tt.path, status, len(text), text, err, tt.status, tt.size, tt.has)
			}
		}
		if got := most.Load(); got > held+excess {
			t.Errorf("%s: a backend got rid of %d bytes, want %d at most", engine, got, held+excess)
		}
	}
}

// TestHeldTrees has answers that are far below the limit as text and far beyond what
// is right in memory, wherever one becomes a tree. What stays text is served.
func TestHeldTrees(t *testing.T) {
	noLeaks(t)
	const size = 8 << 20
	fill2 := func(before, unit, after string) string { return before + strings.Repeat(unit, size/len(unit)) + after }
	bodies := map[string]string{
		"/json": fill2(`{"a":[0`, `,0`, `]}`),
		"/yaml": fill2(`a: [0`, `,0`, `]`),
		"/xml":  fill2(`<r>`, `<a b=""/>`, `</r>`),
		"/rss":  fill2(`<rss version="2.0"><channel>`, `<item><title>a</title></item>`, `</channel></rss>`),
	}
	backend, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, bodies[r.URL.Path]) })
	for _, engine := range []string{"fast", "nethttp"} {
		const cel = `"extra_config":{"validation/cel":[{"check_expr":"has(resp_data.a)"}]}`
		g := start(t, fill(`{`+quiet+`"dialect":"sluice","engine":"`+engine+`","timeout":"60s","host":["$1"],"endpoints":[
			{"endpoint":"/text","backend":[{"url_pattern":"/json","deny":["b"]}]},
			{"endpoint":"/cel","backend":[{"url_pattern":"/json"}],`+cel+`},
			{"endpoint":"/backend-cel","backend":[{"url_pattern":"/json",`+cel+`}]},
			{"endpoint":"/flatmap","backend":[{"url_pattern":"/json","extra_config":{"proxy":{"flatmap_filter":[{"type":"del","args":["b"]}]}}}]},
			{"endpoint":"/merged","backend":[{"url_pattern":"/json"},{"url_pattern":"/json","group":"g"}],"extra_config":{"proxy":{"flatmap_filter":[{"type":"del","args":["b"]}]}}},
			{"endpoint":"/to-xml","output_encoding":"xml","backend":[{"url_pattern":"/json"}]},
			{"endpoint":"/to-yaml","output_encoding":"yaml","backend":[{"url_pattern":"/json"}]},
			{"endpoint":"/yaml","backend":[{"url_pattern":"/yaml","encoding":"yaml"}]},
			{"endpoint":"/xml","backend":[{"url_pattern":"/xml","encoding":"xml"}]},
			{"endpoint":"/rss","backend":[{"url_pattern":"/rss","encoding":"rss"}]},
			{"endpoint":"/lifted","max_response_bytes":0,"backend":[{"url_pattern":"/json"}],`+cel+`}]}`, backend))
		c := newClient(t)
		for _, path := range []string{"/text", "/cel", "/backend-cel", "/flatmap", "/merged", "/to-xml", "/to-yaml", "/yaml", "/xml", "/rss", "/lifted"} {
			status, text, err := get(c, g.url+path)
			served := path == "/text" || path == "/lifted"
			if err != nil || served != (status == 200) || !served && (status != 502 || !strings.Contains(text, "backend_too_large")) {
				t.Errorf("%s: %s: %d, %d bytes, %.200q, %v", engine, path, status, len(text), text, err)
			}
		}
	}
}

// TestHeldRequests sends bodies beyond the limit to endpoints that hold them, and
// to one that does not.
func TestHeldRequests(t *testing.T) {
	noLeaks(t)
	var got atomic.Int64
	backend, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Add(n)
		io.WriteString(w, `{"a":1}`)
	})
	const two = `"backend":[{"url_pattern":"/a"},{"url_pattern":"/b"}]`
	const writes = `"proxy":{"allow_multiple_writes":true}`
	for _, engine := range []string{"fast", "nethttp"} {
		g := start(t, fill(`{`+quiet+`"engine":"`+engine+`","timeout":"60s","host":["$1"],"endpoints":[
			{"endpoint":"/merged","method":"POST",`+two+`,"extra_config":{`+writes+`}},
			{"endpoint":"/sequence","method":"POST","backend":[{"url_pattern":"/a","method":"GET"},{"url_pattern":"/b"}],"extra_config":{"proxy":{"sequential":true}}},
			{"endpoint":"/shadow","method":"POST","backend":[{"url_pattern":"/a"},{"url_pattern":"/b","extra_config":{"proxy":{"shadow":true}}}]},
			{"endpoint":"/race","method":"POST","concurrent_calls":2,"backend":[{"url_pattern":"/a"}]},
			{"endpoint":"/lifted","method":"POST","max_body_bytes":0,`+two+`,"extra_config":{`+writes+`}},
			{"endpoint":"/more","method":"POST","max_body_bytes":"48MiB",`+two+`,"extra_config":{`+writes+`}},
			{"endpoint":"/payload","method":"POST",`+two+`,"extra_config":{"proxy":{"allow_multiple_writes":true,"max_payload":50331648}}},
			{"endpoint":"/less","method":"POST","max_body_bytes":100,"backend":[{"url_pattern":"/a"}]},
			{"endpoint":"/stream","method":"POST","output_encoding":"no-op","backend":[{"url_pattern":"/a"}]}]}`, backend))
		c := newClient(t)
		c.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute // nobody sends what is refused at once
		for _, tt := range []struct {
			path   string
			status int
			copies int64
		}{
			{"/merged", 413, 0},
			{"/sequence", 413, 0},
			{"/shadow", 413, 0},
			{"/race", 413, 0},
			{"/less", 413, 0},
			{"/lifted", 200, 2},
			{"/more", 200, 2},
			{"/payload", 200, 2},
			{"/stream", 200, 1},
		} {
			for _, announced := range []bool{true, false} {
				got.Store(0)
				size := int64(held + 1)
				if tt.path == "/less" {
					size = 101
				}
				r, err := http.NewRequestWithContext(t.Context(), "POST", g.url+tt.path, zeros(int(size)))
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Expect", "100-continue")
				if announced {
					r.ContentLength = size
				}
				res, err := c.Do(r)
				if err != nil {
					t.Errorf("%s: %s, announced %t: %v", engine, tt.path, announced, err)
					continue
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if want := tt.copies * size; res.StatusCode != tt.status || tt.status == 200 && got.Load() != want || tt.status != 200 && tt.path != "/less" && got.Load() > 0 {
					t.Errorf("%s: %s, announced %t: %d, the backends got %d bytes, want %d, %d bytes", engine, tt.path, announced, res.StatusCode, got.Load(), tt.status, want)
				}
			}
		}
	}
}
