package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A group is the live.Peer of a subscriber.
type group struct {
	*Cluster
	Subscribing
	weighty  int    // as the constant
	opened   int    // as the constant
	largest  int    // as the constant
	instance string // by which a client takes the place of the one before, without waiting for its session to end

	mu     sync.Mutex
	counts map[place]map[int64]int // how often records were delivered that were not committed when their partition went
	stuck  bool                    // the client before, or the one that is there, has met what cannot be read
	trial  time.Time               // until then it may well be met again
}

// wary is how long a client is not said to be ready whose predecessor has met what cannot be
// read.
const wary = 10 * time.Second

// farewell is how long a client takes to leave the group that was given up while it joined.
const farewell = time.Second

// A place is a partition of a topic.
type place struct {
	topic     string
	partition int32
}

// Dial connects and joins the group, and returns when it is known which partitions are read and
// from where on: what is published from then on is read.
func (g *group) Dial(ctx context.Context, lost func(cause error)) (*member, error) {
	m := &member{of: g, link: link{topics: g.Topics}, partitions: make(map[place]*partition), paused: make(map[place]bool), room: make(chan struct{}, 1), dirty: make(chan struct{}, 1), round: newRound(), begun: make(chan struct{}, 1), batches: batches{most: g.opened, largest: g.largest, open: make(map[*byte]int)}}
	m.batches.refused = m.meet
	offset := kgo.NewOffset().AtEnd()
	if g.Oldest {
		offset = kgo.NewOffset().AtStart()
	}
	err := g.open(ctx, &m.link,
		kgo.ConsumerGroup(g.Group), kgo.InstanceID(g.instance), kgo.ConsumeTopics(g.Topics...), kgo.ConsumeStartOffset(offset), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.AdjustFetchOffsetsFn(m.begin),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.MaxConcurrentFetches(asked), kgo.FetchMaxWait(waits),
		kgo.WithDecompressor(&m.batches), kgo.WithPools(&m.batches), kgo.WithHooks(&m.batches),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given map[string][]int32) {
			if len(given) == 0 { // and otherwise begin is called
				signal(m.begun)
			}
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, taken map[string][]int32) { m.part(ctx, taken, true) }),
		kgo.OnPartitionsLost(func(ctx context.Context, _ *kgo.Client, taken map[string][]int32) { m.part(ctx, taken, false) }))
	if err != nil {
		return nil, err
	}
	m.watch(lost)
	m.gone.Go(m.poll)
	m.gone.Go(m.commit)
	select {
	case <-m.begun:
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.stuck {
			g.stuck, g.trial = false, time.Now().Add(wary)
		}
		return m, nil
	case <-m.lost:
		err = context.Cause(m.ctx)
	case <-ctx.Done():
		err = fmt.Errorf("the group %q has not given this member its partitions: %w", g.Group, ctx.Err())
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			m.end(err) // and the next client takes its place
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	g.Close(ctx, m)
	return nil, err
}

// suspect reports whether the client that is there may be lost soon, as the one before was, for
// what cannot be read.
func (g *group) suspect() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stuck || time.Now().Before(g.trial)
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
