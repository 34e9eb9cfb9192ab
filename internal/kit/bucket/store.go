package bucket

import (
	"hash/maphash"
	"math/bits"
	"strings"
	"sync"
	"time"
)

const (
	maxShards = 64
	minKeys   = 64 // of a shard, if there is more than one
	sweep     = 2  // slots looked at by each call
	sample    = 8  // slots of which the fullest makes room
	shrink    = 64 // slots from which memory is given back
)

// A Store has one bucket for each key, all with the same limits. It is made by
// NewStore and safe for concurrent use.
//
// Memory is bounded by the number of keys. A key whose bucket is full again
// is no different from one that was never seen, so its entry is dropped: each
// call looks at a few entries in passing. While there is room, no other entry
// is ever dropped. A new key that finds its shard of the store full replaces
// the one of a small sample that is closest to full: only then is a key
// forgiven what it has taken, and those that have taken most are kept longest.
type Store struct {
	limits limits
	seed   maphash.Seed
	shards []shard // a power of two
}

// A shard has a fixed share of the keys.
type shard struct {
	mu    sync.Mutex
	index map[string]int // of a key in slots
	slots []slot
	hand  int // slot at which sweeping goes on
	most  int // slots
	peak  int // slots since index was made
}

// A slot is the bucket of a key.
type slot struct {
	key  string
	full int64 // when the bucket is full again
}

// NewStore returns a store of at most maxKeys buckets, each as of New. Like
// New, it panics if an argument is not positive.
func NewStore(rate float64, capacity, maxKeys int) *Store {
	if maxKeys < 1 {
		panic("bucket: a store needs room for at least one key")
	}
	shards := 1 << (bits.Len(uint(min(maxShards, max(1, maxKeys/minKeys)))) - 1)
	s := &Store{
		limits: newLimits(rate, capacity),
		seed:   maphash.MakeSeed(),
		shards: make([]shard, shards),
	}
	for i := range s.shards {
		s.shards[i].most = maxKeys / shards
		s.shards[i].index = map[string]int{}
	}
	return s
}

// Take removes a token from the bucket of key and reports whether there was
// one. If not, retryAfter is the time until there is.
//
// Now is as in Bucket.Take. The store copies keys that it keeps. Take does not
// allocate for a key that has an entry, but for rare moves of a whole shard to
// less memory.
func (s *Store) Take(key string, now time.Time) (ok bool, retryAfter time.Duration) {
	h := &s.shards[maphash.String(s.seed, key)&uint64(len(s.shards)-1)]
	at := nanos(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	i, known := h.index[key]
	if !known {
		i = h.add(key, at)
	}
	b := &h.slots[i]
	b.full, retryAfter, ok = s.limits.take(b.full, at, 1)
	for range sweep {
		h.drop(at)
	}
	return ok, retryAfter
}

// Len returns the number of keys with an entry, full buckets that have not been
// looked at since included.
func (s *Store) Len() int {
	n := 0
	for i := range s.shards {
		h := &s.shards[i]
		h.mu.Lock()
		n += len(h.slots)
		h.mu.Unlock()
	}
	return n
}

// drop moves the hand on by one slot and removes what it finds full.
func (h *shard) drop(now int64) {
	if len(h.slots) == 0 {
		return
	}
	h.hand++
	if h.hand >= len(h.slots) {
		h.hand = 0
	}
	if h.slots[h.hand].full > now {
		return
	}
	delete(h.index, h.slots[h.hand].key)
	last := len(h.slots) - 1
	if h.hand < last {
		h.slots[h.hand] = h.slots[last]
		h.index[h.slots[h.hand].key] = h.hand
	}
	h.slots[last] = slot{}
	h.slots = h.slots[:last]

	// A map keeps the memory of its largest size, so it is made anew when most
	// of it is empty.
	if h.peak >= shrink && last < h.peak/8 {
		h.slots = append(make([]slot, 0, 2*last), h.slots...)
		h.index = make(map[string]int, 2*last)
		for i := range h.slots {
			h.index[h.slots[i].key] = i
		}
		h.peak = last
	}
}

// add gives key a full bucket and returns its slot.
func (h *shard) add(key string, now int64) int {
	own := strings.Clone(key) // a new variable, so that key does not escape
	i := len(h.slots)
	if i < h.most {
		h.slots = append(h.slots, slot{})
		h.peak = max(h.peak, i+1)
	} else {
		i = h.fullest()
		delete(h.index, h.slots[i].key)
	}
	h.index[own] = i
	h.slots[i] = slot{own, now}
	return i
}

// fullest returns the slot that is full soonest among the next few.
func (h *shard) fullest() int {
	best := h.hand % len(h.slots)
	for range min(sample, len(h.slots)) - 1 {
		h.hand = (h.hand + 1) % len(h.slots)
		if h.slots[h.hand].full < h.slots[best].full {
			best = h.hand
		}
	}
	return best
}
