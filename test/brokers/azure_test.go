//go:build !slim

package brokers

import (
	"fmt"
	"testing"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/azuresb/azuresbtest"
)

const overServiceBus = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["azuresb://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "critical": true}}}]},
	{"endpoint": "/short", "method": "POST", "timeout": "20ms", "backend": [{"url_pattern": "/", "host": ["azuresb://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "critical": true}}}]},
	{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["azuresb://"],
		"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "orders?subscription=shipping", "critical": true}}}]}]}`

func init() {
	environment := make(map[string]string)
	examples["Azure Service Bus"] = example{
		with: func(t *testing.T) []string {
			s := azuresbtest.Start(t, azuresbtest.Options{})
			s.Topic("orders", "shipping")
			environment["SERVICEBUS_CONNECTION_STRING"] = s.ConnectionString()
			return []string{"            server: shop.servicebus.windows.net\n", ""} // but by its connection string
		},
		environment: environment,
		asked:       published("/orders"),
	}
}

func startServiceBus(t testing.TB, e engine.Engine) (*azuresbtest.Server, *running) {
	s := azuresbtest.Start(t, azuresbtest.Options{})
	s.Topic("orders", "shipping")
	return s, start(t, e, map[string]string{"SERVICEBUS_CONNECTION_STRING": s.ConnectionString()}, overServiceBus)
}

// TestServiceBusEveryMessage: each of 10,000 messages that was answered with 200 is at the
// stand-in.
func TestServiceBusEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startServiceBus(t, e)
		var there []azuresbtest.Message
		everyMessage(t, r, broker{s.Cut, func() (string, bool) {
			if there == nil {
				there = s.Messages("orders")
			}
			if len(there) == 0 {
				return "", false
			}
			m := there[0]
			there = there[1:]
			return string(m.Body), true
		}}, 10_000)
	})
}

// TestServiceBusWaiting: who waits for a message gets it behind a reload; what cannot be
// decoded is a dead letter; a server that is slow costs the time of the request; drain ends
// it all.
func TestServiceBusWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startServiceBus(t, e)
		r.ready(t)
		answers := make(chan string)
		ask := func() {
			status, text := r.ask("GET", "/orders", "")
			answers <- fmt.Sprint(status, " ", text)
		}
		go ask()
		r.reload(t)
		if status, text := r.ask("POST", "/orders", `{"id":1}`); status != 200 || text != "null" {
			t.Errorf("publish: %d %s", status, text)
		}
		if got := <-answers; got != `200 {"id":1}` {
			t.Errorf("behind a reload: %s", got)
		}
		s.Put("orders", azuresbtest.Message{Body: []byte("garbage")})
		if status, text := r.ask("GET", "/orders", ""); status != 502 {
			t.Errorf("garbage: %d %s", status, text)
		}
		if n := len(s.Dead("orders", "shipping")); n != 1 || s.Held() != 0 {
			t.Errorf("%d dead letters, %d held", n, s.Held())
		}
		s.Hold()
		if status, text := r.ask("POST", "/short", `{}`); status != 504 {
			t.Errorf("slow: %d %s", status, text)
		}
		s.Resume()
		go ask()
		await(t, func() error { // whoever takes what /short has sent
			if n := len(s.Messages("orders")); n < 3 {
				return fmt.Errorf("%d messages", n)
			}
			return nil
		})
		if got := <-answers; got != "200 {}" {
			t.Errorf("behind the slow one: %s", got)
		}
		s.Stop()
		await(t, func() error {
			if status, text := r.ask("POST", "/orders", `{}`); status != 503 {
				return fmt.Errorf("away: %d %s", status, text)
			}
			return nil
		})
		s.Restart()
		r.ready(t)
		go ask()
		if status, text := r.ask("POST", "/orders", `{"id":2}`); status != 200 {
			t.Errorf("back: %d %s", status, text)
		}
		if got := <-answers; got != `200 {"id":2}` {
			t.Errorf("back: %s", got)
		}
		if err := r.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}
