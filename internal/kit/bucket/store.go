package bucket

import (
	"hash/maphash"
	"math/bits"
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
// Keys are kept as hashes of 128 bits with seeds that nobody outside the process
// knows, so a long key costs no more than a short one, and nobody can make two keys
// that share a bucket. Memory is bounded by the number of keys, 32 bytes each
// and their place in an index. A key whose bucket is full again
// is no different from one that was never seen, so its entry is dropped: each
// call looks at a few entries in passing. While there is room, no other entry
// is ever dropped. A new key that finds its shard of the store full replaces
// the one of a small sample that is closest to full: only then is a key
// forgiven what it has taken, and those that have taken most are kept longest.
//
// So a client cannot push its own empty bucket out cheaply. It would have to fill a
// shard, which means the store, as shards follow from the hash, with other keys that
// have taken as much as it has, each of them within the time in which its own
// bucket fills up by itself; and each of those keys is served once less than it
// could have been.
type Store struct {
	limits limits
	seeds  [2]maphash.Seed
	shards []shard // a power of two
}

// A hash stands for a key.
type hash [2]uint64

// A shard has a fixed share of the keys.
type shard struct {
	mu    sync.Mutex
	index map[hash]int // of a key in slots
	slots []slot
	hand  int // slot at which sweeping goes on
	most  int // slots
	peak  int // slots since index was made
}

// A slot is the bucket of a key.
type slot struct {
	key  hash
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
		seeds:  [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		shards: make([]shard, shards),
	}
	for i := range s.shards {
		s.shards[i].most = maxKeys / shards
		s.shards[i].index = map[hash]int{}
	}
	return s
}

// Take removes a token from the bucket of key and reports whether there was
// one. If not, retryAfter is the time until there is.
//
// Now is as in Bucket.Take. The store keeps nothing of the key. Take does not
// allocate for a key that has an entry, but for rare moves of a whole shard to
// less memory.
func (s *Store) Take(key string, now time.Time) (ok bool, retryAfter time.Duration) {
	hashed := hash{maphash.String(s.seeds[0], key), maphash.String(s.seeds[1], key)}
	h := &s.shards[hashed[0]&uint64(len(s.shards)-1)]
	at := nanos(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	i, known := h.index[hashed]
	if !known {
		i = h.add(hashed, at)
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
		h.index = make(map[hash]int, 2*last)
		for i := range h.slots {
			h.index[h.slots[i].key] = i
		}
		h.peak = last
	}
}

// add gives key a full bucket and returns its slot.
func (h *shard) add(key hash, now int64) int {
	i := len(h.slots)
	if i < h.most {
		h.slots = append(h.slots, slot{})
		h.peak = max(h.peak, i+1)
	} else {
		i = h.fullest()
		delete(h.index, h.slots[i].key)
	}
	h.index[key] = i
	h.slots[i] = slot{key, now}
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
