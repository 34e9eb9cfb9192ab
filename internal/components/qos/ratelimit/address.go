package ratelimit

import "net/netip"

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
