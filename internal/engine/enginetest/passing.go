package enginetest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"

	"golang.org/x/net/http2"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// passingCases are about what comes with an answer that is passed on: early hints in
// front of it, and trailers behind it.
var passingCases = cases{
	{"trailers pass to whoever takes them", trailersPass},
	{"an answer of trailers alone passes", trailersAlone},
	{"a body of known size does not wait for its trailers", trailersLate},
	{"what follows a broken body is no trailer", trailersBroken},
	{"trailers of a backend are read as fields are", trailersRead},
	{"trailers of a backend of HTTP/2 are read as fields are", streamTrailers},
	{"trailers of a handler are sent where there is a place for them", trailersSent},
	{"a switch of protocols asks for no trailers", trailersSwitched},
	{"early hints pass", hintsPass},
	{"early hints pass where that is asked for", hintsKept},
	{"hints without end end the call", hintsBounded},
	{"a handler hints by itself", hintsSent},
}

// through returns a handler that passes everything on to a backend, and with the answer
// what is around it.
func through(c engine.Client, scheme, addr string) func(context.Context, *gateway.Exchange) error {
	return func(ctx context.Context, x *gateway.Exchange) error {
		q := &x.Request
		q.Method, q.Scheme, q.Host, q.Path, q.Through = x.In.Method(), scheme, addr, x.In.Path(), true
		if in := x.In.Body(); in != nil {
			q.Body = body.FromStream(io.NopCloser(in), x.In.Length())
		}
		return c.Do(ctx, x)
	}
}

// A passed answer is what a client got, in texts that can be compared.
type passed struct {
	hints   []string // the Link of each
	status  int
	text    string
	trailer []string // "Name: value", sorted
	err     error
}

// old asks in HTTP/1.0 or HTTP/1.1, with more fields.
func (t *trial) old(addr, version string, fields ...string) (p passed) {
	t.Helper()
	w := t.dial(addr)
	w.lines(append([]string{"GET / " + version, "Host: h"}, append(fields, "")...)...)
	return w.passed(version)
}

// passed reads an answer of this version of HTTP/1.
func (w *wire) passed(version string) (p passed) {
	w.t.Helper()
	h := w.head()
	for ; strings.Contains(h.start, " 10"); h = w.head() {
		if strings.Contains(h.start, " 103 ") {
			p.hints = append(p.hints, h.get("Link"))
		}
	}
	fmt.Sscanf(h.start, version+" %d", &p.status) // or 0, which no case wants
	if h.get("Transfer-Encoding") != "chunked" {
		if h.get("Content-Length") != "" {
			p.text = w.content(h)
			return p
		}
		p.text, _ = w.rest()
		return p
	}
	for size := w.line(); size != "0"; size = w.line() {
		var n int
		fmt.Sscanf(size, "%x", &n)
		p.text += w.exactly(n)
		w.line()
	}
	for line := w.line(); line != ""; line = w.line() {
		p.trailer = append(p.trailer, line)
	}
	slices.Sort(p.trailer)
	return p
}

// stream asks in HTTP/2.
func (t *trial) stream(addr string) (p passed) {
	t.Helper()
	transport := priorKnowledge()
	defer transport.CloseIdleConnections()
	ctx := httptrace.WithClientTrace(t.context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
		p.hints = append(p.hints, h.Get("Link"))
		return nil
	}})
	q, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/", nil)
	t.must(err)
	q.Header.Set("Te", "trailers")
	res, err := transport.RoundTrip(q)
	t.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	p.status, p.text, p.err = res.StatusCode, string(text), err
	for name, values := range res.Trailer {
		for _, v := range values {
			p.trailer = append(p.trailer, name+": "+v)
		}
	}
	slices.Sort(p.trailer)
	return p
}

// backends starts one that says the text in HTTP/1.1, and two that do as h in HTTP/2, by
// ALPN and by prior knowledge, and runs f with a server in front of each.
func (t *trial) backends(text string, h http.HandlerFunc, f func(t *trial, d *door)) {
	server, trusting := t.identity()
	asked := make(chan head, 1)
	first := t.backend(func(w *wire) {
		for w.more() {
			h := w.head()
			w.content(h)
			asked <- h
			w.send(text)
		}
	})
	second := t.backend(func(w *wire) {
		conn := tls.Server(w.Conn, server)
		if conn.Handshake() == nil {
			serveOne(conn, h)
		}
	})
	t.named("HTTP/1.1", func(t *trial) {
		next := through(t.client(model.Transport{}), "http", first.addr)
		f(t, t.open(engine.Settings{H2C: true}, func(ctx context.Context, x *gateway.Exchange) error {
			err := next(ctx, x)
			takes := false
			for _, line := range x.In.AppendHeader(nil, "Te") {
				takes = takes || gateway.Listed(line.Value, "trailers")
			}
			want := ""
			if takes {
				want = "trailers"
			}
			if te := await(t, "the request", asked).get("TE"); te != want {
				t.Errorf("TE %q of a client that takes trailers: %t", te, takes)
			}
			return err
		}))
	})
	t.named("HTTP/2", func(t *trial) {
		f(t, t.open(engine.Settings{H2C: true}, through(t.tlsClient(trusting), "https", second.addr)))
	})
	third := t.backend(serveStreams(h))
	t.named("HTTP/2 by prior knowledge", func(t *trial) {
		f(t, t.open(engine.Settings{H2C: true}, through(t.client(model.Transport{H2C: true}), "http", third.addr)))
	})
}

func trailersPass(t *trial) {
	const text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n5\r\nhello\r\n0\r\n" +
		"grpc-status: 0\r\nX-Sum: b\r\nX-Sum: a\r\nContent-Type: evil\r\nContent-Length: 9\r\nSet-Cookie: a=b\r\nIf-Match: x\r\n\r\n"
	stream := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
		h := w.Header()
		for name, values := range map[string][]string{"Grpc-Status": {"0"}, "X-Sum": {"b", "a"}, "Set-Cookie": {"a=b"}, "Vary": {"x"}} {
			h[http.TrailerPrefix+name] = values
		}
		w.(http.Flusher).Flush()
	}
	fields := []string{"Grpc-Status: 0", "X-Sum: a", "X-Sum: b"}
	t.backends(text, stream, func(t *trial, d *door) {
		for name, tt := range map[string]struct {
			got  passed
			want []string
		}{
			"HTTP/2":                   {t.stream(d.addr), fields},
			"HTTP/1.1":                 {t.old(d.addr, "HTTP/1.1", "TE: gzip;q=0.5, Trailers"), fields},
			"HTTP/1.1, TE twice":       {t.old(d.addr, "HTTP/1.1", "TE: gzip", "TE: trailers"), fields},
			"HTTP/1.1 that takes none": {t.old(d.addr, "HTTP/1.1", "TE: gzip"), nil},
			"HTTP/1.1, in quotes":      {t.old(d.addr, "HTTP/1.1", `TE: deflate;x=", trailers,"`), nil},
			"HTTP/1.1 that says none":  {t.old(d.addr, "HTTP/1.1"), nil},
			"HTTP/1.0":                 {t.old(d.addr, "HTTP/1.0", "TE: trailers"), nil},
		} {
			if g := tt.got; g.status != 200 || g.text != "hello" || !slices.Equal(g.trailer, tt.want) || g.err != nil {
				t.Errorf("%s: %+v, want the trailers %q", name, g, tt.want)
			}
		}
	})
}

func trailersAlone(t *trial) {
	stream := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
	}
	const text = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n0\r\ngrpc-status: 5\r\n\r\n"
	t.backends(text, stream, func(t *trial, d *door) {
		for name, got := range map[string]passed{"HTTP/2": t.stream(d.addr), "HTTP/1.1": t.old(d.addr, "HTTP/1.1", "TE: trailers")} {
			if got.status != 200 || got.text != "" || !slices.Equal(got.trailer, []string{"Grpc-Status: 5"}) {
				t.Errorf("%s: %+v", name, got)
			}
		}
	})
}

// trailersLate: the backend has sent all that it has announced, and ends its answer when
// the client has got that.
func trailersLate(t *trial) {
	got := make(chan struct{})
	b := t.backend(serveStreams(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "hello")
		w.(http.Flusher).Flush()
		<-got
		w.Header().Set(http.TrailerPrefix+"X-Sum", "1")
	}))
	d := t.open(engine.Settings{H2C: true}, through(t.client(model.Transport{H2C: true}), "http", b.addr))
	transport := priorKnowledge()
	defer transport.CloseIdleConnections()
	q, err := http.NewRequestWithContext(t.context(), "GET", "http://"+d.addr+"/", nil)
	t.must(err)
	res, err := transport.RoundTrip(q)
	if err == nil {
		defer res.Body.Close()
		_, err = io.ReadFull(res.Body, make([]byte, 5))
	}
	close(got)
	t.must(err)
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil || res.Trailer.Get("X-Sum") != "1" {
		t.Errorf("then %q, %v, the trailers %v", rest, err, res.Trailer)
	}
}

func trailersBroken(t *trial) {
	for _, end := range []string{"zz\r\nX-Sum: a\r\n\r\n", "0\r\nX-Sum: a\r\n", "0\r\nX-Sum: a\r\nX B\r\n\r\n"} {
		b := t.backend(func(w *wire) {
			w.head()
			w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", end)
		})
		d := t.open(engine.Settings{H2C: true}, through(t.client(model.Transport{}), "http", b.addr))
		w := t.dial(d.addr)
		w.lines("GET / HTTP/1.1", "Host: h", "TE: trailers", "")
		if text, _ := w.rest(); strings.Contains(text, "X-Sum") || strings.Contains(text, "\r\n0\r\n") {
			t.Errorf("%q: %q", end, text)
		}
		if p := t.stream(d.addr); p.err == nil || len(p.trailer) > 0 {
			t.Errorf("%q: %+v", end, p)
		}
		d.close(t)
	}
}

// broken stands for an answer whose body does not end.
const broken = "broken"

// read makes the call and returns the trailers of the answer as text, or broken.
func (t *trial) read(c engine.Client, x *gateway.Exchange) string {
	t.Helper()
	if err := c.Do(t.context(), x); err != nil {
		return broken
	}
	if x.Response.Trailer != nil && len(*x.Response.Trailer) > 0 {
		t.Errorf("trailers %v before the body has ended", *x.Response.Trailer)
	}
	trailer := x.Response.Trailer
	if _, err := x.Response.Body.Bytes(0); err != nil {
		t.wantFailure(err, gateway.CodeBackendAborted, false)
		return broken
	}
	if trailer == nil {
		return "none"
	}
	return fmt.Sprint(*trailer)
}

func trailersRead(t *trial) {
	long := strings.Repeat("b", 3000)
	for _, tt := range []struct{ name, text, want string }{
		{"none", "\r\n", "[]"},
		{"one", "X-A: b\r\n\r\n", "[{X-A b}]"},
		{"without values, in any letter case", "x-a:\r\nX-B:  c \r\n\r\n", "[{X-A } {X-B c}]"},
		{"large", "X-A: " + long + "\r\n\r\n", "[{X-A " + long + "}]"},
		{"larger than they may be", strings.Repeat("X-A: "+long+"\r\n", 6) + "\r\n", broken},
		{"more than there may be", strings.Repeat("A:b\r\n", 1001) + "\r\n", broken},
		{"without end", strings.Repeat("X-A: "+long+"\r\n", 400), broken},
		{"a white space before the colon", "X-A : b\r\n\r\n", "[{X-A b}]"},
		{"a space within the name", "X A: b\r\n\r\n", broken},
		{"no colon", "X-A\r\n\r\n", broken},
		{"no name", ": b\r\n\r\n", broken},
		{"a control character in a value", "X-A: b\x01c\r\n\r\n", broken},
		{"a null byte in a value", "X-A: b\x00c\r\n\r\n", broken},
		{"a return in a value", "X-A: b\rSet-Cookie: c\r\n\r\n", broken},
		{"a control character in a name", "X\x01A: b\r\n\r\n", broken},
		{"a name that is none", "X(A): b\r\n\r\n", broken},
		{"that would frame", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nConnection: close\r\nX-A: b\r\n\r\n", "[{X-A b}]"},
		{"that would route", "Host: evil\r\nForwarded: for=1.2.3.4\r\nX-A: b\r\n\r\n", "[{X-A b}]"},
		{"that would authenticate", "Authorization: x\r\nWww-Authenticate: Basic\r\nSet-Cookie: a=b\r\nX-A: b\r\n\r\n", "[{X-A b}]"},
		{"that would control", "Cache-Control: public\r\nAge: 1\r\nExpires: 0\r\nLocation: /\r\nVary: *\r\nX-A: b\r\n\r\n", "[{X-A b}]"},
		{"that would describe", "Content-Type: text/html\r\nContent-Encoding: br\r\nContent-Range: bytes 0-1/2\r\nX-A: b\r\n\r\n", "[{X-A b}]"},
		{"a head instead", "HTTP/1.1 200 OK\r\n\r\n", broken},
	} {
		b := t.backend(func(w *wire) {
			w.head()
			w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", tt.text)
		})
		if got := t.read(t.client(model.Transport{}), t.call(b.addr)); got != tt.want {
			t.Errorf("%s: %.200s, want %.200s", tt.name, got, tt.want)
		}
	}
	for name, head := range map[string]string{"a length": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "the end": "HTTP/1.1 200 OK\r\n\r\n"} {
		b := t.backend(func(w *wire) {
			w.head()
			w.send(head, "hello")
		})
		if got := t.read(t.client(model.Transport{}), t.call(b.addr)); got != "none" && got != "[]" {
			t.Errorf("behind %s: %s", name, got)
		}
	}
}

// streamTrailers has a backend that writes frames as they should not be.
func streamTrailers(t *trial) {
	server, trusting := t.identity()
	var many []string
	for range 1001 {
		many = append(many, "a", "b")
	}
	long := strings.Repeat("b", 8000)
	for _, tt := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"one", []string{"grpc-status", "0"}, "[{Grpc-Status 0}]"},
		{"large", []string{"x-a", long}, "[{X-A " + long + "}]"},
		{"larger than they may be", []string{"x-a", long, "x-b", long, "x-c", long}, broken},
		{"more than there may be", many, broken},
		{"that would frame or route", []string{"content-length", "9", "host", "evil", "trailer", "x", "x-a", "b"}, "[{X-A b}]"},
		{"a pseudo field", []string{":status", "200", "x-a", "b"}, broken},
		{"a value that ends a line", []string{"x-a", "b\r\nx-c: d"}, broken},
		{"a name that ends a line", []string{"x-a: b\r\nx-c", "d"}, broken},
		{"a name in upper case", []string{"X-A", "b"}, broken},
	} {
		b := t.backend(func(w *wire) {
			answering(func(f *http2.Framer, id uint32) {
				rest := block(tt.fields...)
				header(f, id, false, ":status", "200")
				f.WriteData(id, false, []byte("hello"))
				first := rest[:min(len(rest), 16<<10)]
				rest = rest[len(first):]
				f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndHeaders: len(rest) == 0, EndStream: true})
				for len(rest) > 0 {
					next := rest[:min(len(rest), 16<<10)]
					rest = rest[len(next):]
					f.WriteContinuation(id, len(rest) == 0, next)
				}
			}).serve(tls.Server(w.Conn, server))
		})
		x := t.call(b.addr)
		x.Request.Scheme = "https"
		if got := t.read(t.tlsClient(trusting), x); got != tt.want {
			t.Errorf("%s: %.200s, want %.200s", tt.name, got, tt.want)
		}
	}
}

func trailersSent(t *trial) {
	sum := []string{"X-Sum: 1"}
	for _, tt := range []struct {
		name     string
		answer   func(r *gateway.Response)
		old, new []string // in HTTP/1.1 and HTTP/2
	}{
		{"a stream", func(r *gateway.Response) { r.Body = body.FromStream(io.NopCloser(strings.NewReader("hello")), -1) }, sum, sum},
		{"an empty stream", func(r *gateway.Response) { r.Body = body.FromStream(io.NopCloser(strings.NewReader("")), -1) }, sum, sum},
		{"a stream with a length", func(r *gateway.Response) { r.Body = body.FromStream(io.NopCloser(strings.NewReader("hello")), 5) }, nil, sum},
		{"bytes", func(r *gateway.Response) { r.Body = body.FromBytes([]byte("hello")) }, nil, sum},
		{"no body", func(*gateway.Response) {}, nil, sum},
		{"204", func(r *gateway.Response) { r.Status = 204 }, nil, nil},
	} {
		d := t.open(engine.Settings{H2C: true}, func(_ context.Context, x *gateway.Exchange) error {
			r := &x.Response
			r.Status = 200
			tt.answer(r)
			for _, f := range []gateway.Field{{Name: "X-Sum", Value: "1"}, {Name: "X-Bad", Value: "a\r\nX-Evil: b"}, {Name: "X Bad", Value: "a"},
				{Name: "", Value: "a"}, {Name: "X-Sluice-Completed", Value: "true"}, {Name: "Content-Length", Value: "3"}, {Name: "Transfer-Encoding", Value: "x"}, {Name: "Set-Cookie", Value: "a=b"}} {
				r.AddTrailer(f.Name, f.Value)
			}
			return nil
		})
		if got := t.old(d.addr, "HTTP/1.1", "TE: trailers", "Connection: close"); !slices.Equal(got.trailer, tt.old) || strings.Contains(got.text, "X-") {
			t.Errorf("%s, HTTP/1.1: %+v, want %q", tt.name, got, tt.old)
		}
		if got := t.stream(d.addr); !slices.Equal(got.trailer, tt.new) || got.err != nil {
			t.Errorf("%s, HTTP/2: %+v, want %q", tt.name, got, tt.new)
		}
	}
}

// trailersSwitched: TE has to stand in Connection, where a switch stands.
func trailersSwitched(t *trial) {
	heads := make(chan head, 1)
	b := t.backend(func(w *wire) {
		heads <- w.head()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	})
	next := through(t.client(model.Transport{}), "http", b.addr)
	d := t.open(engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		x.Request.Upgrade = "echo"
		return next(ctx, x)
	})
	if got := t.old(d.addr, "HTTP/1.1", "TE: trailers"); got.text != "hello" {
		t.Errorf("%+v", got)
	}
	if h := await(t, "the request", heads); h.get("Upgrade") != "echo" || h.get("Connection") != "Upgrade" || h.get("TE") != "" {
		t.Errorf("request with %q", h.fields)
	}
}

const hint = "HTTP/1.1 103 Early Hints\r\n"

func hintsPass(t *trial) {
	const text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nLink: none\r\n\r\n" +
		hint + "Link: a\r\nConnection: X-Hop\r\nX-Hop: 1\r\nContent-Length: 9\r\n\r\n" + hint + "link: b\r\n\r\n" +
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	stream := func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(102)
		for _, link := range []string{"a", "b"} {
			w.Header().Set("Link", link)
			w.WriteHeader(http.StatusEarlyHints)
		}
		w.Header().Del("Link")
		io.WriteString(w, "hello")
	}
	both := []string{"a", "b"}
	t.backends(text, stream, func(t *trial, d *door) {
		for name, tt := range map[string]struct {
			got  passed
			want []string
		}{
			"HTTP/2":                {t.stream(d.addr), both},
			"HTTP/1.1":              {t.old(d.addr, "HTTP/1.1"), both},
			"HTTP/1.0":              {t.old(d.addr, "HTTP/1.0"), nil},
			"HTTP/1.1 with a body":  {t.old(d.addr, "HTTP/1.1", "Content-Length: 5", "", "hello"), both},
			"HTTP/1.1 that expects": {t.old(d.addr, "HTTP/1.1", "Expect: 100-continue", "Content-Length: 5", "", "hello"), nil},
		} {
			if g := tt.got; g.status != 200 || g.text != "hello" || !slices.Equal(g.hints, tt.want) || g.err != nil {
				t.Errorf("%s: %+v, want the hints %q", name, g, tt.want)
			}
		}
	})
	b := t.backend(func(w *wire) {
		w.head()
		w.send(text)
	})
	w := t.dial(t.open(engine.Settings{}, through(t.client(model.Transport{}), "http", b.addr)).addr)
	w.send(get)
	if h := w.head(); !slices.Equal(h.fields, []string{"Link: a"}) {
		t.Errorf("a hint with %q, want a Link alone", h.fields)
	}
}

// hintsKept: what does not go through as it comes has no hints, and asks for no trailers.
func hintsKept(t *trial) {
	heads := make(chan head, 1)
	b := t.backend(func(w *wire) {
		heads <- w.head()
		w.send(hint, "Link: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	})
	d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
	if got := t.old(d.addr, "HTTP/1.1", "TE: trailers"); got.text != "hello" || got.hints != nil {
		t.Errorf("%+v", got)
	}
	if h := await(t, "the request", heads); h.get("TE") != "" {
		t.Errorf("request with %q", h.fields)
	}
}

func hintsBounded(t *trial) {
	large := hint + "Link: " + strings.Repeat("a", 4000) + "\r\n\r\n"
	for _, tt := range []struct {
		name, text string
		status     int
	}{
		{"some", strings.Repeat(large, engine.MaxHints), 200},
		{"many", strings.Repeat(hint+"Link: a\r\n\r\n", 200), 200},
		{"1 MB", strings.Repeat(large, 300), 0},
		{"without end", strings.Repeat(hint+"Link: a\r\n\r\n", 60_000), 0},
	} {
		b := t.backend(func(w *wire) {
			w.head()
			w.send(tt.text, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		})
		c := t.client(model.Transport{})
		d := t.open(engine.Settings{H2C: true}, func(ctx context.Context, x *gateway.Exchange) error {
			if err := through(c, "http", b.addr)(ctx, x); err != nil {
				t.wantFailure(err, gateway.CodeBackendAborted, false)
				answer(x, 502, "")
			}
			return nil
		})
		if tt.status == 0 {
			tt.status = 502
		}
		for name, got := range map[string]passed{"HTTP/1.1": t.old(d.addr, "HTTP/1.1"), "HTTP/2": t.stream(d.addr)} {
			if got.status != tt.status || len(got.hints) != engine.MaxHints {
				t.Errorf("%s, %s: status %d, %d hints, want %d, %d", name, tt.name, got.status, len(got.hints), tt.status, engine.MaxHints)
			}
		}
	}
}

func hintsSent(t *trial) {
	d := t.open(engine.Settings{H2C: true}, func(_ context.Context, x *gateway.Exchange) error {
		in, ok := x.In.(gateway.Hinter)
		if !ok {
			return errors.New("no hints")
		}
		in.Hint(gateway.Fields{{Name: "Link", Value: "a"}, {Name: "X-Bad", Value: "a\r\nX: b"}, {Name: "Connection", Value: "close"}, {Name: "X-Krakend-Completed", Value: "true"}})
		answer(x, 200, "hello", "X-A", "1")
		return nil
	})
	w := t.dial(d.addr)
	w.send(get)
	if h := w.head(); h.start != "HTTP/1.1 103 Early Hints" || !slices.Equal(h.fields, []string{"Link: a"}) {
		t.Errorf("%q with %q, want a Link alone", h.start, h.fields)
	}
	if h := w.want(200, "hello"); h.get("Link") != "" || h.get("X-A") != "1" {
		t.Errorf("answer with %q", h.fields)
	}
	if got := t.stream(d.addr); got.text != "hello" || !slices.Equal(got.hints, []string{"a"}) {
		t.Errorf("HTTP/2: %+v", got)
	}
}
