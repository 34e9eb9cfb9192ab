package reliability

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A want is what the client gets: an answer, or a failure with a code.
type want struct {
	status  int    // of an answer; 0 for a failure
	body    string // of an answer; "*" for any
	whole   bool   // the answer is complete
	breaks  bool   // the body breaks off, and the client notices
	code    string // of a failure
	message string // of a failure, in a problem document
	early   bool   // the end may come while the connection is made: nobody was reached then
}

func fails(code, message string) want { return want{code: code, message: message} }

func answers(body string) want { return want{status: 200, body: body, whole: true} }

// passes is an answer that is passed on as it is: nobody vouches for it.
func passes(status int, body string) want { return want{status: status, body: body} }

// breaks is an answer that begins like this and breaks off. If nothing of the
// body came, the client may see no answer at all.
func breaks(body string) want { return want{status: 200, body: body, breaks: true} }

// statusOf is the status of a failure by its cause.
var statusOf = map[string]int{
	"backend_status": 502, "backend_unreachable": 502, "backend_aborted": 502, "backend_invalid": 502,
	"backend_too_large": 502, "too_many_redirects": 502, "timeout": 504,
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.String()
}

const (
	aborted  = "connection broken"
	tooLate  = "context deadline exceeded"
	good     = `{"a":1}`
	goodHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n"
	chunked  = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// hangs keeps the connection and says nothing more.
func hangs(text string) func(*conn) {
	return func(c *conn) {
		for c.request() {
			io.WriteString(c, text)
		}
	}
}

// drips writes a head, and a text by the byte.
func drips(head, text string, pause time.Duration) func(*conn) {
	return func(c *conn) {
		for c.request() {
			io.WriteString(c, head)
			for i := range len(text) {
				if _, err := io.WriteString(c, text[i:i+1]); err != nil {
					return
				}
				time.Sleep(pause)
			}
		}
	}
}

// badBackends are what a backend can do wrong. Both dialects agree on what is
// an answer; they differ in how a failure looks.
var badBackends = []struct {
	name  string
	serve func(*conn)
	json  want
	noop  want
	idle  bool // the connection may be used again
	slow  bool // the deadline is what ends the call
}{
	{"closes at once", func(c *conn) { c.Close() }, fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"resets at once", func(c *conn) { c.reset() }, want{code: "backend_aborted", message: aborted, early: true}, want{code: "backend_aborted", message: aborted, early: true}, false, false},
	{"closes after the request", thenCloses(""), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"resets after the request", thenResets(""), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"closes in the status line", thenCloses("HTTP/1.1 20"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"closes in the header", thenCloses("HTTP/1.1 200 OK\r\nContent-Le"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"resets in the header", thenResets("HTTP/1.1 200 OK\r\nContent-Le"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"closes in the body", thenCloses(goodHead + `{"a"`), fails("backend_aborted", aborted), breaks(`{"a"`), false, false},
	{"resets in the body", thenResets(goodHead + `{"a"`), fails("backend_aborted", aborted), breaks(`{"a"`), false, false},
	{"closes before the body", thenCloses(goodHead), fails("backend_aborted", aborted), breaks(""), false, false},
	{"closes in a chunk", thenCloses(chunked + "7\r\n{\"a\""), fails("backend_aborted", aborted), breaks(`{"a"`), false, false},
	{"closes between chunks", thenCloses(chunked + "7\r\n{\"a\":1}\r\n"), fails("backend_aborted", aborted), breaks(good), false, false},
	{"resets between chunks", thenResets(chunked + "7\r\n{\"a\":1}\r\n"), fails("backend_aborted", aborted), breaks(good), false, false},
	{"sends a chunk without a size", thenCloses(chunked + "x\r\n{\"a\":1}\r\n0\r\n\r\n"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},

	{"hangs before the header", hangs(""), fails("timeout", tooLate), fails("timeout", tooLate), false, true},
	{"hangs in the header", hangs("HTTP/1.1 200 OK\r\nContent-Le"), fails("timeout", tooLate), fails("timeout", tooLate), false, true},
	{"hangs before the body", hangs(goodHead), fails("timeout", tooLate), breaks(""), false, true},
	{"hangs in the body", hangs(goodHead + `{"a"`), fails("timeout", tooLate), breaks(`{"a"`), false, true},
	{"hangs in a chunk", hangs(chunked + "7\r\n{\"a\""), fails("timeout", tooLate), breaks(`{"a"`), false, true},
	{"hangs between chunks", hangs(chunked + "7\r\n{\"a\":1}\r\n"), fails("timeout", tooLate), breaks(good), false, true},
	{"hangs behind the end of the body", hangs(goodHead + good), answers(good), passes(200, good), true, false},
	{"hangs where the end of the connection is that of the body", hangs("HTTP/1.1 200 OK\r\n\r\n" + good), fails("timeout", tooLate), breaks(good), false, true},
	{"drips and is too late", drips(goodHead, good, 100*time.Millisecond), fails("timeout", tooLate), breaks("*"), false, true},
	{"drips and is in time", drips("", ok(good), time.Millisecond), answers(good), passes(200, good), true, false},

	{"is no HTTP", thenCloses("SSH-2.0-OpenSSH_9.9\r\n"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"has a status of two digits", thenCloses("HTTP/1.1 20 OK\r\n\r\n"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"has a header of 11 MB", thenCloses("HTTP/1.1 200 OK\r\nX-Large: " + strings.Repeat("x", 11<<20) + "\r\n\r\n"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"has 300,000 fields", thenCloses("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-One: "+strings.Repeat("1", 30)+"\r\n", 300_000) + "\r\n"), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"has a length that is no number", thenCloses("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n" + good), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"has two lengths", thenCloses("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Length: 8\r\n\r\n" + good), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"sends more than announced", thenCloses(goodHead + good + "{}"), answers(good), passes(200, good), false, false},
	{"sends a second answer unasked", thenCloses(ok(good) + ok(`{"evil":1}`)), answers(good), passes(200, good), false, false},
	{"promises and promises", thenCloses(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100)), fails("backend_aborted", aborted), fails("backend_aborted", aborted), false, false},
	{"switches protocols", thenCloses("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), fails("backend_invalid", "invalid answer"), fails("backend_invalid", "invalid answer"), false, false},

	{"sends broken JSON", says(ok(`{"a":`)), fails("backend_invalid", "?"), passes(200, `{"a":`), true, false},
	{"sends two objects, of which the first counts", says(ok(`{"a":1}{"b":2}`)), answers(good), passes(200, `{"a":1}{"b":2}`), true, false},
	{"sends nothing", says(ok(``)), fails("backend_invalid", "?"), passes(200, ``), true, false},
	{"sends a page", says(ok(`<html>/inside</html>`)), fails("backend_invalid", "?"), passes(200, `<html>/inside</html>`), true, false},
	{"sends a list", says(ok(`[{"a":1}]`)), fails("backend_invalid", "?"), passes(200, `[{"a":1}]`), true, false},
	{"sends a text", says(ok(`"a"`)), fails("backend_invalid", "?"), passes(200, `"a"`), true, false},
	{"sends a number", says(ok(`1`)), fails("backend_invalid", "?"), passes(200, `1`), true, false},
	{"sends null", says(ok(`null`)), want{status: 200, body: `{}`}, passes(200, `null`), true, false},
	{"sends what is no UTF-8", says(ok("{\"a\":\"\xff\"}")), fails("backend_invalid", "?"), passes(200, "{\"a\":\"\xff\"}"), true, false},
	{"nests too deeply", says(ok(strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000))), fails("backend_invalid", "?"), passes(200, "*"), true, false},

	{"sends gzip that is none", says(ok("garbage", "Content-Encoding: gzip")), fails("backend_invalid", "invalid gzip"), fails("backend_invalid", "invalid gzip"), true, false},
	{"sends half a gzip", says(ok(gzipped(good)[:20], "Content-Encoding: gzip")), fails("backend_invalid", "invalid gzip"), breaks("*"), true, false},
	{"sends gzip with a wrong sum", says(ok(gzipped(good)[:len(gzipped(good))-8]+"12345678", "Content-Encoding: gzip")), fails("backend_invalid", "invalid gzip"), breaks(good), true, false},
	{"sends gzip", says(ok(gzipped(good), "Content-Encoding: gzip")), answers(good), passes(200, good), true, false},
	{"sends gzip of broken JSON", says(ok(gzipped(`{"a":`), "Content-Encoding: gzip")), fails("backend_invalid", "?"), passes(200, `{"a":`), true, false},
	{"sends what was not asked for", says(ok("\x0b\x03\x80", "Content-Encoding: br")), fails("backend_invalid", "?"), passes(200, "\x0b\x03\x80"), true, false},

	{"answers 500", says("HTTP/1.1 500 Oops\r\nContent-Length: 7\r\n\r\n/inside"), fails("backend_status", "invalid status code 500"), passes(500, "/inside"), true, false},
	{"answers 404 with an object", says("HTTP/1.1 404 No\r\nContent-Length: 7\r\n\r\n" + good), fails("backend_status", "invalid status code 404"), passes(404, good), true, false},
	{"answers 304", says("HTTP/1.1 304 Not Modified\r\n\r\n"), fails("backend_status", "invalid status code 304"), passes(304, ""), true, false},

	{"redirects in circles", says("HTTP/1.1 302 Found\r\nLocation: /inside/again\r\nContent-Length: 0\r\n\r\n"), fails("too_many_redirects", "too many redirects"), fails("too_many_redirects", "too many redirects"), true, false},
	{"redirects to another scheme", says("HTTP/1.1 302 Found\r\nLocation: ftp://inside.test/\r\nContent-Length: 0\r\n\r\n"), fails("backend_invalid", "invalid redirect"), fails("backend_invalid", "invalid redirect"), true, false},
	{"redirects to nonsense", says("HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nContent-Length: 0\r\n\r\n"), fails("backend_invalid", "invalid redirect"), fails("backend_invalid", "invalid redirect"), true, false},
	{"redirects to where nobody is", says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/inside\r\nContent-Length: 0\r\n\r\n"), fails("backend_unreachable", "connection refused"), fails("backend_unreachable", "connection refused"), true, false},
	{"redirects to nowhere", says("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), fails("backend_status", "invalid status code 302"), passes(302, ""), true, false},
}

// TestBadBackends shows what the client gets for everything that a backend can
// do wrong, decoded and passed through, in both dialects, and that no
// connection is left behind.
func TestBadBackends(t *testing.T) {
	noLeaks(t)
	for _, tt := range badBackends {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, timeout := newPeer(t, tt.serve), "20s"
			if tt.slow {
				timeout = "150ms"
			}
			for _, d := range dialects {
				g := start(t, fill(`{`+d.key+d.quiet()+`"timeout":"`+timeout+`","endpoints":[
					{"endpoint":"/json","backend":[{"url_pattern":"/inside/json","host":["$1"]}]},
					{"endpoint":"/raw","output_encoding":"no-op","backend":[{"url_pattern":"/inside/raw","host":["$1"]}]}]}`, p.url()))
				tt.json.check(t, d, "decoded", fetch(t, "GET", g.url+"/json", ""), p)
				if !tt.idle {
					p.waitOpen(0)
				}
				tt.noop.check(t, d, "passed through", fetch(t, "GET", g.url+"/raw", ""), p)
				if !tt.idle {
					p.waitOpen(0)
				}
			}
		})
	}
}

// check compares an answer and looks for secrets in what the gateway made of it.
func (w want) check(t *testing.T, d dialect, how string, got told, p *peer) {
	t.Helper()
	name := d.name + ", " + how
	switch {
	case w.breaks && w.body == "" && got.status == 0 && got.err != nil:
		return
	case w.code == "":
		if got.status != w.status || got.body != w.body && w.body != "*" || (got.err != nil) != w.breaks {
			t.Errorf("%s: %d %q %v, want %d %q, breaking off: %t", name, got.status, got.body, got.err, w.status, w.body, w.breaks)
		}
	case !d.problem:
		if got.status != 500 || got.body != "" || got.err != nil {
			t.Errorf("%s: %d %q %v, want 500 and nothing", name, got.status, got.body, got.err)
		}
	default:
		var doc struct {
			Type, Title, Code, Detail, Message string
			Status                             int
		}
		err := json.Unmarshal([]byte(got.body), &doc)
		if w.early && doc.Code == "backend_unreachable" {
			return
		}
		if err != nil || got.status != statusOf[w.code] || doc.Status != got.status || doc.Code != w.code || got.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s %v %v, want %d with the code %s", name, got.status, got.body, got.err, err, statusOf[w.code], w.code)
		}
		if want := (&gateway.Error{Code: w.code}).Failure().Detail; doc.Detail != want {
			t.Errorf("%s: the detail is %q, want %q", name, doc.Detail, want)
		}
		if w.message != "?" && doc.Message != w.message {
			t.Errorf("%s: the message is %q, want %q", name, doc.Message, w.message)
		}
	}
	if completed := got.header.Get(d.completed); completed != fmt.Sprint(w.whole) {
		t.Errorf("%s: %s is %q, want %t", name, d.completed, completed, w.whole)
	}
	if w.code != "" || how == "decoded" {
		got.keepsSecrets(t, p.address)
	}
}

// TestUnreachable shows what the client gets where nobody answers.
func TestUnreachable(t *testing.T) {
	noLeaks(t)
	dead := "http://" + testx.UnusedAddress(t)
	for _, tt := range []struct {
		name, host, detail string
	}{
		{"refuses", dead, "connection refused"},
		{"has a name that nobody knows", "http://backend.invalid", ""}, // an answer of the resolver, or its silence
	} {
		for _, d := range dialects {
			t.Run(tt.name+"/"+d.name, func(t *testing.T) {
				g := start(t, fill(`{`+d.key+d.quiet()+`"timeout":"1s","endpoints":[
					{"endpoint":"/json","backend":[{"url_pattern":"/inside","host":["$1"]}]},
					{"endpoint":"/raw","output_encoding":"no-op","backend":[{"url_pattern":"/inside","host":["$1"]}]},
					{"endpoint":"/both","backend":[{"url_pattern":"/inside","host":["$1"]},{"url_pattern":"/inside","host":["$1"]}]}]}`, tt.host))
				for _, path := range []string{"/json", "/raw", "/both"} {
					got := fetch(t, "GET", g.url+path, "")
					w := fails("backend_unreachable", "?")
					if strings.Contains(got.body, `"timeout"`) && tt.detail == "" {
						w = fails("timeout", "?")
					}
					w.check(t, d, path, got, &peer{address: tt.host[len("http://"):]})
					if tt.detail != "" && d.problem && !strings.Contains(got.body, tt.detail) {
						t.Errorf("%s: %s, want %q in it", path, got.body, tt.detail)
					}
				}
			})
		}
	}
}

// TestPartial shows that a backend that fails takes nothing from the others.
func TestPartial(t *testing.T) {
	noLeaks(t)
	for _, tt := range badBackends {
		if tt.json.code == "" {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad, well, timeout := newPeer(t, tt.serve), newPeer(t, says(ok(`{"b":2}`))), "20s"
			if tt.slow {
				timeout = "300ms"
			}
			for _, d := range dialects {
				g := start(t, fill(`{`+d.key+d.quiet()+`"timeout":"`+timeout+`","endpoints":[{"endpoint":"/x","backend":[
					{"url_pattern":"/inside","host":["$1"]},{"url_pattern":"/inside","host":["$2"]}]}]}`, bad.url(), well.url()))
				got := fetch(t, "GET", g.url+"/x", "")
				if got.status != 200 || got.body != `{"b":2}` || got.err != nil || got.header.Get(d.completed) != "false" {
					t.Errorf("%s: %d %q %v, completed %q, want the other answer, incomplete", d.name, got.status, got.body, got.err, got.header.Get(d.completed))
				}
				got.keepsSecrets(t, bad.address)
				if !tt.idle {
					bad.waitOpen(0)
				}
			}
		})
	}
}
