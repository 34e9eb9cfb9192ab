package amqp

import (
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Options configures async/amqp.
type Options struct {
	// Host is the address of the broker, amqp://user:password@name:5672/vhost, or amqps://
	// for TLS.
	Host string `json:"host" check:"required,nonempty"`

	// Name is that of the queue.
	Name string `json:"name" check:"required,nonempty"`

	// Exchange is that from which the queue gets its messages, of the type topic; topic of
	// the consumer is the key by which it is bound, where * stands for a word and # for any
	// number of words.
	Exchange string `json:"exchange" check:"required,nonempty"`

	// Durable lets exchange and queue survive a restart of the broker.
	Durable bool `json:"durable"`

	// Delete lets exchange and queue go with their last user.
	Delete bool `json:"delete"`

	// Exclusive keeps the queue for this connection alone, with which it goes, and
	// declares the exchange as internal, to which nobody can publish.
	Exclusive bool `json:"exclusive"`

	// NoWait does not wait until the broker has confirmed what is declared. It ends the
	// connection if it does not agree.
	NoWait bool `json:"no_wait"`

	// NoLocal asks for no messages that came by the same connection. RabbitMQ ignores it.
	NoLocal bool `json:"no_local"`

	// PrefetchCount is how many messages the broker sends ahead, those among them that are
	// worked on; 0 is 10, and there are as many as workers at least. In the place of those
	// that rest it sends others, ten times as many in all at most, unless that is 1.
	PrefetchCount int `json:"prefetch_count" check:"min=0,max=65535"`

	// PrefetchSize is how many bytes the broker sends ahead. RabbitMQ takes no other
	// value than 0, which is no limit.
	PrefetchSize int `json:"prefetch_size" check:"min=0"`

	// AutoAck acknowledges a message as soon as it is taken: what fails then is gone.
	AutoAck bool `json:"auto_ack"`

	// NackDiscard drops a message at its first failure, or lets the queue do what it does
	// with dead letters. Without it the message goes back to the queue.
	NackDiscard bool `json:"nack_discard"`

	// DeadLetterExchange is the exchange to which the queue hands what is dropped. It is
	// part of what the queue is declared with: a queue that exists without it has to be
	// removed first. The exchange has to exist, and a queue that is bound to it, or what is
	// dropped is lost: nobody here declares them. The log warns while the exchange is not
	// there; whether a queue is bound to it the broker does not tell.
	DeadLetterExchange string `json:"dead_letter_exchange"`

	// RetryDelay is how long a message that has failed rests before it goes back to the
	// queue, unacknowledged: the double each time it fails again, up to a minute, or always this if
	// it is more; 0s gives it back at once.
	RetryDelay config.Duration `json:"retry_delay"`

	// MaxDeliveries is how often a message is delivered before it is dropped, or becomes a
	// dead letter; 0 is no end, of which check warns unless it is written. A quorum queue
	// counts for all consumers. Of any other this process counts for itself how often it was
	// worked on; one that only came ahead when a connection ended counts for nothing.
	MaxDeliveries int `json:"max_deliveries" check:"min=0"`

	// ForwardMetadata lets backends see more of a message than its body: its content type as
	// Content-Type, its routing key as X-Message-Routing-Key, and the headers of
	// input_headers.
	ForwardMetadata bool `json:"forward_metadata"`

	// InputHeaders lists the headers of messages that forward_metadata hands on; * is all.
	InputHeaders []string `json:"input_headers" stricter:"fewer"`

	// ClientTLS configures TLS towards a broker of amqps://, in the place of client_tls at the
	// root.
	ClientTLS *model.ClientTLS `json:"client_tls" guards:"object"`

	// Critical lets /__ready say that the gateway is not ready while the broker is away.
	// Without it that is so when the agent has failed, after max_retries.
	Critical bool `json:"critical"`
}

// Defaults are the options that nobody writes.
func (Options) Defaults() Options {
	return Options{PrefetchCount: 10, RetryDelay: config.Duration(1e9)}
}
