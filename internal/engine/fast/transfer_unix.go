//go:build unix && !(linux && (amd64 || arm64) && !race)

// The race detector takes what passes through a socket for an order of events
// if it is read and written as here.

package fast

import "syscall"

// receive reads what has arrived on a socket. The error is EAGAIN where nothing
// has; at the end of the connection there are neither bytes nor an error.
func receive(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// send writes what a socket takes of p. The error is EAGAIN where it takes
// nothing.
func send(fd uintptr, p []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), p)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
