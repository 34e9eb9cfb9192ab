package brokers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
)

// overAMQP has queues and exchanges with the name NAME at the broker URL.
const overAMQP = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["URL"],
		"extra_config": {"backend/amqp/producer": {"name": "NAME", "exchange": "NAME", "routing_key": "k", "static_routing_key": true, "durable": true, "declare_queue": true, "mandatory": true, "critical": true}}}]},
	{"endpoint": "/short", "method": "POST", "timeout": "20ms", "backend": [{"url_pattern": "/", "host": ["URL"],
		"extra_config": {"backend/amqp/producer": {"name": "NAME", "exchange": "NAME", "routing_key": "k", "static_routing_key": true, "durable": true, "declare_queue": true, "mandatory": true, "critical": true}}}]},
	{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["URL"],
		"extra_config": {"backend/amqp/consumer": {"name": "NAME-out", "exchange": "NAME-out", "routing_key": ["#"], "durable": true, "critical": true}}}]}]}`

// overRabbit has an exchange and a queue with the name NAME, which are there.
const overRabbit = `{` + quiet + `"endpoints": [
	{"endpoint": "/raw", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["rabbit://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "NAME-raw"}}}]},
	{"endpoint": "/raw", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["rabbit://"],
		"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "NAME-raw"}}}]}]}`

func startAMQP(t testing.TB, e engine.Engine, text string) (s *amqptest.Server, r *running, name string) {
	s = amqptest.Start(t)
	name = strings.ReplaceAll(t.Name(), "/", "-")
	text = strings.NewReplacer("URL", s.URL, "NAME", name).Replace(text)
	return s, start(t, e, map[string]string{"RABBIT_SERVER_URL": s.URL}, text), name
}

// TestAMQPEveryMessage: each of 10,000 messages that was answered with 200 is in the queue,
// though RabbitMQ is killed and started again meanwhile.
func TestAMQPEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r, name := startAMQP(t, e, overAMQP)
		var once sync.Once
		var revived sync.WaitGroup
		var ch *client.Channel
		everyMessage(t, r, broker{
			cut: func() {
				s.Cut()
				once.Do(func() {
					s.Kill()
					revived.Go(func() {
						if err := s.Revive(); err != nil {
							t.Error(err)
						}
					})
				})
			},
			next: func() (string, bool) {
				if ch == nil {
					revived.Wait()
					ch = s.Channel(t)
				}
				d, ok, err := ch.Get(name, true)
				if err != nil {
					t.Error(err)
				}
				return string(d.Body), ok
			},
		}, 10_000)
	})
}

// TestAMQPEachConsumed: each of 10,000 messages gets to a client, though connections are cut,
// and no more often than the broker delivers it again.
func TestAMQPEachConsumed(t *testing.T) {
	const n = 10_000
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r, name := startAMQP(t, e, overAMQP)
		r.ready(t)
		ch := s.Channel(t)
		if err := ch.Confirm(false); err != nil {
			t.Fatal(err)
		}
		var word *client.DeferredConfirmation
		for i := range n {
			var err error
			if word, err = ch.PublishWithDeferredConfirm("", name+"-out", true, false, client.Publishing{Body: fmt.Appendf(nil, `{"id":%d}`, i)}); err != nil {
				t.Fatal(err)
			}
		}
		word.Wait()
		var mu sync.Mutex
		seen, again := make(map[string]bool), 0
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for {
					mu.Lock()
					got := len(seen)
					mu.Unlock()
					if got >= n-20 { // the rest is for one, who waits for nobody else
						return
					}
					status, text := r.ask("GET", "/orders", "")
					mu.Lock()
					switch {
					case status == 200 && seen[text]:
						again++
					case status == 200:
						if seen[text] = true; len(seen)%2500 == 0 {
							s.Cut()
						}
					case status != 502 && status != 503:
						t.Errorf("%d %s", status, text)
					}
					mu.Unlock()
					if status == 503 {
						r.ready(t)
					}
				}
			})
		}
		wg.Wait()
		for len(seen) < n && !t.Failed() {
			status, text := r.ask("GET", "/orders", "")
			switch status {
			case 200:
				seen[text] = true
			case 502, 503:
				r.ready(t)
			default:
				t.Errorf("%d of %d, and %d %s", len(seen), n, status, text)
			}
		}
		t.Logf("%d came again", again)
	})
}

// TestAMQPWaiting: who waits for a message gets it behind a reload, which keeps the
// connections; behind the stop all that nobody has got is in the queue.
func TestAMQPWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r, name := startAMQP(t, e, overAMQP)
		publish := func(text string) { s.Put(t, name+"-out", client.Publishing{Body: []byte(text)}) }
		waits(t, r, publish)
		if n := s.Connections(); n != 2 {
			t.Errorf("%d connections behind reloads, want 2", n)
		}
		stopped := make(chan error)
		go func() { stopped <- r.stop() }()
		for i := range 3 {
			publish(fmt.Sprintf(`{"id":%d}`, 3+i))
		}
		if err := <-stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
		await(t, func() error {
			if a, b, c := s.Count(t, name), s.Count(t, name+"-out"), s.Connections(); a != 1 || b != 3 || c != 0 {
				return fmt.Errorf("%d messages are published, %d wait, %d connections; want 1, 3 and none", a, b, c)
			}
			return nil
		})
	})
}

// TestAMQPReload: a reload that changes an option of producer and consumer fails no request.
func TestAMQPReload(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		_, r, _ := startAMQP(t, e, strings.ReplaceAll(overAMQP, "NAME-out", "NAME")) // what is published is taken
		r.changing(t, `"critical": true`, `"critical": true, "max_retries": 100`, func(i int) error {
			if status, text := r.ask("POST", "/orders", `{}`); status != 200 {
				return fmt.Errorf("message %d: %d %s", i, status, text)
			}
			if i%2 == 0 {
				return nil // so that there is always one to be taken
			}
			if status, text := r.ask("GET", "/orders", ""); status != 200 {
				return fmt.Errorf("answer %d: %d %s", i, status, text)
			}
			return nil
		})
	})
}

// TestAMQPAway: a broker that is slow costs the time of the request, one that is away nothing,
// and once it is back messages go through.
func TestAMQPAway(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r, _ := startAMQP(t, e, overAMQP)
		goesAway(t, r, s, `"amqp of POST /orders backend 0":"connecting"`)
	})
}

// TestRabbit: backend/pubsub publishes to an exchange and reads a queue that are there.
func TestRabbit(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r, name := startAMQP(t, e, overRabbit)
		if status, _ := r.ask("POST", "/raw", `{}`); status != 503 {
			t.Errorf("no exchange: %d", status)
		}
		s.Queue(t, name+"-raw", name+"-raw")
		await(t, func() error {
			if status, text := r.ask("POST", "/raw", `{"id":1}`); status != 200 {
				return fmt.Errorf("publish: %d %s", status, text)
			}
			return nil
		})
		await(t, func() error {
			if status, text := r.ask("GET", "/raw", ""); status != 200 || text != `{"id":1}` {
				return fmt.Errorf("take: %d %s", status, text)
			}
			return nil
		})
		ch := s.Channel(t)
		if err := ch.QueueUnbind(name+"-raw", "#", name+"-raw", nil); err != nil {
			t.Fatal(err)
		}
		if status, text := r.ask("POST", "/raw", `{"id":2}`); status != 502 {
			t.Errorf("nobody gets it: %d %s", status, text)
		}
	})
}

// TestRabbitUntouched: messages that nobody asks for are still there when the gateway has been
// started and stopped three times, though the queue drops what comes back twice.
func TestRabbitUntouched(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s := amqptest.Start(t)
		name := strings.ReplaceAll(t.Name(), "/", "-")
		if _, err := s.Channel(t).QueueDeclare(name+"-raw", true, false, false, false, client.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(2)}); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			s.Put(t, name+"-raw", client.Publishing{Body: fmt.Appendf(nil, `{"id":%d}`, i)})
		}
		connect := func() *running {
			r := start(t, e, map[string]string{"RABBIT_SERVER_URL": s.URL}, strings.ReplaceAll(overRabbit, "NAME", name))
			await(t, func() error {
				if _, text := r.ask("GET", "/__health", ""); !strings.Contains(text, "GET /raw backend 0\":\"ready\"") {
					return errors.New(text)
				}
				return nil
			})
			return r
		}
		for range 3 {
			if err := connect().stop(); err != nil {
				t.Error(err)
			}
		}
		r := connect()
		for i := range 3 {
			if status, text := r.ask("GET", "/raw", ""); status != 200 || text != fmt.Sprintf(`{"id":%d}`, i) {
				t.Errorf("message %d: %d %s", i, status, text)
			}
		}
	})
}

// TestAMQPLeaves: a message that comes behind the end of a client that has waited is the next
// one's. Where nothing tells at once that the client has left, it comes when that is known.
func TestAMQPLeaves(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r, name := startAMQP(t, e, strings.Replace(overAMQP, quiet, quiet+`"use_h2c": true,`, 1))
		r.ready(t)
		ch := s.Channel(t)
		waiting := func(n int) {
			t.Helper()
			await(t, func() error {
				q, err := ch.QueueDeclarePassive(name+"-out", true, false, false, false, nil)
				if err == nil && q.Consumers != n {
					err = fmt.Errorf("%d clients wait, want %d", q.Consumers, n)
				}
				return err
			})
		}
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: protocols}
		defer transport.CloseIdleConnections()
		for i := range 12 {
			waiting(0)
			if i%3 == 2 {
				ctx, leave := context.WithCancel(t.Context())
				q, err := http.NewRequestWithContext(ctx, "GET", r.url+"/orders", nil)
				if err != nil {
					t.Fatal(err)
				}
				ended := make(chan error)
				go func() {
					res, err := transport.RoundTrip(q)
					if err == nil {
						res.Body.Close()
					}
					ended <- err
				}()
				waiting(1)
				leave()
				if err := <-ended; err == nil {
					t.Error("an answer to who has left")
				}
				waiting(0)
			} else {
				c, err := net.Dial("tcp", r.Address)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(c, "GET /orders HTTP/1.%d\r\nHost: a\r\n\r\n", i%3)
				waiting(1)
				c.Close()
				if e.Name != fast.Engine.Name {
					waiting(0)
				}
			}
			want := fmt.Sprintf(`{"id":%d}`, i)
			s.Put(t, name+"-out", client.Publishing{Body: []byte(want)})
			if status, text := r.ask("GET", "/orders", ""); status != 200 || text != want {
				t.Fatalf("the next one gets %d %s, want %s", status, text, want)
			}
		}
	})
}

// BenchmarkAMQPConsume takes messages of 1 KB by the gateway that are in a queue: for one client,
// and for 16 beside each other.
func BenchmarkAMQPConsume(b *testing.B) {
	for _, way := range []struct{ name, host, options, kind string }{
		{"classic", "URL", `"backend/amqp/consumer": {"name": "NAME", "exchange": "NAME", "routing_key": ["#"], "durable": true, "critical": true}`, "classic"},
		{"classic, 10 ahead", "URL", `"backend/amqp/consumer": {"name": "NAME", "exchange": "NAME", "routing_key": ["#"], "durable": true, "critical": true, "prefetch_count": 10}`, "classic"},
		{"quorum", "rabbit://", `"backend/pubsub/subscriber": {"subscription_url": "NAME", "critical": true}`, "quorum"},
	} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprint(way.name, ", clients ", clients), func(b *testing.B) {
				s := amqptest.Start(b)
				ch := s.Channel(b)
				name := fmt.Sprint(strings.NewReplacer("/", "-", ",", "").Replace(b.Name()), b.N)
				_, err := ch.QueueDeclare(name, true, false, false, false, client.Table{"x-queue-type": way.kind})
				if err == nil {
					err = ch.Confirm(false)
				}
				message := client.Publishing{Body: fmt.Appendf(nil, `{"text":%q}`, strings.Repeat("x", 1<<10)), DeliveryMode: client.Persistent}
				var word *client.DeferredConfirmation
				for range b.N {
					if err == nil {
						word, err = ch.PublishWithDeferredConfirm("", name, true, false, message)
					}
				}
				if err != nil {
					b.Fatal(err)
				}
				word.Wait()
				text := `{` + quiet + `"endpoints": [{"endpoint": "/next", "timeout": "1m", "backend": [{"url_pattern": "/", "host": [%q], "extra_config": {%s}}]}]}`
				text = strings.NewReplacer("URL", s.URL, "NAME", name).Replace(fmt.Sprintf(text, way.host, way.options))
				r := start(b, fast.Engine, map[string]string{"RABBIT_SERVER_URL": s.URL}, text)
				r.ready(b)
				b.ResetTimer()
				var asked atomic.Int64
				var wg sync.WaitGroup
				for range clients {
					wg.Go(func() {
						for asked.Add(1) <= int64(b.N) {
							if status, text := r.ask("GET", "/next", ""); status != 200 {
								b.Errorf("%d %.80s", status, text)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
			})
		}
	}
}
