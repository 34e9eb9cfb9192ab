//go:build !slim

package brokers

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/test/awstest"
)

const overSQS = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["awssqs://` + awstest.QueueHost + `"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "/orders", "server": "$SQS", "critical": true}}}]},
	{"endpoint": "/topics", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["awssns:///` + awstest.TopicARN + `orders"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "?region=eu-west-1", "server": "$SNS", "critical": true}}}]},
	{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["awssqs://` + awstest.QueueHost + `"],
		"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "/orders?region=eu-west-1", "server": "$SQS", "critical": true, "nack_discard": true}}}]}]}`

func startSQS(t testing.TB, e engine.Engine) (*awstest.Queues, *running) {
	q := awstest.NewQueues(t)
	environment := make(map[string]string)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		environment[name] = awstest.Environment(name)
	}
	return q, start(t, e, environment, strings.NewReplacer("$SQS", q.SQS.URL, "$SNS", q.SNS.URL).Replace(overSQS))
}

// TestSQSEveryMessage: each of 10,000 messages that was answered with 200 is in the queue of
// the stand-in.
func TestSQSEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		q, r := startSQS(t, e)
		var there []awstest.Message
		everyMessage(t, r, broker{q.SQS.Cut, func() (string, bool) {
			if there == nil {
				there = q.Queue("orders")
			}
			if len(there) == 0 {
				return "", false
			}
			m := there[0]
			there = there[1:]
			return m.Body, true
		}}, 10_000)
		if q.SQS.Wrong() > 0 {
			t.Errorf("%d calls were not signed rightly", q.SQS.Wrong())
		}
	})
}

// TestSQSWaiting: who waits for a message gets it behind a reload; what cannot be decoded is
// dropped; a topic has what was published.
func TestSQSWaiting(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		q, r := startSQS(t, e)
		r.ready(t)
		answers := make(chan string)
		go func() {
			status, text := r.ask("GET", "/orders", "")
			answers <- fmt.Sprint(status, " ", text)
		}()
		r.reload(t)
		if status, text := r.ask("POST", "/orders", `{"id":1}`); status != 200 || text != "null" {
			t.Errorf("publish: %d %s", status, text)
		}
		if got := <-answers; got != `200 {"id":1}` {
			t.Errorf("behind a reload: %s", got)
		}
		q.Put("orders", awstest.Message{Body: "garbage"})
		if status, text := r.ask("GET", "/orders", ""); status != 502 {
			t.Errorf("garbage: %d %s", status, text)
		}
		if left := q.Queue("orders"); len(left) != 0 {
			t.Errorf("the queue has %v", left)
		}
		if status, text := r.ask("POST", "/topics", `{"id":2}`); status != 200 {
			t.Errorf("topic: %d %s", status, text)
		}
		if got := q.Topic("orders"); len(got) != 1 || got[0].Body != `{"id":2}` || got[0].Attributes["User-Agent"] == "" {
			t.Errorf("the topic has %v", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}
