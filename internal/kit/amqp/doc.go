// Package amqp is what the gateway knows of RabbitMQ and of whoever else speaks AMQP 0-9-1:
// publishers that wait for the word of the broker, subscribers whose deliveries are ended
// once, and the driver rabbit:// of package queue.
//
// A [Broker] is read from its address in build, and opens a [Publisher] or a [Subscriber] of
// package queue, which survive reloads while nothing of what shapes them has changed. Each
// has a connection of its own with one channel, kept up by kit/live: whatever the broker
// holds against one, such as an exchange that exists with another type, ends a channel and
// leaves the others alone; a broker that is short of memory stops connections that publish,
// and acknowledgements go on; and what is exclusive is so for one user. Publishers with equal
// options share one.
//
//	b, err := amqp.NewBroker(&s.Site, s.Config().Host[0], o.ClientTLS)
//	sub, err := b.Subscriber(s.Name(), amqp.Subscribing{Topology: amqp.Topology{Exchange: "orders", Queue: "q", Keys: []string{"#"}}})
//	err = queue.Attend(&s.Site, name, critical, sub)
//
// # Publishers
//
// The channel is in confirm mode, and Send returns when the broker has confirmed the message:
// it is in every queue that it was routed to then, and on disk if it is persistent and the
// queue durable. A message that is mandatory and has no queue comes back, which is a refusal;
// so is a nack. One goroutine writes, so that whoever publishes waits no longer than its
// context allows, be the broker as slow as it likes. While the broker says that it is
// blocked, publishing fails at once.
//
// # Subscribers
//
// A message is taken for each who waits: what the queue has is asked for, and else a consumer
// waits for one message. Of those who leave the consumer ends, and what has come for
// it meanwhile is for another who waits, or goes back: nothing is held for nobody, since the broker
// counts what comes back, and ends the channel of who holds it for long. With Prefetch it
// hands messages out ahead all the same, which is for those who take them without end.
//
// A delivery is ended by Ack or Nack, once; the broker hears of it before the call returns, as far as a socket tells,
// and does not answer. What was not ended when a connection is lost is delivered again, with
// [queue.Message.Redelivered] as the broker counts it: quorum queues do, others say no more
// than that it was.
//
// # Trust
//
// What clients write into a message may end the channel, or the connection, of all who publish
// there: a text that is too long for its place in a frame, an expiration that is no number, an
// address for replies that is RabbitMQ's own. It may also be another routing key (CC and BCC).
// Send refuses that. How long a message may be the broker says when it ends the channel for one that
// is longer, and Send refuses those behind it. What it cannot know of the broker: permissions that
// differ by routing key.
//
// The library believes what the broker says. In front of it stands a guard, which
// follows the frames of both directions and ends a connection whose broker breaks the protocol:
// by a frame that is larger than agreed on or does not end where it says, a method that does
// not fit into its frame or that nobody has asked for, a confirm of what was not sent. The peer
// is away then, and the log has the cause. Bodies of messages that come back are left out: a
// number in the property app-id, behind the name of the product, says which they are.
//
// What others publish must not take the memory of the gateway, nor its connection. A message that is
// larger than Limit of [Subscribing] is received without its body, and one without its header
// too of which the header has more than 8,192 values, is deeper than 32 tables, or is larger than
// a frame (128 KiB; a broker adds to headers). [queue.Message.Fault] says so, and the delivery is
// to be ended as any other. So what is held is a message for each who waits, or as many as Prefetch
// and ten times as many while messages rest, and of each Limit for the body and 4 MiB for what a
// header unpacks to. Of what nobody has asked for no body is held: a stream sends all that it has
// stored together, of which 8,192 messages are borne with.
//
// The end of a connection takes two seconds at most, whatever the broker does.
//
// Sources: AMQP 0-9-1 (www.rabbitmq.com, resources/specs), and RabbitMQ's own pages on
// confirms, consumer prefetch, blocked connections and the URI of a broker.
package amqp
