package agent

import (
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/bucket"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// A state is what lasts over reloads. It is safe for concurrent use.
type state struct {
	busy chan struct{}  // has an entry for each worker that is
	turn chan struct{}  // of size 1, has one while somebody waits for the rate and for a message
	rate *bucket.Bucket // nil for any
	seed maphash.Seed   // of sums

	drops   change.State // messages that fail are gone
	full    change.State // those that rest leave no room for others
	deaf    change.State // the broker is there and gives none
	mute    change.State // the broker cannot be told what became of them
	nowhere change.State // dead letters are lost

	mu      sync.Mutex
	seen    time.Time // when the connection was
	asked   time.Time // when the broker was, for the last time
	fails   bool      // it is there, and gave an error
	resting map[*rest]bool
	counts  counts
	closed  bool

	given sync.WaitGroup // of those whose rest is over
}

// A rest is that of a message that has failed.
type rest struct {
	queue.Delivery
	timer *time.Timer
	back  func(queue.Delivery)
}

// keep opens the state, or finds it.
func keep(s *component.PipeSite, sub queue.Subscriber, o Options) (*state, error) {
	c := s.Agent().Consumer
	return component.Keep(&s.Site, id(s, sub, o), func() (*state, func(), error) {
		k := &state{busy: make(chan struct{}, c.Workers), turn: make(chan struct{}, 1), seed: maphash.MakeSeed(), resting: make(map[*rest]bool)}
		if c.MaxRate > 0 {
			k.rate = bucket.New(c.MaxRate, int(max(1, min(math.Floor(c.MaxRate), 1<<30))))
		}
		return k, k.close, nil
	})
}

// close gives back what rests.
func (k *state) close() {
	k.mu.Lock()
	k.closed = true
	var back []*rest
	for r := range k.resting {
		if r.timer.Stop() {
			back = append(back, r)
			k.given.Done()
		}
	}
	clear(k.resting)
	k.mu.Unlock()
	for _, r := range back {
		r.back(r.Delivery)
	}
	k.given.Wait()
}

// rest gives a message back, which must not panic, when the pause is over, and reports whether
// others can come meanwhile.
func (k *state) rest(d queue.Delivery, pause time.Duration, back func(queue.Delivery)) (room bool) {
	room = pause <= 0 || leavesRoom(d)
	k.mu.Lock()
	if k.closed || pause <= 0 {
		k.mu.Unlock()
		back(d)
		return room
	}
	defer k.mu.Unlock()
	k.given.Add(1)
	r := &rest{Delivery: d, back: back}
	k.resting[r] = true
	r.timer = time.AfterFunc(pause, func() {
		defer k.given.Done()
		k.mu.Lock()
		delete(k.resting, r)
		k.mu.Unlock()
		back(d)
	})
	return room
}

// leavesRoom tells the driver that a delivery rests, and reports whether others can come
// meanwhile, as far as it knows.
func leavesRoom(d queue.Delivery) (room bool) {
	var panicked error // its connection is of no use then, which others will notice
	defer gateway.Recover("", &panicked)
	room = true
	if tells, knows := d.(interface{ Rest() bool }); knows {
		room = tells.Rest()
	}
	return room
}

// void reports whether the broker has taken a delivery back, as far as the driver knows: its
// connection has ended, and the message comes again.
func void(d queue.Delivery) (is bool) {
	var panicked error // which is no knowledge
	defer gateway.Recover("", &panicked)
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

// ping notes that the connection was there.
func (k *state) ping(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.seen = now
}

// pinged returns when that was, and whether no message can be taken all the same.
func (k *state) pinged() (seen time.Time, fails bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.seen, k.fails
}

// asks notes that the broker is asked for a message.
func (k *state) asks(now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = now
}

// hear notes whether it gave one, or an error.
func (k *state) hear(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fails = err != nil
}

// waits reports whether the broker gave an error when it was asked before, and now lets wait
// for a message, for longer than d.
func (k *state) waits(now time.Time, d time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fails && now.Sub(k.asked) > d
}

// count notes how often a message was delivered that is given back.
func (k *state) count(sum uint64, n int) {
	if n == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counts.put(sum, n)
}

// uncount returns that number, and forgets it.
func (k *state) uncount(sum uint64) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.counts.take(sum)
}

// most is how many counts there are of messages that have not come again, twice at most: the
// oldest go, since others may have taken theirs.
const most = 10000

// Counts are those of messages that were given back. Of messages that are equal it does not
// matter which has which.
type counts struct {
	now, old map[uint64][]int
	size     int // of now
}

func (c *counts) put(sum uint64, n int) {
	if c.now == nil || c.size >= most {
		c.old, c.now, c.size = c.now, make(map[uint64][]int), 0
	}
	c.now[sum] = append(c.now[sum], n)
	c.size++
}

// take returns the count of a message and forgets it, 0 if there is none.
func (c *counts) take(sum uint64) (n int) {
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

// sum tells a message from others. All of it counts, which takes some 15 ms for a body of 100
// MB, so that nobody holds a lock meanwhile.
func (k *state) sum(m *queue.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(k.seed)
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
