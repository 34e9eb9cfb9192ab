// Package queuetest is a broker in memory for tests of components that publish and subscribe,
// with a driver mem:// that importing the package registers:
//
//	b := queuetest.New(t)
//	host := b.Host()          // of a backend; the topic or the queue follows in the options
//	b.Put("orders", queue.Message{Body: []byte(`{"id":1}`)})
//	b.Queue("orders")         // what is there to be taken
//
// A topic is a queue that several may read, each message going to one of them. Deliveries
// are given back, and counted, when they are requeued or when the connection is lost. What
// a connection over a network does besides is for the tests of drivers.
//
// For these there are [Ends], which open an address as components do, and [Conform], which
// tries a driver on all that package queue says of drivers: its test names a broker, by a
// [Stand].
//
// It is imported by tests only.
package queuetest
