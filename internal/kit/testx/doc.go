// Package testx makes exchanges for the tests of components: a message
// written down as a literal instead of read from a connection.
//
// It is imported by tests only.
package testx
