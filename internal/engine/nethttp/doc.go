// Package nethttp is the engine on the standard library: net/http serves the
// clients and calls the backends.
//
// It speaks HTTP/1.1 and HTTP/2 in both directions, with and without TLS, and
// takes forward proxies of every kind. It is the engine for what needs the
// types of net/http, and the one that others are compared with.
//
// Messages are net/http's, everything around them is not: what the standard
// library would add by itself (a User-Agent, Accept-Encoding, a pause to read
// an unread body) is switched off, and adapters, buffers and per-call values
// are few and, where nobody else can hold them, pooled.
//
// Requests of HTTP/1 pass a sieve before net/http reads them, so that this engine
// and the other have one reading of what clients send; the requests of HTTP/2 are
// held to the same rules.
//
// What it cannot do: the standard library keeps a Connection field to itself
// when it asks to close, so the fields that such an answer of a backend names
// besides are passed on; and a body of known size that a client uploads is
// gathered in pieces of 4 KB. Answers it reads itself: it lets chunked win over a
// length, and takes white space before a colon for a part of the name; and what
// comes in one piece with an answer that has no body is seen a moment after the
// connection was offered for use again. A backend that may do such things is
// called by the other engine.
package nethttp
