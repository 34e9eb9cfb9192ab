package report

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// AppendVisible appends a text in which control characters are shown instead of done: a
// terminal obeys some, such as those that set its title, move to another line or turn the
// direction of writing. Line feeds and tabs pass, bytes that are not UTF-8 are escaped.
func AppendVisible(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == '\n' || r == '\t' {
			dst = append(dst, text[0])
		} else {
			dst = append(dst, visible(r, text[:n])...)
		}
		text = text[n:]
	}
	return dst
}

// visible returns a character as it is shown: written is how it was encoded.
func visible[T string | []byte](r rune, written T) T {
	switch {
	case r == utf8.RuneError && len(written) == 1:
		return T(fmt.Appendf(nil, `\x%02x`, written[0]))
	case unicode.IsControl(r) || turns(r):
		return T(fmt.Appendf(nil, `\u%04x`, r))
	}
	return written
}

// turns reports whether a character turns the direction of writing of those behind it, or
// ends a line of Unicode.
func turns(r rune) bool {
	return '\u2028' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

// cells returns how many columns of a terminal a character takes that is visible.
//
// Source: Unicode Standard Annex 11.
func cells(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me) || unicode.Is(unicode.Cf, r) && r != '\u00ad':
		return 0
	case r < 0x1100:
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cellsOf returns how many columns a visible text takes.
func cellsOf(text string) int {
	n := 0
	for _, r := range text {
		n += cells(r)
	}
	return n
}
