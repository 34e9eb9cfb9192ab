//go:build !slim

package sqs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// A subscriber hands out messages of a queue.
type subscriber struct{ *live.Conn[*link] }

// Receive waits for a message.
func (s *subscriber) Receive(ctx context.Context) (queue.Delivery, error) {
	l, err := s.Get()
	if err != nil {
		return nil, err
	}
	d, err := l.Receive(ctx)
	if cause := denied(err); err == nil || cause != nil {
		s.Served(cause)
	}
	return d, err
}

// most is how many messages SQS gives at once.
const most = 10

// ask asks for messages.
func (l *link) ask(ctx context.Context, n int, wait time.Duration) ([]queue.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+queue.Patience)
	defer cancel()
	out, err := l.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &l.name, MaxNumberOfMessages: int32(n), WaitTimeSeconds: int32(wait / time.Second), MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameMessageGroupId},
	}, onceSQS)
	if err != nil {
		if err = l.failed(ctx, err, false); errors.Is(ctx.Err(), context.DeadlineExceeded) { // AWS has not answered when it should have
			l.Lose(err)
			err = gateway.Away(err)
		}
		return nil, err
	}
	ds := make([]queue.Delivery, len(out.Messages))
	for i := range out.Messages {
		m := &out.Messages[i]
		ds[i] = &delivery{m: incoming(m, l.raw), of: l, receipt: m.ReceiptHandle}
	}
	return ds, nil
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

// Nack shows the message again, at once, or deletes it if the queue has no dead letters. Who is
// not told of those destroys nothing, and fails.
func (d *delivery) Nack(ctx context.Context, requeue bool) error {
	var unknown error
	if !requeue {
		switch letters, err := d.of.letters(ctx); {
		case err != nil:
			unknown = fmt.Errorf("nobody tells whether the queue has dead letters (allow sqs:GetQueueAttributes), so that the message is shown again: %w", d.of.failed(ctx, err, false))
		case !letters:
			return d.Ack(ctx)
		}
	}
	_, err := d.of.queues.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{QueueUrl: &d.of.name, ReceiptHandle: d.receipt, VisibilityTimeout: 0})
	if err != nil {
		return d.of.failed(ctx, err, false)
	}
	return unknown
}
