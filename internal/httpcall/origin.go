package httpcall

import (
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/message"
)

func (s *server) origin() gateway.Origin { return gateway.OriginOf(s.scheme, s.authority) }

// redirectedHost returns the authority that a redirect leads to: as it is if that is the
// origin of the request, else in lower case, without a final dot and with no port that is
// the default (RFC 9110, section 4.2.3), so that two texts are equal if the hosts are. The
// zone of an IPv6 address stays as it is.
func redirectedHost(r *gateway.Request, to *url.URL) string {
	o := gateway.OriginOf(to.Scheme, to.Host)
	if o == gateway.OriginOf(r.Scheme, r.Host) {
		return r.Host
	}
	host, zone, zoned := strings.Cut(to.Hostname(), "%")
	host = gateway.Lower(strings.TrimSuffix(host, "."))
	if zoned {
		host += "%" + zone
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := to.Port(); port != "" && port != gateway.OriginOf(to.Scheme, "").Port {
		host += ":" + port
	}
	return host
}

// A caller is a connector that knows the hosts of its backend.
type caller interface {
	calls(o gateway.Origin) bool // whether one of them has the origin
}

func (b *Balanced) calls(o gateway.Origin) bool {
	return b.Hosts.Hosts().Some(func(address string) bool {
		s := parseServer(address)
		return s.origin() == o
	})
}

func (d *Direct) calls(o gateway.Origin) bool { return d.server.origin() == o }

// trusts reports whether a redirect to a URL may take the credentials of the request
// along: it stays with the origin, leads to another host of the backend, or only begins
// to encrypt, on the usual ports; or it stays with the name of the host, or below it,
// where that is enough. It never may where it ends encrypting.
func (f *Redirected) trusts(r *gateway.Request, to *url.URL) bool {
	from, target := gateway.OriginOf(r.Scheme, r.Host), gateway.OriginOf(to.Scheme, to.Host)
	switch {
	case from.Scheme == "https" && target.Scheme != "https":
		return false
	case from == target, from.Port == "80" && target == gateway.Origin{Scheme: "https", Name: from.Name, Port: "443"}:
		return true
	case f.Named && sameDomain(target.Name, from.Name):
		return true
	}
	own, knows := f.First.(caller)
	return knows && own.calls(target)
}

// sameDomain reports whether a host is another one or has a name below its name. Below an
// address there is nothing, and what ends in the name need not be a name itself: the zone
// of an IPv6 address is whatever its author likes (RFC 4007, section 11), and letters
// beyond ASCII stand for others once they are looked up (RFC 5895, section 2).
func sameDomain(host, of string) bool {
	switch {
	case of == "" || host == of:
		return of != ""
	case strings.ContainsFunc(host, unnamed):
		return false
	}
	if last := of[strings.LastIndexByte(of, '.')+1:]; last == "" || '0' <= last[0] && last[0] <= '9' {
		return false // an IPv4 address, however it is written
	}
	return strings.HasSuffix(host, "."+of)
}

// unnamed reports whether a character is of no name of a host.
func unnamed(c rune) bool {
	return !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_')
}

// withhold removes from a request what must not reach an origin that is not the
// backend's: everything whose name speaks of a credential.
func withhold(h *gateway.Fields) {
	*h = slices.DeleteFunc(*h, func(f gateway.Field) bool { return message.Credential(f.Name) })
}
