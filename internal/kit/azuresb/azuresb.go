//go:build !slim

package azuresb

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

func init() {
	queue.Register(queue.Driver{Scheme: "azuresb", Host: checkHost, Publisher: openPublisher, Subscriber: openSubscriber})
}

var (
	entities      = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._/-]{0,258}[a-zA-Z0-9])?$`)
	subscriptions = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,48}[a-zA-Z0-9])?$`)
)

// checkEntity says what is wrong with the name of a topic.
func checkEntity(a *queue.Address) error {
	if !entities.MatchString(a.Path) {
		return errors.New("it is no name of a topic, which has letters, digits and ._-/ in it, and begins and ends with a letter or a digit; the namespace stands in " + variable)
	}
	return nil
}

// checkHost says what is wrong behind the scheme of a host: a part of a name may stand there, and
// no namespace.
func checkHost(after string) error {
	if strings.Contains(after, ":") || strings.Contains(strings.ToLower(after), ".servicebus.") {
		return errors.New("the name of the namespace stands in " + hostVariable + " or in the option server; write azuresb:// alone")
	}
	return nil
}

// A publisher publishes to a topic.
type publisher struct{ *live.Conn[*link] }

func openPublisher(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	if err := errors.Join(checkEntity(a), a.Only(nil, nil)); err != nil {
		return nil, err
	}
	n, err := where(s, a)
	if err != nil {
		return nil, err
	}
	return component.Keep(s, "topic "+queue.ID(n.id, a.Path), func() (*publisher, func(), error) {
		c := live.New(a.Live(a.String()+" of "+n.host), &service{namespace: n, topic: a.Path})
		return &publisher{c}, c.Close, nil
	})
}

// Publish sends the message and waits for the word of Service Bus.
func (p *publisher) Publish(ctx context.Context, m *queue.Message) error {
	l, err := p.Get()
	if err != nil {
		return err
	}
	out := &azservicebus.Message{Body: m.Body}
	if out.Body == nil {
		out.Body = []byte{} // else there is no section of data
	}
	if m.Key != "" {
		key := strings.ToValidUTF8(m.Key, "")
		out.SessionID = &key
	}
	if len(m.Attributes) > 0 {
		out.ApplicationProperties = make(map[string]any, len(m.Attributes))
	}
	for _, f := range m.Attributes {
		value := strings.ToValidUTF8(f.Value, "")
		out.ApplicationProperties[f.Name] = value
		if f.Name == "Content-Type" {
			out.ContentType = &value
		}
	}
	ctx, cancel := queue.Bounded(ctx)
	defer cancel()
	defer l.begin()()
	if err := l.sender.SendMessage(ctx, out, nil); err != nil {
		return l.failed(ctx, err, true)
	}
	return nil
}

// A subscriber hands out messages of a subscription.
type subscriber struct{ *live.Conn[*link] }

const (
	fewest   = 100 // messages that one call asks for at most, unless the address says otherwise
	mostEver = 1000
	waits    = time.Minute // how long one call waits, unless the address says otherwise
)

// readWait returns what the parameter listener_timeout says.
func readWait(a *queue.Address) (time.Duration, error) {
	if !a.Query.Has("listener_timeout") {
		return waits, nil
	}
	d, err := time.ParseDuration(a.Query.Get("listener_timeout"))
	if err != nil || d < time.Second || d > waits || d%time.Second != 0 {
		return 0, errors.New("the parameter listener_timeout is whole seconds, from 1s to 60s")
	}
	return d, nil
}

func openSubscriber(s *component.Site, a *queue.Address) (queue.Subscriber, error) {
	name := a.Query.Get("subscription")
	var missing error
	switch {
	case !a.Query.Has("subscription"):
		missing = errors.New("the parameter subscription is missing; write the topic and ?subscription=NAME")
	case !subscriptions.MatchString(name):
		missing = errors.New("the parameter subscription is no name of one: 1 to 50 letters, digits and ._- that begin and end with a letter or a digit")
	}
	most, wrongMost := a.Number("max_recv_batch_size", fewest, mostEver)
	wait, wrongWait := readWait(a)
	if err := errors.Join(checkEntity(a), missing, wrongMost, wrongWait, a.Only([]string{"subscription", "max_recv_batch_size", "listener_timeout"}, nil)); err != nil {
		return nil, err
	}
	n, err := where(s, a)
	if err != nil {
		return nil, err
	}
	// The service shares the messages of a subscription out, so those who read it share this.
	return component.Keep(s, fmt.Sprint("subscription ", queue.ID(n.id, a.Path, name), " ", most, " ", wait), func() (*subscriber, func(), error) {
		c := live.New(a.Live(a.String()+" subscription "+name+" of "+n.host), &service{namespace: n, topic: a.Path, subscription: name, most: most, wait: wait})
		return &subscriber{c}, c.Close, nil
	})
}

// Receive waits for a message.
func (s *subscriber) Receive(ctx context.Context) (queue.Delivery, error) {
	l, err := s.Get()
	if err != nil {
		return nil, err
	}
	return l.Receive(ctx)
}

// further is how long messages behind the first one are waited for.
const further = time.Millisecond

var errDeaf = errors.New("the service has ended the link")

// ask gives credit for messages, and waits for them.
func (l *link) ask(ctx context.Context, n int, wait time.Duration) ([]queue.Delivery, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	defer l.begin()()
	var in []*azservicebus.ReceivedMessage
	var err error
	for range 2 { // the library tells nobody that a link has ended: it makes another, or uses it on
		in, err = l.receiver.ReceiveMessages(ctx, n, &azservicebus.ReceiveMessagesOptions{TimeAfterFirstMessage: further})
		if len(in) > 0 || err != nil {
			break
		}
	}
	if len(in) == 0 && err == nil && ctx.Err() == nil {
		l.Lose(errDeaf)
		return nil, gateway.Away(errDeaf)
	}
	if err != nil {
		if err = l.failed(ctx, err, false); errors.Is(err, context.DeadlineExceeded) {
			return nil, nil // there was none
		}
		return nil, err
	}
	ds := make([]queue.Delivery, len(in))
	for i, m := range in {
		ds[i] = &delivery{m: incoming(m), of: l, from: m}
	}
	return ds, nil
}

// incoming makes a message of one of Service Bus.
func incoming(from *azservicebus.ReceivedMessage) queue.Message {
	m := queue.Message{Body: from.Body, Redelivered: max(int(from.DeliveryCount)-1, 0)}
	if raw := from.RawAMQPMessage; len(m.Body) == 0 && raw != nil {
		switch v := raw.Body.Value.(type) {
		case nil:
			m.Body = slices.Concat(raw.Body.Data...)
		case string:
			m.Body = []byte(v)
		case []byte:
			m.Body = v
		default:
			m.Body = fmt.Append(nil, v)
		}
	}
	for name, value := range from.ApplicationProperties {
		m.Attributes.Add(name, fmt.Sprint(value))
	}
	slices.SortFunc(m.Attributes, func(a, b gateway.Field) int { return strings.Compare(a.Name, b.Name) })
	if from.ContentType != nil && !slices.ContainsFunc(m.Attributes, func(f gateway.Field) bool { return gateway.Canonical(f.Name) == "Content-Type" }) {
		m.Attributes.Add("Content-Type", *from.ContentType)
	}
	if from.SessionID != nil {
		m.Key = *from.SessionID
	}
	return m
}

// A delivery is a message that is locked for us.
type delivery struct {
	m    queue.Message
	of   *link
	from *azservicebus.ReceivedMessage
}

// Message returns the message.
func (d *delivery) Message() *queue.Message { return &d.m }

// Ack completes the message. One that cannot be completed comes again.
func (d *delivery) Ack(ctx context.Context) error {
	return d.ended(ctx, d.of.receiver.CompleteMessage(ctx, d.from, nil))
}

// reason is what the dead letters of a subscription show.
var reason = "the gateway could not use it"

// Nack abandons the message, so that it comes again, or puts it to the dead letters.
func (d *delivery) Nack(ctx context.Context, requeue bool) error {
	if requeue {
		return d.ended(ctx, d.of.receiver.AbandonMessage(ctx, d.from, nil))
	}
	return d.ended(ctx, d.of.receiver.DeadLetterMessage(ctx, d.from, &azservicebus.DeadLetterOptions{Reason: &reason}))
}

func (d *delivery) ended(ctx context.Context, err error) error {
	if err != nil {
		return d.of.failed(ctx, err, false)
	}
	return nil
}
