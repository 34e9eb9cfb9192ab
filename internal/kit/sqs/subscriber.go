//go:build !slim

package sqs

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// A subscriber hands out messages of a queue.
type subscriber struct {
	*live.Conn[*link]
	wait time.Duration
	raw  bool

	mu      sync.Mutex
	waiting []*waiter // the first has waited longest
	asks    *link     // that asks for messages; nil for none
}

// A waiter is a call of Receive.
type waiter struct {
	until time.Time // zero for no limit
	got   chan result
}

type result struct {
	d   *delivery
	err error
}

var errClosed = errors.New("the connection is closed")

// Wait waits until the queue is there.
func (s *subscriber) Wait(ctx context.Context) error {
	_, err := s.Conn.Wait(ctx)
	return err
}

// Receive waits for a message.
func (s *subscriber) Receive(ctx context.Context) (queue.Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l, err := s.Get()
	if err != nil {
		return nil, err
	}
	w := &waiter{got: make(chan result, 1)}
	w.until, _ = ctx.Deadline()
	s.mu.Lock()
	if s.asks != l {
		if !l.begin(func() { s.ask(l) }) {
			s.mu.Unlock()
			return nil, gateway.Away(errClosed)
		}
		s.asks = l
	}
	s.waiting = append(s.waiting, w)
	s.mu.Unlock()
	select {
	case r := <-w.got:
		return r.delivery()
	case <-ctx.Done():
		err = ctx.Err()
	case <-l.gone:
		err = gateway.Away(l.cause)
	}
	s.mu.Lock()
	i := slices.Index(s.waiting, w)
	if i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	s.mu.Unlock()
	if i < 0 { // it came at the same moment
		return (<-w.got).delivery()
	}
	return nil, err
}

func (r result) delivery() (queue.Delivery, error) {
	if r.err != nil {
		return nil, r.err
	}
	return r.d, nil
}

// most is how many messages SQS gives at once.
const most = 10

// ask asks for messages as long as somebody waits.
func (s *subscriber) ask(l *link) {
	for {
		n, wait := s.wanted(l)
		if n == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(l.ctx, wait+patience)
		out, err := l.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &l.name, MaxNumberOfMessages: int32(n), WaitTimeSeconds: int32(wait / time.Second), MessageAttributeNames: []string{"All"},
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameMessageGroupId},
		}, onceSQS)
		if err != nil {
			s.fail(l, l.failed(ctx, err, false), ctx)
			cancel()
			return
		}
		cancel()
		for i := range out.Messages {
			s.hand(l, &out.Messages[i])
		}
	}
}

// wanted returns how many messages are wanted, and how long AWS may wait for them: no longer
// than somebody here does. With 0 the caller is not asked any more.
func (s *subscriber) wanted(l *link) (n int, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asks != l {
		return 0, 0
	}
	now := time.Now()
	for _, w := range s.waiting {
		left := s.wait
		if !w.until.IsZero() {
			left = min(left, (w.until.Sub(now) + time.Second - 1).Truncate(time.Second)) // less than a second would be asked all the time
		}
		wait = max(wait, left)
	}
	if n = min(len(s.waiting), most); n == 0 {
		s.asks = nil
	}
	return n, wait
}

// fail ends the waiting of all with an error. What receives is over.
func (s *subscriber) fail(l *link, err error, ctx context.Context) {
	if ctx.Err() != nil {
		err = gateway.Away(err)
		l.lose(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asks != l { // who waits still does so elsewhere
		return
	}
	s.asks = nil
	for _, w := range s.waiting {
		w.got <- result{err: err}
	}
	s.waiting = nil
}

// hand gives a message to who has waited longest, or back to the queue.
func (s *subscriber) hand(l *link, from *types.Message) {
	d := &delivery{m: incoming(from, s.raw), of: l, receipt: from.ReceiptHandle}
	s.mu.Lock()
	if len(s.waiting) > 0 {
		s.waiting[0].got <- result{d: d}
		s.waiting = slices.Delete(s.waiting, 0, 1)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	d.Nack(ctx, true) // else it is shown again when its time is over
}

// A delivery is a message that others do not see for a while.
type delivery struct {
	m       queue.Message
	of      *link
	receipt *string
}

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

// Ack deletes the message. One that cannot be deleted is shown again.
func (d *delivery) Ack(ctx context.Context) error {
	_, err := d.of.queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &d.of.name, ReceiptHandle: d.receipt})
	if err != nil {
		return d.of.failed(ctx, err, false)
	}
	return nil
}

// Nack shows the message again, at once, or deletes it if the queue has no dead letters.
func (d *delivery) Nack(ctx context.Context, requeue bool) error {
	if !requeue && !d.of.letters {
		return d.Ack(ctx)
	}
	_, err := d.of.queues.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &d.of.name, ReceiptHandle: d.receipt, VisibilityTimeout: 0})
	if err != nil {
		return d.of.failed(ctx, err, false)
	}
	return nil
}
