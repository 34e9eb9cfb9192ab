package kafka

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-gateway/sluice/internal/kit/kafka/kafkatest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// TestCounts: how often a record was delivered is kept until it comes again or has ended
// elsewhere, and nothing of a partition stays.
func TestCounts(t *testing.T) {
	g := &group{counts: make(map[place]map[int64]int)}
	where := place{"orders", 1}
	k := func(offset int64, redelivered int, out bool) *mark {
		return &mark{at: kgo.EpochOffset{Offset: offset + 1}, redelivered: redelivered, out: out}
	}
	g.note(where, []*mark{k(5, 0, false)})
	if len(g.counts) != 0 {
		t.Errorf("of records that nobody had: %v", g.counts)
	}
	g.note(where, []*mark{k(5, 0, true), k(6, 2, false), k(7, 2, true)})
	g.forget(where, 6)
	if a, b, c := g.count(where, 5), g.count(where, 6), g.count(where, 7); a != 0 || b != 2 || c != 3 {
		t.Errorf("counted %d, %d, %d; want 0, 2, 3", a, b, c)
	}
	if len(g.counts) != 0 {
		t.Errorf("behind the end: %v", g.counts)
	}
	g.note(where, []*mark{k(8, 1, false)})
	g.forget(where, 9)
	if len(g.counts) != 0 {
		t.Errorf("of records that others have ended: %v", g.counts)
	}
}

// TestMessage: of a record with very many headers some are attributes, each name once with its
// first value, and a message shares no memory with its record.
func TestMessage(t *testing.T) {
	r := &kgo.Record{Value: []byte("abc")}
	for i := range 200_000 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: fmt.Sprint(i / 2), Value: fmt.Append(nil, i)})
	}
	m := message(r, 0)
	if n := len(m.Attributes); n != attributes {
		t.Errorf("%d attributes, want %d", n, attributes)
	}
	for i, f := range m.Attributes {
		if f.Name != fmt.Sprint(i) || f.Value != fmt.Sprint(2*i) {
			t.Fatalf("attribute %d is %v", i, f)
		}
	}
	r.Value[0] = 'x'
	if string(m.Body) != "abc" {
		t.Errorf("the body became %q", m.Body)
	}
}

// TestWeight: what is held is bounded by bytes, too, and counted until somebody has it or its
// partition has gone.
func TestWeight(t *testing.T) {
	m := &member{of: &group{weighty: weighty}, partitions: make(map[place]*partition), room: make(chan struct{}, 1), dirty: make(chan struct{}, 1), round: newRound()}
	offset := int64(0)
	fetches := func(n, size int) kgo.Fetches {
		p := kgo.FetchPartition{}
		for range n {
			p.Records = append(p.Records, &kgo.Record{Topic: "orders", Offset: offset, Value: make([]byte, size)})
			offset++
		}
		return kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "orders", Partitions: []kgo.FetchPartition{p}}}}}
	}
	if m.take(fetches(3, 16<<20)) {
		t.Error("48 MiB are enough")
	}
	if !m.take(fetches(1, 16<<20)) {
		t.Error("64 MiB are not enough")
	}
	d := m.release(m.held.Front())
	if m.full() {
		t.Error("48 MiB of 64 are enough")
	}
	m.offer(d, true)
	if !m.full() {
		t.Error("what came back is not counted")
	}
	comes := make(chan *delivery, 1)
	m.void(m.partitions[place{"orders", 0}])
	if m.held.Len() != 0 || m.weight != 0 {
		t.Errorf("%d deliveries of %d bytes are held of a partition that has gone", m.held.Len(), m.weight)
	}
	m.waiting.PushBack(comes)
	if m.take(fetches(1, 64<<20)) || len(comes) != 1 || m.weight != 0 {
		t.Errorf("what is handed out is held: %d bytes", m.weight)
	}
	if m.take(fetches(enough-1, 1)) || !m.take(fetches(1, 1)) {
		t.Errorf("%d are held, want %d to be enough", m.held.Len(), enough)
	}
}

// TestHeals: what stops a partition for good, or is met over and over, ends the client.
func TestHeals(t *testing.T) {
	for err, want := range map[error]bool{
		kerr.NotLeaderForPartition:                     true,
		&kgo.ErrDataLoss{Topic: "orders"}:              true,
		&kgo.ErrGroupSession{Err: errors.New("x")}:     true,
		kerr.UnknownTopicID:                            false,
		kerr.TopicAuthorizationFailed:                  false,
		kerr.UnsupportedCompressionType:                false,
		errOld:                                         false,
		fmt.Errorf("%w", &kgo.ErrDecompressTooLarge{}): false,
		errors.New("encoded crc does not match"):       false,
	} {
		if got := heals(err); got != want {
			t.Errorf("%v: %t, want %t", err, got, want)
		}
	}
}

// TestInflated: batches of which a few bytes are many when they are opened are not in memory
// at a time, and all of them come.
func TestInflated(t *testing.T) {
	const n, size = 13, 1 << 20 // and bounds that are a sixteenth, too
	const weighty, opened = weighty / 16, opened / 16
	c := kafkatest.Start(t, nil, kfake.SeedTopics(2, "two"))
	cl := c.Client(t, kgo.ProducerBatchMaxBytes(2<<20), kgo.ProducerBatchCompression(kgo.Lz4Compression()), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	body := string(make([]byte, size))
	for range n {
		kafkatest.Put(t, cl, "two", body)
	}
	g := &group{Cluster: NewCluster(&sitetest.New(t).EndpointSite().Site, Options{Brokers: []string{c.Address}}), Subscribing: Subscribing{Group: "g", Topics: []string{"two"}, Oldest: true},
		weighty: weighty, opened: opened, largest: opened, instance: "i", counts: make(map[place]map[int64]int)}
	m, err := g.Dial(t.Context(), func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close(t.Context(), m)
	most := int64(0)
	next := func() *delivery {
		m.mu.Lock()
		defer m.mu.Unlock()
		most = max(most, m.BufferedFetchBytes()+int64(m.weight))
		if m.held.Len() == 0 {
			return nil
		}
		return m.release(m.held.Front())
	}
	testx.Await(t, func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if !m.full() {
			return fmt.Errorf("%d bytes are held", m.weight)
		}
		return nil
	})
	for range n {
		testx.Await(t, func() error {
			d := next()
			if d == nil {
				return errors.New("nothing has come")
			}
			return d.Ack(t.Context())
		})
	}
	const want = weighty + 2*opened + 2*opened // of which the first are held, with those of a poll, and the last are the client's
	if most > want {
		t.Errorf("%d MiB were held, want %d at most", most>>20, want>>20)
	}
	testx.Await(t, func() error {
		m.batches.mu.Lock()
		defer m.batches.mu.Unlock()
		if m.batches.sum != 0 || len(m.batches.open) != 0 {
			return fmt.Errorf("%d bytes are open, and all was read", m.batches.sum)
		}
		return nil
	})
	m.batches.mu.Lock()
	m.batches.sum = opened // as of a broker that makes the library forget what it has opened
	m.batches.mu.Unlock()
	kafkatest.Put(t, cl, "two", body)
	testx.Await(t, func() error {
		if err := context.Cause(m.ctx); err == nil || !errors.Is(err, errCrowded) {
			return fmt.Errorf("the client goes on: %w", err)
		}
		return nil
	})
}

// TestBatches: a batch is opened while there is memory for it and for what its records become,
// whatever it is compressed by.
func TestBatches(t *testing.T) {
	const opened = opened / 16
	record := func(headers int, value []byte) []byte {
		body := []byte{0, 0, 0, 1} // attributes, times, offset, no key
		body = append(binary.AppendVarint(body, int64(len(value))), value...)
		body = binary.AppendVarint(body, int64(headers))
		body = append(body, bytes.Repeat([]byte{0, 1}, headers)...) // of no name and no value
		return append(binary.AppendVarint(nil, int64(len(body))), body...)
	}
	for name, tt := range map[string]struct {
		records []byte
		want    error
	}{
		"one":                  {record(2, []byte("abc")), nil},
		"nothing":              {nil, nil},
		"large":                {record(0, make([]byte, opened/8*5)), nil},
		"larger":               {record(0, make([]byte, opened+1)), kgo.ErrMaxDecompress},
		"very many":            {bytes.Repeat(record(0, nil), 20_000), kgo.ErrMaxDecompress},
		"very many of headers": {record(100_000, nil), kgo.ErrMaxDecompress},
		"half of one":          {append(record(0, nil), record(0, []byte("abc"))[:3]...), nil},
		"old":                  {append(make([]byte, 8), record(0, nil)...), errOld},
	} {
		for _, codec := range []kgo.CompressionCodec{kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.GzipCompression(), kgo.ZstdCompression()} {
			c, err := kgo.DefaultCompressor(codec)
			if err != nil {
				t.Fatal(err)
			}
			small, by := c.Compress(new(bytes.Buffer), tt.records)
			b := batches{most: opened, largest: opened, refused: func() {}, open: make(map[*byte]int)}
			got, err := b.Decompress(small, by)
			if !errors.Is(err, tt.want) || err == nil && !bytes.Equal(got, tt.records) {
				t.Errorf("%s, by codec %d: %d bytes, %v; want %v", name, by, len(got), err, tt.want)
			}
			if len(got) > 0 && b.sum < len(got) || len(got) == 0 && b.sum != 0 {
				t.Errorf("%s, by codec %d: %d are open of %d bytes", name, by, b.sum, len(got))
			}
			if name != "large" {
				continue
			}
			second, err := b.Decompress(small, by)
			if err != nil {
				t.Errorf("a second one: %v", err)
			}
			if _, err := b.Decompress(small, by); !errors.Is(err, errCrowded) {
				t.Errorf("a third one: %v", err)
			}
			b.PutDecompressBytes(got)
			if _, err := b.Decompress(small, by); err != nil {
				t.Errorf("behind the first: %v", err)
			}
			b.PutDecompressBytes(second)
		}
	}
}
