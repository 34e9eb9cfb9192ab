package queue

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Message is what a broker carries. One that is published belongs to the caller all the
// time: a driver copies what it keeps beyond the end of Publish, which may come before the
// broker's word if the time is over. One that was received belongs to whoever received it,
// as long as he likes; nobody else changes or keeps it.
type Message struct {
	// Body is the payload, as it is. It may be empty or nil, which is the same.
	Body []byte

	// Attributes travel beside the body in the way that the broker has for that, names and
	// values plain. Each name occurs once. Those of a message that is published are
	// canonical names of header fields; those of one that was received are spelt as they
	// came.
	Attributes gateway.Fields

	// Key says which messages belong together: the key of a record, a routing key, the
	// group of a FIFO queue. "" is none.
	Key string

	// Fault is why there is no body, nor all of the attributes maybe, of a message that was
	// received: it is larger than it may be, for instance. It fails who would use the message,
	// whose delivery is to be ended as any other. Nil is the rule.
	Fault error

	// Redelivered is how often the message was delivered before, as far as the broker
	// tells: 1 if it says no more than that it was, which Uncounted tells. It may have been with
	// somebody who held it ahead and did not come to it.
	Redelivered int
	Uncounted   bool
}

// Lasting is what is kept up over reloads.
type Lasting interface {
	// Start begins to connect, if nobody has, and waits for nothing. Until leave is called
	// the log is told when the broker is away and when it is back.
	Start(log *slog.Logger) (leave func())

	// Tried returns nil when the first attempt to connect has ended, well or not: at once
	// if that was before. An error is that ctx was done first.
	Tried(ctx context.Context) error

	// Health is the state in a word, such as "ready", and whether messages can go through.
	Health() (text string, ok bool)
}

// A Publisher hands messages to a broker. It is safe for concurrent use.
type Publisher interface {
	Lasting

	// Publish returns nil when the broker has taken the message. See the errors in the
	// comment of the package.
	Publish(ctx context.Context, m *Message) error
}

// A Subscriber hands out messages of a broker. It is safe for concurrent use. It has one
// method more than three, because requests give up where sources wait.
type Subscriber interface {
	Lasting

	// Receive returns the next message, waiting for it if need be. See the errors in the
	// comment of the package: with one of them no message was taken. A message that comes at
	// the moment when ctx ends may be returned still; it is ended like any other.
	Receive(ctx context.Context) (Delivery, error)

	// Wait returns nil when the broker is there, or an error when ctx is done or nobody
	// tries any longer.
	Wait(ctx context.Context) error
}

// A Delivery is a message that was received and is to be ended once: a second end is an error,
// or nothing. An end waits until the connection takes it, and for the word of a broker that gives
// one, until ctx is over: then nobody knows what became of it. If its driver knows when the
// broker has taken it back, it has a method Void() bool that reports that. If its broker
// counts how many have not ended, it has a method Rest() bool, for those that end after a while:
// it reports whether others come meanwhile.
type Delivery interface {
	// Message returns the message, always the same.
	Message() *Message

	// Ack ends the delivery: the broker may forget the message.
	Ack(ctx context.Context) error

	// Nack ends the delivery: the broker delivers the message again if requeue is set,
	// and otherwise drops it, or does with it what it does with dead letters. A broker
	// that has no such word, as NATS core, has forgotten the message before: that is nil.
	Nack(ctx context.Context, requeue bool) error
}

// Patience is how long the word of a broker may take where nobody says so.
const Patience = 30 * time.Second

// Bounded returns ctx if it has a deadline, and else one that ends when the patience does. The
// caller calls cancel.
func Bounded(ctx context.Context) (bounded context.Context, cancel context.CancelFunc) {
	if _, limited := ctx.Deadline(); limited {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, Patience)
}

// longestLine is how much of what somebody says is told, in bytes.
const longestLine = 512

// Line returns the first line of what a broker or its library says, 512 bytes of valid UTF-8 at
// most. What stands behind it may be what they were told, with secrets.
func Line(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.ToValidUTF8(text[:min(len(text), longestLine)], "")
}

// Refused is the failure of a message that the broker does not want: of one without a
// queue, for instance, or of a client that may not publish there.
func Refused(cause error) error {
	return &gateway.Error{Code: gateway.CodeBackendStatus, Public: "the broker refused the message", Err: fmt.Errorf("the broker refused the message: %w", cause)}
}

// Unserved is the failure of a subscriber whom the broker gives nothing, because he may not
// receive, for instance, or does not let end what it gave.
func Unserved(cause error) error {
	return &gateway.Error{Code: gateway.CodeBackendStatus, Public: "the broker refused the subscriber", Err: fmt.Errorf("the broker refused the subscriber: %w", cause)}
}

// Lost is the failure of a message whose connection has ended before the broker gave its
// word: it may have it or not.
func Lost(cause error) error {
	return &gateway.Error{Code: gateway.CodeBackendAborted, Public: "the connection ended before the broker took the message", Err: fmt.Errorf("the connection ended before the broker took the message: %w", cause)}
}
