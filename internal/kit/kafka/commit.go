package kafka

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	retries = 20                     // of a commit that the group is not ready for
	pause   = 100 * time.Millisecond // between two
	longest = 5 * time.Second        // that one may take
)

// A round is a commit of several partitions.
type round struct {
	of   map[*partition]bool
	done chan struct{}
}

func newRound() *round { return &round{make(map[*partition]bool), make(chan struct{})} }

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

// try commits the partitions of a round that have not gone, and reports whether it is done
// with them. Those which can be tried again, if more may follow, stay in the round.
func (m *member) try(r *round, more bool) (done bool) {
	m.committing.Lock()
	defer m.committing.Unlock()
	m.mu.Lock()
	maps.DeleteFunc(r.of, func(p *partition, _ bool) bool { return p.gone }) // which part has committed
	m.mu.Unlock()
	m.send(m.ctx, r, func(err error) bool { return !more || m.ctx.Err() != nil || !later(err) })
	return len(r.of) == 0
}

// later reports whether a commit may succeed that failed for err, which is no word of the
// cluster, or one that asks for patience.
func later(err error) bool {
	_, word := errors.AsType[*kerr.Error](err)
	return !word || errors.Is(err, kerr.RebalanceInProgress) || kerr.IsRetriable(err)
}

// send commits what is not committed of the partitions of a round, and removes those from it
// of whose word settled says so. The caller holds committing.
func (m *member) send(ctx context.Context, r *round, settled func(error) bool) {
	offsets := make(map[string]map[int32]kgo.EpochOffset)
	m.mu.Lock()
	for p := range r.of {
		if p.next.Offset <= p.saved {
			delete(r.of, p)
			continue
		}
		if offsets[p.topic] == nil {
			offsets[p.topic] = make(map[int32]kgo.EpochOffset)
		}
		offsets[p.topic][p.partition] = p.next
	}
	m.mu.Unlock()
	if len(offsets) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	words := make(map[place]error)
	var failed error
	m.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if failed = err; err != nil {
			return
		}
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				words[place{t.Topic, p.Partition}] = kerr.ErrorForCode(p.ErrorCode)
			}
		}
	})
	m.mu.Lock()
	defer m.mu.Unlock()
	for p := range r.of {
		word, answered := words[p.place]
		switch {
		case failed != nil:
			word = failed
		case !answered:
			word = kerr.UnknownServerError
		}
		if word == nil {
			p.saved = offsets[p.topic][p.partition].Offset
			n := 0
			for n < p.ended && p.marks[n].at.Offset <= p.saved {
				n++
			}
			p.marks, p.ended = slices.Delete(p.marks, 0, n), p.ended-n
		}
		if word == nil || settled(word) {
			p.err = word
			delete(r.of, p)
		}
	}
}

// begin finds out where partitions end of which the group has committed nothing, if that is
// where it begins, and commits it: the place is one for good, whatever becomes of this client.
// An error lets the group be joined again.
func (m *member) begin(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (_ map[string]map[int32]kgo.Offset, err error) {
	defer func() {
		if err == nil {
			signal(m.begun)
		}
	}()
	q := kmsg.NewPtrListOffsetsRequest()
	q.ReplicaID, q.IsolationLevel = -1, 1 // of what is read, as records are
	for topic, partitions := range offsets {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for n, o := range partitions {
			if o.EpochOffset().Offset == -1 {
				p := kmsg.NewListOffsetsRequestTopicPartition()
				p.Partition, p.Timestamp = n, -1
				t.Partitions = append(t.Partitions, p)
			}
		}
		if len(t.Partitions) > 0 {
			q.Topics = append(q.Topics, t)
		}
	}
	if len(q.Topics) == 0 {
		return offsets, nil
	}
	told, err := q.RequestWith(ctx, m.Client)
	if err != nil {
		return nil, err
	}
	r := newRound()
	var begun []*partition
	for _, t := range told.Topics {
		for _, p := range t.Partitions {
			if o, asked := offsets[t.Topic][p.Partition]; !asked || o.EpochOffset().Offset != -1 {
				continue
			}
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, err
			}
			offsets[t.Topic][p.Partition] = kgo.NewOffset().At(p.Offset).WithEpoch(p.LeaderEpoch)
			b := &partition{place: place{t.Topic, p.Partition}, next: kgo.EpochOffset{Epoch: p.LeaderEpoch, Offset: p.Offset}, saved: -1}
			begun = append(begun, b)
			r.of[b] = true
		}
	}
	m.committing.Lock()
	defer m.committing.Unlock()
	m.send(ctx, r, func(error) bool { return true })
	for _, b := range begun {
		err = errors.Join(err, b.err)
	}
	return offsets, err
}
