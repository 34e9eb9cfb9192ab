package nethttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// TestSlowGoodbye: while Shutdown closes a connection that takes its time for that,
// exchanges on other connections go on.
func TestSlowGoodbye(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	slow := &slowListener{Listener: l, closing: make(chan bool), closed: make(chan bool)}
	s := NewServer(engine.Settings{H2C: true})
	served := make(chan error, 1)
	go func() { served <- s.Serve(slow, noContent{}) }()

	begun, err := net.Dial("tcp", l.Addr().String()) // the slow one
	if err != nil {
		t.Fatal(err)
	}
	defer begun.Close()
	io.WriteString(begun, "G")

	streams := &http.Transport{Protocols: new(http.Protocols)}
	streams.Protocols.SetUnencryptedHTTP2(true)
	defer streams.CloseIdleConnections()
	client := http.Client{Transport: streams, Timeout: 10 * time.Second}
	ask := func(when string) {
		res, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			t.Errorf("%s: %v", when, err)
			return
		}
		if res.Body.Close(); res.StatusCode != 204 {
			t.Errorf("%s: status %d, want 204", when, res.StatusCode)
		}
	}
	ask("before Shutdown")
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	<-slow.closing
	ask("while a connection is closed")
	close(slow.closed)
	if err := <-stopped; err != nil {
		t.Errorf("Shutdown = %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
}

type noContent struct{}

func (noContent) Do(_ context.Context, x *gateway.Exchange) error {
	x.Response.Status = 204
	return nil
}

func (noContent) Done(x *gateway.Exchange, _ gateway.Sent, _ error) { x.Release() }

// The first connection of a slow listener tells when it is to be closed, and is closed
// when it may be.
type slowListener struct {
	net.Listener
	accepted        atomic.Bool
	closing, closed chan bool
}

func (l *slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil || l.accepted.Swap(true) {
		return conn, err
	}
	return &slowConn{Conn: conn, l: l}, nil
}

type slowConn struct {
	net.Conn
	l     *slowListener
	again atomic.Bool
}

func (c *slowConn) Close() error {
	if !c.again.Swap(true) {
		close(c.l.closing)
	}
	<-c.l.closed
	return c.Conn.Close()
}
