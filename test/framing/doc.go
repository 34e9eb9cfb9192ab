// Package framing shows that a gateway and its neighbours always agree on
// where a message begins and ends.
//
// Every case is a sequence of bytes with a name. It is sent through a whole
// gateway, on every engine, to endpoints that pass bodies on and to endpoints
// that decode them, between a client and a backend that read strictly and count
// what they see. Either the bytes are refused and the connection ends, or
// the backend sees the one well-formed request that they mean; nothing of the
// rest ever becomes a request or an answer of its own. All engines agree on every
// request. Where one is laxer than the other with an answer, the table says so, and
// why that is safe.
//
// The same bytes travel through chains with other servers in front and behind,
// which are skipped where those are not installed. Further cases are about
// HTTP/2 and about clients that are slow on purpose. `make deps` installs what
// is skipped otherwise.
package framing
