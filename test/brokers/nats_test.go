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
		out := s.Client(t)
		publish := func(text string) {
			if err := out.Publish("orders", []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		waits(t, r, publish)
		if status, text := r.ask("GET", "/orders", ""); status != 200 || text != `{"id":2}` {
			t.Errorf("behind both: %d %s", status, text)
		}

		answers := make(chan string)
		go func() {
			status, text := r.ask("GET", "/orders", "")
			answers <- fmt.Sprint(status, " ", text)
		}()
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

// TestNATSReload: a reload that changes how the server is connected to fails no request.
func TestNATSReload(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		_, r := startNATS(t, e)
		r.changing(t, `"critical": true`, `"critical": true, "max_retries": 100`, func(i int) error {
			if status, text := r.ask("POST", "/orders", `{}`); status != 200 {
				return fmt.Errorf("message %d: %d %s", i, status, text)
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
		goesAway(t, r, s, `"nats://orders of POST /orders backend 0":"connecting"`)
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
