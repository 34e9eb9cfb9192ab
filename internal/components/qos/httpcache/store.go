package httpcache

import (
	"container/heap"
	"container/list"
	"sync"
	"time"
)

// defaultEntryLimit bounds a single body, so that one answer cannot empty a
// store, or fill the memory where there is no limit.
const defaultEntryLimit = 8 << 20

// A store holds answers by key. It is safe for concurrent use.
type store struct {
	maxItems int   // 0 is no limit
	maxBytes int64 // 0 is no limit

	mu     sync.Mutex
	byKey  map[string]*place
	recent *list.List // of *place, the one used last in front
	dying  deadlines
	bytes  int64
}

// A place is where an answer is in the store.
type place struct {
	key   string
	entry *entry
	cost  int64
	until time.Time // when it can no longer be used
	used  *list.Element
	index int // in dying
}

func newStore(maxItems int, maxBytes int64) *store {
	return &store{maxItems: maxItems, maxBytes: maxBytes, byKey: make(map[string]*place), recent: list.New()}
}

// entryLimit is the size of the largest body that is stored.
func (s *store) entryLimit() int64 {
	if s.maxBytes > 0 {
		return min(s.maxBytes, defaultEntryLimit)
	}
	return defaultEntryLimit
}

// get returns the answer under key, or nil.
func (s *store) get(key []byte, now time.Time) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bury(now)
	p := s.byKey[string(key)]
	if p == nil {
		return nil
	}
	s.recent.MoveToFront(p.used)
	return p.entry
}

// put stores an answer under key in the place of the one before. An answer
// that is larger than the store is not stored.
func (s *store) put(key string, e *entry, now time.Time) {
	p := &place{key: key, entry: e, cost: e.cost() + int64(len(key)), until: e.useless()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bury(now)
	s.remove(s.byKey[key])
	if s.maxBytes > 0 && p.cost > s.maxBytes {
		return
	}
	s.byKey[key] = p
	p.used = s.recent.PushFront(p)
	heap.Push(&s.dying, p)
	s.bytes += p.cost
	for s.maxItems > 0 && len(s.byKey) > s.maxItems || s.maxBytes > 0 && s.bytes > s.maxBytes {
		s.remove(s.recent.Back().Value.(*place))
	}
}

// drop removes the answer under key.
func (s *store) drop(key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(s.byKey[string(key)])
}

// bury removes what can no longer be used.
func (s *store) bury(now time.Time) {
	for len(s.dying) > 0 && s.dying[0].until.Before(now) {
		s.remove(s.dying[0])
	}
}

func (s *store) remove(p *place) {
	if p == nil {
		return
	}
	delete(s.byKey, p.key)
	s.recent.Remove(p.used)
	heap.Remove(&s.dying, p.index)
	s.bytes -= p.cost
}

// deadlines is a heap of places, the one that ends first on top.
type deadlines []*place

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].until.Before(d[j].until) }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].index, d[j].index = i, j
}

// Push is for package heap.
func (d *deadlines) Push(v any) {
	p := v.(*place)
	p.index = len(*d)
	*d = append(*d, p)
}

// Pop is for package heap.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	p := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return p
}
