package nethttp

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A passage is a handler that passes everything on.
type passage struct {
	client engine.Client
	addr   string
}

func (p *passage) Do(ctx context.Context, x *gateway.Exchange) error {
	q := &x.Request
	q.Method, q.Scheme, q.Host = x.In.Method(), "http", p.addr
	q.Path, q.RawQuery = x.In.Path(), x.In.RawQuery()
	q.Header = x.In.AppendHeaders(q.Header)
	if in := x.In.Body(); in != nil {
		q.Body = body.FromStream(io.NopCloser(in), x.In.Length())
	}
	return p.client.Do(ctx, x)
}

func (p *passage) Done(x *gateway.Exchange, _ gateway.Sent, _ error) { x.Release() }

// listen returns a listener that ends with the test.
func listen(tb testing.TB) net.Listener {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	return l
}

// bareBackend answers every request with size bytes, by a socket and nothing
// else, so that what is measured is what stands before it.
func bareBackend(tb testing.TB, size int) string {
	l := listen(tb)
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: bare\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for {
					line, err := r.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 { // the end of a header; requests have no body
						conn.Write(answer)
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// ours serves with this engine and returns its address.
func ours(tb testing.TB, backend string) string {
	l := listen(tb)
	client := NewClient(model.Transport{}, nil)
	s := NewServer(engine.Settings{})
	go s.Serve(l, &passage{client, backend})
	tb.Cleanup(func() {
		s.Shutdown(tb.Context())
		client.Close()
	})
	return l.Addr().String()
}

// theirs serves with httputil.ReverseProxy and returns its address.
func theirs(tb testing.TB, backend string) string {
	l := listen(tb)
	transport := &http.Transport{MaxIdleConnsPerHost: model.DefaultIdlePerHost, DisableCompression: true}
	target := &url.URL{Scheme: "http", Host: backend}
	s := &http.Server{Handler: &httputil.ReverseProxy{
		Transport:  transport,
		BufferPool: pooled{},
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
	}}
	go s.Serve(l)
	tb.Cleanup(func() {
		s.Close()
		transport.CloseIdleConnections()
	})
	return l.Addr().String()
}

// pooled gives ReverseProxy the same buffers.
type pooled struct{}

func (pooled) Get() []byte  { return buffers.Get().(*[32 << 10]byte)[:] }
func (pooled) Put(p []byte) { buffers.Put((*[32 << 10]byte)(p)) }

// A caller asks over one connection, without allocating.
type caller struct {
	conn net.Conn
	r    *bufio.Reader
}

var question = []byte("GET /users/7?fields=name HTTP/1.1\r\nHost: gateway.test\r\nUser-Agent: bench/1\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\nX-Request-Id: 0123456789abcdef\r\n\r\n")

func newCaller(tb testing.TB, addr string) *caller {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return &caller{conn, bufio.NewReaderSize(conn, 64<<10)}
}

// ask sends the question and discards the answer, whose body has size bytes.
func (c *caller) ask(size int) error {
	if _, err := c.conn.Write(question); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200")) {
			return fmt.Errorf("answer %q", line)
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := c.r.Discard(size)
	return err
}

// BenchmarkProxy compares this engine with the proxy of the standard library,
// from socket to socket. Ours must cost at most 1.2 times as much.
func BenchmarkProxy(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"300B", 300}, {"2KB", 2 << 10}, {"20KB", 20 << 10}, {"200KB", 200 << 10}} {
		for _, proxy := range []struct {
			name  string
			serve func(testing.TB, string) string
		}{{"ours", ours}, {"ReverseProxy", theirs}} {
			b.Run(size.name+"/"+proxy.name, func(b *testing.B) {
				c := newCaller(b, proxy.serve(b, bareBackend(b, size.bytes)))
				b.SetBytes(int64(size.bytes))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.ask(size.bytes); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// TestProxyAllocations bounds what one proxied request costs, net/http's own
// share included.
func TestProxyAllocations(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector allocates")
	}
	const size, budget = 2 << 10, 80
	c := newCaller(t, ours(t, bareBackend(t, size)))
	got := testing.AllocsPerRun(500, func() {
		if err := c.ask(size); err != nil {
			t.Fatal(err)
		}
	})
	if got > budget {
		t.Errorf("%v allocations for a request, want at most %d", got, budget)
	}
}
