package logging

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A token is a piece of a pattern: literal text, or a variable.
type token struct {
	literal string
	name    string // "" for literal text
	arg     string // what follows a colon after the name
}

// tokens takes a pattern apart. Line breaks at its end are dropped: every line
// ends with one anyway.
func tokens(pattern string) ([]token, error) {
	pattern = strings.TrimRight(pattern, "\r\n")
	if pattern == "" {
		return nil, errors.New("is empty; write a pattern with variables such as %{time}")
	}
	var list []token
	for pattern != "" {
		literal, rest, found := strings.Cut(pattern, "%{")
		if literal != "" {
			list = append(list, token{literal: literal})
		}
		if !found {
			break
		}
		inner, rest, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, fmt.Errorf("%%{%s is not closed; write %%{name}", inner)
		}
		name, arg, _ := strings.Cut(inner, ":")
		if name == "" {
			return nil, errors.New("%{} names no variable")
		}
		list = append(list, token{name: name, arg: arg})
		pattern = rest
	}
	return list, nil
}

// unknown is the error about a variable that is none of known.
func unknown(name string, known []string) error {
	if near, ok := config.Suggest(name, known); ok {
		return fmt.Errorf("unknown variable %%{%s}; did you mean %%{%s}?", name, near)
	}
	return fmt.Errorf("unknown variable %%{%s}; write one of %s", name, strings.Join(known, ", "))
}

// appendEscaped appends foreign text so that it stays within its line and
// within its quotes: as the inside of a JSON string, with the control
// characters that JSON leaves alone escaped as well.
func appendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			if c == '"' || c == '\\' {
				dst = append(dst, '\\', c)
			} else {
				dst = appendUnicode(dst, rune(c))
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || unsafeRune(r) {
			dst = append(dst, s[start:i]...)
			dst = appendUnicode(dst, r)
			start = i + size
		}
		i += size
	}
	return append(dst, s[start:]...)
}

// unsafeRune reports whether a character beyond ASCII moves the cursor, ends
// the line or turns the writing direction.
func unsafeRune(r rune) bool {
	return r < 0xa0 || // C1 controls
		r == '\u2028' || r == '\u2029' ||
		'\u202a' <= r && r <= '\u202e' || '\u2066' <= r && r <= '\u2069'
}

func appendUnicode(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
