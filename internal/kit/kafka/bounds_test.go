package kafka

import (
	"testing"

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
