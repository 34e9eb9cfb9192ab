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
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ends are those of a gateway, opened one after the other.
type ends struct {
	*sitetest.Gateway
	n int
}

func newEnds(t testing.TB, brokers string) *ends {
	e := &ends{Gateway: sitetest.New(t)}
	e.Env.Getenv = func(name string) string {
		if name == "KAFKA_BROKERS" {
			return brokers
		}
		return ""
	}
	return e
}

// address returns what the options say, as those of a site of its own.
func (e *ends) address(t *testing.T, rest string) *queue.Address {
	t.Helper()
	e.n++
	a, err := queue.NewAddress(&e.EndpointSite().Site, fmt.Sprint("site ", e.n), "url", "kafka://", rest)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// attend starts l; it ends with the test.
func (e *ends) attend(t *testing.T, l queue.Lasting) {
	t.Helper()
	t.Cleanup(l.Start(e.Env.Log.Logger()))
}

func (e *ends) publisher(t *testing.T, rest string) queue.Publisher {
	t.Helper()
	p, err := queue.OpenPublisher(&e.EndpointSite().Site, e.address(t, rest))
	if err != nil {
		t.Fatal(err)
	}
	e.attend(t, p)
	return p
}

func (e *ends) subscriber(t *testing.T, rest string) queue.Subscriber {
	t.Helper()
	s, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, rest))
	if err != nil {
		t.Fatal(err)
	}
	e.attend(t, s)
	if err := s.Wait(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	return s
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// ready waits until messages go through.
func ready(t *testing.T, l queue.Lasting) {
	t.Helper()
	kafkatest.Wait(t, func() error {
		if text, ok := l.Health(); !ok {
			return errors.New(text)
		}
		return nil
	})
}

// away waits until it is known that they do not.
func away(t *testing.T, l queue.Lasting) {
	t.Helper()
	kafkatest.Wait(t, func() error {
		if text, ok := l.Health(); ok {
			return errors.New(text)
		}
		return nil
	})
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return gateway.AsError(err).Code
}

// receive returns the next message, which has to be there.
func receive(t *testing.T, s queue.Subscriber, want string, redelivered int) queue.Delivery {
	t.Helper()
	d, err := s.Receive(within(t, time.Minute))
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
	ready(t, p)
	ready(t, keyed)
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
		if err := tt.by.Publish(within(t, time.Minute), &tt.m); err != nil {
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
	ready(t, p)
	if err := p.Publish(within(t, time.Minute), new(queue.Message)); err != nil {
		t.Fatal(err)
	}
	c.Hold()
	body := []byte("a")
	if err := p.Publish(within(t, 20*time.Millisecond), &queue.Message{Body: body}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	body[0] = 'b'
	c.Resume()
	kafkatest.Wait(t, func() error {
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
	if _, err := c.WaitGroupStable(within(t, time.Minute), "shipping", 2); err != nil {
		t.Fatal(err)
	}
	p := newEnds(t, c.Address)
	orders, invoices := p.publisher(t, "orders"), p.publisher(t, "invoices")
	ready(t, orders)
	const n = 200
	for i := range n {
		by := orders
		if i%2 == 0 {
			by = invoices
		}
		if err := by.Publish(within(t, time.Minute), &queue.Message{Body: fmt.Append(nil, i), Key: fmt.Sprint(i), Attributes: gateway.Fields{{Name: "N", Value: fmt.Sprint(i)}}}); err != nil {
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
	if err := a.Ack(within(t, time.Minute)); err != nil || committed(c, "g") != 2 {
		t.Errorf("behind a: %v, committed %d", err, committed(c, "g"))
	}
	if err := a.Ack(t.Context()); err == nil {
		t.Error("a delivery ends twice")
	}
	if err := cc.Nack(within(t, time.Minute), false); err != nil || committed(c, "g") != 3 {
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
	if err := d.Ack(within(t, time.Minute)); err != nil || committed(c, "g") != 4 {
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
		d, err := s.Receive(within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Ack(within(t, time.Minute)); err != nil {
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
	if err := first.Ack(within(t, time.Minute)); err != nil {
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
	kafkatest.Wait(t, func() error {
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
	if err := receive(t, s, "c", 0).Ack(within(t, time.Minute)); err != nil {
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
		d, err := s.Receive(within(t, time.Minute))
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
	if _, err := c.WaitGroupStable(within(t, time.Minute), "g", 4); err != nil {
		t.Fatal(err)
	}
	for _, d := range held { // of which some have gone
		if err := d.Nack(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
	kafkatest.Wait(t, func() error {
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

// TestAway: a cluster that is down at the start or goes away is told of at once, by
// publishers and by those who wait, and found again; a connection that is cut is not.
func TestAway(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	c.Stop()
	e := newEnds(t, c.Address)
	p := e.publisher(t, "orders")
	if err := p.Publish(t.Context(), new(queue.Message)); code(err) != gateway.CodeBackendAway {
		t.Errorf("down at the start: %v", err)
	}
	c.Restart()
	ready(t, p)
	sub := e.subscriber(t, "g?topic=orders&offset=oldest")
	waits := make(chan error)
	wait := func() {
		for {
			d, err := sub.Receive(context.Background())
			if err != nil {
				waits <- err
				return
			}
			d.Ack(context.Background())
		}
	}
	go wait()
	for range 2 {
		c.Stop()
		if err := <-waits; code(err) != gateway.CodeBackendAway {
			t.Errorf("who waited: %v", err)
		}
		kafkatest.Wait(t, func() error {
			if err := p.Publish(t.Context(), new(queue.Message)); code(err) != gateway.CodeBackendAway {
				return fmt.Errorf("while it is away: %w", err)
			}
			return nil
		})
		c.Restart()
		ready(t, p)
		ready(t, sub)
		if err := p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("back")}); err != nil {
			t.Error(err)
		}
		go wait()
	}
	if log := e.Log.String(); strings.Count(log, "peer is away") < 3 || !strings.Contains(log, "peer is back") {
		t.Errorf("log:\n%s", log)
	}
	for range 5 {
		c.Cut()
		if err := p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("cut")}); err != nil {
			t.Errorf("cut: %v", err)
		}
	}
	c.Stop()
	<-waits
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
	ready(t, p)
	if err := p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
		t.Error(err)
	}
	receive(t, e.subscriber(t, "g?topic=orders&offset=oldest"), "a", 0)
}

// TestSlow: a cluster that says nothing costs no more than the time of the request, and what
// is in the middle when it goes is not known to be there.
func TestSlow(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	p := newEnds(t, c.Address).publisher(t, "orders")
	ready(t, p)
	if err := p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
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
	if err := p.Publish(within(t, 10*time.Millisecond), &queue.Message{Body: []byte("b")}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Publish: %v", err)
	}
	told := make(chan error)
	go func() { told <- p.Publish(context.Background(), &queue.Message{Body: []byte("c")}) }()
	<-came
	c.Stop()
	if err := <-told; code(err) != gateway.CodeBackendAborted {
		t.Errorf("in the middle: %v", err)
	}
	free()
	away(t, p)
	c.Restart()
	ready(t, p)
	if err := p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("d")}); err != nil {
		t.Error(err)
	}
}

// TestRefused: what the cluster does not take is no success.
func TestRefused(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders", "closed"})
	e := newEnds(t, c.Address)
	p, closed, nowhere := e.publisher(t, "orders"), e.publisher(t, "closed"), e.publisher(t, "nowhere")
	ready(t, p)
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "closed", Err: kerr.TopicAuthorizationFailed, Count: -1})
	if err := closed.Publish(within(t, time.Minute), new(queue.Message)); code(err) != gateway.CodeBackendStatus {
		t.Errorf("closed: %v", err)
	}
	if err := nowhere.Publish(within(t, time.Minute), new(queue.Message)); code(err) != gateway.CodeBackendStatus {
		t.Errorf("nowhere: %v", err)
	}
	if e := gateway.AsError(p.Publish(within(t, time.Minute), &queue.Message{Body: bytes.Repeat([]byte("x"), 2<<20)})); e.Status != 413 {
		t.Errorf("too large: %v", e)
	}
	if err := p.Publish(within(t, time.Minute), new(queue.Message)); err != nil {
		t.Error(err)
	}
	sub, err := queue.OpenSubscriber(&e.EndpointSite().Site, e.address(t, "g?topic=nowhere"))
	if err != nil {
		t.Fatal(err)
	}
	e.attend(t, sub)
	kafkatest.Wait(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "nowhere") {
			return errors.New(log)
		}
		return nil
	})
	if _, err := sub.Receive(t.Context()); code(err) != gateway.CodeBackendAway {
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
		{33 << 20, kgo.ZstdCompression(), `topic \"one\", partition 0, cannot be read`},
		{17 << 20, kgo.NoCompression(), "an answer of the cluster cannot be read"},
	} {
		c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"), kfake.BrokerConfigs(map[string]string{"message.max.bytes": "99999999"}))
		cl := c.Client(t, kgo.ProducerBatchMaxBytes(90<<20), kgo.BrokerMaxWriteBytes(100<<20), kgo.ProducerBatchCompression(tt.codec))
		kafkatest.Put(t, cl, "one", "a", string(make([]byte, tt.size)))
		e := newEnds(t, c.Address)
		s := e.subscriber(t, "g?topic=one&offset=oldest")
		kafkatest.Wait(t, func() error {
			if log := e.Log.String(); !strings.Contains(log, "peer is away") || !strings.Contains(log, tt.want) {
				return fmt.Errorf("log:\n%s", log)
			}
			return nil
		})
		away(t, s)
	}
}

// TestAnew: a topic that is deleted and made again is published to, and read.
func TestAnew(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	e := newEnds(t, c.Address)
	p, s := e.publisher(t, "one"), e.subscriber(t, "g?topic=one&offset=oldest")
	ready(t, p)
	if err := p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	if err := receive(t, s, "a", 0).Ack(within(t, time.Minute)); err != nil {
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
	kafkatest.Wait(t, func() error {
		return p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("b")})
	})
	kafkatest.Wait(t, func() error {
		p.Publish(within(t, time.Minute), &queue.Message{Body: []byte("b")})
		d, err := s.Receive(within(t, 100*time.Millisecond))
		if err != nil {
			return err
		}
		return d.Ack(within(t, time.Minute))
	})
}

// TestFull: what waits for the cluster is bounded.
func TestFull(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	p := newEnds(t, c.Address).publisher(t, "orders")
	ready(t, p)
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
	if err := <-full; code(err) != gateway.CodeBackendAway || !strings.Contains(err.Error(), "slower than messages come") {
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
	kafkatest.Wait(t, func() error {
		if log := e.Log.String(); !strings.Contains(log, "peer is away") {
			return errors.New(log)
		}
		return nil
	})
	if err := p.Publish(t.Context(), new(queue.Message)); code(err) != gateway.CodeBackendAway {
		t.Errorf("Publish: %v", err)
	}
}

// TestMany: of 10,000 messages, which several publish while the cluster goes and comes, each
// that was published without an error is in the topic, once, everybody else is told what has
// happened, and a subscriber gets all that is there.
func TestMany(t *testing.T) {
	const n, workers = 10_000, 20
	c := kafkatest.Start(t, []string{"orders"})
	e := newEnds(t, c.Address)
	p := e.publisher(t, "orders")
	sub := e.subscriber(t, "g?topic=orders&offset=oldest")
	ready(t, p)
	got := make(map[string]bool)
	redelivered := 0
	var mu sync.Mutex
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var readers sync.WaitGroup
	for range 5 {
		readers.Go(func() {
			for ctx.Err() == nil {
				d, err := sub.Receive(ctx)
				if err != nil {
					sub.Wait(ctx)
					continue
				}
				d.Ack(context.Background()) // an error says that it may come again
				mu.Lock()
				got[string(d.Message().Body)] = true
				if d.Message().Redelivered > 0 {
					redelivered++
				}
				mu.Unlock()
			}
		})
	}
	taken, told := make(map[string]bool), make(map[string]int)
	next := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range next {
				body := fmt.Sprint(i)
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				err := p.Publish(ctx, &queue.Message{Body: []byte(body)})
				mu.Lock()
				if err == nil {
					taken[body] = true
				} else {
					told[code(err)]++
				}
				mu.Unlock()
				for there := code(err) != gateway.CodeBackendAway; !there && ctx.Err() == nil; _, there = p.Health() {
					<-time.After(5 * time.Millisecond)
				}
				cancel()
			}
		})
	}
	for i := range n {
		next <- i
		switch i % 2000 {
		case 500:
			c.Cut()
		case 1000:
			c.Stop()
			away(t, p)
			c.Restart()
		}
	}
	close(next)
	wg.Wait()
	in := make(map[string]int)
	for _, r := range c.Records(t, "orders") {
		in[string(r.Value)]++
	}
	wrong := 0
	for body := range taken {
		if in[body] != 1 {
			wrong++
		}
	}
	away, aborted := told[gateway.CodeBackendAway], told[gateway.CodeBackendAborted]
	if wrong > 0 || aborted == 0 || len(taken)+away+aborted != n || len(taken) < n/2 {
		t.Errorf("%d were taken, of which %d are not in the topic once; the others were told %v", len(taken), wrong, told)
	}
	kafkatest.Wait(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		for body := range in {
			if !got[body] {
				return fmt.Errorf("received %d of %d, not %s", len(got), len(in), body)
			}
		}
		return nil
	})
	stop()
	readers.Wait()
	t.Logf("%d taken, others were told %v, %d records, %d delivered again", len(taken), told, len(in), redelivered)
}

// TestReload: a reload keeps the clients and what has come; the end commits what has ended,
// and leaves the group.
func TestReload(t *testing.T) {
	c := kafkatest.Start(t, []string{"orders"})
	e := newEnds(t, c.Address)
	open := func() (queue.Publisher, queue.Subscriber) {
		site := &e.EndpointSite().Site
		p, err := queue.OpenPublisher(site, e.address(t, "orders"))
		if err != nil {
			t.Fatal(err)
		}
		sub, err := queue.OpenSubscriber(site, e.address(t, "g?topic=orders&offset=oldest"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(queue.Attend(site, "p", false, p), queue.Attend(site, "s", false, sub)); err != nil {
			t.Fatal(err)
		}
		e.Start(t)
		return p, sub
	}
	p, sub := open()
	ready(t, p)
	ready(t, sub)
	publish := func(p queue.Publisher, text string) {
		if err := p.Publish(within(t, time.Minute), &queue.Message{Body: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	publish(p, "before")
	d := receive(t, sub, "before", 0)
	waits := make(chan string)
	go func() {
		d, err := sub.Receive(context.Background())
		if err != nil {
			waits <- err.Error()
			return
		}
		d.Ack(context.Background())
		waits <- string(d.Message().Body)
	}()
	before := e.Env
	e.Reload(t)
	p2, sub2 := open()
	if err := errors.Join(before.Close(t.Context()), before.Release()); err != nil {
		t.Fatal(err)
	}
	if sub2 != sub {
		t.Error("the reload has made another subscriber")
	}
	publish(p2, "behind")
	if got := <-waits; got != "behind" {
		t.Error(got)
	}
	if err := d.Ack(within(t, time.Minute)); err != nil {
		t.Error(err)
	}
	if err := errors.Join(e.Env.Close(t.Context()), e.Env.Release()); err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(t.Context(), new(queue.Message)); code(err) != gateway.CodeBackendAway {
		t.Errorf("behind the end: %v", err)
	}
	if g := c.GroupInfo("g"); committed(c, "g") != 2 || len(g.Members) != 0 {
		t.Errorf("behind the end: committed %d, members %v", committed(c, "g"), g.Members)
	}
	kafkatest.Wait(t, func() error {
		if n := c.Connections(); n != 0 {
			return fmt.Errorf("%d connections behind the end", n)
		}
		return nil
	})
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
