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
// A request that a backend of HTTP/2 has not processed, and says so, is sent again
// whatever its method is (RFC 9113, sections 6.8 and 8.7): the transport does that
// where it can have the body again. It can have what is in memory, and the first 64 KB
// of a stream, which are kept until there is an answer. It would also repeat a stream
// that was reset with PROTOCOL_ERROR, which says nothing of the kind; that is left to
// requests that may be repeated.
//
// HTTP/2 is negotiated by ALPN, or spoken by prior knowledge where the settings say so.
// On such a connection nothing follows the preface, which has empty settings, before the
// backend has sent its own and acknowledged those: one round trip more for the first call,
// and none of the requests has reached a backend that speaks something else. Calls by prior
// knowledge that begin while a connection is being made wait for it, and fail as it does;
// who has waited for three seconds makes another. The connection has the time that every
// connection has, and each call gives up when its own is over.
//
// What it cannot do: it asks a backend for trailers (TE) without naming TE in Connection,
// which a backend that turns out to speak HTTP/2 must not get. The standard library keeps
// a Connection field to itself when it asks to close, so the fields that such an answer
// of a backend names besides are passed on; and a body of known size that a client uploads
// is gathered in pieces of 4 KB. Answers it reads itself: it lets chunked win over a
// length, and forgets that there was one; forgets chunked in an answer of HTTP/1.0,
// whose body is what comes, sizes included; joins the lines of a length or a coding that
// is folded; skips spaces before a status; and takes white space before a colon for a
// part of the name, so that a length like that is none and the answer is refused here,
// and white space before the extension of a chunk for an error. Nor does it tell what of
// a body has come with the head: where the type of an answer is known, and so its first
// byte is not waited for, what is no chunk breaks the answer off and has no status. Behind
// a body it takes trailers that end in a line feed alone, and none of more than 4 KB in
// all; and it refuses an answer that announces a trailer by which it would be framed. To an
// answer that says Pragma: no-cache and has no Cache-Control it adds one. This
// list is complete, and held by a test of package fast.
//
// Nor can it let a connection rest behind an answer, as the other engine does where a
// body may follow that has no place there. The transport reads ahead on connections
// that are idle, and puts one among them as soon as it has an answer, before it looks for
// more. So a call takes one only when the transport waits for bytes on it, which says that
// nothing is left of those that have come, and none are on the socket. What is still on
// its way then is taken for the next answer. Whoever holds connections back must hold
// them, which takes a pool of one's own. A backend that may do such things is called by
// the other engine.
package nethttp
