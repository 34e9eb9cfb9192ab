package fast

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/enginetest"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestServer runs the suite of all engines with the server of this one. Its
// client is tested with it elsewhere.
func TestServer(t *testing.T) {
	enginetest.Run(t, enginetest.Engine{NewServer: NewServer, NewClient: nethttp.NewClient, Hasty: true})
}

// A door is a running server with a handler made of functions.
type door struct {
	server engine.Server
	addr   string
	do     func(context.Context, *gateway.Exchange) error
	done   func(sent gateway.Sent, err error) // nil does nothing
}

func (d *door) Do(ctx context.Context, x *gateway.Exchange) error { return d.do(ctx, x) }

func (d *door) Done(x *gateway.Exchange, sent gateway.Sent, err error) {
	x.Release()
	if d.done != nil {
		d.done(sent, err)
	}
}

// open serves do until the end of the test, which leaves no goroutine behind.
func open(t testing.TB, newServer func(engine.Settings) engine.Server, s engine.Settings, do func(context.Context, *gateway.Exchange) error) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return openAt(t, l, newServer, s, do)
}

// openAt is open for a listener that is there.
func openAt(t testing.TB, l net.Listener, newServer func(engine.Settings) engine.Server, s engine.Settings, do func(context.Context, *gateway.Exchange) error) *door {
	t.Helper()
	before := goleak.IgnoreCurrent()
	d := &door{server: newServer(s), addr: l.Addr().String(), do: do}
	stopped := make(chan error, 1)
	go func() { stopped <- d.server.Serve(l, d) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		d.server.Shutdown(ctx) // cut connections are what is wanted here
		if err := <-stopped; err != nil {
			t.Errorf("Serve: %v", err)
		}
		goleak.VerifyNone(t, before)
	})
	return d
}

// dial connects to the server; the connection lasts ten seconds at most.
func (d *door) dial(t testing.TB) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}

// status reads an answer with its body and returns its status, 0 when the
// connection has ended.
func status(r *bufio.Reader) int {
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return 0
	}
	io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// readAll reads the body of the request and answers with its size.
func readAll(_ context.Context, x *gateway.Exchange) error {
	n := int64(0)
	if r := x.In.Body(); r != nil {
		var err error
		if n, err = io.Copy(io.Discard, r); err != nil {
			x.Response.Status = 400
			return nil
		}
	}
	x.Response.Status = 200
	x.Response.Body = body.FromBytes(fmt.Append(nil, n))
	return nil
}

// TestMalformed sends what others forgive, in front of a request that is
// well-formed and must not be served: nobody knows where it begins. Package
// wire has the longer list of heads.
func TestMalformed(t *testing.T) {
	const h = "Host: h\r\n"
	tests := []struct {
		name, text string
		want       []int // statuses; 0 is the end of the connection
	}{
		{"length and chunked", "POST / HTTP/1.1\r\n" + h + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 0}},
		{"chunked twice", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 0}},
		{"a list of codings", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: x, chunked\r\n\r\n0\r\n\r\n", []int{501, 0}},
		{"identity", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n", []int{501, 0}},
		{"a control character before the coding", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n", []int{400, 0}},
		{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400, 0}},
		{"two lengths", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0\r\nContent-Length: 5\r\n\r\n", []int{400, 0}},
		{"a list of lengths", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0, 0\r\n\r\n", []int{400, 0}},
		{"a length with a sign", "POST / HTTP/1.1\r\n" + h + "Content-Length: +0\r\n\r\n", []int{400, 0}},
		{"a negative length", "POST / HTTP/1.1\r\n" + h + "Content-Length: -1\r\n\r\n", []int{400, 0}},
		{"a length of 2^64", "POST / HTTP/1.1\r\n" + h + "Content-Length: 18446744073709551616\r\n\r\n", []int{400, 0}},
		{"a space before the colon", "GET / HTTP/1.1\r\n" + h + "X-A : b\r\n\r\n", []int{400, 0}},
		{"a length with a space before the colon", "POST / HTTP/1.1\r\n" + h + "Content-Length : 0\r\n\r\n", []int{400, 0}},
		{"a folded line", "GET / HTTP/1.1\r\n" + h + "X-A: b\r\n c\r\n\r\n", []int{400, 0}},
		{"a field without a colon", "GET / HTTP/1.1\r\n" + h + "XA\r\n\r\n", []int{400, 0}},
		{"a field without a name", "GET / HTTP/1.1\r\n" + h + ": x\r\n\r\n", []int{400, 0}},
		{"a null byte", "GET / HTTP/1.1\r\n" + h + "X-A: a\x00b\r\n\r\n", []int{400, 0}},
		{"a carriage return", "GET / HTTP/1.1\r\n" + h + "X-A: a\rX-B: c\r\n\r\n", []int{400, 0}},
		{"lines without carriage returns", "GET / HTTP/1.1\nHost: h\n\n", []int{400, 0}},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", []int{400, 0}},
		{"no host", "GET / HTTP/1.1\r\n\r\n", []int{400, 0}},
		{"a host that is none", "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n", []int{400, 0}},
		{"a space in the target", "GET /a b HTTP/1.1\r\n" + h + "\r\n", []int{400, 0}},
		{"two spaces", "GET  / HTTP/1.1\r\n" + h + "\r\n", []int{400, 0}},
		{"HTTP/1.2", "GET / HTTP/1.2\r\n" + h + "\r\n", []int{505, 0}},
		{"a version without a dot", "GET / HTTP/11\r\n" + h + "\r\n", []int{400, 0}},
		{"a method that is no token", "G(T / HTTP/1.1\r\n" + h + "\r\n", []int{400, 0}},
		{"a space before the first field", "GET / HTTP/1.1\r\n X-A: b\r\n" + h + "\r\n", []int{400, 0}},
		{"a line feed in an extension", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n", []int{400, 0}},
		{"a size with a prefix", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n", []int{400, 0}},
		{"a space after a size", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n", []int{400, 0}},
		{"chunks without carriage returns", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", []int{400, 0}},
		{"more than the chunk holds", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", []int{400, 0}},
		{"too many fields", "GET / HTTP/1.1\r\n" + h + strings.Repeat("A: b\r\n", wire.MaxFields) + "\r\n", []int{431, 0}},
		{"a target that is too long", "GET /" + strings.Repeat("a", 70000), []int{414, 0}},
		{"another expectation", "POST / HTTP/1.1\r\n" + h + "Expect: miracles\r\nContent-Length: 1\r\n\r\n", []int{417, 0}},
		{"well-formed", "POST / HTTP/1.1\r\n" + h + "Content-Length: 1\r\n\r\na", []int{200, 200}},
	}
	d := open(t, NewServer, engine.Settings{MaxHeaderBytes: 64 << 10}, readAll)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, r := d.dial(t)
			io.WriteString(conn, tt.text+"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			for i, want := range tt.want {
				if got := status(r); got != want {
					t.Fatalf("answer %d to %.100q: status %d, want %d", i, tt.text, got, want)
				}
			}
		})
	}
}

// TestFraming shows the bytes of answers.
func TestAnswers(t *testing.T) {
	stream := func(size int64, parts ...string) func(*gateway.Exchange) {
		return func(x *gateway.Exchange) {
			readers := make([]io.Reader, len(parts))
			for i, part := range parts {
				readers[i] = strings.NewReader(part)
			}
			x.Response.Body = body.FromStream(io.NopCloser(io.MultiReader(readers...)), size)
		}
	}
	raw := func(text string) func(*gateway.Exchange) {
		return func(x *gateway.Exchange) { x.Response.Body = body.FromBytes([]byte(text)) }
	}
	large := strings.Repeat("0123456789", 50000)
	head := strings.Repeat("h", 5000)
	tests := []struct {
		name, request string
		fill          func(*gateway.Exchange)
		want          string
	}{
		{"bytes", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", raw("hello"), "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\nhello"},
		{"many bytes", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", raw(large), "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 500000\r\n\r\n" + large},
		{"a stream", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", stream(5, "he", "llo"), "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\nhello"},
		{"a large stream", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", stream(500000, large), "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 500000\r\n\r\n" + large},
		{"chunks", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", stream(-1, "he", strings.Repeat("l", 20)),
			"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n14\r\n" + strings.Repeat("l", 20) + "\r\n0\r\n\r\n"},
		{"no chunks", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", stream(-1), "HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
		{"a large header before a stream", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", func(x *gateway.Exchange) {
			stream(-1, "hello")(x)
			x.Response.Header.Add("H", head)
		}, "HTTP/1.1 200 OK\r\nA: b\r\nH: " + head + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"},
		{"a stream to HTTP/1.0", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", stream(-1, "hello"),
			"HTTP/1.0 200 OK\r\nA: b\r\nConnection: close\r\n\r\nhello"},
		{"bytes to HTTP/1.0", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", raw("hello"),
			"HTTP/1.0 200 OK\r\nA: b\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"},
		{"the last one", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", raw("hello"),
			"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", raw("hello"), "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\n"},
		{"HEAD of a stream", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", stream(-1, "hello"), "HTTP/1.1 200 OK\r\nA: b\r\n\r\n"},
		{"204", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", func(x *gateway.Exchange) {
			raw("hello")(x)
			x.Response.Status = 204
		}, "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"},
		{"a status without a name", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", func(x *gateway.Exchange) { x.Response.Status = 599 },
			"HTTP/1.1 599 \r\nA: b\r\nContent-Length: 0\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t, NewServer, engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
				x.Response.Status = 200
				x.Response.Header.Add("A", "b")
				x.Response.Header.Add("Date", "now")
				x.Response.Header.Add("Content-Type", "a/b")
				tt.fill(x)
				return nil
			})
			conn, r := d.dial(t)
			io.WriteString(conn, tt.request)
			conn.(*net.TCPConn).CloseWrite()
			got, err := io.ReadAll(r)
			text := strings.Replace(string(got), "Date: now\r\nContent-Type: a/b\r\n", "", 1)
			if text != tt.want || err != nil {
				t.Errorf("%.300q of %d bytes, %v\nwant %.300q of %d", text, len(text), err, tt.want, len(tt.want))
			}
		})
	}
}

// TestUnreadBodies shows when a connection outlives a body that nobody read.
func TestUnreadBodies(t *testing.T) {
	d := open(t, NewServer, engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
		x.Response.Status = 200
		return nil
	})
	for _, tt := range []struct {
		size int
		want int // status of the next answer
	}{{1, 200}, {drainBytes, 200}, {drainBytes + 1, 0}} {
		conn, r := d.dial(t)
		go func() {
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", tt.size)
			io.WriteString(conn, strings.Repeat("x", tt.size))
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		}()
		if got := status(r); got != 200 {
			t.Errorf("%d bytes: status %d, want 200", tt.size, got)
		}
		if got := status(r); got != tt.want {
			t.Errorf("%d bytes: then status %d, want %d", tt.size, got, tt.want)
		}
	}
}

// TestAbandonedReader shows that a read of a body that outlives its exchange
// returns, and takes nothing of the next request.
func TestAbandonedReader(t *testing.T) {
	ended := make(chan error, 1)
	d := open(t, NewServer, engine.Settings{ReadTimeout: time.Hour}, func(_ context.Context, x *gateway.Exchange) error {
		r := x.In.Body()
		reading := make(chan struct{})
		go func() {
			p := make([]byte, 100)
			r.Read(p)
			close(reading)
			_, err := io.ReadAll(r)
			ended <- err
		}()
		<-reading
		x.Response.Status = 200
		return nil
	})
	conn, r := d.dial(t)
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello")
	if got := status(r); got != 200 {
		t.Fatalf("status %d, want 200", got)
	}
	if err := <-ended; err == nil {
		t.Error("the body ends in order")
	}
}

// TestContinue shows that a client whose body is coming is not told to
// continue.
func TestContinue(t *testing.T) {
	d := open(t, NewServer, engine.Settings{}, readAll)
	conn, r := d.dial(t)
	io.WriteString(conn, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
	if line, err := r.ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" || err != nil {
		t.Errorf("%q, %v, want the answer", line, err)
	}
}

// TestClientGone shows that the context ends although nobody asked for its
// channel, and although bytes of another request hide the end.
func TestClientGone(t *testing.T) {
	ended := make(chan error, 1)
	d := open(t, NewServer, engine.Settings{}, func(ctx context.Context, x *gateway.Exchange) error {
		for ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		ended <- ctx.Err()
		return ctx.Err()
	})
	for range 2 { // the watcher sleeps in between
		conn, _ := d.dial(t)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\r\n")
		conn.Close()
		if err := <-ended; err != context.Canceled {
			t.Errorf("context ended with %v", err)
		}
		time.Sleep(3 * watchEvery)
	}
}

// TestContext shows what an exchange's context does for those derived from it.
func TestContext(t *testing.T) {
	c := new(exchangeContext)
	if !c.unused() {
		t.Error("a new context is in use")
	}
	stop := c.AfterFunc(func() { t.Error("a function ran that was stopped") })
	if c.unused() {
		t.Error("a context that somebody waits for is unused")
	}
	if !stop() || stop() {
		t.Error("stop is in time once")
	}
	if !c.unused() {
		t.Error("the context is in use after everyone has stopped")
	}
	before := goleak.IgnoreCurrent()
	inner, cancel := context.WithTimeout(c, time.Hour)
	defer cancel()
	if err := goleak.Find(before); err != nil {
		t.Errorf("a derived context costs goroutines: %v", err)
	}
	var ran atomic.Bool
	done := make(chan struct{})
	c.AfterFunc(func() {
		ran.Store(true)
		close(done)
	})
	c.end(context.Canceled)
	c.end(context.Canceled)
	<-inner.Done()
	<-c.Done()
	<-done
	if c.Err() != context.Canceled || inner.Err() != context.Canceled || !ran.Load() {
		t.Errorf("%v, %v, ran %t", c.Err(), inner.Err(), ran.Load())
	}
	late := make(chan struct{})
	if stop := c.AfterFunc(func() { close(late) }); stop() {
		t.Error("stopped a function of a context that has ended")
	}
	<-late
}

func TestDeadline(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	tests := []struct {
		name  string
		set   time.Time
		limit time.Duration
		by    time.Time
		move  bool
	}{
		{"none set, none wanted", time.Time{}, 0, time.Time{}, false},
		{"one set, none wanted", at(5), 0, time.Time{}, true},
		{"none set", time.Time{}, 80 * time.Second, at(90), true},
		{"too early", at(79), 80 * time.Second, at(90), true},
		{"just in time", at(80), 80 * time.Second, at(90), false},
		{"late enough", at(90), 80 * time.Second, at(90), false},
		{"too late", at(91), 80 * time.Second, at(90), true},
	}
	for _, tt := range tests {
		by, move := deadline(tt.set, start, tt.limit)
		if move != tt.move || move && !by.Equal(tt.by) {
			t.Errorf("%s: %v, %t, want %v, %t", tt.name, by, move, tt.by, tt.move)
		}
	}
}

// failingListener fails once, as when the system has no descriptors left, and
// then for good.
type failingListener struct {
	net.Listener
	errs []error
}

func (l *failingListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	if len(l.errs) > 1 {
		l.errs = l.errs[1:]
	}
	return nil, err
}

func TestAcceptFails(t *testing.T) {
	broken := errors.New("broken for good")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	lines := make(chan string, 1)
	s := NewServer(engine.Settings{ErrorLog: func(msg string, err error) { lines <- msg + ": " + err.Error() }})
	failing := &failingListener{l, []error{&net.OpError{Op: "accept", Err: syscall.EMFILE}, broken}}
	if err := s.Serve(failing, &door{}); err != broken {
		t.Errorf("Serve = %v, want the second failure", err)
	}
	if line := <-lines; !strings.HasPrefix(line, "http server: accepting, again in 5ms") {
		t.Errorf("line %q", line)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if err := s.Serve(l, &door{}); err != nil {
		t.Errorf("Serve after Shutdown = %v", err)
	}
}

// TestIdleConnections shows that connections that wait hold no buffers, and
// that Shutdown ends them at once.
func TestIdleConnections(t *testing.T) {
	const conns, most = 100, 4 << 10 // bytes for each, of both ends
	d := open(t, NewServer, engine.Settings{IdleTimeout: time.Minute}, readAll)
	before := heap()
	for range conns {
		conn, _ := d.dial(t)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		var p [300]byte
		if n, err := conn.Read(p[:]); n == 0 {
			t.Fatal(err)
		}
	}
	s := d.server.(*server)
	for waiting := 0; waiting < conns; time.Sleep(time.Millisecond) {
		waiting = 0
		s.mu.Lock()
		for c := s.conns; c != nil; c = c.next {
			if c.state.Load() == idle {
				waiting++
			}
		}
		s.mu.Unlock()
	}
	if each := (heap() - before) / conns; each > most && !testx.Race {
		t.Errorf("%d bytes for each connection, want at most %d", each, most)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// TestLateInterrupt: a request that arrives while Shutdown is about to end its connection
// has the time for its head and its body all the same.
func TestLateInterrupt(t *testing.T) {
	const head, content = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", "body"
	for _, first := range []string{head[:1], head} {
		client, conn := net.Pipe()
		say := make(chan string, 3)
		go func() {
			for text := range say {
				io.WriteString(client, text) // or the answer is missing
			}
		}()
		p := &punctual{Conn: conn, heard: make(chan bool, 1), interrupted: make(chan bool)}
		p.interrupting = func() {
			<-p.heard
			say <- first
			<-p.heard
			for range 10000 { // in vain, as it should be: the connection is not to go on before the interruption
				if runtime.Gosched(); p.moved.Load() {
					break
				}
			}
		}
		l := &single{conns: make(chan net.Conn, 1)}
		l.conns <- p
		d := openAt(t, l, NewServer, engine.Settings{ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute}, readAll)
		client.SetDeadline(time.Now().Add(10 * time.Second))
		r := bufio.NewReader(client)
		say <- head + content
		if got := status(r); got != 200 {
			t.Fatalf("status %d of the first request, want 200", got)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- d.server.Shutdown(t.Context()) }()
		<-p.interrupted
		say <- (head + content)[len(first):]
		close(say)
		if got := status(r); got != 200 {
			t.Errorf("behind %q: status %d, want 200", first, got)
		}
		client.Close()
		if err := <-stopped; err != nil {
			t.Errorf("Shutdown = %v", err)
		}
	}
}

// A single listener has one connection.
type single struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *single) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l *single) Close() error { l.once.Do(func() { close(l.conns) }); return nil }
func (*single) Addr() net.Addr { return new(net.TCPAddr) }

// A punctual connection does something before its reads are interrupted, and knows
// whether they were given time meanwhile.
type punctual struct {
	net.Conn
	heard        chan bool // holds something once bytes have come
	interrupting func()
	interrupted  chan bool
	moved        atomic.Bool
}

func (p *punctual) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 {
		select {
		case p.heard <- true:
		default:
		}
	}
	return n, err
}

func (p *punctual) SetReadDeadline(by time.Time) error {
	if by != longAgo {
		p.moved.Store(true)
		return p.Conn.SetReadDeadline(by)
	}
	p.moved.Store(false)
	p.interrupting()
	defer close(p.interrupted)
	return p.Conn.SetReadDeadline(by)
}

// TestWaitingExchanges shows that a connection holds no buffer either while a
// request without a body is answered.
func TestWaitingExchanges(t *testing.T) {
	const conns, most = 100, 5 << 10 // bytes for each, of both ends, with the exchange
	begun, end := make(chan bool), make(chan bool)
	d := open(t, NewServer, engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
		begun <- true
		<-end
		x.Response.Status = 204
		return nil
	})
	var clients []net.Conn
	before := heap()
	for range conns {
		conn, _ := d.dial(t)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		clients = append(clients, conn)
		<-begun
	}
	if each := (heap() - before) / conns; each > most && !testx.Race {
		t.Errorf("%d bytes for each exchange, want at most %d", each, most)
	}
	close(end)
	for _, conn := range clients {
		if got := status(bufio.NewReader(conn)); got != 204 {
			t.Errorf("status %d, want 204", got)
		}
	}
}

// heap returns the bytes in use, without what pools would give back.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestSlowReader: a client that does not take a large body as fast as it comes gets it
// in small pieces from then on, with TLS and without; its next answer begins anew.
func TestSlowReader(t *testing.T) {
	if !hasSockets {
		t.Skip("without sockets of the system nobody can tell how fast a client is")
	}
	const size = 16 << 20 // more than the system holds for a connection that little room is made for
	for _, secure := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var before, after []int // pieces that were asked for until the server had to wait, and later
		waits := make(chan bool, 1)
		waited := func() { // on the goroutine that serves
			if after == nil {
				after = []int{}
				waits <- true
			}
		}
		done := make(chan [2][]int)
		var settings engine.Settings
		if secure {
			s := httptest.NewTLSServer(nil)
			s.Close()
			settings.TLS = &tls.Config{Certificates: s.TLS.Certificates}
		}
		d := openAt(t, alarmed{l, waited}, NewServer, settings, func(_ context.Context, x *gateway.Exchange) error {
			before, after = nil, nil
			left := size
			x.Response.Status = 200
			x.Response.Body = body.FromStream(io.NopCloser(reads(func(p []byte) (int, error) {
				if after == nil {
					before = append(before, len(p))
				} else {
					after = append(after, len(p))
				}
				n := min(len(p), left)
				if left -= n; left == 0 {
					done <- [2][]int{before, after}
				}
				return n, nil
			})), size)
			return nil
		})
		conn, _ := d.dial(t)
		conn.SetDeadline(time.Time{})
		if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			t.Fatal(err)
		}
		if secure {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		r := bufio.NewReader(conn)
		for range 2 {
			io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
			<-waits
			got := make(chan int64, 1)
			go func() {
				res, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Error(err)
					got <- 0
					return
				}
				n, err := io.Copy(io.Discard, res.Body)
				if err != nil {
					t.Error(err)
				}
				got <- n
			}()
			pieces := <-done
			if n := <-got; n != size {
				t.Errorf("TLS %t: %d bytes, want %d", secure, n, size)
			}
			if slices.Min(pieces[0]) < largePiece || len(pieces[1]) < 10 || slices.Max(pieces[1]) > streamPiece {
				t.Errorf("TLS %t: pieces of %v until the client was slow, then of %v", secure, pieces[0], pieces[1])
			}
		}
	}
}

// reads is a function as a reader.
type reads func(p []byte) (int, error)

func (f reads) Read(p []byte) (int, error) { return f(p) }

// An alarmed listener has connections that tell when somebody waits for the other end to
// take what is sent.
type alarmed struct {
	net.Listener
	ring func()
}

func (l alarmed) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return alarm{conn.(*net.TCPConn), l.ring}, nil
}

type alarm struct {
	*net.TCPConn
	ring func()
}

func (a alarm) SyscallConn() (syscall.RawConn, error) {
	raw, err := a.TCPConn.SyscallConn()
	return rawAlarm{raw, a.ring}, err
}

type rawAlarm struct {
	syscall.RawConn
	ring func()
}

func (a rawAlarm) Write(try func(fd uintptr) bool) error {
	return a.RawConn.Write(func(fd uintptr) bool {
		done := try(fd)
		if !done {
			a.ring()
		}
		return done
	})
}
