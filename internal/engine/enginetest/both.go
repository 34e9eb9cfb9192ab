package enginetest

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/model"
)

// bothCases run a server that passes everything on through a client.
var bothCases = cases{
	{"messages pass unchanged", passUnchanged},
	{"hop-by-hop fields do not cross", hopsDoNotCross},
	{"bytes pass in both directions as they come", passAsTheyCome},
	{"server-sent events pass one by one", eventsPass},
	{"a truncated request is never forwarded as complete", truncatedRequests},
	{"a truncated answer aborts the connection", truncatedAnswers},
	{"a client that leaves frees the backend", leavingClients},
	{"a client that stalls is told that its time is over", stallingClients},
	{"HEAD announces what the backend announces", headPasses},
	{"many clients at once get their own answers", manyClients},
}

func passUnchanged(t *trial) {
	long := strings.Repeat("0123456789", 20000)
	chunks := func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text), text) }
	b := t.backend(func(w *wire) {
		for w.more() {
			h := w.head()
			text := h.start + " " + w.content(h)
			if strings.Contains(h.start, "/chunked") {
				w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks(text))
				continue
			}
			w.send("HTTP/1.1 200 OK\r\nContent-Length: ", fmt.Sprint(len(text)), "\r\n\r\n", text)
		}
	})
	d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
	w := t.dial(d.addr)
	for _, path := range []string{"/a%2Fb//c?x=%20", "/chunked", "//a"} {
		for _, text := range []string{"", "hello", long} {
			w.lines("POST "+path+" HTTP/1.1", "Host: h", fmt.Sprint("Content-Length: ", len(text)), "")
			w.send(text)
			w.want(200, "POST "+path+" HTTP/1.1 "+text)
			if text == "" {
				continue
			}
			w.lines("PUT "+path+" HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "")
			w.send(chunks(text))
			w.want(200, "PUT "+path+" HTTP/1.1 "+text)
		}
		w.lines("GET "+path+" HTTP/1.1", "Host: h", "")
		w.want(200, "GET "+path+" HTTP/1.1 ")
	}
	if n := b.accepted.Load(); n != 1 {
		t.Errorf("%d connections to the backend, want 1", n)
	}
}

func hopsDoNotCross(t *trial) {
	heads := make(chan head, 1)
	b := t.backend(func(w *wire) {
		heads <- w.head()
		w.lines("HTTP/1.1 200 OK", "Connection: X-Secret, keep-alive", "X-Secret: 1", "Keep-Alive: timeout=1", "Content-Length: 0", "X-A: 1", "")
	})
	d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
	w := t.dial(d.addr)
	w.lines("GET / HTTP/1.1", "Host: h", "Connection: keep-alive", "Keep-Alive: 300", "Te: trailers", "Upgrade: h2c", "Proxy-Authorization: x", "X-A: 1", "")
	h := w.want(200, "")
	if got, want := h.names(), []string{"Content-Length", "Date", "X-A"}; !slices.Equal(got, want) {
		t.Errorf("answer with %v, want %v", got, want)
	}
	if got, want := await(t, "the request", heads).names(), []string{"Host", "X-A"}; !slices.Equal(got, want) {
		t.Errorf("request with %v, want %v", got, want)
	}
}

func passAsTheyCome(t *trial) {
	b := t.backend(func(w *wire) {
		h := w.head()
		w.lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Content-Type: a/b", "")
		for h.get("Transfer-Encoding") == "chunked" {
			text := w.chunk()
			if text == "" {
				break
			}
			w.send(fmt.Sprintf("%x\r\n%s\r\n", len(text), text))
		}
		w.lines("0", "")
	})
	d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
	w := t.dial(d.addr)
	w.lines("POST / HTTP/1.1", "Host: h", "Transfer-Encoding: chunked", "")
	for i, part := range []string{"one", "two", "six"} {
		w.send("3\r\n", part, "\r\n")
		if i == 0 {
			w.head()
		}
		if got := w.chunk(); got != part {
			t.Errorf("part %q, want %q", got, part)
		}
	}
	w.lines("0", "")
	if got := w.chunk(); got != "" {
		t.Errorf("part %q after the end", got)
	}
}

func eventsPass(t *trial) {
	seen := make(chan struct{})
	b := t.backend(func(w *wire) {
		w.head()
		w.lines("HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", "")
		for i := range 3 {
			<-seen
			w.send(fmt.Sprintf("9\r\ndata: %d\n\n\r\n", i))
		}
		w.lines("0", "")
	})
	d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
	w := t.dial(d.addr)
	w.send(get)
	w.head()
	for i := range 3 {
		seen <- struct{}{}
		if got, want := w.chunk(), fmt.Sprintf("data: %d\n\n", i); got != want {
			t.Errorf("event %q, want %q", got, want)
		}
	}
	w.chunk()
}

func truncatedRequests(t *trial) {
	for _, text := range []string{
		"Content-Length: 5\r\n\r\nhel",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\nzz\r\n",
	} {
		got := make(chan string, 1)
		b := t.backend(func(w *wire) {
			all, _ := w.rest()
			_, all, _ = strings.Cut(all, "\r\n\r\n")
			got <- all
		})
		d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
		w := t.dial(d.addr)
		w.send("POST / HTTP/1.1\r\nHost: h\r\n", text)
		w.Conn.(*net.TCPConn).CloseWrite()
		await(t, "the end of the exchange", d.done)
		if b.accepted.Load() == 0 {
			continue // given up before the backend was called
		}
		if all := await(t, "the end of the connection", got); len(all) == 5 || strings.HasSuffix(all, "0\r\n\r\n") {
			t.Errorf("%q was forwarded as %q", text, all)
		}
	}
}

func truncatedAnswers(t *trial) {
	for _, text := range []string{
		"Content-Length: 5\r\n\r\nhel",
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
		"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
	} {
		b := t.backend(func(w *wire) {
			w.head()
			w.send("HTTP/1.1 200 OK\r\n", text)
		})
		d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
		w := t.dial(d.addr)
		w.send(get)
		all, _ := w.rest()
		_, all, _ = strings.Cut(all, "\r\n\r\n")
		if all != "hel" && all != "3\r\nhel\r\n" {
			t.Errorf("%q arrived as %q", text, all)
		}
		if o := await(t, "the end of the exchange", d.done); o.err == nil || o.written != 3 {
			t.Errorf("%q: written %d, %v, want 3 and an error", text, o.written, o.err)
		}
	}
}

func leavingClients(t *trial) {
	for _, beginning := range []string{"", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"} {
		entered, left := make(chan struct{}), make(chan struct{})
		b := t.backend(func(w *wire) {
			w.head()
			w.send(beginning)
			close(entered)
			w.rest()
			close(left)
		})
		d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
		w := t.dial(d.addr)
		w.send(get)
		await(t, "the call", entered)
		if beginning != "" {
			w.head()
		}
		w.Close()
		await(t, "the end of the connection", left)
		await(t, "the end of the exchange", d.done)
	}
}

func stallingClients(t *trial) {
	for _, framing := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked"} {
		b := t.backend(func(w *wire) { w.rest() })
		d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 50*time.Millisecond))
		w := t.dial(d.addr)
		w.lines("POST / HTTP/1.1", "Host: h", framing, "")
		w.send("3\r\nabc\r\n")
		w.want(504, "")
		w.Close()
	}
}

func headPasses(t *trial) {
	b := t.backend(func(w *wire) {
		for w.more() {
			w.head()
			w.lines("HTTP/1.1 200 OK", "Content-Length: 123456789012", "X-A: 1", "")
		}
	})
	d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
	w := t.dial(d.addr)
	for range 2 {
		w.lines("HEAD / HTTP/1.1", "Host: h", "")
		if h := w.head(); h.get("Content-Length") != "123456789012" || h.get("X-A") != "1" {
			t.Errorf("fields %v", h.fields)
		}
	}
}

func manyClients(t *trial) {
	const clients, each = 16, 30
	b := t.backend(echo)
	d := t.open(engine.Settings{}, forward(t.client(model.Transport{}), b.addr, 0))
	var wg sync.WaitGroup
	for i := range clients {
		conn, err := net.Dial("tcp", d.addr)
		t.must(err)
		wg.Go(func() {
			defer conn.Close()
			w := newWire(t.T, conn, runtime.Goexit)
			for j := range each {
				text := strings.Repeat(fmt.Sprintf("%d/%d;", i, j), 1+j*20)
				w.lines(fmt.Sprintf("POST /%d/%d HTTP/1.1", i, j), "Host: h", fmt.Sprint("Content-Length: ", len(text)), "")
				w.send(text)
				w.want(200, fmt.Sprintf("POST /%d/%d HTTP/1.1 %s", i, j, text))
			}
		})
	}
	wg.Wait()
}
