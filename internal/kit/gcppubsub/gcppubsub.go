//go:build !slim

package gcppubsub

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

func init() {
	queue.Register(queue.Driver{Scheme: "gcppubsub", Publisher: openPublisher, Subscriber: openSubscriber})
}

// longest is how many bytes a message has at most.
const longest = 10_000_000

var (
	projects = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.:-]*$`)
	names    = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._~+%-]{2,254}$`)
)

// readName returns the whole name of a topic or a subscription, as the kind has it.
func readName(a *queue.Address, kind string) (string, error) {
	parts := strings.Split(a.Path, "/")
	if len(parts) == 4 && parts[0] == "projects" && parts[2] == kind {
		parts = []string{parts[1], parts[3]}
	}
	if len(parts) != 2 || !projects.MatchString(parts[0]) || !names.MatchString(parts[1]) {
		return "", fmt.Errorf("it is none of %[1]s; write gcppubsub:// with projects/PROJECT/%[1]s/NAME or PROJECT/NAME, a name being a letter and 2 to 254 letters, digits and -._~+%% more", kind)
	}
	return "projects/" + parts[0] + "/" + kind + "/" + parts[1], nil
}

// mostBatch is the largest limit of a batch.
const mostBatch = 1000

// A publisher publishes to a topic.
type publisher struct{ *live.Conn[*link] }

func openPublisher(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	name, err := readName(a, "topics")
	_, wrong := a.Number("max_send_batch_size", 1, mostBatch)
	if err = errors.Join(err, wrong, a.Only([]string{"max_send_batch_size"}, nil)); err != nil {
		return nil, err
	}
	at, err := where(s, a)
	if err != nil {
		return nil, err
	}
	return component.Keep(s, "topic "+queue.ID(at.id, name), func() (*publisher, func(), error) {
		c := live.New(a.Live("gcppubsub://"+name), &service{account: at, name: name, topic: true})
		return &publisher{c}, c.Close, nil
	})
}

// Publish sends the message and waits for the word of Pub/Sub.
func (p *publisher) Publish(ctx context.Context, m *queue.Message) error {
	l, err := p.Get()
	if err != nil {
		return err
	}
	out := &pubsubpb.PubsubMessage{Data: m.Body, OrderingKey: strings.ToValidUTF8(m.Key, "")}
	size := len(m.Body) + len(m.Key)
	if len(m.Attributes) > 0 {
		out.Attributes = make(map[string]string, len(m.Attributes))
	}
	for _, f := range m.Attributes {
		size += len(f.Name) + len(f.Value)
		out.Attributes[f.Name] = strings.ToValidUTF8(f.Value, "")
	}
	if size > longest {
		return gateway.TooLarge("what Pub/Sub takes in a message", longest)
	}
	ctx, cancel := queue.Bounded(ctx)
	defer cancel()
	var from peer.Peer
	if _, err := l.topics.Publish(l.routed(ctx), &pubsubpb.PublishRequest{Topic: l.name, Messages: []*pubsubpb.PubsubMessage{out}}, grpc.Peer(&from)); err != nil {
		err = l.failed(ctx, err, &from, true)
		if cause := denied(err); cause != nil {
			p.Served(cause)
		}
		return err
	}
	p.Served(nil)
	return nil
}

// A subscriber hands out messages of a subscription.
type subscriber struct{ *live.Conn[*link] }

// fewest is how many messages one call asks for at most, unless the address says otherwise.
const fewest = 100

func openSubscriber(s *component.Site, a *queue.Address) (queue.Subscriber, error) {
	name, err := readName(a, "subscriptions")
	most, wrong := a.Number("max_recv_batch_size", fewest, mostBatch)
	lazy, wrongLazy := a.Flag("nacklazy")
	if err = errors.Join(err, wrong, wrongLazy, a.Only([]string{"max_recv_batch_size", "nacklazy"}, nil)); err != nil {
		return nil, err
	}
	at, err := where(s, a)
	if err != nil {
		return nil, err
	}
	// Pub/Sub shares the messages of a subscription out, so those who read it share this.
	return component.Keep(s, fmt.Sprint("subscription ", queue.ID(at.id, name), " ", most, " ", lazy), func() (*subscriber, func(), error) {
		c := live.New(a.Live("gcppubsub://"+name), &service{account: at, name: name, most: most, lazy: lazy})
		return &subscriber{c}, c.Close, nil
	})
}

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

// pulling is how long one call for messages may take. Pub/Sub answers sooner.
const pulling = 90 * time.Second

// longestAnswer is how many bytes of messages are held that one call brings. So many of the
// longest are always within that: three.
const (
	longestAnswer = 32 << 20
	sure          = longestAnswer / longest
)

// larger is how gRPC begins to say that an answer was longer than that, by the code of another failure.
const larger = "grpc: received message larger than max"

// ask asks for messages. An answer that is too long is thrown away, so that its messages come when
// their deadline is over, and the next calls ask for fewer. How long Pub/Sub waits for them it decides itself, but no longer than
// somebody here does: what comes for nobody counts as delivered.
func (l *link) ask(ctx context.Context, n int, wait time.Duration) ([]queue.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var from peer.Peer
	n = min(n, l.fits)
	in, err := l.subscriptions.Pull(l.routed(ctx), &pubsubpb.PullRequest{Subscription: l.name, MaxMessages: int32(n)}, grpc.Peer(&from))
	if err != nil {
		if n > sure && status.Code(err) == codes.ResourceExhausted && strings.HasPrefix(status.Convert(err).Message(), larger) {
			l.fits = sure
			return nil, nil
		}
		if status.Code(err) == codes.DeadlineExceeded {
			return nil, nil // there was none
		}
		return nil, l.failed(ctx, err, &from, false)
	}
	l.fits = min(2*l.fits, l.most)
	ds := make([]queue.Delivery, len(in.ReceivedMessages))
	for i, m := range in.ReceivedMessages {
		ds[i] = &delivery{m: incoming(m), of: l, id: m.AckId, letters: l.letters || m.DeliveryAttempt > 0}
	}
	return ds, nil
}

// incoming makes a message of one of Pub/Sub.
func incoming(from *pubsubpb.ReceivedMessage) queue.Message {
	m := queue.Message{Body: from.Message.GetData(), Key: from.Message.GetOrderingKey(), Redelivered: max(int(from.DeliveryAttempt)-1, 0)}
	for name, value := range from.Message.GetAttributes() {
		m.Attributes.Add(name, value)
	}
	slices.SortFunc(m.Attributes, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	return m
}

// A delivery is a message that others do not get for a while.
type delivery struct {
	m       queue.Message
	of      *link
	id      string
	letters bool // the subscription has dead letters: deliveries are counted nowhere else
}

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

// Ack acknowledges the message. One that cannot be acknowledged comes again.
func (d *delivery) Ack(ctx context.Context) error {
	var from peer.Peer
	if _, err := d.of.subscriptions.Acknowledge(d.of.routed(ctx), &pubsubpb.AcknowledgeRequest{Subscription: d.of.name, AckIds: []string{d.id}}, grpc.Peer(&from)); err != nil {
		return d.of.failed(ctx, err, &from, false)
	}
	return nil
}

// Nack lets the message come again, or drops it if the subscription has no dead letters.
func (d *delivery) Nack(ctx context.Context, requeue bool) error {
	if !requeue && !d.letters {
		return d.Ack(ctx)
	}
	if d.of.lazy {
		return nil
	}
	var from peer.Peer
	if _, err := d.of.subscriptions.ModifyAckDeadline(d.of.routed(ctx), &pubsubpb.ModifyAckDeadlineRequest{Subscription: d.of.name, AckIds: []string{d.id}}, grpc.Peer(&from)); err != nil {
		return d.of.failed(ctx, err, &from, false)
	}
	return nil
}
