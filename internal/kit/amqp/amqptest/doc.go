// Package amqptest is RabbitMQ for tests: the server of Debian's package rabbitmq-server, one
// for each test binary on ports of its own, which clients reach over TCP through a proxy that
// the test can cut, hold and stop. The server itself can be killed and started again, with
// what it has on disk. [Main] runs the tests of a package and ends the server, the port mapper
// of Erlang with it.
//
// It is imported by tests only.
package amqptest
