package nethttp

import (
	"bufio"
	"io"
	"net/http"
	"net/url"
	"testing"

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
