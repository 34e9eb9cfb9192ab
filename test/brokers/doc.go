// Package brokers shows what must hold of a gateway with brokers behind it: a message that
// was answered with 2xx is at the broker, whatever happens to connections meanwhile, and a
// reload and a stop lose none. It has benchmarks of what a message costs beside the plain way
// to write the same. Everything runs over real connections on the loopback interface, with
// the servers of kit/nats/natstest, kit/amqp/amqptest and kit/gcppubsub/gcppubsubtest, and stand-ins
// for AWS, bounded in count and time. A
// server of GraphQL, graphql-go, is asked here as well.
package brokers
