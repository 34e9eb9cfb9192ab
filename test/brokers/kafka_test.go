package brokers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
)

// away waits until the gateway has noticed that the cluster is.
func away(t *testing.T, r *running) {
	t.Helper()
	await(t, func() error {
		if _, text := r.ask("GET", "/__health", ""); !strings.Contains(text, `"kafka of POST /orders backend 0":"connecting"`) {
			return errors.New("health " + text)
		}
		return nil
	})
}

// TestKafkaEveryMessage: each of 10,000 messages that was answered with 200 is in the topic
// and comes to who reads it. A connection that is cut fails none, so the cluster goes away.
func TestKafkaEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		c := kafkatest.Start(t, []string{"orders"})
		r := start(t, e, map[string]string{"KAFKA_BROKERS": c.Address}, drivers["kafka"].over())
		var mu sync.Mutex
		read, wrong := make(map[string]bool), ""
		over := make(chan struct{})
		var readers sync.WaitGroup
		for range 5 {
			readers.Go(func() {
				for {
					status, text := r.ask("GET", "/orders", "")
					mu.Lock()
					switch status {
					case http.StatusOK:
						read[text] = true
					case http.StatusBadGateway, http.StatusServiceUnavailable:
					default:
						wrong = fmt.Sprint(status, " ", text)
					}
					mu.Unlock()
					select {
					case <-over:
						return
					default:
					}
					if status == http.StatusServiceUnavailable {
						r.ready(t)
					}
				}
			})
		}
		var records []string
		everyMessage(t, r, broker{func() {
			c.Cut()
			c.Stop()
			away(t, r)
			c.Restart()
		}, listed(func() []string {
			for _, r := range c.Records(t, "orders") {
				records = append(records, string(r.Value))
			}
			return records
		})}, 10_000)
		await(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			for _, text := range records {
				// One may be committed while its client is told of a failure.
				if n := committed(c); !read[text] && n < int64(len(records)) {
					return fmt.Errorf("%s has not come, %d have, %d are committed of %d", text, len(read), n, len(records))
				}
			}
			return nil
		})
		close(over)
		done := make(chan struct{})
		go func() { readers.Wait(); close(done) }()
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-time.After(20 * time.Millisecond): // for those who still wait
				r.ask("POST", "/orders", `{"id":-1}`)
			}
		}
		if wrong != "" {
			t.Errorf("a reader got %s", wrong)
		}
	})
}

// committed returns how many records the group has committed.
func committed(c *kafkatest.Cluster) (n int64) {
	if g := c.GroupInfo("gateway"); g != nil {
		for _, p := range g.Commits["orders"] {
			n += p.Offset
		}
	}
	return n
}
