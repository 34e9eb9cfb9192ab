// Package nats is the driver nats:// of package queue: subjects of NATS core.
//
// NATS core stores nothing and knows no acknowledgement of messages. Publish sends a PING
// behind its message and returns when the PONG is there: the server has the message then,
// and has handed it to those who listen. What a subscriber has got the broker has forgotten,
// so that a message that is given back stays in this process, for the next who asks.
//
// Messages go out with their attributes as NATS headers, names and values plain, and the body
// as it is. [Address.Envelope] of package queue wraps both in the form of gocloud.dev, which
// the incumbent writes: a map of texts and a list of bytes as package encoding/gob has them.
// Messages in that form are understood whoever sends them.
//
// The connection is kept up by kit/live; the reconnecting of nats.go is off. All publishers of
// a server share one, each subscriber has its own, and holds what has come until somebody
// takes it, within bounds: 64 MiB of memory, and a thousand attributes of a message. When a server
// goes the others of its cluster are tried as well, of which it has told when it let the gateway
// in; they get its user, and none of another address.
//
// # Trust
//
// A server is not trusted. nats.go believes the lengths that it reads, and a wrong one ends the
// process; it writes under a lock, where a server that reads nothing holds up everybody. So a
// guard stands between both: it ends a connection on which anything else comes than the
// protocol allows, or more than its bounds, and takes what is written without waiting; publishers
// wait for room instead, each until its own deadline. It begins TLS itself, where the address or
// the server asks for it, and where client_tls is written beside the address; a server that has
// none is refused then.
//
// Sources: the NATS client protocol (docs.nats.io, reference, protocols), ADR-4 (headers), ADR-40
// (connections).
package nats
