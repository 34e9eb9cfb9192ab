// Package sqs is the drivers awssqs:// and awssns:// of kit/queue: queues of Amazon SQS, and
// topics of Amazon SNS, to which one can only publish.
//
// # Addresses
//
//	awssqs://sqs.eu-west-1.amazonaws.com/123456789012/orders    the URL of a queue without https://
//	awssns:///arn:aws:sns:eu-west-1:123456789012:orders         the ARN of a topic
//
// The region is that of ?region=, of the address, or of the environment of AWS, which also has
// the credentials: see kit/awsx. The option server is the base URL of what stands in for AWS.
//
// # Messages
//
// Attributes are message attributes of the type String; one without a value, or with a name
// that AWS does not have, is not sent. What SQS would refuse is refused in front of it: a
// message without a body, and one with more than ten attributes. A body that is no text
// for AWS travels in Base64 with an attribute base64encoded, as the drivers of KrakenD have
// it, and arrives as it was. Messages have no group, so that nobody publishes to a FIFO queue
// or topic; one that was received has its group as its key.
//
// A queue that is subscribed to a topic gets what SNS wraps in JSON. That is unwrapped, unless
// ?raw=true says that bodies are as they are.
//
// # Receiving
//
// As long as requests wait, one call of ReceiveMessage at a time asks for as many messages
// as there are requests, ten at most, and waits at AWS for them: 20 seconds, or ?waittime=. Of
// calls that bring nothing at once there is one in a second at last. A
// message that comes for a request that has gone is given back at once. Ack deletes, Nack
// shows the message again. What is to be dropped is deleted, unless the queue has dead letters,
// in which case SQS counts and moves it: the queue is asked each time, with GetQueueAttributes, and
// who may not ask, or is not answered, shows the message again, and says so.
//
// The package is left out of a slim build.
package sqs
