//go:build !slim

package sqs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/test/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends are those of a gateway.
type ends struct {
	*queuetest.Ends
	*awstest.Queues
}

func newEnds(t *testing.T) *ends {
	e := &ends{queuetest.NewEnds(t, nil), awstest.NewQueues(t)}
	client := fast.Engine.NewClient(model.Transport{}, nil)
	t.Cleanup(func() { client.Close() })
	e.Env.Dial = func(model.Transport, *tls.Config) (gateway.Connector, error) { return client, nil }
	e.Env.Getenv = awstest.Environment
	return e
}

// address returns that of a queue or a topic at the stand-in.
func (e *ends) address(t *testing.T, host, rest string) *queue.Address {
	t.Helper()
	a := e.Address(t, host, rest)
	a.Server = e.SQS.URL
	if strings.HasPrefix(host, "awssns") {
		a.Server = e.SNS.URL
	}
	return a
}

func (e *ends) queue(t *testing.T, name string) queue.Publisher {
	t.Helper()
	p := e.Publisher(t, e.address(t, "awssqs://"+awstest.QueueHost, "/"+name))
	queuetest.Ready(t, p)
	return p
}

func (e *ends) topic(t *testing.T, name string) queue.Publisher {
	t.Helper()
	p := e.Publisher(t, e.address(t, "awssns:///"+awstest.TopicARN+name, "?region=eu-west-1"))
	queuetest.Ready(t, p)
	return p
}

func (e *ends) subscriber(t *testing.T, rest string) queue.Subscriber {
	t.Helper()
	s := e.Subscriber(t, e.address(t, "awssqs://"+awstest.QueueHost, "/"+rest))
	queuetest.Ready(t, s)
	return s
}

// until waits for a state.
func until(t *testing.T, there func() bool) {
	t.Helper()
	testx.Await(t, func() error {
		if !there() {
			return errors.New("it does not come to that")
		}
		return nil
	})
}

// TestDriver: the driver awssqs:// does what all do.
func TestDriver(t *testing.T) {
	queuetest.Conform(t, func(t *testing.T) *queuetest.Stand {
		e := newEnds(t)
		proxy := testx.NewProxy(t, strings.TrimPrefix(e.SQS.URL, "http://"))
		return &queuetest.Stand{Network: proxy, Ends: e.Ends, Host: "awssqs://" + awstest.QueueHost, Topic: "/orders", Queue: "/orders", Server: "http://" + proxy.Address, Name: "awssqs://" + awstest.QueueHost + "/orders",
			Polls: true, Filled: true, Expire: func() { e.Expire("orders") }}
	})
}

// TestPublish: bodies and attributes are there as they are, or in a form that AWS takes.
func TestPublish(t *testing.T) {
	e := newEnds(t)
	publishers := map[string]queue.Publisher{"sqs": e.queue(t, "orders"), "sns": e.topic(t, "orders")}
	tests := []struct {
		name, body, want string
		encoded          bool
	}{
		{"text", "{\"id\": 1}\n", "{\"id\": 1}\n", false},
		{"bytes", "\x00\xff", "AP8=", true},
		{"what no text of AWS is", "a\x01", "YQE=", true},
	}
	for which, p := range publishers {
		for i, tt := range tests {
			m := queue.Message{Body: []byte(tt.body), Attributes: gateway.Fields{{Name: "X-Path", Value: "a b/c%2F\x00\xff"}, {Name: "X-Empty"}, {Name: "X~Odd", Value: "1"}, {Name: "Aws.x", Value: "1"}, {Name: "X..Y", Value: "1"}}}
			if err := p.Publish(queuetest.Within(t, time.Minute), &m); err != nil {
				t.Fatalf("%s %s: %v", which, tt.name, err)
			}
			got := e.Queue("orders")
			if which == "sns" {
				got = e.Topic("orders")
			}
			last := got[len(got)-1]
			if len(got) != i+1 || last.Body != tt.want || last.Attributes["X-Path"] != "a b/c%2F" || len(last.Attributes) > 2 || (last.Attributes["base64encoded"] == "true") != tt.encoded {
				t.Errorf("%s %s: got %v", which, tt.name, last)
			}
		}
	}
	if e.SQS.Wrong()+e.SNS.Wrong() != 0 {
		t.Error("not signed rightly")
	}
}

// TestPublishFails: every message that is not taken is a failure of its kind.
func TestPublishFails(t *testing.T) {
	e := newEnds(t)
	for which, p := range map[string]queue.Publisher{"sqs": e.queue(t, "orders"), "sns": e.topic(t, "orders")} {
		action, server, fits := "SendMessage", e.SQS, longestSQS
		if which == "sns" {
			action, server, fits = "Publish", e.SNS, longestSNS
		}
		publish := func(size int) string {
			return queuetest.Code(p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte(strings.Repeat("x", size))}))
		}
		e.Deny(action, 403)
		if got := publish(1); got != gateway.CodeBackendStatus {
			t.Errorf("%s: refused: %s", which, got)
		}
		e.Deny(action, 500)
		if got := publish(1); got != gateway.CodeBackendAborted {
			t.Errorf("%s: AWS fails: %s", which, got)
		}
		e.Deny(action, 0)
		if got := publish(fits + 1); got != gateway.CodeTooLarge {
			t.Errorf("%s: too large: %s", which, got)
		}
		packed := queue.Message{Body: bytes.Repeat([]byte{0xff}, fits*3/4)}
		if got := queuetest.Code(p.Publish(queuetest.Within(t, time.Minute), &packed)); got != gateway.CodeTooLarge {
			t.Errorf("%s: too large in Base64: %s", which, got)
		}
		if got := publish(0); got != gateway.CodeBadRequest {
			t.Errorf("%s: empty: %s", which, got)
		}
		for n, want := range map[int]string{10: "", 11: gateway.CodeBadRequest} {
			m := queue.Message{Body: []byte("a")}
			for i := range n {
				m.Attributes.Add(fmt.Sprint("X-", i), "1")
			}
			if which == "sns" {
				want = ""
			}
			if got := queuetest.Code(p.Publish(queuetest.Within(t, time.Minute), &m)); got != want {
				t.Errorf("%s: %d attributes: %s", which, n, got)
			}
		}
		server.Stop()
		for range 3 {
			if got := publish(1); got != gateway.CodeBackendAway {
				t.Errorf("%s: away: %s", which, got)
			}
		}
		queuetest.Away(t, p)
		server.Start(t)
		queuetest.Ready(t, p)
		if got := publish(1); got != "" {
			t.Errorf("%s: back: %s", which, got)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := e.queue(t, "orders").Publish(gone, &queue.Message{Body: []byte("a")}); !errors.Is(err, context.Canceled) {
		t.Errorf("gone: %v", err)
	}
	if log := e.Log.String(); strings.Contains(log, awstest.Secret) || strings.Contains(log, gateway.CodeBackendUnreachable) {
		t.Errorf("the log is\n%s", log)
	}
}

// TestGone: a queue that is deleted is away, and so is a topic, and the log says why.
func TestGone(t *testing.T) {
	e := newEnds(t)
	q, topic, s := e.queue(t, "orders"), e.topic(t, "orders"), e.subscriber(t, "orders")
	e.Delete()
	for _, p := range []queue.Publisher{q, topic} {
		if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); queuetest.Code(err) != gateway.CodeBackendStatus {
			t.Errorf("published: %v", err)
		}
		queuetest.Away(t, p)
	}
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); err == nil || strings.Contains(err.Error(), "the message") {
		t.Errorf("received: %v", err)
	}
	queuetest.Away(t, s)
	until(t, func() bool {
		log := e.Log.String()
		return strings.Count(log, "QueueDoesNotExist") == 2 && strings.Count(log, "NotFound") == 1
	})
}

// TestDenied: who may not use the queue any more is not ready, and is when he may again.
func TestDenied(t *testing.T) {
	for action, status := range map[string]int{"SendMessage": 403, "ReceiveMessage": 503} {
		e := newEnds(t)
		p, s := e.queue(t, "orders"), e.subscriber(t, "orders")
		end := p.(interface{ Health() (string, bool) })
		call := func() error { return p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}) }
		if action == "ReceiveMessage" {
			end = s.(interface{ Health() (string, bool) })
			call = func() error { _, err := s.Receive(queuetest.Within(t, time.Minute)); return err }
		}
		e.Deny(action, status)
		until(t, func() bool { call(); state, _ := end.Health(); return state == "refusing" })
		e.Put("orders", awstest.Message{Body: "x"})
		e.Deny(action, 0)
		if err := call(); err != nil {
			t.Errorf("%s: %v", action, err)
		}
		if _, ok := end.Health(); !ok {
			t.Errorf("%s: not ready", action)
		}
		if log := e.Log.String(); strings.Count(log, "peer is there, and refuses calls") != 1 || strings.Count(log, "peer serves calls again") != 1 {
			t.Errorf("%s: the log is\n%s", action, log)
		}
	}
}

// TestGarbled: what cannot be read is the failure of one call, and of no other.
func TestGarbled(t *testing.T) {
	e := newEnds(t)
	p, s := e.queue(t, "orders"), e.subscriber(t, "orders")
	e.Deny("SendMessage", 200)
	e.Deny("ReceiveMessage", 200)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); queuetest.Code(err) != gateway.CodeBackendAborted {
		t.Errorf("published: %v", err)
	}
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); queuetest.Code(err) != gateway.CodeBackendInvalid {
		t.Errorf("received: %v", err)
	}
	e.Deny("SendMessage", 0)
	e.Deny("ReceiveMessage", 0)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
		t.Error(err)
	}
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); err != nil {
		t.Error(err)
	}
	if log := e.Log.String(); log != "" {
		t.Errorf("the log is\n%s", log)
	}
}

// TestTooLarge: what AWS never says is not held in memory, and is the failure of one call.
func TestTooLarge(t *testing.T) {
	for _, piece := range []string{strings.Repeat(" ", 1<<20), strings.Repeat("{},", 1<<18)} {
		var sent atomic.Int64
		server := awstest.New(t, "sqs", func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ReceiveMessage") {
				io.WriteString(w, "{}")
				return
			}
			io.WriteString(w, `{"Messages":[`)
			for range 256 {
				n, err := io.WriteString(w, piece)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
			io.WriteString(w, `{}]}`)
		})
		e := newEnds(t)
		a := e.address(t, "awssqs://"+awstest.QueueHost, "/orders")
		a.Server = server.URL
		s := e.Subscriber(t, a)
		queuetest.Ready(t, s)
		if _, err := s.Receive(queuetest.Within(t, time.Minute)); queuetest.Code(err) != gateway.CodeBackendTooLarge {
			t.Errorf("%.8q: %.200v", piece, err)
		}
		if n := sent.Load(); n > 2*longestAnswer {
			t.Errorf("%.8q: %d bytes were read", piece, n)
		}
		if log := e.Log.String(); log != "" {
			t.Errorf("the log is\n%s", log)
		}
	}
}

// TestMissing: a queue that is not there is away, and one that may not be looked at is there.
func TestMissing(t *testing.T) {
	e := newEnds(t)
	e.Deny("GetQueueAttributes", 403)
	e.queue(t, "orders")
	e.Deny("GetQueueAttributes", 0)
	for _, a := range []*queue.Address{e.address(t, "awssqs://"+awstest.QueueHost, "/missing"), e.address(t, "awssns:///"+awstest.TopicARN, "missing")} {
		p, err := queue.OpenPublisher(&e.EndpointSite().Site, a)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Start(e.Env.Log.Logger()))
		until(t, func() bool {
			err := p.Publish(t.Context(), &queue.Message{Body: []byte("a")})
			return err != nil && strings.Contains(err.Error(), "AWS answered 4")
		})
	}
}

// TestReceive: messages that were there, that come later, wrapped ones and encoded ones.
func TestReceive(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "orders?waittime=20s")
	receive := func() *delivery {
		t.Helper()
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return d.(*delivery)
	}
	wrapped := awstest.Notification("topic", awstest.Message{Body: "AP8=", Attributes: map[string]string{"base64encoded": "true", "X-B": "2"}})
	tests := []struct {
		put        awstest.Message
		body       string
		attributes gateway.Fields
	}{
		{awstest.Message{Body: `{"id": 1}`, Attributes: map[string]string{"X-B": "2", "X-A": "1"}}, `{"id": 1}`, gateway.Fields{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "2"}}},
		{awstest.Message{Body: "AP8=", Attributes: map[string]string{"base64encoded": "true"}}, "\x00\xff", nil},
		{awstest.Message{Body: wrapped}, "\x00\xff", gateway.Fields{{Name: "X-B", Value: "2"}}},
		{awstest.Message{Body: `{"Type": "Notification", "TopicArn": "x", "Message": "y"}`}, `{"Type": "Notification", "TopicArn": "x", "Message": "y"}`, nil},
	}
	for _, tt := range tests {
		e.Put("orders", tt.put)
		d := receive()
		m := d.Message()
		if string(m.Body) != tt.body || fmt.Sprint(m.Attributes) != fmt.Sprint(tt.attributes) || m.Redelivered != 0 {
			t.Errorf("got %q %v, want %q %v", m.Body, m.Attributes, tt.body, tt.attributes)
		}
		if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil || len(e.Queue("orders")) != 0 {
			t.Errorf("acknowledged: %v, %v", err, e.Queue("orders"))
		}
	}
	e.Put("orders", awstest.Message{Body: "again", Group: "7"})
	d := receive()
	if err := d.Nack(queuetest.Within(t, time.Minute), true); err != nil {
		t.Fatal(err)
	}
	if d = receive(); d.Message().Redelivered != 1 || d.Message().Key != "7" {
		t.Errorf("again: %v", d.Message())
	}
	if err := d.Nack(queuetest.Within(t, time.Minute), false); err != nil || len(e.Queue("orders")) != 0 {
		t.Errorf("dropped: %v, %v", err, e.Queue("orders"))
	}
	if err := d.Ack(queuetest.Within(t, time.Minute)); queuetest.Code(err) != gateway.CodeBackendStatus {
		t.Errorf("ended twice: %v", err)
	}
	raw := e.subscriber(t, "other?raw=true")
	e.Put("other", awstest.Message{Body: wrapped})
	got, err := raw.Receive(queuetest.Within(t, time.Minute))
	if err != nil || string(got.Message().Body) != wrapped {
		t.Errorf("raw: %v", err)
	}
}

// TestDeadLetters: where the queue has a place for what is of no use, SQS moves it there.
func TestDeadLetters(t *testing.T) {
	e := newEnds(t)
	e.DeadLetters()
	s := e.subscriber(t, "orders")
	e.Put("orders", awstest.Message{Body: "x"})
	for range 2 {
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Nack(queuetest.Within(t, time.Minute), false); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.Queue("orders"); len(got) != 1 || got[0].Received != 2 {
		t.Errorf("the queue has %v", got)
	}
}

// TestDeadLettersUnknown: who may not look whether the queue has such a place destroys nothing.
// One that it was given since is known.
func TestDeadLettersUnknown(t *testing.T) {
	e := newEnds(t)
	e.Deny("GetQueueAttributes", 403)
	s := e.subscriber(t, "orders")
	e.Put("orders", awstest.Message{Body: "x"})
	drop := func() error {
		t.Helper()
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return d.Nack(queuetest.Within(t, time.Minute), false)
	}
	if err := drop(); err == nil || !strings.Contains(err.Error(), "allow sqs:GetQueueAttributes") {
		t.Errorf("dropped: %v", err)
	}
	e.Deny("GetQueueAttributes", 0)
	e.DeadLetters()
	if err := drop(); err != nil {
		t.Error(err)
	}
	if got := e.Queue("orders"); len(got) != 1 || got[0].Received != 2 {
		t.Errorf("the queue has %v", got)
	}
}

// TestReceiveMany: each of many who wait gets a message of its own, and none is lost.
func TestReceiveMany(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "orders")
	const n = 200
	var mu sync.Mutex
	seen := make(map[string]int)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			d, err := s.Receive(queuetest.Within(t, time.Minute))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			seen[string(d.Message().Body)]++
			mu.Unlock()
			if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range n {
		e.Put("orders", awstest.Message{Body: fmt.Sprint(i)})
	}
	wg.Wait()
	if len(seen) != n || len(e.Queue("orders")) != 0 {
		t.Errorf("%d messages, %d are left", len(seen), len(e.Queue("orders")))
	}
}

// TestLeave: a message that comes for one who has gone is back in the queue at once.
func TestLeave(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "orders")
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	before := e.SQS.Calls()
	go func() {
		_, err := s.Receive(ctx)
		left <- err
	}()
	until(t, func() bool { return e.SQS.Calls() > before })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("left with %v", err)
	}
	e.Put("orders", awstest.Message{Body: "x"})
	d, err := s.Receive(queuetest.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil || len(e.Queue("orders")) != 0 {
		t.Errorf("acknowledged: %v", err)
	}
}

// TestReceiveFails: an empty queue costs the time, one that is away nothing, and who waits
// hears of it.
func TestReceiveFails(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "orders?waittime=0s")
	if _, err := s.Receive(queuetest.Within(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("empty: %v", err)
	}
	e.Deny("ReceiveMessage", 403)
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); queuetest.Code(err) != gateway.CodeBackendStatus {
		t.Errorf("refused: %v", err)
	}
	e.Deny("ReceiveMessage", 0)
	long := e.subscriber(t, "orders")
	before := e.SQS.Calls()
	left := make(chan error)
	go func() {
		_, err := long.Receive(queuetest.Within(t, time.Minute))
		left <- err
	}()
	until(t, func() bool { return e.SQS.Calls() > before })
	e.SQS.Stop()
	if err := <-left; queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("who waits: %v", err)
	}
	if _, err := long.Receive(queuetest.Within(t, time.Minute)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("away: %v", err)
	}
	e.SQS.Start(t)
	if err := long.Wait(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	e.Put("orders", awstest.Message{Body: "x"})
	if _, err := long.Receive(queuetest.Within(t, time.Minute)); err != nil {
		t.Errorf("back: %v", err)
	}
}

// TestAddresses has a row for each way to write an address wrongly.
func TestAddresses(t *testing.T) {
	tests := []struct {
		host, rest, server string
		subscribe          bool
		want               string
	}{
		{"awssqs://" + awstest.QueueHost, "/orders?region=eu-west-1&waittime=5s&raw=true", "", true, ""},
		{"awssqs://queue.internal/1", "/orders", "", false, ""},
		{"awssns:///" + awstest.TopicARN, "orders", "", false, ""},
		{"awssqs://sqs-fips.us-gov-west-1.amazonaws.com/1", "/orders", "", false, ""},
		{"awssqs://sqs.cn-north-1.amazonaws.com.cn/1", "/orders", "", false, ""},
		{"awssqs://" + awstest.QueueHost, "/orders.fifo", "", true, ""},
		{"awssqs://" + awstest.QueueHost, "/orders.fifo", "", false, "FIFO"},
		{"awssns:///" + awstest.TopicARN, "orders.fifo", "", false, "FIFO"},
		{"awssqs://" + awstest.QueueHost, "/orders?waittime=5s", "", false, `unknown parameter "waittime"`},
		{"awssqs://" + awstest.QueueHost, "/orders?raw=x", "", false, `unknown parameter "raw"`},
		{"awssqs://" + awstest.QueueHost, "/../../orders", "", false, "it is no queue"},
		{"awssqs://" + awstest.QueueHost, "/./orders", "", true, "it is no queue"},
		{"awssqs://sqs.eu-west-1.amazonaws.com.example.com/1", "/orders", "", false, "looks like one of AWS"},
		{"awssqs://sqs.eu-west-1.Amazonaws.co/1", "/orders", "", true, "looks like one of AWS"},
		{"awssqs://", "orders", "", false, "it is no queue"},
		{"awssqs://" + awstest.QueueHost, "orders", "", true, "lack a slash between them"},
		{"awssqs://" + awstest.QueueHost, "/orders?wait=5s", "", true, "unknown parameter"},
		{"awssqs://" + awstest.QueueHost, "/orders?waittime=21s", "", true, "waittime is whole seconds"},
		{"awssqs://" + awstest.QueueHost, "/orders?waittime=5", "", true, "waittime is whole seconds"},
		{"awssqs://" + awstest.QueueHost, "/orders?raw=maybe", "", true, "raw is true or false"},
		{"awssqs://" + awstest.QueueHost, "/orders?region=a/b", "", true, "no name of a region"},
		{"awssqs://" + awstest.QueueHost, "/orders", "localhost", false, "base URL"},
		{"awssqs://" + awstest.QueueHost, "/orders", "http://localhost:0", false, "the port is not between 1 and 65535"},
		{"awssqs://" + awstest.QueueHost, "/orders", "http://a:b@c", false, "base URL"},
		{"awssns:///", "orders", "", false, "it is no topic"},
		{"awssns:///arn:aws:sns:eu-west-1:123456789012:", strings.Repeat("x", 256), "", false, ""},
		{"awssns:///arn:aws:sns:eu-west-1:123456789012:", strings.Repeat("x", 252) + ".fifo", "", false, "it is no topic"},
		{"awssns:///" + awstest.TopicARN, "orders?waittime=5s", "", false, "unknown parameter"},
		{"awssns:///" + awstest.TopicARN, "orders", "", true, "nobody can subscribe to awssns://; subscribe a queue to the topic and write awssqs://"},
	}
	for _, tt := range tests {
		e := newEnds(t)
		s := &e.EndpointSite().Site
		a, err := queue.NewAddress(s, "site", "url", tt.host, tt.rest)
		if err == nil {
			a.Server = tt.server
			if tt.subscribe {
				_, err = queue.OpenSubscriber(s, a)
			} else {
				_, err = queue.OpenPublisher(s, a)
			}
		}
		if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || tt.want != "" && !strings.Contains(got, tt.want) {
			t.Errorf("%s%s: %s, want %q", tt.host, tt.rest, got, tt.want)
		}
	}
}

// TestReload: the same options find the same queue again.
func TestReload(t *testing.T) {
	e := newEnds(t)
	one := e.subscriber(t, "orders")
	before := e.Gateway.Reload(t)
	two := e.subscriber(t, "orders")
	other := e.subscriber(t, "orders?waittime=1s")
	if one != two || one == other {
		t.Error("not the same over a reload")
	}
	if err := before.Release(); err != nil {
		t.Error(err)
	}
	e.Put("orders", awstest.Message{Body: "x"})
	if _, err := two.Receive(queuetest.Within(t, time.Minute)); err != nil {
		t.Error(err)
	}
}

// FuzzIncoming: whatever is in a queue is a message.
func FuzzIncoming(f *testing.F) {
	f.Add(awstest.Notification("topic", awstest.Message{Body: "AP8=", Attributes: map[string]string{"base64encoded": "true"}}), "true")
	f.Add(`{"Type": "Notification"`, "no")
	f.Fuzz(func(t *testing.T, body, base string) {
		from := &types.Message{Body: &body, MessageAttributes: map[string]types.MessageAttributeValue{encoded: {StringValue: aws.String(base)}}}
		if m := incoming(from, true); base != "true" && string(m.Body) != body || m.Attributes.Has(encoded) {
			t.Fatalf("%q became %q %v", body, m.Body, m.Attributes)
		}
		incoming(from, false)
		p := &publisher{fits: longestSQS, most: mostAttributes}
		sent, err := p.write(&queue.Message{Body: []byte(body), Attributes: gateway.Fields{{Name: "X-A", Value: base}}})
		if err != nil {
			if e := gateway.AsError(err); e.Status != 400 && e.Status != 413 {
				t.Fatalf("%.80q: %v", body, err)
			}
			return
		}
		if !plain([]byte(sent.body)) || sent.body == "" {
			t.Fatalf("%.80q is sent as %.80q", body, sent.body)
		}
		for _, f := range sent.attributes {
			if !plain([]byte(f.Value)) || f.Value == "" {
				t.Fatalf("%.80q is sent as %.80q", base, f.Value)
			}
		}
	})
}
