package fast

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

const (
	okHead = "HTTP/1.1 200 OK\r\n"
	hello  = okHead + "Content-Length: 5\r\n\r\nhello"
	empty  = "HTTP/1.1 204 No Content\r\n\r\n"
)

// newClient returns a client that is closed with the test, after which no
// goroutine may be left.
func newClient(t testing.TB, settings model.Transport, s *tls.Config) *Client {
	if t, ok := t.(*testing.T); ok {
		before := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, before) })
	}
	c := NewClient(settings, s).(*Client)
	t.Cleanup(c.Close)
	return c
}

// newCall returns an exchange for a call.
func newCall(t testing.TB, method, addr string, payload body.Body) *gateway.Exchange {
	x := gateway.Acquire(nil)
	t.Cleanup(x.Release)
	q := &x.Request
	q.Method, q.Scheme, q.Host, q.Path, q.Body = method, "http", addr, "/", payload
	return x
}

func streamOf(text string, size int64) body.Body {
	return body.FromStream(io.NopCloser(strings.NewReader(text)), size)
}

// fetch makes a call and reads its answer: status and body, or "" and the
// error.
func fetch(ctx context.Context, c *Client, x *gateway.Exchange) (string, error) {
	if err := c.Do(ctx, x); err != nil {
		return "", err
	}
	text, err := x.Response.Body.Bytes(0)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d %s", x.Response.Status, text), nil
}

func wantAnswer(t *testing.T, c *Client, x *gateway.Exchange, want string) {
	t.Helper()
	if got, err := fetch(t.Context(), c, x); err != nil || got != want {
		t.Fatalf("answer %q, %v, want %q", got, err, want)
	}
}

func wantError(t *testing.T, err error, code string, unreached bool) {
	t.Helper()
	e, ok := err.(*gateway.Error)
	if !ok || e.Code != code || errors.Is(err, gateway.ErrUnreached) != unreached {
		t.Errorf("error %v of type %T, want the code %s, reached nobody %t", err, err, code, unreached)
	}
}

// endRests lets the idle connections have rested enough.
func endRests(c *Client) {
	for _, l := range idleLinks(c) {
		l.rests = l.since
	}
}

func TestFraming(t *testing.T) {
	const refused = ""
	chunked := okHead + "Transfer-Encoding: chunked\r\n\r\n"
	tests := []struct {
		name, answer string
		want         string
		kept         bool // the connection carries the next call
	}{
		{"a length", hello, "200 hello", true},
		{"chunks", chunked + "5\r\nhello\r\n0\r\n\r\n", "200 hello", true},
		{"chunks with extensions and trailers", chunked + "5;a=\"b\"\r\nhello\r\n00\r\nX-T: 1\r\n\r\n", "200 hello", true},
		{"no framing", okHead + "\r\nhello", "200 hello", false},
		{"close", okHead + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", "200 hello", false},
		{"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 hello", false},
		{"HTTP/1.0 that keeps", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", "200 hello", true},
		{"bytes nobody asked for", hello + "x", "200 hello", false},
		{"another answer nobody asked for", hello + hello, "200 hello", false},
		{"204 with a body", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "204 ", false},
		{"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 ", true},
		{"a length twice", okHead + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "200 hello", true},
		{"two lengths", okHead + "Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello", refused, false},
		{"a list of lengths", okHead + "Content-Length: 5, 5\r\n\r\nhello", refused, false},
		{"a signed length", okHead + "Content-Length: +5\r\n\r\nhello", refused, false},
		{"an endless length", okHead + "Content-Length: 99999999999999999999\r\n\r\nhello", refused, false},
		{"length and chunks", okHead + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", refused, false},
		{"another coding", okHead + "Transfer-Encoding: gzip, chunked\r\n\r\n", refused, false},
		{"identity", okHead + "Transfer-Encoding: identity\r\n\r\nhello", refused, false},
		{"chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", refused, false},
		{"bare line feeds", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "200 hello", true},
		{"a folded line", okHead + "A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello", "200 hello", true},
		{"a space before the colon", okHead + "Content-Length : 5\r\n\r\nhello", "200 hello", true},
		{"a length folded", okHead + "Content-Length:\r\n 5\r\n\r\nhello", refused, false},
		{"two spellings of a length", okHead + "Content-Length: 5\r\nContent-Length: 05\r\n\r\nhello", refused, false},
		{"a space behind a size", chunked + "5 \r\nhello\r\n0\r\n\r\n", "200 hello", true},
		{"extensions", chunked + "5 ; a = \"b c\"\r\nhello\r\n0;d\r\n\r\n", "200 hello", true},
		{"an extension without a name", chunked + "5;\r\nhello\r\n0\r\n\r\n", refused, false},
		{"a null byte", okHead + "A: \x00\r\nContent-Length: 5\r\n\r\nhello", refused, false},
		{"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", refused, false},
		{"a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello", refused, false},
		{"a chunk that is too short", chunked + "6\r\nhello\r\n0\r\n\r\n", refused, false},
		{"a chunk that is too long", chunked + "4\r\nhello\r\n0\r\n\r\n", refused, false},
		{"a chunk without a size", chunked + "\r\nhello\r\n0\r\n\r\n", refused, false},
		{"a chunk with a prefix", chunked + "0x5\r\nhello\r\n0\r\n\r\n", refused, false},
		{"a chunk of 2^64", chunked + "10000000000000005\r\nhello\r\n0\r\n\r\n", refused, false},
		{"chunks with bare line feeds", chunked + "5\nhello\n0\n\n", refused, false},
		{"a trailer that frames and is dropped", chunked + "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n", "200 hello", true},
		{"a trailer that is no field", chunked + "5\r\nhello\r\n0\r\nX A: b\r\n\r\n", refused, false},
		{"bytes behind trailers", chunked + "5\r\nhello\r\n0\r\nX-A: b\r\n\r\n" + hello, "200 hello", false},
		{"no last chunk", chunked + "5\r\nhello\r\n", refused, false},
		{"too short", okHead + "Content-Length: 6\r\n\r\nhello", refused, false},
		{"another protocol", "HTTP/1.1 101 Switching Protocols\r\n\r\n", refused, false},
		{"many interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", 100) + hello, "200 hello", true},
		{"interim answers of 1 MB in all", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", 30_000) + hello, refused, false},
		{"a large header", okHead + "A: " + strings.Repeat("x", 900<<10) + "\r\nContent-Length: 5\r\n\r\nhello", "200 hello", true},
		{"a header without end", okHead + "A: " + strings.Repeat("x", 2<<20), refused, false},
		{"many fields", okHead + strings.Repeat("A: b\r\n", 999) + "Content-Length: 5\r\n\r\nhello", "200 hello", true},
		{"too many fields", okHead + strings.Repeat("A: b\r\n", 1001) + "Content-Length: 5\r\n\r\nhello", refused, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, func(w *wireEnd) {
				w.request()
				w.send(tt.answer)
				if !tt.kept {
					return
				}
				w.request()
				w.send(empty)
				w.closed()
			})
			c := newClient(t, model.Transport{}, nil)
			got, err := fetch(t.Context(), c, newCall(t, "GET", s.addr, body.Body{}))
			if got != tt.want || (err == nil) != (tt.want != refused) {
				t.Fatalf("answer %q, %v, want %q", got, err, tt.want)
			}
			if idle := c.idle.Load(); (idle == 1) != tt.kept {
				t.Errorf("%d connections are idle, want one %t", idle, tt.kept)
			}
			if tt.kept {
				endRests(c)
				wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "204 ")
			}
		})
	}
}

// TestStale shows which calls are made again when the connection turns out to
// be closed.
func TestStale(t *testing.T) {
	keyed := gateway.Fields{{Name: "Idempotency-Key", Value: "1"}}
	tests := []struct {
		name, method string
		header       gateway.Fields
		body         func() body.Body
		second       string // what the backend answers to the second request of its first connection
		want         string // "" for an error
	}{
		{"GET", "GET", nil, nil, "", "200 GET / "},
		{"HEAD", "HEAD", nil, nil, "", "200 "},
		{"OPTIONS with a body", "OPTIONS", nil, func() body.Body { return body.FromBytes([]byte("hello")) }, "", "200 OPTIONS / hello"},
		{"GET with a large body", "GET", nil, func() body.Body { return body.FromBytes(make([]byte, inlineLimit+1)) }, "", "200 GET / " + string(make([]byte, inlineLimit+1))},
		{"POST with a key", "POST", keyed, func() body.Body { return body.FromBytes([]byte("hello")) }, "", "200 POST / hello"},
		{"POST", "POST", nil, func() body.Body { return body.FromBytes([]byte("hello")) }, "", ""},
		{"POST without a body", "POST", nil, nil, "", ""},
		{"PUT", "PUT", nil, func() body.Body { return body.FromBytes([]byte("hello")) }, "", ""},
		{"DELETE", "DELETE", nil, nil, "", ""},
		{"GET with a stream", "GET", nil, func() body.Body { return streamOf("hello", 5) }, "", ""},
		{"GET whose answer has begun", "GET", nil, nil, "HTTP/1.1 2", ""},
		{"GET whose answer is none", "GET", nil, nil, "hello", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, func(w *wireEnd) {
				for i := 0; w.request(); i++ {
					if w.nth == 1 && i == 1 {
						w.send(tt.second)
						return
					}
					text := w.last
					w.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", okHead, len(text)))
					if !strings.HasPrefix(text, "HEAD") {
						w.send(text)
					}
				}
			})
			c := newClient(t, model.Transport{}, nil)
			wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 GET / ")
			x := newCall(t, tt.method, s.addr, body.Body{})
			x.Request.Header = tt.header
			if tt.body != nil {
				x.Request.Body = tt.body()
			}
			got, err := fetch(t.Context(), c, x)
			if got != tt.want {
				t.Errorf("answer %.80q, %v, want %.80q", got, err, tt.want)
			}
			if tt.want == "" {
				wantError(t, err, gateway.CodeBackendAborted, false)
			}
			want := int64(1)
			if tt.want != "" {
				want = 2
			}
			if n := s.accepted.Load(); n != want {
				t.Errorf("%d connections, want %d", n, want)
			}
		})
	}
}

// TestStaleOnce: a backend that closes every connection is not asked for ever.
func TestStaleOnce(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		if w.nth == 1 && w.request() {
			w.send(hello)
		}
		w.request()
	})
	c := newClient(t, model.Transport{}, nil)
	wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 hello")
	wantError(t, c.Do(t.Context(), newCall(t, "GET", s.addr, body.Body{})), gateway.CodeBackendAborted, false)
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestUnwritten: a call of which nothing could be sent is made again, whatever
// its method.
func TestUnwritten(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		for w.request() {
			w.send(hello)
		}
	})
	c := newClient(t, model.Transport{}, nil)
	for _, payload := range []body.Body{{}, body.FromBytes([]byte("hello")), body.FromBytes(make([]byte, inlineLimit+1)), streamOf("hello", 5), streamOf("hello", -1)} {
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 hello")
		for _, l := range idleLinks(c) {
			l.raw, l.direct = nil, false // nobody can look at it
			l.socket.Close()
		}
		wantAnswer(t, c, newCall(t, "POST", s.addr, payload), "200 hello")
	}
}

// TestSpoiled: a connection that was closed, or on which something came, while
// it was idle is noticed before a call that cannot be repeated is sent on it.
func TestSpoiled(t *testing.T) {
	for name, spoil := range map[string]func(w *wireEnd){
		"closed": func(w *wireEnd) {},
		"reset":  func(w *wireEnd) { w.reset() },
		"spoken": func(w *wireEnd) { w.send("HTTP/1.1 408 Request Timeout\r\n\r\n"); w.closed() },
	} {
		t.Run(name, func(t *testing.T) {
			spoiling := make(chan struct{})
			s := newScript(t, func(w *wireEnd) {
				w.request()
				w.send(hello)
				if w.nth == 1 {
					<-spoiling
					spoil(w)
					return
				}
				w.closed()
			})
			c := newClient(t, model.Transport{}, nil)
			wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 hello")
			l := idleLinks(c)[0]
			close(spoiling)
			for !l.spoiled() {
				time.Sleep(time.Millisecond)
			}
			wantAnswer(t, c, newCall(t, "POST", s.addr, streamOf("hello", 5)), "200 hello")
		})
	}
}

// TestMoreBehind: what comes behind an answer is not taken for the next one,
// however young the connection is and wherever the answer ends in memory.
func TestMoreBehind(t *testing.T) {
	const more = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore"
	for _, size := range []int{5, 4 << 10, 64 << 10, 200_000, 300_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			text := strings.Repeat("x", size)
			s := newScript(t, func(w *wireEnd) {
				w.request()
				w.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", okHead, size, text) + more)
				w.closed()
			})
			c := newClient(t, model.Transport{}, nil)
			for range 3 {
				wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 "+text)
				for _, l := range idleLinks(c) {
					for !l.spoiled() {
						time.Sleep(time.Millisecond)
					}
					l.since = time.Now().Add(time.Hour)
				}
			}
		})
	}
}

// A gathered connection sends what is written to it in one segment.
type gathered struct {
	net.Conn
	holds bool
	held  []byte
}

func (g *gathered) Write(p []byte) (int, error) {
	if g.holds {
		g.held = append(g.held, p...)
		return len(p), nil
	}
	return g.Conn.Write(p)
}

func (g *gathered) flush() {
	g.holds = false
	g.Conn.Write(g.held)
	g.held = nil
}

// TestMoreBehindTLS: what comes behind an answer in a record of its own has been
// read from the socket, although nobody has seen it.
func TestMoreBehindTLS(t *testing.T) {
	server, client := authority(t)
	client.ServerName = "a.test"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer raw.Close()
				g := &gathered{Conn: raw}
				conn := tls.Server(g, server)
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				g.holds = true
				io.WriteString(conn, hello)
				io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore")
				g.flush()
				io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	c := newClient(t, model.Transport{}, client)
	for _, method := range []string{"GET", "POST", "GET"} {
		x := newCall(t, method, l.Addr().String(), body.Body{})
		x.Request.Scheme = "https"
		wantAnswer(t, c, x, "200 hello")
		for _, l := range idleLinks(c) {
			l.since = time.Now().Add(time.Hour) // nobody looks for its age
		}
	}
}

// idleLinks returns the idle connections of all hosts.
func idleLinks(c *Client) []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*link
	for _, h := range c.hosts {
		h.mu.Lock()
		all = append(all, h.idle...)
		h.mu.Unlock()
	}
	return all
}

// TestCareless: a backend that sends more than answers is careless for a minute behind
// the last time.
func TestCareless(t *testing.T) {
	h := &host{made: time.Now()}
	after := func(d time.Duration, want bool) {
		t.Helper()
		if got := h.careless(h.made.Add(d)); got != want {
			t.Errorf("after %v: careless %t, want %t", d, got, want)
		}
	}
	after(0, false)
	h.doubt(h.made.Add(time.Second))
	after(time.Second, true)
	after(60*time.Second, true)
	after(61*time.Second, false)
	h.doubt(h.made.Add(50 * time.Second))
	after(61*time.Second, true)
	after(110*time.Second, false)
}

func TestPool(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		for w.request() {
			w.send(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n1\r\n%d\r\n0\r\n\r\n", okHead, w.nth))
		}
	})
	// three makes three calls at once and ends them in the order of their
	// connections, by reading their bodies.
	three := func(c *Client) {
		var calls []*gateway.Exchange
		for range 3 {
			x := newCall(t, "GET", s.addr, body.Body{})
			if err := c.Do(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			calls = append(calls, x)
		}
		for _, x := range calls {
			if _, err := x.Response.Body.Bytes(0); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("the last one that became idle comes first", func(t *testing.T) {
		s.accepted.Store(0)
		c := newClient(t, model.Transport{}, nil)
		three(c)
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 3")
	})
	t.Run("a limit for each host keeps the first ones", func(t *testing.T) {
		s.accepted.Store(0)
		c := newClient(t, model.Transport{MaxIdleConnectionsPerHost: 2}, nil)
		three(c)
		if n := c.idle.Load(); n != 2 {
			t.Errorf("%d are idle, want 2", n)
		}
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 2")
	})
	t.Run("a limit for all hosts keeps the last ones", func(t *testing.T) {
		s.accepted.Store(0)
		c := newClient(t, model.Transport{MaxIdleConnections: 1}, nil)
		three(c)
		if n := c.idle.Load(); n != 1 {
			t.Errorf("%d are idle, want 1", n)
		}
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 3")
	})
	t.Run("what is idle for too long is not used", func(t *testing.T) {
		s.accepted.Store(0)
		c := newClient(t, model.Transport{IdleConnectionTimeout: config.Duration(time.Hour)}, nil)
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 1")
		idleLinks(c)[0].since = time.Now().Add(-time.Hour)
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 2")
	})
	t.Run("what is too old is not kept", func(t *testing.T) {
		s.accepted.Store(0)
		c := newClient(t, model.Transport{}, nil)
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 1")
		idleLinks(c)[0].born = time.Now().Add(-maxAge)
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 1")
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 2")
	})
	t.Run("a host without connections is forgotten", func(t *testing.T) {
		c := newClient(t, model.Transport{IdleConnectionTimeout: config.Duration(time.Hour)}, nil)
		wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 "+fmt.Sprint(s.accepted.Load()+1))
		for _, h := range c.hosts {
			h.made = time.Now().Add(-sweepAtLeast)
		}
		c.sweep()
		if len(c.hosts) != 1 || c.idle.Load() != 1 {
			t.Errorf("%d hosts and %d idle connections after the first sweep, want 1 and 1", len(c.hosts), c.idle.Load())
		}
		idleLinks(c)[0].since = time.Now().Add(-time.Hour)
		c.sweep()
		if len(c.hosts) != 0 || c.idle.Load() != 0 {
			t.Errorf("%d hosts and %d idle connections after the second sweep, want none", len(c.hosts), c.idle.Load())
		}
	})
	t.Run("nothing is kept after Close", func(t *testing.T) {
		c := newClient(t, model.Transport{}, nil)
		x := newCall(t, "GET", s.addr, body.Body{})
		if err := c.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if _, err := x.Response.Body.Bytes(0); err != nil {
			t.Errorf("the call in flight: %v", err)
		}
		if n := c.idle.Load(); n != 0 {
			t.Errorf("%d are idle, want none", n)
		}
	})
}

// TestClose shows what becomes of a connection whose body was not read to its
// end.
func TestClose(t *testing.T) {
	tests := []struct {
		name, answer string
		kept         bool
	}{
		{"all has arrived", hello, true},
		{"all chunks have arrived", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true},
		{"something is missing", okHead + "Content-Length: 6\r\n\r\nhello", false},
		{"the last chunk is missing", okHead + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false},
		{"the end is that of the connection", okHead + "\r\nhello", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, func(w *wireEnd) {
				for w.request() {
					w.send(tt.answer)
				}
			})
			c := newClient(t, model.Transport{}, nil)
			for range 2 {
				x := newCall(t, "GET", s.addr, body.Body{})
				if err := c.Do(t.Context(), x); err != nil {
					t.Fatal(err)
				}
				r := x.Response.Body.Reader()
				one := make([]byte, 1)
				if _, err := io.ReadFull(r, one); err != nil {
					t.Fatal(err)
				}
				r.Close()
				r.Close() // nothing happens
				if n, err := r.Read(one); n != 0 || err == nil || err == io.EOF {
					t.Errorf("Read after Close: %d, %v, want an error", n, err)
				}
				if n := c.idle.Load(); (n == 1) != tt.kept {
					t.Errorf("%d connections are idle, want one %t", n, tt.kept)
				}
			}
		})
	}
}

// TestUsedAgain: whoever still holds the body of an answer cannot touch the
// next call on the connection.
func TestUsedAgain(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		for w.request() {
			w.send(hello)
		}
	})
	c := newClient(t, model.Transport{}, nil)
	first, second := newCall(t, "GET", s.addr, body.Body{}), newCall(t, "GET", s.addr, body.Body{})
	if err := c.Do(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	r := first.Response.Body.Reader()
	if text, err := io.ReadAll(r); string(text) != "hello" || err != nil {
		t.Fatalf("body %q, %v", text, err)
	}
	if err := c.Do(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
		t.Errorf("Read after the end: %d, %v", n, err)
	}
	r.Close()
	if text, err := second.Response.Body.Bytes(0); string(text) != "hello" || err != nil {
		t.Errorf("second body %q, %v", text, err)
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestCancel ends the context at every stage of a call, soon and late.
func TestCancel(t *testing.T) {
	reached := make(chan struct{}, 1)
	stages := []struct {
		name string
		play func(w *wireEnd)
		body func() body.Body
		read bool // the head comes
	}{
		{"before the answer", func(w *wireEnd) { w.request(); reached <- struct{}{}; w.closed() }, nil, false},
		{"within the head", func(w *wireEnd) { w.request(); w.send(okHead); reached <- struct{}{}; w.closed() }, nil, false},
		{"within the body", func(w *wireEnd) {
			w.request()
			w.send(okHead + "Content-Length: 6\r\n\r\nhello")
			reached <- struct{}{}
			w.closed()
		}, nil, true},
		{"within a large request", func(w *wireEnd) { w.r.Peek(1); reached <- struct{}{}; <-w.released }, func() body.Body { return body.FromBytes(make([]byte, 64<<20)) }, false},
		{"within a stream", func(w *wireEnd) { w.r.Peek(1); reached <- struct{}{}; w.closed() }, func() body.Body {
			r, _ := io.Pipe() // closed with its exchange
			return body.FromStream(r, -1)
		}, false},
	}
	for _, stage := range stages {
		for _, wait := range []time.Duration{0, 5 * tick} {
			t.Run(fmt.Sprintf("%s after %v", stage.name, wait), func(t *testing.T) {
				s := newScript(t, stage.play)
				c := newClient(t, model.Transport{}, nil)
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-reached
					time.Sleep(wait)
					cancel()
				}()
				x := newCall(t, "GET", s.addr, body.Body{})
				if stage.body != nil {
					x.Request.Body = stage.body()
				}
				err := c.Do(ctx, x)
				if stage.read {
					if err != nil {
						t.Fatal(err)
					}
					_, err = x.Response.Body.Bytes(0)
				}
				wantError(t, err, gateway.CodeClientGone, false)
				if n := c.idle.Load(); n != 0 {
					t.Errorf("%d connections are idle, want none", n)
				}
				s.release()
			})
		}
	}
}

// TestContested: a call that is one of several is not looked at now and then, its
// context ends it.
func TestContested(t *testing.T) {
	reached := make(chan struct{}, 1)
	s := newScript(t, func(w *wireEnd) { w.request(); reached <- struct{}{}; w.closed() })
	c := newClient(t, model.Transport{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	x := newCall(t, "GET", s.addr, body.Body{})
	x.Request.Contested = true
	done := make(chan error, 1)
	go func() { done <- c.Do(ctx, x) }()
	<-reached
	h := c.host(&x.Request)
	h.mu.Lock()
	calls, young, next := h.calls, len(h.young), h.next
	h.mu.Unlock()
	if calls != 1 || young != 0 || !next.IsZero() {
		t.Errorf("%d calls, %d of them looked at, next at %v; want one that is not", calls, young, next)
	}
	cancel()
	wantError(t, <-done, gateway.CodeClientGone, false)
}

// TestCancelled: a context that is done reaches nobody.
func TestCancelled(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantError(t, newClient(t, model.Transport{}, nil).Do(ctx, newCall(t, "GET", s.addr, body.Body{})), gateway.CodeClientGone, true)
	if n := s.accepted.Load(); n != 0 {
		t.Errorf("%d connections, want none", n)
	}
}

// TestLateCancel: the end of a context after its call does not touch the
// connection, which may carry another call then.
func TestLateCancel(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		for w.request() {
			time.Sleep(3 * tick / 2)
			w.send(hello)
		}
	})
	c := newClient(t, model.Transport{}, nil)
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		if got, err := fetch(ctx, c, newCall(t, "GET", s.addr, body.Body{})); got != "200 hello" {
			t.Fatalf("answer %q, %v", got, err)
		}
		cancel()
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestEarlyAnswer: an answer that comes before the request is sent is used, and
// costs the connection.
func TestEarlyAnswer(t *testing.T) {
	const early = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
	stalled, _ := io.Pipe() // closed with its exchange
	tests := []struct {
		name string
		body body.Body
		gone bool // the backend closes without reading
	}{
		{"in memory", body.FromBytes(make([]byte, 64<<20)), false},
		{"in memory, to a backend that leaves", body.FromBytes(make([]byte, 64<<20)), true},
		{"a stream", body.FromStream(io.NopCloser(io.LimitReader(zeros{}, 64<<20)), 64<<20), false},
		{"a stream without size", body.FromStream(io.NopCloser(io.LimitReader(zeros{}, 64<<20)), -1), false},
		{"a stream, to a backend that leaves", body.FromStream(io.NopCloser(zeros{}), -1), true},
		{"a stream that stalls", body.FromStream(stalled, -1), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, func(w *wireEnd) {
				http.ReadRequest(w.r)
				w.send(early)
				if !tt.gone {
					<-w.released
				}
			})
			c := newClient(t, model.Transport{}, nil)
			wantAnswer(t, c, newCall(t, "POST", s.addr, tt.body), "413 no")
			if n := c.idle.Load(); n != 0 {
				t.Errorf("%d connections are idle, want none", n)
			}
			s.release()
		})
	}
}

// zeros is a source without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestFullDuplex: a backend may answer while it reads. The memory of the
// request may be gone then.
func TestFullDuplex(t *testing.T) {
	const size = 8 << 20
	s := newScript(t, func(w *wireEnd) {
		for {
			r, err := http.ReadRequest(w.r)
			if err != nil {
				return
			}
			w.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", okHead, size))
			io.Copy(w.Conn, r.Body)
		}
	})
	c := newClient(t, model.Transport{}, nil)
	for name, payload := range map[string]func([]byte) body.Body{
		"memory": body.FromBytes,
		"sized":  func(p []byte) body.Body { return streamOf(string(p), size) },
		"chunks": func(p []byte) body.Body { return streamOf(string(p), -1) },
	} {
		sent := bytes.Repeat([]byte(name[:1]), size)
		want := bytes.Clone(sent)
		x := newCall(t, "POST", s.addr, payload(sent))
		if err := c.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		clear(sent)
		got, err := x.Response.Body.Bytes(0)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v, want %d as they were sent", name, len(got), err, size)
		}
	}
	if n := s.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestExpect(t *testing.T) {
	tests := []struct {
		name, first string
		wait        time.Duration
		want, body  string // the answer, and what the backend gets as the body
		kept        bool
	}{
		{"told to continue", "HTTP/1.1 100 Continue\r\n\r\n", time.Minute, "200 hello", "hello", true},
		{"told something else first", "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", time.Minute, "200 hello", "hello", true},
		{"told nothing", "", 10 * time.Millisecond, "200 hello", "hello", true},
		{"nobody waits", "", 0, "200 hello", "hello", true},
		{"refused", "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno", time.Minute, "417 no", "", false},
	}
	for _, tt := range tests {
		for _, payload := range []body.Body{body.FromBytes([]byte("hello")), streamOf("hello", 5), streamOf("hello", -1)} {
			t.Run(fmt.Sprintf("%s, %s of size %d", tt.name, payload.Form(), payload.Size()), func(t *testing.T) {
				got := make(chan string, 1)
				s := newScript(t, func(w *wireEnd) {
					r, err := http.ReadRequest(w.r)
					if err != nil {
						return
					}
					w.send(tt.first)
					text, _ := io.ReadAll(r.Body)
					got <- string(text)
					w.send(hello)
					w.closed()
				})
				c := newClient(t, model.Transport{ExpectContinueTimeout: config.Duration(tt.wait), ResponseHeaderTimeout: config.Duration(time.Minute)}, nil)
				x := newCall(t, "POST", s.addr, payload)
				x.Request.Header.Add("Expect", "100-Continue")
				wantAnswer(t, c, x, tt.want)
				if n := c.idle.Load(); (n == 1) != tt.kept {
					t.Errorf("%d connections are idle, want one %t", n, tt.kept)
				}
				if text := <-got; text != tt.body {
					t.Errorf("the backend got %q, want %q", text, tt.body)
				}
			})
		}
	}
}

// TestHeaderTimeout: the wait for an answer begins when the request is sent.
func TestHeaderTimeout(t *testing.T) {
	s := newScript(t, func(w *wireEnd) { w.request(); w.closed() })
	c := newClient(t, model.Transport{ResponseHeaderTimeout: config.Duration(20 * time.Millisecond)}, nil)
	for _, payload := range []body.Body{{}, body.FromBytes([]byte("hello")), body.FromBytes(make([]byte, 1<<20)), streamOf("hello", 5), streamOf("hello", -1)} {
		wantError(t, c.Do(t.Context(), newCall(t, "POST", s.addr, payload)), gateway.CodeTimeout, false)
	}
	slow := newScript(t, func(w *wireEnd) { w.request(); w.send(hello) })
	late := body.FromStream(io.NopCloser(io.MultiReader(&napping{}, strings.NewReader("hello"))), 5)
	wantAnswer(t, c, newCall(t, "POST", slow.addr, late), "200 hello")
	slowBody := newScript(t, func(w *wireEnd) {
		w.request()
		w.send(hello[:len(hello)-1])
		time.Sleep(60 * time.Millisecond)
		w.send("o")
	})
	wantAnswer(t, c, newCall(t, "POST", slowBody.addr, streamOf("hello", 5)), "200 hello")
	wantAnswer(t, c, newCall(t, "GET", slowBody.addr, streamOf("", 0)), "200 hello")
}

// A napping stream takes its time to be empty.
type napping struct{}

func (*napping) Read([]byte) (int, error) {
	time.Sleep(60 * time.Millisecond)
	return 0, io.EOF
}

// A waiting stream knows how much of it has arrived.
type waiting struct{ *bytes.Buffer }

func (waiting) Buffered() int { return 5 }
func (waiting) Close() error  { panic("the stream is not ours to close") }

// TestBuffered: a stream that has arrived goes out with the head.
func TestBuffered(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		all := make([]byte, 1000)
		n, _ := w.Read(all)
		text := string(all[:n])
		w.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", okHead, n, text))
	})
	c := newClient(t, model.Transport{}, nil)
	x := newCall(t, "POST", s.addr, body.FromStream(waiting{bytes.NewBufferString("hello")}, 5))
	wantAnswer(t, c, x, "200 POST / HTTP/1.1\r\nHost: "+s.addr+"\r\nContent-Length: 5\r\n\r\nhello")
	x.Request.Body.Reader()
	x = newCall(t, "POST", s.addr, body.FromStream(waiting{bytes.NewBufferString("hel")}, 5))
	wantError(t, c.Do(t.Context(), x), gateway.CodeBadRequest, false)
	x.Request.Body.Reader()
}

func TestBegin(t *testing.T) {
	var together sync.WaitGroup
	together.Add(2)
	s := newScript(t, func(w *wireEnd) {
		for w.request() {
			if strings.HasPrefix(w.last, "POST") {
				together.Done()
				together.Wait() // both calls are in flight
			}
			w.send(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", okHead, len(w.last), w.last))
		}
	})
	c := newClient(t, model.Transport{}, nil)
	first, second := newCall(t, "POST", s.addr, body.FromBytes([]byte("1"))), newCall(t, "POST", s.addr, body.FromBytes([]byte("2")))
	if _, begun := c.Begin(t.Context(), first); begun {
		t.Fatal("a call began without a connection")
	}
	var warm []*gateway.Exchange
	for range 2 {
		x := newCall(t, "GET", s.addr, body.Body{})
		if err := c.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		warm = append(warm, x)
	}
	for _, x := range warm {
		x.Response.Body.Close()
	}
	refused := map[string]*gateway.Exchange{
		"a stream":     newCall(t, "POST", s.addr, streamOf("hello", 5)),
		"a large body": newCall(t, "POST", s.addr, body.FromBytes(make([]byte, inlineLimit+1))),
		"a bad path":   newCall(t, "GET", s.addr, body.Body{}),
		"another host": newCall(t, "GET", "other.test", body.Body{}),
		"a zone":       newCall(t, "GET", "[fe80::1%25eth0]", body.Body{}),
	}
	refused["a bad path"].Request.Path = " "
	for name, x := range refused {
		if _, begun := c.Begin(t.Context(), x); begun {
			t.Errorf("%s: the call began", name)
		}
	}
	if n := len(idleLinks(c)); n != 2 {
		t.Fatalf("%d connections are idle, want 2", n)
	}
	var calls []gateway.Pending
	for _, x := range []*gateway.Exchange{first, second} {
		p, begun := c.Begin(t.Context(), x)
		if !begun {
			t.Fatal("a call did not begin")
		}
		calls = append(calls, p)
	}
	for i, x := range []*gateway.Exchange{first, second} {
		if err := calls[i].Finish(); err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("POST / %d", i+1)
		if text, err := x.Response.Body.Bytes(0); string(text) != want || err != nil {
			t.Errorf("answer %q, %v, want %q", text, err, want)
		}
	}
	if n := s.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestBeginStale: a call that was begun on a connection that is closed is made
// again by Finish.
func TestBeginStale(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		w.request()
		w.send(hello)
		if w.nth == 1 {
			w.request()
		}
	})
	c := newClient(t, model.Transport{}, nil)
	wantAnswer(t, c, newCall(t, "GET", s.addr, body.Body{}), "200 hello")
	x := newCall(t, "GET", s.addr, body.Body{})
	p, begun := c.Begin(t.Context(), x)
	if !begun {
		t.Fatal("the call did not begin")
	}
	if err := p.Finish(); err != nil {
		t.Fatal(err)
	}
	if text, err := x.Response.Body.Bytes(0); string(text) != "hello" || err != nil {
		t.Errorf("answer %q, %v", text, err)
	}
}

// authority returns settings for a server called a.test, and for a client that
// believes it.
func authority(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"a.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

func TestTLS(t *testing.T) {
	server, client := authority(t)
	named := client.Clone()
	named.ServerName = "a.test"
	s := newScript(t, func(w *wireEnd) {
		conn := tls.Server(w.Conn, server)
		if conn.Handshake() != nil {
			return
		}
		w.Conn = conn
		w.r.Reset(conn)
		for w.request() {
			w.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", okHead, len(w.last), w.last))
		}
	})
	call := func(c *Client, payload body.Body) (string, error) {
		x := newCall(t, "POST", s.addr, payload)
		x.Request.Scheme = "https"
		return fetch(t.Context(), c, x)
	}
	if _, err := call(newClient(t, model.Transport{}, client), body.Body{}); err == nil {
		t.Error("a certificate for another name is believed")
	} else {
		wantError(t, err, gateway.CodeBackendUnreachable, true)
	}
	if got, err := call(newClient(t, model.Transport{}, &tls.Config{InsecureSkipVerify: true}), body.Body{}); got != "200 POST / " {
		t.Errorf("unchecked: answer %q, %v", got, err)
	}
	before := s.accepted.Load()
	c := newClient(t, model.Transport{}, named)
	large := strings.Repeat("0123456789", 20000)
	for _, text := range []string{"", "hello", large, large} {
		for _, payload := range []body.Body{body.FromBytes([]byte(text)), streamOf(text, int64(len(text))), streamOf(text, -1)} {
			if got, err := call(c, payload); got != "200 POST / "+text {
				t.Errorf("answer of %d bytes, %v, want %d", len(got), err, len(text))
			}
		}
	}
	if n := s.accepted.Load() - before; n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestCutTLS: an answer that the end of the connection ends is whole only if TLS
// says that this is the end.
func TestCutTLS(t *testing.T) {
	server, client := authority(t)
	client.ServerName = "a.test"
	for _, said := range []bool{true, false} {
		s := newScript(t, func(w *wireEnd) {
			raw := w.Conn
			conn := tls.Server(raw, server)
			if conn.Handshake() != nil {
				return
			}
			w.Conn = conn
			w.r.Reset(conn)
			w.request()
			w.send(okHead + "\r\npart one")
			if said {
				conn.Close()
			} else {
				raw.Close()
			}
		})
		x := newCall(t, "GET", s.addr, body.Body{})
		x.Request.Scheme = "https"
		got, err := fetch(t.Context(), newClient(t, model.Transport{}, client), x)
		if said && (err != nil || got != "200 part one") {
			t.Errorf("ended: %q, %v", got, err)
		}
		if !said {
			wantError(t, err, gateway.CodeBackendAborted, false)
		}
	}
}

// TestHTTP2 shows that a host that has chosen HTTP/2 is remembered.
func TestHTTP2(t *testing.T) {
	server, client := authority(t)
	server.NextProtos = []string{"h2"}
	client.ServerName = "a.test"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var shaken []string
	server.VerifyConnection = func(s tls.ConnectionState) error {
		mu.Lock()
		defer mu.Unlock()
		shaken = append(shaken, s.NegotiatedProtocol)
		return nil
	}
	c := newClient(t, model.Transport{}, client)
	backend := &http.Server{TLSConfig: server, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.Proto, text)
	})}
	served := make(chan struct{})
	go func() {
		defer close(served)
		backend.ServeTLS(l, "", "")
	}()
	t.Cleanup(func() { c.Close(); backend.Close(); <-served })
	for range 3 {
		x := newCall(t, "POST", l.Addr().String(), streamOf("hello", 5))
		x.Request.Scheme = "https"
		wantAnswer(t, c, x, "200 HTTP/2.0 hello")
		if _, begun := c.Begin(t.Context(), x); begun {
			t.Error("a call of HTTP/2 began")
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(shaken) != 2 {
		t.Errorf("%d handshakes, want one to find out and one to use: %q", len(shaken), shaken)
	}
}

func TestForeign(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.test:3128")
	t.Setenv("NO_PROXY", "direct.test")
	c := newClient(t, model.Transport{}, nil)
	proxied := newClient(t, model.Transport{Proxy: "http://proxy.test:3128"}, nil)
	tests := []struct {
		scheme, host string
		foreign      bool
		address      string
	}{
		{"http", "direct.test", false, "direct.test:80"},
		{"https", "direct.test", false, "direct.test:443"},
		{"http", "direct.test:81", false, "direct.test:81"},
		{"http", "127.0.0.1", false, "127.0.0.1:80"},
		{"http", "[::1]", false, "[::1]:80"},
		{"http", "[::1]:81", false, "[::1]:81"},
		{"https", "other.test", false, "other.test:443"},
		{"http", "other.test", true, ""},
		{"ftp", "direct.test", true, ""},
		{"http", "", true, ""},
		{"http", ":80", true, ""},
		{"http", "direct.test:", true, ""},
		{"http", "direct.test:x", true, ""},
		{"http", "direct.test/a", true, ""},
		{"http", "u@direct.test", true, ""},
		{"http", "a\r\nX-A: b", true, ""},
		{"http", "b\xc3\xbccher.test", true, ""},
		{"http", "[fe80::1%25eth0]", true, ""},
		{"http", "[::1", true, ""},
	}
	for _, tt := range tests {
		h := newHost(c, origin{tt.scheme, tt.host})
		if h.foreign.Load() != tt.foreign || !tt.foreign && h.address != tt.address {
			t.Errorf("%s://%s: foreign %t, address %s, want %t, %s", tt.scheme, tt.host, h.foreign.Load(), h.address, tt.foreign, tt.address)
		}
		if !newHost(proxied, origin{tt.scheme, tt.host}).foreign.Load() {
			t.Errorf("%s://%s does not go through the proxy", tt.scheme, tt.host)
		}
	}
}

// TestConcurrent lets calls of every kind, cancelled ones among them, share
// connections.
func TestConcurrent(t *testing.T) {
	s := newScript(t, func(w *wireEnd) {
		for i := 0; w.request(); i++ {
			w.send(fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", okHead, len(w.last), w.last))
			if i == 20 {
				return
			}
		}
	})
	c := newClient(t, model.Transport{MaxIdleConnections: 4, IdleConnectionTimeout: config.Duration(2 * time.Millisecond)}, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				if j%7 == 0 {
					time.AfterFunc(time.Duration(j)*10*time.Microsecond, cancel)
				}
				want := fmt.Sprintf("GET / %d/%d", i, j)
				x := gateway.Acquire(nil)
				q := &x.Request
				q.Method, q.Scheme, q.Host, q.Path, q.Body = "GET", "http", s.addr, "/", body.FromBytes([]byte(want[len("GET / "):]))
				p, begun := c.Begin(ctx, x)
				var err error
				if begun {
					err = p.Finish()
				} else {
					err = c.Do(ctx, x)
				}
				var text []byte
				if err == nil {
					text, err = x.Response.Body.Bytes(0)
				}
				if err == nil && string(text) != want {
					t.Errorf("answer %q, want %q", text, want)
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("call %d/%d: %v", i, j, err)
				}
				x.Release()
				cancel()
			}
		})
	}
	wg.Wait()
}

// TestAllocations is the budget of a small call: its state and the head of its
// answer.
func TestAllocations(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector allocates")
	}
	addr := parrot(t, sized(2<<10))
	c := newClient(t, model.Transport{IdleConnectionTimeout: config.Duration(time.Minute)}, nil)
	call := func() {
		if err := callOnce(t.Context(), c, addr); err != nil {
			t.Fatal(err)
		}
	}
	call()
	if n := testing.AllocsPerRun(200, call); n > 2 {
		t.Errorf("%v allocations, want at most 2", n)
	}
}

// TestEvictTogether lets connections of two hosts become idle at the same time.
// However the calls meet, no more connections stay than may wait for all hosts.
func TestEvictTogether(t *testing.T) {
	const limit, calls = 2, 8
	for range 500 {
		c := NewClient(model.Transport{MaxIdleConnections: limit, MaxIdleConnectionsPerHost: calls}, nil).(*Client)
		var begin, end sync.WaitGroup
		begin.Add(1)
		for i := range calls {
			h := c.host(&gateway.Request{Scheme: "http", Host: []string{"a:1", "b:1"}[i%2]})
			k := &call{ctx: t.Context(), host: h, x: new(gateway.Exchange)}
			near, far := net.Pipe()
			t.Cleanup(func() { far.Close() })
			h.start(k, newLink(near, near))
			end.Go(func() { begin.Wait(); h.exit(k, true) })
		}
		begin.Done()
		end.Wait()
		kept := 0
		for _, h := range c.hosts {
			kept += len(h.idle)
		}
		if kept != limit || c.idle.Load() != limit {
			t.Fatalf("%d connections wait, %d by the count, want %d", kept, c.idle.Load(), limit)
		}
		c.Close()
	}
}
