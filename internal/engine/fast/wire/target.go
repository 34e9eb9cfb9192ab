package wire

import (
	"net/netip"
	"strconv"
	"strings"
)

// A Target is what a request asks for, cut up (RFC 9112, section 3.2).
type Target struct {
	Path      string // begins with "/"; or "*", which is the server itself
	Query     string // without "?"
	Authority string // "" unless the target is absolute
}

// CutTarget reads the target of a request in origin, absolute or asterisk form.
// The authority of CONNECT is refused with an [*Error], and so is a fragment.
//
// A byte above US-ASCII belongs into no target, but means itself to everybody who
// takes it; whoever is behind gets it escaped.
func CutTarget(method, target string) (t Target, err error) {
	seen := byte(0)
	for i := range len(target) {
		c := target[i]
		if classes[c]&visible == 0 {
			return t, bad("a target with a character that it may not have")
		}
		if c == '#' {
			return t, bad("a fragment in the target")
		}
		seen |= c
	}
	switch {
	case method == "CONNECT":
		return t, bad("CONNECT is not served")
	case target == "*" && method == "OPTIONS":
		return Target{Path: target}, nil
	}
	if target == "" || target[0] != '/' {
		scheme, rest, ok := strings.Cut(target, "://")
		if !ok || !equalFold(scheme, "http") && !equalFold(scheme, "https") {
			return t, bad("a target without a path")
		}
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		t.Authority = rest[:end]
		if t.Authority == "" || !ValidHost(t.Authority) {
			return t, bad("no host in the target, or one that is none")
		}
		target = rest[end:]
		if target == "" && method == "OPTIONS" {
			t.Path = "*" // section 3.2.4
			return t, nil
		}
	}
	t.Path, t.Query, _ = strings.Cut(target, "?")
	if t.Path == "" {
		t.Path = "/" // only an absolute target may leave it out
	}
	if !validEscapes(t.Path) {
		return t, bad("an escape in the path that is none")
	}
	if seen >= 0x80 {
		t.Path, t.Query = escapeHigh(t.Path), escapeHigh(t.Query)
	}
	return t, nil
}

// escapeHigh returns s with its bytes above US-ASCII escaped.
func escapeHigh(s string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		if c := s[i]; c < 0x80 {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&0xf])
		}
	}
	return string(b)
}

// ValidHost reports whether s is a host with or without a port, or empty (RFC 3986,
// section 3.2): what the field Host and an authority may be. User information is not
// allowed.
func ValidHost(s string) bool {
	name, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return false
		}
		addr, err := netip.ParseAddr(s[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return false
		}
		name, port = "", s[end+1:]
	} else if colon := strings.IndexByte(s, ':'); colon >= 0 {
		name, port = s[:colon], s[colon:]
		if name == "" {
			return false
		}
	}
	return validPort(port) && validName(name)
}

// validPort reports whether s is empty or a colon with a port behind it, which
// may be empty.
func validPort(s string) bool {
	if s == "" || s == ":" {
		return true
	}
	_, err := strconv.ParseUint(s[1:], 10, 16)
	return err == nil && s[0] == ':' && span(s[1:], digit) == len(s)-1
}

// validName reports whether s consists of the characters of a host name and of
// escapes.
func validName(s string) bool {
	for i := range len(s) {
		if classes[s[i]]&regName == 0 && s[i] != '%' {
			return false
		}
	}
	return validEscapes(s)
}

// validEscapes reports whether every percent sign is followed by two
// hexadecimal digits.
func validEscapes(s string) bool {
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			return true
		}
		if len(s) < i+3 || classes[s[i+1]]&classes[s[i+2]]&hexDigit == 0 {
			return false
		}
		s = s[i+3:]
	}
}
