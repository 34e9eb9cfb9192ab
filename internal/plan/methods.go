package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
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
		if len(guards(e.Config)) == 0 {
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
			without := lacks(other.Config, e.Config)
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

// guards returns the namespaces of an endpoint that say who may ask for it.
func guards(e *config.Endpoint) []string {
	var names []string
	for name := range e.ExtraConfig {
		switch {
		case name == "auth/signer":
		case strings.HasPrefix(name, "auth/"), name == "security/policies", name == "validation/cel":
			names = append(names, name)
		}
	}
	return names
}

// lacks says what keeps strangers from an endpoint and not from another one; "" if
// nothing does. Different means are not compared.
func lacks(open, guarded *config.Endpoint) string {
	const validator = "auth/validator"
	own := guards(open)
	if len(own) == 0 {
		return slices.Min(guards(guarded))
	}
	for _, key := range []string{"roles", "scopes"} {
		wanted, had := guarded.ExtraConfig[validator].Get(key), open.ExtraConfig[validator].Get(key)
		if open.ExtraConfig[validator] != nil && len(own) == 1 && wanted != nil && len(wanted.Items) > 0 && (had == nil || len(had.Items) == 0) {
			return key + " of " + validator
		}
	}
	return ""
}
