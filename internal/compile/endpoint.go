package compile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/check"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/fanout"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/httpcall"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
	"github.com/sluice-gateway/sluice/internal/route"
	"github.com/sluice-gateway/sluice/internal/template"
)

// An Endpoint is a compiled endpoint.
type Endpoint struct {
	Method, Pattern string
	Config          *model.Endpoint // nil once the generation has started

	moves      bool // a message is taken or published by each request, so HEAD is refused
	plan       *plan.Plan
	branches   []*branchPlan // for explanations
	sequential bool
	upgrade    message.Upgrade
}

// branchPlan is a compiled backend with what explanations say of it.
type branchPlan struct {
	config   *model.Backend
	plan     *plan.Plan
	wire     *plan.Plan        // of the attempts; nil if there is none
	shadow   *component.Shadow // nil for a call that counts
	name     string            // of a shadow
	method   string            // of the call
	calls    int
	demands  []demand
	pipes    []*assembled // that stand in it
	by       string
	asks     *string // a line for explanations; nil if hosts are called
	noStore  bool    // as its components say
	takes    bool    // a call takes away what it is answered with
	personal bool
}

func (c *compiler) endpoint(e *model.Endpoint) *Endpoint {
	names, err := route.CheckPattern(e.Endpoint, c.g.Service.DisableRest)
	if err != nil {
		c.report(e.Node, "endpoint", config.Error, config.CodeInvalidPath,
			fmt.Errorf("the endpoint %s is invalid: %w", e.Endpoint, err))
		c.inspect(e)
		return nil
	}
	c.check.Endpoint(e, names)
	site := component.NewEndpointSite(c.env, c.service, e, names)
	c.build(component.InEndpoint, e.Node, e.ExtraConfig, site.Build)
	b := &endpointBuilder{compiler: c, config: e, site: &site.PipeSite, backends: c.check.Backends(&site.PipeSite)}
	return b.build()
}

// reads reports whether a body may be for the backend: it has a method, be it GET, or is called
// in another way than by HTTP.
func (b *branchPlan) reads() bool {
	return b.by != "" || b.method != "GET" || b.config.Node.GetFold("method").Written()
}

// endpointBuilder puts the plan of one endpoint together.
type endpointBuilder struct {
	*compiler
	config   *model.Endpoint
	site     *component.PipeSite
	backends check.Backends // judges them
	real     []*branchPlan
	shadows  []*branchPlan
	whole    bool                    // a stage looks at the client's body
	unsound  map[*model.Backend]bool // those with a wrong host
}

// branches compiles the backends and reports whether they go together.
func (b *endpointBuilder) branches() bool {
	if !b.readHosts() {
		b.inspect()
		return false
	}
	for i, be := range b.config.Backend {
		if bp := b.backend(i, be); bp != nil {
			if bp.shadow != nil {
				b.shadows = append(b.shadows, bp)
			} else {
				b.real = append(b.real, bp)
			}
		}
	}
	b.site.Finish()
	b.problems = append(b.problems, b.site.Problems()...)
	if !b.backends.Together() {
		return false
	}
	b.checkNeeds(&b.site.Site, b.config.OutputEncoding == "no-op")
	return true
}

func (b *endpointBuilder) build() *Endpoint {
	e := b.config
	if !b.branches() {
		return nil
	}
	made := message.NewEncode(b.g.Service, e, b.g.Router.ErrorMessages)
	made.Personal = made.Cache != "" && b.personal()
	if made.NoStore = b.taken(); !made.NoStore {
		b.check.Cache(e, made.Personal)
	} else if made.Cache != "" {
		b.check.Taken(e)
	}
	enc := b.encode(made)
	sel := &message.Selected{
		Header:  message.NewHeaderSelection(e.InputHeaders, b.env.Product, &b.g.client, b.g.Service.ExpectContinueTimeout > 0, b.g.Service.Behaviour.MaxHops > 0),
		Query:   message.NewSelection(e.InputQueryStrings, false),
		Maximum: e.MaxBodyBytes.Limit(),
		Hold:    b.hold(),
		Whole:   b.whole,
		Upgrade: b.site.Arrangement().Upgrade,
		Hops:    b.g.Service.Behaviour.MaxHops,
	}
	b.placed = append(append(b.placed[:0], b.site.Placed()...),
		component.Placed{Phase: uint8(component.EndpointSelect), Name: "select", Stage: sel, At: e.Node.Pos},
		component.Placed{Phase: uint8(component.EndpointEncode), Name: "encode", Stage: enc,
			At: cmp.Or(keyPos(e.Node, "output_encoding"), keyPos(b.g.Service.Node, "output_encoding"))})
	branches := slices.Concat(b.real, b.shadows)
	return &Endpoint{
		Method:  string(e.Method),
		Pattern: e.Endpoint,
		Config:  e,
		moves:   moves(branches),
		plan: plan.Blueprint{
			Placed: b.placed, Phase: endpointPhase, Tail: b.tail(), Name: "backends", At: e.Node.Pos,
			Limit: time.Duration(e.Timeout), Title: plan.Title{Of: plan.OfEndpoint, Subject: e.Endpoint},
		}.Plan(),
		branches:   branches,
		sequential: b.site.Arrangement().Sequential,
		upgrade:    b.site.Arrangement().Upgrade,
	}
}

// keyPos returns where the first of the keys is written that n has; zero if there
// is none.
func keyPos(n *config.Node, keys ...string) config.Pos {
	for _, key := range keys {
		if v := n.GetFold(key); v != nil {
			return v.Pos
		}
	}
	return config.Pos{}
}

// encode returns the step that is equal to enc.
func (c *compiler) encode(enc message.Encode) *message.Encode {
	if shared := c.encodes[enc]; shared != nil {
		return shared
	}
	shared := new(message.Encode)
	*shared = enc
	c.encodes[enc] = shared
	return shared
}

// checkNeeds refuses what looks into answers that are passed through, and
// notes whether anything looks at the client's body. Nothing reads an answer
// that may be a tunnel.
func (b *endpointBuilder) checkNeeds(s *component.Site, raw bool) {
	most := body.Raw
	if len(b.site.Arrangement().Upgrade) > 0 {
		most = body.Stream
	}
	for _, n := range s.Stated() {
		b.whole = b.whole || n.Request >= body.Raw
		if raw && n.Response > most && n.Node != nil {
			b.problems = append(b.problems, n.Node.Problem(config.Error, config.CodeInvalid, fmt.Errorf(
				"%s looks into the answer, which no-op passes through; choose another encoding, or remove it", n.Name)))
		}
	}
}

// personal reports whether every answer of the endpoint is for one client only: it
// authenticates, or calls what a header or a claim of the client names.
func (b *endpointBuilder) personal() bool {
	if b.site.Authenticated() {
		return true
	}
	for _, bp := range b.real {
		be := bp.config
		if bp.personal || slices.ContainsFunc(bp.pipes, func(p *assembled) bool { return p.personal }) {
			return true
		}
		for _, text := range append([]string{be.URLPattern}, be.Host...) {
			if strings.Contains(text, "{input_headers.") || strings.Contains(text, "{JWT.") {
				return true
			}
		}
	}
	return false
}

// taken reports whether what a call is answered with is for its request alone.
func (b *endpointBuilder) taken() bool {
	return slices.ContainsFunc(b.real, func(bp *branchPlan) bool {
		return bp.noStore || slices.ContainsFunc(bp.pipes, func(p *assembled) bool { return p.taken })
	})
}

// moves reports whether one of the calls, or one in a pipe of theirs, takes or publishes a
// message, be it for an answer or not.
func moves(calls []*branchPlan) bool {
	return slices.ContainsFunc(calls, func(bp *branchPlan) bool {
		return bp.noStore || slices.ContainsFunc(bp.pipes, func(p *assembled) bool { return moves(p.branches) })
	})
}

// share returns a part of the endpoint's timeout; 0 when it is the whole.
func (b *endpointBuilder) share(percent int) time.Duration {
	if percent == 100 {
		return 0
	}
	return time.Duration(b.config.Timeout) * time.Duration(percent) / 100
}

// hold returns how much of a request body may be held in memory: what max_body_bytes
// or max_payload say, or else the default; 0 is no limit.
func (b *endpointBuilder) hold() int64 {
	if payload := b.site.Arrangement().Payload; b.config.MaxBodyBytes == nil && payload != nil {
		return payload.Held()
	}
	return b.config.MaxBodyBytes.Held()
}

// tail arranges the calls.
func (b *endpointBuilder) tail() gateway.Connector {
	limit := b.hold()
	var sh *fanout.Shadows
	if len(b.shadows) > 0 {
		sh = &fanout.Shadows{Running: b.g.shadows, Limit: limit}
		for _, bp := range b.shadows {
			sh.Plans = append(sh.Plans, b.newShadow(bp))
		}
	}
	branches := make([]fanout.Branch, len(b.real))
	for i, bp := range b.real {
		branches[i] = fanout.Branch{Run: bp.plan, Title: bp.plan.Title(), Decodes: bp.config.Encoding != "no-op", Limit: bp.config.MaxResponseBytes.Held()}
		if bp.calls > 1 {
			branches[i].Run = &fanout.Race{Plan: bp.plan, Calls: bp.calls, Deadline: b.share(b.g.Service.Behaviour.ConcurrentDeadline)}
		}
	}
	a := b.site.Arrangement()
	deadline := b.share(b.g.Service.Behaviour.MergeDeadline)
	var tail gateway.Connector
	switch {
	case len(branches) == 1:
		one := fanout.Single{Branch: branches[0], Copies: b.real[0].calls > 1, Limit: limit, Shadows: sh}
		if !one.Decodes && b.config.OutputEncoding != "no-op" {
			return &fanout.Empty{Single: one}
		}
		one.Through = !one.Decodes && b.real[0].calls == 1 // of several calls one answer counts, and it is not known yet
		return &one
	case a.Sequential:
		tail = &fanout.Sequence{Branches: branches, Propagate: parsePropagated(a.Propagate), Limit: limit, Deadline: deadline, Shadows: sh}
	default:
		tail = &fanout.Parallel{Branches: branches, Limit: limit, Deadline: deadline, Shadows: sh}
	}
	if needs := demandsOf(b.real); len(needs) > 0 {
		tail = &demanding{needs, tail}
	}
	return tail
}

// newShadow returns the plan of a shadow. The calls that run are counted over reloads.
func (b *endpointBuilder) newShadow(bp *branchPlan) fanout.ShadowPlan {
	state, _ := component.KeepIn(b.env, "shadow\x00"+bp.name, func() (*fanout.ShadowState, func(), error) { // which cannot fail
		return new(fanout.ShadowState), nil, nil
	})
	return fanout.ShadowPlan{
		Run: bp.plan, Title: bp.plan.Title(), Timeout: cmp.Or(bp.shadow.Timeout, time.Duration(b.config.Timeout)), State: state,
		Most: int64(bp.shadow.Most), Log: b.env.Log, Clock: b.env.Clock, Place: bp.name,
	}
}

func parsePropagated(names []string) []fanout.Propagated {
	out := make([]fanout.Propagated, len(names))
	for i, name := range names {
		if n, path, ok := template.ParseResult(name); ok {
			out[i] = fanout.Propagated{Index: n, Path: path}
		} else if n, _, ok := template.ParseResult(name + "_x"); ok {
			out[i] = fanout.Propagated{Index: n}
		}
	}
	return out
}

// backend compiles one backend; it returns nil after reporting why it cannot.
func (b *endpointBuilder) backend(i int, be *model.Backend) *branchPlan {
	be.URLPattern = strings.Clone(be.URLPattern) // which outlives the text that it is of
	site := component.NewBackendSite(b.env, b.site, be)
	to := b.callee(be)
	hosted := b.hasHost(be, to)
	if !hosted {
		site.Unhosted()
	}
	around := b.pipes
	b.pipes = nil
	b.compiler.build(component.InBackend, be.Node, be.ExtraConfig, site.Build)
	site.Finish()
	pipes := b.pipes
	b.pipes = around
	b.problems = append(b.problems, site.Problems()...)
	b.checkNeeds(&site.Site, be.Encoding == "no-op")
	b.backends.Backend(site)
	call := site.Call()
	bp := &branchPlan{config: be, shadow: call.Shadow, calls: b.config.ConcurrentCalls, pipes: pipes, noStore: call.NoStore, personal: call.Personal, by: call.By}
	if call.Asks != nil {
		shown := b.g.Mask(*call.Asks)
		bp.asks = &shown
	}
	if bp.shadow != nil {
		bp.calls, bp.name = 1, site.Name()
	}
	if bp.takes = call.Takes || slices.ContainsFunc(pipes, func(p *assembled) bool { return p.takes }); bp.takes && bp.calls > 1 {
		bp.calls = 1
		b.check.CalledOnce(b.config, i)
	}
	if call.Takes && bp.shadow != nil { // in a pipe the calls behind it may use the message
		b.check.ThrownAway(be, call.By)
	}
	stages, onWire := split(site.Placed())
	tail := call.Connector
	if tail == nil {
		if name := b.unbuilt(be); name != "" {
			tail = unbuilt(name)
		}
	}
	switch {
	case !hosted:
		tail = nil
	case tail == nil:
		var err error
		if tail, bp.wire, err = b.newHTTP(site, call, to, onWire, b.hold()); err != nil {
			b.problems = append(b.problems, be.Node.Problems(config.Error, config.CodeInvalid, err)...)
		}
	default:
		b.unwired(be, onWire)
		if call.Connector != nil {
			tail = &httpcall.Unpacking{Next: tail}
			b.check.Unbalanced(be)
		}
	}
	bp.method, _ = site.Method()
	addr := b.newAddress(i, be, bp, call.OwnQuery)
	for _, t := range call.Written {
		if t.Node != nil {
			b.backends.Placeholders(t.Node, bp.shadow != nil, t.Key, t.Text)
		}
	}
	if addr == nil || tail == nil {
		return nil
	}
	bp.demands = demands(be, addr.Pattern, call.Written, b.site.Params())
	addr.Compress = call.Connector == nil && !call.Transport.DisableCompression
	b.placed = append(append(b.placed[:0], stages...),
		component.Placed{Phase: uint8(component.BackendAddress), Name: "address", Stage: addr, At: be.Node.Pos, Prompt: true},
		component.Placed{Phase: uint8(component.BackendShape), Name: "shape", Stage: message.NewShape(b.g.Service, be, call.Reshape), Prompt: true,
			At: cmp.Or(keyPos(be.Node, "encoding", "is_collection", "target", "allow", "deny", "mapping", "group"), be.Node.Pos)})
	bp.plan = plan.Blueprint{Placed: b.placed, Phase: backendPhase, Tail: tail, Name: "call", At: be.Node.Pos,
		Title: plan.Title{Subject: subject(site), Index: uint16(i), Of: plan.OfBackend}}.Plan()
	b.backends.Add(site)
	return bp
}

// inspect finds what else is wrong with what will not be served: the components of its
// backends are built and dropped.
func (b *endpointBuilder) inspect() {
	for _, be := range b.config.Backend {
		site := component.NewBackendSite(b.env, b.site, be)
		if b.unsound[be] || len(be.Host) == 0 && b.callee(be).Read != nil {
			site.Unhosted()
		}
		b.compiler.build(component.InBackend, be.Node, be.ExtraConfig, site.Build)
		site.Finish()
		b.problems = append(b.problems, site.Problems()...)
	}
	b.site.Finish()
	b.problems = append(b.problems, b.site.Problems()...)
}

// subject names a backend in the titles of its plans.
func subject(s *component.BackendSite) string {
	if s.Endpoint().Outer() == nil {
		return s.Config().URLPattern
	}
	return s.Config().URLPattern + " of " + s.Endpoint().Config().Endpoint
}

func backendPhase(p uint8) string { return component.BackendPhase(p).String() }

func endpointPhase(p uint8) string { return component.PipePhase(p).String() }

// split takes the stages of the wire plan out of those of a backend.
func split(placed []component.Placed) (stages, onWire []component.Placed) {
	for _, p := range placed {
		if component.BackendPhase(p.Phase).OnWire() {
			onWire = append(onWire, p)
		} else {
			stages = append(stages, p)
		}
	}
	return stages, onWire
}

// unwired reports stages of the wire plan of a backend that has none. What guards something
// would leave it open; a cache that is not there opens nothing.
func (c *compiler) unwired(be *model.Backend, onWire []component.Placed) {
	for i, p := range onWire {
		n, d := be.ExtraConfig[p.Name], c.Registry.Find(component.InBackend, p.Name)
		if n == nil || slices.ContainsFunc(onWire[:i], func(other component.Placed) bool { return other.Name == p.Name }) {
			continue
		}
		severity, code := config.Warning, config.CodeMistake
		if d.Protects() && slices.ContainsFunc(onWire, func(other component.Placed) bool {
			return other.Name == p.Name && component.BackendPhase(other.Phase) != component.BackendCache
		}) {
			severity, code = config.Error, config.CodeInvalid
		}
		c.problems = append(c.problems, n.Problem(severity, code,
			errors.New("has no effect on a backend that is not called by HTTP; write it in one that is, or give this call what it needs by its own options")))
	}
}

// newAddress compiles the url_pattern and the filters of a backend.
func (b *endpointBuilder) newAddress(i int, be *model.Backend, bp *branchPlan, own []string) *message.Address {
	shadow := bp.shadow != nil
	t, err := message.ParseURLPattern(be.URLPattern, b.site.Params())
	name, undefined := errors.AsType[template.Undefined](err)
	if err != nil && !undefined {
		b.report(be.Node, "url_pattern", config.Error, config.CodeInvalidPath, err)
		return nil
	}
	if err != nil {
		at := ""
		if b.site.Scope() == component.InEndpoint { // the place of others is in front of it
			at = fmt.Sprintf(" endpoint: %s %s, backend: %d.", b.config.Method, b.config.Endpoint, i)
		}
		b.report(be.Node, "url_pattern", config.Error, config.CodeUndefinedVariable, fmt.Errorf(
			"%w!%s input: [%s]; %s",
			err, at, strings.Join(b.site.Params(), " "), component.Placeholders(name, b.site.Params())))
		return nil
	}
	b.backends.Placeholders(be.Node, shadow, "url_pattern", t.Path, t.Query)
	for i, h := range be.Host {
		if !strings.Contains(h, "{") {
			continue
		}
		if host, err := httpcall.ParseHostTemplate(h, b.site.Params()); err == nil { // else it is reported where hosts are compiled
			b.backends.Placeholders(be.Node, shadow, be.Node.ItemPath("host", i), host.Server, host.Base)
		}
	}
	a := message.NewAddress(bp.method, t, strings.HasSuffix(b.config.Endpoint, "/*"))
	a.Decodes, a.Trace = be.Encoding != "no-op", b.g.Router.ForwardTrace
	a.Queries, a.Query = len(be.InputQueryStrings) > 0, message.NewSelection(be.InputQueryStrings, false)
	a.Fixed.Own(own)
	b.backends.Inputs(be, &a.Fixed)
	a.Header = message.NewHeaderFilter(be.InputHeaders, b.env.Product, b.g.Service.Behaviour.MaxHops > 0)
	return a
}
