// Package queue is what the gateway knows of brokers: messages, who publishes and who
// subscribes, and the drivers that lead to the brokers, each by the scheme of its
// addresses. Components work with these and know no broker; a driver is a package beside
// this one, such as kit/nats, and knows no component.
//
// # For components
//
// [ReadHost] is the Read of the component's Hosts. In build, an [Address] is made of the
// host and of what the options say, and opened:
//
//	a, err := queue.NewAddress(&s.Site, s.Name(), "topic_url", s.Config().Host[0], o.TopicURL)
//	a.Server, a.ClientTLS, a.Backoff, a.Retries = o.Server, o.ClientTLS, o.BackoffStrategy, o.MaxRetries
//	p, err := queue.OpenPublisher(&s.Site, a)
//	err = queue.Produce(s, p, o.SuccessStatusCode)
//	return queue.Attend(&s.Site, "name of it at health paths", o.Critical, p)
//
// Errors of these are errors of the build, placed at their keys. Attend starts what was
// opened with the generation, leaves it with it, and tells the health paths; whoever opens
// something in another way, such as an agent with options of its own, uses Attend alone.
// Nobody closes anything: [component.Keep] does.
//
// [Produce] and [Consume] are the connectors: what answers a backend by publishing, and by
// taking a message. Whoever writes one of his own makes the answer of a message that was
// taken by [gateway.Response.Acknowledge], and ends deliveries by [Settle] in the Leave of a
// stage at BackendAdapt, as Consume does.
//
//   - Publish returns nil when the broker has taken the message, and not before. Every
//     error is one for the client: [gateway.Away] at once if the broker is known to be
//     away, [Refused] if it does not want the message, [Lost] if nobody knows, the error
//     of the context when the time is over.
//   - Receive waits until a message is there or the context ends, and fails at once, by
//     gateway.Away, while the broker is away, also if it goes while somebody waits. Several
//     may wait at a time: each gets a message of its own, and who leaves takes none along.
//     A source, which has nobody to answer, calls Wait first, and again behind each
//     gateway.Away.
//   - A [Delivery] is ended once, by Ack or by Nack, from any goroutine, however late. Ack
//     comes behind the decoding, so that what cannot be used is given back or thrown away.
//     An error of either says that the broker may deliver the message again.
//
// # For drivers
//
// A driver is registered by an init that does nothing else, and imported by a file of its
// own in the package queue/drivers, with //go:build !slim if it brings a heavy library:
//
//	func init() { queue.Register(queue.Driver{Scheme: "nats", Publisher: openPublisher, Subscriber: openSubscriber}) }
//
// Its two functions are called when a configuration is loaded, so they neither wait nor
// connect. They judge the address, all of it, and return what is wrong with it as an error
// that says what to write instead, without secrets: a plain one is about the topic or the
// subscription, one of [Environment] about variables and credentials. What is wrong with a
// host by itself is said by Host of the driver, at the line of the host. [Address.Only]
// refuses parameters that nobody knows; [Address.Broker] is the address that stands in the
// options or in a variable, and [Address.TLS] what they say of TLS.
//
// What they return lives as long as a generation wants it. They open it by [component.Keep]
// at the site, so that a reload finds the same thing again, and its Close is what they
// give to Keep. The id is a word and an [ID] of all that shapes it: the broker, its
// secrets, [Address.Retry], the text of Address.TLS; for a subscriber the address and Name of the site too, since two
// endpoints that read the same subject get each message both, unless the broker shares
// messages out by the name of a group. A connection that several publishers share is kept by
// itself, each publisher then being a small value with a pointer to it. Connections
// come from kit/live, whose Conn has Start, Tried, Health, Get, Wait and Close as they are needed
// here, with [Address.Live] as its options. The library's own reconnecting is switched off,
// or kit/live is not used: one of the two, never both.
//
// [Line] is what of their words is told, and [Bounded] the end of calls that nobody has set one.
//
// A broker that has to be asked for messages, such as SQS, is asked by a [Poller] of the
// connection.
//
// Close sends what was accepted and returns within the time that kit/live gives it.
// Deliveries that nobody has received go back to the broker; whoever holds one may still
// end it until then.
//
// # For tests
//
// The package queue/queuetest is a broker in memory with a driver mem://, for tests of
// components; it can be away, lose its connections and refuse.
package queue
