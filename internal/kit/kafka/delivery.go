package kafka

import (
	"bytes"
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

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

// Void reports whether the partition has gone before the delivery has ended, so that the record
// comes again elsewhere.
func (d *delivery) Void() bool {
	d.of.mu.Lock()
	defer d.of.mu.Unlock()
	return !d.ended && d.from.gone
}

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
