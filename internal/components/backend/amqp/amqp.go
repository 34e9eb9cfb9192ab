package amqp

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/amqp"
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/template"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var hosts = &component.Hosts{Form: "amqp://user:password@name:5672/vhost, or amqps://", Read: func(text string) (string, error) {
	return text, amqp.Check(text)
}}

var consumer = component.Info{
	Namespace: "backend/amqp/consumer",
	Aliases:   []string{"github.com/devopsfaith/krakend-amqp/consume"},
	Summary:   "Answers each request with a message of a RabbitMQ queue.",
	Source:    source,
	Doc:       doc,
	Hosts:     hosts,
	Failures:  queue.Failures,
}

var producer = component.Info{
	Namespace: "backend/amqp/producer",
	Aliases:   []string{"github.com/devopsfaith/krakend-amqp/produce"},
	Summary:   "Publishes requests as messages to a RabbitMQ exchange.",
	Source:    source,
	Doc:       doc,
	Hosts:     hosts,
}

func init() {
	component.Register(component.Backend(consumer, buildConsumer), component.Backend(producer, buildProducer))
}

// open returns the broker of the backend.
func open(s *component.BackendSite, o *model.ClientTLS, b live.Backoff, retries int) (*amqp.Broker, error) {
	host := s.Config().Host
	if len(host) > 1 {
		s.Mistake("", errors.New("the first host alone is used; write one"))
	}
	broker, err := amqp.NewBroker(&s.Site, host[0], o)
	if err != nil {
		return nil, err
	}
	broker.Backoff, broker.Retries = b, retries
	return broker, nil
}

// named looks at names and keys, by the options where they stand, which are taken as they are.
func named(s *component.BackendSite, names map[string]string) error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(names)) {
		text := names[key]
		if i := strings.IndexByte(text, '{'); i >= 0 && strings.Contains(text[i:], "}") {
			instead := "write the name as it is"
			if key == "routing_key" { // of a producer
				instead = "write the name of a parameter, without static_routing_key"
			}
			s.Mistake(key, errors.New("placeholders are not filled in here; "+instead))
		}
		errs = append(errs, config.At(key, amqp.CheckName(text)))
	}
	return errors.Join(errs...)
}

// reserved reports names that the broker does not let anybody declare.
func reserved(s *component.BackendSite, exchange, queue string) {
	if err := amqp.Reserved(exchange); err != nil {
		s.Mistake("exchange", err)
	}
	if err := amqp.Reserved(queue); err != nil {
		s.Mistake("name", err)
	}
}

func buildConsumer(s *component.BackendSite, o ConsumerOptions) error {
	names := map[string]string{"name": o.Name, "exchange": o.Exchange}
	for i, key := range o.RoutingKey {
		names[fmt.Sprintf("routing_key[%d]", i)] = key
	}
	if err := named(s, names); err != nil {
		return err
	}
	b, err := open(s, o.ClientTLS, o.BackoffStrategy, o.MaxRetries)
	if err != nil {
		return err
	}
	reserved(s, o.Exchange, o.Name)
	if o.PrefetchSize > 0 {
		s.Mistake("prefetch_size", errors.New("RabbitMQ takes no such limit and ends the connection; write prefetch_count alone"))
	}
	sub, err := b.Subscriber(s.Name(), amqp.Subscribing{
		Topology: amqp.Topology{
			Exchange: o.Exchange, Queue: o.Name, Keys: o.RoutingKey,
			Durable: o.Durable, Delete: o.Delete, Exclusive: o.Exclusive, NoWait: o.NoWait,
		},
		Prefetch: o.PrefetchCount, PrefetchSize: o.PrefetchSize, NoLocal: o.NoLocal, AutoAck: o.AutoAck,
		Limit: s.Config().MaxResponseBytes.Held(),
	})
	if err != nil {
		return err
	}
	if err := queue.Consume(s, sub, queue.Consuming{Discard: o.NackDiscard, Empty: o.EmptyStatusCode}); err != nil {
		return err
	}
	s.Asks(fmt.Sprintf("takes: a message of the queue %q of %v, bound to the exchange %q by %q", o.Name, b, o.Exchange, o.RoutingKey))
	return attend(s, o.Critical, sub)
}

func buildProducer(s *component.BackendSite, o ProducerOptions) error {
	names := map[string]string{"name": o.Name, "exchange": o.Exchange}
	if o.StaticRoutingKey {
		names["routing_key"] = o.RoutingKey
	}
	if err := named(s, names); err != nil {
		return err
	}
	b, err := open(s, o.ClientTLS, o.BackoffStrategy, o.MaxRetries)
	if err != nil {
		return err
	}
	declared := ""
	if o.DeclareQueue {
		declared = o.Name
	}
	reserved(s, o.Exchange, declared)
	if o.report(s); o.RoutingKey == "" {
		s.Mistake("routing_key", errors.New("it is empty, and so is the key of each message, which a queue gets that is bound by # or by no key; write the name of a parameter, or a key with static_routing_key"))
	}
	t := amqp.Topology{Exchange: o.Exchange, Durable: o.Durable, Delete: o.Delete, Exclusive: o.Exclusive, NoWait: o.NoWait}
	if o.DeclareQueue {
		t.Queue, t.Keys = o.Name, []string{"#"}
		if o.StaticRoutingKey {
			t.Keys = []string{o.RoutingKey}
		}
	}
	persistent := o.Durable
	if o.Persistent != nil {
		persistent = *o.Persistent
	}
	p, err := b.Publisher(amqp.Publishing{Topology: t, Mandatory: o.Mandatory, Immediate: o.Immediate, Persistent: persistent, Lists: true})
	if err != nil {
		return err
	}
	m := &maker{clock: s.Clock(), to: p, static: o.RoutingKey}
	if !o.StaticRoutingKey {
		m.static = ""
		err = m.take(s, "routing_key", o.RoutingKey, &m.key)
	}
	err = errors.Join(err,
		m.take(s, "exp_key", o.ExpKey, &m.expiration), m.take(s, "reply_to_key", o.ReplyToKey, &m.replyTo),
		m.take(s, "msg_id_key", o.MsgIDKey, &m.id), m.take(s, "priority_key", o.PriorityKey, &m.priority))
	if err != nil {
		return err
	}
	if err := queue.ProduceBy(s, o.SuccessStatusCode, m.publish); err != nil {
		return err
	}
	by := fmt.Sprintf("the key %q", m.static)
	if !o.StaticRoutingKey {
		by = fmt.Sprintf("the value of %q", o.RoutingKey)
	}
	s.Asks(fmt.Sprintf("publishes: to the exchange %q of %v by %s", o.Exchange, b, by))
	return attend(s, o.Critical, p)
}

// attend tells of the connection at health paths, which anybody may read: nothing says where to.
func attend(s *component.BackendSite, critical bool, l queue.Lasting) error {
	return queue.Attend(&s.Site, "amqp of "+s.Name(), critical, l)
}

// report says what cannot be meant.
func (o ProducerOptions) report(s *component.BackendSite) {
	useless := func(key string, set bool) {
		if set {
			s.Mistake(key, errors.New("nothing is sent to a producer; remove it"))
		}
	}
	useless("no_local", o.NoLocal)
	useless("prefetch_count", o.PrefetchCount > 0)
	useless("prefetch_size", o.PrefetchSize > 0)
	if o.Exclusive {
		s.Mistake("exclusive", errors.New("the exchange is declared as internal, and RabbitMQ lets nobody publish there; remove it"))
	}
	if o.Immediate {
		s.Mistake("immediate", errors.New("RabbitMQ does not know it and ends the connection, which fails each request; write mandatory"))
	}
}

// A maker makes messages of requests.
type maker struct {
	clock  component.Clock
	to     *amqp.Publisher
	static string // the routing key, unless it is a parameter

	key, expiration, replyTo, id, priority template.Text
}

// take compiles the name of a parameter, whose first letter may be another case.
func (m *maker) take(s *component.BackendSite, key, name string, t *template.Text) (err error) {
	if name == "" {
		return nil
	}
	for _, n := range append(alike(s.Params(), name), lower(name), name) {
		if _, err := template.Parse("{"+n+"}", template.InText, s.Params()); err == nil {
			*t, err = s.Template(key, "{"+n+"}", template.InText)
			return err
		}
	}
	advice := "write the name of one, without braces"
	if key == "routing_key" {
		advice += ", or static_routing_key beside it for that text"
	}
	s.Mistake(key, fmt.Errorf("%q names no parameter of the endpoint, so nothing is sent for it; %s", name, advice))
	return nil
}

// alike returns the parameters that are called by the name.
func alike(params []string, name string) (found []string) {
	for _, p := range params {
		if p != "" && lower(p) == lower(name) {
			found = append(found, p)
		}
	}
	return found
}

// lower returns a name with its first letter in lower case.
func lower(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// publish sends the request as a message.
func (m *maker) publish(ctx context.Context, x *gateway.Exchange, payload []byte) error {
	out := amqp.Message{Body: payload, Key: m.static, Header: x.Request.Header, Type: x.Request.Header.Get("Content-Type"), Time: m.clock()}
	var priority string
	for _, p := range []struct {
		from *template.Text
		to   *string
	}{{&m.key, &out.Key}, {&m.expiration, &out.Expiration}, {&m.replyTo, &out.ReplyTo}, {&m.id, &out.ID}, {&m.priority, &priority}} {
		if len(p.from.Parts()) == 0 {
			continue
		}
		value, err := p.from.Append(nil, x)
		if err != nil {
			return err
		}
		*p.to = string(value)
	}
	if n, err := strconv.ParseUint(priority, 10, 8); err == nil {
		out.Priority = uint8(n)
	}
	return m.to.Send(ctx, &out)
}
