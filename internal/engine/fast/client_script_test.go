package fast

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A script is a backend on bare sockets.
type script struct {
	addr     string
	accepted atomic.Int64
	listener net.Listener
	done     sync.WaitGroup
	released chan struct{} // closed by release
	once     sync.Once
	mu       sync.Mutex
	open     []net.Conn
}

// A wireEnd is the backend's end of a connection.
type wireEnd struct {
	net.Conn
	r    *bufio.Reader
	nth  int64  // connection of the script, from 1
	last string // method and path of the last request, and its body

	released <-chan struct{}
}

// newScript runs play on every connection until the test is over.
func newScript(t testing.TB, play func(w *wireEnd)) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &script{addr: l.Addr().String(), listener: l, released: make(chan struct{})}
	s.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			nth := s.accepted.Add(1)
			conn.SetDeadline(time.Now().Add(time.Minute))
			s.mu.Lock()
			s.open = append(s.open, conn)
			s.mu.Unlock()
			s.done.Go(func() {
				defer conn.Close()
				play(&wireEnd{Conn: conn, r: bufio.NewReader(conn), nth: nth, released: s.released})
			})
		}
	})
	t.Cleanup(s.close)
	return s
}

// release lets the connections go on that wait for it.
func (s *script) release() { s.once.Do(func() { close(s.released) }) }

// close ends the backend and its connections.
func (s *script) close() {
	s.release()
	s.listener.Close()
	s.mu.Lock()
	for _, conn := range s.open {
		conn.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

// request reads a request to its end and reports whether there was one.
func (w *wireEnd) request() bool {
	r, err := http.ReadRequest(w.r)
	if err != nil {
		return false
	}
	text, err := io.ReadAll(r.Body)
	w.last = r.Method + " " + r.RequestURI + " " + string(text)
	return err == nil
}

func (w *wireEnd) send(text string) { io.WriteString(w.Conn, text) }

// closed waits until the client has closed the connection.
func (w *wireEnd) closed() { io.Copy(io.Discard, w.r) }

// reset ends the connection with an error at the other end.
func (w *wireEnd) reset() {
	w.Conn.(*net.TCPConn).SetLinger(0)
	w.Conn.Close()
}
