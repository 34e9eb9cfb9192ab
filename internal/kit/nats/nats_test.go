package nats_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	_ "github.com/sluice-gateway/sluice/internal/kit/queue/drivers"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends are those of a gateway.
type ends struct{ *queuetest.Ends }

func newEnds(t *testing.T, server string) *ends {
	return &ends{queuetest.NewEnds(t, map[string]string{"NATS_SERVER_URL": server})}
}

func (e *ends) address(t *testing.T, rest string) *queue.Address {
	t.Helper()
	return e.Address(t, "nats://", rest)
}

func (e *ends) publisher(t *testing.T, rest string, more ...func(*queue.Address)) queue.Publisher {
	t.Helper()
	a := e.address(t, rest)
	for _, f := range more {
		f(a)
	}
	return e.Publisher(t, a)
}

func (e *ends) subscriber(t *testing.T, rest string) queue.Subscriber {
	t.Helper()
	s := e.Subscriber(t, e.address(t, rest))
	if err := s.Wait(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestDriver: the driver does what all do.
func TestDriver(t *testing.T) {
	queuetest.Conform(t, func(t *testing.T) *queuetest.Stand {
		s := natstest.Start(t, natstest.Options{})
		return &queuetest.Stand{Network: s.Proxy, Ends: newEnds(t, s.URL).Ends, Host: "nats://", Topic: "orders", Queue: "orders", Name: s.URL, Forgets: true}
	})
}

// TestPublish: who listens gets the exact body, and attributes as headers, plain.
func TestPublish(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	p := newEnds(t, s.URL).publisher(t, "orders.created?natsv2")
	queuetest.Ready(t, p)
	sub := s.Listen(t, "orders.*")
	body := []byte("{\"id\":1}\x00\xff")
	for _, m := range []queue.Message{
		{Body: body, Attributes: gateway.Fields{{Name: "X-Path", Value: "a b/c%2F"}, {Name: "User-Agent", Value: "x"}}},
		{Body: body},
		{},
	} {
		if err := p.Publish(queuetest.Within(t, time.Minute), &m); err != nil {
			t.Fatal(err)
		}
		got, err := sub.NextMsg(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if string(got.Data) != string(m.Body) || got.Subject != "orders.created" || len(got.Header) != len(m.Attributes) ||
			got.Header.Get("X-Path") != m.Attributes.Get("X-Path") || got.Header.Get("User-Agent") != m.Attributes.Get("User-Agent") {
			t.Errorf("got %q %v %q, want %v", got.Subject, got.Header, got.Data, m)
		}
	}
}

// TestReceive: both forms of messages are understood, and those of a group are shared out.
func TestReceive(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	e := newEnds(t, s.URL)
	all, one, two := e.subscriber(t, "orders"), e.subscriber(t, "orders?queue=g"), e.subscriber(t, "orders?queue=g&natsv2")
	old := e.publisher(t, "orders", func(a *queue.Address) { a.Envelope = true })
	now := e.publisher(t, "orders")
	queuetest.Ready(t, old)
	queuetest.Ready(t, now)
	raw := s.Listen(t, "orders")
	const n = 100
	for i := range n {
		p := old
		if i%2 == 0 {
			p = now
		}
		if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: fmt.Append(nil, i), Attributes: gateway.Fields{{Name: "N", Value: fmt.Sprint(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		d, err := all.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if m := d.Message(); string(m.Body) != fmt.Sprint(i) || m.Attributes.Get("N") != fmt.Sprint(i) {
			t.Fatalf("received %q %v, want %d", m.Body, m.Attributes, i)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
		if m, err := raw.NextMsg(time.Minute); err != nil || (len(m.Data) > 3) != (i%2 == 1) {
			t.Fatalf("sent %q, %v", m.Data, err)
		}
	}
	got := make(chan string)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	for _, sub := range []queue.Subscriber{one, two} {
		wg.Go(func() {
			for {
				d, err := sub.Receive(ctx)
				if err != nil {
					return
				}
				got <- string(d.Message().Body)
			}
		})
	}
	seen := make(map[string]int)
	for range n {
		seen[<-got]++
	}
	stop()
	wg.Wait()
	if len(seen) != n {
		t.Errorf("the group got %d messages, want each once of %d", len(seen), n)
	}
}

// TestHeldWhileAway: what has come before the server went is still handed out.
func TestHeldWhileAway(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	sub := newEnds(t, s.URL).subscriber(t, "orders")
	c := s.Client(t)
	if err := errors.Join(c.Publish("orders", []byte("a")), c.Publish("orders", []byte("b")), c.Flush()); err != nil {
		t.Fatal(err)
	}
	if d, err := sub.Receive(queuetest.Within(t, time.Minute)); err != nil || string(d.Message().Body) != "a" {
		t.Fatalf("received %v, %v", d, err)
	}
	d, err := sub.Receive(queuetest.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	testx.Await(t, func() error {
		if text, ok := sub.Health(); ok {
			return errors.New(text)
		}
		return nil
	})
	if err := d.Nack(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if d, err := sub.Receive(t.Context()); err != nil || string(d.Message().Body) != "b" {
		t.Errorf("received %v, %v", d, err)
	}
	if _, err := sub.Receive(t.Context()); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("nothing is held: %v", err)
	}
}

// TestHeldOver: what is held outlives a reload that changes how the connection is kept up; where
// that needs another subscription, or the gateway stops, the log says how many are lost.
func TestHeldOver(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	e := newEnds(t, s.URL)
	generation := func(subject string, retries int) (queue.Subscriber, func()) {
		a, err := queue.NewAddress(&e.EndpointSite().Site, "a backend", "url", "nats://", subject)
		if err != nil {
			t.Fatal(err)
		}
		a.Retries, a.Backoff = retries, live.Linear
		sub, err := queue.OpenSubscriber(&e.EndpointSite().Site, a)
		if err != nil {
			t.Fatal(err)
		}
		e.Start(t)
		leave := sub.Start(e.Env.Log.Logger())
		queuetest.Ready(t, sub)
		return sub, leave
	}
	held := func(sub queue.Subscriber) {
		t.Helper()
		c := s.Client(t)
		for _, body := range []string{"a", "b", "c"} {
			if err := c.Publish("orders", []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			d, err := sub.Receive(queuetest.Within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Nack(t.Context(), i > 0); err != nil { // by which it is held for certain
				t.Fatal(err)
			}
		}
	}
	sub, leave := generation("orders", 0)
	held(sub)
	before := e.Reload(t)
	sub, next := generation("orders", 7)
	leave()
	if err := before.Release(); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"b", "c"} {
		d, err := sub.Receive(queuetest.Within(t, time.Minute))
		if err != nil || string(d.Message().Body) != body {
			t.Fatalf("received %v, %v; want %s", d, err, body)
		}
	}
	if s.Connections() != 1 || strings.Contains(e.Log.String(), "are lost") {
		t.Errorf("%d connections, log:\n%s", s.Connections(), e.Log.String())
	}
	held(sub)
	sub.Start(e.Env.Log.Logger())() // who does not leave last
	before = e.Reload(t)
	_, last := generation("invoices", 7)
	next()
	if err := before.Release(); err != nil {
		t.Fatal(err)
	}
	if log := e.Log.String(); !strings.Contains(log, `WARN`) || !strings.Contains(log, `messages that are held are lost`) || !strings.Contains(log, `subject=orders messages=2`) {
		t.Errorf("log:\n%s", log)
	}
	last()
	if n := strings.Count(e.Log.String(), "are lost"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

// TestHeld: what nobody takes is held within bounds, and the log says what is dropped.
func TestHeld(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	e := newEnds(t, s.URL)
	sub := e.subscriber(t, "orders")
	c := s.Client(t)
	for range 16<<10 + 100 {
		if err := c.Publish("orders", []byte("a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	says := func(text string) {
		t.Helper()
		testx.Await(t, func() error {
			if log := e.Log.String(); !strings.Contains(log, text) {
				return errors.New(log)
			}
			return nil
		})
	}
	says("messages are dropped, more than are held have come and nobody takes them")
	if _, err := sub.Receive(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	says("messages are held again")
	for range 16<<10 - 1 {
		if _, err := sub.Receive(queuetest.Within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	large := make([]byte, 1<<20)
	for range 100 {
		if err := c.Publish("orders", large); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	testx.Await(t, func() error {
		if log := e.Log.String(); strings.Count(log, "messages are dropped") < 2 {
			return errors.New(log)
		}
		return nil
	})
	for held := 0; held < 60; {
		d, err := sub.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatalf("%d of 1 MiB were held, %v", held, err)
		}
		if len(d.Message().Body) == len(large) {
			held++
		}
	}
}

// TestRefused: what the server does not take is no success, whoever else publishes.
func TestRefused(t *testing.T) {
	s := natstest.Start(t, natstest.Options{MaxPayload: 1000, Users: []*server.User{{
		Username: "u", Password: "secret",
		Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: []string{"free.>"}}, Subscribe: &server.SubjectPermission{Deny: []string{"closed"}}},
	}}})
	e := newEnds(t, strings.Replace(s.URL, "//", "//u:secret@", 1))
	free := e.publisher(t, "free.orders")
	queuetest.Ready(t, free)
	var wg sync.WaitGroup
	for i := range 20 {
		p := e.publisher(t, fmt.Sprint("closed.", i%4))
		wg.Go(func() {
			if err := p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendStatus {
				t.Errorf("closed.%d: %v", i%4, err)
			}
		})
		wg.Go(func() {
			if err := free.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); err != nil {
				t.Errorf("free: %v", err)
			}
		})
	}
	wg.Wait()
	err := free.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: make([]byte, 1001)})
	if e := gateway.AsError(err); e.Status != 413 {
		t.Errorf("too large: %v", err)
	}
	sub, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, "closed"))
	if err != nil {
		t.Fatal(err)
	}
	e.Attend(t, sub)
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "Permissions Violation for Subscription") {
			return errors.New(log)
		}
		return nil
	})
	if _, err := sub.Receive(t.Context()); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("Receive: %v", err)
	}
	if log := e.Log.String(); strings.Contains(log, "secret") || !strings.Contains(log, `peer="`+s.URL+` subject closed"`) {
		t.Errorf("log:\n%s", log)
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
			fmt.Fprint(c, []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "INFO {\r\n", "INFO {}\r\n+OK\r\nMSG a b c d\r\n", "\x00\xff\r\n"}[i%4])
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	e := newEnds(t, "nats://u:secret@"+l.Addr().String())
	p := e.publisher(t, "orders")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "peer is away") {
			return errors.New(log)
		}
		return nil
	})
	if err := p.Publish(t.Context(), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendAway || strings.Contains(err.Error(), "secret") {
		t.Errorf("Publish: %v", err)
	}
	if log := e.Log.String(); strings.Contains(log, "secret") {
		t.Errorf("log:\n%s", log)
	}
}

// TestShared: publishers of a server share a connection, subscribers do not.
func TestShared(t *testing.T) {
	s := natstest.Start(t, natstest.Options{})
	e := newEnds(t, s.URL)
	for range 3 {
		queuetest.Ready(t, e.publisher(t, "orders"))
		queuetest.Ready(t, e.publisher(t, "invoices"))
	}
	e.subscriber(t, "orders")
	e.subscriber(t, "orders")
	if n := s.Connections(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

// TestMany: of 10,000 messages, which several publish while connections are cut, each that
// was published without an error is at a subscriber.
func TestMany(t *testing.T) {
	const n = 10_000
	s := natstest.Start(t, natstest.Options{})
	sub := s.Listen(t, "orders")
	p := newEnds(t, s.URL).publisher(t, "orders")
	queuetest.Ready(t, p)
	taken := queuetest.Many(n, func(i int) bool {
		body := fmt.Sprint(i)
		err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte(body), Attributes: gateway.Fields{{Name: "N", Value: body}}})
		if queuetest.Code(err) == gateway.CodeBackendAway {
			queuetest.Ready(t, p)
		}
		return err == nil
	}, func(i int) {
		if i%1000 == 500 {
			s.Cut()
		}
	})
	got := make(map[string]bool)
	for {
		m, err := sub.NextMsg(time.Second)
		if errors.Is(err, client.ErrTimeout) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got[string(m.Data)] = true
	}
	lost := 0
	for i := range taken {
		if !got[fmt.Sprint(i)] {
			lost++
		}
	}
	if lost > 0 || len(taken) == n || len(taken) < n/2 {
		t.Errorf("%d of %d were taken, %d of those are nowhere", len(taken), n, lost)
	}
}

// TestMistakes: what is wrong with an address or the environment is said without secrets.
func TestMistakes(t *testing.T) {
	tests := []struct{ server, rest, want string }{
		{"nats://a", "orders created", "a subject holds no blanks"},
		{"nats://a", "orders..created", "one of them is empty"},
		{"nats://a", "orders.*", "wildcards are for subscriptions"},
		{"nats://a", "orders?qeue=g", `unknown parameter "qeue"`},
		{"nats://a", "orders?queue=g", `unknown parameter "queue"; nats:// knows natsv2 here`},
		{"", "orders", "nobody says where the broker is; set the variable NATS_SERVER_URL, such as nats://queue.internal:4222"},
		{"http://u:secret@a", "orders", "the variable NATS_SERVER_URL: the scheme of a server is nats or tls"},
		{"nats://u:secret@a:b%", "orders", "the variable NATS_SERVER_URL: it is no address of a server"},
		{"nats://u:secret@a/b", "orders", "the variable NATS_SERVER_URL: nothing stands behind name and port"},
		{"nats://u:1,secret@a", "orders", "the variable NATS_SERVER_URL: user and password stand at the first server or at each"},
		{"nats://u:secret@a:99999", "orders", "it is no address of a server, the port is not between 1 and 65535"},
		{"nats://a:0", "orders", "it is no address of a server, the port is"},
		{"::1", "orders", "it is no address of a server"},
		{"[::1]:4222", "orders", ""},
		{"u:secret@a, tls://b:4222", "orders", ""},
	}
	for _, tt := range tests {
		e := newEnds(t, tt.server)
		_, err := queue.OpenPublisher(&e.EndpointSite().Site, e.address(t, tt.rest))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s, %s: %v; want %s", tt.server, tt.rest, err, tt.want)
		}
	}
	for rest, want := range map[string]string{
		"orders.>":             "",
		"orders.*.created":     "",
		"orders.>.created":     "> is the last word",
		"orders?queue":         "the queue is the name of a group",
		"orders?queue=a%20b":   "the queue is the name of a group",
		"orders?queue=a&natv2": `unknown parameter "natv2"; did you mean "natsv2"?`,
	} {
		e := newEnds(t, "nats://a")
		_, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, rest))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %s", rest, err, want)
		}
	}
	if _, err := queue.ReadHost(queue.Publishing)("nats://queue.internal:4222"); err == nil || !strings.Contains(err.Error(), "NATS_SERVER_URL") {
		t.Errorf("an address as host: %v", err)
	}
}
