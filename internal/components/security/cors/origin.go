package cors

import (
	"fmt"
	"strconv"
	"strings"
)

// doubt says why no browser sends an origin, or one of a pattern, and what to write
// instead; nil if one may.
//
// Source: RFC 6454, section 6.2; the URL Standard, "origin" and "default port".
func doubt(origin string) error {
	scheme, rest, found := strings.Cut(origin, "://")
	if !found {
		return noScheme(origin)
	}
	nothing := func(why, instead string) error {
		return fmt.Errorf("%q matches nothing: %s; write %q", origin, why, instead)
	}
	if trimmed := strings.TrimSpace(origin); trimmed != origin {
		return nothing("a blank stands around it", trimmed)
	}
	if strings.Contains(scheme, "*") {
		return fmt.Errorf(`%q matches nothing: the * stands for letters, digits, dots and hyphens, and no scheme begins so; write "https://%s" and "http://%[2]s"`, origin, orAll(rest))
	}
	if rest == "" {
		return nothing("it has no host", scheme+"://*")
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return nothing("an origin has no user", scheme+"://"+rest[at+1:])
	}
	if at := strings.IndexAny(rest, "/?#\\"); at >= 0 {
		return nothing("an origin has neither a path nor a query", scheme+"://"+orAll(rest[:at]))
	}
	for _, c := range rest {
		if c >= 0x80 {
			return fmt.Errorf("%q matches nothing: browsers send such names in their ASCII form; write that, which begins with xn--", origin)
		}
		if c <= ' ' {
			return nothing("it holds a blank", strings.Join(strings.Fields(origin), ""))
		}
	}
	colon := strings.LastIndexByte(rest, ':')
	if colon <= strings.LastIndexByte(rest, ']') {
		return nil
	}
	host, port := rest[:colon], rest[colon+1:]
	without := scheme + "://" + orAll(host)
	if strings.Contains(port, "*") {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return nothing("it has no port behind the colon", without)
	case strings.EqualFold(scheme, "http") && n == 80, strings.EqualFold(scheme, "https") && n == 443:
		return nothing("browsers leave out the port that is usual for the scheme", without)
	case strconv.FormatUint(n, 10) != port:
		return nothing("a port has no zeros in front", without+":"+strconv.FormatUint(n, 10))
	}
	return nil
}

// orAll returns a host, or a pattern for all if there is none.
func orAll(host string) string {
	if host == "" {
		return "*"
	}
	return host
}

// noScheme says what is meant by an origin without ://.
func noScheme(origin string) error {
	for _, scheme := range []string{"https", "http"} {
		rest, found := strings.CutPrefix(strings.ToLower(origin), scheme)
		switch {
		case !found:
		case rest == "" || strings.Trim(rest, ":/*") == "":
			return fmt.Errorf(`%q matches nothing: the * stands for letters, digits, dots and hyphens; write "https://*" and "http://*"`, origin)
		case rest[0] == ':' || rest[0] == '/':
			return fmt.Errorf("%q is no origin; write %q", origin, scheme+"://"+strings.TrimLeft(rest, ":/"))
		}
	}
	return fmt.Errorf("%q is no origin: one begins with its scheme; write %q", origin, "https://"+strings.TrimLeft(origin, "/"))
}
