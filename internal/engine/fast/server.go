package fast

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast/wire"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// server is an [engine.Server] for HTTP/1.1, one goroutine for each connection.
type server struct {
	settings engine.Settings
	made     time.Time
	limits   wire.Limits
	tls      *tls.Config // nil for plain HTTP
	handler  gateway.Handler
	watcher  *watcher
	http2    *handover
	draining atomic.Bool    // no new connections; those that are open get one more answer
	closing  atomic.Bool    // nor these
	running  sync.WaitGroup // goroutines of the server itself

	mu       sync.Mutex
	listener net.Listener
	conns    *conn         // all connections, linked
	empty    chan struct{} // closed when the last one has ended; nil before Shutdown
	stopped  bool          // the watcher was told to stop
}

// Engine is the engine of our own.
var Engine = engine.Engine{Name: "fast", NewServer: NewServer, NewClient: NewClient}

// NewServer returns a server that is not listening yet.
func NewServer(s engine.Settings) engine.Server {
	srv := &server{
		settings: s,
		made:     time.Now(),
		limits:   wire.Limits{HeadBytes: s.HeadBytes(), Fields: wire.MaxFields},
		watcher:  newWatcher(),
		http2:    newHandover(s),
	}
	if s.ReadHeaderTimeout == 0 {
		srv.settings.ReadHeaderTimeout = s.ReadTimeout
	}
	if s.IdleTimeout == 0 {
		srv.settings.IdleTimeout = s.ReadTimeout
	}
	if s.TLS != nil {
		srv.tls = s.TLS.Clone()
		for _, protocol := range []string{"h2", "http/1.1", "http/1.0"} {
			if !slices.Contains(srv.tls.NextProtos, protocol) {
				srv.tls.NextProtos = append(srv.tls.NextProtos, protocol)
			}
		}
	}
	return srv
}

// Serve answers the clients of l.
func (s *server) Serve(l net.Listener, h gateway.Handler) error {
	s.mu.Lock()
	if s.draining.Load() {
		s.mu.Unlock()
		l.Close() // nobody needs it any more
		return nil
	}
	s.listener, s.handler = l, h
	s.running.Go(func() { s.watcher.run(s) })
	s.mu.Unlock()
	return s.accept(l)
}

// longestPause ends the growth of the pauses after failures to accept.
const longestPause = time.Second

// accept starts a goroutine for each connection. When the system has nothing
// left to make one of, it waits for that to pass.
func (s *server) accept(l net.Listener) error {
	pause := time.Duration(0)
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			if c := newConn(s, conn); s.add(c) {
				go c.serve()
			} else {
				conn.Close()
			}
			continue
		}
		if s.draining.Load() {
			return nil
		}
		if cause, ok := errors.AsType[syscall.Errno](err); !ok || !cause.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), longestPause)
		s.log(fmt.Errorf("accepting, again in %v: %w", pause, err))
		time.Sleep(pause)
	}
}

// add makes the connection known. It reports false if the server is draining.
func (s *server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if c.next = s.conns; c.next != nil {
		c.next.prev = c
	}
	s.conns = c
	return true
}

// remove forgets the connection.
func (s *server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		s.conns = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	if s.conns == nil && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Shutdown drains the server and cuts what is left when ctx is done.
func (s *server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining.Store(true)
	if s.listener != nil {
		s.listener.Close() // it may be closed already
	}
	s.mu.Unlock()
	http2 := make(chan error, 1)
	go func() { http2 <- s.http2.shutdown(ctx) }()
	s.settle(ctx)
	engine.AwaitLast(ctx, s.expecting)
	empty := s.drain()
	var err error
	select {
	case <-empty:
	case <-ctx.Done():
		if s.cut() {
			err = ctx.Err()
		}
	}
	err = errors.Join(err, <-http2)
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.watcher.stop)
	}
	s.mu.Unlock()
	s.running.Wait()
	return err
}

// settle waits until no exchange runs, at most until ctx is done.
func (s *server) settle(ctx context.Context) {
	const longest = 20 * time.Millisecond
	for pause := time.Millisecond; s.serving(); pause = min(2*pause, longest) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// serving reports whether an exchange runs.
func (s *server) serving() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.conns; c != nil; c = c.next {
		if c.since.Load() != 0 {
			return true
		}
	}
	return false
}

// expecting ends the connections on which no request is expected, and reports
// whether any are left that have none.
func (s *server) expecting() (is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.conns; c != nil; c = c.next {
		state := c.state.Load()
		is = is || state < busy
		if state == idle && !c.expects() && c.state.CompareAndSwap(idle, leaving) {
			c.interrupt()
		}
	}
	return is
}

// drain closes idle connections. The result is closed when there are no
// connections any more.
func (s *server) drain() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing.Store(true)
	for c := s.conns; c != nil; c = c.next {
		for state := c.state.Load(); state < busy; state = c.state.Load() {
			if c.state.CompareAndSwap(state, closed) {
				c.socket.Close()
			}
		}
	}
	if s.empty != nil {
		return s.empty
	}
	empty := make(chan struct{})
	if s.conns == nil {
		close(empty)
		return empty
	}
	s.empty = empty
	return empty
}

// cut ends all connections and reports whether there were any.
func (s *server) cut() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.conns; c != nil; c = c.next {
		c.cut.Store(true)
		c.leave()
		c.socket.Close()
	}
	return s.conns != nil
}

// log hands an error to whoever wants it, its first line only.
func (s *server) log(err error) {
	if s.settings.ErrorLog == nil {
		return
	}
	text := err.Error()
	if line, _, more := strings.Cut(text, "\n"); more {
		err = errors.New(line)
	}
	s.settings.ErrorLog("http server", err)
}
