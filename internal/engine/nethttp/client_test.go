package nethttp

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
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
	c := NewClient(model.Transport{}, nil)
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

// TestLate: a call that has given up waiting sends nothing on a connection that is made
// all the same, and leaves one that others share alone.
func TestLate(t *testing.T) {
	for _, shares := range []bool{false, true} {
		near, far := net.Pipe()
		defer far.Close()
		ctx, cancel := context.WithCancel(t.Context())
		c := &call{client: new(client), cancel: cancel}
		c.giveUp()
		info := httptrace.GotConnInfo{Conn: near}
		if shares {
			info.Conn = &shared{Conn: near}
		}
		c.connected(info)
		near.SetDeadline(time.Unix(1, 0))
		_, err := near.Write([]byte("GET / HTTP/1.1"))
		if closed := errors.Is(err, io.ErrClosedPipe); closed == shares || ctx.Err() == nil || c.stage.Load() != late {
			t.Errorf("shared %t: writing ends with %v, the call with %v", shares, err, ctx.Err())
		}
	}
}

// TestUnaskedBehindABody has backends that send another answer behind one with a body, in
// one piece with it or as soon as that was read: the next call comes in no time and must
// not get it.
func TestUnaskedBehindABody(t *testing.T) {
	const answer, teapot = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"
	for _, pieces := range [][2]string{{answer, teapot}, {answer + teapot, ""}} {
		l := listen(t)
		read, sent := make(chan struct{}), make(chan struct{})
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				r := bufio.NewReader(conn)
				for {
					if _, err := http.ReadRequest(r); err != nil {
						break
					}
					io.WriteString(conn, pieces[0])
					<-read
					io.WriteString(conn, pieces[1])
					sent <- struct{}{}
				}
				conn.Close()
			}
		}()
		c := NewClient(model.Transport{}, nil)
		for i := range 300 {
			x := gateway.Acquire(nil)
			q := &x.Request
			q.Method, q.Scheme, q.Host, q.Path = "GET", "http", l.Addr().String(), "/"
			if err := c.Do(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			if text, err := x.Response.Body.Bytes(0); x.Response.Status != 200 || err != nil {
				t.Fatalf("%q, call %d: %d %q, %v", pieces, i, x.Response.Status, text, err)
			}
			x.Release()
			read <- struct{}{}
			<-sent
		}
		c.Close()
	}
}
