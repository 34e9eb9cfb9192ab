package ratelimit

import (
	"encoding/base64"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// credential returns what a header with credentials is counted by: the same for every
// spelling of one credential, since whoever has one could have as many buckets as it
// has spellings. A header that a validator has read counts as what was verified,
// wherever the token was. The value of any other header is its own.
func credential(x *gateway.Exchange, name, value string) string {
	if id := x.Identity; id != nil && !x.Wrote(name) && id.Verified != "" && (name == id.Header || name == "Cookie" && id.Cookie) {
		return id.Verified
	}
	if name == "Authorization" || name == "Proxy-Authorization" {
		return spelling(value)
	}
	return value
}

// spelling returns one spelling of credentials. The scheme has any letter case, and any
// number of blanks behind it; Bearer may be missing. Lenient readers skip what is not of
// the alphabet of Basic.
//
// Source: RFC 9110, section 11.4; RFC 7617, section 2.
func spelling(value string) string {
	blank := strings.IndexAny(value, " \t")
	if blank < 0 {
		return value
	}
	scheme, rest := value[:blank], strings.Trim(value[blank:], " \t")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return rest
	case strings.EqualFold(scheme, "Basic"):
		return "basic " + basic(rest)
	}
	return strings.ToLower(scheme) + " " + rest
}

// basic returns the user and the password of Basic credentials, read as willingly as
// can be.
func basic(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '-':
			return '+'
		case r == '_':
			return '/'
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '+', r == '/':
			return r
		}
		return -1
	}, text)
	if len(text)%4 == 1 {
		text = text[:len(text)-1] // six bits are no byte
	}
	plain, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return text
	}
	return string(plain)
}
