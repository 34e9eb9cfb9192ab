// Package pubsub is the namespaces backend/pubsub/publisher and backend/pubsub/subscriber: a
// backend that is a topic or a subscription of a broker.
//
// The address is the host of the backend with topic_url or subscription_url right behind it,
// as the drivers of KrakenD have it. The scheme of the host says which broker that is:
//
//	host            topic_url                subscription_url             where the broker is
//	kafka://        topic, ?key_name=header  group?topic=name, repeated,  KAFKA_BROKERS
//	                                         &offset=oldest or newest
//	nats://         subject                  subject, ?queue=group        NATS_SERVER_URL
//	rabbit://       exchange                 queue                        RABBIT_SERVER_URL
//	awssqs://queue  ?region=                 ?region=, waittime=, raw=    AWS
//	awssns:///arn   ?region=                 none; subscribe a queue      AWS
//	gcppubsub://    project/topic            project/subscription         Google, or PUBSUB_EMULATOR_HOST
//	azuresb://      topic                    topic?subscription=          SERVICEBUS_CONNECTION_STRING
//
// A queue of SQS is its URL without https://, such as
// awssqs://sqs.eu-west-1.amazonaws.com/123456789012/orders, a topic of SNS its ARN; each may
// be cut anywhere between the two halves. AWS is found by its region, and its credentials by the chain of the SDK;
// the option server is the base URL of what stands in for it.
//
// A topic of Google Pub/Sub is projects/P/topics/T or P/T, a subscription projects/P/subscriptions/S
// or P/S; the credentials are Google's default ones, and the option server is the host and port
// of what stands in for it, or the URL of an endpoint.
//
// Azure Service Bus is also found by the name of a namespace, in AZURE_SERVICEBUS_HOSTNAME or the
// option server, and then knows the gateway by its identity in Entra ID.
//
// The key url_pattern names the backend in logs, nothing else; disable_host_sanitize is not
// needed. What is wrong with an address, or with what the environment says, stops the start.
// Credentials stand in the environment or in the option server, and neither logs nor messages
// show them.
//
// # backend/pubsub/publisher
//
// The body of the request is the body of the message, byte for byte, and what has passed
// input_headers are its attributes: of each header the first value, and User-Agent,
// X-Forwarded-For and X-Forwarded-Host, which the gateway adds. Parameters of the path and
// of the query are not sent.
//
// The answer comes when the broker has said that it has the message: status 200, or
// success_status_code, and null, for there is no data. With other backends beside it
// it adds nothing to their data, and neither group nor the like apply. A message that the
// broker does not want is a failure (502 where statuses follow causes), and so is one
// whose connection has ended before the broker's word, which it may have or not.
//
// # backend/pubsub/subscriber
//
// Each request takes one message, waiting for it as long as its timeout allows. The body is
// decoded by encoding and shaped like the answer of a service, and then the message is
// acknowledged, before the answer is written: one client gets it, unless the connection ends
// before the broker has heard of that, and one that leaves at the last moment may not get it.
// HEAD is refused with 405, since it would take one. A message that cannot be decoded,
// or that a check of the backend refuses, is dropped; with "nack_discard": false
// it comes again. So does one whose client has left before it was decoded.
//
// Requests that wait beside each other get a message each, and one message is taken for a
// request, whatever concurrent_calls is. Attributes stay behind, as the header of a service
// does where its answer is decoded; with no-op the client gets the body as it is, and of the
// attributes a Content-Type. That none came is a failure, for a
// breaker too, or the answer that empty_status_code says.
//
// # While the broker is away
//
// The gateway starts without its brokers and connects to them in the background, as
// often as it takes, or as max_retries says. Until it is there requests fail at once: 503, or
// 500 in the dialect krakend. The log has a line when it goes and one when it is back, and
// /__health tells the state of each backend. A reload keeps the connections whose options did
// not change.
package pubsub
