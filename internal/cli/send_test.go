package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
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
  - endpoint: /masked
    output_encoding: no-op
    backend: [{url_pattern: "/raw?key=${env:SHOP_KEY}"}]
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
		{"send-404.txt", []string{"/rawr"}, 1, nil},
		{"send-404.json", []string{"--format", "json", "/rawr"}, 1, nil},
		{"send-post.txt", []string{"--data", "hello", "/users/7"}, 0, []string{"GET /user/7  hello", "POST /orders/12  hello"}},
		{"send-masked.txt", []string{"/masked"}, 0, []string{"GET /raw?key=tuesday-12  "}},
		{"send-sequence.json", []string{"--format", "json", "--data", "hello", "post", "https://shop.test/users/7?q#top"}, 0,
			[]string{"GET /user/7  hello", "POST /orders/12  hello"}},
		{"send-raw.json", []string{"--format", "json", "/raw"}, 0, []string{"GET /raw  "}},
		{"send-broken.json", []string{"--format", "json", "/broken"}, 1, []string{"GET /nowhere?key=tuesday-12  "}},
	}
	varies := regexp.MustCompile(`[0-9]+(\.[0-9]+)?(ns|µs|ms|s)\b *|(?P<key>"[a-z_]+_ms": )[0-9.e-]+|[0-9a-f]{32}|[A-Z][a-z]{2}, .* GMT`)
	for _, tt := range tests {
		got = nil
		result := invoke(t, append([]string{"explain", "-c", "shop.yaml", "--send"}, tt.args...)...)
		if result.code != tt.code || strings.Join(got, "; ") != strings.Join(tt.sent, "; ") {
			t.Errorf("%q: exit code %d, %s; the backend got %q, want %q", tt.args, result.code, result.stderr, got, tt.sent)
		}
		testx.Golden(t, filepath.Join(testdata, tt.golden), strings.ReplaceAll(varies.ReplaceAllString(result.stdout, "${key}T "), backend.URL, "http://shop"))
	}
	for _, args := range [][]string{{"--send", "-H", "no colon", "/raw"}, {"--send", "--data", "@missing", "/raw"}, {"--data", "x", "/raw"}} {
		if result := invoke(t, append([]string{"explain", "-c", "shop.yaml"}, args...)...); result.code != exitUsage {
			t.Errorf("%q: exit code %d, %s", args, result.code, result.stderr)
		}
	}
}

// TestSendTrouble shows what a client does not get, and what goes wrong: each with its
// place, what it says made harmless for a terminal, and the exit code.
func TestSendTrouble(t *testing.T) {
	for _, engine := range []string{"fast", "nethttp"} {
		t.Run(engine, func(t *testing.T) { sendTrouble(t, engine) })
	}
}

func sendTrouble(t *testing.T, engine string) {
	t.Chdir(t.TempDir())
	var got atomic.Int32
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got.Add(1)
		switch r.URL.Path {
		case "/torn":
			w.Header().Set("Content-Length", "10")
			io.WriteString(w, "torn")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/control":
			io.WriteString(w, "\x1b]0;title\x07\u009b\x7f\r\nnext\rline\tand\n\n")
		case "/long":
			io.WriteString(w, "x"+strings.Repeat("ü", 40<<10))
		case "/hang":
			<-r.Context().Done()
		default:
			io.WriteString(w, `{"path":"`+r.URL.Path+`"}`)
		}
	}))
	defer backend.Close()
	write(t, "shop.yaml", `version: 3
dialect: sluice
engine: `+engine+`
host: [`+backend.URL+`]
endpoints:
  - {endpoint: /torn, output_encoding: no-op, backend: [{url_pattern: /torn}]}
  - {endpoint: /control, output_encoding: no-op, backend: [{url_pattern: /control}]}
  - {endpoint: /long, output_encoding: no-op, backend: [{url_pattern: /long}]}
  - {endpoint: /plain, output_encoding: no-op, backend: [{url_pattern: /plain}]}
  - endpoint: /nowhere
    backend:
      - {url_pattern: /one, host: ["http://`+testx.UnusedAddress(t)+`"]}
      - {url_pattern: /two, host: ["http://`+testx.UnusedAddress(t)+`"]}
  - endpoint: /shadows
    backend:
      - {url_pattern: /plain}
      - {url_pattern: /seen, extra_config: {proxy: {shadow: true}}}
      - {url_pattern: /gone, host: ["http://`+testx.UnusedAddress(t)+`"], extra_config: {proxy: {shadow: true}}}
      - {url_pattern: /hang, extra_config: {proxy: {shadow: true, shadow_timeout: 1s}}}
`)
	tests := []struct {
		name   string
		args   []string
		code   int
		sent   int32
		want   []string // regular expressions, in order, in what is printed
		wanted bool     // whether the last of them is there
	}{
		{"HEAD has no body", []string{"HEAD", "/plain"}, 0, 1, []string{"^HEAD /plain: 200 ", "\nThe answer:\n  200\n", "path"}, false},
		{"GET has one", []string{"/plain"}, 0, 1, []string{"\nThe answer:\n  200\n", `\{"path":"/plain"\}`}, true},
		{"an answer breaks off", []string{"/torn"}, 1, 1, []string{"^GET /torn: 200 .*, broken off\n  .*unexpected EOF", "\n  torn\n", "sluice: the answer broke off"}, true},
		{"control characters", []string{"/control"}, 0, 1, []string{`\n  \\u001b\]0;title\\u0007\\u009b\\u007f\n  next\\u000dline	and\n$`}, true},
		{"a character that is cut", []string{"/long"}, 0, 1, []string{"\n  xü+\n  ... and more"}, true},
		{"errors", []string{"/nowhere"}, 1, 0, []string{"^GET .*\n  call .*refused\n  call .*refused\n\nWhat"}, true},
		{"shadows", []string{"/shadows"}, 0, 3, []string{"^GET .*\n", "What happened", "backend 1 /seen +shadow +200, spans\n"}, true},
		{"a shadow that fails", []string{"/shadows"}, 0, 3, []string{"^GET ", "\n  backend 2 /gone, a shadow: .*refused\n", "backend 2 /gone +shadow +fails: backend_unreachable\n"}, true},
		{"a shadow that hangs", []string{"/shadows"}, 0, 3, []string{"^GET ", "\n  backend 3 /hang, a shadow: .*timeout", "backend 3 /hang +shadow +fails: timeout\n"}, true},

		{"no host", []string{"-H", "Host:", "/plain"}, 2, 0, []string{"the answer is 400: a Host that is none"}, true},
		{"a blank in a host", []string{"-H", "Host: a b", "/plain"}, 2, 0, []string{"the answer is 400: a Host that is none"}, true},
		{"two hosts", []string{"-H", "Host: a", "-H", "Host: b", "/plain"}, 2, 0, []string{"the answer is 400: Host is given twice"}, true},
		{"a blank in a path", []string{"/plain x"}, 2, 0, []string{"the answer is 400: a target with a character"}, true},
		{"a line in a path", []string{"/plain HTTP/1.1\r\nX: y"}, 2, 0, []string{"has a line break; write one line"}, true},
		{"a line in a header", []string{"-H", "X: a\r\nY: b", "/plain"}, 2, 0, []string{"has a line break; write one line"}, true},
		{"a control character in a header", []string{"-H", "X: a\x00b", "/plain"}, 2, 0, []string{"a control character in the head"}, true},
		{"a wrong length", []string{"-H", "Content-Length: 9", "--data", "x", "POST", "/plain"}, 2, 0, []string{"leave Content-Length and Transfer-Encoding out"}, true},
		{"the right length", []string{"-H", "Content-Length: 1", "--data", "x", "GET", "/plain"}, 0, 1, []string{"^GET /plain: 200"}, true},
		{"a body without an end", []string{"--data", "@/dev/zero", "/plain"}, 2, 0, []string{"read /dev/zero: holds more than 64 MiB"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got.Store(0)
			result := invoke(t, append([]string{"explain", "-c", "shop.yaml", "--send"}, tt.args...)...)
			rest := result.stdout + result.stderr
			for i, pattern := range tt.want {
				at := regexp.MustCompile(pattern).FindStringIndex(rest)
				if wanted := tt.wanted || i < len(tt.want)-1; wanted != (at != nil) {
					t.Fatalf("%q: found %t, want %t in:\n%s\n%s", pattern, !wanted, wanted, result.stdout, result.stderr)
				} else if wanted {
					rest = rest[at[1]:]
				}
			}
			if result.code != tt.code || got.Load() != tt.sent {
				t.Errorf("exit code %d and %d calls, want %d and %d: %s", result.code, got.Load(), tt.code, tt.sent, result.stderr)
			}
		})
	}
}
