// Package httpcall calls a backend by HTTP: it chooses a host, goes to the next one where
// nobody was reached, follows redirects, and unpacks gzip.
//
// Each layer is a connector around the next: [Redirected], then [Direct] for one host,
// [Balanced] for several or [Templated] for those that are made of values of the request,
// then the connector of [NewWire], which runs the stages of an attempt with the whole URL
// in sight, then [Unpacked] and the client of an engine. [Unpacking] stands around what a
// component calls in another way. All but Templated and Unpacking can begin a
// call and finish it later, so that several calls are sent before the first is waited
// for.
package httpcall
