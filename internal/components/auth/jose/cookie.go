package jose

import (
	"net/url"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// blanks are what readers leave out around the parts of a header.
const blanks = " \t\r\n\v\f"

// cookie returns the value of the cookie of a name, "" if there is none, over all
// lines of the header. It reports false when there are two of them, or another one
// that a server behind us might take for it.
//
// Source: RFC 6265, section 4.2.1.
func cookie(in gateway.Inbound, name string) (value string, once bool) {
	found := 0
	for _, f := range in.AppendHeader(nil, "Cookie") {
		for pair := range strings.SplitSeq(f.Value, ";") {
			pair = strings.Trim(pair, blanks)
			if n, v, _ := strings.Cut(pair, "="); n == name {
				value = strings.Trim(v, `"`)
			}
			for part := range strings.SplitSeq(pair, ",") { // as servers of RFC 2965 do
				if n, _, _ := strings.Cut(part, "="); alike(strings.Trim(n, blanks+`"`), name) {
					found++
				}
			}
		}
	}
	return value, found < 2
}

// alike reports whether some server might take one name of a cookie for another: it
// ignores letter case, decodes escapes, and PHP makes underscores of blanks, dots and
// brackets.
func alike(other, name string) bool {
	if strings.IndexByte(other, '%') >= 0 {
		if plain, err := url.PathUnescape(other); err == nil {
			other = plain
		}
	}
	if len(other) != len(name) {
		return false
	}
	for i := range len(name) {
		if plain(other[i]) != plain(name[i]) {
			return false
		}
	}
	return true
}

// plain returns what letters and underscores are compared by.
func plain(c byte) byte {
	switch c {
	case ' ', '.', '[', '+':
		return '_'
	}
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
