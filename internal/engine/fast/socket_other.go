//go:build !unix

package fast

// hasSockets tells whether this system lets us read sockets directly.
const hasSockets = false

func readNow(uintptr, []byte) (n int, waits bool, err error) { panic("unreachable") }

// closedByPeer reports nothing: whether a client is gone shows when it is read
// from or written to.
func closedByPeer(uintptr) bool { return false }
