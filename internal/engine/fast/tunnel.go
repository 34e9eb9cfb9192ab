package fast

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

var (
	_ gateway.Upgrader = (*inbound)(nil)
	_ gateway.Tunnel   = end{}
)

// Upgrades reports whether the client asks for another protocol and sends no
// body.
func (in *inbound) Upgrades() bool { return in.head.Upgrade != "" && in.head.Length == 0 }

var errLeft = errors.New("the client left during the handshake")

// tunnel sends an answer that switches protocols and carries bytes from there
// on. The connection ends with the tunnel.
func (a *answer) tunnel(res *gateway.Response) {
	c := a.c
	stream := res.Body.Reader()
	to, ok := stream.(gateway.Tunnel)
	if !ok {
		if stream != nil {
			stream.Close()
		}
		a.err = &gateway.Error{Code: gateway.CodeInternal, Err: errors.New("an answer that switches protocols without a tunnel")}
		return
	}
	defer to.Close()
	c.stall = 0 // idle_timeout counts
	if c.unwatch(); c.gone.Load() {
		a.err = a.unsent(errLeft)
		return
	}
	b := body.NewBuffer()
	b.B = a.appendHead(b.B, res, framing{length: -1}, time.Now())
	b.B = append(appendUpgrade(b.B[:len(b.B)-len("\r\n")], res.Upgrade), "\r\n"...)
	_, err := c.stream.Write(b.B)
	b.Free()
	a.begun, a.last = true, true
	if err != nil {
		a.err = a.unsent(err)
		return
	}
	c.stream.SetDeadline(time.Time{}) // fails on a broken connection, as reading will
	t := engine.NewTunnel(end{&c.in, c.stream, c.socket}, to, c.server.settings.IdleTimeout)
	stop := context.AfterFunc(c.ctx.Load(), t.Cut)
	defer stop()
	a.sent.Status = res.Status
	a.sent.Bytes, a.err = t.Run()
}

// unwatch takes the connection from the watcher: a client may close its half of
// a tunnel and stay.
func (c *conn) unwatch() {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.since.Store(0)
}

// appendUpgrade appends the fields of a message that asks for protocols or
// switches to one (RFC 9110, section 7.8).
func appendUpgrade(b []byte, protocols string) []byte {
	b = append(b, "Connection: Upgrade\r\nUpgrade: "...)
	b = append(b, protocols...)
	return append(b, "\r\n"...)
}

// An end is one of a tunnel: what has arrived already, and the connection.
type end struct {
	in     *wire.Reader
	stream net.Conn // what is read and written: the socket, or TLS on it
	socket net.Conn
}

// Read reads what arrived behind the head, then from the connection. It holds
// no memory while it waits.
func (e end) Read(p []byte) (int, error) {
	early := len(e.in.Buffered())
	if early == 0 {
		e.in.Free()
		return e.stream.Read(p)
	}
	return e.in.Read(p[:min(len(p), early)])
}

// Write writes to the connection.
func (e end) Write(p []byte) (int, error) { return e.stream.Write(p) }

// CloseWrite closes our half of the connection.
func (e end) CloseWrite() error {
	half, ok := e.stream.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Close ends the connection at once.
func (e end) Close() error { return e.socket.Close() }

// switched returns the protocol that the answer switches to, "" if that was not
// asked for.
func (k *call) switched() string {
	return engine.Switched(joined(k.head.Fields, "Connection"), joined(k.head.Fields, "Upgrade"), k.x.Request.Upgrade)
}

// joined returns the lines of a field as one.
func joined(fields gateway.Fields, name string) string {
	var room [2]string
	return strings.Join(fields.AppendValues(room[:0], name), ", ")
}

// deliverTunnel fills the response with the connection, which is not the
// host's any more.
func (k *call) deliverTunnel() error {
	r := &k.x.Response
	protocol := k.switched()
	k.watch.Tell()
	l, ok := k.host.surrender(k)
	if !ok {
		l.close()
		return engine.Failure(k.ctx, k.ctx.Err(), true)
	}
	r.Status, r.Header, r.Upgrade = http.StatusSwitchingProtocols, k.head.Fields.EndToEnd(), protocol
	r.Body.Close()
	r.Body = body.FromStream(end{&l.in, l.stream, l.socket}, -1)
	k.x, k.head.Fields = nil, nil
	return nil
}

// surrender ends the watch over k and gives its connection away. It reports
// false if the connection is being cut because the context of k has ended.
func (h *host) surrender(k *call) (l *link, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls--
	l, ok = k.link, !k.cut
	if k.unwatch != nil {
		ok = k.unwatch() && ok
		k.unwatch = nil
	} else if k.place >= 0 {
		h.grow(k)
	}
	k.link = nil
	if k.session != nil {
		k.session.over = true // it is the tunnel's now
	}
	return l, ok
}
