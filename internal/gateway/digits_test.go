package gateway

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestPutHex(t *testing.T) {
	for _, n := range []uint64{0, 1, 9, 10, 15, 16, 0x0123456789abcdef, 0xfedcba9876543210, 1<<64 - 1, rand.Uint64(), rand.Uint64()} {
		var digits [16]byte
		putHex(digits[:], n)
		if want := fmt.Sprintf("%016x", n); string(digits[:]) != want {
			t.Errorf("%d: got %s, want %s", n, digits, want)
		}
	}
}
