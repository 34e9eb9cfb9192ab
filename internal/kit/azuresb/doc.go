// Package azuresb is the driver azuresb:// of kit/queue: topics and subscriptions of Azure Service
// Bus.
//
// # Addresses
//
//	azuresb://orders                          a topic, or a queue to publish to
//	azuresb://orders?subscription=shipping    a subscription of a topic
//
// Subscriptions take ?max_recv_batch_size=, how many messages one call asks for at most, and
// ?listener_timeout=, how long it waits.
//
// The namespace and the key stand in SERVICEBUS_CONNECTION_STRING. Without it AZURE_SERVICEBUS_HOSTNAME
// or the option server is the name of the namespace, and the gateway shows who it is in Entra
// ID: by the variables of an application (AZURE_TENANT_ID, AZURE_CLIENT_ID and a secret or a
// certificate), as a workload of Kubernetes, or by the identity of the machine, whichever there
// is. Tokens are fetched when somebody wants to connect. The option holds no connection
// string: that is a secret, and nothing shows what it holds.
//
// # Messages
//
// The body is one section of data. Attributes are application properties, Content-Type is the
// content type, too, and a key is the ID of the session. What others have sent as a value of
// AMQP arrives as its text.
//
// # Receiving
//
// As long as requests wait, one call at a time gives the service credit for as many messages as
// there are requests ([queue.Poller]), in the mode PeekLock. Ack completes, Nack abandons, and
// what is to be dropped goes to the dead letters of the subscription.
//
// # Connections
//
// A topic and a subscription have an AMQP 1.0 connection each, over TLS. kit/live keeps it up: the
// library dials through this package, once, so that its end is known here at once and it
// makes no other one by itself. It makes a link again that the service has ended, as it does with
// those that nobody has used for ten minutes. When no link is left for five more, the service ends
// the connection, which is made again and is no loss ([live.Rested]).
//
// The tests talk to kit/azuresb/azuresbtest, a stand-in that speaks the protocol. They were not run
// against a namespace of Azure.
//
// Sources: OASIS AMQP 1.0; "AMQP 1.0 in Azure Service Bus and Event Hubs protocol guide".
//
// The package is left out of a slim build.
package azuresb
