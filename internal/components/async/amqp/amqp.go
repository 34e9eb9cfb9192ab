package amqp

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/agent"
	"github.com/sluice-gateway/sluice/internal/kit/amqp"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/model"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var info = component.Info{
	Namespace: "async/amqp",
	Summary:   "Takes the messages of an agent from a RabbitMQ queue.",
	Source:    source,
	Doc:       doc,
}

func init() { component.Register(component.Driver(info, build)) }

func build(s *component.PipeSite, o Options) error {
	if err := amqp.Check(o.Host); err != nil {
		return config.At("host", err)
	}
	if err := o.named(s.Agent()); err != nil {
		return err
	}
	b, err := amqp.NewBroker(&s.Site, o.Host, o.ClientTLS)
	if err != nil {
		return err
	}
	c := s.Agent()
	b.Backoff, b.Retries, b.Grave = live.Backoff(c.Connection.BackoffStrategy), c.Connection.MaxRetries, true
	o.report(s)
	if o.PrefetchCount == 0 {
		o.PrefetchCount = amqp.DefaultPrefetch
	}
	sub, err := b.Subscriber(s.Name(), amqp.Subscribing{
		Topology: amqp.Topology{
			Exchange: o.Exchange, Queue: o.Name, Keys: []string{c.Consumer.Topic},
			Durable: o.Durable, Delete: o.Delete, Exclusive: o.Exclusive, NoWait: o.NoWait, DeadLetters: o.DeadLetterExchange,
		},
		Prefetch: max(o.PrefetchCount, c.Consumer.Workers), PrefetchSize: o.PrefetchSize, NoLocal: o.NoLocal, AutoAck: o.AutoAck,
		Limit: s.Service().MaxBodyBytes.Held(),
	})
	if err != nil {
		return err
	}
	return agent.Take(s, sub, agent.Options{
		From:    fmt.Sprintf("the queue %q of %v, bound to the exchange %q by %q", o.Name, b, o.Exchange, c.Consumer.Topic),
		AutoAck: o.AutoAck, Discard: o.NackDiscard, RetryDelay: time.Duration(o.RetryDelay), MaxDeliveries: o.MaxDeliveries,
		Letters: o.DeadLetterExchange, Lost: sub.Lost,
		Metadata: o.ForwardMetadata, Headers: o.InputHeaders, Critical: o.Critical,
	})
}

// named returns what is wrong with the names.
func (o Options) named(a *model.Agent) error {
	err := errors.Join(config.At("name", amqp.CheckName(o.Name)), config.At("exchange", amqp.CheckName(o.Exchange)),
		config.At("dead_letter_exchange", amqp.CheckName(o.DeadLetterExchange)))
	if wrong := amqp.CheckName(a.Consumer.Topic); wrong != nil {
		err = errors.Join(err, fmt.Errorf("the topic of the consumer is no key: %w", wrong))
	}
	return err
}

// timeout is how long RabbitMQ waits for the end of a delivery, unless it is told otherwise.
const timeout = 30 * time.Minute

// report says what cannot be meant.
func (o Options) report(s *component.PipeSite) {
	for _, n := range []struct{ key, name string }{{"exchange", o.Exchange}, {"name", o.Name}} {
		if err := amqp.Reserved(n.name); err != nil {
			s.Mistake(n.key, err)
		}
	}
	if o.PrefetchSize > 0 {
		s.Mistake("prefetch_size", errors.New("RabbitMQ takes no such limit and ends the connection; write prefetch_count alone"))
	}
	if len(o.InputHeaders) > 0 && !o.ForwardMetadata {
		s.Mistake("input_headers", errors.New(`nothing but the body is handed on; write "forward_metadata": true beside it`))
	}
	switch endless := !o.AutoAck && !o.NackDiscard && o.MaxDeliveries == 0 && !s.Written("max_deliveries"); {
	case endless && o.DeadLetterExchange != "":
		s.Mistake("dead_letter_exchange", errors.New("no message that fails gets there, it comes again without an end; write max_deliveries, or nack_discard, or \"max_deliveries\": 0 if the queue has a limit of its own"))
	case endless:
		s.Warn("", errors.New("a message that always fails comes again without an end, and many of them hold up all others; write max_deliveries, with a dead_letter_exchange that keeps what is dropped, or \"max_deliveries\": 0 if the queue has a limit of its own"))
	}
	if time.Duration(o.RetryDelay) >= timeout {
		s.Warn("retry_delay", fmt.Errorf("RabbitMQ ends the connection of who holds a message for %v, unless it is told otherwise (consumer_timeout); write less", timeout))
	}
	if o.DeadLetterExchange == o.Exchange {
		s.Mistake("dead_letter_exchange", errors.New("it is the exchange of the agent, which brings dead letters back to the queue; write another one"))
	}
	if o.NackDiscard && (o.MaxDeliveries > 0 || s.Written("retry_delay")) {
		s.Mistake("nack_discard", errors.New("a message is dropped at its first failure, and never comes again; remove it, or max_deliveries and retry_delay"))
	}
	if strings.ContainsAny(s.Agent().Consumer.Topic, "{}") {
		s.Mistake("", errors.New("the topic of the consumer is no pattern with names in braces; write a key such as orders.*, where * is a word and # any number of words"))
	}
	if !o.ForwardMetadata {
		for _, b := range s.Config().Backend {
			if strings.Contains(b.URLPattern, "{input_headers.") {
				s.Mistake("forward_metadata", fmt.Errorf("the url_pattern %q wants a header, and nothing but the body is handed on; write true here", b.URLPattern))
			}
		}
	}
	if o.AutoAck && (o.NackDiscard || o.MaxDeliveries > 0 || o.DeadLetterExchange != "" || s.Written("retry_delay")) {
		s.Mistake("auto_ack", errors.New("the broker has forgotten a message when it fails, so that nothing is dropped or given back; remove it, or what is said of such messages"))
	}
}
