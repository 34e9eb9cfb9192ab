package nethttp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// http2Frame is the largest frame of HTTP/2 that is taken: no more than everybody
// may send unasked (RFC 9113, section 6.5.2).
const http2Frame = 16 << 10

// server is an [engine.Server] on http.Server.
type server struct {
	http     http.Server
	errorLog func(msg string, err error) // may be nil
	handler  gateway.Handler
	tunnels  tunnels
	cut      atomic.Bool             // by Shutdown, which waits no longer
	stop     context.CancelCauseFunc // ends the contexts of all connections

	tls         *tls.Config // nil for plain HTTP
	h2c         bool        // HTTP/2 by prior knowledge is spoken
	limits      wire.Limits // of a head
	headTimeout time.Duration

	handshakeTimeout time.Duration // 0 is no limit
	stallTimeout     time.Duration // 0 is no limit

	mu       sync.Mutex
	listener net.Listener
	draining bool
	conns    map[*sieve]struct{} // connections of HTTP/1
	running  int                 // exchanges that began before draining
	settled  chan struct{}       // closed when there are none of them any more; nil before
}

// Engine is the engine of the standard library.
var Engine = engine.Engine{Name: "nethttp", NewServer: NewServer, NewClient: NewClient}

// NewServer returns a server that is not listening yet.
func NewServer(s engine.Settings) engine.Server {
	srv := &server{
		errorLog:    s.ErrorLog,
		tls:         s.TLS,
		h2c:         s.H2C,
		limits:      wire.Limits{HeadBytes: s.HeadBytes(), Fields: wire.MaxFields},
		headTimeout: s.ReadHeaderTimeout,
		conns:       make(map[*sieve]struct{}),

		handshakeTimeout: s.HandshakeTimeout(),
		stallTimeout:     s.StallTimeout,
	}
	if srv.headTimeout == 0 {
		srv.headTimeout = s.ReadTimeout
	}
	base, stop := context.WithCancelCause(context.Background())
	srv.stop = stop
	srv.http = http.Server{
		Handler:           srv,
		ReadTimeout:       s.ReadTimeout,
		ReadHeaderTimeout: s.ReadHeaderTimeout,
		WriteTimeout:      s.WriteTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    s.MaxHeaderBytes,
		ErrorLog:          log.New(&errorLog{s.ErrorLog}, "", 0),
		Protocols:         new(http.Protocols),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: engine.MaxStreams, MaxReadFrameSize: http2Frame, WriteByteTimeout: s.StallTimeout,
		},
		BaseContext: func(net.Listener) context.Context { return base },
		ConnContext: withPeer,
		ConnState:   srv.follow,

		DisableGeneralOptionsHandler: true,
	}
	srv.http.Protocols.SetHTTP1(true)
	srv.http.Protocols.SetHTTP2(true)
	srv.http.Protocols.SetUnencryptedHTTP2(s.H2C)
	return srv
}

// Serve answers the clients of l.
func (s *server) Serve(l net.Listener, h gateway.Handler) error {
	s.handler = h
	s.mu.Lock()
	s.listener = l
	if s.draining {
		l.Close() // nobody needs it any more
	}
	s.mu.Unlock()
	g := newGate(s, l)
	err := s.http.Serve(g)
	g.Close() // if Shutdown has not
	g.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Shutdown drains the server and cuts what is left when ctx is done.
func (s *server) Shutdown(ctx context.Context) error {
	select {
	case <-s.drain():
	case <-ctx.Done():
	}
	if engine.AwaitLast(ctx, s.expecting) {
		s.closeWaiting()
	}
	err := s.http.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) { // its listener was closed before
		err = nil
	}
	if err != nil {
		s.cut.Store(true)
		s.stop(gateway.ErrStopped)
		err = errors.Join(err, s.http.Close())
	}
	if !s.tunnels.wait(ctx, &s.cut) && err == nil {
		err = ctx.Err()
	}
	return err
}

// drain stops accepting. The result is closed when the exchanges have ended that
// run now.
func (s *server) drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	if s.listener != nil {
		s.listener.Close() // it may be closed already
	}
	if s.settled == nil {
		s.settled = make(chan struct{})
		if s.running == 0 {
			close(s.settled)
		}
	}
	return s.settled
}

// drains reports whether the server is draining.
func (s *server) drains() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// follow notes which connections wait for a request. For net/http one does so until
// the whole head was read, and would be closed meanwhile.
func (s *server) follow(conn net.Conn, state http.ConnState) {
	c, ok := conn.(interface{ unwrap() *sieve })
	if !ok {
		return
	}
	v, now := c.unwrap(), time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	v.waits = state == http.StateNew || state == http.StateIdle
	switch state {
	case http.StateNew, http.StateIdle:
		v.rests, v.first = now, state == http.StateNew
		s.conns[v] = struct{}{}
	case http.StateActive:
		if !v.first {
			v.gap = now.Sub(v.rests)
		}
	default:
		delete(s.conns, v)
	}
}

// expecting ends the connections on which no request is expected, and reports
// whether there are any but those whose answer says that it is the last.
func (s *server) expecting() (is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for v := range s.conns {
		if v.other.Load() {
			continue // net/http says goodbye by itself
		}
		is = is || !v.last
		if v.waits && !v.ended && !v.expects() {
			v.ended = true
			v.SetReadDeadline(time.Unix(1, 0)) // which net/http lifts if a request has come all the same
		}
	}
	return is
}

// closeWaiting closes the connections on which no request has come. It is the socket that
// is closed: TLS would say goodbye first, and wait for a client that takes nothing.
func (s *server) closeWaiting() {
	var closing []net.Conn
	s.mu.Lock()
	for v := range s.conns {
		if v.waits && !v.other.Load() {
			closing = append(closing, v.Conn)
		}
	}
	s.mu.Unlock()
	for _, conn := range closing {
		socket(conn).Close()
	}
}

// enter counts an exchange, and reports whether it did: not while the server is
// draining, when the connection is to end after it.
func (s *server) enter(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.draining {
		s.running++
		return true
	}
	if v := sieveOf(r); v != nil {
		v.last = true
	}
	return false
}

// sieveOf returns the sieve of the connection that a request came on; nil for HTTP/2.
func sieveOf(r *http.Request) *sieve {
	p, ok := r.Context().Value(peerKey{}).(*peer)
	if !ok {
		return nil
	}
	c, ok := p.conn.(interface{ unwrap() *sieve })
	if !ok {
		return nil
	}
	return c.unwrap()
}

// uncount ends what enter began, if it has not ended yet.
func (a *answer) uncount() {
	if !a.counted {
		return
	}
	a.counted = false
	s := a.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running--; s.running == 0 && s.draining {
		close(s.settled)
	}
}

// errInterrupted stands for the outcome of an exchange until it is known. It is seen by
// observers only if the handler or a body has ended its goroutine.
var errInterrupted = errors.New("interrupted")

// ServeHTTP turns one request into an exchange and the exchange into the
// answer.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target, err := check(w, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	in := acquire(w, r, target)
	defer in.release()
	x := gateway.Acquire(in)
	out := answer{server: s, w: w, in: in, err: errInterrupted}
	out.counted = s.enter(r)
	out.last = !out.counted || r.Close && r.ProtoMajor == 1
	defer out.uncount()
	defer func() {
		if v := recover(); v != nil {
			s.http.ErrorLog.Printf("panic serving %s: %v", r.RemoteAddr, v)
			out.err = gateway.Panicked(v)
		}
		started, until := x.Started, x.Until
		s.handler.Done(x, out.sent, engine.Ended(out.err, s.cut.Load()))
		if !out.stalled() {
			s.watch(r, started, until)
		}
		out.end()
	}()
	err = s.handler.Do(r.Context(), x)
	if err == nil {
		err = out.send(x)
	}
	out.err = err
}

// watch notes how an exchange of HTTP/2 ended. Its context ends before it does if
// the client resets the stream, or we do when the time for the answer is over, or
// with the connection. Which of them it was net/http does not tell: what ends late
// enough to be our doing says nothing about the client. The time for the answer
// begins when net/http has the head, which under load is well before the exchange.
func (s *server) watch(r *http.Request, started, until time.Time) {
	if r.ProtoMajor != 2 {
		return
	}
	cut := r.Context().Err() != nil
	if limit := s.http.WriteTimeout; cut && (limit > 0 && time.Since(started) >= limit/2 || !until.IsZero() && !time.Now().Before(until)) {
		return
	}
	s.count(r, cut)
}

// count notes whether a request of HTTP/2 was cut before it had its answer.
func (s *server) count(r *http.Request, cut bool) {
	if p, ok := r.Context().Value(peerKey{}).(*peer); ok {
		if err := p.count(cut); err != nil {
			s.http.ErrorLog.Print(err)
		}
	}
}

// An answer on its way to the client.
type answer struct {
	server  *server
	w       http.ResponseWriter
	in      *inbound
	sent    gateway.Sent
	err     error // why it broke off
	counted bool  // the server waits for it
	last    bool  // the connection ends after it
	tunnels bool  // the connection is a tunnel, or was one

	by    time.Time // when a stream of HTTP/2 has to have ended; zero for no limit
	taken time.Time // when the client of it must have taken something; zero for no limit
}

// patience gives the client of HTTP/2 the time of StallTimeout to take something of
// what is written next: of a stream whose window is closed the connection does not
// tell that it stalls. Setting the deadline takes memory, so it is set an eighth later
// than asked for, and is left alone as long as it is not too early.
func (a *answer) patience() {
	limit := a.server.stallTimeout
	if limit <= 0 || a.in.r.ProtoMajor != 2 {
		return
	}
	now := time.Now()
	if earliest := now.Add(limit); !a.taken.IsZero() && (!a.taken.Before(earliest) || a.taken.Equal(a.by)) {
		return
	}
	a.taken = now.Add(limit + limit/8)
	if !a.by.IsZero() && a.by.Before(a.taken) {
		a.taken = a.by
	}
	http.NewResponseController(a.w).SetWriteDeadline(a.taken) // fails on a broken connection, as writing will
}

// stalled reports whether the time to take something is over.
func (a *answer) stalled() bool {
	return !a.taken.IsZero() && !time.Now().Before(a.taken)
}

// send writes x.Response. The error is why it broke off.
func (a *answer) send(x *gateway.Exchange) error {
	res := &x.Response
	if res.Status == http.StatusSwitchingProtocols && res.Upgrade != "" && a.in.Upgrades() {
		return a.tunnel(res)
	}
	if res.Status < 200 || res.Status > 999 {
		return &gateway.Error{Code: gateway.CodeInternal, Err: fmt.Errorf("%d is no status of an answer", res.Status)}
	}
	raw, stream, size, err := payload(&res.Body)
	if err != nil {
		return err
	}
	if limit := a.server.http.WriteTimeout; limit > 0 {
		a.by = x.Started.Add(limit)
	}
	if stream != nil {
		defer stream.Close()
	}
	trails := stream != nil && size >= 0 && a.in.r.ProtoMajor == 2 && res.Trailer != nil // behind a known size
	head := a.in.r.Method == http.MethodHead
	if stream == body.Unsent && !head || res.Status == http.StatusResetContent {
		size = 0
	}
	bodiless := res.Status == http.StatusNoContent || res.Status == http.StatusNotModified
	announced := size
	if bodiless || head && size == 0 && res.Status != http.StatusResetContent {
		announced = -1
	}
	a.header(res, announced)
	if err := a.begin(res.Status, stream == nil); err != nil {
		return err
	}
	switch {
	case head || bodiless:
		a.sent.Status = res.Status
		return nil
	case size == 0 && (!trails || res.Status == http.StatusResetContent):
		a.sent.Status = res.Status
		return a.trail(res, size)
	case stream != nil:
		return a.stream(x, stream, size, trails)
	}
	if err := a.write(raw, res.Status); err != nil {
		return err
	}
	return a.trail(res, size)
}

// stream sends a body as it comes, of the given size, -1 if it is unknown, and its trailers.
// With trails it reads what is behind a known size, too.
func (a *answer) stream(x *gateway.Exchange, from io.Reader, size int64, trails bool) error {
	res := &x.Response
	if t := res.Header.Get("Content-Type"); strings.HasPrefix(t, "text/event-stream") || strings.HasPrefix(t, "application/grpc") {
		if err := a.flush(res.Status); err != nil {
			return err
		}
	}
	if limit := a.server.http.WriteTimeout; !x.Until.IsZero() && (limit == 0 || x.Until.Before(x.Started.Add(limit))) {
		conn := http.NewResponseController(a.w)
		a.by = x.Until
		conn.SetWriteDeadline(x.Until) // fails on a broken connection, as writing will
		defer conn.SetWriteDeadline(time.Time{})
	}
	if size != 0 {
		if err := a.copy(from, size, res.Status); err != nil {
			return err
		}
	}
	if trails {
		if err := a.flush(res.Status); err != nil {
			return err
		}
		if n, err := from.Read(make([]byte, 1)); n > 0 || err != io.EOF {
			return &gateway.Error{Code: gateway.CodeBackendAborted, Err: cmp.Or(err, io.ErrUnexpectedEOF)}
		}
	}
	return a.trail(res, size)
}

// trail sends the fields behind a body of this size, -1 if it is unknown, that was
// written. HTTP/1 has none behind a length.
func (a *answer) trail(res *gateway.Response, size int64) error {
	if size >= 0 && a.in.r.ProtoMajor == 1 {
		return nil
	}
	fields := engine.Trailers(a.in, res)
	if len(fields) == 0 {
		return nil
	}
	if err := a.flush(res.Status); err != nil { // or net/http announces a length, and has no place for them
		return err
	}
	h := a.w.Header()
	for _, f := range fields {
		h[http.TrailerPrefix+f.Name] = append(h[http.TrailerPrefix+f.Name], f.Value)
	}
	return nil
}

// payload returns the body as bytes or as a stream, and its size, -1 if it is
// unknown.
func payload(b *body.Body) (raw []byte, stream io.ReadCloser, size int64, err error) {
	if size = b.Size(); b.Form() == body.Stream {
		return nil, b.Reader(), size, nil
	}
	raw, err = b.Bytes(0)
	return raw, nil, int64(len(raw)), err
}

// header fills the header of the answer. size is announced unless it is
// negative. The values of all fields share one array. A type that is missing is not
// guessed where the answer says so.
func (a *answer) header(res *gateway.Response, size int64) {
	h, fields, untyped := a.w.Header(), res.Header, res.Untyped
	values := make([]string, 0, len(fields)+1)
	for _, f := range fields {
		if !engine.Sendable(f) {
			continue
		}
		untyped = untyped || f.Name == "X-Content-Type-Options" && engine.NoSniff(f.Value)
		if earlier, repeated := h[f.Name]; repeated {
			h[f.Name] = append(earlier, f.Value)
			continue
		}
		values = append(values, f.Value)
		h[f.Name] = values[len(values)-1 : len(values) : len(values)]
	}
	if untyped && h["Content-Type"] == nil {
		h["Content-Type"] = nil // which keeps net/http from guessing
	}
	if size >= 0 {
		values = append(values, strconv.FormatInt(size, 10))
		h["Content-Length"] = values[len(values)-1:]
	}
	if res.Status == http.StatusNotModified && a.in.r.ProtoMajor == 1 && h["Content-Type"] != nil {
		h["content-type"] = h["Content-Type"] // which net/http would leave out by its other name
		delete(h, "Content-Type")
	}
}

// begin sends the header. complete says that nothing of the answer depends on
// the request any more.
//
// A request body that nobody has begun to read is then read by net/http before
// it sends anything, so that the connection can be used again. It may take a
// moment for that, no more: the deadline makes it close the connection instead.
func (a *answer) begin(status int, complete bool) error {
	if a.last || a.in.r.ProtoMajor == 1 && a.server.drains() {
		a.w.Header()["Connection"] = closing
	}
	switch a.in.settle(complete) {
	case unfinished, broken:
		a.w.Header()["Connection"] = closing
	case unread:
		conn := http.NewResponseController(a.w)
		conn.SetReadDeadline(time.Now().Add(moment)) // on a broken connection nothing is read anyway
		a.w.WriteHeader(status)
		err := a.flush(status)
		conn.SetReadDeadline(time.Time{})
		return err
	}
	a.w.WriteHeader(status)
	return nil
}

// moment is how long the rest of a request that nobody wants may take to
// arrive before the connection is given up for it.
const moment = 50 * time.Millisecond

// closing are the values of Connection when it is not used again.
var closing = []string{"close"}

// buffers holds the memory that streams pass through.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copy sends a stream of the given size, -1 if it is unknown, and lets no byte
// wait while it reads on.
func (a *answer) copy(from io.Reader, size int64, status int) error {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	for {
		n, readErr := from.Read(buf[:])
		if size >= 0 && a.sent.Bytes+int64(n) > size {
			return &gateway.Error{Code: gateway.CodeBackendInvalid, Err: errors.New("the body is longer than announced")}
		}
		if n > 0 {
			if err := a.write(buf[:n], status); err != nil {
				return err
			}
		}
		if a.sent.Bytes == size || readErr == io.EOF && size < 0 {
			return nil
		}
		if n > 0 {
			if err := a.flush(status); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return &gateway.Error{Code: gateway.CodeBackendAborted, Err: io.ErrUnexpectedEOF}
		}
		if readErr != nil {
			return readErr
		}
	}
}

// write sends bytes of the body of an answer with this status.
func (a *answer) write(p []byte, status int) error {
	for first := true; first || len(p) > 0; first = false {
		piece := p[:min(len(p), engine.StallPiece)]
		if a.sent.Bytes > 0 || len(p) > buffered {
			a.patience()
		}
		n, err := a.w.Write(piece)
		a.sent.Bytes += int64(n)
		if err != nil {
			return a.lost(err)
		}
		a.sent.Status = status
		p = p[n:]
	}
	return nil
}

// buffered is what net/http holds of an answer over HTTP/2 until the exchange is over.
const buffered = 4 << 10

// lost returns the error of a write that did not reach the client.
func (a *answer) lost(err error) error {
	if err != nil && a.stalled() {
		err = errors.Join(os.ErrDeadlineExceeded, err)
	}
	return gone(err)
}

// flush hands what was written of an answer with this status to the network.
func (a *answer) flush(status int) error {
	err := a.w.(interface{ FlushError() error }).FlushError()
	if err == nil {
		a.sent.Status = status
	}
	return a.lost(err)
}

// gone returns the error of a write that did not reach the client.
func gone(err error) error {
	if err == nil {
		return nil
	}
	code := gateway.CodeClientGone
	if errors.Is(err, os.ErrDeadlineExceeded) {
		code = gateway.CodeTimeout
	}
	return &gateway.Error{Code: code, Err: err}
}

// end leaves the connection in a state that net/http can go on with, or ends
// it.
func (a *answer) end() {
	if a.tunnels {
		return
	}
	if a.err == nil {
		a.in.finish()
		return
	}
	a.in.stop(0)
	a.abort()
}

// abort ends the connection, or the stream of HTTP/2, in the middle of the
// answer. On HTTP/1 it closes the connection itself, because net/http would
// first read what is left of the request and wait for a client that stalls. A
// client that was promised nothing but the end of the connection would take
// that for the end of the body, so it is reset; and TLS ends without the alert
// that vouches for what came before.
func (a *answer) abort() {
	hijacker, ok := a.w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	conn, _ = release(conn)
	conn = socket(conn)
	if tcp, ok := conn.(*net.TCPConn); ok && !a.in.r.ProtoAtLeast(1, 1) {
		tcp.SetLinger(0) // whether it works or not, the connection ends here
	}
	conn.Close()
}

// errorLog turns the lines of http.Server's log into errors. Only the first
// line is kept: the others are the stack of a panic.
type errorLog struct {
	to func(msg string, err error)
}

func (l *errorLog) Write(p []byte) (int, error) {
	if l.to != nil {
		line, _, _ := strings.Cut(string(p), "\n")
		l.to("http server", errors.New(strings.TrimPrefix(line, "http: ")))
	}
	return len(p), nil
}
