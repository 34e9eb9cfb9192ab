package compile

import (
	"fmt"
	"slices"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// checkMethods warns of endpoints that serve, for their method, the path of another
// one without what guards it: POST /v1/* beside a GET /v1/admin that wants a token.
// Whoever writes the path for both methods has decided. That reading is open where
// writing is not is usual, and no reason to warn.
func (c *compiler) checkMethods() {
	type exposed struct {
		first   *Endpoint
		without string
		others  int
	}
	found := make(map[*Endpoint]*exposed)
	var open []*Endpoint // in the order of declaration
	for _, e := range c.g.Endpoints {
		if len(c.admits(e.Config)) == 0 {
			continue
		}
		for _, method := range c.g.table.Methods() {
			if method == e.Method || method == "GET" {
				continue
			}
			other, ok := c.g.table.Covering(method, e.Pattern)
			if !ok || other.plan == nil {
				continue // of an endpoint with errors its place alone is there
			}
			without := c.lacks(other.Config, e.Config)
			switch x := found[other]; {
			case without == "":
			case x == nil:
				found[other] = &exposed{first: e, without: without}
				open = append(open, other)
			default:
				x.others++
			}
		}
	}
	for _, e := range open {
		x := found[e]
		path := e.Method + " " + x.first.Pattern
		more := ""
		switch {
		case x.others == 1:
			more = " (and 1 more such path)"
		case x.others > 1:
			more = fmt.Sprintf(" (and %d more such paths)", x.others)
		}
		c.report(e.Config.Node, "endpoint", config.Warning, config.CodeSuspicious, fmt.Errorf(
			"%s %s serves %s%s without %s, which %s %s has at %s; write an endpoint %s, or give this one the same",
			e.Method, e.Pattern, path, more, x.without, x.first.Method, x.first.Pattern, keyPos(x.first.Config.Node, "endpoint"), path))
	}
}

// admits returns the namespaces of an endpoint that say who may ask for it, in the order
// of their names.
func (c *compiler) admits(e *model.Endpoint) []string {
	var names []string
	for name := range e.ExtraConfig {
		guard := c.env.Absent(component.InEndpoint, name).Guard
		if d := c.Registry.Find(component.InEndpoint, name); d != nil {
			guard = d.Guards
		}
		if guard >= component.Access {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lacks says what keeps strangers from an endpoint and not from another one; "" if
// nothing does. Different means are not compared.
func (c *compiler) lacks(open, guarded *model.Endpoint) string {
	own := c.admits(open)
	if len(own) == 0 {
		return c.admits(guarded)[0]
	}
	d := c.Registry.Find(component.InEndpoint, own[0])
	if len(own) > 1 || d == nil {
		return ""
	}
	for _, f := range config.SpecOf(d.Options).Fields {
		wanted, had := guarded.ExtraConfig[own[0]].Get(f.Key), open.ExtraConfig[own[0]].Get(f.Key)
		if f.Guards == config.GuardsAccess && wanted != nil && len(wanted.Items) > 0 && (had == nil || len(had.Items) == 0) {
			return f.Key + " of " + own[0]
		}
	}
	return ""
}
