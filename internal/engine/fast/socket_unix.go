//go:build unix

package fast

import (
	"io"
	"syscall"
)

// hasSockets tells whether this system lets us read sockets directly.
const hasSockets = true

// readNow reads what has arrived on a socket that does not block. waits says
// that nothing has.
func readNow(fd uintptr, p []byte) (n int, waits bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != nil:
			return 0, false, err
		case n == 0:
			return 0, false, io.EOF
		}
		return n, false, nil
	}
}

// drained reports whether a socket is at its end, or broken, with nothing left
// to read before that.
func drained(fd uintptr) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if err != nil {
		return err != syscall.EAGAIN && err != syscall.EINTR
	}
	return n == 0
}
