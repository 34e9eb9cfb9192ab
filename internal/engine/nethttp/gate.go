package nethttp

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
)

// A gate is the listener that net/http accepts from: it has a sieve over every
// connection but those of HTTP/2. With TLS it shakes hands first, for the protocol
// is not known before.
type gate struct {
	net.Listener
	server *server
	tls    *tls.Config // nil without TLS

	conns   chan net.Conn // that have shaken hands
	errs    chan error    // of the listener
	closed  chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	over    bool
	shaking map[net.Conn]struct{}
}

// newGate returns a gate in front of a listener.
func newGate(s *server, l net.Listener) *gate {
	g := &gate{Listener: l, server: s, closed: make(chan struct{})}
	if s.tls == nil {
		return g
	}
	g.tls = s.tls.Clone()
	for _, protocol := range []string{"h2", "http/1.1", "http/1.0"} {
		if !slices.Contains(g.tls.NextProtos, protocol) {
			g.tls.NextProtos = append(g.tls.NextProtos, protocol)
		}
	}
	g.conns, g.errs, g.shaking = make(chan net.Conn), make(chan error), make(map[net.Conn]struct{})
	g.running.Go(g.run)
	return g
}

// Accept returns the next connection.
func (g *gate) Accept() (net.Conn, error) {
	if g.tls == nil {
		conn, err := g.Listener.Accept()
		if _, encrypted := conn.(*tls.Conn); err != nil || encrypted {
			return conn, err // which was handed over because it speaks HTTP/2
		}
		return g.server.newSieve(conn), nil
	}
	select {
	case conn := <-g.conns:
		return conn, nil
	case err := <-g.errs:
		return nil, err
	case <-g.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept, and the handshakes that are not over.
func (g *gate) Close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return nil
	}
	g.over = true
	close(g.closed)
	for conn := range g.shaking {
		conn.Close()
	}
	return g.Listener.Close()
}

// run accepts connections and starts their handshakes.
func (g *gate) run() {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			select {
			case g.errs <- err:
			case <-g.closed:
				return
			}
			if temporary, ok := errors.AsType[interface {
				error
				Temporary() bool
			}](err); !ok || !temporary.Temporary() {
				return
			}
			continue
		}
		g.running.Go(func() { g.admit(conn) })
	}
}

// admit shakes hands and lets the connection in.
func (g *gate) admit(conn net.Conn) {
	g.mu.Lock()
	if g.over {
		g.mu.Unlock()
		conn.Close()
		return
	}
	g.shaking[conn] = struct{}{}
	g.mu.Unlock()
	stream, ok := g.shake(conn)
	g.mu.Lock()
	delete(g.shaking, conn)
	g.mu.Unlock()
	if !ok {
		return
	}
	select {
	case g.conns <- stream:
	case <-g.closed:
		stream.Close()
	}
}

// shake returns the connection with TLS, and reports whether there is one.
func (g *gate) shake(conn net.Conn) (net.Conn, bool) {
	stream := tls.Server(conn, g.tls)
	if limit := g.server.handshakeTimeout; limit > 0 {
		conn.SetDeadline(time.Now().Add(limit)) // fails on a broken connection, as the handshake will
	}
	if err := stream.Handshake(); err != nil {
		if record, ok := errors.AsType[tls.RecordHeaderError](err); ok && record.Conn != nil && engine.SpeaksHTTP(record.RecordHeader[:]) {
			io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
			linger(record.Conn)
		}
		g.server.http.ErrorLog.Printf("http: TLS handshake error from %s: %v", conn.RemoteAddr(), err)
		conn.Close()
		return nil, false
	}
	conn.SetDeadline(time.Time{})
	if stream.ConnectionState().NegotiatedProtocol == "h2" {
		return stream, true
	}
	v := g.server.newSieve(stream)
	v.http2 = false
	return &encrypted{v, stream}, true
}

// An encrypted sieve tells net/http of its TLS.
type encrypted struct {
	*sieve
	stream *tls.Conn
}

// ConnectionState returns that of TLS.
func (e *encrypted) ConnectionState() tls.ConnectionState { return e.stream.ConnectionState() }

// linger lets the client read what was sent before the connection ends.
func linger(conn net.Conn) {
	if encrypted, ok := conn.(*tls.Conn); ok {
		engine.Linger(encrypted.NetConn(), encrypted)
		return
	}
	engine.Linger(conn, nil)
}
