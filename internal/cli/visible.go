package cli

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

// text is standard output for what has words of others in it: a configuration, an answer.
func (a *app) text() io.Writer { return visible{a.stdout} }

// complaints is standard error, likewise.
func (a *app) complaints() io.Writer { return visible{a.stderr} }

// A visible writer shows control characters instead of having them done: a terminal obeys
// some, such as those that set its title, move to another line or turn the direction of
// writing. Line feeds and tabs pass. In JSON, where they stand in texts only, the escapes
// mean the same.
type visible struct{ w io.Writer }

// Write writes p, which holds whole characters.
func (v visible) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for rest := p; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, rest[0])
		case unicode.IsControl(r) && r != '\n' && r != '\t', turns(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	if _, err := v.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// turns reports whether a character turns the direction of writing of those behind it, or
// ends a line of Unicode.
func turns(r rune) bool {
	return '\u2028' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}
