//go:build unix

package engine

import "syscall"

// Readable reports whether a read of the socket would return at once: bytes,
// the end of the connection, or an error.
func Readable(fd uintptr) bool {
	var b [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK) // sockets of package net never block
		if err != syscall.EINTR {
			return err != syscall.EAGAIN
		}
	}
}
