package brokers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

const overNATS = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["nats://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "critical": true}}}]},
	{"endpoint": "/short", "method": "POST", "timeout": "20ms", "backend": [{"url_pattern": "/", "host": ["nats://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "critical": true}}}]},
	{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["nats://"],
		"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "orders", "critical": true}}}]}]}`

func startNATS(t testing.TB, e engine.Engine) (*natstest.Server, *running) {
	s := natstest.Start(t, natstest.Options{})
	return s, start(t, e, map[string]string{"NATS_SERVER_URL": s.URL}, overNATS)
}

// TestNATSEveryMessage: each of 10,000 messages that was answered with 200 is at a
// subscriber.
func TestNATSEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startNATS(t, e)
		sub := s.Listen(t, "orders")
		everyMessage(t, r, broker{s.Cut, func() (string, bool) {
			m, err := sub.NextMsg(time.Second)
			if err != nil {
				return "", false
			}
			return string(m.Data), true
		}}, 10_000)
	})
}

// TestNATSWaiting: who waits for a message gets it behind a reload, and while the gateway
// stops.
func TestNATSWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startNATS(t, e)
		r.ready(t)
		out := s.Client(t)
		answers := make(chan string)
		ask := func() {
			status, text := r.ask("GET", "/orders", "")
			answers <- fmt.Sprint(status, " ", text)
		}
		publish := func(text string) {
			if err := out.Publish("orders", []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		go ask()
		r.reload(t)
		r.reload(t)
		publish(`{"id":1}`)
		if got := <-answers; got != `200 {"id":1}` {
			t.Errorf("behind a reload: %s", got)
		}
		if status, text := r.ask("POST", "/orders", `{"id":2}`); status != 200 {
			t.Errorf("publish: %d %s", status, text)
		}
		if status, text := r.ask("GET", "/orders", ""); status != 200 || text != `{"id":2}` {
			t.Errorf("behind both: %d %s", status, text)
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
		for i := 3; ; i++ {
			publish(fmt.Sprintf(`{"id":%d}`, i))
			select {
			case got := <-answers:
				if !strings.HasPrefix(got, "200 ") && !strings.HasPrefix(got, "0 ") { // it may have come too late
					t.Errorf("while the gateway stops: %s", got)
				}
			case <-time.After(10 * time.Millisecond):
				continue
			}
			break
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

// TestNATSAway: a server that is slow costs the time of the request, one that is away
// nothing, and once it is back messages go through.
func TestNATSAway(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, r := startNATS(t, e)
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
		if status := <-waits; status != 503 {
			t.Errorf("who waited: %d", status)
		}
		await(t, func() error {
			if status, text := r.ask("POST", "/orders", `{}`); status != 503 {
				return fmt.Errorf("away: %d %s", status, text)
			}
			return nil
		})
		await(t, func() error { // a call may notice it sooner
			if _, text := r.ask("GET", "/__health", ""); !strings.Contains(text, `"nats://orders of POST /orders backend 0":"connecting"`) {
				return fmt.Errorf("health while it is away: %s", text)
			}
			return nil
		})
		if status, _ := r.ask("GET", "/__ready", ""); status != 503 {
			t.Errorf("ready while it is away: %d", status)
		}
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

// TestNATSTry: a single message waits for the connection a moment, and not for ever.
func TestNATSTry(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s := natstest.Start(t, natstest.Options{})
		for _, want := range []int{200, 503} {
			in := testx.Request{Method: "POST", Path: "/orders", Body: "{}"}.Inbound()
			status := 0
			_, err := runtime.New(options(e, map[string]string{"NATS_SERVER_URL": s.URL}, overNATS)).Try(t.Context(), in,
				func(x *gateway.Exchange) { status = x.Response.Status }, func(*compile.Generation, *gateway.Exchange, error) {})
			if err != nil || status != want {
				t.Errorf("status %d, %v; want %d", status, err, want)
			}
			s.Stop()
		}
	})
}
