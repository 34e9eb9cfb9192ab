package kafka

import (
	"bytes"
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// What a subscriber holds that nobody has taken.
const (
	enough  = 100      // records, at which no more are asked for (and those of one poll come still)
	weighty = 64 << 20 // bytes of them, at which no more are asked for either
	fetched = 16 << 20 // bytes that a broker sends ahead
	opened  = 64 << 20 // bytes that a batch may have when it is no longer compressed
)

// What a partition holds that is not committed, because a record in front has not ended.
const (
	far  = 1000 // records, at which no more are fetched (and those of one poll come still)
	near = far / 2
)

// Subscribing says what a subscriber reads.
type Subscribing struct {
	Group  string
	Topics []string

	// Oldest begins with the oldest record of a partition of which the group has committed
	// nothing; otherwise it begins with those that come.
	Oldest bool
}

// A Subscriber is a member of a group. It is a [queue.Subscriber].
type Subscriber struct {
	*live.Conn[*member]
}

// Subscriber opens a subscriber. The error is one of the build.
func (c *Cluster) Subscriber(o Subscribing) (*Subscriber, error) {
	return component.Keep(c.site, c.key("member", o), func() (*Subscriber, func(), error) {
		peer := &group{Cluster: c.own(), Subscribing: o, instance: rand.Text(), counts: make(map[place]map[int64]int)}
		conn := live.New(c.options("group "+o.Group), peer)
		return &Subscriber{conn}, conn.Close, nil
	})
}

// A group is the live.Peer of a subscriber.
type group struct {
	*Cluster
	Subscribing
	instance string // by which a client takes the place of the one before, without waiting for its session to end

	mu     sync.Mutex
	counts map[place]map[int64]int // how often records were delivered that were not committed when their partition went
}

// A place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// Dial connects and joins the group.
func (g *group) Dial(ctx context.Context, lost func(cause error)) (*member, error) {
	m := &member{of: g, link: link{topics: g.Topics}, partitions: make(map[place]*partition), paused: make(map[place]bool), room: make(chan struct{}, 1), dirty: make(chan struct{}, 1), round: newRound()}
	offset := kgo.NewOffset().AtEnd()
	if g.Oldest {
		offset = kgo.NewOffset().AtStart()
	}
	err := g.open(ctx, &m.link,
		kgo.ConsumerGroup(g.Group), kgo.InstanceID(g.instance), kgo.ConsumeTopics(g.Topics...), kgo.ConsumeStartOffset(offset), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxBytes(fetched), kgo.MaxDecompressBatchBytes(opened),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, taken map[string][]int32) { m.part(ctx, taken, true) }),
		kgo.OnPartitionsLost(func(ctx context.Context, _ *kgo.Client, taken map[string][]int32) { m.part(ctx, taken, false) }))
	if err != nil {
		return nil, err
	}
	m.watch(lost)
	m.gone.Go(m.poll)
	m.gone.Go(m.commit)
	return m, nil
}

// Close commits what has ended and leaves the group, unless nobody is there to be told.
func (g *group) Close(ctx context.Context, m *member) {
	if m.ctx.Err() == nil {
		m.closing.Store(true)
		stop := context.AfterFunc(ctx, func() { m.end(errLeft) })
		m.LeaveGroupContext(ctx) // which calls part
		g.leave(ctx, m)
		stop()
	}
	m.close()
	m.part(m.ctx, m.all(), false)
}

// leave tells the others that the place is free, which the library does not for one with an
// instance.
func (g *group) leave(ctx context.Context, m *member) {
	q := kmsg.NewPtrLeaveGroupRequest()
	q.Group = g.Group
	own := kmsg.NewLeaveGroupRequestMember()
	own.InstanceID = &g.instance
	q.Members = append(q.Members, own)
	q.RequestWith(ctx, m.Client) // and otherwise they find out when the session is over
}

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

	room  chan struct{} // of size 1: fewer are held
	dirty chan struct{} // of size 1: there is something to be committed

	committing sync.Mutex // held while a commit is on its way
	pacing     sync.Mutex // held while partitions are paused and resumed
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

// A round is a commit of several partitions.
type round struct {
	of   map[*partition]bool
	done chan struct{}
}

func newRound() *round { return &round{make(map[*partition]bool), make(chan struct{})} }

// poll takes records in as long as there is room for them.
func (m *member) poll() {
	for {
		records := m.PollRecords(m.ctx, enough)
		full := m.take(records)
		m.pace()
		m.AllowRebalance()
		if m.ctx.Err() != nil || m.closing.Load() {
			return
		}
		records.EachError(func(topic string, partition int32, err error) {
			if !heals(err) {
				m.fail(fmt.Errorf("the topic %q, partition %d, cannot be read: %w", topic, partition, err))
			}
		})
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
			if !m.of.Oldest { // a start at the end is one for good, whatever becomes of this client
				p.next = kgo.EpochOffset{Epoch: r.LeaderEpoch, Offset: r.Offset}
				m.save(p)
			}
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
func (m *member) full() bool { return m.held.Len() >= enough || m.weight >= weighty }

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

// count returns how often a record was delivered before, and forgets it.
func (g *group) count(where place, offset int64) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := g.counts[where]
	n := counts[offset]
	if delete(counts, offset); len(counts) == 0 {
		delete(g.counts, where)
	}
	return n
}

// note keeps the counts of the records of a partition that has gone, unless they are
// committed.
func (g *group) note(where place, marks []*mark) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, k := range marks {
		n := k.redelivered
		if k.out {
			n++
		}
		if n == 0 {
			continue
		}
		if g.counts[where] == nil {
			g.counts[where] = make(map[int64]int)
		}
		g.counts[where][k.at.Offset-1] = n
	}
}

// forget forgets the records in front of the first one that comes, which others have ended.
func (g *group) forget(where place, first int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	counts := g.counts[where]
	maps.DeleteFunc(counts, func(at int64, _ int) bool { return at < first })
	if len(counts) == 0 {
		delete(g.counts, where)
	}
}

// attributes is how many headers of a record are attributes; others are left out.
const attributes = 1000

// message returns a record as a message, which shares no memory with it: the smallest part of
// a record keeps all that came with it, which is a batch or the answer of a broker.
func message(r *kgo.Record, redelivered int) queue.Message {
	m := queue.Message{Body: bytes.Clone(r.Value), Key: string(r.Key), Redelivered: redelivered}
	if len(r.Headers) == 0 {
		return m
	}
	n := min(len(r.Headers), attributes)
	m.Attributes = make(gateway.Fields, 0, n)
	seen := make(map[string]bool, n)
	for _, h := range r.Headers {
		if seen[h.Key] {
			continue
		}
		if len(seen) == attributes {
			break
		}
		seen[h.Key] = true
		m.Attributes.Add(h.Key, string(h.Value))
	}
	return m
}

// weigh returns about how many bytes of memory a message has.
func weigh(m *queue.Message) int {
	n := len(m.Body) + len(m.Key) + 32*len(m.Attributes)
	for _, f := range m.Attributes {
		n += len(f.Name) + len(f.Value)
	}
	return n
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

// Receive returns the next message.
func (s *Subscriber) Receive(ctx context.Context) (queue.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := s.Get()
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	if first := m.held.Front(); first != nil {
		defer m.mu.Unlock()
		d := m.release(first)
		d.mark.out = true
		return d, nil
	}
	comes := make(chan *delivery, 1)
	seat := m.waiting.PushBack(comes)
	m.mu.Unlock()
	select {
	case d := <-comes:
		return d, nil
	case <-m.lost:
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case d := <-comes: // just now
		if !d.from.gone {
			d.mark.out = false
			m.offer(d, true)
		}
	default:
		m.waiting.Remove(seat)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, gateway.Away(context.Cause(m.ctx))
}

// Wait waits until the cluster is there.
func (s *Subscriber) Wait(ctx context.Context) error {
	_, err := s.Conn.Wait(ctx)
	return err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A delivery is a record that somebody has, or is to get.
type delivery struct {
	of     *member
	from   *partition
	mark   *mark
	m      queue.Message
	weight int // of the message as it came
	ended  bool
}

var (
	errTwice = errors.New("the delivery has ended before")
	errMoved = errors.New("the partition has gone to another member of the group, which gets the record again")
)

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

// Ack commits the record, unless others in front of it have not ended.
func (d *delivery) Ack(ctx context.Context) error {
	m, p := d.of, d.from
	m.mu.Lock()
	if d.ended || p.gone {
		defer m.mu.Unlock()
		if d.ended {
			return errTwice
		}
		return errMoved
	}
	d.ended, d.mark.ended = true, true
	n := p.ended
	for p.ended < len(p.marks) && p.marks[p.ended].ended {
		p.next = p.marks[p.ended].at
		p.ended++
	}
	if n == p.ended {
		m.mu.Unlock()
		return nil
	}
	r, end := m.save(p), p.next.Offset
	m.mu.Unlock()
	select {
	case <-r.done:
	case <-m.lost:
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case p.saved >= end:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case m.ctx.Err() != nil:
		return context.Cause(m.ctx)
	case p.err != nil:
		return p.err
	}
	return errMoved
}

// Nack keeps the record for the next who asks, or does as Ack does.
func (d *delivery) Nack(ctx context.Context, requeue bool) error {
	if !requeue {
		return d.Ack(ctx)
	}
	m := d.of
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case d.ended:
		return errTwice
	case d.from.gone: // and it comes again
		return nil
	}
	d.ended = true
	d.mark.redelivered++
	d.mark.out = false
	back := &delivery{of: m, from: d.from, mark: d.mark, m: d.m, weight: d.weight}
	back.m.Redelivered = d.mark.redelivered
	m.offer(back, true)
	return nil
}

// save asks for a commit of the partition, and returns the round that has it. The caller
// holds the lock.
func (m *member) save(p *partition) *round {
	m.round.of[p] = true
	signal(m.dirty)
	return m.round
}

// commit makes the rounds.
func (m *member) commit() {
	for {
		select {
		case <-m.dirty:
		case <-m.ctx.Done():
		}
		m.mu.Lock()
		r := m.round
		m.round = newRound()
		m.mu.Unlock()
		for tries := 0; !m.try(r, tries < retries); tries++ {
			select {
			case <-time.After(pause):
			case <-m.ctx.Done():
			}
		}
		close(r.done)
		if m.ctx.Err() != nil { // lost wakes who comes now
			return
		}
		m.pace()
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
