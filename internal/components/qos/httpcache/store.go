package httpcache

import (
	"container/heap"
	"container/list"
	"slices"
	"sync"
	"time"
)

// defaultEntryLimit bounds a single body, so that one answer cannot empty a
// store, or fill the memory where there is no limit.
const defaultEntryLimit = 8 << 20

// defaultSize is what a store without max_size holds: names of hosts, queries and
// variants are the client's to choose.
const defaultSize = 256 << 20

// maxVariants is how many answers to one method, URL and host are kept.
const maxVariants = 32

// A store holds answers by key, several to a key that Vary tells apart. It is safe
// for concurrent use.
type store struct {
	maxItems int   // 0 is no limit
	maxBytes int64 // 0 is no limit

	mu     sync.Mutex
	byKey  map[string][]*place // the one used last in front
	byURL  map[string]*place   // the first of the list of all that are of one URL
	recent *list.List          // of *place, the one used last in front
	dying  deadlines
	bytes  int64
}

// A place is where an answer is in the store.
type place struct {
	key   string
	entry *entry
	cost  int64
	until time.Time     // when it can no longer be used
	used  *list.Element // nil once it is removed
	index int           // in dying

	before, next *place // in the list of the URL
}

func newStore(maxItems int, maxBytes int64) *store {
	return &store{maxItems: maxItems, maxBytes: maxBytes, byKey: make(map[string][]*place), byURL: make(map[string]*place), recent: list.New()}
}

// entryLimit is the size of the largest body that is stored.
func (s *store) entryLimit() int64 {
	if s.maxBytes > 0 {
		return min(s.maxBytes, defaultEntryLimit)
	}
	return defaultEntryLimit
}

// get returns the newest answer under key that matches, or nil. Matching holds up
// nobody else.
func (s *store) get(key []byte, r *request, now time.Time) *entry {
	var room [maxVariants]*place
	s.mu.Lock()
	s.bury(now)
	variants := room[:copy(room[:], s.byKey[string(key)])]
	s.mu.Unlock()
	var newest *place
	for _, p := range variants {
		if p.entry.matches(r) && (newest == nil || p.entry.got.After(newest.entry.got)) {
			newest = p
		}
	}
	if newest == nil {
		return nil
	}
	s.touch(newest)
	return newest.entry
}

// touch notes that an answer was used.
func (s *store) touch(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.used == nil {
		return
	}
	s.recent.MoveToFront(p.used)
	variants := s.byKey[p.key]
	i := slices.Index(variants, p)
	copy(variants[1:i+1], variants[:i])
	variants[0] = p
}

// put stores an answer under key in the place of those before it: old, unless it is
// nil, and what the same fields select. A key that has too many answers, and a store
// that is full, lose the ones that were used least recently. An answer that is
// larger than the store is not stored.
func (s *store) put(key string, e, old *entry, now time.Time) {
	p := &place{key: key, entry: e, cost: e.cost() + int64(len(key)), until: e.useless()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bury(now)
	s.removeIf(key, func(other *entry) bool { return other == old || e.replaces(other) })
	if s.maxBytes > 0 && p.cost > s.maxBytes {
		return
	}
	if variants := s.byKey[key]; len(variants) == maxVariants {
		s.remove(variants[maxVariants-1])
	}
	s.byKey[key] = slices.Insert(s.byKey[key], 0, p)
	url := urlOf(key)
	if p.next = s.byURL[url]; p.next != nil {
		p.next.before = p
	}
	s.byURL[url] = p
	p.used = s.recent.PushFront(p)
	heap.Push(&s.dying, p)
	s.bytes += p.cost
	for s.maxItems > 0 && s.recent.Len() > s.maxItems || s.maxBytes > 0 && s.bytes > s.maxBytes {
		s.remove(s.recent.Back().Value.(*place))
	}
}

// drop removes an answer under key.
func (s *store) drop(key []byte, e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeIf(string(key), func(other *entry) bool { return other == e })
}

// clear removes all answers with the URL of key: those to every method, and those to
// clients that asked for another host.
func (s *store) clear(key []byte) {
	url := urlOf(string(key))
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.byURL[url] != nil {
		s.remove(s.byURL[url])
	}
}

func (s *store) removeIf(key string, goes func(*entry) bool) {
	for i := len(s.byKey[key]) - 1; i >= 0; i-- {
		if p := s.byKey[key][i]; goes(p.entry) {
			s.remove(p)
		}
	}
}

// bury removes what can no longer be used.
func (s *store) bury(now time.Time) {
	for len(s.dying) > 0 && s.dying[0].until.Before(now) {
		s.remove(s.dying[0])
	}
}

func (s *store) remove(p *place) {
	variants := s.byKey[p.key]
	if len(variants) == 1 {
		delete(s.byKey, p.key)
	} else {
		i := slices.Index(variants, p)
		s.byKey[p.key] = slices.Delete(variants, i, i+1)
	}
	if p.next != nil {
		p.next.before = p.before
	}
	switch {
	case p.before != nil:
		p.before.next = p.next
	case p.next != nil:
		s.byURL[urlOf(p.next.key)] = p.next // the map shares the memory of a key that stays
	default:
		delete(s.byURL, urlOf(p.key))
	}
	p.before, p.next = nil, nil
	s.recent.Remove(p.used)
	p.used = nil
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
