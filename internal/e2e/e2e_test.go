package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// write makes a file in a folder and returns its name.
func write(t testing.TB, folder, name, text string) string {
	t.Helper()
	name = filepath.Join(folder, name)
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// read reads the cases of a text, which has to be good.
func read(t testing.TB, name, text string, environ ...string) []*Case {
	t.Helper()
	cases, problems := Read(context.Background(), []string{write(t, t.TempDir(), name, text)}, environ)
	if len(problems) > 0 {
		t.Fatal(config.Format(problems))
	}
	return cases
}

// results runs cases.
func results(ctx context.Context, r *Runner, cases []*Case) (all Report) {
	r.Run(ctx, cases, func(one Result) { all = append(all, one) })
	return all
}

// answers is what is tested here: a server that answers what its paths say.
func answers(t testing.TB) *httptest.Server {
	mux := http.NewServeMux()
	say := func(path, kind, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, text)
		})
	}
	say("/json", "application/json", `{"b":[1,{"c":2.50}],"a":"x","n":9007199254740993}`)
	say("/text", "text/plain", "one\ntwo\nthree\n")
	say("/empty", "text/plain", "")
	say("/many", "application/json", "["+strings.TrimSuffix(strings.Repeat("1,", 50), ",")+"]")
	say("/secret", "application/json", `{"token":"s3cr3t-token","key":"k"}`)
	mux.HandleFunc("/header", func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["X-Two"] = []string{"b", "a"}
		w.Header().Set("X-One", "1")
		w.Header().Set("X-Empty", "")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, "%s %s %s %v %s %s", r.Method, r.Host, r.RequestURI, r.Header["X-Test"], r.UserAgent(), text)
	})
	mux.HandleFunc("/packed", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		packed := gzip.NewWriter(w)
		io.WriteString(packed, r.Header.Get("Accept-Encoding"))
		packed.Close()
	})
	mux.HandleFunc("/unpacked", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, "this is no gzip at all")
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/text", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "not for you")
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
	})
	mux.HandleFunc("/hangs", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		io.CopyN(packed, zeros{}, maxAnswer+1)
		packed.Close()
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestRun has a case for each key of a specification, and for each way to fail.
func TestRun(t *testing.T) {
	s := answers(t)
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		spec   string // in YAML
		runner Runner
		want   []string // lines behind that of the place; nil for ok
	}{
		{name: "the status alone", spec: `{in: {url: http://g/json}, out: {status_code: 200}}`},
		{name: "another status", spec: `{in: {url: http://g/refused}, out: {status_code: 200}}`,
			want: []string{"status: got 403, want 200", "the body is not for you"}},
		{name: "method, header and a text", spec: `{in: {url: "http://g/echo?a=%2F", method: PUT, header: {x-test: "1", host: shop.example}, body: "a b"}, out: {status_code: 200, body: "PUT shop.example /echo?a=%2F [1] Go-http-client/1.1 a b"}}`},
		{name: "an object is sent as it is written", spec: `{in: {url: http://g/echo, method: POST, header: {User-Agent: me}, body: {b: 1.0, a: ["<", 2]}}, out: {status_code: 200, body: 'POST HOST /echo [] me {"b":1.0,"a":["<",2]}'}}`},
		{name: "other characters in a target", spec: `{in: {url: "http://g/echo/../echo", header: {}}, out: {status_code: 200, body: "GET HOST /echo [] Go-http-client/1.1 "}}`},
		{name: "fields as whole lists", spec: `{in: {url: http://g/header}, out: {status_code: 200, header: {x-two: [b, a], X-One: ["1"], X-Empty: [""], X-None: [""]}}}`},
		{name: "fields that differ", spec: `{in: {url: http://g/header}, out: {status_code: 200, header: {X-Two: [a, b], X-One: [""], X-None: ["1"]}}}`,
			want: []string{`header X-None: got none, want ["1"]`, `header X-One: got ["1"], want none`, `header X-Two: got ["b", "a"], want ["a", "b"]`}},
		{name: "JSON whatever the order and the digits", spec: `{in: {url: http://g/json}, out: {status_code: 200, body: {n: 9007199254740993, a: x, b: [1.0, {c: 25e-1}]}}}`},
		{name: "JSON that differs", spec: `{in: {url: http://g/json}, out: {status_code: 200, body: {n: 9007199254740992, b: [1, {c: 2.5, "d e": null}, 3], z: {}}}}`,
			want: []string{`body a: got "x", want none`, `body b[1]["d e"]: got none, want null`, `body b[2]: got none, want 3`,
				`body n: got 9007199254740993, want 9007199254740992`, `body z: got none, want {}`}},
		{name: "another type", spec: `{in: {url: http://g/json}, out: {status_code: 200, body: [1]}}`,
			want: []string{`body: got {"a":"x","b":[1,{"c":2.50}],"n":9007199254740993}, want [1]`}},
		{name: "types within", spec: `{in: {url: http://g/json}, out: {status_code: 200, body: {a: 1, b: {}, n: "9007199254740993"}}}`,
			want: []string{`body a: got "x", want 1`, `body b: got [1,{"c":2.50}], want {}`, `body n: got 9007199254740993, want "9007199254740993"`}},
		{name: "no JSON", spec: `{in: {url: http://g/text}, out: {status_code: 200, body: {a: 1}}}`,
			want: []string{`body: got "one\ntwo\nthree\n", which is no JSON, want {"a":1}`}},
		{name: "a text", spec: `{in: {url: http://g/text}, out: {status_code: 200, body: "one\ntwo\nthree\n"}}`},
		{name: "another text", spec: `{in: {url: http://g/text}, out: {status_code: 200, body: "one\ntwo\nthere\n"}}`,
			want: []string{`body, which differs in line 3 behind 10 bytes: got "one\ntwo\nthree\n", want "one\ntwo\nthere\n"`}},
		{name: "an empty text", spec: `{in: {url: http://g/empty}, out: {status_code: 200, body: ""}}`},
		{name: "null is not compared", spec: `{in: {url: http://g/text}, out: {status_code: 200, body: null}}`},
		{name: "a text of JSON in another order", spec: `{in: {url: http://g/json}, out: {status_code: 200, body: '{"a":"x", "b":[1,{"c":2.5}],"n":9007199254740993}'}}`},
		{name: "a text of JSON to the byte", spec: `{in: {url: http://g/json}, out: {status_code: 200, body: '{"a":1}'}}`, runner: Runner{Exact: true},
			want: []string{`body: got {"b":[1,{"c":2.50}],"a":"x","n":9007199254740993}, want {"a":1}`}},
		{name: "a schema", spec: `{in: {url: http://g/json}, out: {status_code: 200, body: unseen, schema: {type: object, required: [a]}}}`},
		{name: "a schema that says no", spec: `{in: {url: http://g/json}, out: {status_code: 200, schema: {required: [z], properties: {a: {type: integer}}}}}`,
			want: []string{`body: missing property 'z'`, `body a: got string, want integer`, `the body is {"b":[1,{"c":2.50}],"a":"x","n":9007199254740993}`}},
		{name: "a schema and no JSON", spec: `{in: {url: http://g/text}, out: {status_code: 200, schema: {}}}`,
			want: []string{`body: got "one\ntwo\nthree\n", want JSON, which the schema is about`}},
		{name: "a schema and nothing", spec: `{in: {url: http://g/empty}, out: {status_code: 200, schema: {}}}`,
			want: []string{`body: got nothing, want what the schema says`}},
		{name: "many differences", spec: `{in: {url: http://g/many}, out: {status_code: 200, body: []}}`,
			want: append(slices.Collect(func(yield func(string) bool) {
				for i := range maxDifferences {
					yield(fmt.Sprintf("body[%d]: got 1, want none", i))
				}
			}), "and 30 more")},
		{name: "gzip that nobody asked for", spec: `{in: {url: http://g/packed}, out: {status_code: 200, body: gzip, header: {Content-Encoding: [""]}}}`},
		{name: "gzip that was asked for", spec: `{in: {url: http://g/packed, header: {Accept-Encoding: "gzip, br"}}, out: {status_code: 200, body: "gzip, br", header: {Content-Encoding: [gzip]}}}`},
		{name: "no gzip", spec: `{in: {url: http://g/unpacked, header: {Accept-Encoding: gzip}}, out: {status_code: 200}}`,
			want: []string{"request: the answer says that it is gzip and is none: gzip: invalid header"}},
		{name: "HEAD of gzip", spec: `{in: {url: http://g/packed, method: HEAD, header: {Accept-Encoding: gzip}}, out: {status_code: 200, body: ""}}`},
		{name: "redirects are followed", spec: `{in: {url: http://g/redirect}, out: {status_code: 200, body: "one\ntwo\nthree\n"}}`},
		{name: "redirects are not followed", spec: `{in: {url: http://g/redirect}, out: {status_code: 302, header: {location: [/text]}}}`, runner: Runner{Stay: true}},
		{name: "redirects without an end", spec: `{in: {url: http://g/round}, out: {status_code: 200}}`, want: []string{"request: stopped after 10 redirects"}},
		{name: "an answer that breaks off", spec: `{in: {url: http://g/broken}, out: {status_code: 200}}`,
			want: []string{"request: the answer 200 broke off behind 4 bytes: unexpected EOF"}},
		{name: "an error that is expected", spec: `{in: {url: http://g/round}, error: "stopped"}`},
		{name: "an answer where an error is expected", spec: `{in: {url: http://g/text}, error: "stopped"}`,
			want: []string{"request: got an answer 200, want none, because the case expects an error", "the body is one\n    two\n    three"}},
		{name: "too late", spec: `{in: {url: http://g/hangs}, out: {status_code: 200}}`, runner: Runner{Timeout: time.Nanosecond},
			want: []string{"request: no whole answer within 1ns"}},
		{name: "too large, unpacked", spec: `{in: {url: http://g/huge}, out: {status_code: 200}}`, want: []string{"request: the answer has more than 32 MiB"}},
		{name: "comments and a name", spec: `{"@comment": x, in: {url: http://g/text, "#": y}, out: {status_code: 200, _z: 1}}`},
		{name: "secrets are hidden", spec: `{in: {url: http://g/secret, header: {Authorization: "Bearer ${env:TOKEN}"}}, out: {status_code: 200, body: {key: "k2", "token": "t"}}}`,
			runner: Runner{Mask: func(text string) string { return strings.ReplaceAll(text, "k2", "***") }},
			want:   []string{`body key: got "k", want "***"`, `body token: got "***", want "t"`}},
		{name: "secrets with quotes are hidden", spec: `{in: {url: http://g/header, header: {A: "${env:TOKEN}", B: "${env:LONGER}"}}, out: {status_code: 200, header: {X-One: ["${env:QUOTED}"], X-Empty: ["${env:LONGER}"]}}}`,
			want: []string{`header X-Empty: got [""], want ["***"]`, `header X-One: got ["1"], want ["***"]`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := strings.ReplaceAll(tt.spec, "HOST", base.Host)
			cases := read(t, "case.yaml", spec, "TOKEN=s3cr3t-token", "QUOTED=pa\"ss\\word17", "LONGER=s3cr3t-token-and-more")
			tt.runner.Base = base
			got := results(t.Context(), &tt.runner, cases)[0]
			want := "case: ok\n"
			if tt.want != nil {
				want = "case: failed\n  " + got.At.String() + "\n  " + strings.Join(tt.want, "\n  ") + "\n"
			}
			if got.Text() != want {
				t.Errorf("got\n%.2000s\nwant\n%.2000s", got.Text(), want)
			}
		})
	}
}

// TestNext runs cases behind others, as deep as they go, and none behind one that failed.
func TestNext(t *testing.T) {
	base, err := url.Parse(answers(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	cases := read(t, "a.json", `{"in": {"url": "http://g/text"}, "out": {"status_code": 200}, "next": [
		{"in": {"url": "http://g/text"}, "out": {"status_code": 201}, "next": [{"name": "never", "in": {"url": "http://g/text"}, "out": {"status_code": 200}}]},
		{"name": "refusal", "in": {"url": "http://g/refused"}, "out": {"status_code": 403}, "next": [{"in": {"url": "http://g/text"}, "out": {"status_code": 200}}]}]}`)
	var got []string
	for _, r := range results(t.Context(), &Runner{Base: base}, cases) {
		got = append(got, fmt.Sprintf("%s: %s", r.Name, r.Outcome))
	}
	want := []string{"a: ok", "a > 1: failed", "a > 1 > never: not run", "a > refusal: ok", "a > refusal > 1: ok"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStopped ends a run at once, in the middle of a case.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	one := `{"in": {"url": "` + s.URL + `"}, "out": {"status_code": 200}}`
	folder := t.TempDir()
	write(t, folder, "a.json", one)
	write(t, folder, "b.json", one)
	cases, problems := Read(t.Context(), []string{folder}, nil)
	if len(problems) > 0 {
		t.Fatal(config.Format(problems))
	}
	got := results(ctx, &Runner{}, cases)
	if len(got) != 2 || got[0].Outcome != Failed || got[0].Differences[0].String() != "request: context canceled" || got[1].Outcome != NotRun {
		t.Errorf("got %+v", got)
	}
}

// TestTLS verifies the certificate of the gateway unless that is not wanted.
func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	cases := read(t, "a.json", `{"in": {"url": "`+s.URL+`"}, "out": {"status_code": 404}}`)
	if got := results(t.Context(), &Runner{Insecure: true}, cases)[0]; got.Outcome != OK {
		t.Errorf("unverified: %s", got.Text())
	}
	if got := results(t.Context(), &Runner{}, cases)[0]; got.Outcome != Failed || !strings.Contains(got.Text(), "certificate signed by unknown authority") {
		t.Errorf("verified: %s", got.Text())
	}
}

// TestAway says where the gateway is if nobody is where a case says.
func TestAway(t *testing.T) {
	cases := read(t, "a.json", `{"in": {"url": "http://`+testx.UnusedAddress(t)+`/"}, "out": {"status_code": 200}}`)
	got := results(t.Context(), &Runner{Away: "the gateway listens at [::]:8080"}, cases)[0]
	if text := got.Text(); !strings.Contains(text, "connection refused; the gateway listens at [::]:8080\n") {
		t.Errorf("got %s", text)
	}
	cases = read(t, "b.json", `{"in": {"url": "http://`+testx.UnusedAddress(t)+`/"}, "error": "any"}`)
	if got := results(t.Context(), &Runner{}, cases)[0]; got.Outcome != Failed || !strings.Contains(got.Text(), "connection refused") {
		t.Errorf("where an error is expected: %s", got.Text())
	}
}

// TestTowards leads what goes to a port to where the gateway is, Host and redirects as written.
func TestTowards(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/a" {
			http.Redirect(w, r, "http://127.0.0.1:1/b", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Host)
	}))
	defer s.Close()
	for _, host := range []string{"localhost:1", "127.0.0.1:1", "[::1]:1", "0.0.0.0:1"} {
		cases := read(t, "a.json", `{"in": {"url": "http://`+host+`/c"}, "out": {"status_code": 200, "body": "`+host+`"},
			"next": [{"in": {"url": "http://`+host+`/a"}, "out": {"status_code": 200, "body": "127.0.0.1:1"}}]}`)
		for _, got := range results(t.Context(), &Runner{Dial: Towards(1, s.Listener.Addr())}, cases) {
			if got.Outcome != OK {
				t.Errorf("%s: %s", host, got.Text())
			}
		}
	}
	if c, err := Towards(2, s.Listener.Addr())(t.Context(), "tcp", testx.UnusedAddress(t)); err == nil {
		c.Close()
		t.Error("what goes elsewhere was led to the gateway")
	}
}

// TestAddress keeps the target of a case as it is written.
func TestAddress(t *testing.T) {
	tests := []struct{ base, written, want string }{
		{"https://g.example", "http://localhost:8080/a//b/../%2e?x=1;y#z", "https://g.example/a//b/../%2e?x=1;y#z"},
		{"https://g.example/", "http://localhost:8080", "https://g.example"},
		{"http://g:1/api/?q=1", "http://localhost?x=1", "http://g:1/api?x=1"},
		{"http://me:pw@g", "http://localhost/", "http://me:pw@g/"},
		{"http://g", "http://me:pw@localhost/", "http://me:pw@g/"},
	}
	for _, tt := range tests {
		base, err := url.Parse(tt.base)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := (&Runner{Base: base}).address(tt.written); got != tt.want || err != nil {
			t.Errorf("%s behind %s: got %s, %v, want %s", tt.written, tt.base, got, err, tt.want)
		}
	}
}

// TestProblems says what is wrong with files, with the place and what to write.
func TestProblems(t *testing.T) {
	deep := `"next": [`
	one := func(more string) string {
		return `{"in": {"url": "http://g/"}, "out": {"status_code": 200}` + more + `}`
	}
	text := one("")
	for range maxDepth + 1 {
		text = one(", " + deep + text + "]")
	}
	tests := []struct{ name, text, want string }{
		{"no JSON", "{", "a.json:1:2: "},
		{"no object", "[]", "a.json:1:1: must be an object, got a list"},
		{"an unknown key", `{"in": {"url": "http://g/", "metod": "GET"}, "out": {"status_code": 200}}`, `a.json:1:29: in.metod: unknown key "metod"; did you mean "method"?`},
		{"a key twice", `{"in": {"url": "http://g/", "url": "http://h/"}, "out": {"status_code": 200}}`, `a.json:1:29: in.url: the key "url" occurs twice`},
		{"no request", `{"out": {"status_code": 200}}`, "a.json:1:1: in: missing"},
		{"no URL", `{"in": {}, "out": {"status_code": 200}}`, "a.json:1:8: in.url: missing"},
		{"no address", `{"in": {"url": "/a"}, "out": {"status_code": 200}}`, "a.json:1:16: in.url: "},
		{"another scheme", `{"in": {"url": "ftp://g/a"}, "out": {"status_code": 200}}`, "a.json:1:16: in.url: "},
		{"no method", `{"in": {"url": "http://g/", "method": "GE T"}, "out": {"status_code": 200}}`, "a.json:1:39: in.method: "},
		{"no answer", `{"in": {"url": "http://g/"}}`, `a.json:1:1: out is missing; write "out": {"status_code": 200}`},
		{"no status", `{"in": {"url": "http://g/"}, "out": {}}`, `a.json:1:37: out: status_code is missing, which is always compared; write "status_code": 200`},
		{"a status that is none", `{"in": {"url": "http://g/"}, "out": {"status_code": "200"}}`, "a.json:1:53: out.status_code: "},
		{"a list of one header", `{"in": {"url": "http://g/", "header": {"a": ["b"]}}, "out": {"status_code": 200}}`, "a.json:1:45: in.header.a: "},
		{"a name that is none", `{"in": {"url": "http://g/", "header": {"a b": "c"}}, "out": {"status_code": 200}}`, `a.json:1:47: in.header["a b"]: "a b" is no name of a header; write one such as Accept`},
		{"two lines", `{"in": {"url": "http://g/", "header": {"a": "b\nc"}}, "out": {"status_code": 200}}`, "a.json:1:45: in.header.a: a header cannot hold line ends and the like; write one line"},
		{"a length", `{"in": {"url": "http://g/", "header": {"content-length": "3"}}, "out": {"status_code": 200}}`, `a.json:1:58: in.header["content-length"]: content-length is not sent as it is written: the body frames itself; leave it out`},
		{"a header that is no list", `{"in": {"url": "http://g/"}, "out": {"status_code": 200, "header": {"a": "b"}}}`, "a.json:1:74: out.header.a: "},
		{"an empty list", `{"in": {"url": "http://g/"}, "out": {"status_code": 200, "header": {"a": []}}}`, `a.json:1:74: out.header.a: no value, and no list of values is empty; write [""] for a header that is absent`},
		{"a name that is none, in the answer", `{"in": {"url": "http://g/"}, "out": {"status_code": 200, "header": {"a:": ["b"]}}}`, `a.json:1:75: out.header["a:"]: "a:" is no name of a header; write one such as Content-Type`},
		{"a schema that is none", `{"in": {"url": "http://g/"}, "out": {"status_code": 200, "schema": {"type": "txt"}}}`, "a.json:1:68: out.schema: no JSON Schema: type: "},
		{"a schema that is no object", `{"in": {"url": "http://g/"}, "out": {"status_code": 200, "schema": true}}`, "a.json:1:68: out.schema: "},
		{"an error with an answer", `{"in": {"url": "http://g/"}, "out": {"status_code": 200}, "error": "x"}`, "a.json:1:37: out: there is no answer where an error is expected; leave out away, or error"},
		{"what follows is wrong", one(`, "next": [{"in": {"url": "http://g/"}, "out": {}}]`), "a.json:1:104: next[0].out: status_code is missing"},
		{"too deep", text, "cases follow each other 16 deep at most; write further ones in a list beside each other"},
		{"a variable that is missing", `{"in": {"url": "http://${env:NONE}/"}, "out": {"status_code": 200}}`, "a.json:1:16: in.url: the variable NONE of ${env:NONE} is not set; set it before the start"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, ".", "a.json", tt.text)
			_, problems := Read(t.Context(), []string{"a.json"}, nil)
			severity := config.Error
			if tt.name == "a length" {
				severity = config.Warning
			}
			if len(problems) != 1 || problems[0].Severity != severity || !strings.Contains(problems[0].Error(), tt.want) {
				t.Errorf("got\n%swant %s", config.Format(problems), tt.want)
			}
		})
	}
}

// TestFiles takes those of folders in the order of their names, and says what it cannot take.
func TestFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	const text = `{"in": {"url": "http://g/"}, "out": {"status_code": 200}}`
	if err := errors.Join(os.MkdirAll("specs/inner", 0o755), os.Mkdir("empty", 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"specs/b.json", "specs/a.yaml", "specs/C.YML", "specs/readme.md", "specs/inner/d.json", "other.json"} {
		write(t, ".", name, text)
	}
	write(t, ".", "a.json", text)
	write(t, ".", "specs/empty.txt", "")
	tests := []struct {
		names []string
		want  []string // names of cases, or a problem
	}{
		{[]string{"specs"}, []string{"C", "a", "b"}},
		{[]string{"other.json", "specs/"}, []string{"other", "C", "a", "b"}},
		{[]string{"specs/inner/d.json"}, []string{"d"}},
		{[]string{"empty"}, []string{"empty: no specification; write one in a file that ends in .json, .yaml or .yml"}},
		{[]string{"none"}, []string{"none: there is no such file or folder; name the specifications, or the folder that they are in"}},
		{[]string{"a.json", "specs"}, []string{`specs/a.yaml:1:1: the case of a.json is called "a" as well; rename one of the two files, or give one a name`}},
	}
	for _, tt := range tests {
		cases, problems := Read(t.Context(), tt.names, nil)
		var got []string
		for _, c := range cases {
			got = append(got, c.Name)
		}
		if len(problems) > 0 {
			got = nil
		}
		for _, p := range problems {
			got = append(got, p.Error())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.names, got, tt.want)
		}
	}
}

// TestReport has every form.
func TestReport(t *testing.T) {
	at := config.Pos{File: "specs/a.json", Line: 3, Col: 8}
	all := Report{
		{Name: "a", At: at, Outcome: OK, Took: 1499 * time.Microsecond},
		{Name: "b > <c>", At: at, Outcome: Failed, Took: 2 * time.Second, More: 3, Answer: `"\x00 & more"`, Differences: []Difference{
			{"status", "500", "200"}, {"body a", "missing property 'z'", ""},
		}},
		{Name: "b > <c> > 1", At: at, Outcome: NotRun},
	}
	text := ""
	for _, r := range all {
		text += r.Text()
	}
	testx.Golden(t, "testdata/report.txt", text+all.Summary()+"\n")
	for name, report := range map[string]func(io.Writer) error{"report.json": all.WriteJSON, "report.xml": all.WriteJUnit} {
		var b bytes.Buffer
		if err := report(&b); err != nil {
			t.Error(err)
		}
		testx.Golden(t, filepath.Join("testdata", name), b.String())
	}
}

// TestNumbers compares numbers by their value.
func TestNumbers(t *testing.T) {
	same := [][]string{
		{"0", "-0", "0.00", "0e9"}, {"1", "1.0", "10e-1", "0.1e1", "1E+0"}, {"-2.5", "-25e-1"}, {"100", "1e2"},
		{"9007199254740993"}, {"9007199254740992"}, {"1e400", "10e399"}, {"0.001", "1e-3"}, {"1e99999999999999999999"},
	}
	for i, group := range same {
		for j, other := range same {
			for _, a := range group {
				for _, b := range other {
					if got := sameNumber(a, b); got != (i == j) {
						t.Errorf("%s and %s: %t", a, b, got)
					}
				}
			}
		}
	}
}

// TestUntil waits as long as it may, and no longer than the context.
func TestUntil(t *testing.T) {
	looks := 0
	if err := Until(t.Context(), time.Minute, func(context.Context) error {
		if looks++; looks < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil || looks != 3 {
		t.Errorf("%d looks, %v", looks, err)
	}
	never := func(context.Context) error { return errors.New("never") }
	if err := Until(t.Context(), time.Nanosecond, never); err == nil || err.Error() != "not ready after 1ns: never" {
		t.Errorf("got %v", err)
	}
	if err := Until(t.Context(), time.Hour, func(context.Context) error { return errEnded }); !errors.Is(err, errEnded) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Until(ctx, time.Minute, never); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestReady knows a gateway that takes connections, and one that answers.
func TestReady(t *testing.T) {
	s := answers(t)
	r := new(Runner)
	for path, want := range map[string]string{"/text": "", "/refused": s.URL + "/refused answers 403"} {
		if err := r.Answers(s.URL + path)(t.Context()); fmt.Sprint(err) != want && (err != nil || want != "") {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
	one := func(address string) []*Case {
		return read(t, "a.json", `{"in": {"url": "`+address+`"}, "out": {"status_code": 200}}`)
	}
	if err := r.Listens(one(s.URL))(t.Context()); err != nil {
		t.Error(err)
	}
	if err := r.Listens(one("http://" + testx.UnusedAddress(t)))(t.Context()); err == nil {
		t.Error("nobody takes connections there")
	}
}

// TestProcess runs another program with what it may know, and ends it.
func TestProcess(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("SHOWN", "1")
	t.Setenv("HIDDEN", "2")
	write(t, ".", "gateway.sh", "#!/bin/sh\necho \"$@\" $USAGE_DISABLE $SHOWN $HIDDEN >said\nexec sleep 60\n")
	if err := os.Chmod("gateway.sh", 0o755); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	p, err := StartProcess("./gateway.sh", "krakend.json", []*regexp.Regexp{regexp.MustCompile("^SHOWN="), regexp.MustCompile("^PATH=")}, &log)
	if err != nil {
		t.Fatal(err)
	}
	said := func(context.Context) error {
		if text, err := os.ReadFile("said"); err != nil || len(text) == 0 {
			return errors.New("it has said nothing yet")
		}
		return nil
	}
	if err := Until(t.Context(), time.Minute, p.Watching(said)); err != nil {
		t.Error(err)
	}
	p.Stop()
	if text, err := os.ReadFile("said"); err != nil || string(text) != "run -d -c krakend.json 1 1\n" {
		t.Errorf("the program was told %q, %v", text, err)
	}

	write(t, ".", "gateway.sh", "#!/bin/sh\necho no license >&2\nexit 3\n")
	if p, err = StartProcess("./gateway.sh", "krakend.json", nil, &log); err != nil {
		t.Fatal(err)
	}
	<-p.ended
	err = p.Watching(said)(t.Context())
	if err == nil || !errors.Is(err, errEnded) || err.Error() != "it has ended: exit status 3\n  no license" || log.String() != "no license\n" {
		t.Errorf("got %v, log %q", err, log.String())
	}
	p.Stop()
	if _, err := StartProcess("./none", "krakend.json", nil, &log); err == nil {
		t.Error("a program that is missing was started")
	}
}

// TestMock has every path of the mock.
func TestMock(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- ServeMock(ctx, l, time.Millisecond) }()
	const echoed = `"headers":{"Accept-Encoding":["gzip"],"User-Agent":["Go-http-client/1.1"]%s},"path":"/param_forwarding/a","query":{"b":["1","2"]%s}}`
	const late = `"headers":{"Accept-Encoding":["gzip"],"User-Agent":["Go-http-client/1.1"]},"path":"/delayed/a","query":{}}`
	tests := []struct{ request, out string }{
		{`"url": "http://m/param_forwarding/a?b=1&b=2"`, `"status_code": 200, "header": {"Set-Cookie": ["test1=test1", "test2=test2"]}, "body": "{\"foo\":42,` +
			strings.ReplaceAll(fmt.Sprintf(echoed, "", ""), `"`, `\"`) + `\n"`},
		{`"url": "http://m/param_forwarding/a?b=1&b=2&dump_body=1", "method": "POST", "body": "x"`, `"status_code": 200, "body": {"foo": 42, "body": "x", ` + fmt.Sprintf(echoed, "", `,"dump_body":["1"]`)},
		{`"url": "http://m/param_forwarding/a?b=1&b=2", "method": "POST"`, `"status_code": 200, "body": {"foo": 42, ` + fmt.Sprintf(echoed, `,"Content-Length":["0"]`, "")},
		{`"url": "http://m/delayed/a"`, `"status_code": 200, "body": {"foo": 42, ` + late},
		{`"url": "http://m/collection/a"`, `"status_code": 200, "schema": {"type": "array", "minItems": 10, "maxItems": 10, "items": {"required": ["i"], "properties": {"path": {"const": "/collection/a"}}}}`},
		{`"url": "http://m/xml"`, `"status_code": 200, "header": {"Content-Type": ["application/xml; charset=utf-8"]}`},
		{`"url": "http://m/redirect/?b=1"`, `"status_code": 301, "header": {"Location": ["/param_forwarding/?b=1"]}`},
		{`"url": "http://m/redirect/?status=307"`, `"status_code": 307, "header": {"Location": ["/param_forwarding/?status=307"]}`},
		{`"url": "http://m/redirect/?status=200"`, `"status_code": 400`},
		{`"url": "http://m/param_forwarding"`, `"status_code": 307, "header": {"Location": ["/param_forwarding/"]}`},
		{`"url": "http://m/none"`, `"status_code": 404, "body": "404 page not found\n"`},
		{`"url": "http://m/jwk/symmetric", "header": {"X-Forwarded-For": ""}`, `"status_code": 200, "schema": {"required": ["keys"]}`},
		{`"url": "http://m/health", "header": {"X-Forwarded-For": ""}`, `"status_code": 200, "body": {"status": "ok"}`},
		{`"url": "http://m/xml", "header": {"X-Forwarded-For": "192.0.2.1"}`, `"status_code": 400`},
		{`"url": "http://m/xml", "header": {"X-Forwarded-For": ""}`, `"status_code": 400`},
	}
	base := &url.URL{Scheme: "http", Host: l.Addr().String()}
	for _, tt := range tests {
		if !strings.Contains(tt.request, "X-Forwarded-For") {
			tt.request += `, "header": {"X-Forwarded-For": "127.0.0.1"}`
		}
		cases := read(t, "a.json", `{"in": {`+tt.request+`}, "out": {`+tt.out+`}}`)
		if got := results(t.Context(), &Runner{Base: base, Stay: true}, cases)[0]; got.Outcome != OK {
			t.Errorf("%s: %s", tt.request, got.Text())
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// FuzzRead reads whatever stands in a file, and runs none of it.
func FuzzRead(f *testing.F) {
	f.Add(`{"in": {"url": "http://g/", "header": {"a": "b"}, "body": {}}, "out": {"status_code": 200, "header": {"a": [""]}, "schema": {"type": "object"}}, "next": [{"in": {}}]}`)
	f.Add(`{"in": {"url": "http://g/"}, "error": "x"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		cases, problems := Read(context.Background(), []string{write(t, t.TempDir(), "a.json", text)}, nil)
		if len(cases) == 0 && len(problems) == 0 {
			t.Error("nothing was said")
		}
	})
}

// FuzzCompare finds no difference between a value and itself.
func FuzzCompare(f *testing.F) {
	f.Add(`{"a": [1, 2.50, null, true, "x"], "b": {"c": {}}}`)
	f.Fuzz(func(t *testing.T, text string) {
		v, ok := parse([]byte(text))
		if !ok {
			return
		}
		d := differences{mask: func(text string) string { return text }}
		compareJSON(&d, "", v, v)
		if len(d.list) > 0 {
			t.Errorf("%q differs from itself: %v", text, d.list)
		}
	})
}
