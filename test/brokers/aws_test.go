//go:build !slim

package brokers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/test/awstest"
)

const overSQS = `{` + quiet + `"endpoints": [
	{"endpoint": "/orders", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["awssqs://` + awstest.QueueHost + `"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "/orders", "server": "$SQS", "critical": true}}}]},
	{"endpoint": "/topics", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", "host": ["awssns:///` + awstest.TopicARN + `orders"],
		"extra_config": {"backend/pubsub/publisher": {"topic_url": "?region=eu-west-1", "server": "$SNS", "critical": true}}}]},
	{"endpoint": "/orders", "timeout": "1m", "backend": [{"url_pattern": "/", "host": ["awssqs://` + awstest.QueueHost + `"],
		"extra_config": {"backend/pubsub/subscriber": {"subscription_url": "/orders?region=eu-west-1", "server": "$SQS", "critical": true, "nack_discard": true}}}]}]}`

// keys are variables of the environment.
var keys = map[string]string{"AWS_ACCESS_KEY_ID": awstest.Key, "AWS_SECRET_ACCESS_KEY": awstest.Secret}

func init() {
	examples["SQS and SNS"] = example{
		with: func(t *testing.T) []string {
			q := awstest.NewQueues(t)
			q.Put("shipping", awstest.Message{Body: awstest.Notification("orders", awstest.Message{Body: `{"id":2}`})})
			return []string{
				"topic_url: orders", "topic_url: orders\n            server: " + q.SNS.URL,
				"empty_status_code: 204", "empty_status_code: 204\n            server: " + q.SQS.URL,
			}
		},
		environment: keys,
		asked:       []asked{{`POST /orders {"id":1}`, "200 null"}, {"GET /orders/next", `200 {"id":2}`}},
	}
	examples["Lambda"] = example{
		with: func(t *testing.T) []string {
			s := awstest.New(t, "lambda", func(w http.ResponseWriter, r *http.Request) {
				payload, _ := io.ReadAll(r.Body)
				if r.URL.Path == "/2015-03-31/functions/site/invocations" {
					io.WriteString(w, `{"statusCode":201,"headers":{"X-A":"b"},"body":"made"}`)
					return
				}
				fmt.Fprintf(w, `{"path":%q,"asked":%s}`, r.URL.EscapedPath(), payload)
			})
			return []string{"region: eu-west-1", "region: eu-west-1\n            endpoint: " + s.URL}
		},
		environment: keys,
		asked: []asked{
			{"GET /orders/7", `200 {"path":"/2015-03-31/functions/orders%3Alive/invocations","asked":{"id":"7"}}`},
			{"POST /site/start x", "201 made"},
		},
	}
}

func startSQS(t testing.TB, e engine.Engine) (*awstest.Queues, *running) {
	q := awstest.NewQueues(t)
	return q, start(t, e, keys, strings.NewReplacer("$SQS", q.SQS.URL, "$SNS", q.SNS.URL).Replace(overSQS))
}

// texts returns the bodies of messages.
func texts(ms []awstest.Message) (all []string) {
	for _, m := range ms {
		all = append(all, m.Body)
	}
	return all
}

// TestSQSEveryMessage: each of 10,000 messages that was answered with 200 is in the queue of
// the stand-in.
func TestSQSEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		q, r := startSQS(t, e)
		everyMessage(t, r, broker{q.SQS.Cut, listed(func() []string { return texts(q.Queue("orders")) })}, 10_000)
		if q.SQS.Wrong() > 0 {
			t.Errorf("%d calls were not signed rightly", q.SQS.Wrong())
		}
	})
}

// TestSNSEveryMessage: each of 10,000 messages that was answered with 200 is in the topic.
func TestSNSEveryMessage(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		q, r := startSQS(t, e)
		everyMessageTo(t, r, "/topics", broker{q.SNS.Cut, listed(func() []string { return texts(q.Topic("orders")) })}, 10_000)
		if q.SNS.Wrong() > 0 {
			t.Errorf("%d calls were not signed rightly", q.SNS.Wrong())
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

// BenchmarkLambda calls a warm function with bodies of 1 KB that clients post: by the gateway,
// on each engine, which decodes the answer, and by a plain handler with the SDK, which does
// not. The same is done with a service by HTTP, which shows what of it the engine costs. The
// figure is CPU per call, of the process that calls alone; clients and stand-in are in another.
func BenchmarkLambda(b *testing.B) {
	gateway := func(e engine.Engine, backend string) func(b *testing.B, url string) string {
		return func(b *testing.B, url string) string {
			return start(b, e, keys, `{`+quiet+`"endpoints": [{"endpoint": "/f", "method": "POST", "timeout": "10s", "backend": [{"url_pattern": "/", `+
				strings.ReplaceAll(backend, "$URL", url)+`}]}]}`).url + "/f"
		}
	}
	const (
		function = `"extra_config": {"backend/lambda": {"function_name": "f", "region": "eu-west-1", "endpoint": "$URL"}}`
		service  = `"host": ["$URL"]`
	)
	for _, way := range []struct {
		name, helper string
		start        func(b *testing.B, url string) string
	}{
		{"plain", "lambda", plainLambda}, {fast.Engine.Name, "lambda", gateway(fast.Engine, function)}, {nethttp.Engine.Name, "lambda", gateway(nethttp.Engine, function)},
		{"http/plain", "http", plainHTTP}, {"http/" + fast.Engine.Name, "http", gateway(fast.Engine, service)}, {"http/" + nethttp.Engine.Name, "http", gateway(nethttp.Engine, service)},
	} {
		b.Run(way.name, func(b *testing.B) {
			h, url := newHelper(b, way.helper)
			at := way.start(b, url)
			h.load(b, at, 1000)
			b.ResetTimer()
			before := cpu(b)
			h.load(b, at, b.N)
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// plainLambda is how one writes it by hand.
func plainLambda(b *testing.B, url string) string {
	c := lambda.New(lambda.Options{
		Region: awstest.Region, BaseEndpoint: &url, HTTPClient: awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 }),
		Credentials: credentials.NewStaticCredentialsProvider(awstest.Key, awstest.Secret, ""),
	})
	return plain(b, func(ctx context.Context, body []byte) ([]byte, error) {
		out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: body})
		if err != nil {
			return nil, err
		}
		return out.Payload, nil
	})
}

// plainHTTP is the same for a service.
func plainHTTP(b *testing.B, url string) string {
	c := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return plain(b, func(ctx context.Context, body []byte) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, "POST", url, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		out, err := c.Do(r)
		if err != nil {
			return nil, err
		}
		defer out.Body.Close()
		return io.ReadAll(out.Body)
	})
}

// plain serves answers to bodies.
func plain(b *testing.B, call func(ctx context.Context, body []byte) ([]byte, error)) (url string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		out, err := call(r.Context(), body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write(out)
	})}
	go server.Serve(l)
	b.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String() + "/"
}
