//go:build unix

package engine

import "syscall"

// Readable reports whether a read of the socket would return at once: bytes,
// the end of the connection, or an error; and whether it is bytes.
func Readable(fd uintptr) (readable, bytes bool) {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK) // sockets of package net never block
		if err != syscall.EINTR {
			return err != syscall.EAGAIN, n > 0
		}
	}
}
