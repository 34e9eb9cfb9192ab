package pubsub

import (
	_ "embed"
	"errors"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	_ "github.com/sluice-gateway/sluice/internal/kit/queue/drivers" // which are found by their schemes
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

const form = "the scheme of a broker with what it has behind that, such as nats://"

var publisher = component.Info{
	Namespace: "backend/pubsub/publisher",
	Aliases:   []string{"github.com/devopsfaith/krakend-pubsub/publisher"},
	Summary:   "Publishes requests as messages of a broker.",
	Source:    source,
	Doc:       doc,
	Hosts:     &component.Hosts{Form: form, Read: queue.ReadHost(queue.Publishing)},
}

var subscriber = component.Info{
	Namespace: "backend/pubsub/subscriber",
	Aliases:   []string{"github.com/devopsfaith/krakend-pubsub/subscriber"},
	Summary:   "Answers each request with a message of a broker.",
	Source:    source,
	Doc:       doc,
	Hosts:     &component.Hosts{Form: form, Read: queue.ReadHost(queue.Subscribing)},
	Failures:  queue.Failures,
}

func init() {
	component.Register(component.Backend(publisher, buildPublisher), component.Backend(subscriber, buildSubscriber))
}

func buildPublisher(s *component.BackendSite, o PublisherOptions) error {
	a, err := address(s, "topic_url", o.TopicURL)
	if err != nil {
		return err
	}
	a.Server, a.ClientTLS, a.Backoff, a.Retries, a.Envelope = o.Server, o.ClientTLS, o.BackoffStrategy, o.MaxRetries, o.LegacyEnvelope
	if a.Envelope && !a.HasEnvelope() {
		return config.At("legacy_envelope", errors.New("messages of "+a.Scheme+":// have no envelope; remove it"))
	}
	a.Passing = queue.Passing(s)
	a.Judge(s)
	p, err := queue.OpenPublisher(&s.Site, a)
	if err != nil {
		return err
	}
	if err := queue.Produce(s, p, o.SuccessStatusCode); err != nil {
		return err
	}
	s.Asks("publishes: to " + a.String())
	return queue.Attend(&s.Site, name(s, a), o.Critical, p)
}

func buildSubscriber(s *component.BackendSite, o SubscriberOptions) error {
	a, err := address(s, "subscription_url", o.SubscriptionURL)
	if err != nil {
		return err
	}
	a.Server, a.ClientTLS, a.Backoff, a.Retries = o.Server, o.ClientTLS, o.BackoffStrategy, o.MaxRetries
	a.Limit = s.Config().MaxResponseBytes.Held()
	sub, err := queue.OpenSubscriber(&s.Site, a)
	if err != nil {
		return err
	}
	if err := queue.Consume(s, sub, queue.Consuming{Discard: o.NackDiscard, Empty: o.EmptyStatusCode}); err != nil {
		return err
	}
	s.Asks("takes: a message of " + a.String())
	return queue.Attend(&s.Site, name(s, a), o.Critical, sub)
}

// address returns the address of the backend, whose second half is the option at key.
func address(s *component.BackendSite, key, rest string) (*queue.Address, error) {
	if host := s.Config().Host; len(host) > 1 {
		s.Mistake("", errors.New("the first host alone is used; write one"))
	}
	if i := strings.IndexByte(rest, '{'); i >= 0 && strings.Contains(rest[i:], "}") {
		s.Mistake(key, errors.New("placeholders are not filled in here; write the name as it is, in a backend for each"))
	}
	return queue.NewAddress(&s.Site, s.Name(), key, s.Config().Host[0], rest)
}

// name is what health paths call the connection, which anybody may read: nothing says where to.
func name(s *component.BackendSite, a *queue.Address) string { return a.Scheme + " of " + s.Name() }
