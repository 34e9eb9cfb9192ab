package framing

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// An answerCase is what a backend sends in return for a request.
type answerCase struct {
	name  string
	text  string
	later string     // sent when the connection is idle
	stays bool       // the backend leaves the connection open
	kinds string     // of endpoints; all that read a body if empty
	want  result     //
	lax   *tolerance // of net/http; nil where it is as strict
}

// A result is what the client gets: a status and a body, or if the status is 0
// an error, or an answer that breaks off.
type result struct {
	status int
	body   string
}

var fails = result{}

// ok is what an answer with the usual body becomes.
var ok = result{200, `{"a":1}`}

const (
	usual  = "Content-Length: 7\r\n\r\n{\"a\":1}"
	good   = "HTTP/1.1 200 OK\r\n" + usual
	poison = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"poison\":11}"
)

// replies is an answer with these fields and this body.
func replies(body string, fields ...string) string {
	return strings.Join(append([]string{"HTTP/1.1 200 OK"}, fields...), "\r\n") + "\r\n\r\n" + body
}

// replyChunks is an answer with this chunked body.
func replyChunks(body string) string { return replies(body, chunkedCoding) }

const inChunks = "7\r\n{\"a\":1}\r\n0\r\n\r\n"

// A tolerance is a result on net/http that differs from that of our own
// engine, and why we live with it.
type tolerance struct {
	result
	why string
}

func laxer(r result, why string) *tolerance { return &tolerance{r, why} }

// Why net/http may take more from a backend. Whatever it takes reaches the
// client framed anew, and a connection whose end of message is in doubt is not
// used again.
const (
	answerBoth   = "chunked wins over a length (RFC 9112, section 6.3)"
	answerCoding = "HTTP/1.0 knows no codings: the body lasts to the end, chunks included"
	answerColons = "white space before a colon is part of the name, so that there is no length; stricter"
	answerBlanks = "white space before an extension is refused; stricter"
)

var answerCases = []answerCase{
	{name: "a length", text: good, stays: true, want: ok},
	{name: "chunks", text: replyChunks(inChunks), stays: true, want: ok},
	{name: "up to the end", text: replies(`{"a":1}`), want: ok},
	{name: "up to the end in HTTP/1.0", text: "HTTP/1.0 200 OK\r\n\r\n{\"a\":1}", want: ok},
	{name: "no reason", text: "HTTP/1.1 200\r\n" + usual, stays: true, want: ok},
	{name: "an announced end", text: replies(`{"a":1}`, "Content-Length: 7", "Connection: close"), stays: true, want: ok},
	{name: "an extension of a chunk", text: replyChunks("7;a=b\r\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: ok},
	{name: "an extension in quotes", text: replyChunks("7; a=\"b c\"\r\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: ok},
	{name: "spaces before an extension", text: replyChunks("7 ;a\r\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: ok, lax: laxer(fails, answerBlanks)},
	{name: "spaces behind a size", text: replyChunks("7  \r\n{\"a\":1}\r\n0 \r\n\r\n"), stays: true, want: ok},
	{name: "a trailer", text: replyChunks("7\r\n{\"a\":1}\r\n0\r\nX-A: b\r\n\r\n"), stays: true, want: ok},

	{name: "length before coding", text: replies(inChunks, "Content-Length: 3", chunkedCoding), stays: true, want: fails, lax: laxer(ok, answerBoth)},
	{name: "coding before length", text: replies(inChunks, chunkedCoding, "Content-Length: 3"), stays: true, want: fails, lax: laxer(ok, answerBoth)},
	{name: "coding and the length of an answer behind it", text: replies("0\r\n\r\n"+poison, chunkedCoding, "Content-Length: 100"), stays: true, kinds: "d", want: fails},
	{name: "coding and the length of an answer behind it", text: replies("0\r\n\r\n"+poison, chunkedCoding, "Content-Length: 100"), stays: true, kinds: "n", want: fails, lax: laxer(result{200, ""}, answerBoth)},
	{name: "two lengths", text: replies(`{"a":1}`, "Content-Length: 7", "Content-Length: 3"), stays: true, want: fails},
	{name: "two equal lengths", text: replies(`{"a":1}`, "Content-Length: 7", "Content-Length: 7"), stays: true, want: ok},
	{name: "length 7, 7", text: replies(`{"a":1}`, "Content-Length: 7, 7"), stays: true, want: fails},
	{name: "length +7", text: replies(`{"a":1}`, "Content-Length: +7"), stays: true, want: fails},
	{name: "length -1", text: replies(`{"a":1}`, "Content-Length: -1"), stays: true, want: fails},
	{name: "length 0x7", text: replies(`{"a":1}`, "Content-Length: 0x7"), stays: true, want: fails},
	{name: "an empty length", text: replies(`{"a":1}`, "Content-Length:"), stays: true, want: fails},
	{name: "length 2^64+7", text: replies(`{"a":1}`, "Content-Length: 18446744073709551623"), stays: true, want: fails},
	{name: "a space before the colon of a length", text: replies(`{"a":1}`, "Content-Length : 7"), stays: true, want: ok, lax: laxer(fails, answerColons)},
	{name: "chunked twice", text: replies(inChunks, chunkedCoding, chunkedCoding), stays: true, want: fails},
	{name: "chunked, identity", text: replies(inChunks, "Transfer-Encoding: chunked, identity"), stays: true, want: fails},
	{name: "identity", text: replies(`{"a":1}`, "Transfer-Encoding: identity"), want: fails},
	{name: "a vertical tab before chunked", text: replies(inChunks, "Transfer-Encoding: \vchunked"), stays: true, want: fails},
	{name: "coding in HTTP/1.0", text: "HTTP/1.0 200 OK\r\n" + chunkedCoding + "\r\n\r\n" + inChunks, kinds: "d", want: fails},
	{name: "coding in HTTP/1.0", text: "HTTP/1.0 200 OK\r\n" + chunkedCoding + "\r\n\r\n" + inChunks, kinds: "n", want: fails, lax: laxer(result{200, inChunks}, answerCoding)},

	{name: "size 0x7", text: replyChunks("0x7\r\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: fails},
	{name: "size +7", text: replyChunks("+7\r\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: fails},
	{name: "an empty size", text: replyChunks("\r\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: fails},
	{name: "a size of 2^64+7", text: replyChunks("10000000000000007\r\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: fails},
	{name: "an extension with LF", text: replyChunks("7;\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: fails},
	{name: "LF after a size", text: replyChunks("7\n{\"a\":1}\r\n0\r\n\r\n"), stays: true, want: fails},
	{name: "LF after a chunk", text: replyChunks("7\r\n{\"a\":1}\n0\r\n\r\n"), stays: true, want: fails},
	{name: "a chunk longer than its size", text: replyChunks("7\r\n{\"a\":1}xyz\r\n0\r\n\r\n"), stays: true, want: fails},
	{name: "no size", text: replyChunks("zz\r\n"), stays: true, want: fails},
	{name: "no size of a typed answer", text: replies("zz\r\n", "Content-Type: text/plain", chunkedCoding), stays: true, want: fails},
	{name: "an extension without an end", text: replyChunks("7;" + strings.Repeat("a", 100_000)), stays: true, want: fails},
	{name: "no first byte", text: replies("", "Content-Length: 7"), want: fails},
	{name: "no first chunk", text: replyChunks(""), want: fails},
	{name: "half a first chunk", text: replyChunks("7\r\n"), want: fails},
	{name: "no last chunk", text: replyChunks("7\r\n{\"a\":1}\r\n"), want: fails},
	{name: "no empty line at the end", text: replyChunks("7\r\n{\"a\":1}\r\n0\r\n"), want: fails},
	{name: "a body that breaks off", text: replies(`{"a"`, "Content-Length: 7"), want: fails},
	{name: "no answer", text: "", want: fails},
	{name: "a head that breaks off", text: "HTTP/1.1 200 OK\r\nContent-Le", want: fails},

	{name: "LF for CR LF", text: "HTTP/1.1 200 OK\nContent-Length: 7\n\n{\"a\":1}", stays: true, want: ok},
	{name: "LF after a field", text: replies(`{"a":1}`, "X-A: b\nContent-Length: 7"), stays: true, want: ok},
	{name: "a split answer", text: replies("", "X-A: b\r", "", "HTTP/1.1 200 OK", "Content-Length: 7"), stays: true, want: fails},
	{name: "CR in a value", text: replies(`{"a":1}`, "X-A: b\rSet-Cookie: evil", "Content-Length: 7"), stays: true, want: fails},
	{name: "NUL in a value", text: replies(`{"a":1}`, "X-A: b\x00", "Content-Length: 7"), stays: true, want: fails},
	{name: "a folded field", text: replies(`{"a":1}`, "X-A: b\r\n c", "Content-Length: 7"), stays: true, want: ok},
	{name: "a field without a colon", text: replies(`{"a":1}`, "XA", "Content-Length: 7"), stays: true, want: fails},
	{name: "a field without a name", text: replies(`{"a":1}`, ": b", "Content-Length: 7"), stays: true, want: fails},
	{name: "a space before the status line", text: " " + good, stays: true, want: fails},
	{name: "an empty line before the status line", text: "\r\n" + good, stays: true, want: fails},
	{name: "a status of two digits", text: "HTTP/1.1 20 OK\r\n" + usual, stays: true, want: fails},
	{name: "a status of four digits", text: "HTTP/1.1 2000 OK\r\n" + usual, stays: true, want: fails},
	{name: "status 099", text: "HTTP/1.1 099 OK\r\n" + usual, stays: true, want: fails},
	{name: "status +20", text: "HTTP/1.1 +20 OK\r\n" + usual, stays: true, want: fails},
	{name: "no status", text: "HTTP/1.1 OK\r\n" + usual, stays: true, want: fails},
	{name: "HTTP/1.2", text: "HTTP/1.2 200 OK\r\n" + usual, stays: true, want: fails},
	{name: "HTTP/2", text: "HTTP/2 200 OK\r\n" + usual, stays: true, want: fails},
	{name: "HTTP/2.0", text: "HTTP/2.0 200 OK\r\n" + usual, stays: true, want: fails},
	{name: "another protocol", text: "ICY 200 OK\r\n" + usual, stays: true, want: fails},
	{name: "a request in place of an answer", text: get() + good, stays: true, want: fails},

	{name: "100 first", text: "HTTP/1.1 100 Continue\r\n\r\n" + good, stays: true, want: ok},
	{name: "103 first", text: "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + good, stays: true, want: ok},
	{name: "101 that nobody asked for", text: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n" + good, stays: true, want: fails},
	{name: "100 with a length", text: "HTTP/1.1 100 Continue\r\nContent-Length: 7\r\n\r\n" + good, stays: true, want: ok},
	{name: "a flood of 100", text: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100_000) + good, stays: true, want: fails},
	{name: "a flood of large 103", text: strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: "+strings.Repeat("a", 4000)+"\r\n\r\n", 2_000) + good, stays: true, want: fails},
	{name: "100 and nothing", text: "HTTP/1.1 100 Continue\r\n\r\n", want: fails},
	{name: "a large head", text: replies(`{"a":1}`, strings.Repeat("X-A: "+strings.Repeat("b", 1000)+"\r\n", 12_000)+"Content-Length: 7"), stays: true, want: fails},
	{name: "a large line", text: replies(`{"a":1}`, "X-A: "+strings.Repeat("b", 12<<20), "Content-Length: 7"), stays: true, want: fails},

	{name: "two answers", text: good + poison, stays: true, want: ok},
	{name: "two chunked answers", text: replyChunks(inChunks) + poison, stays: true, want: ok},
	{name: "an answer later", text: good, later: poison, stays: true, want: ok},
	{name: "half an answer later", text: good, later: poison[:20], stays: true, want: ok},
	{name: "garbage", text: good + "garbage", stays: true, want: ok},
	{name: "garbage after chunks", text: replyChunks(inChunks) + "garbage", stays: true, want: ok},
	{name: "garbage later", text: good, later: "\x00garbage", stays: true, want: ok},
	{name: "a line later", text: good, later: "\r\n", stays: true, want: ok},
	{name: "the end later", text: good, later: "\r\n", want: ok},
	{name: "204 with a body", text: "HTTP/1.1 204 No Content\r\n" + usual, stays: true, kinds: "n", want: result{204, ""}},
	{name: "204 with chunks", text: "HTTP/1.1 204 No Content\r\n" + chunkedCoding + "\r\n\r\n" + inChunks, stays: true, kinds: "n", want: result{204, ""}},
	{name: "204 with an answer behind it", text: "HTTP/1.1 204 No Content\r\nContent-Length: 50\r\n\r\n" + poison, stays: true, kinds: "n", want: result{204, ""}},
	{name: "304 with a body", text: "HTTP/1.1 304 Not Modified\r\n" + usual, stays: true, kinds: "n", want: result{304, ""}},
	{name: "304 with an answer behind it", text: "HTTP/1.1 304 Not Modified\r\n\r\n" + poison, stays: true, kinds: "n", want: result{304, ""}},
	{name: "205 with a body", text: "HTTP/1.1 205 Reset Content\r\n" + usual, stays: true, kinds: "n", want: result{205, ""}},
	{name: "205 with chunks", text: "HTTP/1.1 205 Reset Content\r\n" + chunkedCoding + "\r\n\r\n" + inChunks, stays: true, kinds: "n", want: result{205, ""}},
	{name: "205 with an answer behind it", text: "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n" + poison, stays: true, kinds: "n", want: result{205, ""}},
	{name: "an answer to HEAD", text: "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", stays: true, kinds: "h", want: result{200, ""}},
	{name: "an answer to HEAD with a body", text: good, stays: true, kinds: "h", want: result{200, ""}},
	{name: "an answer to HEAD with chunks", text: replyChunks(inChunks), stays: true, kinds: "h", want: result{200, ""}},
	{name: "an answer to HEAD with an answer behind it", text: "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n" + poison, stays: true, kinds: "h", want: result{200, ""}},
}

// TestAnswers gives every answer to every engine, and then calls the same
// backend again, which must not be taken for the one before.
func TestAnswers(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		t.Parallel()
		b := newBackend(t)
		addr, _ := start(t, e, configuration(b.addr))
		for i, c := range answerCases {
			for _, kind := range strings.Split(cmp.Or(c.kinds, "nd"), "") {
				t.Run(kind+"/"+c.name, func(t *testing.T) { c.run(t, e, b, addr, kind, fmt.Sprintf("%s%d", kind, i)) })
			}
		}
	})
}

func (c *answerCase) run(t *testing.T, e engine.Engine, b *backend, addr, kind, id string) {
	idle, sent := make(chan struct{}), make(chan struct{})
	answered := sync.OnceFunc(func() { close(sent) }) // an engine may call again
	path := fmt.Sprintf("/%s/a/%s", kind, id)
	b.scripts.Store(path, script{answer: func(conn net.Conn) bool {
		defer answered()
		io.WriteString(conn, c.text) // as far as it is wanted
		if c.later != "" {
			<-idle
			io.WriteString(conn, c.later)
		}
		return c.stays
	}})
	answers, end := converse(t, addr, bare("GET "+path+" HTTP/1.1", "Host: h", "Connection: close"), 1<<20, false)
	close(idle)
	want := c.want
	if e.Name == "nethttp" && c.lax != nil {
		want = c.lax.result
	}
	switch {
	case want == fails:
		if len(answers) > 1 || len(answers) == 1 && answers[0].status() < 500 {
			t.Errorf("the client got %s with %q, want an error", answers[0].start, answers[0].body)
		}
		if len(answers) == 0 && end == closed {
			t.Error("the client got nothing, want a status") // it would ask again
		}
	case len(answers) != 1 || answers[0].status() != want.status || answers[0].body != want.body:
		t.Errorf("the client got %d answers %+v, want one: %+v", len(answers), answers, want)
	}
	if end != closed && (end != halved || want != fails) {
		t.Errorf("the connection %s", end)
	}
	select {
	case <-sent:
	case <-time.After(patience):
		t.Error("the backend cannot get rid of its answer")
	}
	// Bytes that come later are on their way, and nothing tells when they arrive.
	// What has come together with an answer is in the memory of net/http, which looks
	// at it a moment after it has offered the connection for use again.
	if c.later != "" || e.Name == "nethttp" {
		time.Sleep(10 * time.Millisecond)
	}
	again(t, addr, kind, id)
}

// again calls the backend a few times more, and wants the answers to these
// calls.
func again(t *testing.T, addr, kind, id string) {
	t.Helper()
	for range 3 {
		path := fmt.Sprintf("/%s/next/%s", kind, id)
		answers, _ := converse(t, addr, bare("GET "+path+" HTTP/1.1", "Host: h", "Connection: close"), 1<<20, false)
		body := answerOf(path) + `"}`
		if kind == "h" {
			body = ""
		}
		if len(answers) != 1 || answers[0].status() != 200 || answers[0].body != body {
			for _, a := range answers {
				t.Errorf("the next request got %s with %q", a.start, a.body)
			}
			t.Errorf("the next request got %d answers, want one with %q", len(answers), body)
		}
	}
}

// TestEarlyAnswers has backends answer before they have read a request, or
// all of it. No later request may get that answer, or become a part of the body
// that is still owed.
func TestEarlyAnswers(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		t.Parallel()
		b := newBackend(t)
		addr, _ := start(t, e, configuration(b.addr))
		for i, framing := range []string{"Content-Length: 50000", chunkedCoding} {
			for _, kind := range kinds {
				t.Run(fmt.Sprint(kind, "/", framing), func(t *testing.T) {
					id := fmt.Sprint(i)
					path := fmt.Sprintf("/%s/a/%s", kind, id)
					b.scripts.Store(path, script{early: true, answer: func(conn net.Conn) bool {
						_, err := io.WriteString(conn, good)
						return err == nil
					}})
					conn, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					io.WriteString(conn, bare("POST "+path+" HTTP/1.1", "Host: h", framing)+"5\r\nhello\r\n")
					conn.SetReadDeadline(time.Now().Add(patience))
					if _, err := io.ReadAtLeast(conn, make([]byte, 1000), len("HTTP/1.1 200")); err != nil {
						t.Errorf("no answer while the body is being sent: %v", err)
					}
					again(t, addr, kind, id)
					conn.Close()
					again(t, addr, kind, id)
				})
			}
		}
	})
}

// TestLostRequests has a backend that closes a connection which was idle when the
// next request is on its way. What may be sent twice is, with its body, and the
// rest fails, because the backend may have done what it was asked for.
func TestLostRequests(t *testing.T) {
	large := strings.Repeat("x", 20<<10)
	tests := []struct {
		name, text string
		body       string
		again      bool
	}{
		{"GET", bare("GET PATH HTTP/1.1", "Host: h", "Connection: close"), "", true},
		{"POST", post("hello", "Connection: close", "Content-Length: 5"), "hello", false},
		{"POST with a key", post("hello", "Connection: close", "Idempotency-Key: 1", "Content-Length: 5"), "hello", true},
		{"POST with an older key", post("hello", "Connection: close", "X-Idempotency-Key: 1", "Content-Length: 5"), "hello", true},
		{"POST with a key and no body", post("", "Connection: close", "Idempotency-Key: 1", "Content-Length: 0"), "", true},
		{"POST with a key and much to say", post(large, "Connection: close", "Idempotency-Key: 1", fmt.Sprint("Content-Length: ", len(large))), large, false},
		{"POST with a key in chunks", post(hello, "Connection: close", "Idempotency-Key: 1", chunkedCoding), "hello", false},
	}
	t.Parallel()
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		b := newBackend(t)
		addr, _ := start(t, e, configuration(b.addr))
		for i, tt := range tests {
			for _, kind := range kinds {
				t.Run(kind+"/"+tt.name, func(t *testing.T) {
					id := fmt.Sprintf("%s%d", kind, i)
					again(t, addr, kind, id) // leaves an idle connection
					var asked atomic.Int64
					b.scripts.Store(fmt.Sprintf("/%s/a/%s", kind, id), script{answer: func(conn net.Conn) bool {
						if asked.Add(1) > 1 {
							io.WriteString(conn, good) // the client finds out if it failed
							return true
						}
						return false
					}})
					text := fill(tt.text, kind, id)
					answers, _ := converse(t, addr, text, len(text), false)
					want, seen := 502, 1
					if tt.again {
						want, seen = 200, 2
					}
					if len(answers) != 1 || answers[0].status() != want || int(asked.Load()) != seen {
						t.Errorf("answers %+v after %d requests, want %d after %d", answers, asked.Load(), want, seen)
					}
					for _, m := range b.saw.of(id) {
						if role(m.target()) == "a" && m.body != tt.body {
							t.Errorf("the backend saw the body %.100q", m.body)
						}
					}
				})
			}
		}
	})
}

// TestGreetings has a backend that sends an answer to every connection before
// anybody has asked for anything, and then answers as it should. The first
// request on a connection may get either; the others get theirs.
func TestGreetings(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine.Engine) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b := newBackend(t)
		addr, _ := start(t, e, configuration(l.Addr().String()))
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(conn, poison)
				if !b.add(conn) {
					return
				}
				b.done.Go(func() { b.serve(conn) })
			}
		}()
		t.Cleanup(func() { l.Close(); <-done })
		for i := range 10 {
			path := fmt.Sprintf("/n/a/%d", i)
			answers, _ := converse(t, addr, bare("GET "+path+" HTTP/1.1", "Host: h", "Connection: close"), 1<<20, false)
			if len(answers) > 1 {
				t.Errorf("%d answers to one request", len(answers))
			}
			for _, a := range answers {
				if a.status() < 500 && a.body != answerOf(path)+`"}` && !strings.Contains(a.body, "poison") {
					t.Errorf("the answer to %s is %q, which is that to another request", path, a.body)
				}
			}
			time.Sleep(5 * time.Millisecond) // for the second answer to arrive while the connection is idle
		}
	})
}
