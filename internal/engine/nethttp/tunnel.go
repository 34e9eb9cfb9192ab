package nethttp

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

var _ gateway.Upgrader = (*inbound)(nil)

// upgrading are the values of Connection in a message that asks for protocols or
// switches to one (RFC 9110, section 7.8).
var upgrading = []string{"Upgrade"}

// Upgrades reports whether the client asks for another protocol, in HTTP/1.1 and
// without a body.
func (in *inbound) Upgrades() bool {
	r := in.r
	return r.ProtoMajor == 1 && r.ProtoMinor == 1 && r.ContentLength == 0 && in.Header("Upgrade") != "" &&
		gateway.Listed(strings.Join(r.Header["Connection"], ","), "Upgrade")
}

// tunnel takes the connection from net/http, sends an answer that switches
// protocols, and carries bytes from there on. The connection ends with the
// tunnel. It is taken first, because net/http looks whether the client has left,
// and one that has closed its half of a tunnel has not.
func (a *answer) tunnel(res *gateway.Response) error {
	stream := res.Body.Reader()
	to, ok := stream.(gateway.Tunnel)
	if !ok {
		if stream != nil {
			stream.Close()
		}
		return &gateway.Error{Code: gateway.CodeInternal, Err: errors.New("an answer that switches protocols without a tunnel")}
	}
	defer to.Close()
	leave := a.server.tunnels.enter() // before net/http forgets the connection
	defer leave()
	a.uncount() // tunnels are waited for by themselves, and may last
	conn, buf, err := http.NewResponseController(a.w).Hijack()
	if err != nil {
		return gone(err)
	}
	a.tunnels = true
	early, _ := buf.Reader.Peek(buf.Reader.Buffered()) // that much is there
	conn, later := release(conn)
	from := &end{Conn: conn, early: append(early, later...)}
	if err = a.in.r.Context().Err(); err == nil { // or the client left during the handshake
		err = a.switchTo(conn, res)
	}
	if err != nil {
		from.Close()
		return gone(err)
	}
	t := engine.NewTunnel(from, to, a.server.idle())
	remove := a.server.tunnels.add(t)
	defer remove()
	a.sent.Status = res.Status
	a.sent.Bytes, err = t.Run()
	return err
}

// switchTo sends the header of an answer that switches protocols.
func (a *answer) switchTo(conn net.Conn, res *gateway.Response) error {
	a.header(res, -1)
	h := a.w.Header()
	h["Connection"], h["Upgrade"] = upgrading, []string{res.Upgrade}
	if h["Date"] == nil {
		h["Date"] = []string{time.Now().UTC().Format(http.TimeFormat)}
	}
	text := bytes.NewBufferString("HTTP/1.1 101 Switching Protocols\r\n")
	h.Write(text) // to memory, which takes it
	text.WriteString("\r\n")
	if limit := a.server.http.WriteTimeout; limit > 0 {
		conn.SetWriteDeadline(time.Now().Add(limit)) // fails on a broken connection, as Write will
		defer conn.SetWriteDeadline(time.Time{})
	}
	_, err := conn.Write(text.Bytes())
	return err
}

// idle is how long a tunnel may be without traffic; 0 is no limit.
func (s *server) idle() time.Duration {
	if s.http.IdleTimeout != 0 {
		return s.http.IdleTimeout
	}
	return s.http.ReadTimeout
}

// An end is the client's of a tunnel.
type end struct {
	net.Conn
	early []byte // what arrived behind the request
}

// Read reads what arrived early, then from the connection.
func (e *end) Read(p []byte) (int, error) {
	if len(e.early) == 0 {
		return e.Conn.Read(p)
	}
	n := copy(p, e.early)
	e.early = e.early[n:]
	return n, nil
}

// CloseWrite closes our half of the connection.
func (e *end) CloseWrite() error { return closeWrite(e.Conn) }

// Close ends the connection at once.
func (e *end) Close() error {
	return socket(e.Conn).Close()
}

// tunnels are those of a server. Shutdown of net/http knows nothing of them.
type tunnels struct {
	mu    sync.Mutex
	open  map[*engine.Tunnel]struct{}
	users int           // exchanges that are tunnels, or about to be
	empty chan struct{} // closed when there are none any more; nil before wait
	cut   bool
}

// enter counts an exchange that is to be a tunnel, until leave is called.
func (s *tunnels) enter() (leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.users--; s.users == 0 && s.empty != nil {
			close(s.empty)
			s.empty = nil
		}
	}
}

// add makes a tunnel known, until remove is called. One that comes too late is
// cut.
func (s *tunnels) add(t *engine.Tunnel) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		t.Cut()
	}
	if s.open == nil {
		s.open = make(map[*engine.Tunnel]struct{})
	}
	s.open[t] = struct{}{}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, t)
	}
}

// wait waits until there are no tunnels any more. When ctx is done, it cuts those
// that are left, says so in cut before, and reports false. No exchange may begin
// meanwhile.
func (s *tunnels) wait(ctx context.Context, cut *atomic.Bool) bool {
	s.mu.Lock()
	if s.users == 0 {
		s.mu.Unlock()
		return true
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return true
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	cut.Store(true)
	s.cut = true
	for t := range s.open {
		t.Cut()
	}
	return false
}

// tunnel fills the response with the connection of an answer that switches to a
// protocol that was asked for.
func (c *call) tunnel(res *http.Response, to *gateway.Response) error {
	join := func(h http.Header, name string) string { return strings.Join(h[name], ", ") }
	protocol := engine.Switched(join(res.Header, "Connection"), join(res.Header, "Upgrade"), join(res.Request.Header, "Upgrade"))
	stream, ok := res.Body.(gateway.Tunnel)
	if protocol == "" || !ok {
		res.Body.Close()
		return engine.Unasked()
	}
	c.watch.Tell()
	to.Status, to.Header, to.Upgrade = res.StatusCode, appendFields(to.Header[:0], res.Header).EndToEnd(), protocol
	to.Body.Close()
	to.Body = body.FromStream(stream, -1)
	return nil
}
