package fast

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

var _ gateway.Secured = (*inbound)(nil)

// An inbound is a [gateway.Inbound]: the request that a connection is serving.
type inbound struct {
	c      *conn
	head   wire.RequestHead
	body   *requestBody // nil when the request has none
	hints  int32        // that were sent
	secure bool
}

// begin makes the body of the request whose head was read.
func (in *inbound) begin() {
	if in.head.Length != 0 {
		in.body = &requestBody{c: in.c}
		in.body.wire.Reset(&in.c.in, in.head.Length, in.head.Chunked)
		if in.head.Expect {
			in.body.expect = waits
		}
	}
}

// keepFields is the most fields of a request that the next one finds room for.
const keepFields = 64

// end forgets the request.
func (in *inbound) end() {
	fields := in.head.Fields
	clear(fields)
	if cap(fields) > keepFields {
		fields = nil
	}
	in.head = wire.RequestHead{Fields: fields}
	in.body, in.hints = nil, 0
}

func (in *inbound) Method() string       { return in.head.Method }
func (in *inbound) Path() string         { return in.head.Path }
func (in *inbound) RawQuery() string     { return in.head.Query }
func (in *inbound) Host() string         { return in.head.Authority }
func (in *inbound) Proto() string        { return protocols[in.head.Minor] }
func (in *inbound) Secure() bool         { return in.secure }
func (in *inbound) Peer() netip.AddrPort { return in.c.peer }
func (in *inbound) Length() int64        { return in.head.Length }

// TLS returns the state of TLS. It is made for the first who asks on a connection.
func (in *inbound) TLS() *tls.ConnectionState {
	stream, ok := in.c.stream.(*tls.Conn)
	if !ok || !in.secure {
		return nil
	}
	s := in.c.encryption.Load()
	if s == nil {
		made := stream.ConnectionState()
		s = &made // two that ask at once make the same
		in.c.encryption.Store(s)
	}
	return s
}

// protocols are the versions of HTTP/1 by their minor number.
var protocols = [...]string{"HTTP/1.0", "HTTP/1.1"}

func (in *inbound) Header(name string) string { return in.head.Fields.Get(name) }

func (in *inbound) AppendHeader(dst gateway.Fields, name string) gateway.Fields {
	for _, f := range in.head.Fields {
		if f.Name == name {
			dst = append(dst, f)
		}
	}
	return dst
}

// AppendHeaders appends the fields sorted by name.
func (in *inbound) AppendHeaders(dst gateway.Fields) gateway.Fields {
	before := len(dst)
	dst = append(dst, in.head.Fields...)
	slices.SortStableFunc(dst[before:], func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	return dst
}

var _ gateway.Watched = (*inbound)(nil)

// Left asks the system, which knows before the watcher does.
func (in *inbound) Left() bool { return in.c.gone.Load() || in.c.left() }

var _ gateway.Hinter = (*inbound)(nil)

// Hint sends an interim answer. A client that does not take it has left.
func (in *inbound) Hint(header gateway.Fields) {
	if in.head.Minor == 0 || in.head.Expect || in.hints == engine.MaxHints || !engine.Hints(header) {
		return
	}
	in.hints++
	buf := body.NewBuffer()
	defer buf.Free()
	buf.B = appendStatus(buf.B, 1, http.StatusEarlyHints)
	for _, f := range header {
		if engine.Hintable(f) {
			buf.B = appendField(buf.B, f)
		}
	}
	buf.B = append(buf.B, "\r\n"...)
	if _, err := in.c.send(buf.B); err != nil {
		in.c.leave()
		in.c.socket.Close() // what comes next would follow half of it
	}
}

// Body returns a reader that nobody can close: the message is the engine's.
func (in *inbound) Body() io.Reader {
	if in.body == nil {
		return nil
	}
	return in.body
}

// expectation is what a client that would like to be told to continue knows.
type expectation uint8

const (
	none    expectation = iota // it does not wait
	waits                      // nothing yet
	told                       // it was told to continue
	refused                    // it gets its answer instead
)

// A requestBody is the body of a request for as long as the exchange lasts. A
// call that was given up may still be reading it then, so it is not used again
// for another exchange.
type requestBody struct {
	c *conn

	mu      sync.Mutex // held while reading
	wire    wire.Body
	limited bool // the deadline for the request is set

	ended   atomic.Bool // nothing is left to be read; for those who find somebody reading
	over    atomic.Bool // the exchange is
	telling sync.Mutex  // held while the client is told
	expect  expectation
}

var errAnswered = errors.New("the request was answered")

// Read reads on.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over.Load() {
		return 0, errAnswered
	}
	if err := b.tell(); err != nil {
		return 0, err
	}
	if !b.limited {
		b.limited = true
		b.c.limitRead(b.c.started, b.c.server.settings.ReadTimeout)
		if b.over.Load() { // the deadline may have undone an interruption
			return 0, errAnswered
		}
	}
	n, err := b.wire.Read(p)
	if b.wire.Over() {
		b.ended.Store(true)
	}
	if err != nil && err != io.EOF && !errors.As(err, new(*wire.Error)) {
		err = engine.BrokenBody(err, b.c.cut.Load())
	}
	return n, err
}

// tell tells a client to continue that waits for that, unless the body is
// coming already or the answer has begun.
func (b *requestBody) tell() error {
	b.telling.Lock()
	defer b.telling.Unlock()
	switch {
	case b.expect == refused:
		return errAnswered
	case b.expect != waits:
		return nil
	}
	b.expect = told
	if len(b.c.in.Buffered()) > 0 {
		return nil
	}
	if _, err := io.WriteString(b.c.stream, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
		return lost(err)
	}
	return nil
}

// settle reports, when the answer begins, whether the connection can be used
// after it as far as the body is concerned: nobody is reading it, or only to be
// told again that nothing is left, and what is left of it is known to be little.
// A client that still waits to be told to continue is not told any more.
func (b *requestBody) settle() bool {
	b.telling.Lock()
	if b.expect == waits {
		b.expect = refused
	}
	refused := b.expect == refused
	b.telling.Unlock()
	if refused || !b.mu.TryLock() {
		return !refused && b.ended.Load()
	}
	defer b.mu.Unlock()
	return !b.wire.Broken() && b.wire.Left() <= drainBytes
}

const (
	drainBytes = 256 << 10       // the most of an unread body that is read to keep the connection
	drainTime  = 5 * time.Second // and how long that may take
)

// stop ends the reading of the body by others. If somebody is at it, the
// connection is interrupted.
func (b *requestBody) stop() {
	b.over.Store(true)
	if !b.mu.TryLock() {
		b.c.interrupt()
		b.mu.Lock()
		b.c.readBy = longAgo
	}
	b.mu.Unlock()
}

// endRequest ends the reading of the body and reports whether the next request
// comes next. If the connection may be used for one, it reads what is left of
// this one, within bounds.
func (c *conn) endRequest() bool {
	b := c.inbound.body
	if b == nil {
		return true
	}
	b.stop()
	if b.wire.Over() || c.answer.err != nil || c.answer.last {
		return b.wire.Over()
	}
	c.limitRead(time.Now(), drainTime)
	p := streams.Get().(*streamBuffer)
	defer streams.Put(p)
	for n, left := 0, drainBytes; left > 0; left -= n {
		var err error
		if n, err = b.wire.Read(p[:]); err != nil {
			return err == io.EOF
		}
	}
	return false
}

// unfinished reports whether the client may still be sending the request.
func (in *inbound) unfinished() bool { return in.body != nil && !in.body.wire.Over() }
