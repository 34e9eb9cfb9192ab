package component

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Hosts says how the texts in the key host of a backend are read, and what is wrong with
// them. A component that calls a backend in another way than by HTTP has one in its
// [Info]; every other backend has [HTTPHosts].
type Hosts struct {
	// Form is what an operator writes, such as "name:port".
	Form string

	// Read returns a host as it is called, which components find in the configuration
	// of the backend. The error says what is wrong with the text, and shows nothing of
	// it that may be a password. A nil Read takes any text as it is written, and none
	// as well.
	Read func(text string) (string, error)
}

// Kinds of hosts.
var (
	// HTTPHosts begin with http:// or https://, or with neither for the first, and may
	// have a base path. They are read into their full form: scheme in lower case,
	// authority, base path without a slash at its end.
	HTTPHosts = &Hosts{"[http://|https://]name[:port][/base]", readHTTP}

	// NamePort is a name or an address with a port, and stays as it is written. A client
	// that is placed by [BackendSite.Client] finds it in the Host of the request, whose
	// Scheme is http.
	NamePort = &Hosts{"name:port", readNamePort}

	// Verbatim is any text, or none: the component judges it, or needs no host. Nothing is
	// said of one that is written for nothing.
	Verbatim = &Hosts{Form: "any text"}
)

// URL returns the kind of hosts that are URLs with one of the schemes and a name, such
// as amqp://user:password@name:5672/vhost. They stay as they are written.
func URL(schemes ...string) *Hosts {
	const rest = "://name[:port][/path]"
	return &Hosts{strings.Join(schemes, rest+" or ") + rest, func(text string) (string, error) {
		scheme, after, found := strings.Cut(text, "://")
		if !found {
			return "", errors.New("it has no scheme")
		}
		known := false
		for _, s := range schemes {
			known = known || gateway.Lower(s) == gateway.Lower(scheme)
		}
		if !known {
			return "", errors.New("the scheme is not " + strings.Join(schemes, " or "))
		}
		after, _, _ = strings.Cut(after, "?")
		authority, path, _ := strings.Cut(after, "/")
		if err := checkPath(path); err != nil {
			return "", err
		}
		if _, _, err := splitAuthority(authority[strings.LastIndexByte(authority, '@')+1:]); err != nil {
			return "", err
		}
		return text, nil
	}}
}

func readNamePort(text string) (string, error) {
	switch _, port, err := splitAuthority(text); {
	case strings.Contains(text, "://"):
		return "", errors.New("it has a scheme")
	case strings.Contains(text, "/"):
		return "", errors.New("it has a path")
	case err != nil:
		return "", err
	case port == "":
		return "", errors.New("the port is missing")
	}
	return text, nil
}

func readHTTP(text string) (string, error) {
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "http", text
	}
	scheme = gateway.Lower(scheme)
	if scheme != "http" && scheme != "https" {
		return "", errors.New("the scheme is not http or https")
	}
	authority, base, _ := strings.Cut(rest, "/")
	if strings.Contains(authority, "@") {
		return "", errors.New("it holds user information, which is not sent")
	}
	if _, _, err := splitAuthority(authority); err != nil {
		return "", err
	}
	if err := checkPath(base); err != nil {
		return "", err
	}
	clean := scheme + "://" + authority
	if base = strings.Trim(base, "/"); base != "" {
		clean += "/" + base
	}
	return clean, nil
}

// splitAuthority returns name and port of an authority without user information (RFC
// 3986, section 3.2), the name with the brackets of an IPv6 address, the port "" if
// there is none. Names hold letters, digits, dots, hyphens and underscores.
func splitAuthority(authority string) (name, port string, err error) {
	invalid := func(why string) (string, string, error) { return "", "", errors.New(why) }
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 {
			return invalid("the bracket of the address is not closed")
		}
		if a, err := netip.ParseAddr(authority[1:end]); err != nil || !a.Is6() {
			return invalid("the brackets hold no IPv6 address")
		}
		name, port = authority[:end+1], authority[end+1:]
		if port != "" && port[0] != ':' {
			return invalid("only a port may follow the bracket")
		}
		port = strings.TrimPrefix(port, ":")
		if port == "" && strings.HasSuffix(authority, ":") {
			return invalid("the port is empty")
		}
	} else {
		var hasPort bool
		name, port, hasPort = strings.Cut(authority, ":")
		if hasPort && port == "" {
			return invalid("the port is empty")
		}
		for i := range len(name) {
			if c := name[i]; !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-') {
				return invalid("a name holds letters, digits, dots, hyphens and underscores")
			}
		}
	}
	if name == "" {
		return invalid("the name is empty")
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return invalid("the port is not between 1 and 65535")
		}
	}
	return name, port, nil
}

// checkPath reports a path that cannot stand in a URL as it is.
func checkPath(path string) error {
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`?#"<>\^{}|`+"`", c) >= 0 {
			return errors.New("the base path holds a character that must be escaped")
		}
	}
	return nil
}
