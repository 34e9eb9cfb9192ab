// Package kafkatest is a Kafka cluster for tests: kfake of the franz-go project, brokers in
// this process which speak the protocol of Kafka and keep their records in memory. Clients
// reach them over TCP through a proxy that the test can cut, hold and stop. Their author is
// that of the client library, so they are no independent view of Kafka.
//
// It is imported by tests only.
package kafkatest
