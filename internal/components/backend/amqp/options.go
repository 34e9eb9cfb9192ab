package amqp

import (
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/model"
)

// ConsumerOptions configures backend/amqp/consumer.
type ConsumerOptions struct {
	// Name is that of the queue.
	Name string `json:"name" check:"required,nonempty"`

	// Exchange is that from which the queue gets its messages, of the type topic.
	Exchange string `json:"exchange" check:"required,nonempty"`

	// RoutingKey has the keys by which the queue is bound to the exchange, where * stands for
	// a word and # for any number of words. Without one the queue is bound by somebody else.
	RoutingKey []string `json:"routing_key" check:"required" secret:"false"`

	// Durable lets exchange and queue survive a restart of the broker.
	Durable bool `json:"durable"`

	// Delete lets exchange and queue go with their last user. The gateway stays one, whether
	// requests wait or not, so that prefetch_count is 1 at least.
	Delete bool `json:"delete"`

	// Exclusive keeps the queue for this connection alone, with which it goes, and
	// declares the exchange as internal, to which nobody can publish.
	Exclusive bool `json:"exclusive"`

	// NoWait does not wait until the broker has confirmed what is declared. It ends the
	// connection if it does not agree.
	NoWait bool `json:"no_wait"`

	// NoLocal asks for no messages that came by the same connection. RabbitMQ ignores it.
	NoLocal bool `json:"no_local"`

	// PrefetchCount is how many messages the broker sends ahead of the requests. Without it, or
	// with 0, a message is taken when a request waits for it, which costs a round trip each.
	// What was sent ahead is held until requests come: other consumers do not get it, and
	// each time it goes back, with the end of the connection or behind the
	// consumer_timeout of the broker, counts as a delivery. A queue with a limit of those,
	// as quorum queues of RabbitMQ 4 have one, drops messages that nobody has asked for.
	PrefetchCount int `json:"prefetch_count" check:"min=0,max=65535"`

	// PrefetchSize is how many bytes the broker sends ahead. RabbitMQ takes no other
	// value than 0, which is no limit.
	PrefetchSize int `json:"prefetch_size" check:"min=0"`

	// AutoAck acknowledges a message as soon as a request takes it: what cannot be
	// decoded then is gone.
	AutoAck bool `json:"auto_ack"`

	// NackDiscard drops a message that cannot be decoded, or lets the queue do what it
	// does with dead letters. Without it the message goes back to the head of the queue, and
	// fails each request until somebody else takes it.
	NackDiscard bool `json:"nack_discard"`

	// EmptyStatusCode is the status of the answer when no message came before the timeout.
	// One of 200 to 299 is a whole answer without data, such as 204; any other is that of a
	// failure. Without it the request fails with 500, or 504 where statuses follow causes.
	EmptyStatusCode int `json:"empty_status_code" check:"min=200,max=599"`

	// ClientTLS configures TLS towards a broker of amqps://, in the place of client_tls at the
	// root.
	ClientTLS *model.ClientTLS `json:"client_tls" guards:"object"`

	// BackoffStrategy is how the pauses between attempts to connect grow: by a second
	// (linear), to the double (exponential), with a third more or less (-jitter), or not
	// at all (fallback, a second). No pause is longer than a minute.
	BackoffStrategy live.Backoff `json:"backoff_strategy"`

	// MaxRetries is how many attempts may follow one that has failed; 0 and less is no end.
	// Behind the last one there is one a minute, and the next request begins anew.
	MaxRetries int `json:"max_retries"`

	// Critical lets /__ready say that the gateway is not ready while the broker is away.
	Critical bool `json:"critical"`
}

// Defaults are the options that nobody writes.
func (ConsumerOptions) Defaults() ConsumerOptions {
	return ConsumerOptions{BackoffStrategy: live.Fallback}
}

// ProducerOptions configures backend/amqp/producer.
type ProducerOptions struct {
	// Name is that of the queue, which is declared with declare_queue alone.
	Name string `json:"name" check:"required,nonempty"`

	// Exchange is that to which messages are published, of the type topic.
	Exchange string `json:"exchange" check:"required,nonempty"`

	// RoutingKey is the name of the parameter of the endpoint whose value is the routing key,
	// such as Region for {region}; with static_routing_key it is the routing key itself.
	RoutingKey string `json:"routing_key" check:"required" secret:"false"`

	// StaticRoutingKey takes routing_key as it is.
	StaticRoutingKey bool `json:"static_routing_key"`

	// Durable lets the exchange survive a restart of the broker, and the queue of
	// declare_queue.
	Durable bool `json:"durable"`

	// Persistent writes messages to the disk in queues that are durable. Without it they
	// are written if durable is set.
	Persistent *bool `json:"persistent"`

	// DeclareQueue declares the queue and binds it to the exchange, by the routing key if
	// that is static, otherwise by all keys, so that messages wait there for a consumer.
	DeclareQueue bool `json:"declare_queue"`

	// Delete lets the exchange, and the queue of declare_queue, go with their last user.
	Delete bool `json:"delete"`

	// Exclusive declares the exchange as internal, to which RabbitMQ lets nobody publish.
	Exclusive bool `json:"exclusive"`

	// NoWait does not wait until the broker has confirmed what is declared. It ends the
	// connection if it does not agree.
	NoWait bool `json:"no_wait"`

	// Mandatory makes a failure of a message that gets to no queue. Without it the message
	// is nowhere, and nobody hears of it.
	Mandatory bool `json:"mandatory"`

	// Immediate makes a failure of a message that nobody waits for. RabbitMQ does not know
	// that and ends the connection.
	Immediate bool `json:"immediate"`

	// ExpKey is the name of the parameter whose value is the expiration in milliseconds.
	ExpKey string `json:"exp_key" secret:"false"`

	// ReplyToKey is the name of the parameter whose value is the address for replies.
	ReplyToKey string `json:"reply_to_key" secret:"false"`

	// MsgIDKey is the name of the parameter whose value is the ID of the message.
	MsgIDKey string `json:"msg_id_key" secret:"false"`

	// PriorityKey is the name of the parameter whose value is the priority, 0 to 255.
	PriorityKey string `json:"priority_key" secret:"false"`

	// NoLocal is for consumers, and has no effect.
	NoLocal bool `json:"no_local"`

	// PrefetchCount is for consumers, and has no effect.
	PrefetchCount int `json:"prefetch_count" check:"min=0"`

	// PrefetchSize is for consumers, and has no effect.
	PrefetchSize int `json:"prefetch_size" check:"min=0"`

	// SuccessStatusCode is the status of the answer when the broker has confirmed the
	// message and no other backend has data for it. An answer of 204 or 205 has no body.
	SuccessStatusCode int `json:"success_status_code" check:"min=200,max=299"`

	// ClientTLS configures TLS towards a broker of amqps://, in the place of client_tls at the
	// root.
	ClientTLS *model.ClientTLS `json:"client_tls" guards:"object"`

	// BackoffStrategy is how the pauses between attempts to connect grow: by a second
	// (linear), to the double (exponential), with a third more or less (-jitter), or not
	// at all (fallback, a second). No pause is longer than a minute.
	BackoffStrategy live.Backoff `json:"backoff_strategy"`

	// MaxRetries is how many attempts may follow one that has failed; 0 and less is no end.
	// Behind the last one there is one a minute, and the next request begins anew.
	MaxRetries int `json:"max_retries"`

	// Critical lets /__ready say that the gateway is not ready while the broker is away.
	Critical bool `json:"critical"`
}

// Defaults are the options that nobody writes.
func (ProducerOptions) Defaults() ProducerOptions {
	return ProducerOptions{SuccessStatusCode: 200, BackoffStrategy: live.Fallback}
}
