package nethttp

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A sieve is the connection of a client of HTTP/1 as net/http gets to read it.
// Requests are read by package wire, whose rules are stricter than those of
// net/http, or laxer; what passes is handed on in the one spelling that everybody
// reads alike, and what does not becomes a request that [check] refuses. So every
// engine has one reading of what clients send.
//
// One goroutine reads at a time.
type sieve struct {
	net.Conn
	in       wire.Reader
	limits   wire.Limits
	timeout  time.Duration // from the beginning of a head to its end; 0 is no limit
	http2    bool          // may begin with the preface of HTTP/2, and has not begun yet
	refusing func(error)   // told of what is refused

	head     wire.RequestHead
	body     wire.Body
	plain    bool  // the head has no Cache-Control, which net/http makes of a Pragma
	left     int64 // of a body of known length
	phase    phase
	lineEnds int    // how many may still come before the head
	given    byte   // the first byte of the next head, which net/http has already; 0 for none
	out      []byte // what net/http gets next, in
	room     []byte

	silent atomic.Bool // nothing of a head has come
	other  atomic.Bool // it is HTTP/2

	// Belongs to the mutex of the server.
	waits bool          // for a request, as net/http has it
	last  bool          // its answer says that it is the last
	rests time.Time     // when it began to wait for a request
	first bool          // it has not had one before
	gap   time.Duration // how long it waited for the last one, if that was not the first
	ended bool          // the server waits for none

	stall time.Duration // how long the client may take nothing; 0 for no limit

	mu       sync.Mutex
	writeBy  time.Time // the deadline for writing that net/http has set
	writeSet time.Time // the one that is set
	by       time.Time // the deadline that net/http has set
	late     time.Time // that of the head; zero outside of one
}

type phase uint8

const (
	heads   phase = iota // before a head, or within
	held                 // behind a head that may be the last one of HTTP: what comes is not looked at
	sized                // within a body of known length
	chunked              // within chunks
	opaque               // HTTP/2
	refused              // behind what cannot be read
)

const (
	// preface is how HTTP/2 begins (RFC 9113, section 3.4).
	preface = "PRI * HTTP/2.0\r\n\r\n"

	// noChunk stands for what is no chunk.
	noChunk = "none\r\n"

	// refusal begins the target of a request that stands for one that was
	// refused; a status follows. No other request has a fragment.
	refusal = "/#"
)

// newSieve returns a sieve over a connection.
func (s *server) newSieve(conn net.Conn) *sieve {
	v := &sieve{Conn: conn, limits: s.limits, timeout: s.headTimeout, stall: s.stallTimeout, http2: s.h2c, lineEnds: wire.MaxLineEnds}
	v.refusing = func(err error) { s.logRefusal(conn.RemoteAddr().String(), err) }
	v.in.Reset(conn)
	return v
}

// Read reads on.
func (v *sieve) Read(p []byte) (int, error) {
	for len(v.out) == 0 {
		switch v.phase {
		case heads, held:
			if watches := len(p) == 1 && v.given == 0; watches {
				return v.watch(p)
			}
			v.phase = heads // net/http has gone on to the next request
			if err := v.readHead(); err != nil {
				return 0, err
			}
		case sized:
			n, err := v.in.Read(p[:min(int64(len(p)), v.left)])
			if v.left -= int64(n); v.left == 0 {
				v.next()
			}
			return n, err
		case chunked:
			if err := v.readChunk(); err != nil {
				return 0, err
			}
		case opaque:
			if len(v.in.Buffered()) == 0 {
				v.in.Free()
				return v.Conn.Read(p)
			}
			return v.in.Read(p)
		case refused:
			return 0, io.EOF
		}
	}
	n := copy(p, v.out)
	v.out = v.out[n:]
	return n, nil
}

// watch waits with net/http for the client to leave while an answer is on its way.
// It hands over the first byte that comes, and no more: the time of the next head
// begins when net/http reads on. What begins no head is refused at once.
func (v *sieve) watch(p []byte) (int, error) {
	for {
		if v.phase == heads {
			v.lineEnds = v.in.SkipLineEnds(v.lineEnds)
		}
		if b := v.in.Buffered(); len(b) > 1 || len(b) == 1 && (b[0] != '\r' || v.phase == held) {
			if v.phase == heads && !gateway.Token(string(b[:1])) {
				if err := v.refuse(&wire.Error{Status: 400, Reason: "no method"}); err != nil {
					return 0, err
				}
				return v.Read(p)
			}
			p[0], v.given = b[0], b[0]
			return 1, nil
		}
		if err := v.in.Fill(); err != nil {
			return 0, err
		}
	}
}

// put puts b out, which was appended to v.room[:0].
func (v *sieve) put(b []byte) {
	v.out = b
	if v.room = b; cap(b) > keptRoom {
		v.room = nil
	}
}

// keptRoom is the most memory that a connection keeps for heads.
const keptRoom = 4 << 10

// next gets ready for the next head.
func (v *sieve) next() {
	v.phase, v.lineEnds = heads, wire.MaxLineEnds
	v.in.Free()
}

// readHead reads a head, and puts it out as it is to be read.
func (v *sieve) readHead() error {
	for {
		v.lineEnds = v.in.SkipLineEnds(v.lineEnds)
		text, err := v.in.Head(v.limits)
		if text == preface && v.http2 && v.lineEnds == wire.MaxLineEnds {
			v.phase = opaque
			v.other.Store(true)
			v.limit(false)
			v.put(append(v.room[:0], text...))
			return nil
		}
		if text != "" {
			v.http2 = false
			err = v.head.Parse(text)
		}
		switch {
		case err != nil:
			v.limit(false)
			return v.refuse(err)
		case text != "":
			v.limit(false)
			return v.pass()
		}
		begun := len(v.in.Buffered()) > 0
		v.limit(begun)
		v.silent.Store(!begun)
		if err := v.in.Fill(); err != nil {
			return err
		}
		v.silent.Store(false)
	}
}

// expects reports whether a request may be on its way on a connection that waits for
// one: it has not waited for long, or something has arrived.
func (v *sieve) expects() bool {
	return time.Since(v.rests) < engine.Patience(v.gap) || !v.silent.Load() || arrived(v.Conn)
}

// pass puts the head out that was read.
func (v *sieve) pass() error {
	h := &v.head
	b := append(v.room[:0], h.Method...)
	b = append(append(append(b, ' '), h.Target...), " HTTP/1."...)
	b = append(append(b, byte('0'+h.Minor)), "\r\n"...)
	if h.Authority != "" || h.Minor > 0 {
		b = append(append(append(b, "Host:"...), h.Authority...), "\r\n"...)
	}
	for _, f := range h.Fields {
		b = append(append(append(append(b, f.Name...), ':'), f.Value...), "\r\n"...)
	}
	v.plain = !h.Fields.Has("Cache-Control")
	v.lineEnds = wire.MaxLineEnds
	switch {
	case h.Chunked:
		b = append(b, "Transfer-Encoding:chunked\r\n"...)
		v.phase = chunked
		v.body.Reset(&v.in, -1, true)
	case h.Length > 0:
		v.phase, v.left = sized, h.Length
	case h.Upgrade != "":
		v.phase = held
	default:
		v.next()
	}
	v.put(append(b, "\r\n"...))
	clear(h.Fields)
	return v.skipGiven()
}

// refuse puts a request out that stands for one that was refused.
func (v *sieve) refuse(err error) error {
	v.refusing(err)
	status := 400
	if e, ok := errors.AsType[*wire.Error](err); ok {
		status = e.Status
	}
	method := "GET"
	if v.given != 0 {
		method = string(rune(v.given))
	}
	v.phase = refused
	v.put(append(v.room[:0], method+" "+refusal+strconv.Itoa(status)+" HTTP/1.1\r\nHost:\r\n\r\n"...))
	return v.skipGiven()
}

// skipGiven leaves out what net/http has already. What does not begin like that
// cannot be handed on.
func (v *sieve) skipGiven() error {
	if v.given == 0 {
		return nil
	}
	if v.out[0] != v.given {
		return io.EOF
	}
	v.out, v.given = v.out[1:], 0
	return nil
}

// readChunk puts the next piece of a chunked body out, with its frame.
func (v *sieve) readChunk() error {
	const begin = wire.ChunkHeaderRoom
	room := v.room[:cap(v.room)]
	if len(room) < keptRoom {
		room = make([]byte, keptRoom)
		v.room = room
	}
	n, err := v.body.Read(room[begin : len(room)-wire.ChunkTailRoom])
	from, to := wire.FrameChunk(room, begin, begin+n, err == io.EOF)
	switch {
	case err == io.EOF:
		v.next()
	case err == nil || n > 0:
	case errors.As(err, new(*wire.Error)):
		to += copy(room[to:], noChunk) // an error of the connection would say that the client has left
		v.phase = refused
	default:
		return err
	}
	v.out = room[from:to]
	return nil
}

// limit sets the deadline of a head that has begun, or lifts it.
func (v *sieve) limit(begun bool) {
	if v.timeout <= 0 || begun != v.late.IsZero() {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.late = time.Time{}
	if begun {
		v.late = time.Now().Add(v.timeout)
	}
	v.setDeadline()
}

// setDeadline sets the earlier one of the two deadlines. v.mu is held.
func (v *sieve) setDeadline() error {
	if by := v.by; v.late.IsZero() || !by.IsZero() && by.Before(v.late) {
		return v.Conn.SetReadDeadline(by)
	}
	return v.Conn.SetReadDeadline(v.late)
}

// SetReadDeadline sets the deadline for reading.
func (v *sieve) SetReadDeadline(t time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.by = t
	return v.setDeadline()
}

// Write writes all of p, in pieces that the client has time for.
func (v *sieve) Write(p []byte) (n int, err error) {
	if v.stall <= 0 {
		return v.Conn.Write(p)
	}
	for first := true; (first || n < len(p)) && err == nil; first = false {
		v.extend()
		var m int
		m, err = v.Conn.Write(p[n:min(len(p), n+engine.StallPiece)])
		n += m
	}
	return n, err
}

// extend sets the deadline for the client to take something, an eighth later than
// asked for, so that it need not be set every time.
func (v *sieve) extend() {
	earliest := time.Now().Add(v.stall)
	by := earliest.Add(v.stall / 8)
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.writeBy.IsZero() && v.writeBy.Before(by) {
		by = v.writeBy
		earliest = by
	}
	if v.writeSet.Before(earliest) || v.writeSet.After(by) {
		v.writeSet = by
		v.Conn.SetWriteDeadline(by) // fails on a broken connection, as Write will
	}
}

// SetWriteDeadline sets the deadline for writing.
func (v *sieve) SetWriteDeadline(t time.Time) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.writeBy, v.writeSet = t, t
	return v.Conn.SetWriteDeadline(t)
}

// SetDeadline sets the deadlines for reading and writing.
func (v *sieve) SetDeadline(t time.Time) error {
	return errors.Join(v.SetReadDeadline(t), v.SetWriteDeadline(t))
}

// arrived reports whether a read of the socket below a connection would return at once.
func arrived(conn net.Conn) (is bool) {
	below, ok := socket(conn).(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := below.SyscallConn()
	return err == nil && raw.Control(func(fd uintptr) { is, _ = engine.Readable(fd) }) == nil && is
}

// CloseWrite closes our half of the connection.
func (v *sieve) CloseWrite() error { return closeWrite(v.Conn) }

func closeWrite(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// release gives the connection back that is below a sieve, with the bytes that
// were read from it and not handed on.
func release(conn net.Conn) (below net.Conn, early []byte) {
	v, ok := conn.(interface{ unwrap() *sieve })
	if !ok {
		return conn, nil
	}
	s := v.unwrap()
	early = append(early, s.in.Buffered()...)
	if s.given != 0 {
		early = early[1:]
	}
	s.in.Reset(nil)
	return s.Conn, early
}

func (v *sieve) unwrap() *sieve { return v }

// refusedStatus returns the status of a request that a sieve has refused, 0 for
// any other.
func refusedStatus(target string) int {
	text, ok := strings.CutPrefix(target, refusal)
	if !ok {
		return 0
	}
	status, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return status
}
