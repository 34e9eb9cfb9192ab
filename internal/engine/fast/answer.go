package fast

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// errInterrupted stands for the outcome of an exchange until it is known. It is seen by
// observers only if the handler or a body has ended its goroutine.
var errInterrupted = errors.New("interrupted")

// An answer is on its way to the client.
type answer struct {
	c      *conn
	sent   gateway.Sent
	err    error // why it broke off
	last   bool  // the connection ends after it
	begun  bool  // something of it was sent
	pieces net.Buffers
	room   [2][]byte // behind pieces
}

// begin makes the answer ready for the next exchange.
func (a *answer) begin() { a.sent, a.err, a.last, a.begun = gateway.Sent{}, nil, false, false }

// A framing is what the header says about the body.
type framing struct {
	length  int64 // announced, unless it is negative
	chunked bool
	sniff   []byte // the first bytes of the body, where the type is to be guessed; empty otherwise
}

// send writes x.Response.
func (a *answer) send(x *gateway.Exchange) {
	res := &x.Response
	if res.Status == http.StatusSwitchingProtocols && res.Upgrade != "" && a.c.inbound.Upgrades() {
		a.tunnel(res)
		return
	}
	if res.Status < 200 || res.Status > 999 {
		a.err = &gateway.Error{Code: gateway.CodeInternal, Err: errors.New("no status of an answer: " + strconv.Itoa(res.Status))}
		return
	}
	raw, stream, size, err := payload(&res.Body)
	if err != nil {
		a.err = err
		return
	}
	if stream != nil {
		defer stream.Close()
	}
	c := a.c
	head := c.inbound.head.Method == http.MethodHead
	if stream == body.Unsent && !head || res.Status == http.StatusResetContent {
		size = 0
	}
	empty := res.Status == http.StatusNoContent || res.Status == http.StatusNotModified
	f := framing{length: size}
	switch {
	case empty || head && size == 0 && res.Status != http.StatusResetContent:
		f.length = -1
	case size < 0 && !head:
		f.chunked = c.inbound.head.Minor == 1
	}
	now := time.Now()
	a.last = !c.inbound.head.KeepAlive || size < 0 && !head && !empty && !f.chunked || c.server.draining.Load() ||
		c.gone.Load() || c.inbound.body != nil && !c.inbound.body.settle()
	switch {
	case head || empty || size == 0:
		a.err = a.whole(res, f, now, nil)
	case stream == nil:
		f.sniff = raw
		a.err = a.whole(res, f, now, raw)
	default:
		c.limitStream(x.Until)
		a.err = a.copy(res, f, now, stream, size)
	}
	c.limitStream(time.Time{})
}

// payload returns the body as bytes or as a stream, and its size, -1 if it is
// unknown.
func payload(b *body.Body) (raw []byte, stream io.ReadCloser, size int64, err error) {
	if size = b.Size(); !b.Arrived() {
		return nil, b.Reader(), size, nil
	}
	raw, err = b.Bytes(0)
	return raw, nil, int64(len(raw)), err
}

// joinLimit is the size up to which a body is copied behind the header, if there
// is no room for the header in front of it: that is cheaper than to give the
// system two pieces.
const joinLimit = 16 << 10

// whole sends the header with a body that is in memory.
func (a *answer) whole(res *gateway.Response, f framing, now time.Time, raw []byte) error {
	buf := body.NewBuffer()
	defer buf.Free()
	buf.B = a.appendHead(buf.B, res, f, now)
	head := len(buf.B)
	all := buf.B
	if len(raw) > 0 {
		all = res.Body.Prepend(buf.B)
	}
	if all == nil && len(raw) <= joinLimit {
		buf.B = append(buf.B, raw...)
		all = buf.B
	}
	if all != nil {
		n, err := a.c.send(all)
		return a.count(res.Status, head, int64(n), err)
	}
	if !a.c.direct || len(raw) > largePiece { // large ones take several calls anyway
		buf.B = append(buf.B, raw[:joinLimit]...)
		n, err := a.c.send(buf.B)
		if err == nil {
			var rest int
			rest, err = a.c.send(raw[joinLimit:])
			n += rest
		}
		return a.count(res.Status, head, int64(n), err)
	}
	a.c.limitPieces(len(raw))
	a.room = [2][]byte{buf.B, raw}
	a.pieces = a.room[:]
	n, err := a.pieces.WriteTo(a.c.stream)
	a.room = [2][]byte{}
	return a.count(res.Status, head, n, err)
}

// count counts n bytes that were sent of an answer with this status. The first of
// them, as many as head says, are no body. The error is that of the exchange, whose
// answer ended with err.
func (a *answer) count(status, head int, n int64, err error) error {
	if n < int64(head) {
		return a.unsent(err)
	}
	a.begun = true
	a.sent.Status = status
	a.sent.Bytes += n - int64(head)
	if err == nil {
		return nil
	}
	return lost(err)
}

// unsent notes that not all of a header was sent, because of err, and returns the
// error of the exchange.
func (a *answer) unsent(err error) error {
	a.begun = true
	return lost(err)
}

// lost returns the error of an exchange whose client could not be sent its answer.
func lost(err error) error {
	code := gateway.CodeClientGone
	if timeout(err) {
		code = gateway.CodeTimeout
	}
	return &gateway.Error{Code: code, Err: err}
}

const (
	headRoom    = 4 << 10            // in front of a piece, for what is sent with it
	tailRoom    = wire.ChunkTailRoom // behind a piece: its end, and that of the body
	streamPiece = 32 << 10           // of a stream
	largePiece  = 256 << 10          // of a stream that is known to be large
)

// A streamBuffer is the memory that a stream passes through.
type (
	streamBuffer [headRoom + streamPiece + tailRoom]byte
	largeBuffer  [headRoom + largePiece + tailRoom]byte
)

var (
	streams      = sync.Pool{New: func() any { return new(streamBuffer) }}
	largeStreams = sync.Pool{New: func() any { return new(largeBuffer) }}
)

// copy sends a stream of the given size, -1 if it is unknown. A client that does
// not take a large one as fast as it comes gets it in small pieces from then on:
// they are as good for it, and hold less memory for as long as it takes.
func (a *answer) copy(res *gateway.Response, f framing, now time.Time, from io.Reader, size int64) error {
	a.c.waited = false
	if size > streamPiece {
		if done, err := a.copyLarge(res, f, now, from, size); done {
			return err
		}
	}
	buf := streams.Get().(*streamBuffer)
	defer streams.Put(buf)
	_, err := a.pump(res, f, now, from, size, buf[:])
	return err
}

// copyLarge does as copy, and reports whether it is done: not if the client takes
// its time.
func (a *answer) copyLarge(res *gateway.Response, f framing, now time.Time, from io.Reader, size int64) (done bool, err error) {
	buf := largeStreams.Get().(*largeBuffer)
	defer largeStreams.Put(buf)
	return a.pump(res, f, now, from, size, buf[:])
}

// pump copies by way of buf. No byte waits while it reads on, and every piece
// goes out in one write, the first one together with the header if it is there
// already. Otherwise the header goes ahead, unless its Content-Type is made of
// the first piece. It leaves, not done, when buf is larger than the client is fast.
func (a *answer) pump(res *gateway.Response, f framing, now time.Time, from io.Reader, size int64, buf []byte) (done bool, err error) {
	if !a.begun && !arrived(from) && (res.Header.Has("Content-Type") || res.Header.Has("Content-Encoding")) {
		if err := a.whole(res, f, now, nil); err != nil {
			return true, err
		}
	}
	for {
		n, err := from.Read(buf[headRoom : len(buf)-tailRoom])
		if size >= 0 && a.sent.Bytes+int64(n) > size {
			return true, &gateway.Error{Code: gateway.CodeBackendInvalid, Err: errors.New("the body is longer than announced")}
		}
		ended := a.sent.Bytes+int64(n) == size || err == io.EOF && size < 0
		var trailers gateway.Fields
		if ended && f.chunked {
			trailers = engine.Trailers(&a.c.inbound, res)
		}
		whole := ended && len(trailers) == 0
		if n > 0 || ended {
			if err := a.piece(res, f, now, buf, n, whole); err != nil || whole {
				return true, err
			}
		}
		if ended {
			return true, a.trail(trailers)
		}
		if err == io.EOF {
			err = &gateway.Error{Code: gateway.CodeBackendAborted, Err: io.ErrUnexpectedEOF}
		}
		if err != nil {
			return true, err
		}
		if a.c.waited && len(buf) > len(streamBuffer{}) {
			return false, nil
		}
	}
}

// arrived reports whether a read of the stream is known not to wait.
func arrived(stream io.Reader) bool {
	b, ok := stream.(interface{ Buffered() int })
	return ok && b.Buffered() > 0
}

// piece sends n bytes of the body, which are in buf behind headRoom.
func (a *answer) piece(res *gateway.Response, f framing, now time.Time, buf []byte, n int, ended bool) error {
	begin, end := headRoom, headRoom+n
	f.sniff = buf[begin:end]
	if f.chunked {
		begin, end = wire.FrameChunk(buf, begin, end, ended)
	}
	if !a.begun {
		head := body.NewBuffer()
		defer head.Free()
		head.B = a.appendHead(head.B, res, f, now)
		if len(head.B) <= begin {
			begin = putBefore(buf, begin, head.B)
		} else if _, err := a.c.send(head.B); err != nil {
			return a.unsent(err)
		}
	}
	sent, err := a.c.send(buf[begin:end])
	head := headRoom - begin // of the answer, or of a chunk
	return a.count(res.Status, head, int64(min(sent, head+n)), err)
}

// trail ends a chunked body with fields behind it.
func (a *answer) trail(fields gateway.Fields) error {
	buf := body.NewBuffer()
	defer buf.Free()
	buf.B = append(buf.B, "0\r\n"...)
	for _, f := range fields {
		buf.B = appendField(buf.B, f)
	}
	buf.B = append(buf.B, "\r\n"...)
	if _, err := a.c.send(buf.B); err != nil {
		return lost(err)
	}
	return nil
}

// appendField appends a line of a header or a trailer.
func appendField(dst []byte, f gateway.Field) []byte {
	dst = append(append(dst, f.Name...), ": "...)
	return append(append(dst, f.Value...), "\r\n"...)
}

// putBefore copies p in front of buf[begin:] and returns where it begins.
func putBefore(buf []byte, begin int, p []byte) int {
	begin -= len(p)
	copy(buf[begin:], p)
	return begin
}

// appendHead appends the header of the answer, with everything the server adds
// to it.
func (a *answer) appendHead(dst []byte, res *gateway.Response, f framing, now time.Time) []byte {
	minor := a.c.inbound.head.Minor
	dst = appendStatus(dst, minor, res.Status)
	var typed, coded, dated bool
	untyped := res.Untyped
	for _, field := range res.Header {
		if !engine.Sendable(field) {
			continue
		}
		switch field.Name {
		case "Content-Type":
			typed = true
		case "Content-Encoding":
			coded = coded || field.Value != ""
		case "X-Content-Type-Options":
			untyped = untyped || engine.NoSniff(field.Value)
		case "Date":
			dated = true
		}
		dst = appendField(dst, field)
	}
	if len(f.sniff) > 0 && !typed && !coded && !untyped {
		dst = append(dst, "Content-Type: "...)
		dst = append(dst, http.DetectContentType(f.sniff)...)
		dst = append(dst, "\r\n"...)
	}
	if !dated {
		dst = appendDate(dst, now)
	}
	switch {
	case f.chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case f.length >= 0:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, f.length, 10)
		dst = append(dst, "\r\n"...)
	}
	switch {
	case a.last:
		dst = append(dst, "Connection: close\r\n"...)
	case minor == 0:
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// appendStatus appends the status line to a client of HTTP/1.minor.
func appendStatus(dst []byte, minor, status int) []byte {
	dst = append(dst, protocols[minor]...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = append(dst, http.StatusText(status)...)
	return append(dst, "\r\n"...)
}

// A stamp is the Date field of one second.
type stamp struct {
	second int64
	line   string
}

var lastStamp atomic.Pointer[stamp]

// appendDate appends the Date field (RFC 9110, section 6.6.1), which is made
// once a second.
func appendDate(dst []byte, now time.Time) []byte {
	s := lastStamp.Load()
	if second := now.Unix(); s == nil || s.second != second {
		s = &stamp{second, "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		lastStamp.Store(s)
	}
	return append(dst, s.line...)
}
