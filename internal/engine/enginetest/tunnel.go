package enginetest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// tunnelCases run a server that passes upgrades on through a client.
var tunnelCases = cases{
	{"the handshake passes in both directions", handshakePasses},
	{"bytes that come early are not lost", earlyBytes},
	{"much passes in both directions at once", muchAtOnce},
	{"a half that is closed is closed at the other end", halvesClose},
	{"a backend that closes its half first is still written to", backendClosesFirst},
	{"a tunnel over TLS", tunnelOverTLS},
	{"the backend refuses, and the connection goes on", upgradeRefused},
	{"a switch that nobody asked for is an error", unaskedSwitches},
	{"an upgrade that cannot be granted is ignored", upgradesIgnored},
	{"a request with a body asks for nothing", bodyAsksForNothing},
	{"101 without a tunnel aborts the connection", switchWithoutTunnel},
	{"a handshake is sent once, on a connection of its own", handshakeOnce},
	{"the deadline of the call is over with the handshake", deadlineOfHandshake},
	{"timeouts of the server do not count for a tunnel", timeoutsOfServer},
	{"a tunnel without traffic ends", idleTunnelEnds},
	{"a client that breaks off ends the tunnel", clientBreaks},
	{"a backend that breaks off ends the tunnel", backendBreaks},
	{"Shutdown waits for tunnels", shutdownWaitsForTunnels},
	{"Shutdown cuts tunnels that do not end in time", shutdownCutsTunnels},
	{"Shutdown cuts tunnels that are stuck", shutdownCutsStuckTunnels},
}

// tunnelling is forward for endpoints that let clients switch to whatever they
// ask for.
func tunnelling(c engine.Client, scheme, addr string, limit time.Duration) func(context.Context, *gateway.Exchange) error {
	pass := forward(calling(func(ctx context.Context, x *gateway.Exchange) error {
		x.Request.Scheme = scheme
		if in, ok := x.In.(gateway.Upgrader); ok && in.Upgrades() {
			x.Request.Upgrade = x.In.Header("Upgrade")
		}
		return c.Do(ctx, x)
	}), addr, limit)
	return pass
}

// calling is a client that is a function.
type calling func(context.Context, *gateway.Exchange) error

func (f calling) Do(ctx context.Context, x *gateway.Exchange) error { return f(ctx, x) }
func (calling) Close()                                              {}

const (
	upgrade  = "GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
	switches = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
)

// switched is a backend that switches and then runs the script.
func (t *trial) switched(script func(w *wire)) *backend {
	return t.backend(func(w *wire) {
		w.head()
		w.send(switches)
		script(w)
	})
}

// tunnel opens one through a server with these settings.
func (t *trial) tunnel(s engine.Settings, b *backend) (*wire, *door) {
	t.Helper()
	d := t.open(s, tunnelling(t.client(model.Transport{}), "http", b.addr, 0))
	w := t.dial(d.addr)
	w.send(upgrade)
	w.wantSwitch("echo")
	return w, d
}

// wantSwitch reads an answer that switches.
func (w *wire) wantSwitch(protocol string) head {
	w.t.Helper()
	h := w.head()
	if h.start != "HTTP/1.1 101 Switching Protocols" || !strings.EqualFold(h.get("Connection"), "upgrade") || h.get("Upgrade") != protocol {
		w.fail("answer %q with %q, want a switch to %s", h.start, h.fields, protocol)
	}
	return h
}

// closeWrite closes this half of the connection.
func (w *wire) closeWrite() {
	w.Conn.(interface{ CloseWrite() error }).CloseWrite() // the other end finds out if it failed
}

// wantText reads exactly this.
func (w *wire) wantText(text string) {
	w.t.Helper()
	if got := w.exactly(len(text)); got != text {
		w.fail("got %q, want %q", got, text)
	}
}

// wantEnd waits for the end of the other half, after which nothing may come.
func (w *wire) wantEnd() {
	w.t.Helper()
	if text, orderly := w.rest(); text != "" || !orderly {
		w.fail("got %q, orderly %t, want the end", text, orderly)
	}
}

// wantOutcome waits for the end of the exchange; code is "" for a good one.
func (d *door) wantOutcome(t *trial, written int64, code string) {
	t.Helper()
	o := await(t, "the end of the exchange", d.done)
	got := ""
	if o.err != nil {
		got = gateway.AsError(o.err).Code
	}
	if o.written != written || got != code {
		t.Errorf("%d bytes written, error %v; want %d, and the code %q", o.written, o.err, written, code)
	}
}

func handshakePasses(t *trial) {
	heads := make(chan head, 1)
	b := t.backend(func(w *wire) {
		heads <- w.head()
		w.lines("HTTP/1.1 101 Ok", "connection: X-Secret, upgrade", "X-Secret: 1", "upgrade: Two", "Content-Length: 5", "Set-Cookie: a=1", "Set-Cookie: b=2", "")
		w.wantText("ping")
		w.send("pong")
		w.wantEnd()
	})
	d := t.open(engine.Settings{}, tunnelling(t.client(model.Transport{}), "http", b.addr, 0))
	w := t.dial(d.addr)
	w.lines("GET /a?b HTTP/1.1", "Host: h", "Connection: keep-alive, Upgrade", "Upgrade: one/1.0, two", "Keep-Alive: 1", "X-A: 1", "")
	h := w.wantSwitch("Two")
	if got, want := h.names(), []string{"Connection", "Date", "Set-Cookie", "Set-Cookie", "Upgrade"}; !slices.Equal(got, want) {
		t.Errorf("answer with %v, want %v", got, want)
	}
	got := await(t, "the request", heads)
	if want := []string{"Connection", "Host", "Upgrade", "X-A"}; got.start != "GET /a?b HTTP/1.1" || !slices.Equal(got.names(), want) ||
		got.get("Connection") != "Upgrade" || got.get("Upgrade") != "one/1.0, two" {
		t.Errorf("request %q with %q, want the fields %v", got.start, got.fields, want)
	}
	w.send("ping")
	w.wantText("pong")
	w.closeWrite()
	w.wantEnd()
	d.wantOutcome(t, 4, "")
}

func earlyBytes(t *trial) {
	early := strings.Repeat("0123456789", 700) // more than a buffer
	b := t.backend(func(w *wire) {
		w.head()
		w.send(switches, early)
		w.wantText(early)
		w.wantEnd()
	})
	d := t.open(engine.Settings{}, tunnelling(t.client(model.Transport{}), "http", b.addr, 0))
	w := t.dial(d.addr)
	w.send(upgrade, early)
	w.wantSwitch("echo")
	w.wantText(early)
	w.closeWrite()
	w.wantEnd()
	d.wantOutcome(t, int64(len(early)), "")
}

func muchAtOnce(t *trial) {
	const size = 3 << 20
	swap := func(w *wire, seed byte) {
		var wg sync.WaitGroup
		wg.Go(func() {
			if n, err := w.Conn.Write(pattern(seed, size)); err != nil {
				w.t.Errorf("%d bytes were taken, %v", n, err)
			}
			w.closeWrite()
		})
		got, err := io.ReadAll(w.r)
		wg.Wait()
		if want := pattern(seed^1, size); string(got) != string(want) || err != nil {
			w.t.Errorf("%d bytes came, %v, or others than the %d that were sent", len(got), err, len(want))
		}
	}
	swapped := make(chan struct{})
	b := t.switched(func(w *wire) {
		defer close(swapped)
		swap(w, 0)
	})
	w, d := t.tunnel(engine.Settings{}, b)
	swap(w, 1)
	await(t, "the backend", swapped)
	d.wantOutcome(t, size, "")
}

// pattern returns bytes that look different at every place.
func pattern(seed byte, size int) []byte {
	p := make([]byte, size)
	x := uint32(seed) + 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

func halvesClose(t *trial) {
	b := t.switched(func(w *wire) {
		w.wantEnd()
		time.Sleep(200 * time.Millisecond) // whoever looks now and then for clients that have left has looked
		w.send("last")
	})
	w, d := t.tunnel(engine.Settings{}, b)
	w.closeWrite()
	w.wantText("last")
	w.wantEnd()
	d.wantOutcome(t, 4, "")
}

func backendClosesFirst(t *trial) {
	got := make(chan string, 1)
	b := t.switched(func(w *wire) {
		w.closeWrite()
		text, _ := w.rest()
		got <- text
	})
	w, d := t.tunnel(engine.Settings{}, b)
	w.wantEnd()
	w.send("last")
	w.closeWrite()
	if text := await(t, "the end of the tunnel", got); text != "last" {
		t.Errorf("the backend got %q, want last", text)
	}
	d.wantOutcome(t, 0, "")
}

func tunnelOverTLS(t *trial) {
	server, client := t.identity()
	negotiated := make(chan string, 1)
	b := t.backend(func(raw *wire) {
		conn := tls.Server(raw.Conn, server)
		w := newWire(raw.t, conn, runtime.Goexit)
		w.head()
		negotiated <- conn.ConnectionState().NegotiatedProtocol
		w.send(switches, "hello")
		w.wantEnd()
		w.send("last")
		conn.Close()
	})
	d := t.open(engine.Settings{TLS: server}, tunnelling(t.tlsClient(client), "https", b.addr, 0))
	w := t.dialTLS(d.addr, client)
	w.send(upgrade)
	w.wantSwitch("echo")
	if got := await(t, "the handshake", negotiated); got == "h2" {
		t.Error("the backend was left the choice of HTTP/2")
	}
	w.wantText("hello")
	w.closeWrite()
	w.wantText("last")
	w.wantEnd()
	d.wantOutcome(t, 9, "")
}

func upgradeRefused(t *trial) {
	b := t.backend(func(w *wire) {
		for w.more() {
			h := w.head()
			if h.get("Upgrade") != "" {
				w.lines("HTTP/1.1 426 Upgrade Required", "Connection: Upgrade", "Upgrade: other", "Content-Length: 2", "")
				w.send("no")
				continue
			}
			text := h.start
			w.lines("HTTP/1.1 200 OK", fmt.Sprint("Content-Length: ", len(text)), "")
			w.send(text)
		}
	})
	d := t.open(engine.Settings{}, tunnelling(t.client(model.Transport{}), "http", b.addr, 0))
	w := t.dial(d.addr)
	w.send(upgrade, "GET /second HTTP/1.1\r\nHost: h\r\n\r\n")
	if h := w.want(426, "no"); h.get("Upgrade") != "" || h.get("Connection") != "" {
		t.Errorf("fields %q, want none of the connection", h.fields)
	}
	w.want(200, "GET /second HTTP/1.1")
	w.send(upgrade)
	w.want(426, "no")
	if n := d.asked.Load(); n != 3 {
		t.Errorf("%d requests were served, want 3", n)
	}
}

func unaskedSwitches(t *trial) {
	plain := "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, tt := range []struct{ name, request, fields string }{
		{"nobody asked", plain, "Connection: Upgrade\r\nUpgrade: echo\r\n"},
		{"another protocol", upgrade, "Connection: Upgrade\r\nUpgrade: h2c\r\n"},
		{"two protocols", upgrade, "Connection: Upgrade\r\nUpgrade: echo, h2c\r\n"},
		{"two lines", upgrade, "Connection: Upgrade\r\nUpgrade: echo\r\nUpgrade: echo\r\n"},
		{"no protocol", upgrade, "Connection: Upgrade\r\n"},
		{"Connection does not say so", upgrade, "Upgrade: echo\r\n"},
	} {
		t.named(tt.name, func(t *trial) {
			ended := make(chan struct{}, 2)
			b := t.backend(func(w *wire) {
				w.head()
				w.send("HTTP/1.1 101 Switching Protocols\r\n", tt.fields, "\r\n")
				w.rest()
				ended <- struct{}{}
			})
			d := t.open(engine.Settings{}, tunnelling(t.client(model.Transport{}), "http", b.addr, 0))
			w := t.dial(d.addr)
			w.send(tt.request)
			w.want(502, "")
			await(t, "the end of the connection to the backend", ended)
			w.send(plain) // the connection of the client goes on
			w.want(502, "")
		})
	}
}

func upgradesIgnored(t *trial) {
	d := t.open(engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
		in, ok := x.In.(gateway.Upgrader)
		answer(x, 200, fmt.Sprint(ok && in.Upgrades()))
		return nil
	})
	for _, tt := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"asked for", []string{"GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: a", ""}, "true"},
		{"in a list", []string{"GET / HTTP/1.1", "Connection: keep-alive ,upgrade", "Upgrade: a", ""}, "true"},
		{"on a second line", []string{"GET / HTTP/1.1", "Connection: keep-alive", "Connection: UPGRADE", "Upgrade: a", ""}, "true"},
		{"Connection does not say so", []string{"GET / HTTP/1.1", "Upgrade: a", ""}, "false"},
		{"no protocol", []string{"GET / HTTP/1.1", "Connection: Upgrade", ""}, "false"},
		{"a body without bytes", []string{"POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: a", "Content-Length: 0", ""}, "true"},
		{"a body", []string{"POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: a", "Content-Length: 2", "", ""}, "false"},
		{"chunks", []string{"POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: a", "Transfer-Encoding: chunked", "", "0", ""}, "false"},
	} {
		t.named(tt.name, func(t *trial) {
			w := t.dial(d.addr)
			w.lines(slices.Insert(tt.lines, 1, "Host: h")...)
			w.want(200, tt.want)
		})
	}
	w := t.dial(d.addr)
	w.lines("GET / HTTP/1.0", "Connection: Upgrade", "Upgrade: a", "")
	if text, _ := w.rest(); !strings.HasSuffix(text, "\r\n\r\nfalse") {
		t.Errorf("HTTP/1.0: answer %q, want false", text)
	}
}

func bodyAsksForNothing(t *trial) {
	heads := make(chan head, 1)
	b := t.backend(func(w *wire) {
		for w.more() {
			h := w.head()
			w.content(h)
			heads <- h
			w.lines("HTTP/1.1 204 No Content", "")
		}
	})
	c := t.client(model.Transport{})
	for _, payload := range []body.Body{
		body.FromBytes([]byte("hello")),
		body.FromStream(io.NopCloser(strings.NewReader("hello")), 5),
		body.FromStream(io.NopCloser(strings.NewReader("hello")), -1),
	} {
		x := t.call(b.addr)
		x.Request.Method, x.Request.Body, x.Request.Upgrade = "POST", payload, "echo"
		t.get(c, x)
		if h := await(t, "the request", heads); h.get("Upgrade") != "" || h.get("Connection") != "" {
			t.Errorf("asked with %q, want no upgrade", h.fields)
		}
	}
}

func switchWithoutTunnel(t *trial) {
	d := t.open(engine.Settings{}, func(_ context.Context, x *gateway.Exchange) error {
		answer(x, 101, "")
		x.Response.Upgrade = "echo"
		return nil
	})
	for _, request := range []string{get, upgrade} {
		w := t.dial(d.addr)
		w.send(request)
		w.closed()
		if o := await(t, "the end of the exchange", d.done); o.err == nil {
			t.Error("no error")
		}
	}
}

func handshakeOnce(t *trial) {
	handshakes := make(chan struct{}, 10)
	b := t.backend(func(w *wire) {
		for w.more() {
			if w.head().get("Upgrade") != "" {
				handshakes <- struct{}{}
				return
			}
			w.lines("HTTP/1.1 204 No Content", "")
		}
	})
	d := t.open(engine.Settings{}, tunnelling(t.client(model.Transport{}), "http", b.addr, 0))
	w := t.dial(d.addr)
	w.send(get)
	w.want(204, "")
	w.send(upgrade)
	w.want(502, "")
	if n := len(handshakes); n != 1 || b.accepted.Load() != 2 {
		t.Errorf("%d handshakes, %d connections; want 1 and 2", n, b.accepted.Load())
	}
}

func deadlineOfHandshake(t *trial) {
	const limit = 500 * time.Millisecond
	b := t.switched(func(w *wire) {
		w.wantText("ping")
		w.send("pong")
		w.wantEnd()
	})
	d := t.open(engine.Settings{}, tunnelling(t.client(model.Transport{}), "http", b.addr, limit))
	w := t.dial(d.addr)
	passed := time.After(limit)
	w.send(upgrade)
	w.wantSwitch("echo")
	<-passed
	w.send("ping")
	w.wantText("pong")
	w.closeWrite()
	d.wantOutcome(t, 4, "")

	silent := t.backend(func(w *wire) { w.rest() })
	d = t.open(engine.Settings{}, tunnelling(t.client(model.Transport{}), "http", silent.addr, 50*time.Millisecond))
	w = t.dial(d.addr)
	w.send(upgrade)
	w.want(504, "")
}

func timeoutsOfServer(t *trial) {
	const limit = 500 * time.Millisecond
	b := t.switched(func(w *wire) {
		w.wantText("ping")
		w.send("pong")
		w.wantEnd()
	})
	passed := time.After(2 * limit) // engines may be late by a part
	w, d := t.tunnel(engine.Settings{ReadTimeout: limit, ReadHeaderTimeout: limit, WriteTimeout: limit, IdleTimeout: time.Hour}, b)
	<-passed
	w.send("ping")
	w.wantText("pong")
	w.closeWrite()
	d.wantOutcome(t, 4, "")
}

func idleTunnelEnds(t *trial) {
	for _, s := range []engine.Settings{{IdleTimeout: 50 * time.Millisecond}, {ReadTimeout: 50 * time.Millisecond}} {
		ended := make(chan struct{})
		b := t.switched(func(w *wire) {
			w.rest()
			close(ended)
		})
		d := t.open(s, tunnelling(t.client(model.Transport{}), "http", b.addr, 0))
		w := t.dial(d.addr)
		w.send(upgrade)
		w.wantSwitch("echo")
		w.closed()
		await(t, "the end of the connection to the backend", ended)
		d.wantOutcome(t, 0, "")
	}
}

func clientBreaks(t *trial) {
	ended := make(chan struct{})
	b := t.switched(func(w *wire) {
		w.rest()
		close(ended)
	})
	w, d := t.tunnel(engine.Settings{}, b)
	w.reset()
	await(t, "the end of the connection to the backend", ended)
	d.wantOutcome(t, 0, gateway.CodeClientGone)
}

func backendBreaks(t *trial) {
	b := t.switched(func(w *wire) {
		w.wantText("ping")
		w.reset()
	})
	w, d := t.tunnel(engine.Settings{}, b)
	w.send("ping")
	w.closed()
	d.wantOutcome(t, 0, gateway.CodeBackendAborted)
}

func shutdownWaitsForTunnels(t *trial) {
	b := t.switched(func(w *wire) {
		w.wantText("ping")
		w.send("pong")
		w.wantEnd()
	})
	w, d := t.tunnel(engine.Settings{}, b)
	stopped := make(chan error, 1)
	go func() { stopped <- d.server.Shutdown(t.context()) }()
	await(t, "the end of accepting", d.stopped)
	d.stopped <- nil // for the end of the case
	w.send("ping")
	w.wantText("pong")
	select {
	case err := <-stopped:
		t.Errorf("Shutdown returned %v before the end of the tunnel", err)
	default:
	}
	w.closeWrite()
	w.wantEnd()
	t.must(await(t, "Shutdown", stopped))
	d.wantOutcome(t, 4, "")
}

func shutdownCutsTunnels(t *trial) {
	ended := make(chan struct{})
	b := t.switched(func(w *wire) {
		w.rest()
		close(ended)
	})
	w, d := t.tunnel(engine.Settings{}, b)
	t.cut(d)
	w.closed()
	await(t, "the end of the connection to the backend", ended)
	d.wantOutcome(t, 0, gateway.CodeShutdown)
}

// cut shuts the server down at once, with something in flight.
func (t *trial) cut(d *door) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := d.server.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown = %v, want the end of the context", err)
	}
}

// shutdownCutsStuckTunnels fills a tunnel whose backend reads nothing, so that
// both directions wait for the backend.
func shutdownCutsStuckTunnels(t *trial) {
	release := make(chan struct{})
	b := t.switched(func(w *wire) { <-release })
	defer close(release)
	w, d := t.tunnel(engine.Settings{}, b)
	w.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	for text := make([]byte, 1<<20); ; {
		if _, err := w.Conn.Write(text); err != nil {
			break // nobody takes any more
		}
	}
	t.cut(d)
	if o := await(t, "the end of the exchange", d.done); o.err == nil {
		t.Error("no error")
	}
}
