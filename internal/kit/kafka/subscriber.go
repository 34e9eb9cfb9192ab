package kafka

import (
	"context"
	"crypto/rand"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
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
	of *group
}

// Subscriber opens a subscriber. The error is one of the build.
func (c *Cluster) Subscriber(o Subscribing) (*Subscriber, error) {
	return component.Keep(c.site, c.key("member", o), func() (*Subscriber, func(), error) {
		peer := &group{Cluster: c.own(), Subscribing: o, weighty: weighty, opened: opened, largest: largest, instance: rand.Text(), counts: make(map[place]map[int64]int)}
		conn := live.New(c.options("group "+o.Group), peer)
		return &Subscriber{conn, peer}, conn.Close, nil
	})
}

// Health is the state of the connection, which is not ready either while one after the other
// ends because of what cannot be read.
func (s *Subscriber) Health() (text string, ok bool) {
	text, ok = s.Conn.Health()
	if ok && s.of.suspect() {
		return live.Connecting.String(), false
	}
	return text, ok
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
