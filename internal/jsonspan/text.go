package jsonspan

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string with its quotes and returns dst.
// Quote, backslash and control characters are escaped, nothing else. Each byte
// of s that is not UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendEscaped appends s as it stands between the quotes of a JSON string.
func appendEscaped(dst []byte, s string) []byte {
	start := 0 // of what is not yet appended
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(dst, s[start:i]...)
				dst = utf8.AppendRune(dst, utf8.RuneError)
				start = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xF])
		}
		i++
		start = i
	}
	return append(dst, s[start:]...)
}

// AppendUnquoted appends the text that the JSON string raw stands for and
// returns dst. Raw is a validated string with its quotes. An escaped surrogate
// without its partner becomes U+FFFD.
func AppendUnquoted(dst, raw []byte) []byte {
	return AppendUnescaped(dst, raw[1:len(raw)-1])
}

// AppendUnescaped is AppendUnquoted for text without its quotes, as in
// Member.Name.
func AppendUnescaped(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '\\')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		c := text[i+1]
		text = text[i+2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r := hexRune(text)
			text = text[4:]
			if utf16.IsSurrogate(r) {
				// U+FFFD unless the other half follows, which is then consumed.
				var low rune
				if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
					low = hexRune(text[2:])
				}
				if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
					text = text[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		}
		dst = append(dst, c)
	}
}

// hexRune returns the value of the four hexadecimal digits that b starts with.
func hexRune(b []byte) rune {
	var r rune
	for _, c := range b[:4] {
		if c -= '0'; c > 9 {
			c = (c + '0') | 0x20 - 'a' + 10
		}
		r = r<<4 | rune(c)
	}
	return r
}

// isEscaped reports whether the text of a string contains an escape sequence.
func isEscaped(text []byte) bool {
	return bytes.IndexByte(text, '\\') >= 0
}

// sameText reports whether two texts of strings, escapes as sent, stand for the
// same. It allocates only for long texts with escapes.
func sameText(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if !isEscaped(a) && !isEscaped(b) {
		return false
	}
	var bufA, bufB [64]byte
	return bytes.Equal(AppendUnescaped(bufA[:0], a), AppendUnescaped(bufB[:0], b))
}
