package kafka_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	_ "github.com/sluice-gateway/sluice/internal/kit/queue/drivers"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends are those of a gateway.
type ends struct{ *queuetest.Ends }

func newEnds(t testing.TB, brokers string) *ends {
	return &ends{queuetest.NewEnds(t, map[string]string{"KAFKA_BROKERS": brokers})}
}

func (e *ends) address(t *testing.T, rest string) *queue.Address {
	t.Helper()
	return e.Address(t, "kafka://", rest)
}

func (e *ends) publisher(t *testing.T, rest string) queue.Publisher {
	t.Helper()
	return e.Publisher(t, e.address(t, rest))
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
		c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "orders"))
		return &queuetest.Stand{Network: c.Proxy, Ends: newEnds(t, c.Address).Ends, Host: "kafka://", Topic: "orders", Queue: "g?topic=orders&offset=oldest", Name: "kafka://" + c.Address}
	})
}

// receive returns the next message, which has to be there.
func receive(t *testing.T, s queue.Subscriber, want string, redelivered int) queue.Delivery {
	t.Helper()
	d, err := s.Receive(queuetest.Within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if m := d.Message(); string(m.Body) != want || m.Redelivered != redelivered {
		t.Fatalf("received %q, redelivered %d; want %q, %d", m.Body, m.Redelivered, want, redelivered)
	}
	return d
}

// committed returns the sum of the offsets that the group has committed.
func committed(c *kafkatest.Cluster, group string) (n int64) {
	if g := c.GroupInfo(group); g != nil {
		for _, partitions := range g.Commits {
			for _, p := range partitions {
				n += p.Offset
			}
		}
	}
	return n
}

// TestPublish: the record has the exact body, attributes as headers, plain, and the key.
func TestPublish(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	e := newEnds(t, c.Address)
	p, keyed := e.publisher(t, "orders"), e.publisher(t, "orders?key_name=x-customer")
	queuetest.Ready(t, p)
	queuetest.Ready(t, keyed)
	attributes := gateway.Fields{{Name: "X-Path", Value: "a b/c%2F"}, {Name: "X-Customer", Value: "c1"}}
	tests := []struct {
		by      queue.Publisher
		m       queue.Message
		key     string
		headers int
	}{
		{p, queue.Message{Body: []byte("{\"id\":1}\x00\xff"), Attributes: attributes}, "", 2},
		{p, queue.Message{Body: []byte("b"), Key: "k"}, "k", 0},
		{p, queue.Message{}, "", 0},
		{keyed, queue.Message{Body: []byte("d"), Attributes: attributes, Key: "k"}, "c1", 1},
	}
	want := make(map[string]int)
	for i, tt := range tests {
		if err := tt.by.Publish(queuetest.Within(t, time.Minute), &tt.m); err != nil {
			t.Fatal(err)
		}
		want[string(tt.m.Body)] = i
	}
	records := c.Records(t, "orders")
	if len(records) != len(tests) {
		t.Fatalf("%d records, want %d", len(records), len(tests))
	}
	for _, r := range records {
		i, found := want[string(r.Value)]
		if !found {
			t.Errorf("a record %q", r.Value)
			continue
		}
		tt := tests[i]
		if string(r.Key) != tt.key || len(r.Headers) != tt.headers || tt.headers > 0 && (r.Headers[0].Key != "X-Path" || string(r.Headers[0].Value) != "a b/c%2F") {
			t.Errorf("record %d: key %q, headers %q", i, r.Key, r.Headers)
		}
	}
}

// TestCopied: who has published may use his memory again, whatever has become of the record.
func TestCopied(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	p := newEnds(t, c.Address).publisher(t, "orders")
	queuetest.Ready(t, p)
	if err := p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); err != nil {
		t.Fatal(err)
	}
	c.Hold()
	body := []byte("a")
	if err := p.Publish(queuetest.Within(t, 20*time.Millisecond), &queue.Message{Body: body}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	body[0] = 'b'
	c.Resume()
	testx.Await(t, func() error {
		if n := len(c.Records(t, "orders")); n < 2 {
			return fmt.Errorf("%d records", n)
		}
		return nil
	})
	for _, r := range c.Records(t, "orders") {
		if len(r.Value) > 0 && string(r.Value) != "a" {
			t.Errorf("record %q", r.Value)
		}
	}
}

// TestReceive: members of a group share the records of a topic, each gets its own.
func TestReceive(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders", "invoices"})
	one := newEnds(t, c.Address).subscriber(t, "shipping?topic=orders&topic=invoices&offset=oldest")
	two := newEnds(t, c.Address).subscriber(t, "shipping?topic=orders&topic=invoices&offset=oldest")
	other := newEnds(t, c.Address).subscriber(t, "billing?topic=orders&topic=invoices&offset=oldest")
	if _, err := c.WaitGroupStable(queuetest.Within(t, time.Minute), "shipping", 2); err != nil {
		t.Fatal(err)
	}
	p := newEnds(t, c.Address)
	orders, invoices := p.publisher(t, "orders"), p.publisher(t, "invoices")
	queuetest.Ready(t, orders)
	const n = 200
	for i := range n {
		by := orders
		if i%2 == 0 {
			by = invoices
		}
		if err := by.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: fmt.Append(nil, i), Key: fmt.Sprint(i), Attributes: gateway.Fields{{Name: "N", Value: fmt.Sprint(i)}}}); err != nil {
			t.Fatal(err)
		}
	}
	got := make(chan string)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	for i, s := range []queue.Subscriber{one, two, one, two, other} {
		wg.Go(func() {
			for {
				d, err := s.Receive(ctx)
				if err != nil {
					return
				}
				m := d.Message()
				if m.Attributes.Get("N") != string(m.Body) || m.Key != string(m.Body) {
					t.Errorf("received %q, key %q, %v", m.Body, m.Key, m.Attributes)
				}
				if err := d.Ack(context.Background()); err != nil {
					t.Error(err)
				}
				got <- fmt.Sprint(i == 4, string(m.Body))
			}
		})
	}
	seen := make(map[string]int)
	for range 2 * n {
		seen[<-got]++
	}
	stop()
	wg.Wait()
	if len(seen) != 2*n {
		t.Errorf("%d messages at two groups, want each once of %d", len(seen), 2*n)
	}
	if a, b := committed(c, "shipping"), committed(c, "billing"); a != n || b != n {
		t.Errorf("committed %d and %d, want %d", a, b, n)
	}
}

// TestEnds: what is committed is what has ended and has none in front that has not; what is
// given back comes again, and is counted.
func TestEnds(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	kafkatest.Put(t, c.Client(t), "one", "a", "b", "c", "d")
	s := newEnds(t, c.Address).subscriber(t, "g?topic=one&offset=oldest")
	a, b := receive(t, s, "a", 0), receive(t, s, "b", 0)
	if err := b.Ack(t.Context()); err != nil || committed(c, "g") != 0 {
		t.Errorf("behind b: %v, committed %d", err, committed(c, "g"))
	}
	if err := errors.Join(a.Nack(t.Context(), true)); err != nil {
		t.Error(err)
	}
	a = receive(t, s, "a", 1)
	cc := receive(t, s, "c", 0)
	if err := a.Nack(t.Context(), true); err != nil {
		t.Error(err)
	}
	a = receive(t, s, "a", 2)
	if err := a.Ack(queuetest.Within(t, time.Minute)); err != nil || committed(c, "g") != 2 {
		t.Errorf("behind a: %v, committed %d", err, committed(c, "g"))
	}
	if err := a.Ack(t.Context()); err == nil {
		t.Error("a delivery ends twice")
	}
	if err := cc.Nack(queuetest.Within(t, time.Minute), false); err != nil || committed(c, "g") != 3 {
		t.Errorf("behind c: %v, committed %d", err, committed(c, "g"))
	}
	d := receive(t, s, "d", 0)
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if d, err := s.Receive(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("who left got %v, %v", d, err)
			}
		})
	}
	leave()
	wg.Wait()
	if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil || committed(c, "g") != 4 {
		t.Errorf("behind d: %v, committed %d", err, committed(c, "g"))
	}
}

// TestPaused: behind a record that nobody ends its partition is read no further than it says,
// others are, and it goes on when the record has ended.
func TestPaused(t *testing.T) {
	const n, most = 4000, 1100
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "many", "few"))
	cl := c.Client(t)
	records := make([]*kgo.Record, n)
	for i := range records {
		records[i] = &kgo.Record{Topic: "many", Value: fmt.Append(nil, i)}
	}
	if err := cl.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	s := newEnds(t, c.Address).subscriber(t, "g?topic=many&topic=few&offset=oldest")
	first := receive(t, s, "0", 0)
	got := 1
	next := func() (few bool) {
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ack(queuetest.Within(t, time.Minute)); err != nil {
			t.Fatal(err)
		}
		if string(d.Message().Body) == "few" {
			return true
		}
		got++
		return false
	}
	for got < 1000 {
		next()
	}
	const rounds = 50
	for range rounds {
		kafkatest.Put(t, cl, "few", "few")
		for !next() {
		}
	}
	if got > most {
		t.Errorf("%d records came behind one that has not ended, want %d at most", got, most)
	}
	if err := first.Ack(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	for got < n {
		next()
	}
	if sum := committed(c, "g"); sum != n+rounds {
		t.Errorf("committed %d, want %d", sum, n+rounds)
	}
}

// TestNewest: a group that begins with what comes has its place from its first assignment on,
// whether a message has come or not: what comes while the gateway is away is read when it is
// back.
func TestNewest(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	cl := c.Client(t)
	kafkatest.Put(t, cl, "one", "a", "b")
	e := newEnds(t, c.Address)
	s, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, "g?topic=one"))
	if err != nil {
		t.Fatal(err)
	}
	leave := s.Start(e.Env.Log.Logger())
	testx.Await(t, func() error {
		if n := committed(c, "g"); n != 2 {
			return fmt.Errorf("committed %d", n)
		}
		return nil
	})
	leave()
	if err := e.Env.Release(); err != nil {
		t.Fatal(err)
	}
	kafkatest.Put(t, cl, "one", "c")
	s = newEnds(t, c.Address).subscriber(t, "g?topic=one")
	if err := receive(t, s, "c", 0).Ack(queuetest.Within(t, time.Minute)); err != nil {
		t.Error(err)
	}
}

// TestRebalance: what a member has not ended when its partitions go, the next one gets; what
// it has ended is committed.
func TestRebalance(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(4, "four"))
	cl := c.Client(t)
	const n = 400
	for i := range n {
		kafkatest.Put(t, cl, "four", fmt.Sprint(i))
	}
	var mu sync.Mutex
	seen := make(map[string]bool)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var wg sync.WaitGroup
	work := func(s queue.Subscriber) {
		for {
			d, err := s.Receive(ctx)
			if err != nil {
				if ctx.Err() != nil {
					return
				}
				continue
			}
			if d.Ack(context.Background()) == nil {
				mu.Lock()
				seen[string(d.Message().Body)] = true
				mu.Unlock()
			}
		}
	}
	one := newEnds(t, c.Address)
	s := one.subscriber(t, "g?topic=four&offset=oldest")
	var held []queue.Delivery
	for range 5 {
		d, err := s.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, d)
	}
	for range 3 {
		next := newEnds(t, c.Address).subscriber(t, "g?topic=four&offset=oldest")
		wg.Go(func() { work(next) })
	}
	wg.Go(func() { work(s) })
	if _, err := c.WaitGroupStable(queuetest.Within(t, time.Minute), "g", 4); err != nil {
		t.Fatal(err)
	}
	for _, d := range held { // of which some have gone
		if err := d.Nack(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
	testx.Await(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if got := committed(c, "g"); len(seen) != n || got != n {
			return fmt.Errorf("%d records of %d, committed %d", len(seen), n, got)
		}
		return nil
	})
	stop()
	wg.Wait()
}

// TestCut: a connection that is cut fails nothing.
func TestCut(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	p := newEnds(t, c.Address).publisher(t, "orders")
	queuetest.Ready(t, p)
	for range 5 {
		c.Cut()
		if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("cut")}); err != nil {
			t.Error(err)
		}
	}
}

// TestOnce: a record whose connection is cut in front of the word of the broker is sent again,
// and in the topic once.
func TestOnce(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	p := newEnds(t, c.Address).publisher(t, "one")
	queuetest.Ready(t, p)
	for n := range 3 {
		if n > 0 { // behind the first, by which the client finds its way
			c.Hold()
		}
		told := make(chan error)
		go func() { told <- p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}) }()
		testx.Await(t, func() error {
			if there := c.PartitionInfo("one", 0).HighWatermark; there != int64(n)+1 {
				return fmt.Errorf("%d records", there)
			}
			return nil
		})
		if n > 0 {
			c.Cut()
			c.Resume()
		}
		if err := <-told; err != nil {
			t.Error(err)
		}
		if there := len(c.Records(t, "one")); there != n+1 {
			t.Errorf("%d records, want %d", there, n+1)
		}
	}
}

// TestUnreached: why there is no connection is said once.
func TestUnreached(t *testing.T) {
	address := testx.UnusedAddress(t)
	e := newEnds(t, address)
	e.publisher(t, "orders")
	want := `cause="dial tcp ` + address
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, want) {
			return fmt.Errorf("want %s in the log:\n%s", want, log)
		}
		return nil
	})
}

// TestSilent: a broker that says nothing does not hide another that does.
func TestSilent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // whose connections nobody takes
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := kafkatest.Start(t, []string{"orders"})
	e := newEnds(t, l.Addr().String()+","+c.Address)
	p := e.publisher(t, "orders")
	queuetest.Ready(t, p)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
		t.Error(err)
	}
	receive(t, e.subscriber(t, "g?topic=orders&offset=oldest"), "a", 0)
}

// TestSlow: a cluster that says nothing costs no more than the time of the request, and what
// is in the middle when it goes is not known to be there.
func TestSlow(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	p := newEnds(t, c.Address).publisher(t, "orders")
	queuetest.Ready(t, p)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
		t.Error(err)
	}
	release := make(chan struct{})
	var once sync.Once
	free := func() { once.Do(func() { close(release) }) }
	defer free()
	came := make(chan struct{}, 100)
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		came <- struct{}{}
		c.SleepControl(func() { <-release })
		return nil, nil, false
	})
	if err := p.Publish(queuetest.Within(t, 10*time.Millisecond), &queue.Message{Body: []byte("b")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Publish: %v", err)
	}
	told := make(chan error)
	go func() { told <- p.Publish(context.Background(), &queue.Message{Body: []byte("c")}) }()
	<-came
	c.Stop()
	if err := <-told; queuetest.Code(err) != gateway.CodeBackendAborted {
		t.Errorf("in the middle: %v", err)
	}
	free()
	queuetest.Away(t, p)
	c.Restart()
	queuetest.Ready(t, p)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("d")}); err != nil {
		t.Error(err)
	}
}

// TestRefused: what the cluster does not take is no success.
func TestRefused(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders", "closed"})
	e := newEnds(t, c.Address)
	p, closed, nowhere := e.publisher(t, "orders"), e.publisher(t, "closed"), e.publisher(t, "nowhere")
	queuetest.Ready(t, p)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "closed", Err: kerr.TopicAuthorizationFailed, Count: -1})
	if err := closed.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendStatus {
		t.Errorf("closed: %v", err)
	}
	if err := nowhere.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendStatus {
		t.Errorf("nowhere: %v", err)
	}
	if e := gateway.AsError(p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: bytes.Repeat([]byte("x"), 2<<20)})); e.Status != 413 {
		t.Errorf("too large: %v", e)
	}
	if err := p.Publish(queuetest.Within(t, time.Minute), new(queue.Message)); err != nil {
		t.Error(err)
	}
	sub, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, "g?topic=nowhere"))
	if err != nil {
		t.Fatal(err)
	}
	e.Attend(t, sub)
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "nowhere") {
			return errors.New(log)
		}
		return nil
	})
	if _, err := sub.Receive(t.Context()); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("Receive: %v", err)
	}
}

// TestUnreadable: a batch that is larger than the gateway takes is told of, and stops nothing
// in silence.
func TestUnreadable(t *testing.T) {
	for _, tt := range []struct {
		size  int
		codec kgo.CompressionCodec
		want  string
	}{
		{129 << 20, kgo.ZstdCompression(), `topic \"one\", partition 0, cannot be read`},
		{17 << 20, kgo.NoCompression(), "an answer of the cluster cannot be read"},
	} {
		c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "99999999"}))
		cl := c.Client(t, kgo.ProducerBatchMaxBytes(190<<20), kgo.BrokerMaxWriteBytes(200<<20), kgo.ProducerBatchCompression(tt.codec))
		kafkatest.Put(t, cl, "one", "a", string(make([]byte, tt.size)))
		e := newEnds(t, c.Address)
		s := e.subscriber(t, "g?topic=one&offset=oldest")
		testx.Await(t, func() error {
			if log := e.Log.String(); !strings.Contains(log, "peer is away") || !strings.Contains(log, tt.want) {
				return fmt.Errorf("log:\n%s", log)
			}
			return nil
		})
		queuetest.Away(t, s)
	}
}

// TestAnew: a topic that is deleted and made again is published to, and read.
func TestAnew(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	e := newEnds(t, c.Address)
	p, s := e.publisher(t, "one"), e.subscriber(t, "g?topic=one&offset=oldest")
	queuetest.Ready(t, p)
	if err := p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, s, "a", 0).Ack(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	cl := c.Client(t)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	old := kmsg.NewDeleteTopicsRequestTopic()
	old.Topic = kmsg.StringPtr("one")
	gone.TopicNames, gone.Topics = []string{"one"}, []kmsg.DeleteTopicsRequestTopic{old}
	if told, err := gone.RequestWith(t.Context(), cl); err != nil || told.Topics[0].ErrorCode != 0 {
		t.Fatal(told, err)
	}
	anew := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "one", 1, 1
	anew.Topics = append(anew.Topics, topic)
	if told, err := anew.RequestWith(t.Context(), cl); err != nil || told.Topics[0].ErrorCode != 0 {
		t.Fatal(told, err)
	}
	testx.Await(t, func() error {
		return p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("b")})
	})
	testx.Await(t, func() error {
		p.Publish(queuetest.Within(t, time.Minute), &queue.Message{Body: []byte("b")})
		d, err := s.Receive(queuetest.Within(t, 100*time.Millisecond))
		if err != nil {
			return err
		}
		return d.Ack(queuetest.Within(t, time.Minute))
	})
}

// TestFull: what waits for the cluster is bounded.
func TestFull(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	p := newEnds(t, c.Address).publisher(t, "orders")
	queuetest.Ready(t, p)
	c.Hold()
	defer c.Resume()
	ctx, leave := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer leave()
	body := make([]byte, 900<<10)
	full := make(chan error, 200)
	for range 100 {
		wg.Go(func() { full <- p.Publish(ctx, &queue.Message{Body: body}) })
	}
	if err := <-full; queuetest.Code(err) != gateway.CodeBackendAway || !strings.Contains(err.Error(), "slower than messages come") {
		t.Errorf("Publish: %v", err)
	}
}

// TestGarbage: a broker that is none is away.
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
			fmt.Fprint(c, []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\x00\x00\x04\x00\x00\x00\x01", "\x00\x00\x00\x0a\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff", "\x7f\xff\xff\xff"}[i%4])
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	e := newEnds(t, l.Addr().String())
	p := e.publisher(t, "orders")
	testx.Await(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "peer is away") {
			return errors.New(log)
		}
		return nil
	})
	if err := p.Publish(t.Context(), new(queue.Message)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("Publish: %v", err)
	}
}

// TestCoordinator: a commit goes through when another broker has become the coordinator of the
// group.
func TestCoordinator(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	kafkatest.Put(t, c.Client(t), "one", "a")
	s := newEnds(t, c.Address).subscriber(t, "g?topic=one&offset=oldest")
	a := receive(t, s, "a", 0)
	refused := make(chan bool, 1)
	c.ControlKey(int16(kmsg.OffsetCommit), func(q kmsg.Request) (kmsg.Response, error, bool) { // once
		refused <- true
		answer := q.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, asked := range q.(*kmsg.OffsetCommitRequest).Topics {
			topic := kmsg.NewOffsetCommitResponseTopic()
			topic.Topic, topic.TopicID = asked.Topic, asked.TopicID
			for _, p := range asked.Partitions {
				told := kmsg.NewOffsetCommitResponseTopicPartition()
				told.Partition, told.ErrorCode = p.Partition, kerr.NotCoordinator.Code
				topic.Partitions = append(topic.Partitions, told)
			}
			answer.Topics = append(answer.Topics, topic)
		}
		return answer, nil, true
	})
	if err := a.Ack(queuetest.Within(t, time.Minute)); err != nil || committed(c, "g") != 1 || len(refused) != 1 {
		t.Errorf("%v, committed %d, refused %d times", err, committed(c, "g"), len(refused))
	}
}

// TestEnd: the end of a gateway commits what has ended, and leaves the group.
func TestEnd(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	kafkatest.Put(t, c.Client(t), "one", "a", "b")
	e := newEnds(t, c.Address)
	s, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, "g?topic=one&offset=oldest"))
	if err != nil {
		t.Fatal(err)
	}
	leave := s.Start(e.Env.Log.Logger())
	if err := s.Wait(queuetest.Within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	a := receive(t, s, "a", 0)
	receive(t, s, "b", 0)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	a.Ack(gone) // who does not wait for the commit
	leave()
	if err := e.Env.Release(); err != nil {
		t.Fatal(err)
	}
	if g := c.GroupInfo("g"); committed(c, "g") != 1 || len(g.Members) != 0 {
		t.Errorf("committed %d, members %v", committed(c, "g"), g.Members)
	}
}

// TestMistakes: what is wrong with an address or the environment is said.
func TestMistakes(t *testing.T) {
	tests := []struct{ brokers, rest, want string }{
		{"a:9092", "orders created", "ASCII letters"},
		{"a:9092", "..", "and .. are none"},
		{"a:9092", "orders?key=x", `unknown parameter "key"`},
		{"a:9092", "orders?key_name", "key_name is the name of a header"},
		{"", "orders", "set the variable KAFKA_BROKERS, such as a.queue.internal:9092,b.queue.internal:9092"},
		{"kafka://a:9092", "orders", "the variable KAFKA_BROKERS: a broker is a name and a port"},
		{"u:secret@a:9092", "orders", "the variable KAFKA_BROKERS: a broker is a name and a port"},
		{"a:0", "orders", "the variable KAFKA_BROKERS: a broker is a name and a port"},
		{"a:9092,,b:9092", "orders", "the variable KAFKA_BROKERS: a broker is a name and a port"},
		{"tls://a:9092,b:9092", "orders", "of each broker or of none"},
		{"a, b:9093, [::1]:9092", "orders", ""},
		{"tls://a:9092", "orders", ""},
	}
	for _, tt := range tests {
		e := newEnds(t, tt.brokers)
		_, err := queue.OpenPublisher(&e.EndpointSite().Site, e.address(t, tt.rest))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s, %s: %v; want %s", tt.brokers, tt.rest, err, tt.want)
		}
	}
	for rest, want := range map[string]string{
		"g?topic=a&topic=b":       "",
		"g?topic=a&offset=newest": "",
		"g":                       "no topic is named",
		"g?topic=a&topic=a":       "occurs twice",
		"g?topic=a&offset=latest": "the offset is oldest or newest",
		"g?topic=a&offset":        "the offset is oldest or newest",
		"g?topic=a&topic=b%20c":   "ASCII letters",
		"g?topic=a&ofset=newest":  `did you mean "offset"?`,
	} {
		e := newEnds(t, "a:9092")
		_, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, rest))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %s", rest, err, want)
		}
	}
	if _, err := queue.ReadHost(queue.Publishing)("kafka://queue.internal:9092"); err == nil || !strings.Contains(err.Error(), "KAFKA_BROKERS") {
		t.Errorf("an address as host: %v", err)
	}
}
