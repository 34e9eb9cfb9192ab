package plan

import (
	"context"
	"slices"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A demand is a value that the client must send because a backend's address is
// made of it.
type demand struct {
	part
	where place
}

// demands returns what the client must send for a backend with this template
// and these hosts.
func demands(be *config.Backend, t *template, params []string) []demand {
	var all []demand
	add := func(parts []part, where place) {
		for _, p := range parts {
			if p.origin == fromHeader || p.origin == fromQuery || p.origin == fromParam && where == inHost {
				all = append(all, demand{p, where})
			}
		}
	}
	add(t.path, inPath)
	add(t.query, inQuery)
	for _, h := range be.Host {
		t, err := parseHostTemplate(h, params)
		if err != nil {
			continue // reported where the hosts are compiled
		}
		add(t.server, inHost)
		add(t.base, inPath)
	}
	return all
}

// demanding refuses a request that lacks what one of several backends needs
// before any of them is called: without the value there is no whole answer, and
// it is the client's to send.
type demanding struct {
	demands []demand
	next    gateway.Connector
}

// Do checks every demand, then calls.
func (d *demanding) Do(ctx context.Context, x *gateway.Exchange) error {
	for i := range d.demands {
		if err := d.demands[i].check(x); err != nil {
			return err
		}
	}
	return d.next.Do(ctx, x)
}

// check returns the error of putting the value into its place. Whether a segment
// is empty shows only with all that it is made of.
func (d *demand) check(x *gateway.Exchange) error {
	var room [128]byte
	parts := [...]part{{text: "x"}, d.part}
	_, err := appendParts(room[:0], parts[:], d.where, x)
	return err
}

// demandsOf returns those of all branches, each once.
func demandsOf(branches []*branchPlan) []demand {
	var all []demand
	for _, bp := range branches {
		for _, d := range bp.demands {
			same := func(o demand) bool { return o.origin == d.origin && o.text == d.text && o.where == d.where }
			if !slices.ContainsFunc(all, same) {
				all = append(all, d)
			}
		}
	}
	return all
}
