package enginetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

var serverCases = cases{
	{"a request is seen as it was sent", requestsAsSent},
	{"fields are grouped by name and sorted", fieldsGrouped},
	{"no field is added to a request", fieldsAsSent},
	{"what clients in the field send is served", fieldRequests},
	{"line ends before a request are skipped, up to a few", lineEndsSkipped},
	{"CONNECT is refused", connectRefused},
	{"a malformed request never reaches the handler", malformedRequests},
	{"answers are framed by what is known of them", answerFraming},
	{"hop-by-hop fields of an answer are not sent", answerHygiene},
	{"nothing can be smuggled into the header", answerInjection},
	{"what the server adds to a header", answerAdditions},
	{"a type is guessed only where it is missing", guessedTypes},
	{"a connection serves one request after the other", keepAlive},
	{"pipelined requests are answered in order", pipelining},
	{"a client of HTTP/1.0", oldClients},
	{"bytes arrive before the next read", answersStream},
	{"server-sent events begin before the first event", eventsBeginAtOnce},
	{"a body that breaks off aborts the connection", brokenAnswers},
	{"an error or a panic of the handler aborts the connection", failingHandlers},
	{"bodies of requests are read to their end", requestBodies},
	{"a broken request body ends in an error", brokenRequests},
	{"a client that sends what is no body is answered", brokenAnswered},
	{"a client that expects 100 is told to continue when it is read", expectContinue},
	{"a client that expects 100 is answered at once when it is not read", expectUnread},
	{"an unread body does not disturb the next request", unreadBody},
	{"the answer does not wait for a body that nobody reads", unreadStalledBody},
	{"a header that is too large is refused with 431", largeHeader},
	{"a header of too many fields is refused with 431", manyFields},
	{"a header that is too slow ends the connection", slowHeader},
	{"the next request may begin while an answer takes its time", nextBegins},
	{"a body that is too slow ends in an error", slowBody},
	{"a client that does not take its answer loses it", slowReader},
	{"a client that takes nothing of its answer loses it", stalledReader},
	{"a client that takes a little of its answer gets all of it", slowlyRead},
	{"an idle connection ends", idleEnds},
	{"the context ends when the client is gone", clientGone},
	{"that the client is gone is known as soon as the system knows it", goneAtOnce},
	{"the end of an exchange tells what was sent", sentTold},
	{"Shutdown waits for what is in flight", shutdownDrains},
	{"Shutdown loses no request of clients that go on asking", shutdownAnswers},
	{"Shutdown does not wait for clients that say nothing", shutdownLeaves},
	{"Shutdown cuts what does not end in time", shutdownCuts},
	{"Shutdown cuts answers that have begun", shutdownCutsAnswers},
	{"a panic of the handler is logged in one line", panicLogged},
}

// get is a request that is complete.
const get = "GET / HTTP/1.1\r\nHost: gateway.test\r\n\r\n"

// describe answers with everything an exchange says about its request.
func describe(_ context.Context, x *gateway.Exchange) error {
	var b strings.Builder
	in := x.In
	fmt.Fprintf(&b, "%s %s|%s %s host=%s secure=%t length=%d", in.Method(), in.Path(), in.RawQuery(), in.Proto(), in.Host(), in.Secure(), in.Length())
	if r := in.Body(); r != nil {
		text, err := io.ReadAll(r)
		fmt.Fprintf(&b, " body=%q err=%v", text, err)
	}
	answer(x, 200, b.String(), "Content-Type", "text/plain")
	return nil
}

func requestsAsSent(t *trial) {
	d := t.open(engine.Settings{}, describe)
	tests := []struct {
		start string
		want  string
	}{
		{"GET / HTTP/1.1", "GET /| HTTP/1.1 host=h.test:81"},
		{"GET /? HTTP/1.1", "GET /| HTTP/1.1 host=h.test:81"},
		{"GET /a%2Fb//c/./d/../e?x=%20&y&&z=a?b HTTP/1.1", "GET /a%2Fb//c/./d/../e|x=%20&y&&z=a?b HTTP/1.1 host=h.test:81"},
		{"GET //a//b/ HTTP/1.1", "GET //a//b/| HTTP/1.1 host=h.test:81"},
		{"GET http://other.test:82/a%20b?c HTTP/1.1", "GET /a%20b|c HTTP/1.1 host=other.test:82"},
		{"GET http://other.test HTTP/1.1", "GET /| HTTP/1.1 host=other.test"},
		{"GET http://other.test?a=/b HTTP/1.1", "GET /|a=/b HTTP/1.1 host=other.test"},
		{"PURGE /x HTTP/1.1", "PURGE /x| HTTP/1.1 host=h.test:81"},
		{"get /x HTTP/1.1", "get /x| HTTP/1.1 host=h.test:81"},
		{"OPTIONS /x HTTP/1.1", "OPTIONS /x| HTTP/1.1 host=h.test:81"},
	}
	w := t.dial(d.addr)
	for _, tt := range tests {
		w.lines(tt.start, "Host: h.test:81", "")
		w.want(200, tt.want+" secure=false length=0")
	}
}

// fieldsAsSent: what a client says in the words of HTTP/1.0 nobody translates.
func fieldsAsSent(t *trial) {
	d := t.open(engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
		answer(x, 200, fmt.Sprint(x.In.AppendHeaders(nil)))
		return nil
	})
	w := t.dial(d.addr)
	for _, tt := range []struct{ fields, want string }{
		{"Pragma: no-cache", "[{Pragma no-cache}]"},
		{"Cache-Control: no-cache\r\nPragma: no-cache", "[{Cache-Control no-cache} {Pragma no-cache}]"},
		{"Pragma: no-cache\r\ncache-control:", "[{Cache-Control } {Pragma no-cache}]"},
		{"Pragma: no-cache\r\nPragma: x", "[{Pragma no-cache} {Pragma x}]"},
		{"X-A: b", "[{X-A b}]"},
	} {
		w.lines("GET / HTTP/1.1", "Host: h", tt.fields, "")
		w.want(200, tt.want)
	}
}

func fieldsGrouped(t *trial) {
	peers := make(chan string, 1)
	d := t.open(engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
		var b strings.Builder
		for _, f := range x.In.AppendHeaders(gateway.Fields{{Name: "Z", Value: "kept"}}) {
			fmt.Fprintf(&b, "%s=%s;", f.Name, f.Value)
		}
		fmt.Fprintf(&b, " first %q none %q all %d", x.In.Header("X-B"), x.In.Header("X-C"), len(x.In.AppendHeader(nil, "X-B")))
		answer(x, 200, b.String())
		peers <- x.In.Peer().String()
		return nil
	})
	w := t.dial(d.addr)
	w.lines("GET / HTTP/1.1", "x-b: 1", "Host: h", "ACCEPT: a,b", "X-B:2", "x-a:  spaced out \t", "X-B:", "")
	w.want(200, `Z=kept;Accept=a,b;X-A=spaced out;X-B=1;X-B=2;X-B=; first "1" none "" all 3`)
	if got, want := await(t, "the peer", peers), w.LocalAddr().String(); got != want {
		t.Errorf("peer %s, want %s", got, want)
	}
}

// fieldRequests are what devices and libraries send that is untidy, or rare, but
// has one meaning only.
func fieldRequests(t *trial) {
	const h = "Host: h\r\n\r\n"
	chunks := func(body string) string {
		return "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + h + body
	}
	const chunked = `POST /c| HTTP/1.1 host=h secure=false length=-1 body="hello" err=<nil>`
	tests := []struct {
		name, text string
		want       string
	}{
		{"bytes above ASCII in a path", "GET /gr\xc3\xbc\xc3\x9fe HTTP/1.1\r\n" + h, "GET /gr%C3%BC%C3%9Fe| HTTP/1.1 host=h"},
		{"Latin-1 in a path", "GET /gr\xfc HTTP/1.1\r\n" + h, "GET /gr%FC| HTTP/1.1 host=h"},
		{"bytes above ASCII in a query", "GET /?q=\xe2\x82\xac%20\x80 HTTP/1.1\r\n" + h, "GET /|q=%E2%82%AC%20%80 HTTP/1.1 host=h"},
		{"bytes above ASCII in an absolute target", "GET http://o.test/\xc3\xa4?\xc3\xb6 HTTP/1.1\r\n" + h, "GET /%C3%A4|%C3%B6 HTTP/1.1 host=o.test"},
		{"brackets and bars in a query", "GET /?a[b]=c|d&e={f}\"<>^` HTTP/1.1\r\n" + h, "GET /|a[b]=c|d&e={f}\"<>^` HTTP/1.1 host=h"},
		{"the server itself", "OPTIONS * HTTP/1.1\r\n" + h, "OPTIONS *| HTTP/1.1 host=h"},
		{"the server itself, by an absolute target", "OPTIONS http://o.test:82 HTTP/1.1\r\n" + h, "OPTIONS *| HTTP/1.1 host=o.test:82"},
		{"an absolute target beside another Host", "GET http://o.test/a HTTP/1.1\r\n" + h, "GET /a| HTTP/1.1 host=o.test"},
		{"an absolute target in capitals", "GET HTTP://O.Test/a HTTP/1.1\r\n" + h, "GET /a| HTTP/1.1 host=O.Test"},
		{"an absolute target of HTTP/1.0 without Host", "GET http://o.test/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /a| HTTP/1.0 host=o.test"},
		{"HTTP/1.0 without Host", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /a| HTTP/1.0 host="},
		{"an expectation of HTTP/1.0", "GET /a HTTP/1.0\r\nConnection: keep-alive\r\nExpect: foo\r\n\r\n", "GET /a| HTTP/1.0 host="},
		{"an expectation of HTTP/1.0 beside a body", "POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", `POST /a| HTTP/1.0 host= secure=false length=5 body="hello" err=<nil>`},
		{"an empty Host beside an absolute target", "GET http://h/a HTTP/1.1\r\nHost:\r\n\r\n", `GET /a| HTTP/1.1 host=h`},
		{"a Host with an empty port", "GET /a HTTP/1.1\r\nHost: h:\r\n\r\n", "GET /a| HTTP/1.1 host=h:"},
		{"an address with a port", "GET /a HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", "GET /a| HTTP/1.1 host=[2001:db8::1]:8080"},
		{"a method in lower case", "get /a HTTP/1.1\r\n" + h, "get /a| HTTP/1.1 host=h"},
		{"a method of its own", "M-SEARCH /a HTTP/1.1\r\n" + h, "M-SEARCH /a| HTTP/1.1 host=h"},
		{"fields without values and without spaces", "GET /a HTTP/1.1\r\nAccept:\r\nX-A:b\r\n" + h, "GET /a| HTTP/1.1 host=h"},
		{"a length of GET", "GET /a HTTP/1.1\r\nContent-Length: 0\r\n" + h, "GET /a| HTTP/1.1 host=h"},
		{"a length with zeros in front", "POST /a HTTP/1.1\r\nContent-Length: 0005\r\n" + h + "hello", `POST /a| HTTP/1.1 host=h secure=false length=5 body="hello" err=<nil>`},
		{"a coding in capitals", "POST /c HTTP/1.1\r\nTransfer-Encoding: CHUNKED\r\n" + h + "5\r\nhello\r\n0\r\n\r\n", chunked},
		{"zeros in front of a size", chunks("0005\r\nhello\r\n0000\r\n\r\n"), chunked},
		{"an extension of a chunk", chunks("5;a=b\r\nhello\r\n0\r\n\r\n"), chunked},
		{"an extension without a value", chunks("5;a\r\nhello\r\n0;b\r\n\r\n"), chunked},
		{"an extension behind a space", chunks("5; a=b\r\nhello\r\n0\r\n\r\n"), chunked},
		{"a space before an extension", chunks("5 ;a\r\nhello\r\n0\r\n\r\n"), chunked},
		{"spaces and tabs all over an extension", chunks("5\t ; \ta =\t b ;c\r\nhello\r\n0\r\n\r\n"), chunked},
		{"an extension in quotes", chunks(`5;a="b c;\"d\\"` + "\r\nhello\r\n0\r\n\r\n"), chunked},
		{"several extensions", chunks("2;a=1;b=\"2\"\r\nhe\r\n3;c\r\nllo\r\n0;d=e\r\n\r\n"), chunked},
		{"trailers", chunks("5\r\nhello\r\n0\r\nX-Checksum: 1\r\n\r\n"), chunked},
	}
	d := t.open(engine.Settings{}, describe)
	for _, tt := range tests {
		w := t.dial(d.addr)
		w.send(tt.text, get)
		want := tt.want
		if !strings.Contains(want, "length=") {
			want += " secure=false length=0"
		}
		if h := w.head(); !strings.Contains(h.start, " 200 ") {
			t.Errorf("%s: answer %q %q", tt.name, h.start, w.content(h))
		} else if got := w.content(h); got != want {
			t.Errorf("%s: %s\nwant %s", tt.name, got, want)
		} else {
			w.want(200, "GET /| HTTP/1.1 host=gateway.test secure=false length=0")
		}
	}
}

// lineEndsSkipped has clients that end a body with a line, or greet with one.
func lineEndsSkipped(t *trial) {
	const is = "GET /| HTTP/1.1 host=gateway.test secure=false length=0"
	d := t.open(engine.Settings{}, describe)
	for _, ends := range []string{"\r\n", "\n", "\r\n\r\n", "\n\r\n\n"} {
		for _, together := range []bool{true, false} {
			w := t.dial(d.addr)
			for range 2 {
				if together {
					w.send(ends, get)
				} else {
					w.send(ends)
					w.send(get)
				}
				w.want(200, is)
			}
			w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", ends, get, ends, get)
			w.want(200, `POST /| HTTP/1.1 host=h secure=false length=5 body="hello" err=<nil>`)
			w.want(200, is)
			w.want(200, is)
		}
	}
	for _, text := range []string{
		strings.Repeat("\r\n", 1000), "\r", "\r\r\n", " \r\n", "\n ", "\x00\r\n",
	} {
		d.asked.Store(0)
		w := t.dial(d.addr)
		w.send(text, get)
		if answer, _ := w.rest(); answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 400 ") || d.asked.Load() != 0 {
			t.Errorf("%.10q: answer %q, and the handler was asked %d times", text, answer, d.asked.Load())
		}
	}
}

func connectRefused(t *trial) {
	d := t.open(engine.Settings{}, reply(200, ""))
	for _, start := range []string{"CONNECT h.test:443 HTTP/1.1", "CONNECT /a HTTP/1.1", "GET * HTTP/1.1"} {
		w := t.dial(d.addr)
		w.lines(start, "Host: h.test:443", "")
		if text, _ := w.rest(); !strings.HasPrefix(text, "HTTP/1.1 400 Bad Request\r\n") {
			t.Errorf("%s: answer %q, want 400", start, text)
		}
	}
	if n := d.asked.Load(); n != 0 {
		t.Errorf("the handler was asked %d times, want never", n)
	}
}

func malformedRequests(t *trial) {
	const h = "Host: h\r\n"
	tests := []struct {
		name, text string
	}{
		{"a length that is no number beside chunked", "POST / HTTP/1.1\r\n" + h + "Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"two codings", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"an unknown coding", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n"},
		{"a coding with a control character", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n"},
		{"two lengths", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n"},
		{"a list of lengths", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0, 0\r\n\r\n"},
		{"a length with a sign", "POST / HTTP/1.1\r\n" + h + "Content-Length: +0\r\n\r\n"},
		{"a negative length", "POST / HTTP/1.1\r\n" + h + "Content-Length: -1\r\n\r\n"},
		{"a length of 2^64", "POST / HTTP/1.1\r\n" + h + "Content-Length: 18446744073709551616\r\n\r\n"},
		{"a space before the colon", "GET / HTTP/1.1\r\n" + h + "X-A : b\r\n\r\n"},
		{"a length with a space before the colon", "POST / HTTP/1.1\r\n" + h + "Content-Length : 0\r\n\r\n"},
		{"a field without a colon", "GET / HTTP/1.1\r\n" + h + "XA\r\n\r\n"},
		{"a field without a name", "GET / HTTP/1.1\r\n" + h + ": x\r\n\r\n"},
		{"a null byte in a value", "GET / HTTP/1.1\r\n" + h + "X-A: a\x00b\r\n\r\n"},
		{"a carriage return in a value", "GET / HTTP/1.1\r\n" + h + "X-A: a\rX-B: c\r\n\r\n"},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
		{"no host", "GET / HTTP/1.1\r\n\r\n"},
		{"an empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
		{"an empty host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: \r\n\r\n"},
		{"an empty host for the server", "OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n"},
		{"a host with a space", "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n"},
		{"a space in the target", "GET /a b HTTP/1.1\r\n" + h + "\r\n"},
		{"two spaces before the target", "GET  / HTTP/1.1\r\n" + h + "\r\n"},
		{"a version without a dot", "GET / HTTP/11\r\n" + h + "\r\n"},
		{"a method that is no token", "G(T / HTTP/1.1\r\n" + h + "\r\n"},
		{"a space before the first field", "GET / HTTP/1.1\r\n X-A: b\r\n" + h + "\r\n"},
		{"an escape that is none", "GET /%zz HTTP/1.1\r\n" + h + "\r\n"},
		{"a control character in the target", "GET /\x01 HTTP/1.1\r\n" + h + "\r\n"},
	}
	d := t.open(engine.Settings{}, reply(200, ""))
	for _, tt := range tests {
		w := t.dial(d.addr)
		w.send(tt.text, get)
		text, _ := w.rest()
		if text != "" && !strings.HasPrefix(text, "HTTP/1.1 4") && !strings.HasPrefix(text, "HTTP/1.1 5") {
			t.Errorf("%s: answered with %q", tt.name, text)
		}
		if n := d.asked.Swap(0); n != 0 {
			t.Errorf("%s: the handler was asked %d times, want never", tt.name, n)
		}
	}
}

func answerFraming(t *trial) {
	stream := func(text string, size int64) func(context.Context, *gateway.Exchange) error {
		return func(ctx context.Context, x *gateway.Exchange) error {
			return streaming(io.NopCloser(strings.NewReader(text)), size, "Content-Type", "a/b")(ctx, x)
		}
	}
	status := func(n int, text string) func(context.Context, *gateway.Exchange) error {
		return reply(n, text, "Content-Type", "a/b")
	}
	long := strings.Repeat("0123456789", 10000)
	tests := []struct {
		name    string
		method  string
		do      func(context.Context, *gateway.Exchange) error
		status  int
		length  string
		chunked bool
		body    string
	}{
		{"empty", "GET", status(200, ""), 200, "0", false, ""},
		{"bytes", "GET", status(201, "hello"), 201, "5", false, "hello"},
		{"many bytes", "POST", status(200, long), 200, "100000", false, long},
		{"a stream of known size", "GET", stream("hello", 5), 200, "5", false, "hello"},
		{"a long stream of known size", "GET", stream(long, 100000), 200, "100000", false, long},
		{"a stream of size 0", "GET", stream("", 0), 200, "0", false, ""},
		{"a stream of unknown size", "GET", stream("hello", -1), 200, "", true, "hello"},
		{"a long stream of unknown size", "GET", stream(long, -1), 200, "", true, long},
		{"HEAD of nothing", "HEAD", status(200, ""), 200, "", false, ""},
		{"HEAD of bytes", "HEAD", status(200, "hello"), 200, "5", false, ""},
		{"HEAD of a stream of known size", "HEAD", stream("hello", 5), 200, "5", false, ""},
		{"HEAD of a stream of unknown size", "HEAD", stream("hello", -1), 200, "", false, ""},
		{"HEAD of what a backend announced", "HEAD", streaming(body.Unsent, 1<<40), 200, "1099511627776", false, ""},
		{"GET of what a backend announced only", "GET", streaming(body.Unsent, 1<<40), 200, "0", false, ""},
		{"204 with bytes", "GET", status(204, "hello"), 204, "", false, ""},
		{"205 with bytes", "GET", status(205, "hello"), 205, "0", false, ""},
		{"205 with a stream", "GET", func(ctx context.Context, x *gateway.Exchange) error {
			err := stream("hello", -1)(ctx, x)
			x.Response.Status = 205
			return err
		}, 205, "0", false, ""},
		{"HEAD of 205", "HEAD", status(205, "hello"), 205, "0", false, ""},
		{"304 with a stream", "GET", func(ctx context.Context, x *gateway.Exchange) error {
			err := stream("hello", 5)(ctx, x)
			x.Response.Status = 304
			return err
		}, 304, "", false, ""},
		{"an error with a body", "GET", status(500, "oh"), 500, "2", false, "oh"},
		{"a status without a name", "GET", status(599, ""), 599, "0", false, ""},
	}
	var current func(context.Context, *gateway.Exchange) error
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error { return current(ctx, x) })
	w := t.dial(d.addr)
	for _, tt := range tests {
		current = tt.do
		w.lines(tt.method+" / HTTP/1.1", "Host: h", "")
		h := w.head()
		if want := fmt.Sprintf("HTTP/1.1 %d ", tt.status); !strings.HasPrefix(h.start, want) {
			t.Errorf("%s: %q, want %q", tt.name, h.start, want)
		}
		if got := h.get("Content-Length"); got != tt.length {
			t.Errorf("%s: length %q, want %q", tt.name, got, tt.length)
		}
		if got := h.get("Transfer-Encoding"); (got == "chunked") != tt.chunked || got != "" && !tt.chunked {
			t.Errorf("%s: coding %q, want chunked %t", tt.name, got, tt.chunked)
		}
		if tt.status == 304 && h.get("Content-Type") != "a/b" {
			t.Errorf("%s: fields %q, want the type of a/b", tt.name, h.fields)
		}
		text := ""
		if tt.method != "HEAD" {
			text = w.content(h)
		}
		if text != tt.body {
			t.Errorf("%s: body of %d bytes, want %d", tt.name, len(text), len(tt.body))
		}
		if o := await(t, "the end of the exchange", d.done); o.err != nil || o.written != int64(len(tt.body)) {
			t.Errorf("%s: written %d, %v, want %d", tt.name, o.written, o.err, len(tt.body))
		}
	}
}

func answerHygiene(t *trial) {
	d := t.open(engine.Settings{}, reply(200, "hello",
		"Connection", "close, X-A", "Keep-Alive", "timeout=5", "Transfer-Encoding", "gzip", "Content-Length", "99",
		"Upgrade", "h2c", "Te", "trailers", "Trailer", "X-T", "Proxy-Connection", "close", "Proxy-Authenticate", "Basic",
		"X-A", "1", "Content-Type", "a/b", "Set-Cookie", "a=1", "Set-Cookie", "b=2"))
	w := t.dial(d.addr)
	for range 2 {
		w.send(get)
		h := w.want(200, "hello")
		if got, want := h.names(), []string{"Content-Length", "Content-Type", "Date", "Set-Cookie", "Set-Cookie", "X-A"}; !slices.Equal(got, want) {
			t.Errorf("fields %v, want %v", got, want)
		}
		if got, want := h.get("Set-Cookie"), "a=1, b=2"; got != want {
			t.Errorf("Set-Cookie %q, want %q", got, want)
		}
	}
}

func answerInjection(t *trial) {
	d := t.open(engine.Settings{}, reply(200, "hello", "Content-Type", "a/b",
		"X-Cr", "a\rX-Evil: 1", "X-Lf", "a\nX-Evil: 1", "X-Crlf", "a\r\n\r\n<evil>", "X-Nul", "a\x00b", "X-Del", "a\x7fb",
		"X-Evil: 1\r\nX-Name", "a", "X Space", "a", "", "a", "X-Tab", "a\tb", "X-High", "gr\xfc\xdfe"))
	w := t.dial(d.addr)
	w.send(get)
	h := w.want(200, "hello")
	if got, want := h.names(), []string{"Content-Length", "Content-Type", "Date", "X-High", "X-Tab"}; !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
	if got, want := h.get("X-Tab")+" "+h.get("X-High"), "a\tb gr\xfc\xdfe"; got != want {
		t.Errorf("values %q, want %q", got, want)
	}
}

func answerAdditions(t *trial) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	d := t.open(engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
		answer(x, 200, "")
		if x.In.Path() == "/dated" {
			x.Response.Header.Add("Date", date)
			x.Response.Header.Add("Server", "backend")
		}
		return nil
	})
	w := t.dial(d.addr)
	w.lines("GET / HTTP/1.1", "Host: h", "")
	h := w.want(200, "")
	if got, want := h.names(), []string{"Content-Length", "Date"}; !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
	if at, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", h.get("Date")); err != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("date %q, want now", h.get("Date"))
	}
	w.lines("GET /dated HTTP/1.1", "Host: h", "")
	if h = w.want(200, ""); h.get("Date") != date || h.get("Server") != "backend" {
		t.Errorf("date %q of server %q, want those of the answer", h.get("Date"), h.get("Server"))
	}
}

func guessedTypes(t *trial) {
	tests := []struct {
		body   string
		fields []string
		want   string
	}{
		{`{"a":1}`, nil, "text/plain; charset=utf-8"},
		{"<html><body>", nil, "text/html; charset=utf-8"},
		{"\x89PNG\r\n\x1a\n", nil, "image/png"},
		{"<html>", []string{"Content-Type", "a/b"}, "a/b"},
		{"<html>", []string{"Content-Encoding", "gzip"}, ""},
		{"<html>", []string{"X-Content-Type-Options", "nosniff"}, ""},
		{"<html>", []string{"X-Content-Type-Options", "NoSniff , x"}, ""},
		{"<html>", []string{"X-Content-Type-Options", "nosniff", "Content-Type", "a/b"}, "a/b"},
		{"<html>", []string{"@untyped", "yes"}, ""},
		{"<html>", []string{"@untyped", "yes", "Content-Type", "a/b"}, "a/b"},
		{"", nil, ""},
	}
	var i int
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		tt := tests[i]
		if len(tt.fields) > 0 && tt.fields[0] == "@untyped" {
			x.Response.Untyped, tt.fields = true, tt.fields[2:]
		}
		if x.In.Path() == "/stream" {
			return streaming(io.NopCloser(strings.NewReader(tt.body)), -1, tt.fields...)(ctx, x)
		}
		return reply(200, tt.body, tt.fields...)(ctx, x)
	})
	w := t.dial(d.addr)
	for i = range tests {
		for _, path := range []string{"/", "/stream"} {
			w.lines("GET "+path+" HTTP/1.1", "Host: h", "")
			if got := w.want(200, tests[i].body).get("Content-Type"); got != tests[i].want {
				t.Errorf("%s: type of %q: %q, want %q", path, tests[i].body, got, tests[i].want)
			}
		}
	}
}

func keepAlive(t *trial) {
	d := t.open(engine.Settings{}, reply(200, "hello"))
	w := t.dial(d.addr)
	for range 3 {
		w.send(get)
		w.want(200, "hello")
	}
	w.lines("GET / HTTP/1.1", "Host: h", "Connection: close", "")
	if h := w.want(200, "hello"); h.get("Connection") != "close" {
		t.Errorf("Connection %q, want close", h.get("Connection"))
	}
	w.closed()
}

func pipelining(t *trial) {
	d := t.open(engine.Settings{}, describe)
	w := t.dial(d.addr)
	w.send("POST /1 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET /2 HTTP/1.1\r\nHost: h\r\n\r\n" +
		"POST /3 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	w.want(200, `POST /1| HTTP/1.1 host=h secure=false length=2 body="ab" err=<nil>`)
	w.want(200, `GET /2| HTTP/1.1 host=h secure=false length=0`)
	w.want(200, `POST /3| HTTP/1.1 host=h secure=false length=-1 body="c" err=<nil>`)
	w.want(200, `GET /4| HTTP/1.1 host=h secure=false length=0`)
	w.closed()
}

func oldClients(t *trial) {
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		switch x.In.Path() {
		case "/unknown":
			return streaming(io.NopCloser(strings.NewReader("hello")), -1)(ctx, x)
		case "/broken":
			return streaming(breaking("hel", errBroken), -1)(ctx, x)
		}
		return describe(ctx, x)
	})
	w := t.dial(d.addr)
	w.send("GET /a HTTP/1.0\r\n\r\n")
	text, orderly := w.rest()
	if !strings.HasSuffix(text, "\r\n\r\nGET /a| HTTP/1.0 host= secure=false length=0") || !orderly {
		t.Errorf("known size: %q, orderly %t", text, orderly)
	}

	w = t.dial(d.addr)
	for range 2 {
		w.send("GET /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
		h := w.head()
		if h.get("Connection") != "keep-alive" {
			t.Errorf("Connection %q, want keep-alive", h.get("Connection"))
		}
		w.content(h)
	}

	for _, connection := range []string{"keep-alive, close", "close, keep-alive", "keep-alive\r\nConnection: CLOSE", "Close\r\nConnection: keep-alive"} {
		w = t.dial(d.addr)
		w.send("GET /a HTTP/1.0\r\nHost: h\r\nConnection: " + connection + "\r\n\r\nGET /b HTTP/1.0\r\n\r\n")
		if h := w.head(); h.get("Connection") != "close" {
			t.Errorf("Connection %q to a client of %q, want close", h.get("Connection"), connection)
		}
		if text, _ := w.rest(); text != "GET /a| HTTP/1.0 host=h secure=false length=0" {
			t.Errorf("behind %q: %q, want one answer", connection, text)
		}
	}

	w = t.dial(d.addr)
	w.send("GET /unknown HTTP/1.0\r\n\r\n")
	text, orderly = w.rest()
	if !strings.HasSuffix(text, "\r\n\r\nhello") || strings.Contains(text, "Transfer-Encoding") || !orderly {
		t.Errorf("unknown size: %q, orderly %t", text, orderly)
	}

	w = t.dial(d.addr)
	w.send("GET /broken HTTP/1.0\r\n\r\n")
	if text, orderly = w.rest(); orderly {
		t.Errorf("a broken body ends in order after %q", text)
	}
}

func answersStream(t *trial) {
	for _, size := range []int64{9, -1} {
		r, source := io.Pipe()
		d := t.open(engine.Settings{}, streaming(r, size, "Content-Type", "a/b"))
		w := t.dial(d.addr)
		w.send(get)
		var h head
		for i, part := range []string{"one", "two", "six"} {
			// The pipe takes a part when it is read, and nothing comes after it
			// before it was seen here.
			go io.WriteString(source, part)
			if i == 0 {
				h = w.head()
			}
			var got string
			if h.get("Transfer-Encoding") == "chunked" {
				got = w.chunk()
			} else {
				got = w.exactly(len(part))
			}
			if got != part {
				t.Errorf("size %d: part %q, want %q", size, got, part)
			}
		}
		source.Close()
		if size < 0 && w.chunk() != "" {
			t.Error("the body does not end")
		}
		if o := await(t, "the end of the exchange", d.done); o.err != nil || o.written != 9 {
			t.Errorf("size %d: written %d, %v, want 9", size, o.written, o.err)
		}
	}
}

func eventsBeginAtOnce(t *trial) {
	r, source := io.Pipe()
	d := t.open(engine.Settings{}, streaming(r, -1, "Content-Type", "text/event-stream; charset=utf-8"))
	w := t.dial(d.addr)
	w.send(get)
	if h := w.head(); h.get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("header %v", h)
	}
	io.WriteString(source, "data: 1\n\n")
	if got := w.chunk(); got != "data: 1\n\n" {
		t.Errorf("event %q", got)
	}
	source.Close()
	if got := w.chunk(); got != "" {
		t.Errorf("event %q after the end", got)
	}
}

func brokenAnswers(t *trial) {
	tests := []struct {
		name   string
		stream io.ReadCloser
		size   int64
		seen   string
	}{
		{"an error, known size", breaking("hel", errBroken), 5, "hel"},
		{"an error, unknown size", breaking("hel", errBroken), -1, "3\r\nhel\r\n"},
		{"an error at once", breaking("", errBroken), -1, ""},
		{"too short", io.NopCloser(strings.NewReader("hel")), 5, "hel"},
		{"too long", io.NopCloser(strings.NewReader("hello")), 3, ""},
		{"a panic, known size", panickingBody{}, 5, ""},
		{"a panic, unknown size", panickingBody{}, -1, ""},
	}
	for _, tt := range tests {
		w := &watched{Reader: tt.stream}
		d := t.open(engine.Settings{}, streaming(w, tt.size))
		c := t.dial(d.addr)
		c.send(get, get)
		text, _ := c.rest()
		_, text, _ = strings.Cut(text, "\r\n\r\n")
		if text != tt.seen {
			t.Errorf("%s: body %q, want %q", tt.name, text, tt.seen)
		}
		if o := await(t, "the end of the exchange", d.done); o.err == nil {
			t.Errorf("%s: no error", tt.name)
		} else if e, ok := errors.AsType[*gateway.Error](o.err); tt.stream == (panickingBody{}) && (!ok || e.Code != gateway.CodeInternal) {
			t.Errorf("%s: %v, want a fault of ours", tt.name, o.err)
		}
		if !w.closed.Load() {
			t.Errorf("%s: the stream was not closed", tt.name)
		}
		if n := d.asked.Load(); n != 1 {
			t.Errorf("%s: %d requests were served, want 1", tt.name, n)
		}
	}
}

func failingHandlers(t *trial) {
	panicking := func(context.Context, *gateway.Exchange) error { panic("on purpose") }
	tests := []struct {
		name string
		do   func(context.Context, *gateway.Exchange) error
	}{
		{"an error", func(_ context.Context, x *gateway.Exchange) error {
			answer(x, 200, "never seen")
			return errBroken
		}},
		{"no status", reply(0, "")},
		{"an interim status", reply(101, "")},
		{"a status of four digits", reply(1000, "")},
		{"a panic", panicking},
	}
	for _, tt := range tests {
		for _, request := range []string{get, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"} {
			d := t.open(engine.Settings{}, tt.do)
			w := t.dial(d.addr)
			w.send(request)
			w.closed()
			if o := await(t, "the end of the exchange", d.done); o.err == nil || o.written != 0 {
				t.Errorf("%s: written %d, %v, want an error", tt.name, o.written, o.err)
			}
		}
	}
}

// A panickingBody is a stream with a fault.
type panickingBody struct{}

func (panickingBody) Read([]byte) (int, error) { panic("on purpose") }
func (panickingBody) Close() error             { return nil }

func requestBodies(t *trial) {
	long := strings.Repeat("0123456789", 10000)
	tests := []struct {
		framing, body string
		want          string
		length        int
	}{
		{"Content-Length: 0", "", "", 0},
		{"Content-Length: 5", "hello", "hello", 5},
		{"Content-Length: 100000", long, long, 100000},
		{"Transfer-Encoding: chunked", "0\r\n\r\n", "", -1},
		{"Transfer-Encoding: chunked", "2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: a\r\n\r\n", "hello", -1},
		{"Transfer-Encoding: chunked", "186a0\r\n" + long + "\r\n0\r\n\r\n", long, -1},
	}
	d := t.open(engine.Settings{}, describe)
	w := t.dial(d.addr)
	for _, tt := range tests {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			w.lines(method+" / HTTP/1.1", "Host: h", tt.framing, "")
			w.send(tt.body)
			want := fmt.Sprintf("%s /| HTTP/1.1 host=h secure=false length=%d", method, tt.length)
			if tt.length != 0 {
				want += fmt.Sprintf(" body=%q err=<nil>", tt.want)
			}
			w.want(200, want)
		}
	}
}

func brokenRequests(t *trial) {
	tests := []struct {
		name, text string
		left       bool // the client, as far as anybody knows
	}{
		{"a length that is not reached", "Content-Length: 5\r\n\r\nhel", true},
		{"a chunk that is not complete", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", true},
		{"a last chunk that is missing", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", true},
		{"a size that is none", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nzz\r\n", false},
		{"a size with a prefix", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0x0\r\n\r\n", false},
		{"more than the chunk holds", "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", false},
	}
	for _, tt := range tests {
		got := make(chan error, 1)
		d := t.open(engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
			_, err := io.ReadAll(x.In.Body())
			got <- err
			return err
		})
		w := t.dial(d.addr)
		w.send("POST / HTTP/1.1\r\nHost: h\r\n", tt.text)
		w.Conn.(*net.TCPConn).CloseWrite()
		if err := await(t, "the error", got); err == nil || gateway.Cut(err) != tt.left {
			t.Errorf("%s: the body ends with %v; the client left: %t", tt.name, err, tt.left)
		}
		w.closed()
	}
}

// brokenAnswered has clients that are still there to hear what is wrong.
func brokenAnswered(t *trial) {
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		if _, err := io.ReadAll(x.In.Body()); err == nil || ctx.Err() != nil {
			return fmt.Errorf("the body ended with %v, the context with %w", err, ctx.Err())
		}
		answer(x, 400, "no body")
		return nil
	})
	for _, body := range []string{
		"3\r\nhel\r\nzz\r\n", "3 \r\nhel\r\n0\r\n\r\n", "3;\r\nhel\r\n0\r\n\r\n", "3\r\nhello\r\n0\r\n\r\n",
		"3\nhel\n0\n\n", "0\r\nContent-Length: 5\r\n\r\n", "0\r\nX-A : b\r\n\r\n", "0\r\nX-A: b\r\n c\r\n\r\n",
	} {
		w := t.dial(d.addr)
		w.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", body)
		if text, _ := w.rest(); !strings.HasPrefix(text, "HTTP/1.1 400 ") || !strings.HasSuffix(text, "no body") {
			t.Errorf("%q: answer %q, want 400", body, text)
		}
	}
}

func expectContinue(t *trial) {
	d := t.open(engine.Settings{}, describe)
	w := t.dial(d.addr)
	for range 2 {
		w.lines("POST / HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 5", "")
		if h := w.head(); h.start != "HTTP/1.1 100 Continue" {
			t.Fatalf("answer %q, want 100", h.start)
		}
		w.send("hello")
		w.want(200, `POST /| HTTP/1.1 host=h secure=false length=5 body="hello" err=<nil>`)
	}
}

func expectUnread(t *trial) {
	d := t.open(engine.Settings{}, reply(403, "no"))
	w := t.dial(d.addr)
	w.lines("POST / HTTP/1.1", "Host: h", "Expect: 100-continue", "Content-Length: 5", "")
	w.want(403, "no")
	w.closed()
}

func unreadBody(t *trial) {
	d := t.open(engine.Settings{}, reply(200, "hello"))
	for _, request := range []string{
		fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", len(get), get),
		fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(get), get),
	} {
		d.asked.Store(0)
		w := t.dial(d.addr)
		w.send(request)
		w.want(200, "hello")
		w.send(get)
		w.want(200, "hello")
		if n := d.asked.Load(); n != 2 {
			t.Errorf("%d requests were seen, want 2", n)
		}
	}
}

func unreadStalledBody(t *trial) {
	d := t.open(engine.Settings{}, reply(413, "too much"))
	w := t.dial(d.addr)
	w.lines("POST / HTTP/1.1", "Host: h", "Content-Length: 1000000", "")
	w.want(413, "too much")
}

func largeHeader(t *trial) {
	d := t.open(engine.Settings{MaxHeaderBytes: 8 << 10}, reply(200, ""))
	w := t.dial(d.addr)
	w.lines("GET / HTTP/1.1", "Host: h", "X-A: "+strings.Repeat("a", 7<<10), "")
	w.want(200, "")
	w.lines("GET / HTTP/1.1", "Host: h", "X-A: "+strings.Repeat("a", 16<<10), "")
	if h := w.head(); !strings.HasPrefix(h.start, "HTTP/1.1 431 ") {
		t.Errorf("answer %q, want 431", h.start)
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("%d requests were served, want 1", n)
	}
}

func manyFields(t *trial) {
	d := t.open(engine.Settings{H2C: true}, reply(200, ""))
	fields := func(n int) string { return strings.Repeat("X-A: b\r\n", n) }
	w := t.dial(d.addr)
	w.lines("GET / HTTP/1.1", fields(999)+"Host: h", "")
	w.want(200, "")
	w.lines("GET / HTTP/1.1", fields(1001)+"Host: h", "")
	if h := w.head(); !strings.HasPrefix(h.start, "HTTP/1.1 431 ") {
		t.Errorf("answer %q, want 431", h.start)
	}
	f := t.framer(t.dial(d.addr))
	var s stream
	for len(s.fields) < 2*1001 {
		s.fields = append(s.fields, "a", "b")
	}
	if status, _ := t.ask(f, 1, s); status != "431" {
		t.Errorf("answer %s in HTTP/2, want 431", status)
	}
	if n := d.asked.Load(); n != 1 {
		t.Errorf("%d requests were served, want 1", n)
	}
}

func slowHeader(t *trial) {
	const limit = 500 * time.Millisecond // enough for a first request on a machine that is busy
	d := t.open(engine.Settings{ReadHeaderTimeout: limit, IdleTimeout: time.Hour}, reply(200, ""))
	for _, beginning := range []string{"GET", "GET / HTTP/1.1\r\nHost: h\r\n", "\r\nG"} {
		w := t.dial(d.addr)
		w.send(get)
		w.want(200, "")
		w.send(beginning) // of the second request
		w.closed()
	}
	d.asked.Store(0)
	for _, beginning := range []string{"", "GET / HTTP/1.1\r\nHost: h\r\n"} {
		w := t.dial(d.addr)
		w.send(beginning)
		w.closed()
	}
	if n := d.asked.Load(); n != 0 {
		t.Errorf("%d requests were served, want none", n)
	}
}

// nextBegins: the time of a head begins when the answer before it has ended. That
// time has passed when two other connections have lost theirs.
func nextBegins(t *trial) {
	started, release := make(chan struct{}), make(chan struct{})
	d := t.open(engine.Settings{ReadHeaderTimeout: 50 * time.Millisecond, IdleTimeout: time.Hour}, func(ctx context.Context, x *gateway.Exchange) error {
		if x.In.Path() == "/slow" {
			started <- struct{}{}
			select {
			case <-release:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return reply(200, x.In.Path())(ctx, x)
	})
	const refused = "400 Bad Request"
	tests := []struct {
		first, next, later string
		status             int // of the next answer; 0 for the end of the connection
		text               string
	}{
		{"", "GET /x HT", "TP/1.1\r\nHost: h\r\n\r\n", 200, "/x"},
		{"", "GET /x HTTP/1.1\r\n", "Host: h\r\n\r\n", 200, "/x"},
		{"", "G", "ET /x HTTP/1.1\r\nHost: h\r\n\r\n", 200, "/x"},
		{"", "\r\n", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", 200, "/x"},
		{"", "\r", "\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", 200, "/x"},
		{"", "\r\n\r\nPU", "T /x HTTP/1.1\r\nHost: h\r\n\r\n", 200, "/x"},
		{"", "GET /x HT", "", 0, ""},
		{"", "GET /x y HT", "TP/1.1\r\nHost: h\r\n\r\n", 400, refused},
		{"", "\x16\x03\x01", "\r\n\r\n", 400, refused},
		{"", "\xff", "\r\n\r\n", 400, refused},
		{"Connection: upgrade\r\nUpgrade: x\r\n", "GET /x HT", "TP/1.1\r\nHost: h\r\n\r\n", 200, "/x"},
		{"Connection: upgrade\r\nUpgrade: x\r\n", "GET /x HT", "", 0, ""},
	}
	for _, tt := range tests {
		w := t.dial(d.addr)
		w.send("GET /slow HTTP/1.1\r\nHost: h\r\n"+tt.first+"\r\n", tt.next)
		await(t, "the request", started)
		for range 2 {
			other := t.dial(d.addr)
			other.send("GET")
			other.closed()
		}
		w.send(tt.later)
		select {
		case release <- struct{}{}:
		case o := <-d.done:
			t.Fatalf("%q: the exchange before ended in %v", tt.next, o.err)
		}
		w.want(200, "/slow")
		<-d.done
		if tt.status == 0 {
			w.closed()
			continue
		}
		w.want(tt.status, tt.text)
		if tt.status == 200 {
			<-d.done
		}
	}
}

func slowBody(t *trial) {
	got := make(chan error, 1)
	d := t.open(engine.Settings{ReadTimeout: 50 * time.Millisecond}, func(_ context.Context, x *gateway.Exchange) error {
		_, err := io.ReadAll(x.In.Body())
		got <- err
		answer(x, 408, "")
		return nil
	})
	w := t.dial(d.addr)
	w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel")
	if e := gateway.AsError(await(t, "the error", got)); e == nil || e.Code != gateway.CodeTimeout || e.Status != 408 {
		t.Errorf("the body ends with %v, want a timeout with 408", e)
	}
	w.want(408, "")
	w.closed()
}

func slowReader(t *trial) {
	d := t.open(engine.Settings{WriteTimeout: 50 * time.Millisecond}, streaming(io.NopCloser(endless{}), -1))
	w := t.dial(d.addr)
	w.send(get)
	if o := await(t, "the end of the exchange", d.done); o.err == nil {
		t.Error("an endless answer ended well")
	}
	if text, _ := w.rest(); strings.HasSuffix(text, "\r\n0\r\n\r\n") {
		t.Error("an endless answer has an end")
	}
}

// stalledReader has answers of every form that is in memory, and a stream.
func stalledReader(t *trial) {
	large := make([]byte, 32<<20) // more than the system holds of a connection
	forms := map[string]func() body.Body{
		"bytes of somebody": func() body.Body { return body.FromBytes(large) },
		"a buffer": func() body.Body {
			b := body.NewBuffer()
			b.B = append(b.B, large...)
			return body.FromBuffer(b)
		},
		"a stream": func() body.Body { return body.FromStream(io.NopCloser(endless{}), -1) },
	}
	for name, form := range forms {
		for _, request := range []string{get, "GET / HTTP/1.0\r\n\r\n"} {
			for _, limit := range []time.Duration{0, time.Hour} {
				d := t.open(engine.Settings{StallTimeout: 50 * time.Millisecond, WriteTimeout: limit}, func(_ context.Context, x *gateway.Exchange) error {
					x.Response.Status, x.Response.Body = 200, form()
					return nil
				})
				w := t.dial(d.addr)
				w.send(request)
				o := await(t, "the end of the exchange", d.done)
				if e, ok := errors.AsType[*gateway.Error](o.err); !ok || e.Code != gateway.CodeTimeout {
					t.Errorf("%s: %v, want %s", name, o.err, gateway.CodeTimeout)
				}
				w.Close()
				d.close(t)
			}
		}
	}
}

// slowlyRead takes pieces of an answer, each before the time is over, and the whole
// after a multiple of it; then the connection serves another request, long after.
func slowlyRead(t *trial) {
	synctest.Test(t.T, func(tt *testing.T) {
		const limit, pause = time.Minute, 50 * time.Second
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		large := bytes.Repeat([]byte("a"), 512<<10)
		d := &door{server: t.NewServer(engine.Settings{StallTimeout: limit}), done: make(chan outcome, 10), stopped: make(chan error, 1)}
		d.do = func(_ context.Context, x *gateway.Exchange) error {
			x.Response.Status, x.Response.Body = 200, body.FromBytes(large)
			if x.In.Path() == "/short" {
				x.Response.Body = body.FromBytes([]byte("short"))
			}
			return nil
		}
		go func() { d.stopped <- d.server.Serve(l, d) }()
		client, server := net.Pipe()
		l.conns <- server
		ask := func(path string) *http.Response {
			fmt.Fprintf(client, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", path)
			res, err := http.ReadResponse(bufio.NewReader(client), nil)
			if err != nil {
				tt.Fatal(err)
			}
			return res
		}
		res, got, p := ask("/"), 0, make([]byte, engine.StallPiece)
		for got < len(large) {
			time.Sleep(pause)
			n, err := io.ReadFull(res.Body, p[:min(len(p), len(large)-got)])
			if got += n; err != nil {
				tt.Fatalf("after %d bytes: %v", got, err)
			}
		}
		if o := <-d.done; o.err != nil || o.written != int64(len(large)) {
			tt.Errorf("%d bytes, %v", o.written, o.err)
		}
		time.Sleep(10 * limit)
		if text, err := io.ReadAll(ask("/short").Body); string(text) != "short" || err != nil {
			tt.Errorf("%q, %v", text, err)
		}
		<-d.done
		began := time.Now()
		ask("/") // and takes the beginning alone
		if o := <-d.done; o.err == nil || time.Since(began) > 2*limit {
			tt.Errorf("%v after %v", o.err, time.Since(began))
		}
		client.Close()
		l.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.server.Shutdown(ctx) // cut connections are what is wanted here
		<-d.stopped
	})
}

// pipes is a listener of connections in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func idleEnds(t *trial) {
	d := t.open(engine.Settings{IdleTimeout: 50 * time.Millisecond}, reply(200, ""))
	w := t.dial(d.addr)
	w.send(get)
	w.want(200, "")
	w.closed()
}

func clientGone(t *trial) {
	for _, request := range []string{get, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"} {
		entered, left := make(chan struct{}), make(chan error, 1)
		d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
			if r := x.In.Body(); r != nil {
				if _, err := io.ReadAll(r); err != nil {
					return err
				}
			}
			close(entered)
			select {
			case <-ctx.Done():
				left <- nil
			case <-time.After(patience):
				left <- errors.New("the context does not end")
			}
			return ctx.Err()
		})
		w := t.dial(d.addr)
		w.send(request)
		await(t, "the handler", entered)
		w.Close()
		t.must(await(t, "the end of the context", left))
		if o := await(t, "the end of the exchange", d.done); o.err == nil {
			t.Error("no error")
		}
	}
}

// goneAtOnce closes connections and asks, as long as nobody has told, whether the client has left:
// by the context, which may be all that tells, or by the message, which must not be the later one.
func goneAtOnce(t *trial) {
	for _, request := range []string{get, strings.Replace(get, "1.1", "1.0", 1), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"} {
		entered, closed, before, behind := make(chan bool), make(chan bool), make(chan bool, 1), make(chan error, 1)
		d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
			if r := x.In.Body(); r != nil {
				if _, err := io.ReadAll(r); err != nil {
					return err
				}
			}
			x.Edit() // which must not hide it
			before <- gateway.HasLeft(x.In)
			close(entered)
			<-closed
			for end := time.Now().Add(patience); !gateway.HasLeft(x.In) && ctx.Err() == nil; {
				select {
				case <-ctx.Done():
				case <-time.After(time.Millisecond):
				}
				if time.Now().After(end) {
					behind <- errors.New("nobody tells that the client has left")
					return nil
				}
			}
			if _, tells := x.Sent().(gateway.Watched); tells && !gateway.HasLeft(x.In) {
				behind <- errors.New("the message does not tell what the context does")
				return nil
			}
			behind <- nil
			return gateway.Left(ctx, context.Canceled)
		})
		w := t.dial(d.addr)
		w.send(request)
		await(t, "the handler", entered)
		if await(t, "the first answer", before) {
			t.Error("a client has left that has not")
		}
		w.Close()
		close(closed)
		t.must(await(t, "the second answer", behind))
		await(t, "the end of the exchange", d.done)
	}
}

func shutdownDrains(t *trial) {
	entered, leave := make(chan struct{}), make(chan struct{})
	out, in := io.Pipe()
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		switch x.In.Path() {
		case "/slow":
			close(entered)
			<-leave
		case "/stream":
			x.Response.Status, x.Response.Body = 200, body.FromStream(out, 2)
			return nil
		}
		answer(x, 200, "hello")
		return nil
	})
	idle, asks, busy, streams := t.dial(d.addr), t.dial(d.addr), t.dial(d.addr), t.dial(d.addr)
	streams.lines("GET /stream HTTP/1.1", "Host: h", "")
	in.Write([]byte("a"))
	if h := streams.head(); h.start != "HTTP/1.1 200 OK" || streams.exactly(1) != "a" {
		t.Fatalf("%q", h.start)
	}
	idle.send(get)
	idle.want(200, "hello")
	asks.send(get)
	asks.want(200, "hello")
	busy.lines("GET /slow HTTP/1.1", "Host: h", "")
	await(t, "the handler", entered)
	stopped := make(chan error, 1)
	go func() { stopped <- d.server.Shutdown(t.context()) }()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp", d.addr)
		if err != nil {
			break
		}
		conn.Close()
		if time.Now().After(end) {
			t.Fatal("new connections are accepted")
		}
	}
	asks.send(get)
	asks.want(200, "hello") // the others hear of it
	asks.closed()
	in.Write([]byte("b"))
	streams.exactly(1) // of an answer that began before it was known that it is the last but one
	streams.send(get)
	streams.want(200, "hello")
	streams.closed()
	select {
	case err := <-stopped:
		t.Errorf("Shutdown returned %v before the last answer", err)
	default:
	}
	close(leave)
	if h := busy.want(200, "hello"); h.get("Connection") != "close" {
		t.Errorf("the last answer has %q, and does not say that it is the last", h.fields)
	}
	busy.closed()
	idle.closed()
	t.must(await(t, "Shutdown", stopped))
	t.must(await(t, "Serve", d.stopped))
	d.stopped <- nil // for the end of the case
}

// shutdownAnswers has clients that go on asking, each at a pace of its own, until an answer
// says that it is the last. The clock is not the machine's, so that nobody asks late who
// meant to ask in time.
func shutdownAnswers(t *trial) {
	synctest.Test(t.T, func(tt *testing.T) {
		l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
		d := &door{server: t.NewServer(engine.Settings{}), do: reply(200, "hello"), done: make(chan outcome, 100), stopped: make(chan error, 1)}
		go func() { d.stopped <- d.server.Serve(l, d) }()
		var over sync.WaitGroup
		for _, pauses := range [][]time.Duration{
			{0, 0, 0, 0, 19 * time.Millisecond},                                   // in a hurry until now
			{37 * time.Millisecond, 19 * time.Millisecond},                        // nothing is known of it yet
			{28 * time.Millisecond, 28 * time.Millisecond, 40 * time.Millisecond}, // takes its time
			{9 * time.Millisecond},
			{2 * time.Millisecond},
		} {
			client, server := net.Pipe()
			l.conns <- server
			over.Go(func() {
				defer client.Close()
				in := bufio.NewReader(client)
				for n := 0; ; n++ {
					io.WriteString(client, get)
					res, err := http.ReadResponse(in, nil)
					if err != nil {
						tt.Errorf("pauses of %v: request %d is lost: %v", pauses, n, err)
						return
					}
					if text, err := io.ReadAll(res.Body); string(text) != "hello" || err != nil {
						tt.Errorf("pauses of %v: answer %d is %q, %v", pauses, n, text, err)
					}
					if res.Close {
						return
					}
					time.Sleep(pauses[n%len(pauses)])
				}
			})
		}
		time.Sleep(57 * time.Millisecond)
		if err := d.server.Shutdown(tt.Context()); err != nil {
			tt.Error(err)
		}
		over.Wait()
		if err := <-d.stopped; err != nil {
			tt.Error(err)
		}
	})
}

// shutdownLeaves has clients that have sent nothing, one request, or the beginning of
// one, and wait for the end.
func shutdownLeaves(t *trial) {
	d := t.open(engine.Settings{}, reply(200, "hello"))
	silent, asked, begun := t.dial(d.addr), t.dial(d.addr), t.dial(d.addr)
	asked.send(get)
	asked.want(200, "hello")
	begun.send("GET / HTTP")
	silent.send("\r\n")
	stopped := make(chan error, 1)
	go func() { stopped <- d.server.Shutdown(t.context()) }()
	silent.closed()
	asked.closed()
	begun.rest()
	t.must(await(t, "Shutdown", stopped))
}

func shutdownCuts(t *trial) {
	entered := make(chan struct{})
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		close(entered)
		<-ctx.Done()
		return ctx.Err()
	})
	w := t.dial(d.addr)
	w.send(get)
	await(t, "the handler", entered)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := d.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want the end of the context", err)
	}
	w.closed()
	if o := await(t, "the end of the exchange", d.done); o.status != 0 || gateway.AsError(o.err).Code != gateway.CodeShutdown {
		t.Errorf("status %d, %v, want none, because of the shutdown", o.status, o.err)
	}
}

func shutdownCutsAnswers(t *trial) {
	r, source := io.Pipe()
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		context.AfterFunc(ctx, func() { source.CloseWithError(ctx.Err()) }) // as a call to a backend ends
		return streaming(r, -1, "Content-Type", "a/b")(ctx, x)
	})
	w := t.dial(d.addr)
	w.send(get)
	io.WriteString(source, "abc")
	w.head()
	if got := w.chunk(); got != "abc" {
		t.Errorf("beginning %q", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d.server.Shutdown(ctx) // to cut is what is wanted here
	if o := await(t, "the end of the exchange", d.done); o.status != 200 || o.written != 3 || gateway.AsError(o.err).Code != gateway.CodeShutdown {
		t.Errorf("status %d, %d bytes, %v, want 200, 3, and the shutdown", o.status, o.written, o.err)
	}
	if text, _ := w.rest(); text != "" {
		t.Errorf("the answer goes on with %q", text)
	}
}

// sentTold has answers that arrive, in part or not at all.
func sentTold(t *trial) {
	typed := []string{"Content-Type", "a/b"}
	tests := []struct {
		name    string
		request string
		do      func(context.Context, *gateway.Exchange) error
		status  int
		written int64
		code    string // of the error; "" for none
	}{
		{"an answer", get, reply(201, "hello"), 201, 5, ""},
		{"an answer without a body", get, reply(204, ""), 204, 0, ""},
		{"an answer to HEAD", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", reply(203, "hello"), 203, 0, ""},
		{"a stream", get, streaming(io.NopCloser(strings.NewReader("hello")), -1, typed...), 200, 5, ""},
		{"a stream of known size", get, streaming(io.NopCloser(strings.NewReader("hello")), 5, typed...), 200, 5, ""},
		{"a failure of the gateway", get, reply(502, "no"), 502, 2, ""},
		{"a stream that breaks off", get, streaming(breaking("hel", errBroken), -1, typed...), 200, 3, gateway.CodeInternal},
		{"a stream that breaks off before it begins", get, streaming(breaking("", errBroken), -1), 0, 0, gateway.CodeInternal},
		{"a stream that ends too soon", get, streaming(io.NopCloser(strings.NewReader("hel")), 5, typed...), 200, 3, gateway.CodeBackendAborted},
		{"no status", get, reply(0, ""), 0, 0, gateway.CodeInternal},
		{"an error", get, func(_ context.Context, x *gateway.Exchange) error {
			answer(x, 200, "never seen")
			return errBroken
		}, 0, 0, gateway.CodeInternal},
		{"a panic", get, func(_ context.Context, x *gateway.Exchange) error {
			x.Response.Status = 200
			panic("on purpose")
		}, 0, 0, gateway.CodeInternal},
	}
	for _, tt := range tests {
		d := t.open(engine.Settings{}, tt.do)
		w := t.dial(d.addr)
		w.send(tt.request)
		o := await(t, tt.name, d.done)
		code := ""
		if o.err != nil {
			code = gateway.AsError(o.err).Code
		}
		if o.status != tt.status || o.written != tt.written || code != tt.code {
			t.Errorf("%s: status %d, %d bytes, error %v; want %d, %d, %q", tt.name, o.status, o.written, o.err, tt.status, tt.written, tt.code)
		}
	}
	r, source := io.Pipe()
	d := t.open(engine.Settings{}, streaming(r, -1, typed...))
	w := t.dial(d.addr)
	w.send(get)
	io.WriteString(source, "hello")
	w.head()
	w.chunk()
	io.WriteString(source, "all") // is read once the first part has been sent
	w.reset()
	go io.Copy(source, endless{}) // until nobody takes it
	if o := await(t, "a client that leaves", d.done); o.status != 200 || gateway.AsError(o.err).Code != gateway.CodeClientGone {
		t.Errorf("a client that leaves: status %d, error %v; want 200 and %s", o.status, o.err, gateway.CodeClientGone)
	}
}

func panicLogged(t *trial) {
	lines := make(chan string, 10)
	d := t.open(engine.Settings{ErrorLog: func(msg string, err error) { lines <- msg + ": " + err.Error() }}, func(context.Context, *gateway.Exchange) error {
		panic(bytes.ErrTooLarge)
	})
	w := t.dial(d.addr)
	w.send(get)
	w.closed()
	line := await(t, "a line", lines)
	if strings.ContainsAny(line, "\n\r") || strings.Contains(line, ".go") {
		t.Errorf("line %q shows the stack", line)
	}
}
