package enginetest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// sessionCases are about calls that need a connection for themselves.
var sessionCases = cases{
	{"calls of a session share a connection, and nobody else gets it", sessionsShare},
	{"who is known on a connection is known to its session alone", sessionsKnow},
	{"a session ends with its connection", sessionsEnd},
	{"a session is for one origin, until it is closed", sessionsBound},
	{"a switch of protocols takes the connection of the session", sessionsSwitch},
	{"what nobody asked for is no answer to the next call of a session", sessionsUnasked},
	{"a session whose connection could not be made goes on", sessionsFail},
	{"an answer in a session does not wait for a request that is not taken", sessionsEarly},
}

// numbering answers with the number of the connection, that of the request on it, and
// what was sent. It tells of connections that end.
func numbering(t *trial, secure *tls.Config) (b *backend, ended chan int64) {
	var conns atomic.Int64
	ended = make(chan int64, 100)
	return t.backend(func(w *wire) {
		n := conns.Add(1)
		if secure != nil {
			w = newWire(w.t, tls.Server(w.Conn, secure), w.exit)
		}
		for i := 1; w.more(); i++ {
			h := w.head()
			text := fmt.Sprint(n, " ", i, " ", h.start, " ", w.content(h))
			w.send("HTTP/1.1 200 OK\r\nContent-Length: ", fmt.Sprint(len(text)), "\r\n\r\n", text)
		}
		ended <- n
	}), ended
}

func sessionsShare(t *trial) {
	server, client := t.identity()
	for name, settings := range map[string]model.Transport{
		"as usual": {}, "without keep-alive": {DisableKeepAlives: true}, "prior knowledge": {H2C: true}, "one idle connection": {MaxIdleConnections: 1},
	} {
		for _, scheme := range []string{"http", "https"} {
			t.named(name+" "+scheme, func(t *trial) {
				var secure *tls.Config
				if scheme == "https" {
					secure = server
				}
				b, ended := numbering(t, secure)
				c := t.NewClient(settings, client)
				t.Cleanup(c.Close)
				call := func(s *gateway.Session, content body.Body) string {
					x := t.call(b.addr)
					x.Request.Scheme, x.Request.Session, x.Request.Body = scheme, s, content
					if content.Size() != 0 {
						x.Request.Method = "POST"
					}
					return t.get(c, x)
				}
				one, two := new(gateway.Session), new(gateway.Session)
				defer two.Close()
				got := []string{
					call(one, body.Body{}),
					call(two, body.FromBytes([]byte("hello"))),
					call(one, body.FromStream(io.NopCloser(strings.NewReader("hello")), -1)),
					call(two, body.Body{}),
				}
				want := []string{"1 1 GET / HTTP/1.1 ", "2 1 POST / HTTP/1.1 hello", "1 2 POST / HTTP/1.1 hello", "2 2 GET / HTTP/1.1 "}
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%q, want %q", got, want)
				}
				one.Close()
				if n := await(t, "the end of a connection", ended); n != 1 {
					t.Errorf("connection %d ends, want the first", n)
				}
			})
		}
	}
	b, _ := numbering(t, nil)
	c := t.client(model.Transport{})
	var s gateway.Session
	for i, tt := range []struct {
		s    *gateway.Session
		want string
	}{{nil, "1 1 "}, {&s, "2 1 "}, {nil, "1 2 "}, {&s, "2 2 "}, {nil, "1 3 "}} {
		x := t.call(b.addr)
		x.Request.Session = tt.s
		if got := t.get(c, x); !strings.HasPrefix(got, tt.want) {
			t.Errorf("call %d: %q, want %q", i, got, tt.want)
		}
	}
	s.Close()
	if got := t.get(c, t.call(b.addr)); !strings.HasPrefix(got, "1 4 ") {
		t.Errorf("behind the session: %q", got)
	}
}

// sessionsKnow: a backend asks each connection who it is, and believes what it was told
// on it from then on.
func sessionsKnow(t *trial) {
	const sessions, calls = 10, 5
	b := t.backend(func(w *wire) {
		known := ""
		for w.more() {
			h := w.head()
			if name := h.get("Authorization"); name != "" {
				known = name
			}
			status := "200 OK"
			if known == "" {
				status = "401 Unauthorized"
			}
			w.send("HTTP/1.1 ", status, "\r\nContent-Length: ", fmt.Sprint(len(known)), "\r\n\r\n", known)
		}
	})
	c := t.client(model.Transport{})
	var all sync.WaitGroup
	for i := range sessions {
		all.Go(func() {
			var s gateway.Session
			defer s.Close()
			name := fmt.Sprint("user ", i)
			for j := range calls {
				want, status, session := name, 200, &s
				switch j {
				case 0:
					want, status = "", 401
				case 3: // somebody else
					want, status, session = "", 401, nil
				}
				x := t.call(b.addr)
				x.Request.Session = session
				if j == 1 {
					x.Request.Header.Add("Authorization", name)
				}
				if err := c.Do(t.context(), x); err != nil {
					t.Error(err)
					return
				}
				if got, err := x.Response.Body.Bytes(0); string(got) != want || x.Response.Status != status || err != nil {
					t.Errorf("call %d of %s: %d %q, %v, want %d %q", j, name, x.Response.Status, got, err, status, want)
				}
			}
		})
	}
	all.Wait()
}

// over reports whether a call of the session fails because it has no connection.
func (t *trial) over(c engine.Client, addr string, s *gateway.Session) bool {
	t.Helper()
	x := t.call(addr)
	x.Request.Session = s
	err := c.Do(t.context(), x)
	if err == nil {
		t.Fatal("the call succeeds")
	}
	t.wantFailure(err, gateway.CodeBackendAborted, false)
	return errors.Is(err, gateway.ErrSessionOver)
}

func sessionsEnd(t *trial) {
	b := t.backend(func(w *wire) {
		w.head()
		w.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}) // the connection ends without a word
	c := t.client(model.Transport{})
	var s gateway.Session
	defer s.Close()
	x := t.call(b.addr)
	x.Request.Session = &s
	t.get(c, x)
	over := t.over(c, b.addr, &s)
	if !over { // the first call has found it out on its way
		over = t.over(c, b.addr, &s)
	}
	if !over {
		t.Error("the session goes on")
	}
	if n := b.accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	x = t.call(b.addr)
	x.Request.Session = new(gateway.Session)
	defer x.Request.Session.Close()
	t.get(c, x)
}

func sessionsBound(t *trial) {
	one, _ := numbering(t, nil)
	two, _ := numbering(t, nil)
	c, other := t.client(model.Transport{}), t.client(model.Transport{})
	begin := func(c engine.Client) *gateway.Session {
		x := t.call(one.addr)
		x.Request.Session = new(gateway.Session)
		t.Cleanup(func() { x.Request.Session.Close() })
		t.get(c, x)
		return x.Request.Session
	}
	if s := begin(c); !t.over(c, two.addr, s) || !t.over(c, one.addr, s) {
		t.Error("a session of another origin goes on")
	}
	if !t.over(other, one.addr, begin(c)) {
		t.Error("a session of another client goes on")
	}
	s := begin(c)
	s.Close()
	if !t.over(c, one.addr, s) {
		t.Error("a session that is closed goes on")
	}
	stopped := t.backend(func(*wire) {})
	stopped.close()
	fresh := new(gateway.Session)
	x := t.call(stopped.addr)
	x.Request.Session = fresh
	t.wantFailure(c.Do(t.context(), x), gateway.CodeBackendUnreachable, true)
	x = t.call(one.addr)
	x.Request.Session = fresh
	defer fresh.Close()
	t.get(c, x)
}

func sessionsSwitch(t *trial) {
	b := t.switched(func(w *wire) { w.wantText("hello"); w.send("hello"); w.rest() })
	c := t.client(model.Transport{})
	var s gateway.Session
	defer s.Close()
	x := t.call(b.addr)
	x.Request.Session, x.Request.Upgrade = &s, "echo"
	t.must(c.Do(t.context(), x))
	tunnel, ok := x.Response.Body.Reader().(gateway.Tunnel)
	if !ok {
		t.Fatalf("answer %d, want a tunnel", x.Response.Status)
	}
	defer tunnel.Close()
	if !t.over(c, b.addr, &s) {
		t.Error("the session goes on")
	}
	s.Close()
	io.WriteString(tunnel, "hello") // the answer tells if it fails
	if text, err := io.ReadAll(io.LimitReader(tunnel, 5)); string(text) != "hello" {
		t.Errorf("%q, %v through the tunnel behind the end of the session", text, err)
	}
}

// sessionsUnasked: another answer comes in one piece with the first.
func sessionsUnasked(t *trial) {
	const answer, teapot = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"
	server, client := t.identity()
	b := t.backend(func(w *wire) {
		w.head()
		w.send(answer + teapot)
		w.rest()
	})
	secured := t.backend(func(w *wire) {
		w = newWire(w.t, tls.Server(w.Conn, server), w.exit)
		w.head()
		w.send(answer + teapot)
		w.rest()
	})
	c := t.tlsClient(client)
	for scheme, times := range map[string]int{"http": 500, "https": 20} {
		addr := b.addr
		if scheme == "https" {
			addr = secured.addr
		}
		for range times {
			var s gateway.Session
			x := t.call(addr)
			x.Request.Scheme, x.Request.Session = scheme, &s
			if text := t.get(c, x); text != "ok" || x.Response.Status != 200 {
				t.Fatalf("%s: %d %q", scheme, x.Response.Status, text)
			}
			x = t.call(addr)
			x.Request.Scheme, x.Request.Session = scheme, &s
			err := c.Do(t.context(), x)
			if err == nil {
				t.Fatalf("%s: the answer to the second call is %d", scheme, x.Response.Status)
			}
			t.wantFailure(err, gateway.CodeBackendAborted, false)
			s.Close()
		}
	}
}

// sessionsFail: the first connection ends in the handshake of TLS.
func sessionsFail(t *trial) {
	server, client := t.identity()
	var conns atomic.Int64
	b := t.backend(func(w *wire) {
		if conns.Add(1) == 1 {
			return
		}
		echo(newWire(w.t, tls.Server(w.Conn, server), w.exit))
	})
	c := t.tlsClient(client)
	var s gateway.Session
	defer s.Close()
	call := func() *gateway.Exchange {
		x := t.call(b.addr)
		x.Request.Scheme, x.Request.Session = "https", &s
		return x
	}
	t.wantFailure(c.Do(t.context(), call()), gateway.CodeBackendUnreachable, true)
	for range 2 {
		if got := t.get(c, call()); got != "GET / HTTP/1.1 " {
			t.Errorf("answer %q", got)
		}
	}
	if n := b.accepted.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// sessionsEarly: the backend answers to the head, and takes nothing of the body.
func sessionsEarly(t *trial) {
	large := strings.Repeat("x", 1<<20)
	got := make(chan struct{})
	b := t.backend(func(w *wire) {
		w.head()
		w.send("HTTP/1.1 413 Too Large\r\nContent-Length: ", fmt.Sprint(len(large)), "\r\n\r\n", large)
		<-got
	})
	c := t.client(model.Transport{})
	var s gateway.Session
	defer s.Close()
	x := t.call(b.addr)
	x.Request.Method, x.Request.Session, x.Request.Body = "POST", &s, body.FromStream(io.NopCloser(endless{}), -1)
	t.must(c.Do(t.context(), x))
	r := x.Response.Body.Reader()
	defer r.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 1024))
	close(got)
	if x.Response.Status != 413 || n != int64(len(large)) {
		t.Errorf("%d with %d bytes, %v, want 413 with %d", x.Response.Status, n, err, len(large))
	}
	if !t.over(c, b.addr, &s) {
		t.Error("the session goes on")
	}
}
