package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/amqp"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// ends opens publishers and subscribers of a gateway.
type ends struct {
	*queuetest.Ends
	url string
}

func newEnds(t *testing.T, url string) *ends {
	return &ends{queuetest.NewEnds(t, map[string]string{"RABBIT_SERVER_URL": url}), url}
}

func (e *ends) broker(t *testing.T) *amqp.Broker {
	t.Helper()
	b, err := amqp.NewBroker(&e.EndpointSite().Site, e.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (e *ends) publisher(t *testing.T, o amqp.Publishing) *amqp.Publisher {
	t.Helper()
	p, err := e.broker(t).Publisher(o)
	if err != nil {
		t.Fatal(err)
	}
	e.Attend(t, p)
	return p
}

func (e *ends) subscriber(t *testing.T, o amqp.Subscribing) *amqp.Subscriber {
	t.Helper()
	s, err := e.broker(t).Subscriber("site "+t.Name(), o)
	if err != nil {
		t.Fatal(err)
	}
	e.Attend(t, s)
	return s
}

// stands counts the brokers of TestDriver, which are one.
var stands atomic.Int64

// TestDriver: the driver rabbit:// does what all do.
func TestDriver(t *testing.T) {
	queuetest.Conform(t, func(t *testing.T) *queuetest.Stand {
		s, name := amqptest.Start(t), fmt.Sprint("stand", stands.Add(1))
		s.Queue(t, name, name)
		return &queuetest.Stand{Network: s.Proxy, Ends: newEnds(t, s.URL).Ends, Host: "rabbit://", Topic: name, Queue: name, Name: "amqp://" + s.Address}
	})
}

func durable(name string) amqp.Topology {
	return amqp.Topology{Exchange: name, Queue: name, Keys: []string{"#"}, Durable: true}
}

func exchange(name string) amqp.Topology { return amqp.Topology{Exchange: name, Durable: true} }

// TestSend: a queue has what was sent, property by property.
func TestSend(t *testing.T) {
	s := amqptest.Start(t)
	take := s.Queue(t, "send", "send")
	now := time.Unix(1_700_000_000, 0)
	m := amqp.Message{
		Body: []byte("{\"id\":1}\x00\xff"), Key: "orders.created", Type: "application/json", Expiration: "60000", ReplyTo: "replies",
		ID: "id1", Priority: 5, Time: now, Header: gateway.Fields{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: ""}, {Name: "X-A", Value: "2"}},
	}
	for _, lists := range []bool{false, true} {
		for _, persistent := range []bool{false, true} {
			p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("send"), Persistent: persistent, Lists: lists})
			queuetest.Ready(t, p)
			if err := p.Send(queuetest.Within(t, time.Minute), &m); err != nil {
				t.Fatal(err)
			}
			d := take()
			if d == nil {
				t.Fatal("nothing is there")
			}
			want := `map[X-A:1 X-B:]`
			if lists {
				want = `map[X-A:[1 2] X-B:[]]`
			}
			if got := fmt.Sprint(map[string]any(d.Headers)); got != want {
				t.Errorf("headers %s, want %s", got, want)
			}
			if string(d.Body) != string(m.Body) || d.RoutingKey != m.Key || d.ContentType != m.Type || d.Expiration != m.Expiration || d.ReplyTo != m.ReplyTo ||
				d.MessageId != m.ID || d.Priority != m.Priority || !d.Timestamp.Equal(now) || (d.DeliveryMode == client.Persistent) != persistent {
				t.Errorf("persistent %t: got %+v", persistent, d)
			}
		}
	}
	p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("send")})
	queuetest.Ready(t, p)
	if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); err != nil {
		t.Fatal(err)
	}
	if d := take(); d == nil || len(d.Body) != 0 || d.RoutingKey != "" {
		t.Errorf("an empty message: %+v", d)
	}
}

// TestTooLong: what does not fit into a frame is refused, and disturbs nobody.
func TestTooLong(t *testing.T) {
	s := amqptest.Start(t)
	take := s.Queue(t, "long", "long")
	p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("long"), Lists: true})
	queuetest.Ready(t, p)
	long, large := strings.Repeat("x", 256), strings.Repeat("x", 140_000)
	for _, tt := range []struct {
		m      amqp.Message
		status int
	}{
		{amqp.Message{Key: long}, 400},
		{amqp.Message{ID: long}, 400},
		{amqp.Message{ReplyTo: long}, 400},
		{amqp.Message{Expiration: long}, 400},
		{amqp.Message{Type: long}, 400},
		{amqp.Message{Header: gateway.Fields{{Name: long, Value: "1"}}}, 431},
		{amqp.Message{Header: gateway.Fields{{Name: "X", Value: large}}}, 431},
		{amqp.Message{Key: long[1:], ID: long[1:], Header: gateway.Fields{{Name: long[1:], Value: large[:130_000]}}}, 0},
		{amqp.Message{Body: []byte(large)}, 0},
	} {
		err := p.Send(queuetest.Within(t, time.Minute), &tt.m)
		if tt.status == 0 && err != nil || tt.status != 0 && (err == nil || gateway.AsError(err).Status != tt.status) {
			t.Errorf("%d: %v", tt.status, err)
		}
	}
	if a, b := take(), take(); a == nil || b == nil || string(b.Body) != large {
		t.Errorf("got %v, %v", a, b)
	}
}

// TestReturned: what gets to no queue is refused if it is mandatory, and nothing else is,
// also of equal messages and beside others.
func TestReturned(t *testing.T) {
	s := amqptest.Start(t)
	ch := s.Channel(t)
	s.Queue(t, "returned", "returned")
	if err := errors.Join(ch.QueueUnbind("returned", "#", "returned", nil), ch.QueueBind("returned", "good", "returned", false, nil)); err != nil {
		t.Fatal(err)
	}
	e := newEnds(t, s.URL)
	mandatory := e.publisher(t, amqp.Publishing{Topology: exchange("returned"), Mandatory: true})
	plain := e.publisher(t, amqp.Publishing{Topology: exchange("returned")})
	queuetest.Ready(t, mandatory)
	queuetest.Ready(t, plain)
	var wg sync.WaitGroup
	for i := range 400 {
		wg.Go(func() {
			m := amqp.Message{Body: fmt.Append(nil, i%7), Key: "good"}
			want := ""
			if i%2 == 1 {
				m.Key, want = "bad", gateway.CodeBackendStatus
			}
			err := mandatory.Send(queuetest.Within(t, time.Minute), &m)
			if queuetest.Code(err) != want || err != nil && !strings.Contains(err.Error(), "312 NO_ROUTE") {
				t.Errorf("%s: %v", m.Key, err)
			}
			if err := plain.Send(queuetest.Within(t, time.Minute), &m); err != nil {
				t.Errorf("%s, not mandatory: %v", m.Key, err)
			}
		})
	}
	wg.Wait()
	if n := s.Count(t, "returned"); n != 400 {
		t.Errorf("%d messages in the queue, want 400", n)
	}
}

// TestNack: what the broker refuses is no success.
func TestNack(t *testing.T) {
	s := amqptest.Start(t)
	ch := s.Channel(t)
	_, err := ch.QueueDeclare("full", false, false, false, false, client.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	err = errors.Join(err, ch.ExchangeDeclare("full", "topic", true, false, false, false, nil), ch.QueueBind("full", "#", "full", false, nil))
	if err != nil {
		t.Fatal(err)
	}
	p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("full")})
	queuetest.Ready(t, p)
	if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); err != nil {
		t.Fatal(err)
	}
	if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); queuetest.Code(err) != gateway.CodeBackendStatus {
		t.Errorf("into a full queue: %v", err)
	}
}

// TestReceive: a message comes with its properties, and is ended once.
func TestReceive(t *testing.T) {
	s := amqptest.Start(t)
	e := newEnds(t, s.URL)
	sub := e.subscriber(t, amqp.Subscribing{Topology: durable("receive")})
	p := e.publisher(t, amqp.Publishing{Topology: exchange("receive"), Lists: true})
	if err := sub.Wait(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	queuetest.Ready(t, p)
	err := p.Send(queuetest.Within(t, time.Minute), &amqp.Message{Body: []byte("hello"), Key: "a.b", Type: "text/plain", Header: gateway.Fields{{Name: "X-A", Value: "1"}, {Name: "X-A", Value: "2"}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		d, err := sub.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		m := d.Message()
		if string(m.Body) != "hello" || m.Key != "a.b" || m.Attributes.Get("X-A") != "1" || m.Attributes.Get("Content-Type") != "text/plain" || len(m.Attributes) != 2 || m.Redelivered != min(i, 1) || m.Uncounted != (i > 0) {
			t.Errorf("received %+v", m)
		}
		if i < 2 {
			err = d.Nack(t.Context(), true)
		} else {
			err = d.Ack(t.Context())
		}
		if err != nil || d.Ack(t.Context()) == nil || d.Nack(t.Context(), true) == nil {
			t.Errorf("ended with %v, and again", err)
		}
	}
	s.Put(t, "receive", client.Publishing{Headers: client.Table{ // of others, as AMQP has them
		"list": []any{int32(7), "x"}, "empty": []any{}, "lists": []any{[]any{"x"}}, "table": client.Table{"a": "b"}, "none": nil,
		"number": int64(5), "bool": true, "time": time.Unix(0, 0), "bytes": []byte("raw"), "x-delivery-count": "many", "content-type": "text/css",
	}, ContentType: "text/plain"})
	d, err := sub.Receive(queuetest.Within(t, time.Minute))
	if err == nil {
		err = d.Ack(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(d.Message().Attributes), "[{bool true} {bytes raw} {content-type text/css} {list 7} {number 5} {time 1970-01-01T00:00:00Z}]"; got != want || d.Message().Redelivered != 0 {
		t.Errorf("attributes %s, want %s", got, want)
	}
	if d, err := sub.Receive(queuetest.Within(t, 50*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing is there: %v, %v", d, err)
	}
}

// TestDeadLetters: what is given back for good goes where the topology says, and quorum
// queues count what comes again.
func TestDeadLetters(t *testing.T) {
	s := amqptest.Start(t)
	take := s.Queue(t, "dead", "dead")
	ch := s.Channel(t)
	if _, err := ch.QueueDeclare("counted", true, false, false, false, client.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	e := newEnds(t, s.URL)
	o := amqp.Subscribing{Topology: durable("alive")}
	o.Topology.DeadLetters = "dead"
	alive, counted := e.subscriber(t, o), e.subscriber(t, amqp.Subscribing{Topology: amqp.Topology{Queue: "counted"}, Existing: true})
	queuetest.Ready(t, alive)
	s.Put(t, "alive", client.Publishing{Body: []byte("poison")})
	s.Put(t, "counted", client.Publishing{Body: []byte("x")})
	d, err := alive.Receive(queuetest.Within(t, time.Minute))
	if err == nil {
		err = d.Nack(t.Context(), false)
	}
	if err != nil {
		t.Fatal(err)
	}
	testx.Await(t, func() error {
		if d := take(); d == nil || string(d.Body) != "poison" {
			return fmt.Errorf("in the dead letters: %v", d)
		}
		return nil
	})
	queuetest.Ready(t, counted)
	for i := range 4 {
		d, err := counted.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if n := d.Message().Redelivered; n != i || d.Message().Uncounted || len(d.Message().Attributes) > 0 {
			t.Errorf("delivery %d: redelivered %d, %v", i, n, d.Message().Attributes)
		}
		if err := d.Nack(t.Context(), i < 3); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNobodyKeepsLetters: a subscriber knows that the exchange of dead letters is not there, takes
// messages all the same, and notices when it is.
func TestNobodyKeepsLetters(t *testing.T) {
	s := amqptest.Start(t)
	o := amqp.Subscribing{Topology: durable("unkept"), Prefetch: 1}
	o.Topology.DeadLetters = "missing"
	sub := newEnds(t, s.URL).subscriber(t, o)
	queuetest.Ready(t, sub)
	if err := sub.Lost(); err == nil || !strings.Contains(err.Error(), "no exchange 'missing'") {
		t.Fatalf("dead letters are lost because of %v", err)
	}
	s.Put(t, "unkept", client.Publishing{Body: []byte("x")})
	d, err := sub.Receive(queuetest.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	take := s.Queue(t, "missing", "found")
	testx.Await(t, sub.Lost)
	if err := d.Nack(t.Context(), false); err != nil {
		t.Error(err)
	}
	testx.Await(t, func() error {
		if d := take(); d == nil {
			return errors.New("no dead letter")
		}
		return nil
	})
}

// TestAutoAck: what is received is gone, and what nobody has received is not.
func TestAutoAck(t *testing.T) {
	s := amqptest.Start(t)
	e := newEnds(t, s.URL)
	sub := e.subscriber(t, amqp.Subscribing{Topology: durable("auto"), AutoAck: true, Prefetch: 1})
	queuetest.Ready(t, sub)
	s.Put(t, "auto", client.Publishing{Body: []byte("1")}, client.Publishing{Body: []byte("2")}, client.Publishing{Body: []byte("3")})
	d, err := sub.Receive(queuetest.Within(t, time.Minute))
	if err != nil || string(d.Message().Body) != "1" || errors.Join(d.Ack(t.Context()), d.Nack(t.Context(), true)) != nil {
		t.Fatalf("received %v, %v", d, err)
	}
	testx.Await(t, func() error { // the broker has heard of it, and sends the next
		if n := s.Count(t, "auto"); n != 1 {
			return fmt.Errorf("%d messages are left", n)
		}
		return nil
	})
	s.Cut()
	var got []string
	testx.Await(t, func() error {
		d, err := sub.Receive(queuetest.Within(t, time.Second))
		if err == nil {
			got = append(got, string(d.Message().Body))
		}
		if len(got) < 2 {
			return fmt.Errorf("got %v, %v", got, err)
		}
		return nil
	})
	if fmt.Sprint(got) != "[2 3]" {
		t.Errorf("got %v behind the cut", got)
	}
}

// TestPrefetch: the broker keeps what goes beyond.
func TestPrefetch(t *testing.T) {
	s := amqptest.Start(t)
	e := newEnds(t, s.URL)
	for prefetch, ahead := range map[int]int{0: 0, 3: 3} {
		name := fmt.Sprint("prefetch", prefetch)
		sub := e.subscriber(t, amqp.Subscribing{Topology: durable(name), Prefetch: prefetch})
		queuetest.Ready(t, sub)
		s.Put(t, name, make([]client.Publishing, 15)...)
		testx.Await(t, func() error {
			if n := s.Count(t, name); n != 15-ahead {
				return fmt.Errorf("%d messages are left, want %d", n, 15-ahead)
			}
			return nil
		})
	}
}

// TestHeld: what comes ahead and was not received when the connection was lost is not handed
// out, since it comes again; what was received and not ended comes again, and says so.
func TestHeld(t *testing.T) {
	s := amqptest.Start(t)
	sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: durable("held"), Prefetch: amqp.DefaultPrefetch})
	queuetest.Ready(t, sub)
	s.Put(t, "held", client.Publishing{Body: []byte("1")}, client.Publishing{Body: []byte("2")})
	first, err := sub.Receive(queuetest.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	s.Cut()
	testx.Await(t, func() error {
		if text, ok := sub.Health(); ok {
			return errors.New(text)
		}
		return nil
	})
	if err := first.Ack(t.Context()); err == nil {
		t.Error("an acknowledgement that nobody hears")
	}
	queuetest.Ready(t, sub)
	for _, want := range []string{"1", "2"} {
		d, err := sub.Receive(queuetest.Within(t, time.Minute))
		if err != nil || string(d.Message().Body) != want || d.Message().Redelivered != 1 {
			t.Fatalf("received %v, %v; want %s", d, err, want)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestSlow: a broker that says nothing costs no more than the time of the request, and what
// it says late is not lost on others.
func TestSlow(t *testing.T) {
	s := amqptest.Start(t)
	p := newEnds(t, s.URL).publisher(t, amqp.Publishing{Topology: exchange("slow"), Mandatory: true})
	queuetest.Ready(t, p)
	s.Hold()
	for range 3 {
		if err := p.Send(queuetest.Within(t, 10*time.Millisecond), new(amqp.Message)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Send: %v", err)
		}
	}
	s.Resume()
	if err := p.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); queuetest.Code(err) != gateway.CodeBackendStatus {
		t.Errorf("that nobody gets: %v", err)
	}
}

// TestRefusedTopology: what the broker does not agree to is on the log and in the health, and
// concerns nobody else.
func TestRefusedTopology(t *testing.T) {
	s := amqptest.Start(t)
	if err := s.Channel(t).ExchangeDeclare("other", "fanout", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	e := newEnds(t, s.URL)
	good := e.publisher(t, amqp.Publishing{Topology: exchange("good")})
	for _, tt := range []struct {
		name, want string
		l          queue.Lasting
	}{
		{"another type", "PRECONDITION_FAILED", e.publisher(t, amqp.Publishing{Topology: exchange("other")})},
		{"no exchange", "NOT_FOUND - no exchange 'nowhere'", e.publisher(t, amqp.Publishing{Topology: exchange("nowhere"), Existing: true})},
		{"bytes ahead", "NOT_IMPLEMENTED", e.subscriber(t, amqp.Subscribing{Topology: durable("bytes"), PrefetchSize: 1024})},
		{"no queue", "NOT_FOUND - no queue 'nowhere'", e.subscriber(t, amqp.Subscribing{Topology: amqp.Topology{Queue: "nowhere"}, Existing: true})},
	} {
		testx.Await(t, func() error {
			if log := e.Log.String(); !strings.Contains(log, tt.want) {
				return fmt.Errorf("%s: log:\n%s", tt.name, log)
			}
			return nil
		})
		if text, ok := tt.l.Health(); ok {
			t.Errorf("%s: %s", tt.name, text)
		}
	}
	queuetest.Ready(t, good)
	if err := good.Send(queuetest.Within(t, time.Minute), new(amqp.Message)); err != nil {
		t.Error(err)
	}
}

// TestDeleted: a queue that is deleted ends the subscription, which declares it again.
func TestDeleted(t *testing.T) {
	s := amqptest.Start(t)
	sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: durable("deleted")})
	queuetest.Ready(t, sub)
	waits := make(chan error)
	go func() { _, err := sub.Receive(context.Background()); waits <- err }()
	if _, err := s.Channel(t).QueueDelete("deleted", false, false, false); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("who waited: %v", err)
	}
	queuetest.Ready(t, sub)
	s.Put(t, "deleted", client.Publishing{})
	if _, err := sub.Receive(queuetest.Within(t, time.Minute)); err != nil {
		t.Error(err)
	}
}

// TestGarbage: a server that is none is away, and a password that does not fit is said.
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
			fmt.Fprint(c, []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "AMQP\x00\x00\x09\x01", "\x01\x00\x00\xff\xff\xff\xff", "\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a\xce"}[i%4])
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	s := amqptest.Start(t)
	for url, want := range map[string]string{
		"amqp://user:secret@" + l.Addr().String():                "peer is away",
		strings.Replace(s.URL, "guest:guest", "guest:secret", 1): "username or password not allowed",
		s.URL + "secret": "secret", // a virtual host is none
	} {
		e := newEnds(t, url)
		p := e.publisher(t, amqp.Publishing{Topology: exchange("garbage")})
		testx.Await(t, func() error {
			if log := e.Log.String(); !strings.Contains(log, want) {
				return fmt.Errorf("%s: log:\n%s", want, log)
			}
			return nil
		})
		if err := p.Send(t.Context(), new(amqp.Message)); queuetest.Code(err) != gateway.CodeBackendAway || want != "secret" && strings.Contains(err.Error()+e.Log.String(), "secret") {
			t.Errorf("%s: %v\n%s", want, err, e.Log.String())
		}
	}
}

// TestKept: what is equal is one.
func TestKept(t *testing.T) {
	e := newEnds(t, "amqp://a")
	for _, exchanges := range [][2]string{{"a", "a"}, {"a", "b"}} {
		one, err := e.broker(t).Publisher(amqp.Publishing{Topology: exchange(exchanges[0])})
		if err != nil {
			t.Fatal(err)
		}
		two, err := e.broker(t).Publisher(amqp.Publishing{Topology: exchange(exchanges[1])})
		if err != nil || (one == two) != (exchanges[0] == exchanges[1]) {
			t.Errorf("%v: one: %t, %v", exchanges, one == two, err)
		}
	}
	open := func(prefetch int) *amqp.Subscriber {
		sub, err := e.broker(t).Subscriber("site", amqp.Subscribing{Topology: durable("q"), Prefetch: prefetch})
		if err != nil {
			t.Fatal(err)
		}
		return sub
	}
	if one := open(0xd800); one != open(0xd800) || one == open(0xdfff) {
		t.Error("subscribers are mistaken for others")
	}
}

// TestAddresses: what is wrong with an address is said without secrets.
func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"amqp://user:secret@a":                          "",
		"amqps://user:secret@a:5671/v?heartbeat=5":      "",
		"amqp://a/%2F":                                  "",
		"user:secret@a":                                 "the scheme of a broker",
		"http://user:secret@a":                          "the scheme of a broker is amqp or amqps",
		"amqp://user:secret@":                           "the name of the broker is missing",
		"amqp://user:sec%ret@a":                         "it is no address",
		"amqp://user:1/secret@a":                        "it holds an @ or a #",
		"amqp://user:1?secret@a":                        "it holds an @ or a #",
		"amqp://user:1#secret@a":                        "it holds an @ or a #",
		"amqp://user:secret@a/v/secret":                 "one name, that of the virtual host",
		"amqp://user:secret@a:99999999999":              "a number among the port",
		"amqp://user:secret@a?heartbeat=secret":         "a number among the port",
		"amqp://user:secret@a?hartbeat=secret":          "a parameter is unknown; did you mean heartbeat?",
		"amqps://user:secret@a?cacertfile=secret":       `the parameter "cacertfile" has no place here`,
		"amqps://user:secret@a?auth_mechanism=secret":   "auth_mechanism is plain",
		"amqps://user:secret@a?heartbeat=1&heartbeat=2": "occurs twice",
	} {
		err := amqp.Check(address)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v; want %s", address, err, want)
		}
	}
	b, err := amqp.NewBroker(&sitetest.New(t).EndpointSite().Site, "amqps://user:secret@a/x%2Fy", nil)
	if err != nil || b.String() != "amqps://a:5671/x%2Fy" {
		t.Errorf("%v, %v", b, err)
	}
}
