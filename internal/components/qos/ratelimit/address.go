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

// addressKey returns the bytes of an address. An IPv4 address has one key,
// however it is written, and a zone makes no other client.
func addressKey(a netip.Addr) string {
	b := a.As16()
	return string(b[:])
}
