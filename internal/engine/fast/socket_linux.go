package fast

import (
	"encoding/binary"
	"syscall"
)

// acknowledge tells the other end of a socket at once what has arrived, instead of
// with what is sent next or a moment later.
func acknowledge(fd uintptr) {
	syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // or it waits
}

// established is the state of a TCP connection that both sides may send on.
const established = 1

// closedByPeer reports whether the other end of a socket has closed the
// connection, or its half of it. For TCP the system knows that even if bytes
// that came before were not read yet; of tcp_info only the first byte is asked
// for, the state.
func closedByPeer(fd uintptr) bool {
	info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil {
		return drained(fd)
	}
	var state [4]byte
	binary.NativeEndian.PutUint32(state[:], uint32(info))
	return state[0] != established
}
