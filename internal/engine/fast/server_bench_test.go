//go:build unix

package fast

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

var smallRequest = []byte("GET /api/items/42?expand=all HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: bench/1.0\r\n" +
	"Accept: application/json\r\nAccept-Encoding: gzip\r\nX-Request-Id: 5b9c2f0e7f0a4a53\r\n\r\n")

// settings are those of a gateway that has all its limits.
var settings = engine.Settings{ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: time.Minute}

// answering returns a handler that answers with size bytes.
func answering(size int) func(context.Context, *gateway.Exchange) error {
	payload := bytes.Repeat([]byte("x"), size)
	return func(_ context.Context, x *gateway.Exchange) error {
		x.Response.Status = 200
		x.Response.Header.Add("Content-Type", "application/json")
		x.Response.Body = body.FromBytes(payload)
		return nil
	}
}

// talk sends the request and reads the answer, which has the same size every
// time; size 0 stands for one that is not known yet.
func talk(conn net.Conn, p []byte, size int) (int, error) {
	if _, err := conn.Write(smallRequest); err != nil {
		return 0, err
	}
	if size == 0 {
		return conn.Read(p)
	}
	return io.ReadFull(conn, p[:size])
}

// TestAllocations holds the budget of a small exchange: the head of the
// request, and what a context costs when somebody asks for its channel.
func TestServerAllocations(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector allocates")
	}
	for _, tt := range []struct {
		name   string
		asks   bool // for the channel of the context
		budget float64
	}{{"nobody asks for the end of the context", false, 1}, {"somebody does", true, 3}} {
		answer := answering(300)
		d := open(t, NewServer, settings, func(ctx context.Context, x *gateway.Exchange) error {
			if tt.asks {
				ctx.Done()
			}
			return answer(ctx, x)
		})
		conn, _ := d.dial(t)
		p := make([]byte, 4096)
		size, err := talk(conn, p, 0)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := talk(conn, p, size); err != nil {
				t.Fatal(err)
			}
		}); n > tt.budget {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, n, tt.budget)
		}
	}
}

// A loop is the least that a server can do: it reads once and writes an answer
// that it has ready, on one goroutine for each connection.
type loop struct {
	l      net.Listener
	answer []byte
}

func (l *loop) Serve(listener net.Listener, _ gateway.Handler) error {
	l.l = listener
	for {
		conn, err := listener.Accept()
		if err != nil {
			return nil
		}
		go func() {
			defer conn.Close()
			p := make([]byte, 4096)
			for {
				if _, err := conn.Read(p); err != nil {
					return
				}
				if _, err := conn.Write(l.answer); err != nil {
					return
				}
			}
		}()
	}
}

func (l *loop) Shutdown(context.Context) error { return l.l.Close() }

// BenchmarkServer measures small exchanges on 32 connections, clients included,
// which are the same for all. cpu-ns/op does not depend on who else uses the
// machine.
func BenchmarkServer(b *testing.B) {
	for _, size := range []int{300, 2 << 10, 20 << 10} {
		ready := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: %d\r\n\r\n%s",
			size, bytes.Repeat([]byte("x"), size))
		for _, server := range []struct {
			name string
			make func(engine.Settings) engine.Server
		}{
			{"loop", func(engine.Settings) engine.Server { return &loop{answer: ready} }},
			{"fast", NewServer},
			{"nethttp", nethttp.NewServer},
		} {
			b.Run(fmt.Sprintf("%dB/%s", size, server.name), func(b *testing.B) {
				d := open(b, server.make, settings, answering(size))
				b.ReportAllocs()
				b.SetParallelism(16)
				before := cpu(b)
				b.RunParallel(func(pb *testing.PB) {
					conn, _ := d.dial(b)
					conn.SetDeadline(time.Time{})
					defer conn.Close()
					p := make([]byte, 64<<10)
					for pb.Next() {
						if _, err := talk(conn, p, len(ready)); err != nil {
							b.Error(err)
							return
						}
					}
				})
				b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// cpu returns the processor time that the process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
