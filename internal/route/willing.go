package route

import (
	"bytes"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Text is what of a path is text to everybody.
type Text struct {
	Parameters bool // semicolons, and what stands behind them
	Ends       bool // blanks and dots at the ends of segments
}

// Readings returns how else servers may read an escaped path than decoded once: decoded
// until nothing is left to decode, compatible characters as one, backslashes as slashes,
// cut where a query or a fragment would begin, segments without parameters and without
// blanks and dots at their ends. Letter case stays. It is empty for most paths.
func Readings(escaped string, text Text) []string {
	if path(escaped).traits()&(special|loose) == 0 {
		return nil
	}
	b := []byte(escaped)
	ascii := true
	for range maxDecodings {
		before := len(b)
		b = decodeAgain(b)
		if len(b) == before {
			break
		}
	}
	for _, c := range b {
		ascii = ascii && c < utf8.RuneSelf
	}
	if !ascii {
		b = appendASCII(make([]byte, 0, len(b)+len(b)/8), b)
	}
	var readings []string
	add := func(b []byte) {
		if reading := assemble(b, text); !slices.Contains(readings, reading) {
			readings = append(readings, reading)
		}
	}
	add(b)
	if at := bytes.IndexAny(b, "?#\x00"); at >= 0 {
		add(b[:at])
	}
	if at := bytes.IndexByte(b, ';'); at >= 0 && !text.Parameters {
		add(b[:at])
	}
	return readings
}

// appendASCII appends b to dst with ASCII characters in place of those that are compatible
// with one, or make a difference to where segments end.
func appendASCII(dst, b []byte) []byte {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r >= utf8.RuneSelf {
			if d := norm.NFKC.Properties(b).Decomposition(); len(d) == 1 || unicode.Is(marks, r) {
				dst, b = append(dst, d...), b[n:]
				continue
			}
		}
		dst, b = append(dst, b[:n]...), b[n:]
	}
	return dst
}

// assemble returns the segments of a decoded path, stripped, those that are empty left
// out, with a slash between any two and one at the end if there was one.
func assemble(b []byte, text Text) string {
	out := make([]byte, 0, len(b)+1)
	slash := func(c byte) bool { return c == '/' || c == '\\' }
	for pos := 0; pos < len(b); {
		end := pos
		for end < len(b) && !slash(b[end]) {
			end++
		}
		segment := b[pos:end]
		if at := bytes.IndexByte(segment, ';'); at >= 0 && !text.Parameters {
			segment = segment[:at]
		}
		if !text.Ends {
			segment = trim(segment)
		}
		if len(segment) > 0 {
			out = append(append(out, '/'), segment...)
		}
		if pos = end + 1; pos >= len(b) && end < len(b) || pos > len(b) && len(segment) == 0 {
			out = append(out, '/')
		}
	}
	if len(out) == 0 {
		return "/"
	}
	return string(out)
}
