package ratelimit

import (
	"net/netip"
	"strings"
)

// firstAddress reads the first element of a list of addresses such as proxies
// write: IPv4 or IPv6, with or without brackets and port. ok is false when it
// is none.
func firstAddress(list string) (a netip.Addr, ok bool) {
	first, _, _ := strings.Cut(list, ",")
	first = strings.Trim(first, " \t")
	if first == "" {
		return a, false
	}
	if p, err := netip.ParseAddrPort(first); err == nil {
		return p.Addr(), true
	}
	if inner, found := strings.CutPrefix(first, "["); found {
		first = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(first)
	return a, err == nil
}

// addressKey returns the bytes of the network that is one client: an IPv4 address,
// however it is written, or the first bits of an IPv6 address, as many as prefix
// says. A zone makes no other client. Link-local addresses share their first bits
// with everybody on the link, so they count whole.
func addressKey(a netip.Addr, prefix int) string {
	if a = a.Unmap().WithZone(""); a.Is6() && !a.IsLinkLocalUnicast() {
		if network, err := a.Prefix(prefix); err == nil {
			a = network.Addr()
		}
	}
	b := a.As16()
	return string(b[:])
}
