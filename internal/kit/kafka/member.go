package kafka

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What a subscriber holds that nobody has taken.
const (
	enough  = 100      // records, at which no more are asked for (and those of one poll come still)
	weighty = 64 << 20 // bytes of them, at which no more are asked for either
)

// What a partition holds that is not committed, because a record in front has not ended.
const (
	far  = 1000 // records, at which no more are fetched (and those of one poll come still)
	near = far / 2
)

// A member is a client that is in the group.
type member struct {
	link
	of      *group
	closing atomic.Bool

	mu         sync.Mutex
	partitions map[place]*partition
	paused     map[place]bool // of pace, which holds pacing
	held       list.List      // of *delivery, that nobody has taken yet
	weight     int            // of what is held
	waiting    list.List      // of chan *delivery of size 1, of those who ask
	round      *round         // the next one

	begun chan struct{} // of size 1: it is known what is read from where on
	room  chan struct{} // of size 1: fewer are held
	dirty chan struct{} // of size 1: there is something to be committed

	batches    batches
	met        atomic.Pointer[time.Time] // when a batch was refused that is too large
	committing sync.Mutex                // held while a commit is on its way
	pacing     sync.Mutex                // held while partitions are paused and resumed
}

// A partition is one that the member reads.
type partition struct {
	place
	marks []*mark // of records that came and are not committed, in order
	ended int     // how many of them, from the first one on, have ended
	came  int64   // the offset behind the last record that came
	next  kgo.EpochOffset
	saved int64 // the offset that is committed, as far as is known
	err   error // of the last commit
	gone  bool
}

// A mark is what becomes of a record.
type mark struct {
	at          kgo.EpochOffset
	redelivered int
	out         bool // somebody has it
	ended       bool
}

// tolerable is how many polls come to nothing for want of memory before the client is of no use.
const tolerable = 40

const (
	turn    = 500 * time.Millisecond // how long a poll waits for records
	silence = time.Second            // behind a batch that was refused, until it is told that it was
)

// meet notes that a batch was refused.
func (m *member) meet() {
	now := time.Now()
	m.met.CompareAndSwap(nil, &now)
	m.of.doubt(kgo.ErrMaxDecompress)
}

// poll takes records in as long as there is room for them.
func (m *member) poll() {
	crowded := 0 // polls, one after the other
	for {
		met := m.met.Load()
		untold := met != nil && time.Since(*met) >= silence
		ctx, cancel := context.WithTimeout(m.ctx, turn)
		records := m.PollRecords(ctx, enough)
		cancel()
		full := m.take(records)
		m.batches.done()
		m.pace()
		m.AllowRebalance()
		if m.ctx.Err() != nil || m.closing.Load() {
			return
		}
		crowd := false
		records.EachError(func(topic string, partition int32, err error) {
			switch {
			case topic == "" && errors.Is(err, context.DeadlineExceeded): // of this poll
			case errors.Is(err, errCrowded) && crowded < tolerable:
				crowd = true
			case topic == "" && !heals(err):
				m.fail(fmt.Errorf("an answer of the cluster cannot be read: %w", err))
			case !heals(err):
				m.of.doubt(err)
				m.fail(fmt.Errorf("the topic %q, partition %d, cannot be read: %w", topic, partition, m.of.advise(err)))
			}
		})
		if untold { // the library has forgotten it when the partition was looked up, and reads that no more
			m.fail(fmt.Errorf("a batch of records cannot be read, and the next attempt tells which: %w", kgo.ErrMaxDecompress))
		}
		if crowd && records.Empty() { // which is soon over, as others are not polled yet
			crowded++
			select {
			case <-time.After(blink):
			case <-m.ctx.Done():
			}
		} else {
			crowded = 0
		}
		for full {
			select {
			case <-m.room:
				m.mu.Lock()
				full = m.full()
				m.mu.Unlock()
			case <-m.ctx.Done():
				return
			}
		}
	}
}

// heals reports whether the library goes on behind an error of a fetch: others, such as a
// batch that is too large or cannot be read, or a topic that was made anew, stop a partition
// for as long as the client lives, or are met over and over.
func heals(err error) bool {
	if _, lost := errors.AsType[*kgo.ErrDataLoss](err); lost {
		return true
	}
	if _, session := errors.AsType[*kgo.ErrGroupSession](err); session { // which hooks are told of
		return true
	}
	word, ok := errors.AsType[*kerr.Error](err)
	return ok && word.Retriable && word != kerr.UnknownTopicID
}

// doubt notes that what cannot be read is in front, unless it is for want of memory or the
// cluster says so, which may be over with the next client.
func (g *group) doubt(err error) {
	if _, word := errors.AsType[*kerr.Error](err); word || errors.Is(err, errCrowded) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stuck = true
}

// advise says of a batch that is too large what an operator can do.
func (g *group) advise(err error) error {
	batch, ok := errors.AsType[*kgo.ErrDecompressTooLarge](err)
	if !ok {
		return err
	}
	return fmt.Errorf("the batch of records from offset %d on has more than %d MiB when it is no longer compressed, or %d MiB of memory with what its records need; to skip it stop every gateway of the group %q, and set the group's offset to %d, as kafka-consumer-groups --reset-offsets does (%w)",
		batch.Offset, inflated>>20, g.largest>>20, g.Group, batch.NextOffset, kgo.ErrMaxDecompress)
}

// take hands out and holds records, while no partition can go. It reports whether enough are
// held.
func (m *member) take(records kgo.Fetches) (full bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	records.EachRecord(func(r *kgo.Record) {
		where := place{r.Topic, r.Partition}
		p := m.partitions[where]
		if p != nil && r.Offset < p.came { // the log begins anew
			m.void(p)
			p = nil
		}
		if p == nil {
			p = &partition{place: where, next: kgo.EpochOffset{Epoch: -1, Offset: -1}, saved: -1}
			m.partitions[where] = p
			m.of.forget(where, r.Offset)
		}
		k := &mark{at: kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset + 1}, redelivered: m.of.count(where, r.Offset)}
		p.marks, p.came = append(p.marks, k), r.Offset+1
		d := &delivery{of: m, from: p, mark: k, m: message(r, k.redelivered)}
		d.weight = weigh(&d.m)
		m.offer(d, false)
	})
	return m.full()
}

// full reports whether enough are held. The caller holds the lock.
func (m *member) full() bool { return m.held.Len() >= enough || m.weight >= m.of.weighty }

// pace pauses the partitions that hold much, and resumes those that no longer do, or have
// gone.
func (m *member) pace() {
	m.pacing.Lock() // so that the client is told in the order in which it is decided
	defer m.pacing.Unlock()
	much, little := make(map[string][]int32), make(map[string][]int32)
	m.mu.Lock()
	for where, p := range m.partitions {
		if len(p.marks) >= far && !m.paused[where] {
			m.paused[where] = true
			much[where.topic] = append(much[where.topic], where.partition)
		}
	}
	for where := range m.paused {
		p := m.partitions[where]
		switch {
		case p == nil, len(p.marks) <= near:
			delete(m.paused, where)
			little[where.topic] = append(little[where.topic], where.partition)
		case p.ended == len(p.marks) && p.err != nil && !m.round.of[p]: // and nobody will ask for another commit
			m.fail(fmt.Errorf("the topic %q, partition %d, cannot be committed: %w", p.topic, p.partition, p.err))
		}
	}
	m.mu.Unlock()
	if len(much) > 0 {
		m.PauseFetchPartitions(much)
	}
	if len(little) > 0 {
		m.ResumeFetchPartitions(little)
	}
}

// offer hands a delivery to who waits, or holds it, in front of others or behind them. The
// caller holds the lock.
func (m *member) offer(d *delivery, front bool) {
	if who := m.waiting.Front(); who != nil {
		d.mark.out = true
		m.waiting.Remove(who).(chan *delivery) <- d
		return
	}
	m.weight += d.weight
	if front {
		m.held.PushFront(d)
	} else {
		m.held.PushBack(d)
	}
}

// release returns a delivery that is held, and holds it no longer. The caller holds the lock.
func (m *member) release(e *list.Element) *delivery {
	d := m.held.Remove(e).(*delivery)
	m.weight -= d.weight
	signal(m.room)
	return d
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// part lets partitions go: what has ended is committed, if that is possible.
func (m *member) part(ctx context.Context, taken map[string][]int32, possible bool) {
	m.committing.Lock() // behind a commit that is on its way
	defer m.committing.Unlock()
	r := newRound()
	var parted []*partition
	m.mu.Lock()
	for topic, numbers := range taken {
		for _, n := range numbers {
			where := place{topic, n}
			p := m.partitions[where]
			if p == nil {
				continue
			}
			m.void(p)
			parted = append(parted, p)
			r.of[p] = true
		}
	}
	m.mu.Unlock()
	if possible {
		m.send(ctx, r, func(error) bool { return true })
	}
	for _, p := range parted { // whose marks are those that are not committed
		m.of.note(p.place, p.marks)
	}
	if m.ctx.Err() == nil {
		m.pace()
	}
}

// void ends the partition for this member, and its deliveries. The caller holds the lock.
func (m *member) void(p *partition) {
	p.gone = true
	delete(m.partitions, p.place)
	for e := m.held.Front(); e != nil; {
		next := e.Next()
		if e.Value.(*delivery).from == p {
			m.release(e)
		}
		e = next
	}
}

// all returns the partitions.
func (m *member) all() map[string][]int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string][]int32)
	for where := range m.partitions {
		all[where.topic] = append(all[where.topic], where.partition)
	}
	return all
}
