package brokers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/test/awstest"
)

// A helper is a second process, in which the broker and the clients of a benchmark run, so
// that what this one takes is the gateway's alone.
type helper struct {
	in  io.Writer
	out *bufio.Reader
}

const helps = "SLUICE_TEST_HELPER"

// newHelper starts a helper and returns what it says first, the address of its broker.
func newHelper(b *testing.B, broker string) (h *helper, address string) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestHelper$", "-test.v=false")
	cmd.Env = append(os.Environ(), helps+"="+broker)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait() // it has failed if a benchmark has
	})
	h = &helper{in, bufio.NewReader(out)}
	return h, h.line(b)
}

func (h *helper) line(b *testing.B) string {
	b.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// load lets the clients post n messages of 1 KB.
func (h *helper) load(b *testing.B, url string, n int) {
	b.Helper()
	fmt.Fprintln(h.in, url, n)
	if line := h.line(b); line != "done" {
		b.Fatal(line)
	}
}

// TestHelper is the helper, where this process is one.
func TestHelper(t *testing.T) {
	switch os.Getenv(helps) {
	case "nats":
		fmt.Println(natstest.Start(t, natstest.Options{}).Direct())
	case "lambda":
		s := awstest.New(t, "lambda", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"id":7,"name":"Ada"}`) })
		fmt.Println(s.URL)
	case "http":
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, `{"id":7,"name":"Ada"}`)
		}))
		defer s.Close()
		fmt.Println(s.URL)
	case "kafka":
		fmt.Println(kafkatest.Start(t, []string{"orders"}).Address)
	default:
		return
	}
	message := bytes.Repeat([]byte("x"), 1<<10)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	c := http.Client{Transport: transport}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var url string
		var n int64
		if _, err := fmt.Sscan(in.Text(), &url, &n); err != nil {
			t.Fatal(err)
		}
		var failed atomic.Pointer[string]
		var wg sync.WaitGroup
		var sent atomic.Int64
		for range 16 {
			wg.Go(func() {
				for sent.Add(1) <= n && failed.Load() == nil {
					res, err := c.Post(url, "application/octet-stream", bytes.NewReader(message))
					if err == nil {
						_, err = io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
					if err == nil && res.StatusCode != 200 {
						err = fmt.Errorf("status %d", res.StatusCode)
					}
					if err != nil {
						text := err.Error()
						failed.Store(&text)
					}
				}
			})
		}
		wg.Wait()
		if text := failed.Load(); text != nil {
			fmt.Println(*text)
			continue
		}
		fmt.Println("done")
	}
}

// cpu returns the time that this process has taken.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// publishing is who publishes messages of 1 KB that clients post: the gateway, on each engine,
// and a plain handler with the library of the driver. The figure is CPU per message, of the
// process that publishes alone.
func publishing(b *testing.B, name, variable, text string, plain func(b *testing.B, broker string) http.HandlerFunc) {
	for _, e := range []engine.Engine{{Name: "plain"}, fast.Engine, nethttp.Engine} {
		b.Run(e.Name, func(b *testing.B) {
			h, address := newHelper(b, name)
			var url string
			if e.Name == "plain" {
				url = serve(b, plain(b, address))
			} else {
				r := start(b, e, map[string]string{variable: address}, text)
				r.ready(b)
				url = r.url + "/orders"
			}
			h.load(b, url, 1000)
			b.ResetTimer()
			before := cpu(b)
			h.load(b, url, b.N)
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// serve runs a handler until the benchmark ends.
func serve(b *testing.B, f http.HandlerFunc) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: f}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(l) })
	b.Cleanup(func() { server.Close(); wg.Wait() })
	return "http://" + l.Addr().String()
}

// answer is the end of a plain handler.
func answer(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	io.WriteString(w, "null")
}

func BenchmarkNATSPublish(b *testing.B) {
	publishing(b, "nats", "NATS_SERVER_URL", overNATS, plainNATS)
}

// plainNATS is how one writes it by hand: a handler that publishes the body with the header,
// and waits for the server.
func plainNATS(b *testing.B, nats string) http.HandlerFunc {
	c, err := client.Connect(nats)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		body, err := io.ReadAll(r.Body)
		m := client.NewMsg("orders")
		m.Data = body
		for name, values := range r.Header {
			m.Header[name] = values[:1]
		}
		m.Header.Set("X-Forwarded-For", r.RemoteAddr)
		m.Header.Set("X-Forwarded-Host", r.Host)
		if err == nil {
			err = c.PublishMsg(m)
		}
		if err == nil {
			err = c.FlushWithContext(ctx)
		}
		answer(w, err)
	}
}

// The gateway of this benchmark has no subscriber, which would read meanwhile.
const toKafka = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["kafka://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "critical": true}}}]}]}`

func BenchmarkKafkaPublish(b *testing.B) {
	publishing(b, "kafka", "KAFKA_BROKERS", toKafka, plainKafka)
}

// plainKafka is a handler that produces the body with the header, without lingering, and waits
// for all replicas.
func plainKafka(b *testing.B, broker string) http.HandlerFunc {
	c, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic("orders"), kgo.ProducerLinger(0))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		body, err := io.ReadAll(r.Body)
		m := &kgo.Record{Value: body}
		for name, values := range r.Header {
			m.Headers = append(m.Headers, kgo.RecordHeader{Key: name, Value: []byte(values[0])})
		}
		m.Headers = append(m.Headers, kgo.RecordHeader{Key: "X-Forwarded-For", Value: []byte(r.RemoteAddr)}, kgo.RecordHeader{Key: "X-Forwarded-Host", Value: []byte(r.Host)})
		if err == nil {
			err = c.ProduceSync(ctx, m).FirstErr()
		}
		answer(w, err)
	}
}
