// Package gcppubsub is the driver gcppubsub:// of kit/queue: topics and subscriptions of Google
// Cloud Pub/Sub.
//
// # Addresses
//
//	gcppubsub://projects/shop/topics/orders             a topic, or gcppubsub://shop/orders
//	gcppubsub://projects/shop/subscriptions/shipping    a subscription, or gcppubsub://shop/shipping
//
// Topics take ?max_send_batch_size=, which each message keeps that is sent by itself, as all
// are. Subscriptions take ?max_recv_batch_size=, how many messages one call asks for at
// most, and ?nacklazy=true, by which a message that is given back is left to its deadline.
//
// Pub/Sub is where Google has it, unless PUBSUB_EMULATOR_HOST or the option server says where
// something stands in for it, as host:port, which is asked in plain text and without
// credentials. As a URL, https://europe-west1-pubsub.googleapis.com for instance, the option is
// an endpoint of Google.
//
// # Credentials
//
// They are those that libraries of Google find by default: the file that
// GOOGLE_APPLICATION_CREDENTIALS names, that of gcloud, the account of the machine. Files are read
// when the configuration is, and watched; the machine is asked, and tokens are fetched,
// when somebody wants to connect.
//
// # Messages
//
// The body is the data, attributes are attributes, and a key is the ordering key. A message
// has 10,000,000 bytes at most.
//
// # Receiving
//
// As long as requests wait, one Pull at a time asks for as many messages as there are
// requests ([queue.Poller]), and ends when none has time left, so that nothing is held here. Ack is Acknowledge, Nack a deadline
// of no seconds, and what is to be dropped is acknowledged, unless the subscription has dead
// letters, in which case Pub/Sub counts and moves it. That it has them the message itself tells,
// whose deliveries are not counted elsewhere, so that nobody has to be allowed to look.
//
// # Connections
//
// A topic and a subscription have an HTTP/2 connection each. kit/live keeps it up; what the
// library may do by itself is to follow a server that asks for another connection, for
// a second at most, in which calls go on. Pub/Sub is called by the stubs of its protocol:
// no call is repeated behind anybody's back.
//
// Sources: google.pubsub.v1 of googleapis; AIP-4110 (credentials); the quotas of Pub/Sub.
//
// The package is left out of a slim build.
package gcppubsub
