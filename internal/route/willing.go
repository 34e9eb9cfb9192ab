package route

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text is what of a path is text to everybody.
type Text struct {
	Parameters bool   // semicolons, and what stands behind them
	Ends       bool   // blanks and dots at the ends of segments
	Letters    string // these characters beyond ASCII, unless they make a difference to where segments end
}

// Readings returns how else servers may read an escaped path than decoded once: decoded
// until nothing is left to decode, compatible characters as one, backslashes as slashes,
// cut where a query or a fragment would begin, segments without parameters and without
// blanks and dots at their ends. What is left of no segment is left out, "." and ".."
// too, without the segment in front of them: /x/..%5cadmin is read as /x/admin, not as
// /admin. Variables and wildcards refuse such paths; who judges one in front of the
// router refuses those by [DotSegment]. Letter case stays. It is empty for most paths.
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
		b = appendASCII(make([]byte, 0, len(b)+len(b)/8), b, text.Letters)
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

// appendASCII appends b to dst with ASCII in place of the characters that are compatible
// with it or become it by a change of letter case, and of those that make a difference to
// where segments end. Letters stay, which do not.
func appendASCII(dst, b []byte, letters string) []byte {
	return appendReplaced(dst, b, func(r rune, compatible []byte) []byte {
		switch {
		case unicode.Is(marks, r):
			return compatible
		case strings.ContainsRune(letters, r):
			return nil
		case len(compatible) > 0 && !bytes.ContainsFunc(compatible, beyondASCII):
			return compatible
		}
		if one, n := utf8.DecodeRune(compatible); n > 0 && n == len(compatible) {
			r = one
		}
		if c := unicode.ToLower(unicode.ToUpper(r)); c < utf8.RuneSelf {
			return lowercase[c-'a' : c-'a'+1]
		}
		return nil
	})
}

// lowercase are the letters that a change of letter case may lead to.
var lowercase = []byte("abcdefghijklmnopqrstuvwxyz")

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
