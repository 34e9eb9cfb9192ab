package engine

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Switched returns the protocol that an answer switches to, given the fields
// Connection and Upgrade of it, their lines joined, and what was asked for, as
// [gateway.Request.Upgrade] lists it. It is "" unless that is one of the
// protocols asked for, letter case ignored (RFC 9110, section 7.8).
func Switched(connection, upgrade, offered string) string {
	if upgrade != "" && gateway.Listed(connection, "Upgrade") && gateway.Listed(offered, upgrade) {
		return upgrade
	}
	return ""
}

// Unasked is the error of an answer that switches to a protocol that nobody
// asked for.
func Unasked() error {
	return &gateway.Error{Code: gateway.CodeBackendInvalid, Public: "invalid answer", Err: errors.New("the backend switches protocols unasked")}
}

// A Duplex is the client's end of a tunnel, as [gateway.Tunnel] is the other.
// Close does not vouch for what came before: TLS ends without its alert, unless
// CloseWrite has sent that.
type Duplex interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// halfClosed is how long a tunnel of which one end has closed its half may be
// without traffic.
const halfClosed = time.Minute

// A Tunnel carries bytes between a client and a backend that have switched
// protocols. The end of one direction is handed on as such; the tunnel ends
// when both directions have, when either connection breaks, and when nothing
// was carried for too long.
type Tunnel struct {
	client  Duplex
	backend gateway.Tunnel
	written int64        // bytes for the client
	began   time.Time    // what used counts from
	used    atomic.Int64 // when bytes were last carried, since began

	mu    sync.Mutex
	idle  time.Duration // 0 is no limit
	timer *time.Timer   // nil as long as there is no limit
	over  bool
	err   error // of the direction that broke first
}

// NewTunnel returns a tunnel that carries nothing yet. It ends when nothing was
// carried for as long as idle says, 0 for no limit.
func NewTunnel(client Duplex, backend gateway.Tunnel, idle time.Duration) *Tunnel {
	return &Tunnel{client: client, backend: backend, began: time.Now(), idle: idle}
}

// Run carries bytes until the tunnel ends. It returns how many the client got,
// and why the tunnel broke: a *[gateway.Error], or nil if both ends closed it
// or nothing was carried for too long. Both connections are closed then.
func (t *Tunnel) Run() (written int64, err error) {
	t.limit(t.idle)
	var up sync.WaitGroup
	up.Go(func() { t.carry(t.backend, t.client, gateway.CodeBackendAborted, gateway.CodeClientGone, nil) })
	t.carry(t.client, t.backend, gateway.CodeClientGone, gateway.CodeBackendAborted, &t.written)
	up.Wait()
	t.end(nil)
	return t.written, t.err
}

// Cut ends the tunnel before its time. It is safe for concurrent use.
func (t *Tunnel) Cut() {
	t.end(&gateway.Error{Code: gateway.CodeClientGone, Err: errors.New("the tunnel was cut")})
}

// end closes both connections. The first end says why.
func (t *Tunnel) end(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	t.blame(why)
	t.over = true
	if t.timer != nil {
		t.timer.Stop()
	}
	t.client.Close()  // whether it is broken or not, it ends here
	t.backend.Close() // so does this
}

// blame notes why the tunnel broke. What breaks behind its end is no reason.
// t.mu is held.
func (t *Tunnel) blame(why error) {
	if t.err == nil && !t.over {
		t.err = why
	}
}

// carry copies bytes from one end to the other until there are no more or either
// is broken, for which the codes stand. A source that is broken ends the tunnel.
// One that has closed its half, or a destination that takes nothing any more,
// leaves the other direction its turn: there may be bytes on their way.
func (t *Tunnel) carry(to, from Duplex, toCode, fromCode string, written *int64) {
	p := smallPieces.Get().(*[]byte)
	defer func() {
		putPiece(p)
		if v := recover(); v != nil {
			t.end(gateway.Panicked(v))
		}
	}()
	for {
		n, err := from.Read(*p)
		sent := 0
		var broken error
		if n > 0 {
			t.used.Store(int64(time.Since(t.began)))
			sent, broken = to.Write((*p)[:n])
			t.used.Store(int64(time.Since(t.began)))
			if written != nil {
				*written += int64(sent)
			}
		}
		switch {
		case broken != nil:
			t.halve(&gateway.Error{Code: toCode, Err: broken})
			return
		case err == io.EOF:
			to.CloseWrite() // one that cannot say so says it when the tunnel ends
			t.halve(nil)
			return
		case err != nil:
			t.end(&gateway.Error{Code: fromCode, Err: err})
			return
		}
		p = fitting(p, n)
	}
}

// halve notes that one direction has ended.
func (t *Tunnel) halve(why error) {
	t.mu.Lock()
	t.blame(why)
	t.mu.Unlock()
	t.limit(halfClosed)
}

// limit ends the tunnel if nothing is carried for so long, 0 for no limit, and
// keeps a limit that is shorter.
func (t *Tunnel) limit(idle time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if idle <= 0 || t.over || t.timer != nil && t.idle <= idle {
		return
	}
	t.idle = idle
	if t.timer == nil {
		t.timer = time.AfterFunc(idle, t.look)
	} else {
		t.timer.Reset(idle)
	}
}

// look ends a tunnel that carries nothing, or looks again later.
func (t *Tunnel) look() {
	t.mu.Lock()
	left := t.idle - (time.Since(t.began) - time.Duration(t.used.Load()))
	if left > 0 && !t.over {
		t.timer.Reset(left)
	}
	t.mu.Unlock()
	if left <= 0 {
		t.end(nil)
	}
}

const (
	smallPiece = 4 << 10  // what a direction that waits holds
	largePiece = 32 << 10 // of one that has much to carry
)

var (
	smallPieces = sync.Pool{New: func() any { return newPiece(smallPiece) }}
	largePieces = sync.Pool{New: func() any { return newPiece(largePiece) }}
)

func newPiece(size int) *[]byte {
	p := make([]byte, size)
	return &p
}

func putPiece(p *[]byte) {
	if len(*p) == smallPiece {
		smallPieces.Put(p)
	} else {
		largePieces.Put(p)
	}
}

// fitting returns memory for the next piece, after one of n bytes in p.
func fitting(p *[]byte, n int) *[]byte {
	switch {
	case n == smallPiece && len(*p) == smallPiece:
		putPiece(p)
		return largePieces.Get().(*[]byte)
	case n < smallPiece && len(*p) == largePiece:
		putPiece(p)
		return smallPieces.Get().(*[]byte)
	}
	return p
}
