//go:build unix

package fast

import "syscall"

// hasSockets tells whether this system lets us use sockets directly. Those of
// package net never block.
const hasSockets = true

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
