// Package demo is a small shop to try the gateway on: product, offer and user
// services in the same process, three product hosts of which one is slow and
// one fails now and then, a queue of orders, and the configuration of a gateway in
// front of them.
//
// The queue is a stand-in: it speaks the protocol of NATS over a connection, as far as the
// gateway asks it, so that its address may be that of a real server.
package demo
