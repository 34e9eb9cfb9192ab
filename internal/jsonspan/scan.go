package jsonspan

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how many objects and arrays may be open at once: the limit of
// encoding/json, so that nothing is refused here that the tree would accept.
const maxDepth = 10_000

// Valid reports whether b is exactly one JSON value. A byte order mark at the start and
// white space around the value are skipped. It does not allocate.
//
// The grammar is RFC 8259 without extensions; strings are UTF-8, a lone
// surrogate escape is accepted, and objects and arrays may be 10,000 deep.
// Names may repeat.
func Valid(b []byte) bool {
	end, f := scanValue(b, skipMark(b), 0)
	return f == none && skipSpace(b, end) == len(b)
}

// The functions below share a form: they read b from i, which is a position in
// b or its end, and return the position behind what they read. On a fault they
// return the position of the first byte that is wrong.
//
// Positions are compared as unsigned numbers: that tells the compiler that they
// are not negative, and it drops the bounds checks. BenchmarkValid/20KB gained
// a twentieth by it.

// skipMark skips a byte order mark and white space.
func skipMark(b []byte) int {
	if len(b) >= 3 && b[0] == 0xEF && b[1] == 0xBB && b[2] == 0xBF {
		return skipSpace(b, 3)
	}
	return skipSpace(b, 0)
}

func skipSpace(b []byte, i int) int {
	for uint(i) < uint(len(b)) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// scanValue reads the value at i, with depth objects and arrays open around it.
func scanValue(b []byte, i, depth int) (int, fault) {
	if uint(i) >= uint(len(b)) {
		if depth == 0 {
			return i, faultEmpty
		}
		return i, faultEnd
	}
	switch b[i] {
	case '"':
		return scanString(b, i+1)
	case '{', '[':
		return scanNested(b, i, depth)
	}
	return scanScalar(b, i)
}

// frameLevels is how many open levels one call of scanNested keeps as bits.
const frameLevels = 64

// scanNested reads the object or array that opens at i, with depth others open
// around it.
//
// The kinds of the open levels are bits of one word, so there is no stack to
// clear or to grow. What opens deeper is a call of its own, one for each 64
// levels. Commas and closers are read in place: calls cost BenchmarkValid/20KB
// an eighth.
func scanNested(b []byte, i, depth int) (int, fault) {
	if depth >= maxDepth {
		return i, faultDepth
	}
	var (
		closer = b[i] + 2 // ends the innermost level: '{' and '}', '[' and ']' are two apart
		outer  uint64     // the levels around it, the lowest bit next: 1 for an object
		open   = 1        // levels of this call
		f      fault
	)
	i = skipSpace(b, i+1)
	if uint(i) < uint(len(b)) && b[i] == closer {
		return i + 1, none
	}
	for {
		// A member or an element is due.
		if closer == '}' {
			if _, _, i, f = scanName(b, i); f != none {
				return i, f
			}
		}
		if uint(i) >= uint(len(b)) {
			return i, faultEnd
		}
		switch c := b[i]; c {
		case '"':
			i, f = scanString(b, i+1)
		case '{', '[':
			if depth+open >= maxDepth {
				return i, faultDepth
			}
			if open == frameLevels {
				i, f = scanNested(b, i, depth+open)
				break
			}
			next := skipSpace(b, i+1)
			if uint(next) < uint(len(b)) && b[next] == c+2 {
				i = next + 1
				break
			}
			outer = outer<<1 | uint64(closer>>5&1) // the bit in which '}' and ']' differ
			open++
			closer = c + 2
			i = next
			continue
		default:
			i, f = scanScalar(b, i)
		}
		if f != none {
			return i, f
		}
		// It has ended, and with it perhaps levels around it.
		for {
			if uint(i) < uint(len(b)) && b[i] <= ' ' {
				i = skipSpace(b, i)
			}
			if uint(i) >= uint(len(b)) {
				return i, faultEnd
			}
			if b[i] == ',' {
				i++
				if uint(i) < uint(len(b)) && b[i] <= ' ' {
					i = skipSpace(b, i)
				}
				break
			}
			if b[i] != closer {
				return i, faultNext
			}
			i++
			if open--; open == 0 {
				return i, none
			}
			closer = ']' | byte(outer&1)<<5
			outer >>= 1
		}
	}
}

// scanOpen reads the brace that opens an object at i, and white space. More tells
// that a member follows; otherwise the closing brace was read.
func scanOpen(b []byte, i int) (next int, more bool, f fault) {
	i = skipSpace(b, i+1)
	if i == len(b) {
		return i, false, faultEnd
	}
	if b[i] == '}' {
		return i + 1, false, none
	}
	return i, true, none
}

// scanName reads the member name, colon and white space at i, up to the value.
// The name is the text between its quotes.
func scanName(b []byte, i int) (name []byte, escaped bool, next int, f fault) {
	if uint(i) >= uint(len(b)) {
		return nil, false, i, faultEnd
	}
	if b[i] != '"' {
		return nil, false, i, faultName
	}
	start := i + 1
	i = skipPlain(b, start)
	if uint(i) < uint(len(b)) && b[i] == '"' {
		name = b[start:i:i] // plain ASCII, the rule
		i++
	} else {
		if i, f = scanString(b, i); f != none {
			return nil, false, i, f
		}
		name = b[start : i-1 : i-1]
		escaped = isEscaped(name)
	}
	if uint(i) < uint(len(b)) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	if uint(i) >= uint(len(b)) {
		return nil, false, i, faultEnd
	}
	if b[i] != ':' {
		return nil, false, i, faultColon
	}
	i++
	if uint(i) < uint(len(b)) && b[i] <= ' ' {
		i = skipSpace(b, i)
	}
	return name, escaped, i, none
}

// scanNext reads what follows a member: a comma with white space around it, and
// more follows, or the closing brace.
func scanNext(b []byte, i int) (next int, more bool, f fault) {
	i = skipSpace(b, i)
	if i == len(b) {
		return i, false, faultEnd
	}
	switch b[i] {
	case ',':
		return skipSpace(b, i+1), true, none
	case '}':
		return i + 1, false, none
	}
	return i, false, faultNext
}

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// special marks the bytes of x that interrupt plain string text: the quote, the
// backslash, control characters and what is beyond ASCII. The mark is the top
// bit of the byte. The lowest one is exact; a borrow may set others above it.
//
// Source: the zero-byte test of Alan Mycroft, 1987, with one subtraction for
// quote and control characters together.
func special(x uint64) uint64 {
	quoteOrControl := (x ^ ones*2) - ones*0x21 // quote and space change places; then all below 0x21 borrow
	backslash := (x ^ ones*'\\') - ones
	return (quoteOrControl | backslash | x) & tops
}

// skipPlain skips plain string text, eight bytes at a time. It stops short of
// the end of b by up to seven bytes.
func skipPlain(b []byte, i int) int {
	for uint(i)+8 <= uint(len(b)) {
		if m := special(binary.LittleEndian.Uint64(b[i:])); m != 0 {
			return i + bits.TrailingZeros64(m)>>3
		}
		i += 8
	}
	return i
}

// scanString reads the rest of a string whose text begins at i, with its
// closing quote.
func scanString(b []byte, i int) (int, fault) {
	for {
		i = skipPlain(b, i)
		if uint(i) >= uint(len(b)) {
			return i, faultEnd
		}
		var f fault
		switch c := b[i]; {
		case c == '"':
			return i + 1, none
		case c == '\\':
			i, f = scanEscape(b, i)
		case c >= utf8.RuneSelf:
			i, f = scanRunes(b, i)
		case c < ' ':
			return i, faultControl
		default:
			i++ // plain, close to the end of b
		}
		if f != none {
			return i, f
		}
	}
}

// scanEscape reads the escape sequence at i.
func scanEscape(b []byte, i int) (int, fault) {
	i++
	if uint(i) >= uint(len(b)) {
		return i, faultEnd
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1, none
	case 'u':
		for range 4 {
			i++
			if uint(i) >= uint(len(b)) {
				return i, faultEnd
			}
			if c := b[i]; c-'0' > 9 && (c|0x20 < 'a' || c|0x20 > 'f') {
				return i, faultEscape
			}
		}
		return i + 1, none
	}
	return i, faultEscape
}

// scanRunes reads the characters beyond ASCII that begin at i. The common ones
// of two and three bytes are checked in place: handing strings to utf8.Valid
// cost BenchmarkValid/20KB a tenth.
//
// Source: RFC 3629, section 4.
func scanRunes(b []byte, i int) (int, fault) {
	for uint(i) < uint(len(b)) && b[i] >= utf8.RuneSelf {
		c := b[i]
		if c >= 0xC2 && c < 0xE0 && uint(i)+1 < uint(len(b)) && b[i+1]&0xC0 == 0x80 {
			i += 2
			continue
		}
		// 0xE0 and 0xED restrict their second byte.
		if c > 0xE0 && c < 0xF0 && c != 0xED && uint(i)+2 < uint(len(b)) && b[i+1]&0xC0 == 0x80 && b[i+2]&0xC0 == 0x80 {
			i += 3
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i, faultUTF8
		}
		i += n
	}
	return i, none
}

// scanScalar reads the number or literal at i, which is not the end of b.
func scanScalar(b []byte, i int) (int, fault) {
	switch b[i] {
	case 't':
		return scanLiteral(b, i, "true")
	case 'f':
		return scanLiteral(b, i, "false")
	case 'n':
		return scanLiteral(b, i, "null")
	}
	return scanNumber(b, i)
}

func scanLiteral(b []byte, i int, literal string) (int, fault) {
	if end := i + len(literal); uint(end) <= uint(len(b)) && string(b[i:end]) == literal {
		return end, none
	}
	n := 0
	for i+n < len(b) && b[i+n] == literal[n] {
		n++
	}
	if i+n == len(b) {
		return i + n, faultEnd
	}
	return i + n, faultLiteral
}

// scanNumber reads the number at i, which is not the end of b.
func scanNumber(b []byte, i int) (int, fault) {
	start := i
	if b[i] == '-' {
		i++
	}
	whole := i
	i = skipDigits(b, i)
	if i == whole {
		if i == start {
			return i, faultValue
		}
		return i, digitFault(b, i)
	}
	if b[whole] == '0' && i > whole+1 {
		return whole + 1, faultZero
	}
	if uint(i) < uint(len(b)) && b[i] == '.' {
		i++
		fraction := i
		if i = skipDigits(b, i); i == fraction {
			return i, digitFault(b, i)
		}
	}
	if uint(i) < uint(len(b)) && b[i]|0x20 == 'e' {
		i++
		if uint(i) < uint(len(b)) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := i
		if i = skipDigits(b, i); i == exponent {
			return i, digitFault(b, i)
		}
	}
	return i, none
}

func skipDigits(b []byte, i int) int {
	for uint(i) < uint(len(b)) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

// digitFault is the fault of a number that lacks a digit at i.
func digitFault(b []byte, i int) fault {
	if i == len(b) {
		return faultEnd
	}
	return faultDigit
}
