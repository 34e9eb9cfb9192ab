package testx

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
)

// Ports are handed out below the range from which systems choose one for a
// listener that asks for any (32768 and up on Linux, RFC 6335's 49152 and up
// elsewhere), in blocks. Who listens on a block's first port has the block, so
// that the processes of one test run stay out of each other's way.
const (
	firstPort = 10_000
	lastPort  = 32_000
	blockSize = 200
)

var ports struct {
	sync.Mutex
	next, left int
}

// UnusedAddress returns an address on the loopback interface, "127.0.0.1:port",
// at which nobody listens, and at which nobody will who does not ask for this
// very port: a connection is refused there until the test itself listens.
func UnusedAddress(t testing.TB) string {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range lastPort - firstPort {
		if ports.left == 0 {
			takeBlock(t)
		}
		ports.next++
		ports.left--
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.next))
		// On all interfaces, as what listens at one of them is in the way too.
		if l, err := net.Listen("tcp", fmt.Sprint(":", ports.next)); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no unused port")
	return ""
}

// takeBlock chooses a block that no other process has, and keeps it until this
// process ends.
func takeBlock(t testing.TB) {
	t.Helper()
	const blocks = (lastPort - firstPort) / blockSize
	start := rand.IntN(blocks)
	for i := range blocks {
		base := firstPort + (start+i)%blocks*blockSize
		if _, err := net.Listen("tcp", fmt.Sprint("127.0.0.1:", base)); err == nil {
			ports.next, ports.left = base, blockSize-1
			return
		}
	}
	t.Fatal("no block of ports is free")
}
