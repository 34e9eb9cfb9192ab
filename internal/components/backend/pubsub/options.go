package pubsub

import (
	"github.com/sluice-gateway/sluice/internal/kit/live"
	"github.com/sluice-gateway/sluice/internal/model"
)

// PublisherOptions configures backend/pubsub/publisher.
type PublisherOptions struct {
	// TopicURL is what stands behind the host in the address of the topic, such as orders
	// where the host is nats://. Placeholders are not filled.
	TopicURL string `json:"topic_url" check:"required,nonempty" example:"\"orders\""`

	// SuccessStatusCode is the status of the answer when the broker has taken the message and
	// no other backend has data for it. An answer of 204 or 205 has no body.
	SuccessStatusCode int `json:"success_status_code" check:"min=200,max=299"`

	// LegacyEnvelope wraps body and attributes of messages of nats:// as KrakenD does
	// unless it is told natsv2, for consumers that expect that.
	LegacyEnvelope bool `json:"legacy_envelope"`

	// Server is where the broker is, such as nats://queue.internal:4222, in place of the
	// variable of the environment that its driver reads.
	Server string `json:"server" check:"nonempty" secret:"address"`

	// ClientTLS configures TLS towards the broker, in the place of client_tls at the root.
	ClientTLS *model.ClientTLS `json:"client_tls" guards:"object"`

	// BackoffStrategy is how the pauses between attempts to connect grow: by a second
	// (linear), to the double (exponential), with a third more or less (-jitter), or not
	// at all (fallback, a second). No pause is longer than a minute.
	BackoffStrategy live.Backoff `json:"backoff_strategy"`

	// MaxRetries is how many attempts may follow one that has failed; 0 is no end. After
	// the last one the next request begins anew, and without one there is an attempt a
	// minute.
	MaxRetries int `json:"max_retries" check:"min=0"`

	// Critical lets /__ready say that the gateway is not ready while the broker is away.
	Critical bool `json:"critical"`
}

// Defaults are the options that nobody writes.
func (PublisherOptions) Defaults() PublisherOptions {
	return PublisherOptions{SuccessStatusCode: 200, BackoffStrategy: live.Fallback}
}

// SubscriberOptions configures backend/pubsub/subscriber.
type SubscriberOptions struct {
	// SubscriptionURL is what stands behind the host in the address of the subscription,
	// such as orders?queue=gateway where the host is nats://. Placeholders are not filled.
	SubscriptionURL string `json:"subscription_url" check:"required,nonempty" example:"\"orders?queue=gateway\""`

	// NackDiscard drops a message that cannot be decoded, or lets the broker do what it
	// does with dead letters. Without it the message is delivered again, and fails each
	// request until somebody else takes it.
	NackDiscard bool `json:"nack_discard"`

	// EmptyStatusCode is the status of the answer when no message came before the timeout.
	// One of 200 to 299 is a whole answer without data, such as 204; any other is that of a
	// failure. Without it the request fails with 500, or 504 where statuses follow causes.
	EmptyStatusCode int `json:"empty_status_code" check:"min=200,max=599"`

	// Server is where the broker is, such as nats://queue.internal:4222, in place of the
	// variable of the environment that its driver reads.
	Server string `json:"server" check:"nonempty" secret:"address"`

	// ClientTLS configures TLS towards the broker, in the place of client_tls at the root.
	ClientTLS *model.ClientTLS `json:"client_tls" guards:"object"`

	// BackoffStrategy is how the pauses between attempts to connect grow, as in
	// backend/pubsub/publisher.
	BackoffStrategy live.Backoff `json:"backoff_strategy"`

	// MaxRetries is how many attempts may follow one that has failed; 0 is no end. After
	// the last one the next request begins anew, and without one there is an attempt a
	// minute.
	MaxRetries int `json:"max_retries" check:"min=0"`

	// Critical lets /__ready say that the gateway is not ready while the broker is away.
	Critical bool `json:"critical"`
}

// Defaults are the options that nobody writes.
func (SubscriberOptions) Defaults() SubscriberOptions {
	return SubscriberOptions{NackDiscard: true, BackoffStrategy: live.Fallback}
}
