package reliability

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// soon is how long something may take that needs no time.
const soon = 15 * time.Second

// noLeaks checks for goroutines when everything else of the test is cleaned up. Those that
// are about to end are waited for, longer than goleak does.
func noLeaks(t testing.TB) {
	t.Helper()
	here := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		err := goleak.Find(here)
		for end := time.Now().Add(soon); err != nil && time.Now().Before(end); {
			err = goleak.Find(here)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// A peer is a backend that is spoken to over bare connections and counts them.
type peer struct {
	t       testing.TB
	address string
	l       net.Listener
	serve   func(*conn)

	mu       sync.Mutex
	changed  *sync.Cond
	open     map[*conn]struct{}
	accepted int
	requests []*http.Request
	bodies   []string // of the requests that arrived whole
}

// A conn is a connection of a peer.
type conn struct {
	net.Conn
	r    *bufio.Reader
	peer *peer
	n    int // how many connections there were before
}

// newPeer starts a peer that runs serve for every connection, and then waits
// for the other side to close it. When the test ends all must be closed.
func newPeer(t testing.TB, serve func(*conn)) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return newPeerOn(t, l, serve)
}

func newPeerOn(t testing.TB, l net.Listener, serve func(*conn)) *peer {
	p := &peer{t: t, address: l.Addr().String(), l: l, serve: serve, open: make(map[*conn]struct{})}
	p.changed = sync.NewCond(&p.mu)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			mine := &conn{Conn: c, r: bufio.NewReader(c), peer: p, n: p.accepted}
			p.accepted++
			p.open[mine] = struct{}{}
			p.changed.Broadcast()
			p.mu.Unlock()
			wg.Go(func() { mine.run() })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.waitOpen(0)
		p.mu.Lock()
		for c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		wg.Wait()
	})
	return p
}

func (c *conn) run() {
	c.peer.serve(c)
	io.Copy(io.Discard, c.r) // until the other side closes
	c.Close()
	c.peer.mu.Lock()
	delete(c.peer.open, c)
	c.peer.changed.Broadcast()
	c.peer.mu.Unlock()
}

// url is where the peer is.
func (p *peer) url() string { return "http://" + p.address }

// waitOpen waits until n connections at most are open.
func (p *peer) waitOpen(n int) {
	p.t.Helper()
	open := 0
	if !p.wait(func() bool { open = len(p.open); return open <= n }) {
		p.t.Errorf("%d connections are open, want %d", open, n)
	}
}

// wait waits until a condition on the peer holds.
func (p *peer) wait(holds func() bool) bool {
	timeout := time.AfterFunc(soon, func() {
		p.mu.Lock()
		p.changed.Broadcast()
		p.mu.Unlock()
	})
	defer timeout.Stop()
	deadline := time.Now().Add(soon)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !holds() {
		if time.Now().After(deadline) {
			return false
		}
		p.changed.Wait()
	}
	return true
}

// seen returns how many requests began to arrive, and the bodies of those that
// arrived whole.
func (p *peer) seen() (requests int, bodies []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests), append([]string(nil), p.bodies...)
}

// connections returns how many there were so far.
func (p *peer) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// last returns the latest request.
func (p *peer) last() *http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests[len(p.requests)-1]
}

// request reads one request and reports whether it is whole.
func (c *conn) request() bool {
	r, err := http.ReadRequest(c.r)
	if err != nil {
		return false
	}
	c.peer.mu.Lock()
	c.peer.requests = append(c.peer.requests, r)
	c.peer.changed.Broadcast()
	c.peer.mu.Unlock()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	c.peer.mu.Lock()
	c.peer.bodies = append(c.peer.bodies, string(text))
	c.peer.changed.Broadcast()
	c.peer.mu.Unlock()
	return true
}

// reset ends the connection without a farewell.
func (c *conn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// says returns a peer's part: it reads a request and writes the text, for each
// request of the connection.
func says(text string) func(*conn) {
	return func(c *conn) {
		for c.request() {
			if _, err := io.WriteString(c, text); err != nil {
				return
			}
		}
	}
}

// thenCloses is says for one request, after which the peer leaves.
func thenCloses(text string) func(*conn) {
	return func(c *conn) {
		if c.request() {
			io.WriteString(c, text)
		}
		c.Close()
	}
}

// thenResets is thenCloses with a reset, once the other side has read the text:
// a reset would overtake it.
func thenResets(text string) func(*conn) {
	return func(c *conn) {
		if c.request() {
			io.WriteString(c, text)
			time.Sleep(20 * time.Millisecond)
		}
		c.reset()
	}
}

// ok frames a body as an answer.
func ok(body string, header ...string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s", len(body), lines(header), body)
}

func lines(header []string) string {
	var b strings.Builder
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	return b.String()
}

// A told is an answer as a client got it.
type told struct {
	status int
	header http.Header
	body   string
	err    error // the body broke off, or there is no answer at all
}

// fetch asks the gateway on a connection of its own.
func fetch(t testing.TB, method, url, payload string) told {
	t.Helper()
	var body io.Reader
	if payload != "" {
		body = strings.NewReader(payload)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		Timeout:       2 * soon,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return told{err: err}
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return told{res.StatusCode, res.Header, string(text), err}
}

// goName matches what errors of Go look like.
var goName = regexp.MustCompile(`\*?\b[a-z][a-z0-9]*\.[A-Z]\w+|goroutine \d|\bdial tcp|x509:|tls:|\.go:\d`)

// keepsSecrets checks that an answer tells nothing of the inside: no address, no
// name, no type, and no header that nobody asked for.
func (a *told) keepsSecrets(t testing.TB, secrets ...string) {
	t.Helper()
	var all bytes.Buffer
	a.header.Write(&all)
	all.WriteString(a.body)
	for _, secret := range append(secrets, "127.0.0.1", "/inside", "gateway.json") {
		if strings.Contains(all.String(), secret) {
			t.Errorf("the answer tells %q:\n%s", secret, &all)
		}
	}
	if found := goName.Find(all.Bytes()); found != nil {
		t.Errorf("the answer tells %q:\n%s", found, &all)
	}
	for name := range a.header {
		switch name {
		case "Content-Type", "Content-Length", "Date", "Connection", "Transfer-Encoding", "Content-Encoding",
			"X-Krakend", "X-Krakend-Completed", "X-Sluice-Completed", "X-Request-Id":
		default:
			t.Errorf("the answer has the header %s: %q", name, a.header[name])
		}
	}
}

// dialect is what an answer looks like.
type dialect struct {
	name, key string // of the configuration
	completed string // header
	problem   bool
}

// quiet is what configurations of the dialect begin with: no log, and where failures
// are documents their texts too.
func (d dialect) quiet() string {
	if !d.problem {
		return quiet
	}
	return strings.Replace(quiet, `"router":{`, `"router":{"return_error_msg":true,`, 1)
}

var dialects = []dialect{
	{"krakend", "", "X-Krakend-Completed", false},
	{"sluice", `"dialect":"sluice",`, "X-Sluice-Completed", true},
}
