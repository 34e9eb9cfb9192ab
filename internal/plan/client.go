package plan

import (
	"net/netip"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
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

// A clientAddress finds out who asks.
type clientAddress struct {
	headers   []string // canonical; nil believes nobody
	trusted   []netip.Prefix
	appEngine bool
	nobody    bool // is believed
}

func newClientAddress(r component.Router) clientAddress {
	c := clientAddress{headers: r.RemoteHeaders, trusted: r.TrustedProxies, appEngine: r.AppEngine}
	if c.headers == nil {
		c.headers = []string{"X-Forwarded-For", "X-Real-Ip"}
	}
	if c.trusted == nil {
		c.trusted = defaultTrusted
	}
	if r.IgnoreForwarded {
		c.headers, c.nobody = nil, true
	}
	return c
}

// believes reports whether the peer is a proxy whose word about its client counts.
func (c *clientAddress) believes(in gateway.Inbound) bool {
	return !c.nobody && c.trusts(in.Peer().Addr().Unmap().WithZone(""))
}

// of returns the address of the client: the peer, or what a trusted peer says
// of it. In a chain the last address that is not a trusted proxy is the
// client; a chain of nothing but proxies begins with it. A header with
// anything else than addresses is not believed.
func (c *clientAddress) of(in gateway.Inbound) netip.Addr {
	peer := in.Peer().Addr().Unmap().WithZone("")
	if c.appEngine {
		if a, err := netip.ParseAddr(in.Header("X-Appengine-Remote-Addr")); err == nil {
			return a.Unmap()
		}
	}
	if len(c.headers) == 0 || !c.trusts(peer) {
		return peer
	}
	for _, name := range c.headers {
		if a, ok := c.fromChain(in.AppendHeader(nil, name)); ok {
			return a
		}
	}
	return peer
}

// fromChain walks the addresses of a header, which may stand on several lines,
// from the right.
func (c *clientAddress) fromChain(lines gateway.Fields) (client netip.Addr, ok bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i].Value
		for rest != "" {
			comma := strings.LastIndexByte(rest, ',')
			a, err := parseHop(strings.TrimSpace(rest[comma+1:]))
			if err != nil {
				return netip.Addr{}, false
			}
			client = a
			if !c.trusts(a) {
				return client, true
			}
			rest = rest[:max(comma, 0)]
		}
	}
	return client, client.IsValid()
}

// parseHop parses an address, with or without a port.
func parseHop(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		var ap netip.AddrPort
		if ap, err = netip.ParseAddrPort(s); err == nil {
			a = ap.Addr()
		}
	}
	return a.Unmap().WithZone(""), err
}

func (c *clientAddress) trusts(a netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
