package compile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/check"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/fanout"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/plan"
	"github.com/sluice-gateway/sluice/internal/route"
)

// Options are what a compilation needs from outside.
type Options struct {
	Registry *component.Registry
	Env      *component.Env   // Service is filled in by Compile
	Resolver balance.Resolver // nil for the resolver of the system

	// Missing returns what is known of a namespace that is not built yet, nil if there
	// is none of that name; it may be nil.
	Missing func(component.Scope, string) *component.Absent

	// Published returns the names of all namespaces there are or were, with those of
	// today as values: what is not built counts in finding what was meant. It is
	// asked when something looks wrong; nil knows no names.
	Published func() map[string]string

	Without bool                                   // what is not built yet is left out, with a warning
	Machine func() []string                        // names and addresses of this machine, beside the loopback ones; may be nil
	Ready   func() bool                            // what /__ready answers; nil for always
	Adjust  func(*model.Service)                   // changes the resolved service; nil changes nothing
	Check   func(*model.Service) []*config.Problem // more to look at before anything is compiled; may be nil
}

// A Generation is a compiled configuration. It is immutable; Start and Close
// run what its components registered.
type Generation struct {
	Service   *model.Service // without its Endpoints once the generation has started
	Router    routing.Router
	Endpoints []*Endpoint

	env         *component.Env
	plan        *plan.Plan
	table       *route.Table[*Endpoint]
	pipes       []*assembled // of the service; nil once the generation has started
	allow       string       // what OPTIONS * answers
	client      message.ClientAddress
	taken       message.HeaderSelection // of what sources bring
	own         *own
	rendering   *message.Rendering
	serviceTime *plan.ServiceTime // nil where no stage of the service waits
	idHeader    string            // name of the header with the ID of the request; "" for none
	shadows     *fanout.Background
	ready       func() bool

	arrived func(context.Context, *Endpoint) error // see [Generation.StartService]; nil for a generation that has started whole
}

// compiler holds the work in progress.
type compiler struct {
	Options
	env      *component.Env
	g        *Generation
	service  *component.ServiceSite
	broken   map[int]bool                                 // endpoints with an error already
	implicit map[component.Scope][]*component.Declaration // what every site builds
	encodes  map[message.Encode]*message.Encode           // most endpoints encode alike and share the step
	sets     map[string]*balance.Set                      // hosts, by their list
	roots    map[*component.Hosts]*hostList               // the hosts of the root, as they were read
	check    check.Checker
	problems []*config.Problem
	wrong    map[string][]*config.Problem // see errors
	looked   int                          // how many problems are in wrong, or are no errors
	placed   []component.Placed           // of the plan that is being put together
	pipes    []*assembled                 // of the backend that is being built
	built    bool                         // the components of the service are there
	later    []func()                     // to be done then
}

// Compile makes a generation of a document. It returns every problem, sorted
// by place; with an Error among them the generation is nil and everything that
// was kept for it has been released. Compile does not dial.
func Compile(d *config.Document, o Options) (*Generation, []*config.Problem) {
	if o.Machine != nil {
		o.Machine = sync.OnceValue(o.Machine)
	}
	d.Hide(model.Root(), o.Registry.Options)
	svc, problems := model.Resolve(d)
	if o.Adjust != nil {
		o.Adjust(svc)
	}
	if o.Check != nil {
		problems = append(problems, o.Check(svc)...)
	}
	if svc.Node != nil {
		problems = append(problems, d.Leftovers(model.Root(), o.Registry.Options)...)
	}
	problems = d.Judge(problems)
	c := &compiler{Options: o, env: o.Env, problems: problems, encodes: make(map[message.Encode]*message.Encode), sets: make(map[string]*balance.Set)}
	c.check = check.Checker{Env: o.Env, Published: o.Published, Without: o.Without, Machine: o.Machine,
		Report: func(p *config.Problem) { c.problems = append(c.problems, p) }}
	c.implicit = make(map[component.Scope][]*component.Declaration)
	for _, d := range o.Registry.All() {
		if d.Implicit == d.Scope {
			c.implicit[d.Scope] = append(c.implicit[d.Scope], d)
		}
	}
	c.env.Service, c.env.Registry, c.env.Missing, c.env.Mask = svc, o.Registry, o.Missing, d.Masker()
	c.g = &Generation{Service: svc, env: o.Env, idHeader: idHeader(svc), shadows: fanout.NewBackground(), ready: o.Ready}
	c.env.Pipe = c.pipe
	if svc.Node != nil {
		c.broken = broken(problems, "endpoints")
		if err := c.safely(); err != nil {
			c.problems = append(c.problems, svc.Node.Problem(config.Error, config.CodeInvalid, err))
		}
	}
	c.env.Pipe = nil // which would keep all of this
	c.problems = c.check.Policy(d, config.Foremost(c.problems))
	c.problems = d.Judge(c.problems)
	config.Sort(c.problems)
	c.problems = slices.CompactFunc(c.problems, func(a, b *config.Problem) bool { // what many share is looked at many times
		return a.At == b.At && a.Path == b.Path && a.Err.Error() == b.Err.Error()
	})
	d.Mask(c.problems)
	if config.HasErrors(c.problems) {
		if len(c.problems) >= config.Enough {
			c.problems = slices.Insert(config.Foremost(c.problems), 0, &config.Problem{At: config.Pos{File: d.File}, Code: config.CodeInvalid,
				Err: fmt.Errorf("nobody looks for more than these %d problems; mend them first", config.Enough)})
		}
		discard(o.Env)
		return nil, c.problems
	}
	return c.g, c.problems
}

// idHeader returns the name of the header that carries the ID of a request, "" for
// none.
func idHeader(s *model.Service) string {
	name := s.Behaviour.RequestIDHeader
	if name == "-" {
		return ""
	}
	return gateway.Canonical(name)
}

// broken returns the indices of what is listed at a key of the root, such as the endpoints,
// that problems keep from being looked at any further.
func broken(problems []*config.Problem, key string) map[int]bool {
	broken := make(map[int]bool)
	for _, p := range problems {
		var i int
		if _, err := fmt.Sscanf(strings.ToLower(p.Path), key+"[%d]", &i); err == nil && p.Severity == config.Error {
			broken[i] = true
		}
	}
	return broken
}

func (c *compiler) report(n *config.Node, key string, sev config.Severity, code string, err error) {
	c.problems = append(c.problems, n.ProblemAt(key, sev, code, err))
}

// safely is compile for those who go on if what a component has written panics where
// nobody knows whose it is, such as at the reading of hosts.
func (c *compiler) safely() (err error) {
	defer gateway.Recover("", &err)
	c.compile()
	return nil
}

func (c *compiler) compile() {
	c.rename()
	c.service = component.NewServiceSite(c.env)
	c.build(component.InService, c.g.Service.Node, c.g.Service.ExtraConfig, c.service.Build)
	c.g.Router, _ = component.Shared(c.env, routing.Key)
	c.g.Service.UseH2C = c.g.Service.UseH2C || c.g.Router.UseH2C // its old place
	c.g.client = message.NewClientAddress(c.g.Router)
	c.g.taken = message.NewHeaderSelection(everything, c.env.Product, &c.g.client, c.g.Service.ExpectContinueTimeout > 0, c.g.Service.Behaviour.MaxHops > 0)
	c.g.rendering = &message.Rendering{
		Problem:   c.g.Service.Behaviour.ErrorBody == "problem",
		ByCause:   c.g.Service.Behaviour.ErrorStatus == "by_cause",
		Completed: c.g.Service.Behaviour.CompletedHeader,
		Product:   c.product(),
	}
	c.check.Root()

	c.built = true
	for _, compile := range c.later {
		compile()
	}
	c.agents()
	c.routes()
	c.service.Finish()
	c.problems = append(c.problems, c.service.Problems()...)
	c.g.own = c.newOwn()
	steps := c.service.Placed()
	steps = append(steps,
		component.Placed{Phase: uint8(component.ServiceRender), Name: "render", Stage: c.g.rendering, Prompt: true},
		component.Placed{Phase: uint8(component.ServiceOwn), Name: "own", Stage: c.g.own, Prompt: true})
	var tail gateway.Connector = gateway.ConnectorFunc(c.g.route)
	if limit := time.Duration(c.g.Service.ServiceTimeout); limit > 0 && slices.ContainsFunc(steps, func(p component.Placed) bool { return !p.Prompt }) {
		c.g.serviceTime = &plan.ServiceTime{Limit: limit, Log: c.env.Log, Clock: c.env.Clock}
		tail = plan.Paused{Connector: tail}
	}
	c.g.plan = plan.Blueprint{
		Placed: steps, Phase: func(p uint8) string { return component.ServicePhase(p).String() },
		Tail: tail, Name: "route",
	}.Plan()
	for i, p := range c.env.Ports {
		c.env.Ports[i].By = plan.Blueprint{Tail: p.By, Name: "port", At: p.At, Limit: portLimit, Title: plan.Title{Of: plan.OfPort, Subject: p.Name}}.Plan()
	}
	for i, s := range c.env.Sources {
		c.env.Sources[i].By = plan.Blueprint{Tail: s.By, Name: "source", Title: plan.Title{Of: plan.OfSource, Subject: s.Name}}.Plan()
	}
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
		AutoOptions:                  r.AutoOptions,
		DisableMethodNotAllowed:      r.NoMethodNotAllowed && !r.AutoOptions,
	})
	table.Head(func(e *Endpoint) bool { return !e.moves })
	for i, e := range c.g.Service.Endpoints {
		if c.enough() {
			break
		}
		place := c.claim(table, e)
		if c.broken[i] {
			c.inspect(e)
			continue
		}
		if compiled := c.endpoint(e); compiled != nil && place != nil {
			*place = *compiled
			c.g.Endpoints = append(c.g.Endpoints, place)
		}
	}
	if len(c.roots) == 0 {
		c.rootHosts(callee{Hosts: component.HTTPHosts})
	}
	c.g.table = table.Build()
	c.g.allow = everywhere(c.g.table.Methods())
	c.methods()
}

// methods has endpoints judged that serve, for their method, the paths of others.
func (c *compiler) methods() {
	served := make([]*model.Endpoint, len(c.g.Endpoints))
	for i, e := range c.g.Endpoints {
		served[i] = e.Config
	}
	c.check.Methods(served, c.g.table.Methods(), func(method, pattern string) *model.Endpoint {
		e, ok := c.g.table.Covering(method, pattern)
		if !ok || e.plan == nil {
			return nil // of an endpoint with errors its place alone is there
		}
		return e.Config
	})
}

// enough reports whether there are so many problems, an Error among them, that nobody
// wants more.
func (c *compiler) enough() bool {
	return len(c.problems) >= config.Enough && len(c.errors()) > 0
}

// errors returns the errors so far, by their paths.
func (c *compiler) errors() map[string][]*config.Problem {
	if c.wrong == nil {
		c.wrong = make(map[string][]*config.Problem)
	}
	for _, p := range c.problems[c.looked:] {
		if p.Severity == config.Error {
			c.wrong[p.Path] = append(c.wrong[p.Path], p)
		}
	}
	c.looked = len(c.problems)
	return c.wrong
}

// claim routes an endpoint that is not compiled yet, and returns the place for it. It
// reports one whose requests an earlier endpoint takes, whatever else is wrong with
// either; then there is no place.
func (c *compiler) claim(table *route.Builder[*Endpoint], e *model.Endpoint) *Endpoint {
	if e == nil || e.Node == nil {
		return nil
	}
	place := &Endpoint{Config: e}
	err := table.Add(string(e.Method), e.Endpoint, place)
	if err == nil {
		return place
	}
	if taken, ok := errors.AsType[*route.Taken[*Endpoint]](err); ok {
		c.report(e.Node, "endpoint", config.Error, config.CodeDuplicateEndpoint,
			fmt.Errorf("%w at %s; remove one of the two", err, keyPos(taken.By.Config.Node, "endpoint")))
	}
	return nil // a pattern that is none is for endpoint to report
}

// inspect finds what else is wrong with an endpoint that will not be served: its
// components are built and dropped.
func (c *compiler) inspect(e *model.Endpoint) {
	if e == nil || e.Node == nil {
		return
	}
	e.Backend = slices.DeleteFunc(e.Backend, func(b *model.Backend) bool { return b == nil || b.Node == nil })
	names, _ := route.CheckPattern(e.Endpoint, c.g.Service.DisableRest) // an error is for endpoint to report
	site := component.NewEndpointSite(c.env, c.service, e, names)
	if len(e.Backend) > 0 { // components of an endpoint count on that
		c.build(component.InEndpoint, e.Node, e.ExtraConfig, site.Build)
	}
	b := &endpointBuilder{compiler: c, config: e, site: &site.PipeSite}
	b.readHosts()
	b.inspect()
}
