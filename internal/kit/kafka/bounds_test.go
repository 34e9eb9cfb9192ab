package kafka

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
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
	m := &member{of: new(group), partitions: make(map[place]*partition), room: make(chan struct{}, 1), dirty: make(chan struct{}, 1), round: newRound()}
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
		fmt.Errorf("%w", &kgo.ErrDecompressTooLarge{}): false,
		errors.New("encoded crc does not match"):       false,
	} {
		if got := heals(err); got != want {
			t.Errorf("%v: %t, want %t", err, got, want)
		}
	}
}
