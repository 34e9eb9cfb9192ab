package nethttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

var _ gateway.Secured = (*inbound)(nil)

// inbound is a [gateway.Inbound] over a request of net/http.
type inbound struct {
	w      http.ResponseWriter
	r      *http.Request
	target wire.Target  // its authority is that of the request, wherever it stood
	body   *requestBody // nil as long as nobody asks
	hints  int          // that were sent
}

var inbounds = sync.Pool{New: func() any { return new(inbound) }}

// acquire returns a view of r, which asks for the target.
func acquire(w http.ResponseWriter, r *http.Request, target wire.Target) *inbound {
	in := inbounds.Get().(*inbound)
	in.w, in.r, in.target = w, r, target
	return in
}

// release takes the view back. Nobody may use it any more.
func (in *inbound) release() {
	*in = inbound{}
	inbounds.Put(in)
}

func (in *inbound) Method() string   { return in.r.Method }
func (in *inbound) Path() string     { return in.target.Path }
func (in *inbound) RawQuery() string { return in.target.Query }
func (in *inbound) Host() string     { return in.target.Authority }
func (in *inbound) Proto() string    { return in.r.Proto }
func (in *inbound) Secure() bool     { return in.r.TLS != nil }
func (in *inbound) Length() int64    { return in.r.ContentLength }

// TLS returns the state of TLS, which net/http has.
func (in *inbound) TLS() *tls.ConnectionState { return in.r.TLS }

// Peer returns the zero address for a connection that has none.
func (in *inbound) Peer() netip.AddrPort {
	peer, err := netip.ParseAddrPort(in.r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return peer
}

func (in *inbound) Header(name string) string {
	if values := in.r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func (in *inbound) AppendHeader(dst gateway.Fields, name string) gateway.Fields {
	for _, v := range in.r.Header[name] {
		dst = append(dst, gateway.Field{Name: name, Value: v})
	}
	return dst
}

// AppendHeaders appends the fields sorted by name.
func (in *inbound) AppendHeaders(dst gateway.Fields) gateway.Fields {
	return appendSorted(dst, in.r.Header)
}

var _ gateway.Hinter = (*inbound)(nil)

// Hint sends an interim answer. Net/http tells a client to continue on its own, from
// whoever reads the body, so one that waits for that is told nothing else. In HTTP/2 it
// does not tell who waits, and nobody is told to continue behind another interim answer:
// there the first hint to whoever may wait comes behind a 100, for which any client is
// ready (RFC 9110, section 15.2).
func (in *inbound) Hint(header gateway.Fields) {
	if !in.r.ProtoAtLeast(1, 1) || in.hints == engine.MaxHints || !engine.Hints(header) || in.r.ContentLength != 0 && in.Header("Expect") != "" {
		return
	}
	if in.hints == 0 && in.r.ProtoMajor == 2 && in.r.ContentLength != 0 {
		in.w.WriteHeader(http.StatusContinue)
	}
	in.hints++
	h := in.w.Header()
	for _, f := range header {
		if engine.Hintable(f) {
			h[f.Name] = append(h[f.Name], f.Value)
		}
	}
	in.w.WriteHeader(http.StatusEarlyHints)
	clear(h)
}

// Body returns a reader that nobody can close: the message is the engine's.
func (in *inbound) Body() io.Reader {
	if in.r.ContentLength == 0 {
		return nil
	}
	if in.body == nil {
		in.body = &requestBody{w: in.w, r: in.r.Body, request: in.r}
	}
	return in.body
}

// A reading is how far the body of a request was read when its answer begins.
type reading uint8

const (
	unread     reading = iota // nobody has begun
	unfinished                // somebody has begun and may go on
	broken                    // it cannot be read any further
	finished                  // to its end; or there is none, or it is HTTP/2's
)

// settle returns how far the body was read when an answer begins. Once the
// answer is complete nobody may begin to read any more.
func (in *inbound) settle(complete bool) reading {
	switch {
	case in.r.ContentLength == 0 || in.r.ProtoMajor != 1:
		return finished
	case in.body == nil:
		return unread
	}
	return in.body.settle(complete)
}

// patience is how long a client may go on sending a body that nobody reads any
// more before the connection is given up.
const patience = 5 * time.Second

// finish ends the reading of the body after an answer. What is left of it is
// read by net/http before it closes the connection, so that a client that sends
// first and reads later gets its answer; it does so without a limit of its own,
// and gets one here. A client that was not told to continue sends nothing.
func (in *inbound) finish() {
	limit := patience
	switch in.settle(true) {
	case finished:
		return
	case unread:
		if in.Header("Expect") != "" {
			limit = 0
		}
	case broken:
		limit = 0
	}
	in.stop(limit)
}

// stop ends the reading of the body here at once, and what net/http reads of it
// after the limit.
func (in *inbound) stop(limit time.Duration) {
	conn := http.NewResponseController(in.w)
	if in.body != nil {
		in.body.stop(func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	}
	conn.SetReadDeadline(time.Now().Add(limit)) // fails on a broken connection, which is read no more
}

// A requestBody is the body of a request for as long as the exchange lasts. A
// call that was given up may still be reading it then.
type requestBody struct {
	w    http.ResponseWriter
	mu   sync.Mutex // held while reading
	r    io.Reader
	read reading
	over bool

	request *http.Request

	ended atomic.Bool // read is finished; for those who find somebody reading
}

var errAnswered = errors.New("the request was answered")

// Read reads on. With the first read net/http learns that the answer may begin
// while the request is still arriving: otherwise it would read the rest itself
// before it sends a byte.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, errAnswered
	}
	b.begin()
	n, err := b.r.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.read = finished
		b.ended.Store(true)
	default:
		b.read = broken
		if !b.malformed(err) {
			err = engine.BrokenBody(err, errors.Is(context.Cause(b.request.Context()), gateway.ErrStopped))
		}
	}
	return n, err
}

// malformed reports whether a body of HTTP/1 cannot be read any further because
// of what the client sent, and not because nothing more comes. For the former
// net/http has errors of no type, and for the latter those of the connection. A
// stream of HTTP/2 whose body is not what was announced is reset: nobody is answered.
func (b *requestBody) malformed(err error) bool {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return false
	}
	_, lost := errors.AsType[net.Error](err)
	return b.request.ProtoMajor == 1 && !lost && !errors.Is(err, net.ErrClosed)
}

// begin notes that somebody reads the body.
func (b *requestBody) begin() {
	if b.read == unread {
		b.read = unfinished
		http.NewResponseController(b.w).EnableFullDuplex() // HTTP/2 always is
	}
}

// settle returns how far the body was read. A call that begins to answer may
// yet begin to read.
func (b *requestBody) settle(complete bool) reading {
	if !b.mu.TryLock() {
		if b.ended.Load() {
			return finished
		}
		return unfinished
	}
	defer b.mu.Unlock()
	if !complete {
		b.begin()
	} else if b.read == unread {
		b.over = true
	}
	return b.read
}

// stop ends the reading. If somebody is at it, interrupt makes that return.
func (b *requestBody) stop(interrupt func()) {
	if !b.mu.TryLock() {
		interrupt()
		b.mu.Lock()
	}
	b.over = true
	b.mu.Unlock()
}

// appendSorted appends the fields of h sorted by name, the values of one name
// in their order.
func appendSorted(dst gateway.Fields, h http.Header) gateway.Fields {
	before := len(dst)
	dst = appendFields(dst, h)
	slices.SortStableFunc(dst[before:], func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	return dst
}

// appendFields appends the fields of h, the values of one name in their order.
func appendFields(dst gateway.Fields, h http.Header) gateway.Fields {
	for name, values := range h {
		for _, v := range values {
			dst = append(dst, gateway.Field{Name: name, Value: v})
		}
	}
	return dst
}
