package fast

import (
	"context"
	"net"
	"sync"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A handover gives the connections of clients that speak HTTP/2 to a server on
// the standard library, which has the same handler. That server starts with
// the first of them. The handover is the listener that it accepts from.
type handover struct {
	server engine.Server
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
	served sync.WaitGroup

	mu      sync.Mutex
	started bool
	stopped bool
}

// newHandover returns one for a server with these settings. The connections
// that are given to it are decrypted by tls.Conn already, or plain.
func newHandover(s engine.Settings) *handover {
	s.TLS = nil
	return &handover{server: nethttp.NewServer(s), conns: make(chan net.Conn), closed: make(chan struct{})}
}

// take serves a connection of l with h from here on, or closes it if the
// server is shutting down.
func (o *handover) take(conn net.Conn, h gateway.Handler) {
	if !o.start(h) {
		conn.Close()
		return
	}
	select {
	case o.conns <- conn:
	case <-o.closed:
		conn.Close()
	}
}

func (o *handover) start(h gateway.Handler) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.started && !o.stopped {
		o.started = true
		o.served.Go(func() { o.server.Serve(o, h) }) // this listener never fails
	}
	return !o.stopped
}

// shutdown drains the other server.
func (o *handover) shutdown(ctx context.Context) error {
	o.mu.Lock()
	o.stopped = true
	started := o.started
	o.mu.Unlock()
	if !started {
		return nil
	}
	err := o.server.Shutdown(ctx) // closes the listener first
	o.served.Wait()
	return err
}

// Accept returns the next connection that was handed over.
func (o *handover) Accept() (net.Conn, error) {
	select {
	case conn := <-o.conns:
		return conn, nil
	case <-o.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (o *handover) Close() error {
	o.close.Do(func() { close(o.closed) })
	return nil
}

// Addr returns the address that stands for none.
func (o *handover) Addr() net.Addr { return &net.TCPAddr{} }

// A resumed connection begins with bytes that were read from it before.
type resumed struct {
	net.Conn
	head []byte
}

// Read reads on.
func (r *resumed) Read(p []byte) (int, error) {
	if len(r.head) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.head)
	r.head = r.head[n:]
	return n, nil
}
