package template

import "strings"

// Only & separates the pairs of a query, and everything else in it is data, as
// the URL standard of the WHATWG says of application/x-www-form-urlencoded: a
// semicolon is text, and a percent sign that begins no escape is one.

// CutPair returns the first pair of a raw query that is not empty, its name
// decoded, and its value as it stands. It reports false at the end.
func CutPair(raw string) (pair, name, value, rest string, ok bool) {
	for raw != "" {
		if pair, raw, _ = strings.Cut(raw, "&"); pair != "" {
			name, value, _ = strings.Cut(pair, "=")
			return pair, UnescapeQuery(name), value, raw, true
		}
	}
	return "", "", "", "", false
}

// UnescapeQuery decodes a name or a value.
func UnescapeQuery(s string) string {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && escaped(s[i:]):
			c = unhex(s[i+1])<<4 | unhex(s[i+2])
			i += 2
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Respell returns a pair as it is sent on: as it stands, but for what may not
// stand in a query (RFC 3986, section 3.4) and for semicolons, at which some
// servers cut.
func Respell(pair string) string {
	for i := range len(pair) {
		if !plainQuery(pair, i) {
			b := append(make([]byte, 0, len(pair)+8), pair[:i]...)
			for ; i < len(pair); i++ {
				if c := pair[i]; plainQuery(pair, i) {
					b = append(b, c)
				} else {
					b = append(b, '%', upperHex[c>>4], upperHex[c&15])
				}
			}
			return string(b)
		}
	}
	return pair
}

// plainQuery reports whether the byte at i stays.
func plainQuery(pair string, i int) bool {
	c := pair[i]
	return unreserved(c) || c == '%' && escaped(pair[i:]) || strings.IndexByte("!$'()*+,:@/?=", c) >= 0
}

// queryValue returns the first value of a parameter, decoded and as it stands.
func queryValue(raw, name string) (value, as string, ok bool) {
	for {
		_, n, v, rest, more := CutPair(raw)
		if !more {
			return "", "", false
		}
		if n == name {
			return UnescapeQuery(v), v, true
		}
		raw = rest
	}
}

// AppendQueryValue appends s as one name or value of a form-encoded query.
func AppendQueryValue(dst []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case unreserved(c):
			dst = append(dst, c)
		case c == ' ':
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
