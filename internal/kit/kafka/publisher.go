package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// What waits in a client for the word of the cluster, at most.
const (
	most      = 10_000 // records
	mostBytes = 64 << 20
)

// patience is how long a record may wait to be sent.
const patience = 30 * time.Second

// Publishing says where a publisher publishes to.
type Publishing struct {
	Topic string

	// KeyName is the attribute whose value is the key of the record, which then is not among
	// its headers; "" takes the key of the message.
	KeyName string
}

// A Publisher publishes to one topic. It is a [queue.Publisher].
type Publisher struct {
	*live.Conn[*link]
	Publishing
}

// Publisher opens a publisher. The error is one of the build.
func (c *Cluster) Publisher(o Publishing) (*Publisher, error) {
	conn, err := component.Keep(c.site, c.key("producer", nil), func() (*live.Conn[*link], func(), error) {
		conn := live.New(c.options(""), &producers{c.own()})
		return conn, conn.Close, nil
	})
	if err != nil {
		return nil, err
	}
	o.KeyName = gateway.Canonical(o.KeyName)
	return &Publisher{conn, o}, nil
}

// producers is the live.Peer of those who publish.
type producers struct{ *Cluster }

// Dial connects.
func (p *producers) Dial(ctx context.Context, lost func(cause error)) (*link, error) {
	l := new(link)
	err := p.open(ctx, l, kgo.ProducerLinger(0), kgo.MaxBufferedRecords(most), kgo.MaxBufferedBytes(mostBytes), kgo.RecordDeliveryTimeout(patience))
	if err != nil {
		return nil, err
	}
	l.watch(lost)
	return l, nil
}

// Close waits for the word on what was accepted, unless nobody is there to say it.
func (p *producers) Close(ctx context.Context, l *link) {
	if l.ctx.Err() == nil {
		l.Flush(ctx) // nobody is left who would be told
	}
	l.close()
}

// record returns a message as the library wants it, which shares no memory with it.
func (p *Publisher) record(m *queue.Message) *kgo.Record {
	n := len(m.Body) + len(m.Key)
	for _, f := range m.Attributes {
		n += len(f.Name) + len(f.Value)
	}
	room := make([]byte, 0, n)
	copied := func(s string) []byte {
		room = append(room, s...)
		return slices.Clip(room[len(room)-len(s):])
	}
	r := &kgo.Record{Topic: p.Topic}
	if m.Key != "" {
		r.Key = copied(m.Key)
	}
	room = append(room, m.Body...)
	r.Value = slices.Clip(room[len(room)-len(m.Body):])
	if len(m.Attributes) == 0 {
		return r
	}
	r.Headers = make([]kgo.RecordHeader, 0, len(m.Attributes))
	for _, f := range m.Attributes {
		if p.KeyName != "" && f.Name == p.KeyName {
			r.Key = copied(f.Value)
			continue
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: strings.Clone(f.Name), Value: copied(f.Value)})
	}
	return r
}

// Publish sends the message and waits for the word of the cluster.
func (p *Publisher) Publish(ctx context.Context, m *queue.Message) error {
	l, err := p.Get()
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if cause := context.Cause(l.ctx); cause != nil { // just now
		return gateway.Away(cause)
	}
	word := make(chan error, 1)
	sending, leave := context.WithCancel(context.Background()) // ctx is not ours behind the call
	defer leave()
	l.TryProduce(sending, p.record(m), func(_ *kgo.Record, err error) { word <- err })
	select {
	case err := <-word:
		return failure(l, err)
	case <-ctx.Done():
	case <-l.lost:
	}
	select {
	case err := <-word: // which was there before
		return failure(l, err)
	default:
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return queue.Lost(context.Cause(l.ctx))
}

// refusals are the words by which a record is nowhere, and stays so.
var refusals = []error{
	kerr.UnknownTopicOrPartition, kerr.InvalidTopicException, kerr.TopicAuthorizationFailed,
	kerr.ClusterAuthorizationFailed, kerr.InvalidRecord, kerr.InvalidTimestamp, kerr.CorruptMessage, kerr.PolicyViolation,
}

// failure returns what the word of the library on a record is for a client.
func failure(l *link, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kgo.ErrMaxBuffered):
		return gateway.Away(fmt.Errorf("the cluster is slower than messages come, and %d records or %d MiB wait for it", most, mostBytes>>20))
	case errors.Is(err, kerr.MessageTooLarge), errors.Is(err, kerr.RecordListTooLarge):
		return gateway.TooLarge("max.message.bytes of the topic, or a batch of a million bytes", 0)
	case errors.Is(err, kerr.UnknownTopicID): // it was made anew, which a client never learns
		l.fail(err)
		return queue.Refused(err)
	case slices.ContainsFunc(refusals, func(word error) bool { return errors.Is(err, word) }):
		return queue.Refused(err)
	}
	if cause := context.Cause(l.ctx); cause != nil {
		err = cause
	}
	return queue.Lost(err)
}
