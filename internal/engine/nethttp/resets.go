package nethttp

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// maxCut is how many more exchanges of a connection of HTTP/2 the client may cut
// than it lets finish.
const maxCut = 100

// A peer is a client on one connection. It is kept by the context of the
// connection.
type peer struct {
	conn net.Conn

	mu     sync.Mutex
	cut    int // exchanges that were cut, less those that were not; never below 0
	closed bool
}

type peerKey struct{}

// withPeer returns the context of a connection.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, peerKey{}, &peer{conn: conn})
}

// count notes the end of an exchange, and whether it was cut before it had its
// answer. A client that mostly cuts is asking for work and not for answers: the
// connection is closed, and the error says so once. Others hardly notice: a
// browser that leaves a page has had some answers of it.
//
// Count is safe for concurrent use.
//
// Source: RFC 9113, section 10.5; CVE-2023-44487.
func (p *peer) count(cut bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !cut {
		p.cut = max(0, p.cut-1)
		return nil
	}
	p.cut++
	if p.closed || p.cut <= maxCut {
		return nil
	}
	p.closed = true
	socket(p.conn).Close() // which does not wait for the client to read
	return fmt.Errorf("connection of %s closed: it cut %d more requests than it let finish", p.conn.RemoteAddr(), maxCut)
}
