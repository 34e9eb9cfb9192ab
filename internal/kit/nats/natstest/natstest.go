package natstest

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
)

// A Server is a NATS server behind a proxy.
type Server struct {
	URL    string // through the proxy
	direct string
	own    *server.Server

	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	down   bool          // connections are refused by closing them
	held   chan struct{} // closed unless what the server says is held back
	closed bool
}

// Options are those of a server.
type Options = server.Options

// Start runs a server until the test ends. What is not set in its options is as for a server
// of its own on a free port.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	o.Host, o.Port, o.NoLog, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, true, true
	own, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	own.Start()
	if !own.ReadyForConnections(time.Minute) {
		t.Fatal("the NATS server does not start")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{own: own, direct: own.Addr().String(), listener: l, conns: make(map[net.Conn]bool), held: make(chan struct{})}
	close(s.held)
	s.URL = "nats://" + l.Addr().String()
	s.wg.Go(s.accept)
	t.Cleanup(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		l.Close()
		s.Resume()
		s.Cut()
		s.wg.Wait()
		own.Shutdown()
		own.WaitForShutdown()
	})
	return s
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		down := s.down || s.closed
		if !down {
			s.conns[c] = true
		}
		s.mu.Unlock()
		if down {
			c.Close()
			continue
		}
		s.wg.Go(func() { s.serve(c) })
	}
}

func (s *Server) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	}()
	up, err := net.Dial("tcp", s.direct)
	if err != nil {
		return
	}
	defer up.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		io.Copy(up, c)
		up.Close()
	})
	defer c.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := up.Read(buf)
		s.mu.Lock()
		held := s.held
		s.mu.Unlock()
		<-held
		if _, failed := c.Write(buf[:n]); err != nil || failed != nil {
			return
		}
	}
}

// Cut ends all connections through the proxy; others may be made at once.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

// Stop ends all connections and refuses others, as a server that is killed.
func (s *Server) Stop() {
	s.mu.Lock()
	s.down = true
	s.mu.Unlock()
	s.Cut()
}

// Restart takes connections again.
func (s *Server) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// Hold keeps back what the server says, until Resume.
func (s *Server) Hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = make(chan struct{})
}

// Resume lets the server be heard again.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.held:
	default:
		close(s.held)
	}
}

// Direct returns the address of the server itself.
func (s *Server) Direct() string { return "nats://" + s.direct }

// Client returns a connection to the server that does not go through the proxy.
func (s *Server) Client(t testing.TB, o ...client.Option) *client.Conn {
	t.Helper()
	c, err := client.Connect(s.Direct(), o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Listen returns a subscription that does not go through the proxy, and is known to the
// server.
func (s *Server) Listen(t testing.TB, subject string) *client.Subscription {
	t.Helper()
	c := s.Client(t)
	sub, err := c.SubscribeSync(subject)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1)
	}
	if err == nil {
		err = c.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

// Wait waits until f returns nil, a minute at most.
func Wait(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err = f(); err == nil {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Fatal(fmt.Errorf("after a minute: %w", err))
}

// Connections returns how many connections go through the proxy.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
