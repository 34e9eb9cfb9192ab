package fast

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// parrot is a backend that gives everyone the same answer, at the least cost.
func parrot(t testing.TB, answer string) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	reply := []byte(answer)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				r := bufio.NewReader(conn)
				for {
					for {
						line, err := r.ReadSlice('\n')
						if err != nil {
							return
						}
						if len(line) == 2 {
							break
						}
					}
					conn.Write(reply)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// sized is an answer of n bytes as backends of APIs give it.
func sized(n int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: Sun, 22 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\nServer: parrot\r\n"+
		"Cache-Control: max-age=60\r\nVary: Accept\r\nContent-Length: %d\r\n\r\n%s", n, bytes.Repeat([]byte("x"), n))
}

// callOnce makes a small call and reads its answer, as a plan does.
func callOnce(ctx context.Context, c engine.Client, addr string) error {
	x := gateway.Acquire(nil)
	defer x.Release()
	q := &x.Request
	q.Method, q.Scheme, q.Host, q.Path, q.RawQuery = "GET", "http", addr, "/things/17", "page=2"
	q.Header = append(q.Header,
		gateway.Field{Name: "Accept", Value: "application/json"}, gateway.Field{Name: "Authorization", Value: "Bearer abcdefghijklmnopqrstuvwxyz"},
		gateway.Field{Name: "User-Agent", Value: "Sluice"}, gateway.Field{Name: "X-Forwarded-For", Value: "192.0.2.7"})
	if err := c.Do(ctx, x); err != nil {
		return err
	}
	_, err := x.Response.Body.Bytes(0)
	return err
}

var clients = []struct {
	name string
	make engine.NewClient
}{{"fast", NewClient}, {"nethttp", nethttp.NewClient}}

// BenchmarkClient measures calls with a deadline, from two goroutines for each
// core. What the sockets and the backend cost is what "bare" shows: the same
// bytes without a client.
func BenchmarkClient(b *testing.B) {
	for _, size := range []int{2 << 10, 20 << 10} {
		b.Run(fmt.Sprintf("%dKB/bare", size>>10), func(b *testing.B) {
			answer := sized(size)
			addr := parrot(b, answer)
			b.SetParallelism(2)
			b.RunParallel(func(p *testing.PB) {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close()
				request, room := make([]byte, 200), make([]byte, len(answer))
				copy(request[len(request)-3:], "\n\r\n") // the least that the parrot takes for a head
				for p.Next() {
					conn.Write(request)
					if _, err := io.ReadFull(conn, room); err != nil {
						b.Error(err)
					}
				}
			})
		})
		for _, client := range clients {
			b.Run(fmt.Sprintf("%dKB/%s", size>>10, client.name), func(b *testing.B) {
				addr := parrot(b, sized(size))
				c := client.make(model.Transport{IdleConnectionTimeout: config.Duration(time.Minute)}, nil)
				defer c.Close()
				b.ReportAllocs()
				b.SetParallelism(2)
				b.RunParallel(func(p *testing.PB) {
					for p.Next() {
						ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
						if err := callOnce(ctx, c, addr); err != nil {
							b.Error(err)
						}
						cancel()
					}
				})
			})
		}
	}
}

// BenchmarkClientUpload measures calls with a body in memory.
func BenchmarkClientUpload(b *testing.B) {
	for _, size := range []int{2 << 10, 200 << 10} {
		for _, client := range clients {
			b.Run(fmt.Sprintf("%dKB/%s", size>>10, client.name), func(b *testing.B) {
				s := newScript(b, func(w *wireEnd) {
					for w.request() {
						w.send("HTTP/1.1 204 No Content\r\n\r\n")
					}
				})
				c := client.make(model.Transport{}, nil)
				defer c.Close()
				payload := bytes.Repeat([]byte("x"), size)
				b.ReportAllocs()
				for b.Loop() {
					x := gateway.Acquire(nil)
					q := &x.Request
					q.Method, q.Scheme, q.Host, q.Path, q.Body = "POST", "http", s.addr, "/", body.FromBytes(payload)
					if err := c.Do(b.Context(), x); err != nil {
						b.Fatal(err)
					}
					x.Release()
				}
			})
		}
	}
}
