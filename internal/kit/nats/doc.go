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
// takes it, within bounds.
//
// Sources: the NATS client protocol (docs.nats.io, reference, protocols), ADR-4 (headers).
package nats
