// Package amqp is the namespace async/amqp: an agent that takes its messages from a queue of
// RabbitMQ, or of another broker that speaks AMQP 0-9-1.
//
// The exchange is declared, as one of the type topic, and the queue, which is bound to it by the
// topic of the consumer, when the connection is made. What exists has to be what the
// options say, or the broker is away for the agent, and the log says why. User and password
// stand in no log and in no message; a reference such as ${env:RABBIT_URL} keeps them out of the
// file.
//
// # What becomes of a message
//
// A worker waits until max_rate allows one more, takes a message, and makes the calls of the agent
// with the body of the message as that of the request. Backends are called by GET unless they
// have another method, and most services read no body of that: write POST. Nothing else of the
// message gets there, or what forward_metadata says.
//
// When all is done, an answer that is passed through being read to its end, the message is
// acknowledged. Anything that fails, be it a status of a backend, the timeout, a condition or one
// backend of several, fails the message. It is not acknowledged then; it rests for retry_delay,
// the double each time, and goes back to the queue. All backends get it again, those too for
// which it went well, so that they have to stand the same message twice. max_deliveries ends
// that, and nack_discard lets no message come twice: what is dropped goes to
// dead_letter_exchange, if the queue has one.
//
// A message that is larger than max_body_bytes at the root, or than 32 MiB without it, is not held: it
// fails without a call, and the log has a line. So does one whose header has more than
// 8,192 values, is deeper than 32 tables, or is larger than a frame.
//
// A message that rests keeps no worker. It is one of those that the broker waits for, so that it
// hands out others in its place, until there are ten times prefetch_count in all. When as many
// rest, none is taken until one goes back, which the log says; and because the broker puts what
// comes back in front, it is one of these then. max_deliveries keeps a queue from that. With one
// worker and a prefetch_count of 1 nothing is taken while a message rests: messages keep their
// order then.
//
// # Away, reload and stop
//
// The gateway starts without the broker, and agents connect beside each other. An agent that has
// lost its connection makes another, as often as connection says. One that has failed then
// is said so in the log at CRITICAL, is "failed" at the health path, and makes the gateway
// not ready; the others go on. It tries once a minute and at a reload, and goes on when the broker
// is back. A message whose connection ends before its calls are made comes again without them.
//
// A reload lets an agent go on whose options are the same, with new backends if those
// have changed. One that takes messages in another way begins when the one before it has
// finished what it had taken. What rests goes back to the queue then, and so it does when a
// reload takes the agent away. At the stop messages that are worked on are finished, within
// max_shutdown_wait_time, and the others go back to the queue. With auto_ack the broker forgets
// a message when a worker takes it, and not before.
package amqp
