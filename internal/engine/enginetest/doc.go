// Package enginetest is the suite that every engine passes. It is what the
// words of package engine mean, case by case.
//
// An engine's own test calls [Run]:
//
//	func TestEngine(t *testing.T) {
//		enginetest.Run(t, enginetest.Engine{NewServer: NewServer, NewClient: NewClient})
//	}
//
// The other end of every connection is written here, on bare sockets: what is
// asserted are bytes on the wire and the moment at which they arrive. Nothing
// sleeps to be in time. Where the order of two events matters, the one waits
// for the other, and a case that would have to wait for ever fails after
// [patience].
package enginetest
