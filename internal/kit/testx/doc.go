// Package testx makes what the tests of several packages need: an exchange for
// a message that is written down as a literal instead of read from a
// connection, an address at which nobody listens, a network that fails, what is
// waited for, and the comparison with a golden file.
//
// It is imported by tests only.
package testx
