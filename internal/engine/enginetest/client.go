package enginetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

var clientCases = cases{
	{"a target goes out byte for byte", targetsAsGiven},
	{"no field is added and none of a hop is sent", requestHygiene},
	{"what would end a line or a field is refused", requestInjection},
	{"requests are framed by what is known of them", requestFraming},
	{"a request body is read but not closed", requestBodyKept},
	{"answers are read to their end", answersRead},
	{"a body that breaks off is an error", answersBroken},
	{"hop-by-hop fields of an answer are removed", answersCleaned},
	{"what is no answer is an error", noAnswers},
	{"a call that reached nobody says so and leaves its body unread", unreached},
	{"a host that says nothing is given up with its share of the time", sharedTime},
	{"a deadline ends a call that hangs", deadlines},
	{"a caller that leaves ends the call", cancelled},
	{"an answer that does not begin is given up", headerTimeout},
	{"a request body that breaks off is not ended", brokenUploads},
	{"an answer may come before the request is sent", earlyAnswer},
	{"a deadline does not wait for a client that stalls", stalledUpload},
	{"bytes are handed on when they arrive", answersArrive},
	{"a body waits for 100 Continue", uploadWaits},
	{"connections are used again", connectionsReused},
	{"a body that is not read to its end costs the connection", connectionsDropped},
	{"connections are not used again when told so", connectionsClosed},
	{"idle connections are limited", idleLimited},
	{"limited idle connections lose no answer", idleLosesNothing},
	{"idle connections end", idleConnectionsEnd},
	{"a connection that the backend closed is replaced", staleReplaced},
	{"what may be repeated is, where a connection ends before an answer", repeated},
	{"what comes behind an answer without a body is no answer", unaskedDropped},
	{"what is on its way behind an answer without a body is no answer", unaskedOnItsWay},
	{"what is on its way behind answers of a careless backend is no answer", unaskedOfCareless},
	{"what the backend's system holds back is no answer", unaskedHeldBack},
	{"connections behind answers without a body are used again", restedUsedAgain},
	{"calls do not mix", concurrentCalls},
	{"a proxy gets the whole target", throughProxy},
	{"a proxy that is no URL fails the call", noProxy},
}

// echo answers every request with its start line and body.
func echo(w *wire) {
	for w.more() {
		h := w.head()
		text := h.start + " " + w.content(h)
		w.send("HTTP/1.1 200 OK\r\nContent-Length: ", fmt.Sprint(len(text)), "\r\n\r\n", text)
	}
}

func targetsAsGiven(t *trial) {
	b := t.backend(echo)
	c := t.client(model.Transport{})
	tests := []struct{ path, query, want string }{
		{"/", "", "/"},
		{"/a%2Fb//c/./d/../e", "", "/a%2Fb//c/./d/../e"},
		{"//a//b/", "", "//a//b/"},
		{"//", "a=1", "//?a=1"},
		{"/%61%2e%2E/%zz", "a=%20+&b&&c=?/#", "/%61%2e%2E/%zz?a=%20+&b&&c=?/#"},
		{"/gr\xc3\xbc\xc3\x9fe{}|\"<>^`", "\xff", "/gr\xc3\xbc\xc3\x9fe{}|\"<>^`?\xff"},
		{"/http://x/", "", "/http://x/"},
		{"/a:b@c", "x", "/a:b@c?x"},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "POST", "PURGE", "get"} {
			x := t.call(b.addr)
			x.Request.Method, x.Request.Path, x.Request.RawQuery = method, tt.path, tt.query
			if got, want := t.get(c, x), method+" "+tt.want+" HTTP/1.1 "; got != want {
				t.Errorf("path %q query %q: sent %q, want %q", tt.path, tt.query, got, want)
			}
		}
	}
}

func requestHygiene(t *trial) {
	heads := make(chan head, 1)
	b := t.backend(func(w *wire) {
		for w.more() {
			heads <- w.head()
			w.lines("HTTP/1.1 204 No Content", "")
		}
	})
	c := t.client(model.Transport{})
	x := t.call(b.addr)
	t.get(c, x)
	h := await(t, "the request", heads)
	if got, want := h.names(), []string{"Host"}; !slices.Equal(got, want) || h.get("Host") != b.addr {
		t.Errorf("fields %v, want the host only", h.fields)
	}

	x = t.call(b.addr)
	x.Request.Header = gateway.Fields{
		{Name: "Host", Value: "evil.test"}, {Name: "Connection", Value: "close, X-A"}, {Name: "Keep-Alive", Value: "1"},
		{Name: "Transfer-Encoding", Value: "chunked"}, {Name: "Content-Length", Value: "5"}, {Name: "Te", Value: "trailers"},
		{Name: "Trailer", Value: "X-T"}, {Name: "Upgrade", Value: "h2c"}, {Name: "Proxy-Connection", Value: "close"},
		{Name: "Proxy-Authorization", Value: "Basic eA=="}, {Name: "X-A", Value: "1"}, {Name: "User-Agent", Value: "me"},
		{Name: "X-B", Value: "2"}, {Name: "X-B", Value: ""}, {Name: "Accept-Encoding", Value: "br"}, {Name: "Cookie", Value: "a=1"},
		{Name: "Cookie", Value: "b=2"},
	}
	for i := range 20 { // more than an engine may have prepared for
		x.Request.Header.Add(fmt.Sprintf("X-N%d", i), "n")
	}
	t.get(c, x)
	h = await(t, "the request", heads)
	h.fields = slices.DeleteFunc(h.fields, func(f string) bool { return strings.HasPrefix(f, "X-N") && strings.HasSuffix(f, ": n") })
	if got, want := h.names(), []string{"Accept-Encoding", "Cookie", "Cookie", "Host", "User-Agent", "X-A", "X-B", "X-B"}; !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", h.fields, want)
	}
	for name, want := range map[string]string{"Host": b.addr, "User-Agent": "me", "X-B": "2, ", "Accept-Encoding": "br", "Cookie": "a=1, b=2"} {
		if got := h.get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func requestInjection(t *trial) {
	b := t.backend(echo)
	c := t.client(model.Transport{})
	tests := []struct {
		name string
		set  func(*gateway.Request)
	}{
		{"a method with a space", func(r *gateway.Request) { r.Method = "GET /x" }},
		{"no method", func(r *gateway.Request) { r.Method = "" }},
		{"a path with a line", func(r *gateway.Request) { r.Path = "/ HTTP/1.1\r\nX-Evil: 1" }},
		{"a path with a space", func(r *gateway.Request) { r.Path = "/a b" }},
		{"a path that is none", func(r *gateway.Request) { r.Path = "a" }},
		{"no path", func(r *gateway.Request) { r.Path = "" }},
		{"a query with a line", func(r *gateway.Request) { r.RawQuery = "a\r\nX-Evil: 1" }},
		{"a query with a space", func(r *gateway.Request) { r.RawQuery = "a b" }},
		{"a field with a line", func(r *gateway.Request) { r.Header.Add("X-A", "a\r\nX-Evil: 1") }},
		{"a field with a line feed", func(r *gateway.Request) { r.Header.Add("X-A", "a\nX-Evil: 1") }},
		{"a field with a null byte", func(r *gateway.Request) { r.Header.Add("X-A", "\x00") }},
		{"a name with a colon", func(r *gateway.Request) { r.Header.Add("X-A: 1\r\nX-B", "b") }},
		{"a name with a space", func(r *gateway.Request) { r.Header.Add("X A", "b") }},
		{"no name", func(r *gateway.Request) { r.Header.Add("", "b") }},
	}
	for _, tt := range tests {
		t.named(tt.name, func(t *trial) {
			x := t.call(b.addr)
			tt.set(&x.Request)
			t.wantFailure(c.Do(t.context(), x), gateway.CodeBadRequest, false)
		})
	}
	if n := b.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made, want none", n)
	}
}

func requestFraming(t *trial) {
	long := strings.Repeat("0123456789", 20000)
	stream := func(text string, size int64) func() body.Body {
		return func() body.Body { return body.FromStream(io.NopCloser(strings.NewReader(text)), size) }
	}
	raw := func(text string) func() body.Body { return func() body.Body { return body.FromBytes([]byte(text)) } }
	tests := []struct {
		name    string
		body    func() body.Body
		length  string
		chunked bool
		want    string
	}{
		{"bytes", raw("hello"), "5", false, "hello"},
		{"many bytes", raw(long), "200000", false, long},
		{"a stream of known size", stream("hello", 5), "5", false, "hello"},
		{"a long stream of known size", stream(long, 200000), "200000", false, long},
		{"a stream of unknown size", stream("hello", -1), "", true, "hello"},
		{"a long stream of unknown size", stream(long, -1), "", true, long},
	}
	heads, texts := make(chan head, 1), make(chan string, 1)
	b := t.backend(func(w *wire) {
		for w.more() {
			h := w.head()
			heads <- h
			texts <- w.content(h)
			w.lines("HTTP/1.1 204 No Content", "")
		}
	})
	c := t.client(model.Transport{})
	for _, method := range []string{"POST", "PUT", "PATCH", "GET", "DELETE"} {
		for _, tt := range tests {
			x := t.call(b.addr)
			x.Request.Method, x.Request.Body = method, tt.body()
			t.get(c, x)
			h := await(t, "the request", heads)
			if got := h.get("Content-Length"); got != tt.length {
				t.Errorf("%s of %s: length %q, want %q", method, tt.name, got, tt.length)
			}
			if got := h.get("Transfer-Encoding"); (got == "chunked") != tt.chunked || got != "" && !tt.chunked {
				t.Errorf("%s of %s: coding %q, want chunked %t", method, tt.name, got, tt.chunked)
			}
			if got := await(t, "the body", texts); got != tt.want {
				t.Errorf("%s of %s: %d bytes, want %d", method, tt.name, len(got), len(tt.want))
			}
		}
		length := "0"
		if method == "GET" || method == "DELETE" {
			length = ""
		}
		for name, empty := range map[string]body.Body{"nothing": {}, "a stream of size 0": stream("", 0)()} {
			x := t.call(b.addr)
			x.Request.Method, x.Request.Body = method, empty
			t.get(c, x)
			h := await(t, "the request", heads)
			if got := h.get("Content-Length"); got != length || h.get("Transfer-Encoding") != "" {
				t.Errorf("%s of %s: fields %v, want the length %q", method, name, h.fields, length)
			}
			await(t, "the body", texts)
		}
	}
}

func requestBodyKept(t *trial) {
	b := t.backend(echo)
	c := t.client(model.Transport{})
	stream := &watched{Reader: strings.NewReader("hello")}
	x := t.call(b.addr)
	x.Request.Method, x.Request.Body = "POST", body.FromStream(stream, 5)
	if got := t.get(c, x); got != "POST / HTTP/1.1 hello" {
		t.Errorf("answer %q", got)
	}
	if stream.closed.Load() || x.Request.Body.Form() != body.Stream {
		t.Errorf("closed %t, form %s, want an open stream", stream.closed.Load(), x.Request.Body.Form())
	}

	x = t.call(b.addr)
	x.Request.Method, x.Request.Body = "POST", body.FromBytes([]byte("hello"))
	for range 2 {
		if got := t.get(c, x); got != "POST / HTTP/1.1 hello" {
			t.Errorf("answer %q", got)
		}
	}
}

func answersRead(t *trial) {
	long := strings.Repeat("0123456789", 20000)
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name, method, answer string
		status               int
		form                 body.Form
		size                 int64
		want                 string
	}{
		{"known length", "GET", ok + "Content-Length: 5\r\n\r\nhello", 200, body.Stream, 5, "hello"},
		{"long", "GET", ok + "Content-Length: 200000\r\n\r\n" + long, 200, body.Stream, 200000, long},
		{"length 0", "GET", ok + "Content-Length: 0\r\n\r\n", 200, body.Empty, 0, ""},
		{"chunked", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\n\r\n", 200, body.Stream, -1, "hello"},
		{"chunked and empty", "GET", ok + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, body.Stream, -1, ""},
		{"to the end of the connection", "GET", ok + "\r\nhello", 200, body.Stream, -1, "hello"},
		{"of HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n\r\nhello", 200, body.Stream, -1, "hello"},
		{"HEAD with a length", "HEAD", ok + "Content-Length: 5\r\n\r\n", 200, body.Stream, 5, ""},
		{"HEAD without a length", "HEAD", ok + "\r\n", 200, body.Empty, 0, ""},
		{"HEAD of something chunked", "HEAD", ok + "Transfer-Encoding: chunked\r\n\r\n", 200, body.Empty, 0, ""},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, body.Empty, 0, ""},
		{"304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, body.Empty, 0, ""},
		{"404", "GET", "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", 404, body.Stream, 2, "no"},
		{"599 without a reason", "GET", "HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", 599, body.Empty, 0, ""},
		{"interim answers first", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", 200, body.Stream, 5, "hello"},
		{"packed", "GET", ok + "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello", 200, body.Stream, 5, "hello"},
	}
	for _, tt := range tests {
		b := t.backend(func(w *wire) {
			w.head()
			w.send(tt.answer)
		})
		c := t.client(model.Transport{})
		x := t.call(b.addr)
		x.Request.Method = tt.method
		t.must(c.Do(t.context(), x))
		r := &x.Response
		if r.Status != tt.status || r.Body.Form() != tt.form || r.Body.Size() != tt.size {
			t.Errorf("%s: status %d, %s body of size %d, want %d, %s, %d", tt.name, r.Status, r.Body.Form(), r.Body.Size(), tt.status, tt.form, tt.size)
		}
		if strings.Contains(tt.name, "interim") && len(r.Header) != 0 {
			t.Errorf("%s: fields %v, want none", tt.name, r.Header)
		}
		if got, err := r.Body.Bytes(0); err != nil || string(got) != tt.want {
			t.Errorf("%s: %d bytes, %v, want %d", tt.name, len(got), err, len(tt.want))
		}
	}
}

func answersBroken(t *trial) {
	tests := []struct {
		name, answer string
		reset        bool
	}{
		{"too short", "Content-Length: 5\r\n\r\nhel", false},
		{"reset", "Content-Length: 5\r\n\r\nhel", true},
		{"a chunk that is not complete", "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", false},
		{"a last chunk that is missing", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", false},
		{"a size that is none", "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nzz\r\n", false},
		{"more than the chunk holds", "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n", false},
		{"reset before the end of the connection", "\r\nhel", true},
	}
	for _, tt := range tests {
		read := make(chan struct{})
		b := t.backend(func(w *wire) {
			w.head()
			w.send("HTTP/1.1 200 OK\r\n", tt.answer)
			if tt.reset {
				<-read
				w.reset()
			}
		})
		c := t.client(model.Transport{})
		x := t.call(b.addr)
		t.must(c.Do(t.context(), x))
		r := x.Response.Body.Reader()
		text := make([]byte, 3)
		if _, err := io.ReadFull(r, text); err != nil || string(text) != "hel" {
			t.Errorf("%s: beginning %q, %v", tt.name, text, err)
		}
		close(read)
		_, err := io.ReadAll(r)
		if err == nil {
			t.Errorf("%s: the body ends in order", tt.name)
		} else {
			t.wantFailure(err, gateway.CodeBackendAborted, false)
		}
		r.Close()
	}
}

func answersCleaned(t *trial) {
	b := t.backend(func(w *wire) {
		w.head()
		w.lines("HTTP/1.1 200 OK", "x-z: 1", "Connection: keep-alive, X-Hop ,x-other", "Keep-Alive: timeout=5", "X-Hop: 1", "X-Other: 2",
			"Set-Cookie: b=2", "Te: x", "Upgrade: h2c", "Proxy-Authenticate: Basic", "Proxy-Connection: x", "Content-Length: 5", "Trailer: X-T",
			"Set-Cookie: a=1", "Date: today", "SERVER: s", "Content-Type: a/b", "")
		w.send("hello")
	})
	c := t.client(model.Transport{})
	x := t.call(b.addr)
	t.must(c.Do(t.context(), x))
	want := gateway.Fields{{Name: "Content-Type", Value: "a/b"}, {Name: "Date", Value: "today"}, {Name: "Server", Value: "s"},
		{Name: "Set-Cookie", Value: "b=2"}, {Name: "Set-Cookie", Value: "a=1"}, {Name: "X-Z", Value: "1"}}
	if got := x.Response.Header; !slices.Equal(got, want) {
		t.Errorf("fields %v, want %v", got, want)
	}
}

func noAnswers(t *trial) {
	tests := []struct {
		name   string
		answer string
		reset  bool
		code   string
	}{
		{"nothing", "", false, gateway.CodeBackendAborted},
		{"a reset", "", true, gateway.CodeBackendAborted},
		{"half a status line", "HTTP/1.1 20", false, gateway.CodeBackendAborted},
		{"too many fields", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1001) + "\r\n", false, gateway.CodeBackendAborted},
		{"a large header", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("b", 2<<20) + "\r\n\r\n", false, gateway.CodeBackendAborted},
		{"half a header", "HTTP/1.1 200 OK\r\nA: b\r\n", false, gateway.CodeBackendAborted},
		{"something else", "SSH-2.0-OpenSSH\r\n\r\n", false, gateway.CodeBackendAborted},
		{"a status of letters", "HTTP/1.1 abc OK\r\n\r\n", false, gateway.CodeBackendAborted},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", false, gateway.CodeBackendAborted},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", false, gateway.CodeBackendInvalid},
	}
	for _, tt := range tests {
		t.named(tt.name, func(t *trial) {
			b := t.backend(func(w *wire) {
				w.head()
				w.send(tt.answer)
				if tt.reset {
					w.reset()
				}
			})
			t.wantFailure(t.client(model.Transport{}).Do(t.context(), t.call(b.addr)), tt.code, false)
		})
	}
}

func unreached(t *trial) {
	gone := testx.UnusedAddress(t)
	plain := t.backend(func(w *wire) {
		w.more()
		w.send("HTTP/1.1 400 Bad Request\r\n\r\n")
	})
	hello := t.backend(echo)
	tests := []struct{ name, scheme, host, public string }{
		{"refused", "http", gone, "connection refused"},
		{"refused with TLS", "https", gone, "connection refused"},
		{"a name that does not resolve", "http", "no..such..host:80", "no such host"},
		{"a host that does not speak TLS", "https", plain.addr, "no connection was made"},
	}
	c := t.client(model.Transport{DialerTimeout: config.Duration(patience)})
	for _, tt := range tests {
		t.named(tt.name, func(t *trial) {
			stream := &watched{Reader: strings.NewReader("hello")}
			x := t.call(tt.host)
			x.Request.Scheme, x.Request.Method, x.Request.Body = tt.scheme, "POST", body.FromStream(stream, 5)
			err := c.Do(t.context(), x)
			t.wantFailure(err, gateway.CodeBackendUnreachable, true)
			if got := gateway.AsError(err).Public; got != tt.public {
				t.Errorf("public text %q, want %q", got, tt.public)
			}
			if stream.read.Load() || stream.closed.Load() {
				t.Errorf("the body was touched: read %t, closed %t", stream.read.Load(), stream.closed.Load())
			}
			x.Request.Scheme, x.Request.Host = "http", hello.addr
			if got := t.get(c, x); got != "POST / HTTP/1.1 hello" {
				t.Errorf("second host: %q", got)
			}
		})
	}
}

// sharedTime has a host that takes connections, and does not go on with the handshake.
func sharedTime(t *trial) {
	b := t.backend(func(w *wire) { w.rest() })
	c := t.client(model.Transport{})
	for _, content := range []body.Body{{}, body.FromBytes([]byte("hello")), body.FromStream(io.NopCloser(strings.NewReader("hello")), 5)} {
		ctx, cancel := context.WithTimeout(t.context(), engine.HandshakeTimeout/2)
		defer cancel()
		x := t.call(b.addr)
		x.Request.Method, x.Request.Scheme, x.Request.Body, x.Request.Others = "POST", "https", content, 49
		t.wantFailure(c.Do(ctx, x), gateway.CodeBackendUnreachable, true)
		if ctx.Err() != nil {
			t.Error("nothing of the time is left for others")
		}
	}
}

func deadlines(t *trial) {
	closed := make(chan struct{}, 10)
	hang := func(answer string) *backend {
		return t.backend(func(w *wire) {
			w.head()
			w.send(answer)
			w.closed()
			closed <- struct{}{}
		})
	}
	silent := t.backend(func(w *wire) { w.rest() })
	c := t.client(model.Transport{})
	brief := func() context.Context {
		ctx, cancel := context.WithTimeout(t.context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	check := func(err error, unreached bool) {
		t.Helper()
		t.wantFailure(err, gateway.CodeTimeout, unreached)
		if got, want := gateway.AsError(err).Public, "context deadline exceeded"; got != want {
			t.Errorf("public text %q, want %q", got, want)
		}
	}
	check(c.Do(brief(), t.call(hang("").addr)), false)
	await(t, "the end of the connection", closed)

	x := t.call(hang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").addr)
	t.must(c.Do(brief(), x))
	r := x.Response.Body.Reader()
	text, err := io.ReadAll(r)
	if string(text) != "hel" {
		t.Errorf("beginning %q", text)
	}
	check(err, false)
	await(t, "the end of the connection", closed)
	r.Close()

	x = t.call(silent.addr)
	x.Request.Scheme = "https"
	check(c.Do(brief(), x), true)
	silent.close() // the handshake goes on without its caller
}

func cancelled(t *trial) {
	entered, closed := make(chan struct{}), make(chan struct{})
	b := t.backend(func(w *wire) {
		w.head()
		close(entered)
		w.closed()
		close(closed)
	})
	ctx, cancel := context.WithCancel(t.context())
	defer cancel()
	go func() {
		<-entered
		cancel()
	}()
	t.wantFailure(t.client(model.Transport{}).Do(ctx, t.call(b.addr)), gateway.CodeClientGone, false)
	await(t, "the end of the connection", closed)
}

func headerTimeout(t *trial) {
	b := t.backend(func(w *wire) {
		w.head()
		w.closed()
	})
	c := t.client(model.Transport{ResponseHeaderTimeout: config.Duration(50 * time.Millisecond)})
	t.wantFailure(c.Do(t.context(), t.call(b.addr)), gateway.CodeTimeout, false)
}

func brokenUploads(t *trial) {
	mine := &gateway.Error{Status: 413, Code: gateway.CodeTooLarge}
	tests := []struct {
		name string
		r    io.Reader
		size int64
		code string
	}{
		{"an error, known size", breaking("hel", errBroken), 5, gateway.CodeBadRequest},
		{"an error, unknown size", breaking("hel", errBroken), -1, gateway.CodeBadRequest},
		{"an error of the gateway", breaking("hel", mine), -1, gateway.CodeTooLarge},
		{"too short", strings.NewReader("hel"), 5, gateway.CodeBadRequest},
		{"a panic, known size", panickingBody{}, 5, gateway.CodeInternal},
		{"a panic, unknown size", panickingBody{}, -1, gateway.CodeInternal},
	}
	for _, tt := range tests {
		t.named(tt.name, func(t *trial) {
			got := make(chan string, 1)
			b := t.backend(func(w *wire) {
				text, _ := w.rest()
				_, text, _ = strings.Cut(text, "\r\n\r\n")
				got <- text
			})
			x := t.call(b.addr)
			x.Request.Method, x.Request.Body = "POST", body.FromStream(io.NopCloser(tt.r), tt.size)
			t.wantFailure(t.client(model.Transport{}).Do(t.context(), x), tt.code, false)
			text := await(t, "the end of the connection", got)
			if strings.HasSuffix(text, "0\r\n\r\n") || len(text) == 5 {
				t.Errorf("body %q looks complete", text)
			}
		})
	}
}

func earlyAnswer(t *trial) {
	closed := make(chan struct{})
	b := t.backend(func(w *wire) {
		w.head()
		w.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		w.rest()
		close(closed)
	})
	r, source := io.Pipe()
	defer source.Close()
	go source.Write([]byte("beginning")) // so that the request is on its way
	x := t.call(b.addr)
	x.Request.Method, x.Request.Body = "POST", body.FromStream(r, -1)
	if got := t.get(t.client(model.Transport{}), x); got != "no" || x.Response.Status != 403 {
		t.Errorf("answer %d %q", x.Response.Status, got)
	}
	x.Response.Body.Close()
	source.Close()
	await(t, "the end of the connection", closed)
}

func stalledUpload(t *trial) {
	for _, size := range []int64{-1, 1000} {
		b := t.backend(func(w *wire) { w.rest() })
		r, source := io.Pipe()
		go source.Write([]byte("beginning"))
		x := t.call(b.addr)
		x.Request.Method, x.Request.Body = "POST", body.FromStream(io.NopCloser(r), size)
		ctx, cancel := context.WithTimeout(t.context(), 50*time.Millisecond)
		ended := make(chan error, 1)
		go func() { ended <- t.client(model.Transport{}).Do(ctx, x) }()
		t.wantFailure(await(t, "the end of the call", ended), gateway.CodeTimeout, false)
		cancel()
		source.Close()
	}
}

func answersArrive(t *trial) {
	for _, framing := range []string{"Content-Length: 9", "Transfer-Encoding: chunked", "X: y"} {
		seen := make(chan struct{})
		b := t.backend(func(w *wire) {
			w.head()
			w.lines("HTTP/1.1 200 OK", framing, "")
			for _, part := range []string{"one", "two", "six"} {
				if strings.HasSuffix(framing, "chunked") {
					part = "3\r\n" + part + "\r\n"
				}
				w.send(part)
				<-seen
			}
			if strings.HasSuffix(framing, "chunked") {
				w.lines("0", "")
			}
		})
		x := t.call(b.addr)
		t.must(t.client(model.Transport{}).Do(t.context(), x))
		r := x.Response.Body.Reader()
		p := make([]byte, 3)
		for _, part := range []string{"one", "two", "six"} {
			if _, err := io.ReadFull(r, p); err != nil || string(p) != part {
				t.Errorf("%s: part %q, %v, want %q", framing, p, err, part)
			}
			seen <- struct{}{}
		}
		if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
			t.Errorf("%s: rest %q, %v", framing, rest, err)
		}
		r.Close()
	}
}

func uploadWaits(t *trial) {
	stream := &watched{Reader: strings.NewReader("hello")}
	early := make(chan bool, 1)
	b := t.backend(func(w *wire) {
		h := w.head()
		early <- stream.read.Load()
		w.send("HTTP/1.1 100 Continue\r\n\r\n")
		text := w.content(h)
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", text)
	})
	x := t.call(b.addr)
	x.Request.Method, x.Request.Body = "POST", body.FromStream(stream, 5)
	x.Request.Header.Add("Expect", "100-continue")
	if got := t.get(t.client(model.Transport{ExpectContinueTimeout: config.Duration(patience)}), x); got != "hello" {
		t.Errorf("answer %q", got)
	}
	if await(t, "the request", early) {
		t.Error("the body was read before it was asked for")
	}
}

func connectionsReused(t *trial) {
	b := t.backend(echo)
	c := t.client(model.Transport{})
	for range 5 {
		t.get(c, t.call(b.addr))
		x := t.call(b.addr)
		x.Request.Method, x.Request.Body = "POST", body.FromStream(io.NopCloser(strings.NewReader("hello")), 5)
		t.get(c, x)
	}
	if n := b.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func connectionsDropped(t *trial) {
	closed := make(chan struct{}, 1)
	b := t.backend(func(w *wire) {
		w.head()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
		w.closed()
		closed <- struct{}{}
	})
	c := t.client(model.Transport{})
	x := t.call(b.addr)
	t.must(c.Do(t.context(), x))
	x.Response.Body.Close()
	await(t, "the end of the connection", closed)
}

func connectionsClosed(t *trial) {
	heads := make(chan head, 2)
	b := t.backend(func(w *wire) {
		heads <- w.head()
		w.lines("HTTP/1.1 204 No Content", "")
		w.closed()
	})
	c := t.client(model.Transport{DisableKeepAlives: true})
	for range 2 {
		t.get(c, t.call(b.addr))
		if h := await(t, "the request", heads); h.get("Connection") != "close" {
			t.Errorf("Connection %q, want close", h.get("Connection"))
		}
	}
	if n := b.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

func idleLimited(t *trial) {
	for _, settings := range []model.Transport{{MaxIdleConnectionsPerHost: 1}, {MaxIdleConnections: 1}} {
		var waiting sync.WaitGroup
		waiting.Add(2)
		ended := make(chan struct{}, 2)
		b := t.backend(func(w *wire) {
			w.head()
			waiting.Done()
			waiting.Wait() // both calls are in flight
			w.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			w.rest()
			ended <- struct{}{}
		})
		c := t.client(settings)
		var calls sync.WaitGroup
		for range 2 {
			x := t.call(b.addr)
			calls.Go(func() {
				if err := c.Do(t.context(), x); err != nil {
					t.Error(err)
					return
				}
				if text, err := x.Response.Body.Bytes(0); string(text) != "ok" || err != nil {
					t.Errorf("answer %q, %v", text, err)
				}
			})
		}
		calls.Wait()
		await(t, "the end of the connection above the limit", ended)
		select {
		case <-ended:
			t.Error("no connection is left")
		default:
		}
		c.Close()
		await(t, "the end of the idle connection", ended)
	}
}

// idleLosesNothing has answers without a body, which leave a connection idle as
// soon as they have come, while others end there.
func idleLosesNothing(t *trial) {
	const clients, each = 4, 100
	b := t.backend(func(w *wire) {
		for w.more() {
			w.head()
			w.lines("HTTP/1.1 204 No Content", "")
		}
	})
	c := t.client(model.Transport{MaxIdleConnections: 1})
	var calls sync.WaitGroup
	for range clients {
		calls.Go(func() {
			for range each {
				x := gateway.Acquire(nil)
				x.Request.Method, x.Request.Scheme, x.Request.Host, x.Request.Path = "GET", "http", b.addr, "/"
				if err := c.Do(t.context(), x); err != nil {
					t.Error(err)
				}
				x.Release()
			}
		})
	}
	calls.Wait()
}

func idleConnectionsEnd(t *trial) {
	ended := make(chan struct{}, 1)
	b := t.backend(func(w *wire) {
		w.head()
		w.lines("HTTP/1.1 204 No Content", "")
		w.closed()
		ended <- struct{}{}
	})
	c := t.client(model.Transport{IdleConnectionTimeout: config.Duration(50 * time.Millisecond)})
	t.get(c, t.call(b.addr))
	await(t, "the end of the connection", ended)
}

func staleReplaced(t *trial) {
	b := t.backend(func(w *wire) {
		h := w.head()
		w.content(h)
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	}) // the connection ends without a word
	c := t.client(model.Transport{})
	for range 50 {
		if got := t.get(c, t.call(b.addr)); got != "hello" {
			t.Errorf("answer %q", got)
		}
	}
	b.close()
	x := t.call(b.addr)
	t.wantFailure(c.Do(t.context(), x), gateway.CodeBackendUnreachable, true)
}

// repeated has a backend that takes the second request on a connection and ends it without a
// word.
func repeated(t *trial) {
	tests := []struct {
		name, method string
		idempotent   bool
		header       gateway.Fields
		again        bool
	}{
		{"GET", "GET", false, nil, true},
		{"POST", "POST", false, nil, false},
		{"a query by POST", "POST", true, nil, true},
		{"POST with a key", "POST", false, gateway.Fields{{Name: "Idempotency-Key", Value: "1"}}, true},
		{"a query by POST with a key", "POST", true, gateway.Fields{{Name: "Idempotency-Key", Value: "1"}}, true},
	}
	for _, tt := range tests {
		got := make(chan head, 4)
		b := t.backend(func(w *wire) {
			for n := 1; w.more(); n++ {
				h := w.head()
				text := w.content(h)
				if h.start != "GET /first HTTP/1.1" {
					got <- h
				}
				if n == 2 {
					return
				}
				w.send("HTTP/1.1 200 OK\r\nContent-Length: ", fmt.Sprint(len(text)), "\r\n\r\n", text)
			}
		})
		c := t.client(model.Transport{})
		x := t.call(b.addr)
		x.Request.Path = "/first"
		t.get(c, x)
		x = t.call(b.addr)
		x.Request.Method, x.Request.Idempotent, x.Request.Header = tt.method, tt.idempotent, tt.header
		if tt.method == "POST" {
			x.Request.Body = body.FromBytes([]byte(`{"query":"{a}"}`))
		}
		want := 1
		if tt.again {
			want = 2
			if text := t.get(c, x); tt.method == "POST" && text != `{"query":"{a}"}` {
				t.Errorf("%s: answer %q", tt.name, text)
			}
		} else {
			t.wantFailure(c.Do(t.context(), x), gateway.CodeBackendAborted, false)
		}
		if len(got) != want {
			t.Errorf("%s: sent %d times, want %d", tt.name, len(got), want)
		}
		for range len(got) {
			if h := <-got; h.get("Idempotency-Key") != tt.header.Get("Idempotency-Key") {
				t.Errorf("%s: fields %v", tt.name, h.fields)
			}
		}
	}
}

// bare are answers without a body.
var bare = []struct{ method, answer string }{
	{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
	{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
	{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
}

// teapot is what nobody has asked for.
const teapot = "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"

// unaskedDropped has backends that send a body where none may be, a moment later.
func unaskedDropped(t *trial) {
	for _, tt := range bare {
		answered, sent := make(chan struct{}), make(chan struct{})
		b := t.backend(func(w *wire) {
			for w.more() {
				w.head()
				w.send(tt.answer)
				<-answered
				w.send(teapot)
				sent <- struct{}{}
			}
		})
		c := t.client(model.Transport{})
		for range 20 {
			x := t.call(b.addr)
			x.Request.Method = tt.method
			t.must(c.Do(t.context(), x))
			if x.Response.Status == 418 {
				t.Errorf("%s: what came behind %q is taken for the next answer", tt.method, tt.answer)
			}
			x.Response.Body.Close()
			answered <- struct{}{}
			<-sent
		}
	}
}

// unaskedOnItsWay has backends that send something behind an answer without a body
// when the next request arrives in no time, as it would if that had been on its way
// until then.
func unaskedOnItsWay(t *trial) {
	if t.Hasty {
		t.Skip("net/http lets no connection rest")
	}
	for _, tt := range bare {
		b := t.backend(func(w *wire) {
			for began := (time.Time{}); w.more(); {
				if time.Since(began) < engine.Silence {
					w.send(teapot)
				}
				w.head()
				began = time.Now()
				w.send(tt.answer)
			}
		})
		c := t.client(model.Transport{})
		for range 50 {
			x := t.call(b.addr)
			x.Request.Method = tt.method
			t.must(c.Do(t.context(), x))
			if x.Response.Status == 418 {
				t.Errorf("%s: what was on its way behind %q is taken for the next answer", tt.method, tt.answer)
			}
			x.Response.Body.Close()
		}
	}
}

// unaskedOfCareless has backends that send something behind answers with a body, once
// they have shown that they do such things.
func unaskedOfCareless(t *trial) {
	if t.Hasty {
		t.Skip("net/http lets no connection rest")
	}
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	for _, first := range []string{answer + "x", "no answer\r\n\r\n"} {
		var shown atomic.Bool
		b := t.backend(func(w *wire) {
			for began := (time.Time{}); w.more(); {
				if time.Since(began) < engine.Silence {
					w.send(teapot)
				}
				w.head()
				if began = time.Now(); !shown.Swap(true) {
					w.send(first)
				} else {
					w.send(answer)
				}
			}
		})
		c := t.client(model.Transport{})
		for i := range 50 {
			x := t.call(b.addr)
			if err := c.Do(t.context(), x); err != nil && i > 0 {
				t.must(err)
			}
			if x.Response.Status == 418 {
				t.Errorf("%q: what was on its way behind a later answer is taken for the next one", first)
			}
			x.Response.Body.Bytes(0) // or it was no answer
			x.Response.Body.Close()
		}
	}
}

// unaskedHeldBack has backends whose system sends a small piece only when the last
// one has been acknowledged, which a client may do with its next request.
func unaskedHeldBack(t *trial) {
	if t.Hasty {
		t.Skip("net/http lets no connection rest")
	}
	for _, tt := range bare {
		sent := make(chan struct{})
		b := t.backend(func(w *wire) {
			w.Conn.(*net.TCPConn).SetNoDelay(false) // TCP works all the same
			for w.more() {
				if h := w.head(); !strings.HasPrefix(h.start, tt.method+" /bare ") {
					w.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
					continue
				}
				w.send(tt.answer)
				w.send(teapot)
				sent <- struct{}{}
			}
		})
		c := t.client(model.Transport{})
		for range 50 {
			for range 4 {
				if got := t.get(c, t.call(b.addr)); got != "ok" {
					t.Fatalf("%s: what came behind %q is taken for the next answer", tt.method, tt.answer)
				}
			}
			x := t.call(b.addr)
			x.Request.Method, x.Request.Path = tt.method, "/bare"
			t.must(c.Do(t.context(), x))
			x.Response.Body.Close()
			<-sent
		}
	}
}

// restedUsedAgain has calls until one of them finds a connection.
func restedUsedAgain(t *trial) {
	b := t.backend(func(w *wire) {
		for w.more() {
			w.head()
			w.send(bare[0].answer)
		}
	})
	c := t.client(model.Transport{})
	ctx := t.context()
	for calls := int64(1); ; calls++ {
		t.must(c.Do(ctx, t.call(b.addr)))
		if b.accepted.Load() < calls {
			return
		}
	}
}

func concurrentCalls(t *trial) {
	const callers, each = 32, 30
	b := t.backend(echo)
	c := t.client(model.Transport{})
	ctx := t.context()
	var failed atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for j := range each {
				text := strings.Repeat(fmt.Sprintf("%d/%d;", i, j), 1+j*20)
				x := gateway.Acquire(nil)
				q := &x.Request
				q.Method, q.Scheme, q.Host, q.Path = "POST", "http", b.addr, fmt.Sprintf("/%d/%d", i, j)
				switch j % 3 {
				case 0:
					q.Body = body.FromBytes([]byte(text))
				case 1:
					q.Body = body.FromStream(io.NopCloser(strings.NewReader(text)), int64(len(text)))
				case 2:
					q.Body = body.FromStream(io.NopCloser(strings.NewReader(text)), -1)
				}
				err := c.Do(ctx, x)
				got, readErr := x.Response.Body.Bytes(0)
				if want := "POST " + q.Path + " HTTP/1.1 " + text; errors.Join(err, readErr) != nil || string(got) != want {
					failed.Add(1)
				}
				x.Release()
			}
		})
	}
	wg.Wait()
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d calls went wrong", n, callers*each)
	}
}

func throughProxy(t *trial) {
	heads := make(chan head, 1)
	proxy := t.backend(func(w *wire) {
		for w.more() {
			h := w.head()
			heads <- h
			if strings.HasPrefix(h.start, "CONNECT ") {
				w.lines("HTTP/1.1 403 Forbidden", "Content-Length: 0", "")
				return
			}
			w.lines("HTTP/1.1 204 No Content", "")
		}
	})
	c := t.client(model.Transport{Proxy: "http://" + proxy.addr})
	for path, want := range map[string]string{
		"/a%2Fb//c": "GET http://backend.test:81/a%2Fb//c?x=%20 HTTP/1.1",
		"//a":       "GET http://backend.test:81//a?x=%20 HTTP/1.1",
	} {
		x := t.call("backend.test:81")
		x.Request.Path, x.Request.RawQuery = path, "x=%20"
		t.get(c, x)
		if h := await(t, "the request", heads); h.start != want || h.get("Host") != "backend.test:81" {
			t.Errorf("request %q for %q, want %q", h.start, h.get("Host"), want)
		}
	}
	x := t.call("backend.test:444")
	x.Request.Scheme = "https"
	t.wantFailure(c.Do(t.context(), x), gateway.CodeBackendUnreachable, true)
	if h := await(t, "the request", heads); h.start != "CONNECT backend.test:444 HTTP/1.1" {
		t.Errorf("request %q, want a tunnel", h.start)
	}
}

func noProxy(t *trial) {
	b := t.backend(echo)
	for _, address := range []string{"http://[::1", "nonsense"} {
		t.wantFailure(t.client(model.Transport{Proxy: address}).Do(t.context(), t.call(b.addr)), gateway.CodeBackendUnreachable, true)
	}
	if n := b.accepted.Load(); n != 0 {
		t.Errorf("%d connections were made, want none", n)
	}
}
