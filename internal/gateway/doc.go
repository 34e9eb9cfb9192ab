// Package gateway holds the nouns of Sluice: the exchange, its request and
// response, the error with a public face, and the roles that act on them.
//
// One shape runs from listener to backend socket: Do(ctx, *Exchange) error. A
// [Connector] answers an exchange; a [Stage] acts on the way in and, if it is
// also a [Leaver], on the way out.
//
// The package knows no HTTP library, no configuration and no policy. It
// imports the standard library and package body, and every other package of
// the request path speaks its words.
package gateway
