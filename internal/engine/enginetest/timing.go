package enginetest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// timingCases are about the times that a call tells of where they are asked for.
var timingCases = cases{
	{"a call over HTTP/1.1 tells where its time went", timedPlain},
	{"a call over TLS tells where its time went", timedTLS},
	{"a call over HTTP/2 tells where its time went", timedStreams},
	{"the times of an answer that streams end with its body", timedBody},
	{"a call that fails tells how far it came", timedFailures},
	{"a call that is made again tells of the connection that it was made on", timedAgain},
}

// timed makes a call and returns its times, which are in order.
func (t *trial) timed(c engine.Client, x *gateway.Exchange) *gateway.Timing {
	t.Helper()
	x.Request.Timing = new(gateway.Timing)
	t.get(c, x)
	return t.ordered(x.Request.Timing)
}

func (t *trial) ordered(g *gateway.Timing) *gateway.Timing {
	t.Helper()
	made := g.Lookup + g.Connect + g.Handshake
	if g.Began.IsZero() || made > g.Connected || g.Connected > g.FirstByte || g.FirstByte > g.End || g.Connected == 0 {
		t.Errorf("times %+v are not in order", *g)
	}
	if g.Reused && made != 0 {
		t.Errorf("times %+v: a connection that was there was made", *g)
	}
	return g
}

// laps tells which parts of making a connection took time, and whether it was used before.
func laps(g *gateway.Timing) string {
	text := ""
	for _, lap := range []struct {
		name string
		took time.Duration
	}{{"lookup ", g.Lookup}, {"connect ", g.Connect}, {"handshake ", g.Handshake}} {
		if lap.took > 0 {
			text += lap.name
		}
	}
	if g.Reused {
		text += "reused"
	}
	return text
}

func timedPlain(t *trial) {
	b := t.backend(echo)
	c := t.client(model.Transport{})
	_, port, err := net.SplitHostPort(b.addr)
	t.must(err)
	for _, tt := range []struct{ host, want string }{
		{b.addr, "connect "}, {b.addr, "reused"}, {"localhost:" + port, "lookup connect "}, {"localhost:" + port, "reused"},
	} {
		if got := laps(t.timed(c, t.call(tt.host))); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.host, got, tt.want)
		}
	}
}

func timedTLS(t *trial) {
	server, client := t.identity()
	server.NextProtos = nil
	b := t.backend(func(w *wire) { echo(newWire(w.t, tls.Server(w.Conn, server), w.exit)) })
	c := t.tlsClient(client)
	for _, want := range []string{"connect handshake ", "reused"} {
		x := t.call(b.addr)
		x.Request.Scheme = "https"
		if got := laps(t.timed(c, x)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func timedStreams(t *trial) {
	server, client := t.identity()
	secure := t.backend(func(w *wire) {
		conn := tls.Server(w.Conn, server)
		if conn.Handshake() == nil {
			serveOne(conn, http.HandlerFunc(tell))
		}
	})
	plain := t.backend(serveStreams(tell))
	for _, tt := range []struct {
		scheme string
		b      *backend
		c      engine.Client
		first  string
	}{
		{"https", secure, t.tlsClient(client), "connect handshake "},
		{"http", plain, t.client(model.Transport{H2C: true}), "connect "},
	} {
		for _, want := range []string{tt.first, "reused"} {
			x := t.call(tt.b.addr)
			x.Request.Scheme = tt.scheme
			if got := laps(t.timed(tt.c, x)); got != want {
				t.Errorf("%s: %q, want %q", tt.scheme, got, want)
			}
		}
	}
}

func timedBody(t *trial) {
	for name, size := range map[string]string{"read": "Content-Length: 5", "closed": "Content-Length: 6"} {
		t.named(name, func(t *trial) {
			more := make(chan struct{})
			b := t.backend(func(w *wire) {
				w.head()
				w.lines("HTTP/1.1 103 Early Hints", "")
				w.lines("HTTP/1.1 200 OK", size, "")
				<-more
				w.send("hello")
				w.rest()
			})
			c := t.client(model.Transport{})
			x := t.call(b.addr)
			g := new(gateway.Timing)
			x.Request.Timing = g
			t.must(c.Do(t.context(), x))
			if g.FirstByte == 0 || g.End != 0 {
				t.Errorf("times %+v before the body", *g)
			}
			first := g.FirstByte
			close(more)
			r := x.Response.Body.Reader()
			io.ReadFull(r, make([]byte, 5))
			if name == "read" {
				r.Read(make([]byte, 1)) // the end
			}
			r.Close()
			if t.ordered(g).FirstByte != first {
				t.Errorf("times %+v after the body, want %v until the first byte", *g, first)
			}
		})
	}
}

func timedFailures(t *trial) {
	hangs := t.backend(func(w *wire) { w.rest() })
	stopped := t.backend(func(*wire) {})
	stopped.close()
	c := t.client(model.Transport{})
	for _, tt := range []struct {
		b         *backend
		connected bool
	}{{hangs, true}, {stopped, false}} {
		x := t.call(tt.b.addr)
		g := new(gateway.Timing)
		x.Request.Timing = g
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if err := c.Do(ctx, x); err == nil {
			t.Error("no failure")
		}
		if g.Began.IsZero() || g.Connected > 0 != tt.connected || g.FirstByte != 0 || g.End == 0 || g.Connected > g.End {
			t.Errorf("times %+v, connected %t", *g, tt.connected)
		}
	}
}

func timedAgain(t *trial) {
	b := t.backend(func(w *wire) {
		w.head()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
	}) // the connection ends without a word
	c := t.client(model.Transport{})
	for range 20 {
		if got := laps(t.timed(c, t.call(b.addr))); got != "connect " {
			t.Errorf("%q, want a connection that was made", got)
		}
	}
}
