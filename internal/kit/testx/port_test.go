package testx

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestUnusedAddress asks for more addresses than a block has: they differ,
// refuse connections, and can be listened at.
func TestUnusedAddress(t *testing.T) {
	seen := make(map[string]bool)
	for range 2 * blockSize {
		address := UnusedAddress(t)
		if seen[address] {
			t.Fatalf("%s twice", address)
		}
		seen[address] = true
	}
	for address := range seen {
		if conn, err := net.Dial("tcp", address); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("a call to %s: %v, %v, want it refused", address, conn, err)
		}
	}
	l, err := net.Listen("tcp", UnusedAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}
