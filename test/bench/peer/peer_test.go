package peer

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestHandler(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/object":
			io.WriteString(w, `{"id":9007199254740993,"owner":{"name":"Ada","age":36},"old":true}`)
		case "/list":
			io.WriteString(w, `[1,2]`)
		case "/raw/a b":
			w.Header().Set("X-Kept", "yes")
			io.WriteString(w, "raw")
		default:
			http.NotFound(w, r)
		}
	}))
	defer backend.Close()
	const config = `{"endpoints":[
		{"endpoint":"/keep","backend":[{"url_pattern":"/object","allow":["owner.name","id","none","id.none"],"mapping":{"id":"key"},"group":"it"}]},
		{"endpoint":"/drop","backend":[{"url_pattern":"/object","deny":["old","owner.age","id.none"]},{"url_pattern":"/list","is_collection":true}]},
		{"endpoint":"/fails","backend":[{"url_pattern":"/object"},{"url_pattern":"/none"}]},
		{"endpoint":"/wrong","backend":[{"url_pattern":"/list"}]},
		{"endpoint":"/raw/{id}","output_encoding":"no-op","backend":[{"url_pattern":"/raw/{id}"}]}
	]}`
	var c Config
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		t.Fatal(err)
	}
	for _, e := range c.Endpoints {
		for i := range e.Backends {
			e.Backends[i].Host = []string{backend.URL}
		}
	}
	h := Handler(c)
	tests := []struct {
		path   string
		status int
		body   string // "" is not looked at
	}{
		{"/keep", 200, `{"it":{"key":9007199254740993,"owner":{"name":"Ada"}}}`},
		{"/drop", 200, `{"collection":[1,2],"id":9007199254740993,"owner":{"name":"Ada"}}`},
		{"/fails", 502, ""},
		{"/wrong", 502, ""},
		{"/raw/a%20b", 200, "raw"},
		{"/raw/none", 404, ""},
		{"/none", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, tt.path, nil))
			if got := w.Body.String(); w.Code != tt.status || (tt.body != "" && got != tt.body) {
				t.Errorf("status %d, body %s, want %d, %s", w.Code, got, tt.status, tt.body)
			}
		})
	}
}
