package enginetest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// priorCases are about backends that speak HTTP/2 without TLS, as their callers know
// (RFC 9113, section 3.3). What happens to streams is among the cases of resend.
var priorCases = cases{
	{"a backend speaks HTTP/2 by prior knowledge", callPrior},
	{"what begins with https is negotiated all the same", priorOverTLS},
	{"a switch of protocols is asked for in HTTP/1.1", priorUpgrades},
	{"a backend that does not speak HTTP/2 is not reached", priorUnknown},
	{"a backend that says nothing has as long as a handshake", priorSilent},
	{"a backend that waits for the settings of its client gets them", priorWaits},
	{"calls of HTTP/2 share a connection until it ends", priorConnections},
	{"calls that share a connection that is being made have each its own time", priorShares},
	{"a call of HTTP/2 ends with its deadline, and its connection does not", priorDeadlines},
	{"a connection of HTTP/2 that nobody waits for ends with its client", lateConnections},
}

// serveStreams serves HTTP/2 without TLS.
func serveStreams(h http.HandlerFunc) func(*wire) { return func(w *wire) { serveOne(w.Conn, h) } }

func callPrior(t *trial) {
	b := t.backend(serveStreams(tell))
	callStreams(t, t.client(model.Transport{H2C: true}), b, "http")
	if n := b.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func priorOverTLS(t *trial) {
	server, client := t.identity()
	server.NextProtos = nil
	b := t.backend(func(w *wire) { echo(newWire(w.t, tls.Server(w.Conn, server), w.exit)) })
	c := t.NewClient(model.Transport{H2C: true}, client)
	t.Cleanup(c.Close)
	x := t.call(b.addr)
	x.Request.Scheme = "https"
	if got := t.get(c, x); got != "GET / HTTP/1.1 " {
		t.Errorf("answer %q", got)
	}
}

func priorUpgrades(t *trial) {
	b := t.switched(func(w *wire) { w.wantText("to the backend"); w.send("to the client") })
	x := t.call(b.addr)
	x.Request.Upgrade = "echo"
	t.must(t.client(model.Transport{H2C: true}).Do(t.context(), x))
	tunnel, ok := x.Response.Body.Reader().(gateway.Tunnel)
	if !ok || x.Response.Status != 101 {
		t.Fatalf("answer %d, want a tunnel", x.Response.Status)
	}
	defer tunnel.Close()
	io.WriteString(tunnel, "to the backend") // the answer tells if it fails
	if text, err := io.ReadAll(io.LimitReader(tunnel, int64(len("to the client")))); string(text) != "to the client" {
		t.Errorf("got %q, %v", text, err)
	}
}

func priorUnknown(t *trial) {
	// begun waits for the preface. A connection may also be given up before that.
	begun := func(w *wire) {
		if !w.more() {
			w.exit()
		}
		w.exactly(len(http2.ClientPreface))
	}
	tests := []struct {
		name   string
		script func(w *wire)
		says   string
	}{
		{"HTTP/1", func(w *wire) { begun(w); w.send("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") }, "answers in HTTP/1"},
		{"a piece of HTTP/1", func(w *wire) { begun(w); w.send("HT"); w.send("TP/1.1 505 No\r\n\r\n") }, "answers in HTTP/1"},
		{"TLS", func(w *wire) { begun(w); w.send("\x15\x03\x03\x00\x02\x02\x46") }, "https://"},
		{"another protocol", func(w *wire) { w.send("220 mail.test ESMTP\r\n"); w.rest() }, "does not speak HTTP/2"},
		{"no words", begun, "does not begin to speak HTTP/2"},
	}
	for _, tt := range tests {
		t.named(tt.name, func(t *trial) {
			b := t.backend(tt.script)
			c := t.client(model.Transport{H2C: true})
			stream := &watched{Reader: strings.NewReader("hello")}
			for _, content := range []body.Body{{}, body.FromBytes([]byte("hello")), body.FromStream(stream, 5)} {
				x := t.call(b.addr)
				x.Request.Method, x.Request.Body = "POST", content
				err := c.Do(t.context(), x)
				t.wantFailure(err, gateway.CodeBackendUnreachable, true)
				if text := fmt.Sprint(err); !strings.Contains(text, tt.says) || !strings.Contains(text, "use_h2c") || !strings.Contains(text, b.addr) {
					t.Errorf("error %q, want %q, the host and what to do about it", text, tt.says)
				}
			}
			if stream.read.Load() {
				t.Error("the body was read")
			}
		})
	}
}

// hasty gives a call a small share of the time of its case.
func hasty(x *gateway.Exchange) { x.Request.Others = int(patience/(100*time.Millisecond)) - 1 }

// priorSilent: the backend is given up with the share of the time that it has.
func priorSilent(t *trial) {
	b := t.backend(func(w *wire) { w.rest() })
	c := t.client(model.Transport{H2C: true})
	x, ctx := t.call(b.addr), t.context()
	hasty(x)
	t.wantFailure(c.Do(ctx, x), gateway.CodeBackendUnreachable, true)
	if ctx.Err() != nil {
		t.Error("nothing of the time is left for others")
	}
	x = t.call(b.addr)
	soon, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	t.wantFailure(c.Do(soon, x), gateway.CodeTimeout, true)
}

// priorWaits: the preface of a client ends with its settings.
func priorWaits(t *trial) {
	b := t.backend(func(w *wire) {
		if _, err := w.r.Peek(len(http2.ClientPreface) + 9); err == nil {
			serveOne(peeked{w}, http.HandlerFunc(tell))
		}
	})
	callStreams(t, t.client(model.Transport{H2C: true}), b, "http")
}

// A peeked connection is one on which somebody has looked at what is next.
type peeked struct{ *wire }

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// priorShares: two calls wait for a backend that takes longer to speak than one of them
// may wait, be that the one that came first or the other.
func priorShares(t *trial) {
	for _, first := range []bool{true, false} {
		asked, speak := make(chan struct{}, 2), make(chan struct{})
		b := t.backend(func(w *wire) {
			asked <- struct{}{}
			<-speak
			serveOne(w.Conn, http.HandlerFunc(tell))
		})
		c := t.client(model.Transport{H2C: true})
		brief, long := t.call(b.addr), t.call(b.addr)
		hasty(brief)
		calls := []*gateway.Exchange{long, brief}
		if first {
			calls = []*gateway.Exchange{brief, long}
		}
		ended := map[*gateway.Exchange]chan error{brief: make(chan error, 1), long: make(chan error, 1)}
		for i, x := range calls {
			ctx := t.context()
			go func() { ended[x] <- c.Do(ctx, x) }()
			if i == 0 {
				await(t, "the connection", asked)
			}
		}
		err := await(t, "the end of the call that may not wait", ended[brief])
		close(speak)
		t.wantFailure(err, gateway.CodeBackendUnreachable, true)
		t.must(await(t, "the answer to the other", ended[long]))
		if n := b.accepted.Load(); n != 1 || long.Response.Status != 200 {
			t.Errorf("%d connections and the status %d, want one and 200", n, long.Response.Status)
		}
	}
}

func priorConnections(t *trial) {
	const callers = 30
	var busy sync.WaitGroup
	b := t.backend(serveStreams(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/together":
			busy.Done()
			busy.Wait() // all calls are in flight
		case "/last":
			w.Header().Set("Connection", "close") // which is GOAWAY here
		}
		io.WriteString(w, r.Proto)
	}))
	c := t.client(model.Transport{H2C: true})
	call := func(path string) {
		t.Helper()
		x := t.call(b.addr)
		x.Request.Path = path
		if err := c.Do(t.context(), x); err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		if text, err := x.Response.Body.Bytes(0); string(text) != "HTTP/2.0" || err != nil {
			t.Errorf("%s: answer %q, %v", path, text, err)
		}
	}
	busy.Add(callers) // of which none finds a connection
	var calls sync.WaitGroup
	for range callers {
		calls.Go(func() { call("/together") })
	}
	calls.Wait()
	if n := b.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	call("/last")
	call("/")
	if n := b.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	b.mu.Lock()
	for _, conn := range b.open {
		conn.Close() // and nobody says so
	}
	b.mu.Unlock()
	for ctx := t.context(); ; {
		x := t.call(b.addr)
		x.Request.Header.Add("Idempotency-Key", "1")
		err := c.Do(ctx, x)
		if err == nil {
			break // it was found out
		}
		if !errors.Is(err, gateway.ErrUnreached) {
			t.wantFailure(err, gateway.CodeBackendAborted, false) // it was on its way
		}
		t.must(ctx.Err())
	}
	call("/")
	if n := b.accepted.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// An expiring context has a deadline that passes when over is closed.
type expiring struct {
	context.Context
	over chan struct{}
}

func (e expiring) Done() <-chan struct{} { return e.over }

func (e expiring) Err() error {
	select {
	case <-e.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func priorDeadlines(t *trial) {
	ctx := expiring{context.Background(), make(chan struct{})}
	gone := make(chan struct{}, 1)
	b := t.backend(serveStreams(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			close(ctx.over) // the request has come
			<-r.Context().Done()
			gone <- struct{}{}
		}
	}))
	c := t.client(model.Transport{H2C: true})
	t.get(c, t.call(b.addr))
	x := t.call(b.addr)
	x.Request.Path = "/hang"
	t.wantFailure(c.Do(ctx, x), gateway.CodeTimeout, false)
	await(t, "the end of the stream", gone)
	t.get(c, t.call(b.addr))
	if n := b.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// lateConnections: the call is given up, and its client closed, while the backend does not
// yet say anything.
func lateConnections(t *trial) {
	server, trusting := t.identity()
	for _, scheme := range []string{"http", "https"} {
		asked, speak, ended := make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 1)
		b := t.backend(func(w *wire) {
			asked <- struct{}{}
			<-speak
			conn := w.Conn
			if scheme == "https" {
				conn = tls.Server(conn, server)
			}
			serveOne(conn, http.HandlerFunc(tell)) // until the connection ends
			ended <- struct{}{}
		})
		c := t.NewClient(model.Transport{H2C: true}, trusting)
		ctx, leave := context.WithCancel(t.context())
		x := t.call(b.addr)
		x.Request.Scheme = scheme
		gone := make(chan error, 1)
		go func() { gone <- c.Do(ctx, x) }()
		await(t, "the connection", asked)
		leave()
		await(t, "the end of the call", gone)
		c.Close()
		close(speak)
		await(t, "the end of the connection", ended)
	}
}
