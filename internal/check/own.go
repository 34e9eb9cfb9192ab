package check

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Hosts reports a host of a backend that is called by HTTP and is the gateway itself: each
// of its requests would make another one.
func (c *Checker) Hosts(be *model.Backend) {
	if be.SD != "static" {
		return
	}
	for i, h := range be.Host {
		if c.isOwn(h) {
			list := be.HostsFrom(c.Env.Service)
			c.mistake(list, list.ItemPath("host", i), fmt.Errorf(
				"%s is the address of the gateway itself, so its requests go round in circles; write the address of the service, or give the gateway another port", config.MaskUser(h)))
		}
	}
}

// Unbalanced reports what a backend that is not called by HTTP says for nothing of the
// choice of a host.
func (c *Checker) Unbalanced(be *model.Backend) {
	err := errors.New("has no effect on a backend that is not called by HTTP; remove it, and write all of its hosts")
	if be.SD != "static" {
		c.mistake(be.Node, "sd", err)
	}
	if be.Node.GetFold("balance") != nil {
		c.mistake(be.Node, "balance", err)
	}
}

// isOwn reports whether a host is an address on which the gateway listens.
func (c *Checker) isOwn(host string) bool {
	scheme, rest, _ := strings.Cut(host, "://")
	authority, _, _ := strings.Cut(rest, "/")
	o := gateway.OriginOf(scheme, authority)
	return o.Port == strconv.Itoa(c.Env.Service.Port) && c.listens(o.Name)
}

// listens reports whether the gateway listens on what a name or an address stands for.
func (c *Checker) listens(name string) bool {
	listen, _ := netip.ParseAddr(c.Env.Service.ListenIP)
	everywhere := !listen.IsValid() || listen.IsUnspecified()
	address, err := netip.ParseAddr(name)
	address = address.Unmap()
	switch local := name == "localhost" || strings.HasSuffix(name, ".localhost") || address.IsUnspecified(); {
	case err == nil && address == listen.Unmap():
		return true
	case local:
		return everywhere || listen.IsLoopback()
	case address.IsLoopback():
		return everywhere
	case listen.IsLoopback() || c.Machine == nil:
		return false
	}
	for _, own := range c.Machine() {
		if gateway.Lower(own) == name && (everywhere || err != nil) {
			return true
		}
		if a, bad := netip.ParseAddr(own); bad == nil && err == nil && everywhere && a.Unmap() == address {
			return true
		}
	}
	return false
}
