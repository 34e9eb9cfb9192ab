//go:build linux && (amd64 || arm64) && !race

package fast

import (
	"syscall"
	"unsafe"
)

// quick is the most that is transferred without telling the scheduler: what the
// system does with so much for a socket that does not block takes some
// microseconds.
const quick = 64 << 10

// receive reads what has arrived on a socket. The error is EAGAIN where nothing
// has; at the end of the connection there are neither bytes nor an error.
func receive(fd uintptr, p []byte) (int, error) { return transfer(syscall.SYS_RECVFROM, fd, p, 0) }

// send writes what a socket takes of p. The error is EAGAIN where it takes
// nothing.
func send(fd uintptr, p []byte) (int, error) {
	return transfer(syscall.SYS_SENDTO, fd, p, syscall.MSG_NOSIGNAL)
}

// transfer makes a call for sockets, which goes past what read and write do for
// files.
func transfer(trap, fd uintptr, p []byte, flags uintptr) (int, error) {
	for {
		var n uintptr
		var err syscall.Errno
		if len(p) <= quick {
			n, _, err = syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		} else {
			n, _, err = syscall.Syscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
		}
		if err == 0 {
			return int(n), nil
		}
		if err != syscall.EINTR {
			return 0, err
		}
	}
}
