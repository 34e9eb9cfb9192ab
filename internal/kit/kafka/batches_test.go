package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// newSubscriber returns one that reads the topic from its beginning, and opens batches of as
// much memory.
func newSubscriber(t *testing.T, c *kafkatest.Cluster, by *sitetest.Gateway, topic string, largest int) *Subscriber {
	t.Helper()
	g := &group{Cluster: NewCluster(&by.EndpointSite().Site, Options{Brokers: []string{c.Address}}), Subscribing: Subscribing{Group: "g", Topics: []string{topic}, Oldest: true},
		weighty: weighty, opened: opened, largest: largest, instance: "i", counts: make(map[place]map[int64]int)}
	s := &Subscriber{live.New(g.options("group g"), g), g}
	t.Cleanup(s.Close)
	return s
}

// putBatch produces n records of one value as one batch.
func putBatch(t *testing.T, c *kafkatest.Cluster, topic string, n int, value []byte) {
	t.Helper()
	cl := c.Client(t, kgo.ProducerBatchMaxBytes(64<<20), kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ManualFlushing(), kgo.MaxBufferedRecords(n))
	for range n {
		cl.Produce(t.Context(), &kgo.Record{Topic: topic, Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestManySmall: a batch of very many small records is read like any other, and so is what comes
// behind it.
func TestManySmall(t *testing.T) {
	const n = 200_000
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	putBatch(t, c, "one", n, []byte(`{"order":1,"amount":12.5}`))
	kafkatest.Put(t, c.Client(t), "one", "behind")
	s := newSubscriber(t, c, sitetest.New(t), "one", largest)
	s.Start(slog.New(slog.DiscardHandler))
	ctx := queuetest.Within(t, time.Minute)
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	next := func() *delivery {
		t.Helper()
		d, err := s.Receive(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return d.(*delivery)
	}
	const some = far / 2
	for i := 0; i < n; i += some {
		var batch []*delivery
		for j := range some {
			d := next()
			if at := d.mark.at.Offset - 1; at != int64(i+j) {
				t.Fatalf("offset %d, want %d", at, i+j)
			}
			batch = append(batch, d)
		}
		for j := range batch { // the first one last, which commits all of them
			if err := batch[some-1-j].Ack(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if d := next(); string(d.Message().Body) != "behind" {
		t.Errorf("behind the batch came %.80q", d.Message().Body)
	}
}

// TestTooLarge: a batch that becomes more than a gateway takes is refused with what an operator
// can do, and nobody is told that the subscription is ready.
func TestTooLarge(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	putBatch(t, c, "one", 3, make([]byte, 1<<20))
	by := sitetest.New(t)
	s := newSubscriber(t, c, by, "one", 2<<20)
	s.Start(by.Env.Log.Logger())
	const want = `the topic \"one\", partition 0, cannot be read: the batch of records from offset 0 on has more than 128 MiB when it is no longer compressed, or 2 MiB of memory with what its records need; to skip it stop every gateway of the group \"g\", and set the group's offset to 3, `
	testx.Await(t, func() error {
		if log := by.Log.String(); !strings.Contains(log, want) {
			return fmt.Errorf("the log: %.1000s", log)
		}
		return nil
	})
	testx.Await(t, func() error { // until the next client is there, and has met it, too
		if text, ok := s.Health(); ok {
			t.Errorf("the health is %q", text)
		}
		if strings.Count(by.Log.String(), want) < 2 {
			return fmt.Errorf("the log: %.1000s", by.Log.String())
		}
		return nil
	})
	if _, err := s.Receive(queuetest.Within(t, time.Minute)); !errors.Is(err, kgo.ErrMaxDecompress) {
		t.Errorf("a call: %v", err)
	}
}

// TestForgotten: a refusal that the library does not tell of, as it forgets one when the
// partition is looked up in between, ends the client nevertheless.
func TestForgotten(t *testing.T) {
	c := kafkatest.Start(t, nil, kfake.SeedTopics(1, "one"))
	s := newSubscriber(t, c, sitetest.New(t), "one", largest)
	s.Start(slog.New(slog.DiscardHandler))
	ctx := queuetest.Within(t, time.Minute)
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := s.Get()
	if err != nil {
		t.Fatal(err)
	}
	m.meet()
	if text, ok := s.Health(); ok {
		t.Errorf("the health is %q", text)
	}
	if _, err := s.Receive(ctx); !errors.Is(err, kgo.ErrMaxDecompress) {
		t.Errorf("a call: %v", err)
	}
}
