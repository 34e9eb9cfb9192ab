//go:build !slim

package gcppubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/gcppubsub/gcppubsubtest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	topic        = "projects/shop/topics/orders"
	subscription = "projects/shop/subscriptions/shipping"
)

// ends are those of a gateway.
type ends struct {
	*queuetest.Ends
	*gcppubsubtest.Server
	environment map[string]string
}

func newEnds(t *testing.T, o ...pstest.ServerReactorOption) *ends {
	t.Helper()
	s := gcppubsubtest.Start(t, o...)
	s.Topic(t, topic, subscription)
	e := &ends{queuetest.NewEnds(t, nil), s, map[string]string{emulator: s.Address}}
	e.Env.Getenv = func(name string) string { return e.environment[name] }
	return e
}

// address returns that of a topic or a subscription.
func (e *ends) address(t *testing.T, rest string) *queue.Address {
	t.Helper()
	return e.Ends.Address(t, "gcppubsub://", rest)
}

func (e *ends) publisher(t *testing.T, rest string) queue.Publisher {
	t.Helper()
	return e.Publisher(t, e.address(t, rest))
}

func (e *ends) subscriber(t *testing.T, rest string) queue.Subscriber {
	t.Helper()
	return e.Subscriber(t, e.address(t, rest))
}

// TestDriver: the driver does what all do.
func TestDriver(t *testing.T) {
	queuetest.Conform(t, func(t *testing.T) *queuetest.Stand {
		e := newEnds(t)
		t.Cleanup(func() {
			if log := e.Log.String(); strings.Contains(log, "transport:") {
				t.Errorf("log:\n%.2000s", log)
			}
		})
		return &queuetest.Stand{Network: e.Proxy, Ends: e.Ends, Host: "gcppubsub://", Topic: "shop/orders", Queue: "shop/shipping", Name: "gcppubsub://projects/shop/", Polls: true, Uncounted: true, Expire: func() { e.Expire(t, subscription) }}
	})
}

// TestPublish: bodies and attributes are there as they are, by either form of an address.
func TestPublish(t *testing.T) {
	e := newEnds(t)
	for i, rest := range []string{"projects/shop/topics/orders", "shop/orders", "shop/orders?max_send_batch_size=10"} {
		p := e.publisher(t, rest)
		queuetest.Ready(t, p)
		m := queue.Message{Body: []byte("{\"id\":1}\x00\xff"), Attributes: gateway.Fields{{Name: "X-Path", Value: "a b/c%2F"}, {Name: "X-Odd", Value: "a\xffb"}, {Name: "X-Empty"}}, Key: "7"}
		if err := p.Publish(queuetest.Within(t, time.Minute), &m); err != nil {
			t.Fatal(err)
		}
		got := e.Messages(topic)
		if len(got) != i+1 {
			t.Fatalf("%d messages, want %d", len(got), i+1)
		}
		last := got[i]
		if string(last.Data) != string(m.Body) || fmt.Sprint(last.Attributes) != "map[X-Empty: X-Odd:ab X-Path:a b/c%2F]" || last.OrderingKey != "7" {
			t.Errorf("%s: %q %v %q", rest, last.Data, last.Attributes, last.OrderingKey)
		}
	}
}

// TestPublishFails: every message that is not taken is a failure of its kind.
func TestPublishFails(t *testing.T) {
	for _, tt := range []struct {
		answer codes.Code
		want   string
	}{
		{codes.PermissionDenied, gateway.CodeBackendStatus},
		{codes.InvalidArgument, gateway.CodeBackendStatus},
		{codes.ResourceExhausted, gateway.CodeBackendStatus},
		{codes.Unauthenticated, gateway.CodeBackendStatus},
		{codes.Unavailable, gateway.CodeBackendAborted},
		{codes.Internal, gateway.CodeBackendAborted},
		{codes.Aborted, gateway.CodeBackendAborted},
		{codes.DeadlineExceeded, gateway.CodeBackendAborted},
	} {
		e := newEnds(t, pstest.WithErrorInjection("Publish", tt.answer, "no"))
		p := e.publisher(t, "shop/orders")
		queuetest.Ready(t, p)
		if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); queuetest.Code(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.answer, err, tt.want)
		}
	}
	e := newEnds(t)
	p := e.publisher(t, "shop/orders")
	queuetest.Ready(t, p)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: make([]byte, longest+1)}); queuetest.Code(err) != gateway.CodeTooLarge {
		t.Errorf("too large: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if err := p.Publish(gone, &queue.Message{Body: []byte("a")}); !errors.Is(err, context.Canceled) {
		t.Errorf("gone: %v", err)
	}
}

// TestGone: a topic that is deleted, and a subscription, are away, and the log says why. So is
// who is not known any more.
func TestGone(t *testing.T) {
	e := newEnds(t)
	p, s := e.publisher(t, "shop/orders"), e.subscriber(t, "shop/shipping")
	queuetest.Ready(t, p)
	queuetest.Ready(t, s)
	e.Delete(t, topic, subscription)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); queuetest.Code(err) != gateway.CodeBackendStatus {
		t.Errorf("published: %v", err)
	}
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); err == nil || strings.Contains(err.Error(), "the message") {
		t.Errorf("received: %v", err)
	}
	queuetest.Away(t, p)
	queuetest.Away(t, s)
	testx.Await(t, func() error {
		if log := e.Log.String(); strings.Count(log, "NotFound") < 2 {
			return errors.New(log)
		}
		return nil
	})
	e = newEnds(t, pstest.WithErrorInjection("Pull", codes.Unauthenticated, "no"))
	s = e.subscriber(t, "shop/shipping")
	queuetest.Ready(t, s)
	s.Receive(queuetest.Within(t, time.Minute))
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "Unauthenticated") {
			return errors.New(log)
		}
		return nil
	})
}

// TestDenied: a service that is there and serves nobody is not ready.
func TestDenied(t *testing.T) {
	e := newEnds(t, pstest.WithErrorInjection("Pull", codes.Unavailable, "no"), pstest.WithErrorInjection("Publish", codes.PermissionDenied, "no"))
	p, s := e.publisher(t, "shop/orders"), e.subscriber(t, "shop/shipping")
	for end, call := range map[interface{ Health() (string, bool) }]func(){
		p.(*publisher):  func() { p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)) },
		s.(*subscriber): func() { s.Receive(queuetest.Within(t, time.Minute)) },
	} {
		testx.Await(t, func() error {
			call()
			if state, ok := end.Health(); state != "refusing" || ok {
				return errors.New(state)
			}
			return nil
		})
	}
	if log := e.Log.String(); strings.Count(log, "peer is there, and refuses calls") != 2 {
		t.Errorf("the log is\n%s", log)
	}
}

// TestPulls: no message is asked for when nobody has time left for it.
func TestPulls(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "shop/shipping")
	queuetest.Ready(t, s)
	if _, err := s.Receive(queuetest.Within(t, 10*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	l, err := s.(*subscriber).Get()
	if err != nil {
		t.Fatal(err)
	}
	if ds, err := l.ask(context.Background(), 1, time.Second); len(ds) > 0 || err != nil { // and it ends
		t.Errorf("%v, %v", ds, err)
	}
}

// TestLarge: no more is held than is written, and what is larger comes in several answers.
func TestLarge(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "shop/shipping")
	queuetest.Ready(t, s)
	l, err := s.(*subscriber).Get()
	if err != nil {
		t.Fatal(err)
	}
	for range longestAnswer>>20 + 1 {
		e.Put(topic, &pubsubpb.PubsubMessage{Data: make([]byte, 1<<20)})
	}
	for i, want := range []int{0, sure, 2 * sure, 4 * sure} {
		ds, err := l.ask(t.Context(), fewest, time.Minute)
		if err != nil || len(ds) != want {
			t.Fatalf("answer %d: %d messages, %v, want %d", i, len(ds), err, want)
		}
		if i == 0 {
			e.Expire(t, subscription)
		}
	}
}

// TestMissing: what is not there is away, and what may not be looked at is there.
func TestMissing(t *testing.T) {
	e := newEnds(t, pstest.WithErrorInjection("GetSubscription", codes.PermissionDenied, "no"))
	e.Attend(t, e.subscriber(t, "shop/shipping"))
	queuetest.Ready(t, e.subscriber(t, "shop/shipping"))
	p := e.publisher(t, "shop/missing")
	testx.Await(t, func() error {
		if err := p.Publish(t.Context(), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendAway || !strings.Contains(err.Error(), "NotFound") {
			return fmt.Errorf("missing: %w", err)
		}
		return nil
	})
}

// TestReceive: messages that were there and that come later, and what becomes of them.
func TestReceive(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "projects/shop/subscriptions/shipping?max_recv_batch_size=1")
	receive := func() *delivery {
		t.Helper()
		if err := s.Wait(queuetest.Within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		return d.(*delivery)
	}
	e.Put(topic, &pubsubpb.PubsubMessage{Data: []byte("\x00\xff"), Attributes: map[string]string{"b": "2", "A": "1"}, OrderingKey: "7"})
	d := receive()
	if m := d.Message(); string(m.Body) != "\x00\xff" || fmt.Sprint(m.Attributes) != "[{A 1} {b 2}]" || m.Key != "7" || m.Redelivered != 0 {
		t.Errorf("got %v", m)
	}
	if err := d.Nack(queuetest.Within(t, time.Minute), true); err != nil {
		t.Fatal(err)
	}
	if d = receive(); string(d.Message().Body) != "\x00\xff" {
		t.Errorf("again: %v", d.Message())
	}
	if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil || e.Messages(topic)[0].Acks != 1 {
		t.Errorf("acknowledged: %v, %v", err, e.Messages(topic)[0])
	}
	e.Put(topic, &pubsubpb.PubsubMessage{Data: []byte("x")})
	d = receive()
	if err := d.Nack(queuetest.Within(t, time.Minute), false); err != nil || e.Messages(topic)[1].Acks != 1 {
		t.Errorf("dropped: %v, %v", err, e.Messages(topic)[1])
	}
}

// TestDeadLetters: what is to be dropped is left to the dead letters, and counted, by those who
// may not look at the subscription, too.
func TestDeadLetters(t *testing.T) {
	for _, o := range [][]pstest.ServerReactorOption{nil, {pstest.WithErrorInjection("GetSubscription", codes.PermissionDenied, "no")}} {
		e := newEnds(t, o...)
		const dead = "projects/shop/topics/dead"
		e.Topic(t, dead)
		e.Subscribe(t, &pubsubpb.Subscription{Name: "projects/shop/subscriptions/counted", Topic: topic, DeadLetterPolicy: &pubsubpb.DeadLetterPolicy{DeadLetterTopic: dead, MaxDeliveryAttempts: 5}})
		s := e.subscriber(t, "shop/counted")
		queuetest.Ready(t, s)
		e.Put(topic, &pubsubpb.PubsubMessage{Data: []byte("x")})
		for i := range 3 {
			d, err := s.Receive(queuetest.Within(t, time.Minute))
			if err != nil || d.Message().Redelivered != i {
				t.Fatalf("%v, %v", d, err)
			}
			if err := d.Nack(queuetest.Within(t, time.Minute), false); err != nil {
				t.Fatal(err)
			}
		}
		if m := e.Messages(topic)[0]; m.Acks != 0 || m.Deliveries != 3 {
			t.Errorf("%v", m)
		}
	}
}

// TestLazy: what is given back lazily is left to its deadline.
func TestLazy(t *testing.T) {
	e := newEnds(t)
	s := e.subscriber(t, "shop/shipping?nacklazy=true")
	queuetest.Ready(t, s)
	e.Put(topic, &pubsubpb.PubsubMessage{Data: []byte("x")})
	d, err := s.Receive(queuetest.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Nack(queuetest.Within(t, time.Minute), true); err != nil || len(e.Messages(topic)[0].Modacks) != 0 {
		t.Errorf("%v, %v", err, e.Messages(topic)[0].Modacks)
	}
}

// TestReceiveFails: an empty subscription costs the time of the request, and what Pub/Sub
// refuses is told.
func TestReceiveFails(t *testing.T) {
	s := newEnds(t).subscriber(t, "shop/shipping")
	queuetest.Ready(t, s)
	if _, err := s.Receive(queuetest.Within(t, 20*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("empty: %v", err)
	}
	for answer, want := range map[codes.Code]string{codes.PermissionDenied: gateway.CodeBackendStatus, codes.Unavailable: gateway.CodeBackendAway} {
		s := newEnds(t, pstest.WithErrorInjection("Pull", answer, "no")).subscriber(t, "shop/shipping")
		queuetest.Ready(t, s)
		if _, err := s.Receive(queuetest.Within(t, time.Minute)); queuetest.Code(err) != want {
			t.Errorf("%s: %v", answer, err)
		}
	}
	e := newEnds(t, pstest.WithErrorInjection("Acknowledge", codes.Unavailable, "no"))
	s = e.subscriber(t, "shop/shipping")
	queuetest.Ready(t, s)
	e.Put(topic, &pubsubpb.PubsubMessage{Data: []byte("x")})
	d, err := s.Receive(queuetest.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(queuetest.Within(t, time.Minute)); err == nil {
		t.Error("acknowledged, and Pub/Sub does not know")
	}
}

// TestGarbage: a server that is none is away.
func TestGarbage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\x00\xff\x04\x00", "", "\x00\x00\x00\x04\x00\x00\x00\x00\x00garbage"}[i%4])
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	e := newEnds(t)
	e.environment[emulator] = l.Addr().String()
	p := e.publisher(t, "shop/orders")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "peer is away") {
			return errors.New(log)
		}
		return nil
	})
	if err := p.Publish(t.Context(), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("garbage: %v", err)
	}
}

// TestSame: both forms of an address are one subscriber, and other options another.
func TestSame(t *testing.T) {
	e := newEnds(t)
	one := e.subscriber(t, "shop/shipping")
	if one != e.subscriber(t, "projects/shop/subscriptions/shipping") || one == e.subscriber(t, "shop/shipping?max_recv_batch_size=1") {
		t.Error("the same is not the same, or another is")
	}
}

// TestAddresses has a row for each way to write an address, rightly or wrongly.
func TestAddresses(t *testing.T) {
	tests := []struct {
		rest, server, variable string
		subscribe              bool
		target, want           string
	}{
		{"projects/shop/topics/orders", "", "", false, google, ""},
		{"shop/orders", "", "localhost:8085", false, "localhost:8085", ""},
		{"example.com:shop/orders", "localhost:1", "localhost:8085", false, "localhost:1", ""},
		{"shop/orders", "https://europe-west1-pubsub.googleapis.com", "", false, "europe-west1-pubsub.googleapis.com:443", ""},
		{"shop/orders", "https://pubsub.internal:8443/", "localhost:8085", false, "pubsub.internal:8443", ""},
		{"projects/shop/subscriptions/shipping?max_recv_batch_size=1000&nacklazy=false", "[::1]:8085", "", true, "[::1]:8085", ""},
		{"orders", "", "", false, "", "url: it is none of topics; write gcppubsub:// with projects/PROJECT/topics/NAME"},
		{"projects/shop/subscriptions/shipping", "", "", false, "", "it is none of topics"},
		{"projects/shop/topics/orders", "", "", true, "", "it is none of subscriptions"},
		{"shop/a", "", "", false, "", "it is none of topics"},
		{"shop/orders/x", "", "", false, "", "it is none of topics"},
		{"shop/orders?max_send_batch_size=0", "", "", false, "", "max_send_batch_size is a number from 1 to 1000"},
		{"shop/orders?max_recv_batch_size=1", "", "", false, "", "unknown parameter"},
		{"shop/shipping?max_recv_batch_size=1001", "", "", true, "", "max_recv_batch_size is a number from 1 to 1000"},
		{"shop/shipping?nacklazy=perhaps", "", "", true, "", "nacklazy is true or false"},
		{"shop/shipping?region=x", "", "", true, "", "unknown parameter"},
		{"shop/orders", "localhost", "", false, "", "server: it is no address; write localhost:8085"},
		{"shop/orders", "http://localhost:8085", "", false, "", "server: it is no address"},
		{"shop/orders", "https://user:secret@internal", "", false, "", "server: it is no address"},
		{"shop/orders", "", "https://internal:443", false, "", "the variable PUBSUB_EMULATOR_HOST: it is no host and port"},
		{"shop/orders", "", "user:secret@internal", false, "", "the variable PUBSUB_EMULATOR_HOST: it is no host and port"},
	}
	for _, tt := range tests {
		e := newEnds(t)
		e.environment = map[string]string{emulator: tt.variable, fileVariable: account1(t)}
		dial(t, e.Gateway)
		a := e.address(t, tt.rest)
		a.Server = tt.server
		var err error
		if tt.subscribe {
			_, err = queue.OpenSubscriber(&e.EndpointSite().Site, a)
		} else {
			_, err = queue.OpenPublisher(&e.EndpointSite().Site, a)
		}
		if got := fmt.Sprint(err); (err == nil) != (tt.want == "") || tt.want != "" && !strings.Contains(got, tt.want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %s, want %q", tt.rest, got, tt.want)
		}
		if err == nil {
			if at, err := where(&e.EndpointSite().Site, a); err != nil || at.target != tt.target {
				t.Errorf("%s: %s, %v; want %s", tt.rest, at.target, err, tt.target)
			}
		}
	}
}
