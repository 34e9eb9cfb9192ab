package fast

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// What a connection is doing, as Shutdown needs to know it.
const (
	idle    int32 = iota // waiting for the first byte of a request
	leaving              // it waits no longer, as Shutdown expects none; one that has come all the same is read
	reading              // from there to the end of its head
	busy                 // from there to the end of the answer
	closed               // by Shutdown, before busy
)

// A conn is the connection of one client. Its goroutine reads a request, runs
// the exchange and writes the answer, one after the other; the fields that
// others look at are atomic.
//
// While it waits for a request a conn holds no buffers, nor while one without a
// body is answered.
type conn struct {
	transport
	server *server
	socket net.Conn // the connection to the client
	peer   netip.AddrPort

	next, prev *conn // guarded by the mutex of the server

	state atomic.Int32
	rests atomic.Int64 // when it began to wait, since the server was made, in nanoseconds
	gap   atomic.Int64 // how long it waited for the last request, if not for the first
	since atomic.Int64 // tick of the watcher at the start of the exchange; 0 without one
	gone  atomic.Bool  // the client has left, or the server has cut the connection
	cut   atomic.Bool  // the latter
	ctx   atomic.Pointer[exchangeContext]

	encryption atomic.Pointer[tls.ConnectionState] // once somebody has asked for it

	readBy   time.Time // the deadline that is set for reading; zero for none
	lineEnds int       // how many may still come before the request
	started  time.Time // when the first byte of the request was there
	inbound  inbound
	answer   answer
}

func newConn(s *server, socket net.Conn) *conn {
	c := &conn{server: s, socket: socket}
	c.open(socket)
	c.in.Reset(socket)
	c.inbound.c, c.answer.c = c, c
	c.ctx.Store(new(exchangeContext))
	c.rests.Store(int64(time.Since(s.made)))
	if addr, ok := socket.RemoteAddr().(*net.TCPAddr); ok {
		peer := addr.AddrPort()
		c.peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	}
	return c
}

// serve answers the requests of the connection until it ends.
func (c *conn) serve() {
	defer c.server.remove(c)
	if c.server.tls != nil && !c.shake() {
		return
	}
	limit := c.server.settings.ReadHeaderTimeout
	for first := true; ; first, limit = false, c.server.settings.IdleTimeout {
		if !c.await(limit) {
			break
		}
		head, err := c.readHead()
		if err == nil {
			if first && c.handOver(head) {
				return
			}
			err = c.inbound.head.Parse(head)
		}
		if err != nil {
			c.refuse(err)
			break
		}
		if !c.state.CompareAndSwap(reading, busy) || !c.exchange() {
			break
		}
	}
	c.stream.Close()
	c.in.Reset(nil)
}

// shake makes the stream one of TLS. It reports false if there is nothing
// to serve on it: no agreement, or HTTP/2, which is served elsewhere.
func (c *conn) shake() bool {
	below := c.socket
	if c.direct {
		below = pushed{c.socket, &c.transport}
	}
	stream := tls.Server(below, c.server.tls)
	if limit := c.server.settings.HandshakeTimeout(); limit > 0 {
		c.socket.SetDeadline(time.Now().Add(limit)) // fails on a broken connection, as the handshake will
	}
	if err := stream.Handshake(); err != nil {
		if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && record.Conn != nil && engine.SpeaksHTTP(record.RecordHeader[:]) {
			io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			c.linger()
		}
		c.server.log(fmt.Errorf("TLS handshake error from %s: %w", c.socket.RemoteAddr(), err))
		c.socket.Close()
		return false
	}
	c.socket.SetDeadline(time.Time{})
	if stream.ConnectionState().NegotiatedProtocol == "h2" {
		c.server.http2.take(stream, c.server.handler)
		return false
	}
	c.inbound.secure = true
	c.encrypt(stream)
	c.in.Reset(stream)
	return true
}

// await waits until the first bytes of a request have arrived, at most for the
// limit. It reports false when none will come. A line end before a request line
// is no beginning.
func (c *conn) await(limit time.Duration) bool {
	c.lineEnds = c.in.SkipLineEnds(wire.MaxLineEnds)
	now, first := time.Now(), c.started.IsZero()
	if len(c.in.Buffered()) > 0 {
		c.state.Store(reading)
	} else {
		c.rests.Store(int64(now.Sub(c.server.made)))
		c.state.Store(idle)
		c.limitRead(now, limit)
	}
	for len(c.in.Buffered()) == 0 {
		c.in.Free()
		if c.server.closing.Load() || c.wait() != nil || !c.state.CompareAndSwap(idle, reading) && !c.stay() {
			return false
		}
		if c.lineEnds = c.in.SkipLineEnds(c.lineEnds); len(c.in.Buffered()) == 0 && !c.state.CompareAndSwap(reading, idle) {
			return false
		}
	}
	c.started = time.Now()
	if !first {
		c.gap.Store(int64(c.started.Sub(now)))
	}
	return true
}

// stay takes back that the connection is to end, because a request has come, and reports false
// if that is too late. The read of it is interrupted before, and not later: the server does
// both at once.
func (c *conn) stay() bool {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	c.readBy = longAgo
	return c.state.CompareAndSwap(leaving, reading)
}

// expects reports whether a request may be on its way on a connection that waits for
// one: it has not waited for long, or something has arrived.
func (c *conn) expects() (is bool) {
	waited := time.Since(c.server.made) - time.Duration(c.rests.Load())
	if waited < engine.Patience(time.Duration(c.gap.Load())) {
		return true
	}
	if c.raw == nil {
		return false
	}
	err := c.raw.Control(func(fd uintptr) { is, _ = engine.Readable(fd) })
	return is && err == nil
}

// readHead returns the next head. The error is an [*wire.Error], or that of
// the connection.
func (c *conn) readHead() (string, error) {
	for limited := false; ; {
		c.lineEnds = c.in.SkipLineEnds(c.lineEnds)
		head, err := c.in.Head(c.server.limits)
		if head != "" || err != nil {
			c.in.Free() // most requests end here, and answers may take their time
			return head, err
		}
		if !limited {
			limited = true
			c.limitRead(c.started, c.server.settings.ReadHeaderTimeout)
		}
		if err := c.in.Fill(); err != nil {
			return "", err
		}
	}
}

// preface is how clients begin that know the server to speak HTTP/2 (RFC 9113,
// section 3.4): for HTTP/1 a head, and a body that no request announces.
const preface = "PRI * HTTP/2.0\r\n\r\n"

// handOver gives the connection away if its first head is the preface of HTTP/2, with
// nothing in front of it, and that is spoken here without TLS.
func (c *conn) handOver(head string) bool {
	if head != preface || c.lineEnds < wire.MaxLineEnds || !c.server.settings.H2C || c.server.tls != nil {
		return false
	}
	c.socket.SetDeadline(time.Time{})
	begun := append([]byte(head), c.in.Buffered()...)
	c.in.Reset(nil)
	c.server.http2.take(&resumed{Conn: c.socket, head: begun}, c.server.handler)
	return true
}

// exchange runs one exchange and reports whether the connection can be used
// for another.
func (c *conn) exchange() (again bool) {
	defer func() {
		if v := recover(); v != nil {
			c.server.log(fmt.Errorf("panic serving %s: %v", c.socket.RemoteAddr(), v))
			c.leave()
			c.endRequest()
			c.abort()
			again = false
		}
	}()
	c.stall = c.server.settings.StallTimeout
	if c.server.settings.WriteTimeout > 0 {
		c.limitWrite(time.Now()) // the head has just ended
	}
	c.inbound.begin()
	c.server.watcher.begin(&c.since)
	c.answer.begin()
	c.converse()
	c.endContext()
	switch {
	case c.answer.err != nil:
		c.endRequest()
		c.abort()
	case !c.endRequest() || c.answer.last:
		if c.inbound.unfinished() || len(c.in.Buffered()) > 0 {
			c.linger()
		}
	default:
		again = true
	}
	c.inbound.end()
	return again
}

// converse lets the handler answer, and sends the answer.
func (c *conn) converse() {
	h, a := c.server.handler, &c.answer
	x := gateway.Acquire(&c.inbound)
	x.Started = c.started
	a.err = errInterrupted
	defer func() {
		if v := recover(); v != nil {
			c.server.log(fmt.Errorf("panic serving %s: %v", c.socket.RemoteAddr(), v))
			c.leave()
			a.err = gateway.Panicked(v)
		}
		h.Done(x, a.sent, engine.Ended(a.err, c.cut.Load()))
	}()
	if err := h.Do(c.ctx.Load(), x); err != nil {
		a.err = err
		return
	}
	a.send(x)
}

// endContext ends the context of the exchange if anybody may know it.
func (c *conn) endContext() {
	c.since.Store(0)
	if ctx := c.ctx.Load(); !ctx.unused() {
		ctx.end(context.Canceled)
		c.ctx.Store(new(exchangeContext))
	}
}

// left reports whether the client has closed the connection.
func (c *conn) left() (left bool) {
	if c.raw == nil {
		return false
	}
	err := c.raw.Control(func(fd uintptr) { left = closedByPeer(fd) })
	return left && err == nil
}

// leave ends the exchange: nobody waits for it. Safe for concurrent use.
func (c *conn) leave() {
	c.gone.Store(true)
	err := context.Canceled
	if c.cut.Load() {
		err = gateway.ErrStopped
	}
	c.ctx.Load().end(err)
}

// refuse answers a message that is not well-formed. Anything else that ended
// the reading of a head leaves nobody to answer.
func (c *conn) refuse(err error) {
	e, ok := errors.AsType[*wire.Error](err)
	if !ok {
		return
	}
	c.server.log(fmt.Errorf("request from %s refused: %w", c.socket.RemoteAddr(), err))
	now := time.Now()
	c.limitWrite(now)
	reason := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	text := appendDate(appendStatus(nil, 1, e.Status), now)
	text = fmt.Appendf(text, "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", len(reason), reason)
	if _, err := c.stream.Write(text); err == nil {
		c.linger()
	}
}

// linger lets the client read the answer before the connection ends.
func (c *conn) linger() {
	if encrypted, ok := c.stream.(*tls.Conn); ok && c.inbound.secure {
		engine.Linger(c.socket, encrypted)
		return
	}
	engine.Linger(c.socket, nil)
}

// abort ends the connection in the middle of an answer. A client that was
// promised nothing but the end of the connection would take that for the end
// of the body, so it is reset; and TLS ends without the alert that vouches for
// what came before.
func (c *conn) abort() {
	if tcp, ok := c.socket.(*net.TCPConn); ok && c.inbound.head.Minor == 0 {
		tcp.SetLinger(0) // whether it works or not, the connection ends here
	}
	c.socket.Close()
}

// limitRead sets the deadline for reading to the limit after start; 0 is none.
//
// Setting a deadline costs a tenth of a small request, so it is set an eighth
// of the limit later than asked for, and is left alone as long as it is
// neither too early nor that much too late.
func (c *conn) limitRead(start time.Time, limit time.Duration) {
	if by, move := deadline(c.readBy, start, limit); move {
		c.readBy = by
		c.stream.SetReadDeadline(by) // fails on a broken connection, as Read will
	}
}

// limitWrite sets the deadline for an answer to a request whose head ended at
// start, as limitRead does.
func (c *conn) limitWrite(start time.Time) {
	if by, move := deadline(c.writeBy, start, c.server.settings.WriteTimeout); move {
		c.writeBy = by
		c.stream.SetWriteDeadline(by) // fails on a broken connection, as Write will
	}
}

// limitStream sets the deadline for an answer that streams; zero lifts it. Where
// the system is asked for what it takes, the deadline is set when it takes no
// more, which for most answers is never.
func (c *conn) limitStream(by time.Time) {
	if !by.IsZero() && c.server.settings.WriteTimeout > 0 && c.writeBy.Before(by) {
		return // write_timeout ends it before
	}
	c.until = by
	switch {
	case by.IsZero() && c.limited:
		c.limited = false
		c.writeBy = time.Time{} // the next answer sets its own
		c.stream.SetWriteDeadline(time.Time{})
	case !by.IsZero() && !c.direct:
		c.limited = true
		c.stream.SetWriteDeadline(by) // fails on a broken connection, as Write will
	}
}

// limitPieces sets the deadline for n bytes that package net sends in one go.
func (c *conn) limitPieces(n int) {
	if c.stall <= 0 {
		return
	}
	by := time.Now().Add(c.stall * time.Duration(1+n/engine.StallPiece))
	if c.writeBy.IsZero() || by.Before(c.writeBy) {
		c.limited = true
		c.stream.SetWriteDeadline(by) // fails on a broken connection, as Write will
	}
}

// deadline returns where a deadline belongs that is at set now, and whether it
// has to be moved there.
func deadline(set, start time.Time, limit time.Duration) (by time.Time, move bool) {
	if limit <= 0 {
		return time.Time{}, !set.IsZero()
	}
	earliest := start.Add(limit)
	latest := earliest.Add(limit / 8)
	return latest, set.Before(earliest) || set.After(latest)
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// interrupt makes a read return that waits for the client. Safe for concurrent
// use with that read.
func (c *conn) interrupt() {
	c.stream.SetReadDeadline(longAgo) // fails on a broken connection, where no read waits
}
