package fast

import (
	"io"
	"net"
	"runtime"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
)

// oneProcessor says that other goroutines wait for the one that runs. Who lets
// them go first before it reads finds more often that what it waits for has come:
// under load that saves a twentieth of a request. With more processors another
// would be woken up for it, which costs more.
var oneProcessor = runtime.GOMAXPROCS(0) == 1

// A transport is what the messages of a connection pass through. It waits
// without memory to read into: many connections wait, and few read.
//
// Where the messages pass through a socket and nothing else, the transport asks
// the system itself, through the descriptor that package net lends, and package
// net waits. One goroutine may receive and one may send at a time.
type transport struct {
	in     wire.Reader
	stream net.Conn        // the socket, or TLS over it
	raw    syscall.RawConn // of the socket; nil where there is none

	receive operation // into the buffer of in
	look    operation // into memory of others, without waiting
	put     operation // from memory of others

	stall   time.Duration // how long the other end may take nothing; 0 for no limit
	writeBy time.Time     // the deadline that is set for writing; zero for none
	until   time.Time     // when what is sent must have gone out; zero for no limit of its own
	limited bool          // that is the deadline of the stream
	waited  bool          // the other end did not take what was sent as fast as it came
	direct  bool          // the stream is the socket, and the system can be asked
	first   [1]byte       // of a message, where the system cannot be asked
}

// An operation on a socket: what package net calls when it may be worth it, and
// what became of it. The function is bound once, because that takes memory.
type operation struct {
	try func(fd uintptr) bool // reports false if the caller has to wait
	p   []byte
	n   int // bytes so far
	at  int // bytes when the caller began to wait last; -1 before
	err error
}

// open begins with a socket without TLS.
func (t *transport) open(socket net.Conn) {
	t.stream = socket
	if sc, ok := socket.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			t.raw = raw
		}
	}
	t.direct = hasSockets && t.raw != nil
	t.receive.try, t.look.try, t.put.try = t.tryReceive, t.tryLook, t.trySend
}

// encrypt goes on with TLS.
func (t *transport) encrypt(stream net.Conn) { t.stream, t.direct = stream, false }

// wait reads once. No memory for it is held while there is nothing to read, and
// the call costs no more than Read: that, too, asks the system, waits until the
// socket becomes readable and asks again.
func (t *transport) wait() error {
	if t.direct {
		if oneProcessor {
			runtime.Gosched()
		}
		if err := t.raw.Read(t.receive.try); err != nil {
			return err
		}
		return t.receive.err
	}
	n, err := t.stream.Read(t.first[:])
	if n == 0 {
		return err
	}
	copy(t.in.Room(), t.first[:n])
	t.in.Filled(n)
	return nil
}

func (t *transport) tryReceive(fd uintptr) bool {
	n, err := receive(fd, t.in.Room())
	t.receive.err = nil
	switch {
	case n > 0:
		t.in.Filled(n)
		return true
	case err == nil:
		err = io.EOF
	}
	t.in.Free()
	t.receive.err = err
	return err != syscall.EAGAIN
}

// now reads what has arrived into p, past the buffer, and does not wait.
func (t *transport) now(p []byte) (int, error) {
	if !t.direct {
		return 0, nil
	}
	t.look.p = p
	err := t.raw.Read(t.look.try)
	t.look.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.look.err == syscall.EAGAIN:
		return 0, nil
	case t.look.n == 0 && t.look.err == nil:
		return 0, io.EOF
	}
	return t.look.n, t.look.err
}

func (t *transport) tryLook(fd uintptr) bool {
	t.look.n, t.look.err = receive(fd, t.look.p)
	return true
}

// send writes all of p and returns how much of it went out.
func (t *transport) send(p []byte) (int, error) {
	switch {
	case t.direct:
		return t.push(p)
	case t.stall > 0 && (t.raw == nil || !hasSockets):
		return t.trickle(p)
	}
	return t.stream.Write(p)
}

// trickle writes all of p in pieces, each with a deadline of its own: here nobody
// tells how much of them has gone out.
func (t *transport) trickle(p []byte) (n int, err error) {
	for first := true; (first || n < len(p)) && err == nil; first = false {
		t.extend()
		var m int
		m, err = t.stream.Write(p[n:min(len(p), n+engine.StallPiece)])
		n += m
	}
	return n, err
}

// extend sets the deadline for the other end to take something.
func (t *transport) extend() {
	by := t.until
	if t.stall > 0 {
		if s := time.Now().Add(t.stall); by.IsZero() || s.Before(by) {
			by = s
		}
	}
	if !t.writeBy.IsZero() && (by.IsZero() || t.writeBy.Before(by)) {
		if by = t.writeBy; !t.limited {
			return // it is set
		}
	}
	if !by.IsZero() {
		t.limited = true
		t.stream.SetWriteDeadline(by) // fails on a broken connection, as sending will
	}
}

// push writes all of p to the socket.
func (t *transport) push(p []byte) (int, error) {
	t.put.p, t.put.n, t.put.at, t.put.err = p, 0, -1, nil
	err := t.raw.Write(t.put.try)
	t.put.p = nil
	if err == nil {
		err = t.put.err
	}
	return t.put.n, err
}

func (t *transport) trySend(fd uintptr) bool {
	for t.put.n < len(t.put.p) {
		n, err := send(fd, t.put.p[t.put.n:])
		if err != nil {
			t.put.err = err
			if err != syscall.EAGAIN {
				return true
			}
			t.waited = true
			if t.put.at != t.put.n {
				t.put.at = t.put.n
				t.extend()
			}
			return false
		}
		t.put.n += n
	}
	t.put.err = nil
	return true
}

// A pushed socket is one below TLS, so that it is known whether the other end takes
// what is sent.
type pushed struct {
	net.Conn
	t *transport
}

// Write writes all of p.
func (s pushed) Write(p []byte) (int, error) { return s.t.push(p) }
