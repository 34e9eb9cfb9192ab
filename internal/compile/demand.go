package compile

import (
	"context"
	"slices"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/httpcall"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/template"
)

// A demand is a value that the client must send because a backend's address, or
// what else its call is made of, holds it.
type demand struct {
	template.Part
	where template.Place
}

// demands returns what the client must send for a backend with this pattern,
// these hosts, and these texts of its components.
func demands(be *model.Backend, t *message.URLPattern, written []component.Written, params []string) []demand {
	var all []demand
	add := func(t template.Text) {
		for _, p := range t.Parts() {
			if p.From == template.FromHeader || p.From == template.FromQuery || p.From == template.FromParam && t.Place() == template.InHost {
				all = append(all, demand{p, t.Place()})
			}
		}
	}
	add(t.Path)
	add(t.Query)
	for _, t := range written {
		add(t.Text)
	}
	for _, h := range be.Host {
		t, err := httpcall.ParseHostTemplate(h, params)
		if err != nil {
			continue // reported where the hosts are compiled
		}
		add(t.Server)
		add(t.Base)
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
		if err := d.demands[i].Check(d.demands[i].where, x); err != nil {
			return err
		}
	}
	return d.next.Do(ctx, x)
}

// demandsOf returns those of all branches, each once.
func demandsOf(branches []*branchPlan) []demand {
	var all []demand
	for _, bp := range branches {
		for _, d := range bp.demands {
			same := func(o demand) bool { return o.From == d.From && o.Text == d.Text && o.where == d.where }
			if !slices.ContainsFunc(all, same) {
				all = append(all, d)
			}
		}
	}
	return all
}
