package gateway

import "strings"

// Names is a set of header names as a client or a backend lists them, such as those of a
// Connection field (RFC 9110, section 7.6.1). A few names are compared one by one; more
// are looked up, so that many names in front of many fields cost no more than their sum.
// The zero Names is empty.
type Names struct {
	few  [8]string // as they were listed
	n    int
	many map[string]struct{} // canonical; nil up to as many as few holds
}

// AddList adds the members of a comma-separated list. The set lives as long as
// the list does.
func (s *Names) AddList(list string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.Trim(name, " \t"); name != "" {
			s.add(name)
		}
	}
}

func (s *Names) add(name string) {
	if s.many == nil && s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 4*len(s.few))
		for _, earlier := range s.few {
			s.many[Canonical(earlier)] = struct{}{}
		}
	}
	s.many[Canonical(name)] = struct{}{}
}

// Has reports whether a canonical name is in the set.
func (s *Names) Has(name string) bool {
	if s.many != nil {
		_, found := s.many[name]
		return found
	}
	for _, other := range s.few[:s.n] {
		if strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}

// Empty reports whether there is no name in the set.
func (s *Names) Empty() bool { return s.n == 0 }

// Alike reports whether two names of headers are the same but for letter case and for
// the signs between their letters. Many servers make variables of the names, in which
// X_Admin is X-Admin (RFC 3875, section 4.1.18), and to some of them X.Admin is, too:
// they write an underscore for whatever is no letter and no digit.
func Alike(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		switch c, d := a[i], b[i]; {
		case c == d, !wordly(c) && !wordly(d):
		case c|0x20 == d|0x20 && 'a' <= d|0x20 && d|0x20 <= 'z':
		default:
			return false
		}
	}
	return true
}

// Lower returns s with its ASCII letters in lower case, s itself if they are. It is how
// names of hosts, schemes and fields are compared, of which other letters have no case
// (RFC 3986, section 3.2.2): to package strings, "\u0130" is an i, and another host ours.
func Lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] |= 0x20
				}
			}
			return string(b)
		}
	}
	return s
}

// Plain reports whether the name of a header holds letters, digits and hyphens only. Two
// plain names are [Alike] only if letter case is all in which they differ.
func Plain(name string) bool {
	for i := range len(name) {
		if c := name[i]; c != '-' && !wordly(c) {
			return false
		}
	}
	return true
}

// Listed reports whether a comma-separated list holds name, letter case ignored. What is in
// quotes belongs to its element, commas too (RFC 9110, sections 5.6.1 and 5.6.4).
func Listed(list, name string) bool {
	quoted, from := false, 0
	for i := 0; i <= len(list); i++ {
		switch {
		case i == len(list) || list[i] == ',' && !quoted:
			if strings.EqualFold(strings.Trim(list[from:i], " \t"), name) {
				return true
			}
			from = i + 1
		case list[i] == '"':
			quoted = !quoted
		case quoted && list[i] == '\\':
			i = min(i+1, len(list)-1)
		}
	}
	return false
}

// PerHop reports whether the field with this canonical name is between two
// neighbours only (RFC 9110, section 7.6.1) or frames the message. Engines write
// these fields themselves and take them from no one.
func PerHop(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
		"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// Withheld reports whether the field of a client with this canonical name is not for a
// backend: it is [PerHop], or the engine writes it from the message itself. Proxy has no
// meaning, but to whoever makes variables of fields (RFC 3875, section 4.1.18): it is
// HTTP_PROXY to them, which HTTP clients in there take for the address of the proxy to
// use (VU#797896). A name that is [Alike] counts as the same, as it does for many servers.
func Withheld(name string) bool {
	if name == "" || strings.IndexByte("CEHKPTU", name[0]) < 0 || len(name) > len("Proxy-Authorization") {
		return false
	}
	if !Plain(name) {
		var room [32]byte
		name = string(appendHyphens(room[:0], name))
	}
	return PerHop(name) || name == "Expect" || name == "Host" || name == "Proxy"
}

// MayTrail reports whether the field with this canonical name may come behind a body:
// not if it frames, routes, authenticates or controls the message, or says how its
// content is to be read, because that must be known before (RFC 9110, section 6.5.1). What
// [Completes] does not, either.
func MayTrail(name string) bool {
	switch name {
	case "Max-Forwards", "Via",
		"Age", "Cache-Control", "Date", "Expires", "Location", "Pragma", "Range", "Retry-After", "Vary", "Warning",
		"Content-Encoding", "Content-Range", "Content-Type":
		return false
	}
	return !Steers(name) && !Completes(name) && !strings.HasPrefix(name, "If-")
}

// Steers reports whether the field with this canonical name decides where a message ends,
// whom it is from or who gets it. Of those that must not come behind a body ([MayTrail])
// these are the ones that nobody sends there by mistake: a request that has one is refused.
func Steers(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Expect", "Forwarded", "Host", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
		"Authorization", "Cookie", "Proxy-Authenticate", "Proxy-Authorization", "Set-Cookie", "Www-Authenticate":
		return true
	}
	return false
}

// Completes reports whether the field with this canonical name says in some dialect that
// an answer of the gateway is complete. From a service it is about something else.
func Completes(name string) bool {
	return name == "X-Krakend-Completed" || name == "X-Sluice-Completed"
}

// Hyphens returns the canonical name with a hyphen in place of every byte that is neither
// a letter nor a digit. The result is [Plain], and [Alike] the name.
func Hyphens(name string) string { return string(appendHyphens(nil, name)) }

func appendHyphens(dst []byte, name string) []byte {
	upper := true
	for i := range len(name) {
		c := name[i]
		switch {
		case !wordly(c):
			c = '-'
		case upper && 'a' <= c, !upper && 'A' <= c && c <= 'Z':
			c ^= 0x20
		}
		dst = append(dst, c)
		upper = c == '-'
	}
	return dst
}

func wordly(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
