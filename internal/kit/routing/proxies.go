package routing

import (
	"net/netip"
	"strings"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// defaultTrusted are the peers whose forwarding headers are believed when the
// configuration names none: those that a client on the internet cannot be.
var defaultTrusted = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
}

// Trusts reports whether an address is that of a proxy whose word about its client
// counts.
func (r *Router) Trusts(a netip.Addr) bool {
	trusted := r.TrustedProxies
	if trusted == nil {
		trusted = defaultTrusted
	}
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Believes reports whether the peer is a proxy whose word about its client counts.
func (r *Router) Believes(in gateway.Inbound) bool {
	return !r.IgnoreForwarded && r.Trusts(in.Peer().Addr().Unmap().WithZone(""))
}

// ClientIn walks the addresses of a header, which may stand on several lines, from the
// right: the last that is no trusted proxy is the client, and a chain of nothing but
// proxies begins with it. It reports false when the header holds anything else.
func (r *Router) ClientIn(lines gateway.Fields) (client netip.Addr, ok bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i].Value
		for rest != "" {
			comma := strings.LastIndexByte(rest, ',')
			a, err := parseHop(strings.TrimSpace(rest[comma+1:]))
			if err != nil {
				return netip.Addr{}, false
			}
			client = a
			if !r.Trusts(a) {
				return client, true
			}
			rest = rest[:max(comma, 0)]
		}
	}
	return client, client.IsValid()
}

// parseHop parses an address, with or without brackets and a port.
func parseHop(s string) (netip.Addr, error) {
	plain := s
	if inner, found := strings.CutPrefix(s, "["); found {
		plain = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(plain)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(s); err == nil {
			a = ap.Addr()
		}
	}
	return a.Unmap().WithZone(""), err
}

// DefaultTrusted returns the networks of the peers whose forwarding headers are believed when
// the configuration names none.
func DefaultTrusted() []string {
	all := make([]string, len(defaultTrusted))
	for i, p := range defaultTrusted {
		all[i] = p.String()
	}
	return all
}
