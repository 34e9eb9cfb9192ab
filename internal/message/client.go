package message

import (
	"net/netip"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
)

// A ClientAddress finds out who asks.
type ClientAddress struct {
	headers []string // canonical; nil believes nobody
	router  routing.Router
}

// NewClientAddress compiles what the router says of trusted proxies and their headers.
func NewClientAddress(r routing.Router) ClientAddress {
	c := ClientAddress{headers: r.RemoteHeaders, router: r}
	if c.headers == nil {
		c.headers = []string{"X-Forwarded-For", "X-Real-Ip"}
	}
	return c
}

// believes reports whether the peer is a proxy whose word about its client counts.
func (c *ClientAddress) believes(in gateway.Inbound) bool { return c.router.Believes(in) }

// Of returns the address of the client: the peer, or what a trusted peer says
// of it. In a chain the last address that is not a trusted proxy is the
// client; a chain of nothing but proxies begins with it. A header with
// anything else than addresses is not believed.
func (c *ClientAddress) Of(in gateway.Inbound) netip.Addr {
	if c.router.AppEngine {
		if a, err := netip.ParseAddr(in.Header("X-Appengine-Remote-Addr")); err == nil {
			return a.Unmap()
		}
	}
	if len(c.headers) > 0 && c.believes(in) {
		for _, name := range c.headers {
			if a, ok := c.router.ClientIn(in.AppendHeader(nil, name)); ok {
				return a
			}
		}
	}
	return in.Peer().Addr().Unmap().WithZone("")
}
