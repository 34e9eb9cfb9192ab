package template

import "strings"

// appendSegment appends a value to a path segment. What may stand there stays as
// it came: a reserved character that came escaped stays escaped. A semicolon is
// data, unless it comes from the path of the client: many servers cut there.
func (p *Part) appendSegment(dst []byte, value, raw string) []byte {
	switch {
	case raw != "":
		return appendEscaped(dst, raw, p.From == FromQuery)
	case p.From == FromParam:
		return appendSegment(dst, value, "!$&'()*+,;=:@")
	}
	return appendSegment(dst, value, "!$&'()*+,=:@")
}

// hostValue reports whether s may be a part of a host: labels, and dots between
// them.
func hostValue(s string) bool {
	before := byte('.')
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' && before != '.') {
			return false
		}
		before = c
	}
	return before != '.'
}

const upperHex = "0123456789ABCDEF"

// appendSegment appends s to a path segment. Of what RFC 3986, section 3.3, calls
// pchar the unreserved characters and those of plain stay, everything else is
// escaped.
func appendSegment(dst []byte, s, plain string) []byte {
	for i := range len(s) {
		dst = appendPlain(dst, s[i], plain)
	}
	return dst
}

func appendPlain(dst []byte, c byte, plain string) []byte {
	if unreserved(c) || strings.IndexByte(plain, c) >= 0 {
		return append(dst, c)
	}
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// appendEscaped appends a text of the client's path, or of its query, to a path
// segment. Escapes stay, but for those that nobody needs.
func appendEscaped(dst []byte, raw string, query bool) []byte {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '%' && escaped(raw[i:]):
			c = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			i += 2
			dst = appendPlain(dst, c, "")
		case query && c == '+':
			dst = append(dst, "%20"...)
		case query && c == ';':
			dst = append(dst, "%3B"...)
		default:
			dst = appendPlain(dst, c, "!$&'()*+,;=:@")
		}
	}
	return dst
}

// escaped reports whether s begins with a valid escape.
func escaped(s string) bool { return len(s) > 2 && hexDigit(s[1]) && hexDigit(s[2]) }

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// unreserved reports whether c never needs escaping: RFC 3986, section 2.3.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}
