package agent

import (
	"context"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/bucket"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// A state is what lasts over reloads. It is safe for concurrent use.
type state struct {
	busy chan struct{}  // has an entry for each worker that is
	rate *bucket.Bucket // nil for any

	drops change.State // messages fail too often

	mu      sync.Mutex
	seen    time.Time        // when the connection was
	parked  []queue.Delivery // taken and not worked on
	resting map[*rest]bool
	counts  counts
	closed  bool

	given sync.WaitGroup // of those whose rest is over
}

// A rest is that of a message that has failed.
type rest struct {
	queue.Delivery
	timer *time.Timer
}

// keep opens the state, or finds it.
func keep(s *component.PipeSite, sub queue.Subscriber, o Options) (*state, error) {
	c := s.Agent().Consumer
	return component.Keep(&s.Site, id(s, sub, o), func() (*state, func(), error) {
		k := &state{busy: make(chan struct{}, c.Workers), resting: make(map[*rest]bool), counts: counts{seed: maphash.MakeSeed()}}
		if c.MaxRate > 0 {
			k.rate = bucket.New(c.MaxRate, int(max(1, min(math.Floor(c.MaxRate), 1<<30))))
		}
		return k, k.close, nil
	})
}

// close gives back what nobody works on.
func (k *state) close() {
	k.mu.Lock()
	k.closed = true
	back := k.parked
	k.parked = nil
	for r := range k.resting {
		if r.timer.Stop() {
			back = append(back, r.Delivery)
			k.given.Done()
		}
	}
	clear(k.resting)
	k.mu.Unlock()
	for _, d := range back {
		giveBack(d)
	}
	k.given.Wait()
}

// giveBack lets the broker deliver a message again; if it does not hear of that, the end of
// the connection says so.
func giveBack(d queue.Delivery) {
	ctx, cancel := context.WithTimeout(context.Background(), lastWord)
	defer cancel()
	d.Nack(ctx, true)
}

// rest gives a message back when the pause is over.
func (k *state) rest(d queue.Delivery, pause time.Duration) {
	k.mu.Lock()
	if k.closed || pause <= 0 {
		k.mu.Unlock()
		giveBack(d)
		return
	}
	defer k.mu.Unlock()
	k.given.Add(1)
	r := &rest{Delivery: d}
	k.resting[r] = true
	r.timer = time.AfterFunc(pause, func() {
		defer k.given.Done()
		k.mu.Lock()
		delete(k.resting, r)
		k.mu.Unlock()
		giveBack(d)
	})
}

// void reports whether the broker has taken a delivery back, as far as the driver knows: its
// connection has ended, and the message comes again.
func void(d queue.Delivery) bool {
	v, knows := d.(interface{ Void() bool })
	return knows && v.Void()
}

// sweep forgets messages that rest and are void.
func (k *state) sweep() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for r := range k.resting {
		if void(r.Delivery) && r.timer.Stop() {
			delete(k.resting, r)
			k.given.Done()
		}
	}
}

// park keeps a message for who takes next.
func (k *state) park(d queue.Delivery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.parked = append(k.parked, d)
}

// unpark returns a message that was parked, nil if there is none.
func (k *state) unpark() (d queue.Delivery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.parked) > 0 {
		d, k.parked = k.parked[0], k.parked[1:]
	}
	return d
}

// ping notes that the connection was there.
func (k *state) ping(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = now
}

func (k *state) pinged() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen
}

// delivered returns how often a message was delivered before, by the count of the broker or
// of this process, whichever is more.
func (k *state) delivered(m *queue.Message) int {
	if m.Redelivered == 0 {
		return 0
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return max(m.Redelivered, k.counts.take(m))
}

// count notes how often a message was delivered that is given back.
func (k *state) count(m *queue.Message, n int) {
	if n == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts.put(m, n)
}

// most is how many counts there are of messages that have not come again, twice at most: the
// oldest go, since others may have taken theirs.
const most = 10000

// Counts are those of messages that were given back. Of messages that are equal it does not
// matter which has which.
type counts struct {
	seed     maphash.Seed
	now, old map[uint64][]int
	size     int // of now
}

func (c *counts) put(m *queue.Message, n int) {
	if c.now == nil || c.size >= most {
		c.old, c.now, c.size = c.now, make(map[uint64][]int), 0
	}
	sum := c.sum(m)
	c.now[sum] = append(c.now[sum], n)
	c.size++
}

// take returns the count of a message and forgets it, 0 if there is none.
func (c *counts) take(m *queue.Message) (n int) {
	sum := c.sum(m)
	for _, all := range []map[uint64][]int{c.old, c.now} {
		if list := all[sum]; len(list) > 1 {
			all[sum] = list[1:]
			return list[0]
		} else if len(list) == 1 {
			delete(all, sum)
			return list[0]
		}
	}
	return 0
}

func (c *counts) sum(m *queue.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(c.seed)
	h.WriteString(m.Key)
	for _, f := range m.Attributes {
		for _, part := range []string{f.Name, f.Value} {
			h.WriteByte(0)
			h.WriteString(part)
		}
	}
	h.WriteByte(0)
	h.Write(m.Body)
	return h.Sum64()
}
