package compile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
	"github.com/sluice-gateway/sluice/internal/route"
)

// An Explanation is what happens to a request, without sending it.
type Explanation struct {
	Outcome    string            // in words: which route wins, or why none does
	Candidates []route.Candidate // the routes that were compared, the winner first
	Near       []route.Neighbour // the routes that are nearest to a path that fits none, the nearest first
	Service    []Step
	First      []string      // namespaces in front of that which may answer, or ask for something else
	Own        bool          // the gateway answers by itself
	Redirected bool          // to where an endpoint answers
	Endpoint   *EndpointPlan // nil when no endpoint answers
}

// Answered reports whether the path leads anywhere.
func (e Explanation) Answered() bool { return e.Own || e.Redirected || e.Endpoint != nil }

// manyNear is how many routes are named that somebody may have meant.
const manyNear = 5

// A Step is one step of a plan.
type Step struct {
	Phase, Name string
	Out         bool       // it also acts on the way out
	At          config.Pos // zero for steps of the core
}

// An EndpointPlan is the compiled plan of an endpoint.
type EndpointPlan struct {
	Method, Pattern string
	PipePlan
}

// A PipePlan is the compiled plan of a pipe, that of an endpoint with its door.
type PipePlan struct {
	Name     string // of a pipe that has no door, the pattern of an endpoint otherwise
	Takes    string // lines about what brings messages to it, "" if that is nothing
	At       config.Pos
	Timeout  time.Duration
	Steps    []Step
	Calls    string // how the backends are called
	Backends []BackendPlan
}

// A BackendPlan is the compiled plan of a backend. Hosts and pattern are masked where
// they are secret.
type BackendPlan struct {
	Method, Pattern string
	At              config.Pos
	Hosts           []string
	Asks            string // a line that says what is called at them, or in their place
	By              string // the namespace that calls, or answers, in another way than the gateway; "" for none
	Shadow          bool
	Calls           int // at once
	Steps           []Step
	Pipes           []PipePlan // that stand in it
}

// Explain says which endpoint answers a request and what its plan does. The
// target is a path, with or without a query.
func (g *Generation) Explain(method, target string) Explanation {
	path, _, _ := strings.Cut(target, "?")
	m := g.table.Find(method, path, nil)
	e := Explanation{Candidates: g.table.Explain(method, path), Service: describe(g.plan)}
	if m.Outcome != route.Found || method == "GET" || method == "HEAD" { // its own paths come first, by GET at least
		if name := g.own.name(path); name != "" {
			e.Outcome, e.Own = "the gateway answers by itself: "+name, true
			e.First = first(e.Service, component.ServicePlugin)
			return e
		}
	}
	e.First = first(e.Service, component.ServicePlugin, component.ServiceRewrite, component.ServiceScript, component.ServiceBot)
	switch m.Outcome {
	case route.Found:
		e.Outcome = fmt.Sprintf("%s %s answers", m.Value.Method, m.Value.Pattern)
		e.Endpoint = m.Value.describe(g.Service)
	case route.Redirect:
		e.Outcome, e.Redirected = fmt.Sprintf("redirected to %s (%v)", m.Location, m.Reason), true
	case route.MethodNotAllowed:
		switch allow := strings.Join(m.Allow, ", "); {
		case g.Router.AutoOptions && method == "OPTIONS":
			e.Outcome = "200: the path is served for " + allow
		case g.Router.NoMethodNotAllowed:
			e.Outcome = fmt.Sprintf("404: the path is served for %s only", allow)
		default:
			e.Outcome = fmt.Sprintf("405: the path is served for %s only", allow)
		}
	case route.BadParam:
		e.Outcome = "400: " + m.Text
	default:
		e.Outcome = "404: no endpoint has this path"
		if len(e.Candidates) == 0 {
			e.Near = g.table.Near(method, path, manyNear)
		}
	}
	return e
}

// first returns the names of those that act in some phases of the service.
func first(steps []Step, phases ...component.ServicePhase) (names []string) {
	for _, s := range steps {
		acts := slices.ContainsFunc(phases, func(p component.ServicePhase) bool { return p.String() == s.Phase })
		if acts && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// ExplainPipe says what the pipe of the service with this name does, which answers what a
// source brings in, and whether there is one. A source that has something to say of itself is a
// [fmt.Stringer].
func (g *Generation) ExplainPipe(name string) (_ PipePlan, found bool) {
	for _, p := range g.pipes {
		described := p.describe(g.Service)
		if described.Name != name {
			continue
		}
		for _, src := range g.Sources() {
			if s, says := src.Source.(fmt.Stringer); says && src.Name == name {
				described.Takes = g.Mask(s.String())
			}
		}
		return described, true
	}
	return PipePlan{}, false
}

// describe lists the steps of a plan, those of the plans within it too.
func describe(p *plan.Plan) []Step {
	if p == nil {
		return nil
	}
	out := make([]Step, 0, 8)
	p.Each(func(phase, name string, way bool, at config.Pos) { out = append(out, Step{phase, name, way, at}) })
	return out
}

func (e *Endpoint) describe(s *model.Service) *EndpointPlan {
	p := &EndpointPlan{Method: e.Method, Pattern: e.Pattern,
		PipePlan: (&assembled{config: e.Config, plan: e.plan, branches: e.branches, sequential: e.sequential}).describe(s)}
	if len(e.upgrade) > 0 {
		p.Calls += ", which may switch to " + strings.Join(e.upgrade, " or ") + ": a tunnel then"
	}
	return p
}

func (a *assembled) describe(s *model.Service) PipePlan {
	p := PipePlan{Name: a.config.Node.Masked("endpoint", a.config.Endpoint)[0], At: a.config.Node.Pos, Timeout: time.Duration(a.config.Timeout), Steps: describe(a.plan), Calls: "one backend"}
	if real := slices.DeleteFunc(slices.Clone(a.branches), func(b *branchPlan) bool { return b.shadow != nil }); len(real) > 1 {
		p.Calls = "all backends at once, answers merged in this order"
		if a.sequential {
			p.Calls = "one backend after the other, answers merged in this order"
		}
	}
	for _, b := range a.branches {
		n := b.config.Node
		described := BackendPlan{
			Method: b.method, Pattern: n.Masked("url_pattern", b.config.URLPattern)[0], At: n.Pos,
			Hosts:  b.config.ShownHosts(s),
			By:     b.by,
			Shadow: b.shadow != nil, Calls: b.calls, Steps: append(describe(b.plan), describe(b.wire)...),
		}
		if b.asks != nil {
			described.Asks = *b.asks
		}
		for _, inner := range b.pipes {
			described.Pipes = append(described.Pipes, inner.describe(s))
		}
		p.Backends = append(p.Backends, described)
	}
	return p
}
