package check

import (
	"fmt"
	"slices"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Methods warns of endpoints that serve, for their method, the path of another
// one without what guards it: POST /v1/* beside a GET /v1/admin that wants a token.
// Whoever writes the path for both methods has decided. That reading is open where
// writing is not is usual, and no reason to warn.
//
// The endpoints are those that are served, in the order of declaration, by the methods.
// Covering returns the one that serves a pattern for a method, nil if none does.
func (c *Checker) Methods(endpoints []*model.Endpoint, methods []string, covering func(method, pattern string) *model.Endpoint) {
	type exposed struct {
		first   *model.Endpoint
		without string
		others  int
	}
	found := make(map[*model.Endpoint]*exposed)
	var open []*model.Endpoint // in the order of declaration
	for _, e := range endpoints {
		if len(c.admits(e)) == 0 {
			continue
		}
		for _, method := range methods {
			if method == string(e.Method) || method == "GET" {
				continue
			}
			other := covering(method, e.Endpoint)
			if other == nil {
				continue
			}
			without := c.lacks(other, e)
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
		path := string(e.Method) + " " + x.first.Endpoint
		more := ""
		switch {
		case x.others == 1:
			more = " (and 1 more such path)"
		case x.others > 1:
			more = fmt.Sprintf(" (and %d more such paths)", x.others)
		}
		c.report(e.Node, "endpoint", config.Warning, config.CodeSuspicious, fmt.Errorf(
			"%s %s serves %s%s without %s, which %s %s has at %s; write an endpoint %s, or give this one the same",
			e.Method, e.Endpoint, path, more, x.without, x.first.Method, x.first.Endpoint, x.first.Node.GetFold("endpoint").Pos, path))
	}
}

// admits returns the namespaces of an endpoint that say who may ask for it, in the order
// of their names.
func (c *Checker) admits(e *model.Endpoint) []string {
	var names []string
	for name := range e.ExtraConfig {
		guard := c.Env.Absent(component.InEndpoint, name).Guard
		if d := c.Env.Registry.Find(component.InEndpoint, name); d != nil {
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
func (c *Checker) lacks(open, guarded *model.Endpoint) string {
	own := c.admits(open)
	if len(own) == 0 {
		return c.admits(guarded)[0]
	}
	d := c.Env.Registry.Find(component.InEndpoint, own[0])
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
