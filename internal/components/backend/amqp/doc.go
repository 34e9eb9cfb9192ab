// Package amqp is the namespaces backend/amqp/producer and backend/amqp/consumer: a backend
// that is an exchange or a queue of RabbitMQ, or of another broker that speaks AMQP 0-9-1.
//
// The host is the address of the broker, such as amqp://user:password@queue.internal:5672/vhost,
// or amqps:// for TLS, for which client_tls has the authorities. Of several hosts
// the first counts. User and password stand in no log and in no message; in the
// configuration a reference such as ${env:RABBIT_URL} keeps them out of the file. The key
// url_pattern names the backend in logs, nothing else; disable_host_sanitize is not needed.
//
// The exchange is declared, as one of the type topic, when the connection is made; one that
// exists has to be what the options say, or the backend is away, and the log says why.
//
// # backend/amqp/producer
//
// The body of the request is the body of the message. What has passed input_headers is in the
// table of its headers, the values of each name as a list, with User-Agent,
// X-Forwarded-For and X-Forwarded-Host, which the gateway adds; a Content-Type is the type of
// the content as well. An input_headers that names others and not Content-Type leaves that out.
// The message has the time at which it was sent.
//
// The routing key is the value of the parameter of the path that routing_key names, whose first
// letter may be a capital, or with static_routing_key that text itself. So are expiration
// (milliseconds), reply-to, message ID and priority the values of parameters. An expiration
// that is no number is answered with 400, and so is a text of more than 255 bytes and a reply-to
// that begins with amq.rabbitmq.reply-to, for which RabbitMQ would end the channel of everybody;
// a priority that is none is 0.
//
//	/orders/{region}/{ttl}     "routing_key": "Region", "exp_key": "Ttl"
//
// The answer comes when the broker has confirmed the message: it is in all queues that are
// bound by its key, and on their disks if it is persistent and they are durable. It has status
// 200, or success_status_code, and null, for there is no data. A message that is bound to no
// queue is confirmed as well, and is nowhere: mandatory makes a failure of it, and declare_queue
// a queue. A broker that refuses a message is a failure (502 where statuses follow causes), and
// so is a connection that ends before its word: the message may be there or not then. One that is
// larger than the broker takes is answered with 413; RabbitMQ ends the channel of everybody for the
// first, and the gateway sends no more of them.
//
// A broker that is short of memory or disk takes no messages for a while. That is as if it
// were away.
//
// # backend/amqp/consumer
//
// The queue is declared, too, and bound to the exchange by each routing key. Each request
// takes one message, waiting for it as long as its timeout allows; requests that wait beside
// each other get a message each, and one message is taken for a request, whatever
// concurrent_calls is. The body is decoded by encoding and shaped like the answer of
// a service, and then the message is acknowledged, before the answer is written: one
// client gets it, unless the connection ends before the broker has heard of that, and one that
// leaves at the last moment may not get it. HEAD is refused with 405, since it would take one. A message that
// cannot be decoded, or that a check of the backend refuses, goes back to the head of the
// queue, where the next request finds it; nack_discard drops it, or lets the queue do with it
// what it does with dead letters. A client that leaves before it is decoded gives it back. Properties and headers
// stay behind, as the header of a service does where its answer is decoded; with no-op the
// client gets the body as it is, and the content type.
//
// A message that is larger than max_response_bytes, or than 32 MiB without it, is not held: it fails
// the request as one does that cannot be decoded. So does one whose header has more than 8,192
// values, is deeper than 32 tables, or is larger than a frame.
//
// No message is taken while nobody waits, unless prefetch_count says so. That no message came is a failure, or the answer that
// empty_status_code says.
//
// # While the broker is away
//
// The gateway starts without its brokers and connects to them in the background, all at
// once and as often as it takes, or as max_retries says. Until one is there requests fail at
// once: 503, or 500 in the dialect krakend. The log has a line when it goes and one when it is
// back, and /__health tells the state of each backend. A reload keeps the connections whose
// options did not change. Each consumer has a connection of its own; so has each exchange that
// producers with the same options publish to.
package amqp
