//go:build !slim

package brokers

import (
	"fmt"
	"strings"
	"testing"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/gcppubsub/gcppubsubtest"
)

const gcpTopic = "projects/shop/topics/orders"

const overPubSub = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["gcppubsub://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "shop/orders", "critical": true}}}]},
	{"endpoint": "/short", "method": "POST", "timeout": "20ms", "backend": [{"url_pattern": "/", "host": ["gcppubsub://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "shop/orders", "critical": true}}}]},
	{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["gcppubsub://"],
		"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "shop/shipping", "critical": true}}}]}]}`

func init() {
	examples["Google Pub/Sub"] = example{
		with: func(t *testing.T) []string {
			s := gcppubsubtest.Start(t)
			s.Topic(t, gcpTopic, "projects/shop/subscriptions/shipping")
			return []string{"localhost:8085", s.Address}
		},
		asked: published("/orders"),
	}
}

func startPubSub(t testing.TB, e engine.Engine) (*gcppubsubtest.Server, *running) {
	s := gcppubsubtest.Start(t)
	s.Topic(t, gcpTopic, "projects/shop/subscriptions/shipping")
	return s, start(t, e, map[string]string{"PUBSUB_EMULATOR_HOST": s.Address}, overPubSub)
}

// TestPubSubEveryMessage: each of 10,000 messages that was answered with 200 is at Google's
// fake.
func TestPubSubEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startPubSub(t, e)
		var there []*pstest.Message
		everyMessage(t, r, broker{s.Cut, func() (string, bool) {
			if there == nil {
				there = s.Messages(gcpTopic)
			}
			if len(there) == 0 {
				return "", false
			}
			m := there[0]
			there = there[1:]
			return string(m.Data), true
		}}, 10_000)
	})
}

// TestPubSubWaiting: who waits for a message gets it behind a reload, and while the gateway
// stops; what cannot be decoded is dropped.
func TestPubSubWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startPubSub(t, e)
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
		s.Put(gcpTopic, &pubsubpb.PubsubMessage{Data: []byte("garbage")})
		if status, text := r.ask("GET", "/orders", ""); status != 502 {
			t.Errorf("garbage: %d %s", status, text)
		}
		for _, m := range s.Messages(gcpTopic) {
			if m.Acks != 1 {
				t.Errorf("%s: %d acknowledgements", m.Data, m.Acks)
			}
		}
		go ask()
		await(t, func() error { // the request has come, and waits
			if _, text := r.ask("GET", "/__health", ""); !strings.Contains(text, "ready") {
				return fmt.Errorf("health %s", text)
			}
			return nil
		})
		stopped := make(chan error)
		go func() { stopped <- r.stop() }()
		s.Put(gcpTopic, &pubsubpb.PubsubMessage{Data: []byte(`{"id":2}`)})
		if got := <-answers; got != `200 {"id":2}` && !strings.HasPrefix(got, "0 ") { // it may have come too late
			t.Errorf("while the gateway stops: %s", got)
		}
		if err := <-stopped; err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

// TestPubSubAway: a server that is slow costs the time of the request, one that is away
// nothing, and once it is back messages go through.
func TestPubSubAway(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startPubSub(t, e)
		r.ready(t)
		s.Hold()
		if status, text := r.ask("POST", "/short", `{}`); status != 504 {
			t.Errorf("slow: %d %s", status, text)
		}
		s.Resume()
		waits := make(chan int)
		go func() { // takes what /short has sent, if the server has got it, or waits
			for {
				if status, _ := r.ask("GET", "/orders", ""); status != 200 {
					waits <- status
					return
				}
			}
		}()
		s.Stop()
		if status := <-waits; status != 503 && status != 502 { // the latter if it could not be acknowledged
			t.Errorf("who waited: %d", status)
		}
		await(t, func() error {
			if status, text := r.ask("POST", "/orders", `{}`); status != 503 {
				return fmt.Errorf("away: %d %s", status, text)
			}
			return nil
		})
		await(t, func() error {
			if status, text := r.ask("GET", "/__ready", ""); status != 503 {
				return fmt.Errorf("ready while it is away: %d %s", status, text)
			}
			return nil
		})
		s.Restart()
		r.ready(t)
		if status, text := r.ask("POST", "/orders", `{"id":1}`); status != 200 {
			t.Errorf("back: %d %s", status, text)
		}
		if status, text := r.ask("GET", "/orders", ""); status != 200 {
			t.Errorf("back: %d %s", status, text)
		}
	})
}
