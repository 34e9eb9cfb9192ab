// Package testx makes what the tests of several packages need: an exchange for
// a message that is written down as a literal instead of read from a
// connection, and an address at which nobody listens.
//
// It is imported by tests only.
package testx
