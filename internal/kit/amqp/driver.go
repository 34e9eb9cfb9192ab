package amqp

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

func init() {
	queue.Register(queue.Driver{Scheme: "rabbit", Host: checkHost, Publisher: openPublisher, Subscriber: openSubscriber})
}

const (
	variable = "RABBIT_SERVER_URL"
	example  = "amqp://queue.internal:5672/"
)

// CheckName says what is wrong with the name of an exchange or a queue, or with a key.
func CheckName(text string) error {
	switch {
	case len(text) > short:
		return fmt.Errorf("it has %d bytes, and names and keys of a broker have %d at most", len(text), short)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return errors.New("it holds a control character, such as a line break, or bytes that are no text; remove them") // RabbitMQ strips some of a queue and of its keys none
	}
	return nil
}

// Reserved says that RabbitMQ lets nobody declare what has this name. It has exchanges of its own
// whose names begin so; those of the type topic are there already.
func Reserved(text string) error {
	if !strings.HasPrefix(text, "amq.") || slices.Contains([]string{"amq.topic", "amq.rabbitmq.trace", "amq.rabbitmq.log"}, text) {
		return nil
	}
	return errors.New("RabbitMQ refuses to declare a name that begins with amq.; write another one")
}

// where returns the broker of an address, whose path is the name of an exchange or a queue.
func where(s *component.Site, a *queue.Address) (*Broker, error) {
	text, err := a.Broker(variable, example, Check)
	if err == nil {
		err = CheckName(a.Path)
	}
	if err = errors.Join(err, a.Only(nil, nil)); err != nil {
		return nil, err
	}
	b, err := NewBroker(s, text, a.ClientTLS)
	if err != nil {
		return nil, queue.Environment(err)
	}
	b.Backoff, b.Retries = a.Backoff, a.Retries
	return b, nil
}

// openPublisher publishes to an exchange, persistently. What gets to no queue is refused.
func openPublisher(s *component.Site, a *queue.Address) (queue.Publisher, error) {
	b, err := where(s, a)
	if err != nil {
		return nil, err
	}
	p, err := b.Publisher(Publishing{Topology: Topology{Exchange: a.Path}, Existing: true, Mandatory: true, Persistent: true})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// openSubscriber reads a queue.
func openSubscriber(s *component.Site, a *queue.Address) (queue.Subscriber, error) {
	b, err := where(s, a)
	if err != nil {
		return nil, err
	}
	sub, err := b.Subscriber(a.Site, Subscribing{Topology: Topology{Queue: a.Path}, Existing: true, Limit: a.Limit})
	if err != nil {
		return nil, err
	}
	return sub, nil
}

// checkHost says what is wrong behind the scheme of a host: a part of a name may stand there,
// and no address of a server.
func checkHost(after string) error {
	if strings.ContainsAny(after, ":/") {
		return errors.New("the address of the broker stands in " + variable + " or in the option server; write rabbit:// alone")
	}
	return nil
}
