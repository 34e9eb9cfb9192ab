package nethttp

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

func TestProxyOfTheEnvironment(t *testing.T) {
	l := listen(t)
	t.Setenv("HTTP_PROXY", "http://"+l.Addr().String())
	t.Setenv("NO_PROXY", "direct.test")
	targets := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		r, err := http.ReadRequest(bufio.NewReader(conn))
		if err != nil {
			return
		}
		targets <- r.RequestURI
		io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	}()
	c := NewClient(config.Transport{}, nil)
	defer c.Close()
	x := gateway.Acquire(nil)
	defer x.Release()
	q := &x.Request
	q.Method, q.Scheme, q.Host, q.Path = "GET", "http", "backend.test", "/a%2Fb"
	if err := c.Do(t.Context(), x); err != nil {
		t.Fatal(err)
	}
	if got, want := <-targets, "http://backend.test/a%2Fb"; got != want {
		t.Errorf("target %q, want %q", got, want)
	}
	choose := proxyFor("")
	for host, want := range map[string]bool{"backend.test": true, "direct.test": false, "127.0.0.1": false} {
		u, err := choose(&url.URL{Scheme: "http", Host: host})
		if got := u != nil; got != want || err != nil {
			t.Errorf("host %s: proxy %v, %v, want one %t", host, u, err, want)
		}
	}
}

// A looked counts how often somebody looks at its socket.
type looked struct {
	net.Conn
	times int
}

func (l *looked) SyscallConn() (syscall.RawConn, error) {
	l.times++
	return nil, errors.ErrUnsupported
}

// TestLooks: a connection that is used again is looked at only where something may
// have arrived on it that nobody asked for.
func TestLooks(t *testing.T) {
	now := time.Now().UnixNano()
	tests := []struct {
		name   string
		reused bool
		idle   time.Duration
		wary   bool
		bare   int64
		want   int
	}{
		{"new", false, 0, true, now, 0},
		{"just used", true, 0, false, 0, 0},
		{"just used, before a call that nobody repeats", true, 0, true, 0, 1},
		{"just used, behind an answer without a body", true, 0, false, now + int64(time.Hour), 1},
		{"idle", true, time.Second, false, 0, 1},
	}
	for _, tt := range tests {
		conn := &looked{}
		c := &call{client: &client{}, wary: tt.wary}
		c.client.bare.Store(tt.bare)
		c.connected(httptrace.GotConnInfo{Conn: conn, Reused: tt.reused, IdleTime: tt.idle})
		if conn.times != tt.want {
			t.Errorf("%s: %d looks, want %d", tt.name, conn.times, tt.want)
		}
	}
}
