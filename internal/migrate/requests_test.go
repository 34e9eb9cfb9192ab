package migrate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/e2e"
	"github.com/sluice-gateway/sluice/internal/model"
)

// files are files of requests, and what is read of them.
var files = []struct{ text, want string }{
	{"/a\n/b?x=1\n\n/c\n", "GET /a; GET /b?x=1; GET /c"},
	{"GET /a\nAccept: text/plain\nX-A:b\n\nDELETE https://example.com/b/1#x HTTP/1.1\n", "GET /a Accept=text/plain X-A=b; DELETE /b/1"},
	{"# one\n// two\n### three\nPOST /a\n\n{\n\n# no comment\n}\n\n\n### four\nPUT /b\nA: b\n\nx", "POST /a {\n\n# no comment\n}; PUT /b A=b x"},
	{"POST /a\n\nGET /b\n", "POST /a GET /b"}, // a body ends at ###
	{"\r\nGET /a\r\nA: b\r\n", "GET /a A=b"},
	{"GET //a\n", "GET //a"},
	{"", "error requests.http: there is no request; write lines such as GET /users/1"},
	{"GET /a\nx\n", `error requests.http:2:1: "x" is neither a request nor a line of its header; write a line such as GET /users/1`},
	{"get /a\n", `error requests.http:1:1: "get /a" is neither a request nor a line of its header; write a line such as GET /users/1`},
	{"GET http://example.com\n", `error requests.http:1:1: "GET http://example.com" is neither a request nor a line of its header; write a line such as GET /users/1`},
}

func TestReadRequests(t *testing.T) {
	for _, tt := range files {
		all, problems := ReadRequests("requests.http", []byte(tt.text))
		var got []string
		for _, p := range problems {
			got = append(got, "error "+p.Error())
		}
		for _, q := range all {
			if len(problems) > 0 {
				break
			}
			text := q.Method + " " + q.Target
			for _, name := range []string{"A", "Accept", "X-A"} {
				if v, ok := q.Header[name]; ok {
					text += " " + name + "=" + v
				}
			}
			got = append(got, strings.TrimSpace(text+" "+q.Body))
		}
		if s := strings.Join(got, "; "); s != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, s, tt.want)
		}
	}
}

// FuzzReadRequests reads anything without a crash, and requests that can be made.
func FuzzReadRequests(f *testing.F) {
	for _, tt := range files {
		f.Add([]byte(tt.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		all, problems := ReadRequests("requests.http", text)
		if len(all)+len(problems) == 0 {
			t.Error("neither a request nor a problem")
		}
		for _, q := range all {
			if q.Method == "" || !strings.HasPrefix(q.Target, "/") || strings.ContainsAny(q.Target, " \t\r\n#") {
				t.Errorf("%q", q)
			}
		}
	})
}

func service(t *testing.T, text string) *model.Service {
	t.Helper()
	d, problems := config.Parse("krakend.yaml", []byte(text))
	s, more := model.Resolve(d)
	if config.HasErrors(append(problems, more...)) {
		t.Fatal(config.Format(append(problems, more...)))
	}
	return s
}

func TestGenerate(t *testing.T) {
	s := service(t, `version: 3
host: [a]
endpoints:
  - {endpoint: "/a/{id}/b/{x}", backend: [{url_pattern: /}]}
  - {endpoint: "/files/*", backend: [{url_pattern: /}]}
  - {endpoint: "/a b/ü", backend: [{url_pattern: /}, {url_pattern: /, method: HEAD}]}
  - {endpoint: /c, method: PUT, backend: [{url_pattern: /, method: GET}]}
  - {endpoint: /d, backend: [{url_pattern: /}, {url_pattern: /, method: DELETE}]}
  - {endpoint: /e, backend: [{url_pattern: /, extra_config: {github.com/devopsfaith/krakend-amqp/consume: {}}}]}
  - {endpoint: /f, backend: [{url_pattern: /, extra_config: {backend/http: {return_error_code: true}, "@backend/lambda": {}}}]}
`)
	var got []string
	for _, a := range Generate(s) {
		text := a.Request.Method + " " + a.Request.Target
		if a.Not != "" {
			text = "not " + text
		}
		got = append(got, text)
		if again := EndpointOf(s, a.Request); again != a.Endpoint {
			t.Errorf("%s is a request for another endpoint", text)
		}
	}
	want := "GET /a/1/b/1, GET /files/1, GET /a%20b/%C3%BC, not PUT /c, not GET /d, not GET /e, GET /f"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}

func TestEndpointOf(t *testing.T) {
	s := service(t, `version: 3
host: [a]
endpoints:
  - {endpoint: "/*", backend: [{url_pattern: /}]}
  - {endpoint: "/a/{id}", backend: [{url_pattern: /}]}
  - {endpoint: "/a/me", backend: [{url_pattern: /}]}
  - {endpoint: "/a/*", backend: [{url_pattern: /}]}
  - {endpoint: "/a/me", method: POST, backend: [{url_pattern: /}]}
`)
	for request, want := range map[string]string{
		"GET /a/me?x=1": "GET /a/me", "HEAD /a/me": "GET /a/me", "POST /a/me": "POST /a/me", "GET /a/you": "GET /a/{id}",
		"GET /a/b/c": "GET /a/*", "GET /x": "GET /*", "PUT /a/me": "", "GET /a/%6de": "GET /a/me",
	} {
		method, target, _ := strings.Cut(request, " ")
		got := ""
		if e := EndpointOf(s, e2e.Request{Method: method, Target: target}); e != nil {
			got = fmt.Sprint(e.Method, " ", e.Endpoint)
		}
		if got != want {
			t.Errorf("%s is for %q, want %q", request, got, want)
		}
	}
}
