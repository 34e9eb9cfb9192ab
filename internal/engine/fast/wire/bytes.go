package wire

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// What a byte may be part of.
const (
	token    = 1 << iota // tchar of RFC 9110, section 5.6.2
	upper                // a letter in upper case
	lower                // a letter in lower case
	digit                // 0 to 9
	hexDigit             // 0 to 9, a to f, in either case
	visible              // no space and no control character of US-ASCII
	regName              // of a host that is a name, escapes aside (RFC 3986, section 3.2.2)
)

// classes tells for each byte what it may be part of.
var classes = func() (t [256]uint8) {
	for i := range 0x7f {
		c := byte(i)
		set := func(is bool, class uint8) {
			if is {
				t[c] |= class
			}
		}
		set(gateway.Token(string(rune(c))), token)
		set('A' <= c && c <= 'Z', upper|regName)
		set('a' <= c && c <= 'z', lower|regName)
		set('0' <= c && c <= '9', digit|regName|hexDigit)
		set('A' <= c && c <= 'F' || 'a' <= c && c <= 'f', hexDigit)
		set(strings.IndexByte("!$&'()*+,;=", c) >= 0, regName)
		set(strings.IndexByte("-._~", c) >= 0, regName)
		set(c > ' ', visible)
	}
	for c := 0x80; c < len(t); c++ {
		t[c] |= visible
	}
	return t
}()

// span returns the length of the part at the beginning of s that consists of
// bytes of the class.
func span(s string, class uint8) int {
	for i := range len(s) {
		if classes[s[i]]&class == 0 {
			return i
		}
	}
	return len(s)
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x80 * everyByte
)

// control returns the index of the first control character of s at or after
// from, or len(s): eight bytes are looked at in one step. The test for bytes
// below a bound in a word may err above the first of them, never below it.
func control(s []byte, from int) int {
	i := from
	for ; i+8 <= len(s); i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		below := (w - ' '*everyByte) &^ w
		del := w ^ 0x7f*everyByte
		del = (del - everyByte) &^ del
		if found := (below | del) & highBits; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == 0x7f {
			return i
		}
	}
	return len(s)
}

// equalFold reports whether a and b are equal but for the case of letters of
// US-ASCII. b is in lower case.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		c := a[i]
		if classes[c]&upper != 0 {
			c |= 0x20
		}
		if c != b[i] {
			return false
		}
	}
	return true
}
