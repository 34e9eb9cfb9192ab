package brokers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
)

// A driver is one of backend/pubsub whose publishers and subscribers meet.
type driver struct {
	host, topic, subscription string // halves of addresses
	start                     func(t testing.TB) stand
}

// A stand is its broker.
type stand struct {
	queuetest.Network
	environment map[string]string
	put         func(body string) // publishes beside the gateway
	there       func() []string   // the bodies that have come; nil where another test looks
	ended       func() int        // how many messages the gateway has ended; nil where nobody knows
}

// drivers are those that are tried.
var drivers = map[string]driver{
	"nats":  {"nats://", "orders", "orders", standNATS},
	"kafka": {"kafka://", "orders", "gateway?topic=orders&offset=oldest", standKafka},
}

// over returns the configuration of a gateway.
func (d driver) over() string {
	return strings.NewReplacer("HOST", d.host, "TOPIC", d.topic, "SUBSCRIPTION", d.subscription).Replace(`{` + quiet + `"endpoints": [
		{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["HOST"],
			"extra_config": {"backend/pubsub/publisher": {"topic_url": "TOPIC", "critical": true}}}]},
		{"endpoint": "/short", "method": "POST", "timeout": "20ms", "backend": [{"url_pattern": "/", "host": ["HOST"],
			"extra_config": {"backend/pubsub/publisher": {"topic_url": "TOPIC", "critical": true}}}]},
		{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["HOST"],
			"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "SUBSCRIPTION", "critical": true}}}]}]}`)
}

// onAll runs f for each driver and each engine.
func onAll(t *testing.T, f func(t *testing.T, d driver, s stand, r *running)) {
	for name, d := range drivers {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(t *testing.T, e engine.Engine) {
				s := d.start(t)
				f(t, d, s, start(t, e, s.environment, d.over()))
			})
		})
	}
}

func standNATS(t testing.TB) stand {
	s := natstest.Start(t, natstest.Options{})
	out, in := s.Client(t), s.Listen(t, "orders")
	return stand{
		Network: s, environment: map[string]string{"NATS_SERVER_URL": s.URL},
		put: func(body string) {
			if err := out.Publish("orders", []byte(body)); err != nil {
				t.Error(err)
			}
		},
		there: func() (all []string) {
			for {
				m, err := in.NextMsg(time.Second)
				if err != nil {
					return all
				}
				all = append(all, string(m.Data))
			}
		},
	}
}

func standKafka(t testing.TB) stand {
	c := kafkatest.Start(t, []string{"orders"})
	out := c.Client(t)
	return stand{
		Network: c, environment: map[string]string{"KAFKA_BROKERS": c.Address},
		put:   func(body string) { kafkatest.Put(t, out, "orders", body) },
		ended: func() int { return int(committed(c)) },
	}
}

// TestEveryMessage: each of 10,000 messages that was answered with 200 is at the broker.
func TestEveryMessage(t *testing.T) {
	onAll(t, func(t *testing.T, _ driver, s stand, r *running) {
		if s.there != nil {
			everyMessage(t, r, broker{s.Cut, listed(s.there)}, 10_000)
		}
	})
}

// TestWaiting: who waits for a message gets it behind a reload, and while the gateway stops;
// what was answered has ended then, and what cannot be decoded.
func TestWaiting(t *testing.T) {
	onAll(t, func(t *testing.T, _ driver, s stand, r *running) {
		ended := func(want int) {
			t.Helper()
			await(t, func() error {
				if s.ended == nil || s.ended() == want {
					return nil
				}
				return fmt.Errorf("%d messages have ended, want %d", s.ended(), want)
			})
		}
		waits(t, r, s.put)
		if status, text := r.ask("GET", "/orders", ""); status != 200 || text != `{"id":2}` {
			t.Errorf("behind both: %d %s", status, text)
		}
		s.put("garbage")
		if status, text := r.ask("GET", "/orders", ""); status != 502 {
			t.Errorf("garbage: %d %s", status, text)
		}
		ended(3)
		answers, stopped := make(chan string), make(chan error)
		go func() {
			status, text := r.ask("GET", "/orders", "")
			answers <- fmt.Sprint(status, " ", text)
		}()
		go func() { stopped <- r.stop() }()
		for i, got := 3, ""; got == ""; i++ {
			s.put(fmt.Sprintf(`{"id":%d}`, i))
			select {
			case got = <-answers:
				switch {
				case strings.HasPrefix(got, "200 "):
					defer ended(4)
				case strings.HasPrefix(got, "0 "): // it has come too late
					defer ended(3)
				default:
					t.Errorf("while the gateway stops: %s", got)
				}
			case <-time.After(10 * time.Millisecond):
			}
		}
		if err := <-stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
		await(t, func() error {
			if n := s.Connections(); n > 0 {
				return fmt.Errorf("%d connections are left", n)
			}
			return nil
		})
	})
}

// TestAway: a broker that is slow costs the time of the request, one that is away nothing, and
// once it is back messages go through.
func TestAway(t *testing.T) {
	onAll(t, func(t *testing.T, d driver, s stand, r *running) {
		goesAway(t, r, s, `"`+strings.TrimSuffix(d.host, "://")+` of POST /orders backend 0":"connecting"`)
		for text := ""; text != `{"id":1}` && !t.Failed(); { // others may have come
			var status int
			if status, text = r.ask("GET", "/orders", ""); status != 200 {
				t.Errorf("back: %d %s", status, text)
			}
		}
	})
}
