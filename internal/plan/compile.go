package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/route"
)

// Options are what a compilation needs from outside.
type Options struct {
	Registry *component.Registry
	Env      *component.Env                          // Service is filled in by Compile
	Resolver balance.Resolver                        // nil for the resolver of the system
	Missing  func(scope, namespace string) bool      // reports what is known and not built yet
	Ready    func() bool                             // what /__ready answers; nil for always
	Adjust   func(*config.Service)                   // changes the resolved service; nil changes nothing
	Check    func(*config.Service) []*config.Problem // more to look at before anything is compiled; may be nil
}

// A Generation is a compiled configuration. It is immutable; Start and Close
// run what its components registered.
type Generation struct {
	Service   *config.Service // without its Endpoints once the generation has started
	Router    component.Router
	Endpoints []*Endpoint

	env     *component.Env
	plan    *Plan
	table   *route.Table[*Endpoint]
	client  clientAddress
	own     *own
	product gateway.Field // the header that names the gateway; zero for none
	problem bool          // failures are problem documents
	shadows sync.WaitGroup
	ready   func() bool
}

// An Endpoint is a compiled endpoint.
type Endpoint struct {
	Method, Pattern string
	Config          *config.Endpoint // nil once the generation has started

	plan       *Plan
	branches   []*branchPlan // for explanations
	sequential bool
	upgrade    upgrade
}

// branchPlan is a compiled backend with what explanations say of it.
type branchPlan struct {
	config  *config.Backend
	plan    *Plan
	shadow  bool
	calls   int
	demands []demand
}

// compiler holds the work in progress.
type compiler struct {
	Options
	env      *component.Env
	g        *Generation
	service  *component.ServiceSite
	broken   map[int]bool                                 // endpoints with an error already
	implicit map[component.Scope][]*component.Declaration // what every site builds
	encodes  map[encode]*encode                           // most endpoints encode alike and share the step
	problems []*config.Problem
	placed   []component.Placed // of the plan that is being put together
}

// Compile makes a generation of a document. It returns every problem, sorted
// by place; with an Error among them the generation is nil and everything that
// was kept for it has been released. Compile does not dial.
func Compile(d *config.Document, o Options) (*Generation, []*config.Problem) {
	svc, problems := config.Resolve(d)
	if o.Adjust != nil {
		o.Adjust(svc)
	}
	if o.Check != nil {
		problems = append(problems, o.Check(svc)...)
	}
	c := &compiler{Options: o, env: o.Env, problems: problems, encodes: make(map[encode]*encode)}
	c.implicit = make(map[component.Scope][]*component.Declaration)
	for _, d := range o.Registry.All() {
		if d.Implicit {
			c.implicit[d.Scope] = append(c.implicit[d.Scope], d)
		}
	}
	c.env.Service = svc
	c.g = &Generation{Service: svc, env: o.Env, problem: svc.Behaviour.ErrorBody == "problem", ready: o.Ready}
	if svc.Node != nil {
		c.broken = brokenEndpoints(problems)
		c.compile()
	}
	c.applyPolicy()
	config.Sort(c.problems)
	c.problems = slices.CompactFunc(c.problems, func(a, b *config.Problem) bool { // what many share is looked at many times
		return a.At == b.At && a.Path == b.Path && a.Err.Error() == b.Err.Error()
	})
	d.Mask(c.problems)
	if config.HasErrors(c.problems) {
		o.Env.Release()
		return nil, c.problems
	}
	return c.g, c.problems
}

// brokenEndpoints returns the indices of the endpoints that problems keep from
// being looked at any further.
func brokenEndpoints(problems []*config.Problem) map[int]bool {
	broken := make(map[int]bool)
	for _, p := range problems {
		var i int
		if _, err := fmt.Sscanf(strings.ToLower(p.Path), "endpoints[%d]", &i); err == nil && p.Severity == config.Error {
			broken[i] = true
		}
	}
	return broken
}

// applyPolicy raises unknown keys to errors: everywhere under a strict dialect, in
// the settings of TLS always. Those of components that protect are errors already.
func (c *compiler) applyPolicy() {
	strict := c.g.Service.Behaviour.UnknownKeys == "error"
	for _, p := range c.problems {
		owner, _, _ := strings.Cut(strings.ToLower(p.Path), ".")
		if p.Code == config.CodeUnknownField && (strict || owner == "tls" || owner == "client_tls") {
			p.Severity = config.Error
		}
	}
}

func (c *compiler) report(n *config.Node, key string, sev config.Severity, code string, err error) {
	c.problems = append(c.problems, n.ProblemAt(key, sev, code, err))
}

func (c *compiler) compile() {
	c.rename()
	c.service = component.NewServiceSite(c.env)
	c.build(component.InService, c.g.Service.Node, c.g.Service.ExtraConfig, c.service.Build)
	c.problems = append(c.problems, c.service.Problems()...)
	c.g.Router, _ = component.Shared(c.env, component.RouterKey)
	c.g.Service.UseH2C = c.g.Service.UseH2C || c.g.Router.UseH2C // its old place
	c.g.client = newClientAddress(c.g.Router)
	c.g.product = c.product()
	c.legacy()

	c.g.own = c.newOwn()
	steps := c.service.Placed()
	steps = append(steps, component.Placed{Phase: uint8(component.ServiceOwn), Name: "own", Stage: c.g.own})
	c.routes()
	c.g.plan = &Plan{
		steps: makeSteps(steps, func(p uint8) string { return component.ServicePhase(p).String() }),
		tail:  gateway.ConnectorFunc(c.g.route),
		name:  "route",
	}
}

// legacy reports root keys that are accepted and do nothing here.
func (c *compiler) legacy() {
	s := c.g.Service
	if len(s.AsyncAgent) > 0 {
		c.report(s.Node, "async_agent", config.Error, config.CodeUnsupported,
			errors.New("async agents are not supported yet; remove the key"))
	}
	if s.Plugin != nil {
		c.report(s.Node, "plugin", config.Error, config.CodeUnsupported,
			errors.New("native plugins are not loaded; remove the key"))
	}
}

// rename gives namespaces with old names their current ones, so that nobody
// else has to know the old ones.
func (c *compiler) rename() {
	s := c.g.Service
	c.renameIn(component.InService, s.ExtraConfig)
	for _, e := range s.Endpoints {
		if e == nil {
			continue
		}
		c.renameIn(component.InEndpoint, e.ExtraConfig)
		for _, b := range e.Backend {
			if b != nil {
				c.renameIn(component.InBackend, b.ExtraConfig)
			}
		}
	}
}

func (c *compiler) renameIn(scope component.Scope, extra map[string]*config.Node) {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		d := c.Registry.Find(scope, name)
		if d == nil || d.Namespace == name {
			continue
		}
		n := extra[name]
		delete(extra, name)
		if extra[d.Namespace] != nil {
			c.problems = append(c.problems, n.Problem(config.Error, config.CodeDuplicateNamespace,
				fmt.Errorf("%s is the old name of %s, which is there too; keep one", name, d.Namespace)))
			continue
		}
		extra[d.Namespace] = n
		c.problems = append(c.problems, n.Problem(config.Warning, config.CodeOldName,
			fmt.Errorf("%s is the old name of %s; write the new one", name, d.Namespace)))
	}
}

// build runs the declarations of the namespaces in the extra_config of owner,
// in the order of their names, and the implicit ones.
func (c *compiler) build(scope component.Scope, owner *config.Node, extra map[string]*config.Node, run func(*component.Declaration, *config.Node)) {
	c.nulls(scope, owner)
	type job struct {
		d *component.Declaration
		n *config.Node
	}
	var jobs []job
	for name, n := range extra {
		if d := c.Registry.Find(scope, name); d != nil {
			jobs = append(jobs, job{d, n})
		} else {
			c.unknown(scope, name, n)
		}
	}
	for _, d := range c.implicit[scope] {
		if extra[d.Namespace] == nil {
			jobs = append(jobs, job{d, nil})
		}
	}
	slices.SortFunc(jobs, func(a, b job) int { return cmp.Compare(a.d.Namespace, b.d.Namespace) })
	for _, j := range jobs {
		run(j.d, j.n)
	}
}

// nulls reports namespaces without options, which are as good as absent. A block
// that was emptied out is no way to switch a policy off, because nobody sees that
// it is.
func (c *compiler) nulls(scope component.Scope, owner *config.Node) {
	extra := owner.GetFold("extra_config")
	if extra == nil {
		return
	}
	for _, m := range extra.Members {
		if m.Value.Kind != config.Null || config.IsComment(m.Key) {
			continue
		}
		d := c.Registry.Find(scope, m.Key)
		if d == nil {
			c.unknown(scope, m.Key, m.Value)
			continue
		}
		severity := config.Warning
		if d.Protects() {
			severity = config.Error
		}
		c.problems = append(c.problems, m.Value.Problem(severity, config.CodeWrongType,
			errors.New("null is no options; write an object, or remove the namespace")))
	}
}

// unknown reports a namespace that nobody declared. It is an error always: a
// policy that was asked for and is not there must not go unnoticed.
func (c *compiler) unknown(scope component.Scope, name string, n *config.Node) {
	var err error
	var known []string
	for _, d := range c.Registry.All() {
		if d.Scope == scope {
			known = append(known, d.Namespace)
		}
	}
	elsewhere := c.scopesOf(name)
	near, similar := config.Suggest(name, known)
	switch {
	case c.Missing != nil && c.Missing(string(scope), name):
		err = fmt.Errorf("namespace %s not supported yet; remove it to start without what it does", name)
	case elsewhere != "":
		err = fmt.Errorf("namespace %s has no effect in the %s; move it to the extra_config of the %s", name, scope, elsewhere)
	case similar:
		err = fmt.Errorf("unknown namespace %q; did you mean %q?", name, near)
	default:
		err = fmt.Errorf("unknown namespace %q; remove it, or begin its name with @ to keep it as a comment", name)
	}
	c.problems = append(c.problems, n.Problem(config.Error, config.CodeUnknownNamespace, err))
}

// scopesOf returns the scopes that a namespace may stand in, in words.
func (c *compiler) scopesOf(name string) string {
	var scopes []string
	for _, d := range c.Registry.All() {
		if d.Namespace == name {
			scopes = append(scopes, string(d.Scope))
		}
	}
	return strings.Join(scopes, " or ")
}

// makeSteps sorts stages by phase and name, behind those that come first.
func makeSteps(placed []component.Placed, phase func(uint8) string, first ...step) []step {
	slices.SortStableFunc(placed, func(a, b component.Placed) int {
		return cmp.Or(cmp.Compare(a.Phase, b.Phase), cmp.Compare(a.Name, b.Name))
	})
	steps := append(make([]step, 0, len(first)+len(placed)), first...)
	for _, p := range placed {
		leave, _ := p.Stage.(gateway.Leaver)
		steps = append(steps, step{enter: p.Stage, leave: leave, name: p.Name, phase: phase(p.Phase), at: p.At})
	}
	return steps
}

// product is the header that names the gateway, or a zero field.
func (c *compiler) product() gateway.Field {
	name := c.g.Service.Behaviour.ProductHeader
	if name == "-" {
		return gateway.Field{}
	}
	version := c.env.Product[strings.LastIndexByte(c.env.Product, ' ')+1:]
	if c.g.Router.HideVersion {
		version = "undefined"
	}
	return gateway.Field{Name: gateway.Canonical(name), Value: "Version " + version}
}

// routes compiles every endpoint and the table that finds them.
func (c *compiler) routes() {
	r := c.g.Router
	table := route.NewBuilder[*Endpoint](route.Options{
		DisableRest:                  c.g.Service.DisableRest,
		DisableTrailingSlashRedirect: r.NoTrailingSlash,
		DisableFixedPathRedirect:     r.NoFixedPath,
		RemoveExtraSlash:             r.RemoveExtraSlash,
		DisablePathDecoding:          r.NoPathDecoding,
		DisableMethodNotAllowed:      r.NoMethodNotAllowed && !r.AutoOptions,
	})
	for i, e := range c.g.Service.Endpoints {
		if c.broken[i] {
			c.inspect(e)
			continue
		}
		compiled := c.endpoint(e)
		if compiled == nil {
			continue
		}
		if err := table.Add(compiled.Method, compiled.Pattern, compiled); err != nil {
			c.report(e.Node, "endpoint", config.Error, config.CodeDuplicateEndpoint, fmt.Errorf("%w; remove one of the two", err))
			continue
		}
		c.g.Endpoints = append(c.g.Endpoints, compiled)
	}
	c.g.table = table.Build()
}

// inspect finds what else is wrong with an endpoint that will not be served: its
// components are built and dropped.
func (c *compiler) inspect(e *config.Endpoint) {
	if e == nil || e.Node == nil {
		return
	}
	e.Backend = slices.DeleteFunc(e.Backend, func(b *config.Backend) bool { return b == nil || b.Node == nil })
	names, _ := route.CheckPattern(e.Endpoint, c.g.Service.DisableRest) // an error is for endpoint to report
	site := component.NewEndpointSite(c.env, c.service, e, names)
	if len(e.Backend) > 0 { // components of an endpoint count on that
		c.build(component.InEndpoint, e.Node, e.ExtraConfig, site.Build)
		c.problems = append(c.problems, site.Problems()...)
	}
	for _, be := range e.Backend {
		site := component.NewBackendSite(c.env, site, be)
		c.build(component.InBackend, be.Node, be.ExtraConfig, site.Build)
		c.problems = append(c.problems, site.Problems()...)
	}
}

func (c *compiler) endpoint(e *config.Endpoint) *Endpoint {
	rest := c.g.Service.DisableRest
	names, err := route.CheckPattern(e.Endpoint, rest)
	if err != nil {
		c.report(e.Node, "endpoint", config.Error, config.CodeInvalidPath,
			fmt.Errorf("the endpoint %s is invalid: %w", e.Endpoint, err))
		c.inspect(e)
		return nil
	}
	if strings.Contains(e.Endpoint, "/:") {
		c.report(e.Node, "endpoint", config.Warning, config.CodeSuspicious,
			fmt.Errorf("the colon in %s is taken literally; write {name} for a variable", e.Endpoint))
	}
	if e.Endpoint == "/__catchall" {
		c.report(e.Node, "endpoint", config.Warning, config.CodeSuspicious,
			errors.New("the path is an ordinary one here: requests for unknown paths are answered with 404; write wildcards for what should be served"))
	}
	site := component.NewEndpointSite(c.env, c.service, e, names)
	c.build(component.InEndpoint, e.Node, e.ExtraConfig, site.Build)
	c.problems = append(c.problems, site.Problems()...)

	b := &endpointBuilder{compiler: c, config: e, site: site}
	return b.build()
}

// endpointBuilder puts the plan of one endpoint together.
type endpointBuilder struct {
	*compiler
	config  *config.Endpoint
	site    *component.EndpointSite
	real    []*branchPlan
	shadows []*branchPlan
	whole   bool // a stage looks at the client's body
}

func (b *endpointBuilder) build() *Endpoint {
	e := b.config
	for i, be := range e.Backend {
		if bp := b.backend(i, be); bp != nil {
			if bp.shadow {
				b.shadows = append(b.shadows, bp)
			} else {
				b.real = append(b.real, bp)
			}
		}
	}
	if !b.sound() {
		return nil
	}
	b.checkNeeds(&b.site.Site, e.OutputEncoding == "no-op")
	enc := b.encode(newEncode(b.g.Service, e, b.g.Router.ErrorMessages, b.g.product))
	b.placed = append(append(b.placed[:0], b.site.Placed()...),
		component.Placed{Phase: uint8(component.EndpointEncode), Name: "encode", Stage: enc,
			At: cmp.Or(keyPos(e.Node, "output_encoding"), keyPos(b.g.Service.Node, "output_encoding"))})
	sel := &selected{
		header:  newHeaderSelection(e.InputHeaders, b.env.Product, b.g.Service.ExpectContinueTimeout > 0),
		query:   newSelection(e.InputQueryStrings, false),
		maximum: int64(b.g.Service.MaxBodyBytes),
		whole:   b.whole,
		upgrade: b.site.Arrangement().Upgrade,
	}
	steps := makeSteps(b.placed, func(p uint8) string { return component.EndpointPhase(p).String() },
		step{enter: sel, name: "select", phase: "select", at: e.Node.Pos})
	return &Endpoint{
		Method:     string(e.Method),
		Pattern:    e.Endpoint,
		Config:     e,
		plan:       &Plan{steps: steps, tail: b.tail(), name: "backends", at: e.Node.Pos, limit: time.Duration(e.Timeout)},
		branches:   slices.Concat(b.real, b.shadows),
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
func (c *compiler) encode(enc encode) *encode {
	if shared := c.encodes[enc]; shared != nil {
		return shared
	}
	shared := new(encode)
	*shared = enc
	c.encodes[enc] = shared
	return shared
}

// sound checks what only shows when all backends are known.
func (b *endpointBuilder) sound() bool {
	e := b.config
	fail := func(key, code string, err error) bool {
		b.report(e.Node, key, config.Error, code, err)
		return false
	}
	if len(b.real) == 0 {
		if len(b.shadows) > 0 {
			return fail("backend", config.CodeNoBackend, errors.New("all backends are shadows, so nobody answers; add a backend without shadow"))
		}
		return false // reported where it was found
	}
	if e.OutputEncoding == "no-op" && len(b.real) > 1 {
		return fail("output_encoding", config.CodeNoOpMerge, errors.New(
			"can not use NoOp encoding with more than one backends connected to the same endpoint; keep one backend, or choose an encoding that can merge"))
	}
	a := b.site.Arrangement()
	if len(a.Upgrade) > 0 && !b.checkUpgrade() {
		return false
	}
	if e.Method != "GET" && len(b.real) > 1 && !a.AllowMultipleWrites {
		var writes []string
		last := len(b.real) - 1
		ordered := a.Sequential
		for i, bp := range b.real {
			if bp.config.Method != "GET" {
				writes = append(writes, fmt.Sprintf("backend[%d] %s %s", i, bp.config.Method, bp.config.URLPattern))
				ordered = ordered && i == last
			}
		}
		if len(writes) > 0 && !ordered {
			return fail("backend", config.CodeSeveralWrites, fmt.Errorf(
				"%s %s writes through %s; a write cannot be undone when another call fails: make the endpoint sequential with its only write in last place, or lift the rule with \"proxy\": {\"allow_multiple_writes\": true}",
				e.Method, e.Endpoint, strings.Join(writes, ", ")))
		}
	}
	if e.ConcurrentCalls > 1 && slices.ContainsFunc(b.real, func(bp *branchPlan) bool { return bp.config.Method != "GET" && bp.config.Method != "HEAD" }) {
		b.report(e.Node, "concurrent_calls", config.Warning, config.CodeSuspicious,
			fmt.Errorf("each write is sent %d times; keep concurrent_calls for calls that may be repeated", e.ConcurrentCalls))
	}
	return true
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

// share returns a part of the endpoint's timeout; 0 when it is the whole.
func (b *endpointBuilder) share(percent int) time.Duration {
	if percent == 100 {
		return 0
	}
	return time.Duration(b.config.Timeout) * time.Duration(percent) / 100
}

// tail arranges the calls.
func (b *endpointBuilder) tail() gateway.Connector {
	limit := int64(b.g.Service.MaxBodyBytes)
	var sh *shadows
	if len(b.shadows) > 0 {
		sh = &shadows{wg: &b.g.shadows, limit: limit}
		for _, bp := range b.shadows {
			sh.plans = append(sh.plans, shadowPlan{bp.plan, bp.plan.limit})
			bp.plan.limit = 0 // the shadow's own deadline is independent of the client
		}
	}
	branches := make([]branch, len(b.real))
	for i, bp := range b.real {
		branches[i] = branch{run: bp.plan, decodes: bp.config.Encoding != "no-op"}
		if bp.calls > 1 {
			branches[i].run = &race{plan: bp.plan, calls: bp.calls, deadline: b.share(b.g.Service.Behaviour.ConcurrentDeadline)}
		}
	}
	a := b.site.Arrangement()
	deadline := b.share(b.g.Service.Behaviour.MergeDeadline)
	var tail gateway.Connector
	switch {
	case len(branches) == 1:
		one := single{branch: branches[0], copies: b.real[0].calls > 1, limit: limit, shadows: sh}
		if !one.decodes && b.config.OutputEncoding != "no-op" {
			return &empty{one}
		}
		return &one
	case a.Sequential:
		tail = &sequence{branches: branches, propagate: parsePropagated(a.Propagate), limit: limit, deadline: deadline, shadows: sh}
	default:
		tail = &parallel{branches: branches, limit: limit, deadline: deadline, shadows: sh}
	}
	if needs := demandsOf(b.real); len(needs) > 0 {
		tail = &demanding{needs, tail}
	}
	return tail
}

func parsePropagated(names []string) []propagated {
	out := make([]propagated, len(names))
	for i, name := range names {
		if n, path, ok := parseResult(name); ok {
			out[i] = propagated{n, strings.Split(path, ".")}
		} else if n, _, ok := parseResult(name + "_x"); ok {
			out[i] = propagated{index: n}
		}
	}
	return out
}

// backend compiles one backend; it returns nil after reporting why it cannot.
func (b *endpointBuilder) backend(i int, be *config.Backend) *branchPlan {
	site := component.NewBackendSite(b.env, b.site, be)
	b.compiler.build(component.InBackend, be.Node, be.ExtraConfig, site.Build)
	b.problems = append(b.problems, site.Problems()...)
	b.checkNeeds(&site.Site, be.Encoding == "no-op")
	if len(b.site.Arrangement().Upgrade) > 0 {
		b.checkTunnelled(site)
	}
	b.checkShape(be)
	call := site.Call()
	bp := &branchPlan{config: be, shadow: call.Shadow != nil, calls: b.config.ConcurrentCalls}
	if bp.shadow {
		bp.calls = 1
	}
	tail := call.Connector
	if tail == nil {
		var err error
		if tail, err = b.newHTTP(site, call); err != nil {
			b.problems = append(b.problems, be.Node.Problems(config.Error, config.CodeInvalid, err)...)
		}
	}
	addr := b.newAddress(i, be)
	if addr == nil || tail == nil {
		return nil
	}
	bp.demands = demands(be, addr.template, b.site.Params())
	addr.compress = !call.Transport.DisableCompression
	b.placed = append(append(b.placed[:0], site.Placed()...),
		component.Placed{Phase: uint8(component.BackendAddress), Name: "address", Stage: addr, At: be.Node.Pos},
		component.Placed{Phase: uint8(component.BackendShape), Name: "shape", Stage: newShape(b.g.Service, be, call.Reshape),
			At: cmp.Or(keyPos(be.Node, "encoding", "is_collection", "target", "allow", "deny", "mapping", "group"), be.Node.Pos)})
	bp.plan = &Plan{steps: makeSteps(b.placed, func(p uint8) string { return component.BackendPhase(p).String() }), tail: tail, name: "call", at: be.Node.Pos}
	if bp.shadow {
		bp.plan.limit = cmp.Or(call.Shadow.Timeout, time.Duration(b.config.Timeout))
	}
	return bp
}

// newAddress compiles the url_pattern and the filters of a backend.
func (b *endpointBuilder) newAddress(i int, be *config.Backend) *address {
	t, err := parseTemplate(be.URLPattern, b.site.Params())
	if errors.Is(err, errEscape) {
		b.report(be.Node, "url_pattern", config.Error, config.CodeInvalidPath, err)
		return nil
	}
	if err != nil {
		b.report(be.Node, "url_pattern", config.Error, config.CodeUndefinedVariable, fmt.Errorf(
			"%w! endpoint: %s %s, backend: %d. input: [%s]; use a variable of the endpoint, {respN_field}, {JWT.claim}, {input_headers.Name} or {input_query_strings.name}",
			err, b.config.Method, b.config.Endpoint, i, strings.Join(b.site.Params(), " ")))
		return nil
	}
	b.checkSources(i, be, t)
	a := newAddress(be.Method, t, strings.HasSuffix(b.config.Endpoint, "/*"))
	a.decodes = be.Encoding != "no-op"
	a.queries, a.query = len(be.InputQueryStrings) > 0, newSelection(be.InputQueryStrings, false)
	a.header = newHeaderFilter(be.InputHeaders, b.env.Product)
	return a
}

// checkSources warns of placeholders that can never have a value.
func (b *endpointBuilder) checkSources(i int, be *config.Backend, t *template) {
	warn := func(err error) { b.report(be.Node, "url_pattern", config.Warning, config.CodeSuspicious, err) }
	if highest := t.results(); highest >= 0 {
		switch {
		case !b.site.Arrangement().Sequential || len(b.config.Backend) == 1:
			warn(errors.New(`{resp…} has a value in a sequence only, so this backend always fails; write "proxy": {"sequential": true} on the endpoint`))
		case highest >= i:
			warn(fmt.Errorf("{resp%d_…} is not the answer of an earlier backend, so this backend always fails", highest))
		}
	}
	if t.uses(fromClaim) && !b.site.Has("auth/validator") {
		warn(errors.New("{JWT.…} has a value behind auth/validator only, so this backend always fails; add the validator to the endpoint"))
	}
}

// checkShape warns of keys that would shape an answer and cannot.
func (c *compiler) checkShape(be *config.Backend) {
	warn := func(key, why string) {
		c.report(be.Node, key, config.Warning, config.CodeSuspicious, errors.New("has no effect "+why))
	}
	if be.Encoding == "no-op" {
		for _, key := range []struct {
			name string
			set  bool
		}{
			{"is_collection", be.IsCollection},
			{"target", be.Target != ""},
			{"allow", len(be.Allow) > 0},
			{"deny", len(be.Deny) > 0},
			{"mapping", len(be.Mapping) > 0},
			{"group", be.Group != ""},
		} {
			if key.set {
				warn(key.name, "with encoding no-op, which passes the answer as it is; remove it, or choose an encoding that decodes")
			}
		}
		return
	}
	if len(be.Allow) > 0 && len(be.Deny) > 0 {
		warn("deny", "beside allow; remove one of them")
	}
}

// newHTTP returns the connector that calls the hosts of a backend by HTTP:
// choose a host, call it, unpack, follow redirects.
func (c *compiler) newHTTP(s *component.BackendSite, call component.Call) (gateway.Connector, error) {
	be := s.Config()
	if len(be.Host) == 0 {
		return nil, config.At("host", errors.New("no host; write a list of hosts here or at the root"))
	}
	client, err := c.env.Dial(call.Transport, nil)
	if err != nil {
		owner := s.Config().ExtraConfig["backend/http/client"] // of the settings that are wrong
		if call.Transport.ClientTLS == c.g.Service.ClientTLS {
			owner = c.g.Service.Node
		}
		return nil, config.Join(owner.Problems(config.Error, config.CodeInvalid, err))
	}
	next := &unpacked{client}
	first, err := c.hosts(s, next)
	if err != nil {
		return nil, config.At("host", err)
	}
	if call.Redirects.Return {
		return first, nil
	}
	return &redirected{first: first, next: next, sendBody: call.Redirects.SendBody, limit: int64(c.g.Service.MaxBodyBytes)}, nil
}

// hosts returns the connector that chooses among the hosts of a backend.
func (c *compiler) hosts(s *component.BackendSite, next splitter) (gateway.Connector, error) {
	be := s.Config()
	if be.SD != "static" {
		if slices.ContainsFunc(be.Host, func(h string) bool { return strings.Contains(h, "{") }) {
			return nil, errors.New("a name that is looked up cannot hold placeholders; remove sd, or write the name out")
		}
		return c.discovered(s, next)
	}
	hosts := c.callable(be)
	if len(hosts) == 0 {
		return gateway.ConnectorFunc(noHost), nil
	}
	if slices.ContainsFunc(hosts, func(h string) bool { return strings.Contains(h, "{") }) {
		t := &templated{next: next}
		for _, h := range hosts {
			host, err := parseHostTemplate(h, s.Endpoint().Params())
			if err != nil {
				return nil, err
			}
			t.hosts = append(t.hosts, host)
		}
		return t, nil
	}
	if len(hosts) == 1 {
		return &direct{parseServer(hosts[0]), next}, nil
	}
	// What is known about the health of hosts survives a reload.
	set, err := component.Keep(&s.Site, "hosts\x00"+strings.Join(hosts, "\x00"), func() (*balance.Set, func(), error) {
		set, err := balance.NewStatic(hosts, balance.Options{Clock: c.env.Clock})
		return set, nil, err
	})
	if err != nil {
		return nil, err
	}
	return c.balanced(be, set, next)
}

// callable returns the hosts of a backend that HTTP can reach, and warns of the
// others, which disable_host_sanitize lets in.
//
// Compatibility: KrakenD starts with such hosts too, and their calls fail.
func (c *compiler) callable(be *config.Backend) []string {
	if !be.DisableHostSanitize {
		return be.Host
	}
	var hosts []string
	for i, h := range be.Host {
		key := be.Node.ItemPath("host", i)
		scheme, rest, found := strings.Cut(h, "://")
		authority, _, _ := strings.Cut(rest, "/")
		switch {
		case !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
			c.report(be.Node, key, config.Warning, config.CodeInvalidHost,
				fmt.Errorf("host %s does not begin with http:// or https://, so it is never called; write the scheme", config.MaskUser(h)))
		case strings.Contains(authority, "@"):
			c.report(be.Node, key, config.Error, config.CodeInvalidHost,
				fmt.Errorf("host %s holds user information, which is not sent; remove it", config.MaskUser(h)))
		case strings.ContainsAny(authority, "?#") || strings.Contains(h, "#"):
			c.report(be.Node, key, config.Error, config.CodeInvalidHost,
				fmt.Errorf("host %s holds a query or a fragment; write it into url_pattern", h))
		default:
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func (c *compiler) balanced(be *config.Backend, set *balance.Set, next splitter) (gateway.Connector, error) {
	strategy, err := balance.ParseStrategy(string(be.Balance))
	if err != nil {
		return nil, err
	}
	return &balanced{balance.New(set, strategy), next}, nil
}

// discovered returns the connector of a backend whose hosts are looked up.
func (c *compiler) discovered(s *component.BackendSite, next splitter) (gateway.Connector, error) {
	be := s.Config()
	_, name, found := strings.Cut(be.Host[0], "://")
	if !found {
		name = be.Host[0]
	}
	o := balance.DiscoveryOptions{
		Options:  balance.Options{Clock: c.env.Clock},
		Resolver: c.Resolver,
		TTL:      time.Duration(c.g.Service.DNSCacheTTL),
		Report: func(name string, err error) {
			if err != nil {
				c.env.Log.Logger().Warn("service discovery failing, last hosts kept", "name", name, "error", err)
				return
			}
			c.env.Log.Logger().Info("service discovery works again", "name", name)
		},
	}
	id := fmt.Sprintf("srv\x00%s\x00%s\x00%d", name, be.SDScheme, o.TTL)
	if be.SD == "dns" {
		id += fmt.Sprintf("\x00%s", be.Node.Path())
	}
	d, err := component.Keep(&s.Site, id, func() (*balance.Discovery, func(), error) {
		d, err := balance.NewDiscovery(name, o)
		return d, nil, err
	})
	if err != nil {
		return nil, err
	}
	s.OnStart(func(ctx context.Context) error { d.Start(ctx); return nil })
	s.OnClose(func(context.Context) error { d.Close(); return nil })
	return c.balanced(be, d.Hosts(string(be.SDScheme)), next)
}
