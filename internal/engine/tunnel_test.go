package engine

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

func TestSwitched(t *testing.T) {
	tests := []struct {
		name, connection, upgrade, offered, want string
	}{
		{"what was asked for", "Upgrade", "websocket", "websocket", "websocket"},
		{"letter case", "keep-alive, UPGRADE", "WebSocket", "websocket", "WebSocket"},
		{"one of several", "upgrade", "b/2", "a, b/2", "b/2"},
		{"nothing", "upgrade", "", "a", ""},
		{"nothing was asked for", "upgrade", "a", "", ""},
		{"another", "upgrade", "b", "a", ""},
		{"another version", "upgrade", "a/2", "a/1", ""},
		{"several", "upgrade", "a, b", "a, b", ""},
		{"part of a name", "upgrade", "a", "ab", ""},
		{"Connection is silent", "", "a", "a", ""},
		{"Connection says something else", "close", "a", "a", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Switched(tt.connection, tt.upgrade, tt.offered); got != tt.want {
				t.Errorf("Switched(%q, %q, %q) = %q, want %q", tt.connection, tt.upgrade, tt.offered, got, tt.want)
			}
		})
	}
}

// A pipe is one end of a connection in memory whose halves close apart.
type pipe struct {
	*io.PipeReader
	*io.PipeWriter
}

func (p pipe) CloseWrite() error { return p.PipeWriter.Close() }

func (p pipe) Close() error {
	return errors.Join(p.PipeReader.Close(), p.PipeWriter.Close())
}

// pipes returns both ends of a connection.
func pipes() (a, b pipe) {
	ar, bw := io.Pipe()
	br, aw := io.Pipe()
	return pipe{ar, aw}, pipe{br, bw}
}

// TestTunnel says when tunnels end. The client and the backend act, then wait
// for the end.
func TestTunnel(t *testing.T) {
	const idle = 10 * time.Second
	tests := []struct {
		name            string
		idle            time.Duration
		client, backend func(p pipe)
		took            time.Duration
		written         int64
		code            string // of the error; "" for none
	}{
		{name: "without traffic", idle: idle, took: idle},
		{name: "bytes of the client count", idle: idle, client: func(p pipe) {
			time.Sleep(idle - 1)
			p.Write([]byte("hello"))
		}, backend: drain, took: 2*idle - 1},
		{name: "bytes of the backend count", idle: idle, client: drain, backend: func(p pipe) {
			for range 3 {
				time.Sleep(idle / 2)
				p.Write([]byte("hello"))
			}
		}, took: idle/2*3 + idle, written: 15},
		{name: "bytes that nobody takes do not", idle: idle, backend: func(p pipe) {
			time.Sleep(time.Second)
			p.Write([]byte("hello"))
		}, took: time.Second + idle},
		{name: "both close", client: closeHalf(time.Hour), backend: closeHalf(time.Minute + time.Hour - 1), took: time.Minute + time.Hour - 1},
		{name: "the client closes its half only", client: closeHalf(time.Hour), took: time.Hour + halfClosed},
		{name: "the backend closes its half only", backend: closeHalf(time.Hour), took: time.Hour + halfClosed},
		{name: "a shorter limit stays when a half is closed", idle: idle, client: closeHalf(time.Second), took: idle},
		{name: "a longer limit does not", idle: time.Hour, client: closeHalf(time.Second), took: time.Second + halfClosed},
		{name: "the client breaks", client: func(p pipe) {
			time.Sleep(time.Second)
			p.PipeWriter.CloseWithError(io.ErrUnexpectedEOF)
		}, took: time.Second, code: gateway.CodeClientGone},
		{name: "the backend breaks", backend: func(p pipe) {
			time.Sleep(time.Second)
			p.PipeWriter.CloseWithError(io.ErrUnexpectedEOF)
		}, took: time.Second, code: gateway.CodeBackendAborted},
		{name: "the backend takes nothing, and has something to say", client: func(p pipe) {
			p.Write([]byte("hello"))
			io.Copy(io.Discard, p.PipeReader)
			p.Close()
		}, backend: func(p pipe) {
			p.PipeReader.Close()
			time.Sleep(time.Second)
			p.Write([]byte("last"))
			p.CloseWrite()
		}, took: time.Second, written: 4, code: gateway.CodeBackendAborted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, in := pipes()
				out, backend := pipes()
				act := func(f func(pipe), p pipe) {
					if f != nil {
						f(p)
					}
				}
				go act(tt.client, client)
				go act(tt.backend, backend)
				began := time.Now()
				written, err := NewTunnel(in, out, tt.idle).Run()
				code := ""
				if err != nil {
					code = gateway.AsError(err).Code
				}
				if took := time.Since(began); took != tt.took || written != tt.written || code != tt.code {
					t.Errorf("ended after %v with %d bytes, %v; want %v, %d, %q", took, written, err, tt.took, tt.written, tt.code)
				}
				if _, err := client.Write([]byte("x")); err == nil {
					t.Error("the client's end is open")
				}
				if _, err := backend.Write([]byte("x")); err == nil {
					t.Error("the backend's end is open")
				}
				client.Close()
				backend.Close()
			})
		})
	}
}

func drain(p pipe) { io.Copy(io.Discard, p.PipeReader) }

func closeHalf(after time.Duration) func(pipe) {
	return func(p pipe) {
		time.Sleep(after)
		p.CloseWrite()
	}
}

func TestTunnelCut(t *testing.T) {
	for _, name := range []string{"before it begins", "while it runs", "after its end"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, in := pipes()
				out, backend := pipes()
				tunnel := NewTunnel(in, out, 0)
				switch name {
				case "before it begins":
					tunnel.Cut()
				case "while it runs":
					time.AfterFunc(time.Second, tunnel.Cut)
				default:
					client.Close()
					backend.Close()
				}
				_, err := tunnel.Run()
				tunnel.Cut()
				if ended := err == nil; ended != (name == "after its end") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
