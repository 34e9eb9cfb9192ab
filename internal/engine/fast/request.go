package fast

import (
	"context"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

const (
	// inlineLimit is the size up to which a body goes out with its head. It is
	// what sockets take without waiting for the other end.
	inlineLimit = 64 << 10

	pageSize = 4 << 10  // of a request that is being written
	keptPage = 32 << 10 // larger pages are left to the collector
)

var pages = sync.Pool{New: func() any {
	p := make([]byte, 0, pageSize)
	return &p
}}

// A call is one request with its answer, on a link. It is also the body of an
// answer that did not come in one piece; then it is not used again for another
// call, as whoever has read the body may still hold it.
type call struct {
	ctx  context.Context // of the body, too, which is read when Do has returned
	host *host
	x    *gateway.Exchange // nil once it has its answer
	link *link             // nil before and after

	watch   *engine.Stopwatch // nil if nobody wants to know
	session *session          // that the link belongs to; nil for none

	// The body of the request: neither when it has none.
	raw    []byte
	stream io.ReadCloser
	size   int64 // -1 if unknown

	reused    bool // the link had calls before
	expecting bool // the body waits for 100 Continue
	asked     bool // the stream was asked for bytes
	wrote     bool // something of the request was sent
	broken    bool // not all of it could be
	heard     bool // something of the answer has come
	upload    *upload
	memory    *memory // behind upload, for a body in memory

	streams bool           // the body of the answer is read from here
	trailer gateway.Fields // of the answer, once its body has ended
	head    wire.ResponseHead
	body    wire.Body
	err     error // of sending; later of the body

	// Belongs to host.mu.
	place   int // among the young calls; negative outside
	seen    bool
	cut     bool // the link was aborted
	unwatch func() bool
}

var calls sync.Pool // of *call; those that readers may hold do not come back

func acquire(ctx context.Context, h *host, x *gateway.Exchange) *call {
	k, ok := calls.Get().(*call)
	if !ok {
		k = new(call)
	}
	k.ctx, k.host, k.x = ctx, h, x
	k.watch = engine.Watch(&x.Request)
	return k
}

// free lets another call use the memory of this one.
func (k *call) free() {
	*k = call{}
	calls.Put(k)
}

// buffered is a stream that knows how many bytes it returns without waiting.
type buffered interface{ Buffered() int }

// inMemory reports whether the body of q is there, if it has one.
func inMemory(q *gateway.Request) bool {
	return q.Body.Form() != body.Stream || q.Body.Size() == 0
}

// prepare finds out what the body of the request is, which stays with the
// exchange, and whether it waits for 100 Continue: that is up to the field
// Expect of the request, which goes out like any other, and to the settings.
func (k *call) prepare() error {
	q := &k.x.Request
	switch k.size = q.Body.Size(); {
	case k.size == 0:
		return nil
	case q.Body.Form() == body.Stream:
		k.stream = q.Body.Reader()
		q.Body = body.FromStream(k.stream, k.size) // ours to read, not to close
	default:
		raw, err := q.Body.Bytes(0)
		if err != nil {
			return gateway.BodyError(err)
		}
		k.raw, k.size = raw, int64(len(raw))
	}
	q.Upgrade = "" // a body would be in its way
	k.expecting = k.host.client.settings.ExpectContinueTimeout > 0 && k.size != 0 &&
		strings.EqualFold(q.Header.Get("Expect"), "100-continue")
	return nil
}

// repeatable reports whether the call may be made twice, and its body be sent
// again.
func (k *call) repeatable() bool { return k.stream == nil && k.x.Request.Repeatable() }

// single reports whether the link carries no other call.
func (k *call) single() bool { return k.host.client.settings.DisableKeepAlives && k.session == nil }

// reuse takes an idle link, and reports false if there is none.
func (k *call) reuse() bool {
	if k.reused = k.host.take(k); k.reused {
		k.watch.Ready(true)
	}
	return k.reused
}

// dial makes a link. The error is that of [host.dial].
func (k *call) dial() error {
	l, err := k.host.dial(k.ctx, &k.x.Request, k.watch)
	if err != nil {
		if err != errForeign {
			k.watch.End()
		}
		return err
	}
	k.watch.Ready(false)
	k.reused, k.wrote, k.broken, k.heard, k.upload, k.err = false, false, false, false, nil, nil
	k.host.start(k, l)
	return nil
}

// send sends the request, or its head if the body is large, not here yet or not
// wanted yet.
func (k *call) send() {
	page := pages.Get().(*[]byte)
	defer pages.Put(page)
	b := k.appendHead((*page)[:0])
	if cap(b) <= keptPage {
		*page = b
	}
	var rest []byte
	whole := k.size == 0
	switch s, ready := k.stream.(buffered); {
	case whole || k.expecting:
	case k.raw != nil && len(b)+len(k.raw) <= cap(b):
		b, whole = append(b, k.raw...), true
	case k.raw != nil && k.size <= inlineLimit:
		rest, whole = k.raw, true
	case ready && k.size > 0 && len(b)+int(k.size) <= cap(b) && int64(s.Buffered()) >= k.size:
		k.asked, whole = true, true
		n := len(b)
		b = b[:n+int(k.size)]
		if _, err := io.ReadFull(k.stream, b[n:]); err != nil {
			k.err = gateway.BodyError(err)
			return
		}
	}
	n, err := k.link.write(b, rest)
	k.wrote = n > 0
	switch {
	case err != nil && k.wrote:
		k.broken = true // there may be an answer that says why
	case err != nil:
		k.err = err
	case !whole && !k.expecting:
		k.startUpload()
	}
}

// startUpload sends the body from now on.
func (k *call) startUpload() {
	u := &upload{
		link:  k.link,
		from:  k.stream,
		left:  k.size,
		limit: time.Duration(k.host.client.settings.ResponseHeaderTimeout),
		done:  make(chan struct{}),
	}
	if k.asked = k.stream != nil; !k.asked {
		k.memory = &memory{rest: k.raw}
		u.from = k.memory
	}
	k.upload = u
	go u.run()
}

// appendHead appends request line and header (RFC 9112, sections 2 and 3).
func (k *call) appendHead(b []byte) []byte {
	q := &k.x.Request
	b = append(b, q.Method...)
	b = append(b, ' ')
	b = append(b, q.Path...)
	if q.RawQuery != "" {
		b = append(b, '?')
		b = append(b, q.RawQuery...)
	}
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, q.Host...)
	b = append(b, "\r\n"...)
	for i := range q.Header {
		f := &q.Header[i]
		if gateway.PerHop(f.Name) || f.Name == "Host" {
			continue
		}
		b = append(b, f.Name...)
		b = append(b, ": "...)
		b = append(b, f.Value...)
		b = append(b, "\r\n"...)
	}
	switch {
	case k.size < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case k.size > 0 || q.Method == "POST" || q.Method == "PUT" || q.Method == "PATCH":
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, k.size, 10)
		b = append(b, "\r\n"...)
	}
	trailers := q.Through && q.Upgrade == "" && engine.WantsTrailers(k.x.In)
	if trailers {
		b = append(b, "TE: trailers\r\n"...)
	}
	switch {
	case q.Upgrade != "":
		b = appendUpgrade(b, q.Upgrade)
	case k.single() && trailers:
		b = append(b, "Connection: TE, close\r\n"...)
	case k.single():
		b = append(b, "Connection: close\r\n"...)
	case trailers:
		b = append(b, "Connection: TE\r\n"...)
	}
	return append(b, "\r\n"...)
}
