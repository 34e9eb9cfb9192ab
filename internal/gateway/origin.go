package gateway

import (
	"net/url"
	"strings"
)

// An Origin is what URLs of one server have in common (RFC 6454, section 4). Two of the
// same server are equal.
type Origin struct {
	Scheme string // in lower case
	Name   string // of the host, in lower case, or its address without brackets
	Port   string // that of the scheme if none is written
}

// OriginOf returns the origin of the URLs with a scheme and an authority without user
// information. It judges neither.
func OriginOf(scheme, authority string) Origin {
	u := url.URL{Host: authority}
	o := Origin{Lower(scheme), Lower(strings.TrimSuffix(u.Hostname(), ".")), u.Port()}
	if o.Port == "" {
		if o.Port = "80"; o.Scheme == "https" || o.Scheme == "wss" {
			o.Port = "443"
		}
	}
	return o
}
