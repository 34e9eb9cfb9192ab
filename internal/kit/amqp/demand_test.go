package amqp_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	client "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/amqp"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// limited declares a queue that drops what has come back twice.
func limited(t *testing.T, s *amqptest.Server, name string) amqp.Subscribing {
	t.Helper()
	_, err := s.Channel(t).QueueDeclare(name, true, false, false, false, client.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	return amqp.Subscribing{Topology: amqp.Topology{Queue: name}, Existing: true}
}

// numbered returns n messages, each with its number.
func numbered(n int) []client.Publishing {
	ms := make([]client.Publishing, n)
	for i := range ms {
		ms[i].Body = fmt.Append(nil, i)
	}
	return ms
}

// rests waits until the queue has n messages that nobody has got, and no consumer.
func rests(t *testing.T, ch *client.Channel, queue string, n int) {
	t.Helper()
	testx.Await(t, func() error {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err == nil && (q.Messages != n || q.Consumers != 0) {
			err = fmt.Errorf("%d messages, %d consumers; want %d and none", q.Messages, q.Consumers, n)
		}
		return err
	})
}

// TestNobodyAsks: what nobody asks for is not touched, however often the gateway starts and
// stops, and however many have waited in vain before.
func TestNobodyAsks(t *testing.T) {
	s := amqptest.Start(t)
	o := limited(t, s, "untouched")
	ch := s.Channel(t)
	for i := range 4 {
		e := newEnds(t, s.URL)
		sub, err := e.broker(t).Subscriber("site", o)
		if err != nil {
			t.Fatal(err)
		}
		leave := sub.Start(e.Env.Log.Logger())
		queuetest.Ready(t, sub)
		if i == 0 {
			for range 3 {
				if _, err := sub.Receive(queuetest.Within(t, time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("nothing is there: %v", err)
				}
			}
			rests(t, ch, "untouched", 0)
			s.Put(t, "untouched", numbered(3)...)
		}
		rests(t, ch, "untouched", 3)
		leave()
		sub.Close()
	}
	sub := newEnds(t, s.URL).subscriber(t, o)
	queuetest.Ready(t, sub)
	for i := range 3 {
		d, err := sub.Receive(queuetest.Within(t, time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if m := d.Message(); string(m.Body) != fmt.Sprint(i) || m.Redelivered != 0 {
			t.Errorf("received %s, redelivered %d; want %d", m.Body, m.Redelivered, i)
		}
		if n := s.Count(t, "untouched"); n != 2-i {
			t.Errorf("%d messages are nobody's meanwhile, want %d", n, 2-i)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestEachOnce: many who wait beside each other get a message each, and none comes again.
func TestEachOnce(t *testing.T) {
	const n, clients = 1000, 16
	for _, kind := range []string{"quorum", "classic"} {
		s := amqptest.Start(t)
		o := amqp.Subscribing{Topology: durable("once")}
		if kind == "quorum" {
			o = limited(t, s, "once of many")
		}
		sub := newEnds(t, s.URL).subscriber(t, o)
		queuetest.Ready(t, sub)
		ctx, all := context.WithCancel(queuetest.Within(t, time.Minute))
		defer all()
		var mu sync.Mutex
		seen := make(map[string]bool)
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				for {
					d, err := sub.Receive(ctx)
					if err != nil {
						if len(seen) < n || !errors.Is(err, context.Canceled) {
							t.Error(err)
						}
						return
					}
					m := d.Message()
					mu.Lock()
					if seen[string(m.Body)] || m.Redelivered > 0 {
						t.Errorf("%s came before, %d times", m.Body, m.Redelivered)
					}
					seen[string(m.Body)] = true
					if err := d.Ack(ctx); err != nil {
						t.Error(err)
					}
					if len(seen) == n {
						all()
					}
					mu.Unlock()
				}
			})
		}
		ch := s.Channel(t)
		fill(t, ch, o.Topology.Queue, numbered(n))
		wg.Wait()
		rests(t, ch, o.Topology.Queue, 0)
		if c := s.Connections(); c != 1 {
			t.Errorf("%d connections, want 1", c)
		}
	}
}

// TestLeaves: who leaves takes no message along, at whatever moment it comes.
func TestLeaves(t *testing.T) {
	const n = 300
	s := amqptest.Start(t)
	for _, auto := range []bool{false, true} {
		name := fmt.Sprint("leaves ", auto)
		sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: durable(name), AutoAck: auto})
		queuetest.Ready(t, sub)
		var mu sync.Mutex
		var got []string
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for end := time.Now().Add(time.Minute); time.Now().Before(end); {
					mu.Lock()
					all := len(got) >= n
					mu.Unlock()
					if all {
						return
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
					d, err := sub.Receive(ctx)
					cancel()
					if err != nil {
						if !errors.Is(err, context.DeadlineExceeded) {
							t.Error(err)
						}
						continue
					}
					if err := d.Ack(t.Context()); err != nil {
						t.Error(err)
					}
					mu.Lock()
					got = append(got, string(d.Message().Body))
					mu.Unlock()
				}
			})
		}
		ch := s.Channel(t)
		for _, m := range numbered(n) {
			fill(t, ch, name, []client.Publishing{m})
		}
		wg.Wait()
		rests(t, ch, name, 0)
		slices.Sort(got)
		if len(got) != n || len(slices.Compact(got)) != n {
			t.Errorf("auto %t: %d messages came, want %d, each once", auto, len(got), n)
		}
	}
}

// TestLate: a broker that says nothing costs those who wait no more than their time, and gets
// no more consumers than there were at a time; what it sends late is the next one's.
func TestLate(t *testing.T) {
	s := amqptest.Start(t)
	sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: durable("late")})
	queuetest.Ready(t, sub)
	s.Hold()
	for range 50 {
		if _, err := sub.Receive(queuetest.Within(t, time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Receive: %v", err)
		}
	}
	s.Put(t, "late", numbered(1)...)
	s.Resume()
	d, err := sub.Receive(queuetest.Within(t, time.Minute))
	if err == nil {
		err = d.Ack(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	rests(t, s.Channel(t), "late", 0)
}

// TestDeletedUnseen: that a queue is deleted is noticed while nobody asks, and it is declared again.
func TestDeletedUnseen(t *testing.T) {
	s := amqptest.Start(t)
	sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: durable("unseen")})
	queuetest.Ready(t, sub)
	ch := s.Channel(t)
	if _, err := ch.QueueDelete("unseen", false, false, false); err != nil {
		t.Fatal(err)
	}
	testx.Await(t, func() error {
		ch := s.Channel(t) // which ends if there is no queue
		_, err := ch.QueueDeclarePassive("unseen", true, false, false, false, nil)
		return err
	})
}

// TestLastConsumer: a queue that goes with its last consumer stays while the gateway does.
func TestLastConsumer(t *testing.T) {
	s := amqptest.Start(t)
	topology := durable("last")
	topology.Delete = true
	sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: topology})
	queuetest.Ready(t, sub)
	s.Put(t, "last", numbered(3)...)
	for i := range 3 {
		d, err := sub.Receive(queuetest.Within(t, time.Minute))
		if err == nil {
			err = d.Ack(t.Context())
		}
		if err != nil || string(d.Message().Body) != fmt.Sprint(i) {
			t.Fatalf("received %v, %v; want %d", d, err, i)
		}
	}
}

// TestConsumersAlone: a queue of which messages come to consumers alone gives them to who waits,
// once that has shown.
func TestConsumersAlone(t *testing.T) {
	s := amqptest.Start(t)
	_, err := s.Channel(t).QueueDeclare("alone", true, false, false, false, client.Table{"x-queue-type": "quorum", "x-single-active-consumer": true})
	if err != nil {
		t.Fatal(err)
	}
	s.Put(t, "alone", numbered(3)...)
	sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: amqp.Topology{Queue: "alone"}, Existing: true})
	queuetest.Ready(t, sub)
	if d, err := sub.Receive(queuetest.Within(t, time.Minute)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("the first one: %v, %v", d, err)
	}
	queuetest.Ready(t, sub)
	for i := range 3 {
		d, err := sub.Receive(queuetest.Within(t, time.Minute))
		if err == nil {
			err = d.Ack(t.Context())
		}
		if err != nil || string(d.Message().Body) != fmt.Sprint(i) || d.Message().Redelivered != 0 {
			t.Fatalf("received %v, %v; want %d", d, err, i)
		}
	}
}

// TestRest: messages that rest leave room for others, ten times as many at most, and when none
// rests any more the broker hands out no more than before. Nothing is lost by that, and nothing
// comes twice.
func TestRest(t *testing.T) {
	s := amqptest.Start(t)
	ch := s.Channel(t)
	for _, kind := range []string{"classic", "quorum"} {
		name := "rest-" + kind
		if _, err := ch.QueueDeclare(name, true, false, false, false, client.Table{"x-queue-type": kind}); err != nil {
			t.Fatal(err)
		}
		s.Put(t, name, numbered(100)...)
		sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: amqp.Topology{Queue: name}, Existing: true, Prefetch: 4})
		queuetest.Ready(t, sub)
		seen := make(map[string]int)
		receive := func() queue.Delivery {
			d, err := sub.Receive(queuetest.Within(t, time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			seen[string(d.Message().Body)]++
			return d
		}
		for range 2 {
			var rest []queue.Delivery
			for i := range 40 {
				d := receive()
				if room := d.(interface{ Rest() bool }).Rest(); room != (i < 39) {
					t.Errorf("%s: with %d that rest there is room: %t", kind, i+1, room)
				}
				rest = append(rest, d)
			}
			for _, d := range rest {
				if err := d.Ack(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for range 20 {
			if err := receive().Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(seen) != 100 {
			t.Errorf("%s: %d messages of 100 have come", kind, len(seen))
		}
		testx.Await(t, func() error {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			if err == nil && (q.Messages != 0 || q.Consumers != 1) {
				err = fmt.Errorf("%d messages, %d consumers; want none and one", q.Messages, q.Consumers)
			}
			return err
		})
	}
}

// TestStream: a stream sends more than was asked for, of which nothing is held; those who wait get a
// message each by the same connection.
func TestStream(t *testing.T) {
	s := amqptest.Start(t)
	ch := s.Channel(t)
	if _, err := ch.QueueDeclare("stream", true, false, false, false, client.Table{"x-queue-type": "stream"}); err != nil {
		t.Fatal(err)
	}
	sub := newEnds(t, s.URL).subscriber(t, amqp.Subscribing{Topology: amqp.Topology{Queue: "stream"}, Existing: true})
	queuetest.Ready(t, sub)
	if d, err := sub.Receive(queuetest.Within(t, time.Minute)); queuetest.Code(err) != gateway.CodeBackendAway {
		t.Errorf("the first one: %v, %v", d, err) // by which it has shown what it is
	}
	queuetest.Ready(t, sub)
	before, err := sub.Get()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		got := make(chan error, 1)
		go func() {
			d, err := sub.Receive(queuetest.Within(t, 10*time.Second))
			if err == nil {
				err = errors.Join(d.Message().Fault, d.Ack(t.Context()))
			}
			got <- err
		}()
		ch := s.Channel(t)
		for waits := true; waits; { // a stream gives what comes behind the beginning of a consumer
			fill(t, ch, "stream", numbered(100))
			select {
			case err := <-got:
				if waits = false; err != nil {
					t.Error(err)
				}
			default:
			}
		}
	}
	if now, err := sub.Get(); now != before || err != nil {
		t.Errorf("the connection was lost: %v", err)
	}
}
