package brokers

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
)

const overKafka = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["kafka://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "critical": true}}}]},
	{"endpoint": "/short", "method": "POST", "timeout": "20ms", "backend": [{"url_pattern": "/", "host": ["kafka://"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "orders", "critical": true}}}]},
	{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["kafka://"],
		"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "gateway?topic=orders&offset=oldest", "critical": true}}}]}]}`

func startKafka(t testing.TB, e engine.Engine) (*kafkatest.Cluster, *running) {
	c := kafkatest.Start(t, []string{"orders"})
	return c, start(t, e, map[string]string{"KAFKA_BROKERS": c.Address}, overKafka)
}

// away waits until the gateway has noticed that the cluster is.
func away(t *testing.T, r *running) {
	t.Helper()
	await(t, func() error {
		if _, text := r.ask("GET", "/__health", ""); !strings.Contains(text, `"kafka://orders of POST /orders backend 0":"connecting"`) {
			return errors.New("health " + text)
		}
		return nil
	})
}

// TestKafkaEveryMessage: each of 10,000 messages that was answered with 200 is in the topic
// and comes to who reads it. A connection that is cut fails none, so the cluster goes away.
func TestKafkaEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		c, r := startKafka(t, e)
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
		i := 0
		var records []string
		everyMessage(t, r, broker{func() {
			c.Cut()
			c.Stop()
			away(t, r)
			c.Restart()
		}, func() (string, bool) {
			if records == nil {
				for _, r := range c.Records(t, "orders") {
					records = append(records, string(r.Value))
				}
			}
			if i == len(records) {
				return "", false
			}
			i++
			return records[i-1], true
		}}, 10_000)
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

// TestKafkaWaiting: who waits for a message gets it behind a reload, and while the gateway
// stops; what was answered is committed then.
func TestKafkaWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		c, r := startKafka(t, e)
		r.ready(t)
		out := c.Client(t)
		answers := make(chan string)
		ask := func() {
			status, text := r.ask("GET", "/orders", "")
			answers <- fmt.Sprint(status, " ", text)
		}
		go ask()
		r.reload(t)
		r.reload(t)
		kafkatest.Put(t, out, "orders", `{"id":1}`)
		if got := <-answers; got != `200 {"id":1}` {
			t.Errorf("behind a reload: %s", got)
		}
		if status, text := r.ask("POST", "/orders", `{"id":2}`); status != http.StatusOK {
			t.Errorf("publish: %d %s", status, text)
		}
		if status, text := r.ask("GET", "/orders", ""); status != http.StatusOK || text != `{"id":2}` {
			t.Errorf("behind both: %d %s", status, text)
		}

		go ask()
		stopped := make(chan error)
		go func() { stopped <- r.stop() }()
		read := int64(2)
		for i := 3; ; i++ {
			kafkatest.Put(t, out, "orders", fmt.Sprintf(`{"id":%d}`, i))
			select {
			case got := <-answers:
				if strings.HasPrefix(got, "200 ") {
					read++
				} else if !strings.HasPrefix(got, "0 ") { // it may have come too late
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
		if n := committed(c); n != read {
			t.Errorf("committed %d, want %d", n, read)
		}
		await(t, func() error {
			if n := c.Connections(); n > 0 {
				return fmt.Errorf("%d connections are left", n)
			}
			return nil
		})
	})
}

// TestKafkaAway: a cluster that is slow costs the time of the request, one that is away
// nothing, and once it is back messages go through.
func TestKafkaAway(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		c, r := startKafka(t, e)
		r.ready(t)
		if status, text := r.ask("POST", "/orders", `{"id":0}`); status != http.StatusOK {
			t.Errorf("publish: %d %s", status, text)
		}
		release := make(chan struct{})
		c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			c.SleepControl(func() { <-release })
			return nil, nil, false
		})
		if status, text := r.ask("POST", "/short", `{"id":0}`); status != http.StatusGatewayTimeout {
			t.Errorf("slow: %d %s", status, text)
		}
		close(release)
		waits := make(chan int)
		go func() {
			for {
				if status, _ := r.ask("GET", "/orders", ""); status != http.StatusOK {
					waits <- status
					return
				}
			}
		}()
		c.Stop()
		if status := <-waits; status != http.StatusServiceUnavailable && status != http.StatusBadGateway {
			t.Errorf("who waited: %d", status)
		}
		away(t, r)
		if status, text := r.ask("POST", "/orders", `{"id":1}`); status != http.StatusServiceUnavailable {
			t.Errorf("away: %d %s", status, text)
		}
		if status, _ := r.ask("GET", "/__ready", ""); status != http.StatusServiceUnavailable {
			t.Errorf("ready while it is away: %d", status)
		}
		c.Restart()
		r.ready(t)
		if status, text := r.ask("POST", "/orders", `{"id":1}`); status != http.StatusOK {
			t.Errorf("back: %d %s", status, text)
		}
		for text := ""; text != `{"id":1}`; {
			var status int
			if status, text = r.ask("GET", "/orders", ""); status != http.StatusOK {
				t.Fatalf("back: %d %s", status, text)
			}
		}
	})
}
