// Package fast is the engine of our own for HTTP/1.1: a server and a client on
// the sockets of package net, with TLS by crypto/tls.
//
// It does what package nethttp does, for a third of the cost: a message is
// read strictly and cut up in place by package wire, there are no maps, and the
// only memory that a small exchange takes from the heap is the head that was
// read, on either side. What is rare is left to nethttp, under the same handler
// and the same settings: HTTP/2 in both directions, and forward proxies.
//
// Both sides stand on a transport, which asks the system for what has arrived,
// and holds no memory to read into while it waits as package net does.
//
// # Server
//
// Each connection has a goroutine. It reads a request, lets the handler answer
// on the same goroutine, and writes header and body, together where they are
// small. A connection that waits holds no buffer.
//
// Deadlines are set an eighth later than asked for and moved rarely, because
// moving them is a noticeable part of a small exchange. Whether a client has
// left is asked of the system for exchanges that run longer than a moment; a
// client that has closed its sending half has left, as for net/http.
//
// Connections that turn out to speak HTTP/2, by ALPN or by the preface where
// that is allowed, are handed over to a server of nethttp.
//
// An answer that switches protocols makes a tunnel of the connection, which is
// still the goroutine's, with a second one for the other direction.
//
// # Client
//
// A call runs on the goroutine of its caller: it takes the connection to its
// backend that became idle last, or makes one, writes the request, and reads
// the answer. Only a body that may have to wait, a stream or one too large for
// the buffers of a socket, is sent by a goroutine of its own, so that an answer
// can come first and a client that stalls holds up nobody. An answer that comes
// first is used, while the request goes on until the answer has been read; if
// it is not sent by then, the connection is closed.
//
// An answer that has arrived whole, as most small ones do at once, leaves the
// connection with the page of memory that it was read into. In front of it there
// is room for a header, so that the server sends both in one piece.
//
// A connection whose last answer had no body rests for some milliseconds before it
// carries another call, and is looked at then: what a careless backend sends behind
// such an answer would be taken for the next one. Calls that come sooner take
// another connection. A backend that has sent more than an answer rests behind all of
// them, until a minute has passed without.
//
// Contexts are not waited for. One timer for each backend with calls in flight
// looks at the contexts of young calls, every 20 ms and when the first of their
// deadlines comes; calls that last longer are registered with theirs. Either way
// the end of the context closes the connection.
//
// Several calls can be sent before the first answer is read; see
// [Client.Begin].
package fast
