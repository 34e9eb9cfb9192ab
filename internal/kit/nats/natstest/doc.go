// Package natstest is a NATS server for tests: the embedded server of the NATS project, which
// clients reach over TCP through a proxy that the test can cut, hold and stop.
//
// It is imported by tests only.
package natstest
