package httpx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Handler returns a connector that h answers. h gets the request of the exchange, or, at
// a port, where nobody has made one, the message of the client. It may keep what it gets,
// but for the body.
//
// Each exchange has a goroutine for h, which goes on where the answer streams. When the
// exchange has ended, its context has, reads of the request and writes of the answer
// fail, and h has to return. A deadline does not wait for that: whoever has what h uses
// waits in [Native.Close] before it ends that.
//
// The writer is a flusher; of what [http.ResponseController] offers it knows the deadline
// of writes and full duplex, which it always is. Trailers follow as net/http has them.
// Informational answers are dropped. An answer that is shorter than its Content-Length
// breaks off.
func Handler(h http.Handler) *Native { return &Native{h: h} }

// A Native is a connector that a handler of net/http answers; see [Handler].
type Native struct {
	h       http.Handler
	running sync.WaitGroup
}

// Close waits until the handler has returned from every exchange, of which none may begin
// any more. It is a hook for OnClose of a site. The error is that of ctx, when it ends
// before.
func (n *Native) Close(ctx context.Context) error {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		n.running.Wait()
	}()
	select {
	case <-returned:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a handler has not returned: %w", ctx.Err())
	}
}

// Do answers an exchange.
func (n *Native) Do(ctx context.Context, x *gateway.Exchange) error {
	r, upload, err := request(x)
	if err != nil {
		return err
	}
	w := newWriter(r.Method)
	within, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { w.pipe.out.CloseWithError(ended(ctx)) })
	over := func(err error) {
		stop()
		cancel()
		upload.over.Store(true)
		w.pipe.in.CloseWithError(err)
	}
	n.running.Go(func() {
		defer upload.over.Store(true)
		w.run(n.h, r.WithContext(within))
	})
	select {
	case <-w.begun:
	case <-ctx.Done():
		over(ended(ctx))
		return ended(ctx)
	}
	if w.failed != nil {
		over(w.failed)
		return w.failed
	}
	w.fill(&x.Response, over)
	return nil
}

// ended is the failure of an exchange whose context has ended.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &gateway.Error{Code: gateway.CodeTimeout, Public: "context deadline exceeded", Err: ctx.Err()}
	}
	return gateway.Left(ctx, ctx.Err())
}

// request returns what an exchange asks as a request of net/http, and its body. Strings
// and bytes in memory are copied: those of an exchange die with it.
func request(x *gateway.Exchange) (*http.Request, *upload, error) {
	q := &x.Request
	method, host, path, query, header := q.Method, q.Host, q.Path, q.RawQuery, q.Header
	var in io.Reader
	var length int64
	var memory []byte
	switch {
	case method == "":
		method, host, path, query, header = x.In.Method(), x.In.Host(), x.In.Path(), x.In.RawQuery(), x.In.AppendHeaders(nil)
		in, length = x.TakeBody(), x.In.Length()
	case q.Body.Arrived():
		raw, err := q.Body.Bytes(0)
		if err != nil {
			return nil, nil, gateway.BodyError(err)
		}
		memory = bytes.Clone(raw)
		length = int64(len(memory))
	default:
		length = q.Body.Size()
		stream := q.Body.Reader()
		q.Body = body.FromStream(stream, length) // ours to read, not to close
		in = stream
	}
	u, err := target(path, query)
	if err != nil {
		return nil, nil, &gateway.Error{Status: 400, Code: gateway.CodeBadRequest, Public: "the path cannot be read", Err: err}
	}
	r := &http.Request{
		Method: strings.Clone(method), URL: u, Host: strings.Clone(host), RequestURI: u.RequestURI(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(header)), ContentLength: length, Body: http.NoBody,
	}
	if x.In != nil {
		r.TLS = gateway.TLSOf(x.In)
		if x.In.Peer().IsValid() {
			r.RemoteAddr = x.In.Peer().String()
		}
	}
	for _, f := range header {
		if !gateway.PerHop(f.Name) && f.Name != "Host" {
			name := strings.Clone(f.Name)
			r.Header[name] = append(r.Header[name], strings.Clone(f.Value))
		}
	}
	up := &upload{stream: in}
	switch {
	case in != nil:
		r.Body = up
	case len(memory) > 0:
		r.Body = io.NopCloser(bytes.NewReader(memory))
	}
	return r, up, nil
}

// target returns an escaped path and a query as net/http has them.
func target(path, query string) (*url.URL, error) {
	path = strings.Clone(path)
	u := &url.URL{RawQuery: strings.Clone(query)}
	if path == "*" {
		u.Path = path
		return u, nil
	}
	var err error
	if u.Path, err = url.PathUnescape(path); err != nil {
		return nil, err
	}
	if u.EscapedPath() != path {
		u.RawPath = path
	}
	return u, nil
}

var errOver = errors.New("the exchange is over")

// An upload is the body of a request for as long as the exchange lasts. A read that
// waits may outlast it.
type upload struct {
	stream io.Reader
	over   atomic.Bool
}

func (u *upload) Read(p []byte) (int, error) {
	if u.over.Load() {
		return 0, errOver
	}
	return u.stream.Read(p)
}

// Close ends the reading; the body itself is of the exchange.
func (u *upload) Close() error {
	u.over.Store(true)
	return nil
}

// room is how much of an answer is gathered before it is handed on unasked.
const room = 4 << 10

// A writer is what a handler answers with. What does not fit into its buffer goes
// through a pipe to whoever reads the answer.
type writer struct {
	header http.Header
	bare   bool // the answer to HEAD
	begun  chan struct{}
	pipe   struct {
		in  *io.PipeReader
		out *io.PipeWriter
	}

	mu       sync.Mutex
	status   int         // 0 as long as none was written
	sent     http.Header // as it was then
	length   int64       // that was announced; -1 for none
	written  int64
	buf      []byte
	trailer  gateway.Fields // known when the handler has returned
	streams  bool           // the answer was handed on
	finished bool           // the handler has returned
	failed   error

	late     atomic.Bool // a write was not taken in time
	deadline struct {
		sync.Mutex
		timer *time.Timer
	}
}

func newWriter(method string) *writer {
	w := &writer{header: make(http.Header), bare: method == "HEAD", begun: make(chan struct{}), length: -1}
	w.pipe.in, w.pipe.out = io.Pipe()
	return w
}

// run lets the handler answer. Whatever it does, the answer ends.
func (w *writer) run(h http.Handler, r *http.Request) {
	returned := false
	defer func() {
		v := recover()
		switch {
		case v == http.ErrAbortHandler:
			w.finish(&gateway.Error{Code: gateway.CodeBackendAborted, Public: "connection broken", Err: http.ErrAbortHandler})
		case v != nil:
			w.finish(gateway.Panicked(v))
		case !returned:
			w.finish(&gateway.Error{Code: gateway.CodeInternal, Err: errors.New("the handler has ended its goroutine")})
		}
	}()
	h.ServeHTTP(w, r)
	returned = true
	w.finish(nil)
}

// finish ends the answer: with an error, it breaks off.
func (w *writer) finish(err error) {
	defer w.SetWriteDeadline(time.Time{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		w.writeHeader(http.StatusOK)
		if w.length >= 0 && w.written < w.length && !w.empty() {
			err = &gateway.Error{Code: gateway.CodeBackendAborted, Public: "connection broken", Err: fmt.Errorf("the handler wrote %d of %d bytes", w.written, w.length)}
		}
	}
	if err == nil {
		w.trail()
		if w.streams {
			err = w.push()
		}
	}
	w.finished = true
	if !w.streams {
		if w.bare && w.length < 0 && w.written <= room {
			w.length = w.written // as that of the answer to GET is known
		}
		w.failed = err
		close(w.begun)
	}
	w.pipe.out.CloseWithError(err) // nil ends the answer
}

// trail notes the fields that follow the body: those that were announced in front of it,
// and those whose names have the prefix.
func (w *writer) trail() {
	var announced gateway.Names
	for _, list := range w.sent["Trailer"] {
		announced.AddList(list)
	}
	h := make(http.Header)
	for name, values := range w.header {
		if rest, found := strings.CutPrefix(name, http.TrailerPrefix); found || announced.Has(gateway.Canonical(name)) {
			h[rest] = append(h[rest], values...)
		}
	}
	w.trailer = endToEnd(nil, h)
}

// empty reports whether no bytes follow the header.
func (w *writer) empty() bool {
	return w.bare || w.status == http.StatusNoContent || w.status == http.StatusNotModified
}

// Header returns the fields of the answer to come.
func (w *writer) Header() http.Header { return w.header }

// WriteHeader writes the status. Like net/http it panics for one that is none.
func (w *writer) WriteHeader(status int) {
	if status < 100 || status > 999 || status == http.StatusSwitchingProtocols {
		panic(fmt.Sprintf("the handler answers with the status %d", status))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if status >= 200 {
		w.writeHeader(status)
	}
}

// writeHeader notes status and header, once.
func (w *writer) writeHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status, w.sent = status, w.header.Clone()
	if n, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
		w.length = n
	}
}

// Write writes on.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.finished {
		return 0, errOver
	}
	w.writeHeader(http.StatusOK)
	switch {
	case w.empty() && !w.bare:
		return 0, http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+int64(len(p)) > w.length:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if w.bare {
		return len(p), nil
	}
	if len(w.buf)+len(p) > room {
		if err := w.push(); err != nil {
			return 0, err
		}
		if len(p) > room {
			return w.send(p)
		}
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// push hands on what was gathered, and the head in front of it.
func (w *writer) push() error {
	if !w.streams {
		w.streams = true
		close(w.begun)
	}
	if len(w.buf) == 0 {
		return nil
	}
	_, err := w.send(w.buf)
	w.buf = w.buf[:0]
	return err
}

// send writes to whoever reads the answer.
func (w *writer) send(p []byte) (int, error) {
	n, err := w.pipe.out.Write(p)
	if err != nil && w.late.Load() {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// Flush is FlushError without its error.
func (w *writer) Flush() { w.FlushError() }

// FlushError hands on what was written so far, the header at least.
func (w *writer) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.finished {
		return errOver
	}
	w.writeHeader(http.StatusOK)
	return w.push()
}

// EnableFullDuplex does nothing: a handler may read while it writes.
func (w *writer) EnableFullDuplex() error { return nil }

// SetWriteDeadline ends writes that wait for whoever reads the answer at a time; the
// answer breaks off then. The zero time is none.
func (w *writer) SetWriteDeadline(at time.Time) error {
	w.deadline.Lock()
	defer w.deadline.Unlock()
	if w.deadline.timer != nil {
		w.deadline.timer.Stop()
		w.deadline.timer = nil
	}
	if !at.IsZero() {
		w.deadline.timer = time.AfterFunc(time.Until(at), func() {
			w.late.Store(true)
			w.pipe.out.CloseWithError(errSlow)
		})
	}
	return nil
}

var errSlow error = &gateway.Error{Code: gateway.CodeTimeout, Public: "the answer was not taken in time"}

// fill fills a response once the head is known; over ends the exchange.
func (w *writer) fill(to *gateway.Response, over func(error)) {
	to.Status, to.Header = w.status, endToEnd(to.Header[:0], w.sent)
	types, named := w.sent["Content-Type"]
	to.Untyped = named && len(types) == 0
	to.Trailer = nil
	to.Body.Close()
	switch {
	case w.empty():
		if w.bare && w.length > 0 {
			to.Body = body.FromStream(body.Unsent, w.length)
		}
		over(errOver)
	case w.streams:
		to.Body = body.FromStream(&download{w.pipe.in, over}, w.length)
		to.Trailer = &w.trailer // once the body is read
	case len(w.trailer) > 0:
		to.Body = body.FromStream(io.NopCloser(bytes.NewReader(w.buf)), -1) // or nothing could follow
		to.Trailer = &w.trailer
		over(errOver)
	default:
		to.Body = body.FromBytes(w.buf)
		over(errOver)
	}
}

// endToEnd returns the fields of a handler that are not between neighbours, in dst, which
// is empty.
func endToEnd(dst gateway.Fields, h http.Header) gateway.Fields {
	for name, values := range h {
		if name = gateway.Canonical(name); !gateway.Token(name) {
			continue
		}
		for _, v := range values {
			dst = append(dst, gateway.Field{Name: name, Value: v})
		}
	}
	return dst.EndToEnd()
}

// A download is the body of an answer that streams.
type download struct {
	in   *io.PipeReader
	over func(error)
}

// Read reads on.
func (d *download) Read(p []byte) (int, error) { return d.in.Read(p) }

// Close ends the exchange: what the handler yet writes goes nowhere.
func (d *download) Close() error {
	d.over(errOver)
	return nil
}
