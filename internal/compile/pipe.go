package compile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/fanout"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
)

// How much pipes within pipes may ask for: that many stand within each other, the endpoint
// around them not counted, and one request may call a backend that many times at once, all
// concurrent_calls around it multiplied. An endpoint alone may do the latter, too.
const (
	maxNested = 8
	maxCalls  = 100
)

// A pipe answers requests with data, or with bytes if it is one of no-op. It has an
// exchange of its own, on behalf of the one that it is given, so that what stages keep
// there is not that of the stages around the pipe.
type pipe struct {
	plan  *plan.Plan
	name  string
	read  bool  // a backend may read a body
	whole bool  // a stage looks at the body of the request
	hold  int64 // bytes of it that are held at most; 0 is no limit
}

// Do answers the request of x. What the answer is made of lives as long as x.
func (p *pipe) Do(ctx context.Context, x *gateway.Exchange) error {
	payload, err := x.HandOver()
	if err != nil {
		return err
	}
	c := fanout.NewCall(x, payload)
	c.Endpoint, c.Results, c.Request.Upgrade, c.Request.Through = p.name, nil, "", x.Request.Through
	if p.whole {
		if err := message.Buffer(ctx, &c.Request.Body, p.hold); err != nil {
			return err
		}
	}
	if err := p.plan.Do(ctx, c); err != nil {
		fanout.PassFace(x, c, err)
		return plan.Inner(err)
	}
	x.Response.Take(&c.Response)
	if x.Response.Status == 0 {
		x.Response.Status = 200
	}
	return nil
}

// pipe compiles a pipe without a door; see [component.BackendSite.Pipe]. One of the
// service is compiled when the service is built.
func (c *compiler) pipe(scope component.Scope, in *component.BackendSite, e *model.Endpoint) gateway.Connector {
	p := new(pipe)
	if in == nil && !c.built {
		c.later = append(c.later, func() { c.nested(p, in, e, component.NewPipeSite(c.env, scope, in, e)) })
	} else {
		c.nested(p, in, e, component.NewPipeSite(c.env, scope, in, e))
	}
	return p
}

// agents compiles the agents, each of which is a source with its pipe.
func (c *compiler) agents() {
	broken := broken(c.problems, "async_agent")
	for i, a := range c.g.Service.AsyncAgent {
		if broken[i] || a == nil || a.Node == nil {
			continue
		}
		p, e := new(pipe), a.Pipe()
		site := component.NewAgentSite(c.env, a, e)
		c.nested(p, nil, e, site)
		src, found := site.Takes()
		if found {
			src.By = p
			c.env.Sources = append(c.env.Sources, src)
			if p.plan != nil && !p.read {
				c.report(e.Node, "backend", config.Warning, config.CodeSuspicious, errors.New(`no backend has a method, so that all are called by GET, of which services read no body: a message may be acknowledged that nobody has read; write "method": "POST" in the one that it is for`))
			}
		} else {
			c.check.Undriven(a)
		}
	}
}

// nested compiles what is written in e, at a site of its own, into p. With an error among the
// problems p is never run.
func (c *compiler) nested(p *pipe, in *component.BackendSite, e *model.Endpoint, site *component.PipeSite) {
	scope := site.Scope()
	if !c.bounded(in, e) {
		return
	}
	c.inherit(e, in)
	problems := model.ResolvePipe(c.g.Service, e)
	c.problems = append(c.problems, problems...)
	if config.HasErrors(problems) {
		return
	}
	c.renameIn(scope, e.ExtraConfig)
	for _, be := range e.Backend {
		c.renameIn(component.InBackend, be.ExtraConfig)
	}
	switch e.OutputEncoding {
	case "json", "no-op":
	default:
		instead := "write it in the endpoint"
		if in == nil {
			instead = "remove it"
		}
		c.report(e.Node, "output_encoding", config.Warning, config.CodeMistake, fmt.Errorf("%s has no effect here, where the answer is data; %s", e.OutputEncoding, instead))
	}
	c.build(scope, e.Node, e.ExtraConfig, site.Build)
	b := &endpointBuilder{compiler: c, config: e, site: site, backends: c.check.Backends(site)}
	if !b.branches() {
		return
	}
	p.read = slices.ContainsFunc(slices.Concat(b.real, b.shadows), (*branchPlan).reads)
	b.placed = append(b.placed[:0], site.Placed()...)
	p.plan = plan.Blueprint{
		Placed: b.placed, Phase: endpointPhase,
		Tail: b.tail(), Name: "backends", At: e.Node.Pos, Limit: time.Duration(e.Timeout), Title: plan.Title{Of: plan.OfPipe, Subject: e.Endpoint},
	}.Plan()
	p.name, p.whole, p.hold = e.Endpoint, b.whole, b.hold()
	made := &assembled{
		config: e, plan: p.plan, branches: slices.Concat(b.real, b.shadows), sequential: site.Arrangement().Sequential, personal: b.personal(), taken: b.taken(),
		takes: slices.ContainsFunc(b.real, func(bp *branchPlan) bool { return bp.takes }),
	}
	if in == nil {
		c.g.pipes = append(c.g.pipes, made)
	} else {
		c.pipes = append(c.pipes, made)
	}
}

// assembled is a compiled pipe, for explanations and for what is around it.
type assembled struct {
	config     *model.Endpoint
	plan       *plan.Plan
	branches   []*branchPlan
	sequential bool
	personal   bool // it calls what a header or a claim of the client names
	taken      bool // what it answers with is for its request alone
	takes      bool // and taken away
}

// bounded reports whether what is asked for has an end in reason.
func (c *compiler) bounded(in *component.BackendSite, e *model.Endpoint) bool {
	depth, calls := 1, max(e.ConcurrentCalls, 1)
	for ; in != nil; in = in.Endpoint().Outer() {
		if in.Endpoint().Scope() != component.InEndpoint {
			depth++
		}
		calls = min(calls*max(in.Endpoint().Config().ConcurrentCalls, 1), maxCalls+1)
	}
	switch {
	case depth > maxNested:
		c.report(e.Node, "", config.Error, config.CodeInvalid, fmt.Errorf("stands within %d others, and no more than %d stand in each other; call backends of the outer ones", depth-1, maxNested))
	case calls > maxCalls:
		c.report(e.Node, "concurrent_calls", config.Error, config.CodeOutOfRange, fmt.Errorf("with those around it each backend is called more than %d times at once; write a smaller number here or in the endpoint", maxCalls))
	default:
		return true
	}
	return false
}

// inherit fills in what a pipe has from the backend that it stands in.
func (c *compiler) inherit(e *model.Endpoint, in *component.BackendSite) {
	if in == nil {
		e.InputHeaders, e.InputQueryStrings = everything, everything
	} else {
		outer, be := in.Endpoint().Config(), in.Config()
		e.Method = model.Method(be.Method)
		if e.InputHeaders, e.InputQueryStrings = everything, everything; !in.Rewritten() && !in.Endpoint().Rewritten() {
			e.InputHeaders = narrowed(outer.InputHeaders, be.InputHeaders)
			e.InputQueryStrings = narrowed(outer.InputQueryStrings, be.InputQueryStrings)
		}
		e.MaxBodyBytes, e.MaxResponseBytes = outer.MaxBodyBytes, be.MaxResponseBytes
		if e.OutputEncoding == "" && be.Encoding == "no-op" {
			e.OutputEncoding = "no-op"
		}
		switch behaviour := &c.g.Service.Behaviour; {
		case e.Timeout > outer.Timeout:
			c.report(e.Node, "timeout", config.Warning, config.CodeSuspicious, fmt.Errorf("is longer than the %v that there are around it; write less, or a longer timeout in the endpoint", outer.Timeout))
		case e.Timeout == 0:
			e.Timeout = outer.Timeout
			if len(outer.Backend) > 1 {
				e.Timeout = e.Timeout * config.Duration(behaviour.MergeDeadline) / 100
			}
			if outer.ConcurrentCalls > 1 {
				e.Timeout = e.Timeout * config.Duration(behaviour.ConcurrentDeadline) / 100
			}
		}
	}
	if e.OutputEncoding == "" {
		e.OutputEncoding = "json"
	}
}

// everything is a list that lets all through: what a source or a script has made.
var everything = []string{"*"}

// narrowed returns what passes the lists of an endpoint and of its backend, of which the
// second lets all through that it does not name.
func narrowed(list, again []string) []string {
	switch {
	case len(again) == 0 || slices.Contains(again, "*"):
		return list
	case slices.Contains(list, "*"):
		return again
	}
	return slices.DeleteFunc(slices.Clone(list), func(name string) bool {
		return !slices.ContainsFunc(again, func(other string) bool { return config.SameName(name, other) })
	})
}
