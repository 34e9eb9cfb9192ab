package balance

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNoHost says that a list of hosts is empty.
var ErrNoHost = errors.New("no host: at least one is needed")

// Options are what a set needs from outside. The zero value is ready for use.
type Options struct {
	Clock func() time.Time // time.Now if nil
	// Rand returns a number in [0, 1) and is safe for concurrent use;
	// math/rand/v2 if nil.
	Rand func() float64
}

// A Set is a list of hosts, which a discovery may exchange at any time. It is
// safe for concurrent use.
type Set struct {
	options Options
	start   time.Time
	current atomic.Pointer[list]

	mu sync.Mutex // held while current is exchanged
}

// A list never changes.
type list struct {
	turns []*Host // a host as often as it was listed, spread evenly
	hosts []*Host // each once, in the order of the list
}

// NewStatic returns a set of hosts, which may repeat. It returns ErrNoHost if
// there are none.
func NewStatic(hosts []string, o Options) (*Set, error) {
	if len(hosts) == 0 {
		return nil, ErrNoHost
	}
	s := newSet(o)
	s.replace(hosts)
	return s, nil
}

// newSet returns a set without hosts.
func newSet(o Options) *Set {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	s := &Set{options: o, start: o.Clock()}
	s.current.Store(&list{})
	return s
}

// now returns the nanoseconds since the set was made. They follow the
// monotonic clock where there is one, so no host is paused by a corrected
// wall clock.
func (s *Set) now() int64 { return int64(s.options.Clock().Sub(s.start)) }

// replace exchanges the list for one with at least one host. Hosts that were
// in the old list keep their health.
func (s *Set) replace(hosts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]*Host{}
	for _, h := range s.current.Load().hosts {
		known[h.Address] = h
	}
	next := &list{}
	count := map[*Host]int{}
	for _, address := range hosts {
		h := known[address]
		if h == nil {
			h = &Host{Address: address, set: s}
			known[address] = h
		}
		if count[h]++; count[h] == 1 {
			next.hosts = append(next.hosts, h)
		}
	}
	next.turns = spread(next.hosts, count)
	s.current.Store(next)
}

// spread returns every host as often as count says, at even distances. Of
// turns that fall on the same place, the host listed first goes first.
//
// Source: stride scheduling, Waldspurger and Weihl, 1995: turn k of a host with
// count n passes at (k + 1/2) / n of the round.
func spread(hosts []*Host, count map[*Host]int) []*Host {
	type turn struct {
		host *Host
		pass float64
	}
	var turns []turn
	for _, h := range hosts {
		n := count[h]
		for k := range n {
			turns = append(turns, turn{h, (float64(k) + 0.5) / float64(n)})
		}
	}
	slices.SortStableFunc(turns, func(a, b turn) int { return cmp.Compare(a.pass, b.pass) })
	out := make([]*Host, len(turns))
	for i, t := range turns {
		out[i] = t.host
	}
	return out
}

// Len returns the number of different hosts. A caller that moves on after
// failures has seen every host after so many calls.
func (s *Set) Len() int { return len(s.current.Load().hosts) }

// Some reports whether f holds for the address of a host.
func (s *Set) Some(f func(address string) bool) bool {
	return slices.ContainsFunc(s.current.Load().hosts, func(h *Host) bool { return f(h.Address) })
}

// A Strategy is how a balancer chooses.
type Strategy uint8

const (
	RoundRobin Strategy = iota
	Random
)

// ParseStrategy returns the strategy of a name: "round-robin" or "random". The
// empty name is round robin.
func ParseStrategy(name string) (Strategy, error) {
	switch name {
	case "", "round-robin":
		return RoundRobin, nil
	case "random":
		return Random, nil
	}
	return 0, fmt.Errorf(`balancing strategy %q: must be "round-robin" or "random"`, name)
}

// A Balancer chooses among the hosts of a set. It is safe for concurrent use.
type Balancer struct {
	set      *Set
	strategy Strategy
	turn     atomic.Uint64
}

// New returns a balancer for set. Its first round robin turn is the first of
// the list.
func New(set *Set, strategy Strategy) *Balancer {
	return &Balancer{set: set, strategy: strategy}
}

// First returns the first host of the set, which must have one.
func (s *Set) First() *Host { return s.current.Load().hosts[0] }

// Hosts returns the set.
func (b *Balancer) Hosts() *Set { return b.set }

// Next returns the host for a call, none of those that it has tried already. It
// is nil when all were tried, and for a discovered set that has had no answer
// yet. The caller reports the outcome with the host's Fail or OK.
//
// Next does not block on other calls but for a host whose pause has just
// ended, and does not allocate.
func (b *Balancer) Next(tried ...*Host) *Host {
	l := b.set.current.Load()
	switch {
	case len(l.hosts) == 0:
		return nil
	case len(l.hosts) == 1 && len(tried) == 0:
		return l.hosts[0]
	}
	// Passing over a host by taking another turn keeps the shares of the others
	// even. Concurrent calls may use up the turns of the healthy ones, though.
	for range l.turns {
		if h := l.turns[b.pick(len(l.turns))]; !slices.Contains(tried, h) && h.available() {
			return h
		}
	}
	var oldest *Host
	for _, h := range l.hosts {
		switch {
		case slices.Contains(tried, h):
		case h.available():
			return h
		case oldest == nil || h.failed.Load() < oldest.failed.Load():
			oldest = h
		}
	}
	return oldest
}

// pick returns the index of the next turn of n.
func (b *Balancer) pick(n int) int {
	if b.strategy == Random {
		return int(b.set.options.Rand() * float64(n))
	}
	return int((b.turn.Add(1) - 1) % uint64(n))
}
