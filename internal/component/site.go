package component

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

// A Clock tells the time.
type Clock func() time.Time

// Env is what a generation gives to all of its sites.
type Env struct {
	Service *model.Service

	// Registry holds the components there are, and Missing returns what is known of one
	// that is not built yet, nil of all others. Compile fills them in; they may be nil.
	Registry *Registry
	Missing  func(Scope, string) *Absent

	Product string // name and version, as User-Agent shows them
	Clock   Clock
	Keeper  *Keeper

	// Dial returns a connector that speaks HTTP to backends with these
	// settings. Equal settings share their connections. It does not dial.
	// A nil TLS configuration stands for what the settings say.
	Dial func(model.Transport, *tls.Config) (gateway.Connector, error)

	// TLS returns the settings towards a server that options with their files stand
	// for, and what is allowed in them and probably not meant. Both are relative to
	// the options.
	TLS func(*model.ClientTLS) (settings *tls.Config, warnings []error, err error)

	// Pipe compiles a pipe of the scope, which stands in a backend or, if that is nil,
	// in the service. What is wrong with it is reported.
	Pipe func(scope Scope, in *BackendSite, e *model.Endpoint) gateway.Connector

	// Log receives what happens; components may replace its end.
	Log *Log

	// Stdout and Stderr are the streams of the process, for components that log;
	// nil where nothing is to be said.
	Stdout, Stderr telemetry.Output

	// Mask replaces the secrets of the configuration in a text of the log; nil if
	// there are none.
	Mask func(string) string

	// Reads is told of every file that the generation is made from, before it is
	// read. It may be nil.
	Reads func(name string)

	// SkipFiles is that no file is read that the options of components name.
	SkipFiles bool

	// Getenv returns a variable of the environment, "" if it is not set; nil stands for
	// [os.Getenv].
	Getenv func(name string) string

	Sources []Source
	Ports   []Port
	Health  []Health

	Hooks
	Observers []Observer
	told      map[string]Health // all of Health by name
	shared    map[any]any
	gathered  map[any]any // lists of Gathered
	release   []release
}

// A Source is a source of exchanges with what answers them.
type Source struct {
	Name string
	gateway.Source
	By gateway.Connector

	// Kept is what an agent has in common with the one of that name in the next generation
	// if nothing has changed of how messages are taken. The two run beside each other then.
	// One with another value waits for those before it that have its name, and a source
	// that has none waits for all.
	Kept any

	// End gives back what was kept for the agent, its connection among it, once it has
	// ended: the generation may live on for long. It is nil for others.
	End func() error
}

// An Observer is one with the name of who registered it.
type Observer struct {
	Name string // namespace
	telemetry.Observer
}

// Tell tells the observer how an exchange ended. An error is that it panicked.
func (o Observer) Tell(x *gateway.Exchange, how telemetry.Outcome) (err error) {
	defer gateway.Recover(o.Name, &err)
	o.Observe(x, how)
	return nil
}

// Health is the state of something that the gateway depends on.
type Health struct {
	Name     string // of its own
	Critical bool   // the gateway is not ready without it
	State    func() (text string, ok bool)
	At       config.Pos

	by string // the namespace
}

// Placed is a stage at its place in a plan, or what stands around the rest of it.
type Placed struct {
	Phase  uint8
	Name   string // namespace, or the name of a core step
	Stage  gateway.Stage
	Around Around // instead of a stage
	At     config.Pos

	Prompt bool // it waits for nobody and measures nothing; see [BackendSite.Prompt]
}

// An Around returns a connector that runs next as often as it likes, on another
// exchange or not at all. Next is the part of the plan that is further in. It is
// called once for each plan, when that is put together.
//
// When a run is over x.Request is again what it was before, but for the host that was
// called and whether it was reached; with a further run on the exchange the rest becomes
// what it was, too, and the answer is gone. So it is the same request again, and only what
// is made of x.Request between two runs is in the second. A body that was not in memory
// when a run began has gone with it: next fails then. Whoever means to run it again states
// [Site.Needs] with Raw for the request, at an endpoint or a backend.
type Around func(next gateway.Connector) gateway.Connector

// Site is what all sites have in common.
type Site struct {
	env *Env
	of  *model.Endpoint // or agent, that it is a part of; nil for the service
	owner
	problems []*config.Problem
	placed   []Placed
	needs    []Need
	slots    int
	numbered bool              // those of narrower sites have the numbers behind
	withheld bool              // the component that is built has no hosts to call
	last     []last            // what Finally registered
	claims   map[string]string // by what one component alone may do, the one that does
	releases *releases         // of what is kept for the site alone; nil if that lives as long as the generation
}

// An owner is the namespace that is being built at a site, "" between two.
type owner struct {
	name     string
	node     *config.Node // its options; nil when it is implicit
	protects bool         // it guards something
}

// Log returns a logger that names the component. It is taken in build, or in the hooks of
// the start and the end: whoever comes later has no name at the site.
func (s *Site) Log() *slog.Logger { return s.env.Log.Logger().With("component", s.name) }

// Clock returns the clock of the gateway.
func (s *Site) Clock() Clock { return s.env.Clock }

// Service returns the configuration of the service.
func (s *Site) Service() *model.Service { return s.env.Service }

// Product returns name and version of the gateway, as User-Agent shows them.
func (s *Site) Product() string { return s.env.Product }

// Registry returns the components there are, for messages that say what to write. It
// may be nil.
func (s *Site) Registry() *Registry { return s.env.Registry }

// Declared reports whether the configuration names the component. It is false
// for an implicit component that runs on its defaults.
func (s *Site) Declared() bool { return s.node != nil }

// Written reports whether the options have a value at key, be it that of the defaults.
func (s *Site) Written(key string) bool { return s.node.GetFold(key) != nil }

// Dial returns a connector that speaks HTTP with the given settings, for
// what a component asks of the world by itself. It does not dial.
func (s *Site) Dial(t model.Transport) (gateway.Connector, error) { return s.env.Dial(t, nil) }

// DialTLS is Dial with a TLS configuration that the settings cannot express.
func (s *Site) DialTLS(t model.Transport, c *tls.Config) (gateway.Connector, error) {
	return s.env.Dial(t, c)
}

// TLS returns the settings that the options at key stand for, nil for the defaults.
// Their files are of those that the generation is made from, as ReadFile has it. What
// is probably not meant is reported; the error is one of the build.
func (s *Site) TLS(key string, c *model.ClientTLS) (*tls.Config, error) {
	settings, warnings, err := s.env.TLS(c)
	if s.node != nil {
		for _, w := range warnings {
			s.problems = append(s.problems, s.node.Problems(config.Warning, config.CodeSuspicious, config.At(key, w))...)
		}
	}
	return settings, config.At(key, err)
}

// ReadFile returns what a file holds that the options name, as [config.ReadFile] does. The
// generation is made from it: a gateway that watches its configuration reloads when it
// changes, or when it appears.
func (s *Site) ReadFile(name string) ([]byte, error) {
	if s.env.SkipFiles {
		return nil, config.ErrSkipped
	}
	if s.env.Reads != nil {
		s.env.Reads(name)
	}
	return config.ReadFile(name)
}

// Getenv returns a variable of the environment, "" if it is not set: for what has its place
// there by a convention older than the configuration, such as the address of a broker. It is
// read in build. It may be a secret, which no mask knows.
func (s *Site) Getenv(name string) string {
	if s.env.Getenv == nil {
		return os.Getenv(name)
	}
	return s.env.Getenv(name)
}

// Elsewhere reports whether the configuration is judged for another machine, whose files and
// variables nobody knows here. Nothing is started then.
func (s *Site) Elsewhere() bool { return s.env.SkipFiles }

// OnStart registers work for the start of the generation, before it serves.
// An error keeps the generation from going live, so do not return one because a service is
// away: tell [Site.Health]. The context is that of the start: it
// ends when the start is given up, and must not be kept. What goes on afterwards has a
// context of its own, which ends in OnClose.
func (s *Site) OnStart(f Hook) { s.env.onStart(starter{s, s.name}, s.signed(f)) }

// Await registers what a reload waits for behind the start, a moment at most, while the
// generation before still serves: something that the start has begun, such as to connect, so
// that requests find it done. F returns nil when it is done or has failed, at once if that
// was so in a generation before. Its error, when ctx is done, is for the log: the generation
// goes live all the same.
func (s *Site) Await(f Hook) { s.env.await = append(s.env.await, awaiting{s.signed(f), s.of}) }

// OnClose registers work for the end of the generation, after its last
// exchange. Closers run in the opposite order. One that stands behind an OnStart of the
// component, on the next line, runs if that has succeeded: not if the start failed there or
// before. One without, or within an OnStart, runs in any case.
// The context is that of the end: at a stop it ends when nobody waits any longer.
func (s *Site) OnClose(f Hook) { s.env.onClose(starter{s, s.name}, s.signed(f)) }

// signed returns f with the name of the component that registers it at the site while it
// runs. The options it does without: they are of the document, which a generation lets go of.
func (s *Site) signed(f Hook) Hook {
	name := s.name
	return func(ctx context.Context) (err error) {
		s.name = name
		defer func() { s.name = "" }()
		defer gateway.Recover(name, &err)
		return f(ctx)
	}
}

// Health adds to what the health path and the readiness path tell: the text is what is
// known of name, "" while nothing is, and the gateway is not ready as long as something
// critical is not ok. State is called at any time, by several at once. The name is one of
// all sites: a backend's begins with what it calls. What one component tells under one name at
// several sites, such as of a connection that it keeps, is told once: as ok if all of it is,
// else as the first that is not. An error, which is one of the build and relative to the
// name, says which other component has it.
func (s *Site) Health(name string, critical bool, state func() (text string, ok bool)) error {
	h := Health{Name: name, Critical: critical, State: state, by: s.name}
	if s.node != nil {
		h.At = s.node.Pos
	}
	if other, told := s.env.told[name]; told && other.by == s.name {
		h.At, h.Critical = other.At, critical || other.Critical
		h.State = func() (text string, ok bool) {
			if text, ok = other.State(); ok {
				return state()
			}
			return text, ok
		}
		s.env.told[name] = h
		s.env.Health[slices.IndexFunc(s.env.Health, func(h Health) bool { return h.Name == name })] = h
		return nil
	} else if told {
		return fmt.Errorf("%s tells the health of %q, as %s does%s; choose another name for one of the two", s.name, name, other.by, at(other.At))
	}
	if s.env.told == nil {
		s.env.told = make(map[string]Health)
	}
	s.env.told[name] = h
	s.env.Health = append(s.env.Health, h)
	return nil
}

// at says where something stands, and nothing of what the configuration does not name.
func at(p config.Pos) string {
	if p == (config.Pos{}) {
		return ""
	}
	return " at " + p.String()
}

// A Need is the most decoded form in which a component looks at a body.
type Need struct {
	Name              string // namespace
	Request, Response body.Form
	Node              *config.Node // the options; nil when the component is implicit
}

// Needs states the most decoded forms that the stages of the component look
// at: of the request's body, and of the response's. It decodes nothing, which a stage does
// itself, within a limit, by a method of the body. From Raw on, EndpointSelect reads the
// client's whole body into memory, within max_body_bytes or what counts without it, for what
// comes behind it: there Bytes(0) reads no more than that. Above Raw, an answer that is
// passed through makes the configuration wrong. At the service it has no effect.
func (s *Site) Needs(request, response body.Form) {
	s.needs = append(s.needs, Need{s.name, request, response, s.node})
}

// Warn reports something that is allowed and probably not meant. The key is
// relative to the options; "" is the component itself.
func (s *Site) Warn(key string, err error) { s.report(config.Warning, config.CodeSuspicious, key, err) }

// Mistake reports something that can be served and cannot be meant: a warning, or
// an error, as the dialect has it. What would leave a protection open is an
// error that the build returns.
func (s *Site) Mistake(key string, err error) { s.report(config.Warning, config.CodeMistake, key, err) }

// Note reports something that the operator may want to know.
func (s *Site) Note(key string, err error) { s.report(config.Note, config.CodeNote, key, err) }

func (s *Site) report(sev config.Severity, code, key string, err error) {
	if s.node != nil {
		s.problems = append(s.problems, s.node.ProblemAt(key, sev, code, err))
	}
}

func (s *Site) place(phase uint8, st gateway.Stage, prompt bool) {
	s.put(Placed{Phase: phase, Stage: st, Prompt: prompt})
}

func (s *Site) put(p Placed) {
	p.Name = s.name
	if s.node != nil {
		p.At = s.node.Pos
	}
	s.placed = append(s.placed, p)
}

// NewSlot reserves typed state on each exchange of the plan, which lasts as long as that,
// over attempts and redirects. It panics at the site of the service once there are endpoints.
func NewSlot[T any](s *Site) gateway.Slot[T] {
	if s.numbered {
		panic("component: a slot of the service is reserved when endpoints have theirs")
	}
	s.slots++
	return gateway.SlotAt[T](s.slots - 1)
}

// claim notes that the component that is built does something that only one may do; what
// says so, such as "make the call". It is an error if another one does it.
func (s *Site) claim(what string) error {
	if by, taken := s.claims[what]; taken {
		return fmt.Errorf("%s and %s both %s; keep one of the two namespaces", by, s.name, what)
	}
	if s.claims == nil {
		s.claims = make(map[string]string)
	}
	s.claims[what] = s.name
	return nil
}

// build runs one declaration at this site and collects what goes wrong.
func (s *Site) build(d *Declaration, n *config.Node, run func() error) {
	s.run(owner{d.Namespace, n, d.Protects()}, run)
}

// run runs what is an owner's own. A panic is an error of it like others.
func (s *Site) run(o owner, f func() error) {
	s.owner = o
	err := func() (err error) {
		defer gateway.Recover(o.name, &err)
		return f()
	}()
	if err != nil {
		n := o.node
		if n == nil {
			n = s.env.Service.Node
		}
		s.problems = append(s.problems, n.Problems(config.Error, config.CodeInvalid, err)...)
	}
	s.owner = owner{}
}

// Problems returns what went wrong or looks wrong so far.
func (s *Site) Problems() []*config.Problem { return s.problems }

// Placed returns the stages in the order in which they were placed.
func (s *Site) Placed() []Placed { return s.placed }

// Stated returns what the components of the site need.
func (s *Site) Stated() []Need { return s.needs }

// ServiceSite is where components of the service are attached.
type ServiceSite struct {
	Site
	ends []slog.Handler // of the log, by components that are named
}

// NewServiceSite returns the site of a generation.
func NewServiceSite(env *Env) *ServiceSite {
	return &ServiceSite{Site: Site{env: env}}
}

// Build runs a declaration of the service with the options n, nil for the
// defaults.
func (s *ServiceSite) Build(d *Declaration, n *config.Node) {
	s.build(d, n, func() error { return d.build(s) })
}

// Stage puts a stage into the service plan. It may wait, as long as its context lasts:
// service_timeout ends that.
func (s *ServiceSite) Stage(p ServicePhase, st gateway.Stage) { s.place(uint8(p), st, false) }

// Prompt is Stage for a stage that waits for nobody. Where all stages of the service are
// of that kind no request pays for the watch.
func (s *ServiceSite) Prompt(p ServicePhase, st gateway.Stage) { s.place(uint8(p), st, true) }

// Around puts a connector around the part of the service plan that is further in,
// the endpoints included.
func (s *ServiceSite) Around(p ServicePhase, f Around) { s.put(Placed{Phase: uint8(p), Around: f}) }

// Observer registers an observer of all exchanges that clients and sources have brought:
// it is told of each how it ended.
func (s *ServiceSite) Observer(o telemetry.Observer) {
	s.env.Observers = append(s.env.Observers, Observer{s.name, o})
}

// Pipe is [BackendSite.Pipe] for what stands in no backend: requests that a source makes,
// which have no parameters and of which everything is let through. Backends that name no
// method have the one of e, or else GET: where messages have bodies, e says POST. The pipe
// is there when the service is built.
func (s *ServiceSite) Pipe(scope Scope, e *model.Endpoint) gateway.Connector {
	return s.env.Pipe(scope, nil, e)
}

// Source brings messages in beside the listener, which c answers. It runs while the
// gateway serves, from the moment when the generation is live until another one is, or
// the gateway is told to stop. The next generation's sources wait until it has returned,
// so that a queue has one consumer at a time, and its own lives as long as it runs. Logs
// and observers know its messages by the name, as that of their endpoint.
func (s *ServiceSite) Source(name string, src gateway.Source, c gateway.Connector) {
	s.env.Sources = append(s.env.Sources, Source{Name: name, Source: src, By: c})
}

// Mask returns the function that replaces the secrets of the configuration in a
// text of the log, nil if there are none.
func (s *Site) Mask() func(string) string { return s.env.Mask }

// Stdout returns the standard output, for lines of logs.
func (s *Site) Stdout() telemetry.Output { return cmp.Or(s.env.Stdout, telemetry.Discard) }

// Stderr returns the standard error, for lines of logs.
func (s *Site) Stderr() telemetry.Output { return cmp.Or(s.env.Stderr, telemetry.Discard) }

// Logger lets the lines of the generation go to h, instead of where they went before
// anybody said so. Of several components that the configuration names, each gets every
// line; what the defaults of an implicit one say counts as long as none of them speaks.
func (s *ServiceSite) Logger(h slog.Handler) {
	if s.Declared() {
		s.ends = append(s.ends, h)
	} else if len(s.ends) > 0 {
		return
	}
	if len(s.ends) > 1 {
		h = slog.NewMultiHandler(s.ends...)
	}
	s.env.Log.redirect(h)
}

// PipeSite is where components of a pipe are attached: that of an endpoint, or one that
// has no door.
type PipeSite struct {
	Site
	scope   Scope
	outer   *BackendSite // that the pipe stands in; nil for those of endpoints and of the service
	agent   *model.Agent // whose pipe it is, nil for all others
	source  Source       // of the agent
	config  *model.Endpoint
	params  []string
	arrange Arrangement
	shadows int // of the backends that are built
}

// EndpointSite is where components of an endpoint are attached: those of its door, and
// those of its pipe.
type EndpointSite struct {
	PipeSite
}

// Arrangement is how the calls of an endpoint follow each other.
type Arrangement struct {
	Sequential          bool
	Propagate           []string // respN or respN_path, for stages of later backends
	AllowMultipleWrites bool
	Upgrade             []string     // protocols that clients may switch to, in lower case
	Payload             *config.Size // the most that a request may hold by its options; nil if they do not say
}

// NewEndpointSite returns the site of an endpoint whose path has the given
// parameters, in order. Its slots begin where those of the service end.
func NewEndpointSite(env *Env, service *ServiceSite, e *model.Endpoint, params []string) *EndpointSite {
	service.numbered = true
	return &EndpointSite{PipeSite{Site: Site{env: env, of: e, slots: service.slots}, scope: InEndpoint, config: e, params: params}}
}

// Build runs a declaration of endpoints with the options n.
func (s *EndpointSite) Build(d *Declaration, n *config.Node) {
	s.build(d, n, func() error { return d.build(s) })
}

// NewPipeSite returns the site of a pipe without a door, which stands in a backend, whose
// parameters it has, or, if that is nil, in the service.
func NewPipeSite(env *Env, scope Scope, in *BackendSite, e *model.Endpoint) *PipeSite {
	s := &PipeSite{Site: Site{env: env}, scope: scope, outer: in, config: e}
	if in != nil {
		s.of = in.of
		s.params, s.arrange.Payload = in.Params(), in.endpoint.arrange.Payload
	}
	return s
}

// NewAgentSite returns the site of an agent.
func NewAgentSite(env *Env, a *model.Agent, e *model.Endpoint) *PipeSite {
	s := NewPipeSite(env, InAgent, nil, e)
	s.agent, s.of, s.releases = a, e, new(releases)
	env.release = append(env.release, func() (func() error, bool) { return s.releases.end, false })
	return s
}

// Agent returns the agent whose pipe it is, resolved, nil for every other pipe. It is
// read-only.
func (s *PipeSite) Agent() *model.Agent { return s.agent }

// Source says where the messages of the agent come from, which only one component may do.
// Kept is as in [Source], and not nil.
func (s *PipeSite) Source(src gateway.Source, kept any) error {
	s.source = Source{Name: s.config.Endpoint, Source: src, Kept: kept, End: s.releases.end}
	return s.claim("say where the messages come from")
}

// Takes returns the source of the agent, and whether it has one.
func (s *PipeSite) Takes() (Source, bool) { return s.source, s.source.Source != nil }

// Build runs a declaration of pipes with the options n.
func (s *PipeSite) Build(d *Declaration, n *config.Node) {
	s.build(d, n, func() error { return d.build(s) })
}

// Scope returns the scope of its namespaces.
func (s *PipeSite) Scope() Scope { return s.scope }

// Outer returns the site of the backend that the pipe stands in, nil if it stands in
// none.
func (s *PipeSite) Outer() *BackendSite { return s.outer }

// Guard puts a stage in front of the pipe of the endpoint.
func (s *EndpointSite) Guard(p EndpointPhase, st gateway.Stage) { s.place(uint8(p), st, false) }

// Config returns the endpoint, resolved, or what is like one. It is read-only.
func (s *PipeSite) Config() *model.Endpoint { return s.config }

// Params returns the names of the parameters; their values are in x.Params at the same
// index.
func (s *PipeSite) Params() []string { return s.params }

// Stage puts a stage into the pipe.
func (s *PipeSite) Stage(p PipePhase, st gateway.Stage) { s.place(uint8(p), st, false) }

// Around puts a connector around the part of the pipe that is further in, the calls
// included.
func (s *PipeSite) Around(p PipePhase, f Around) { s.put(Placed{Phase: uint8(p), Around: f}) }

// Sequence lets the calls of the endpoint follow each other: each may use the answers of
// those before it, and later stages see the named ones, respN or respN_path, among
// their parameters. Only one component may say so.
func (s *PipeSite) Sequence(propagate []string) error {
	if err := s.claim("put the calls in sequence"); err != nil {
		return err
	}
	s.arrange.Sequential, s.arrange.Propagate = true, propagate
	return nil
}

// AllowWrites lifts the rule that one call at most may write.
func (s *PipeSite) AllowWrites() { s.arrange.AllowMultipleWrites = true }

// Upgrade lets clients switch to protocols, in lower case, beside those that others
// have named.
func (s *EndpointSite) Upgrade(protocols ...string) {
	for _, p := range protocols {
		if !slices.Contains(s.arrange.Upgrade, p) {
			s.arrange.Upgrade = append(s.arrange.Upgrade, p)
		}
	}
}

// Payload states the most that a request may hold by the options of the component, 0 for
// any. Of several the least counts; a pipe without a door begins with that of the
// endpoint around it.
func (s *PipeSite) Payload(most config.Size) {
	if p := s.arrange.Payload; p == nil || *p == 0 || most != 0 && most < *p {
		s.arrange.Payload = &most
	}
}

// Arrangement returns what components stated.
func (s *PipeSite) Arrangement() Arrangement { return s.arrange }

// Answers returns how many of the calls are made for their answer, which is all but
// shadows. It is known in [Site.Finally].
func (s *PipeSite) Answers() int { return len(s.config.Backend) - s.shadows }

// BackendSite is where components of a backend are attached.
type BackendSite struct {
	Site
	config    *model.Backend
	endpoint  *PipeSite
	connector gateway.Connector
	client    gateway.Connector
	transport model.Transport
	redirects Redirects
	reshape   func(map[string]any) map[string]any
	shadow    *Shadow
	written   []Written
	asks      *string  // nil if hosts are called
	method    string   // "" for that of the configuration
	own       []string // names of parameters of the query
	like      LikeHTTP
	noStore   bool
	takes     bool
	noData    bool
	personal  bool
	unhosted  bool
	writes    bool // counts where there is a method
}

// Redirects is what is done with a 3xx answer of a backend.
type Redirects struct {
	Return   bool // hand it to the caller
	SendBody bool // follow 307 and 308 with method and body
}

// Shadow is a call whose answer nobody waits for.
type Shadow struct {
	Timeout time.Duration // 0 stands for that of the endpoint
	Most    int           // calls that run at once, 1 at least
}

// NewBackendSite returns the site of a backend of a pipe.
func NewBackendSite(env *Env, e *PipeSite, b *model.Backend) *BackendSite {
	return &BackendSite{Site: Site{env: env, of: e.of}, config: b, endpoint: e, transport: env.Service.Transport}
}

// Build runs a declaration of backends with the options n. What it places at the site
// of the endpoint is its own there, too.
func (s *BackendSite) Build(d *Declaration, n *config.Node) {
	s.withheld = s.unhosted && d.Hosts != nil
	s.build(d, n, func() error { return s.lend(func() error { return d.build(s) }) })
}

// Unhosted states that the hosts of the backend are wrong, or that it has none although
// they are wanted, which is reported: what would call them is not built.
func (s *BackendSite) Unhosted() { s.unhosted = true }

// lend runs f while the site of the endpoint has the same owner as s.
func (s *BackendSite) lend(f func() error) error {
	s.endpoint.owner = s.owner
	defer func() { s.endpoint.owner = owner{} }()
	return f()
}

// Config returns the backend, resolved. It is read-only.
func (s *BackendSite) Config() *model.Backend { return s.config }

// Endpoint returns the site of the endpoint that the backend belongs to, or of what is
// like one.
func (s *BackendSite) Endpoint() *PipeSite { return s.endpoint }

// Pipe makes a pipe without a door: calls, what components of its scope do around them,
// and what is made of their answers. It is written like an endpoint; e says what the
// options of the component say of it, its Node being those options, and the rest is as
// around the backend. Errors are reported at their place within the options.
//
// The connector answers the request of the backend as an endpoint answers what it has
// let through, with data, which the backend shapes like any other. All that it makes
// dies with the exchange that it is given, and its time is within that of the context.
//
// A nil error is no success yet: without Complete something is missing from the answer, and
// in a pipe of no-op, which one in a backend of no-op is where e does not say otherwise, the
// status is what the service has sent. The body of the request is there once: who runs pipes
// one after another does so by [gateway.Exchange.Run], without which the second one fails. Several pipes of the same Endpoint and
// Node have one name; their backends have names of their own.
func (s *BackendSite) Pipe(scope Scope, e *model.Endpoint) gateway.Connector {
	return s.env.Pipe(scope, s, e)
}

// Params returns the names of the parameters, whose values are in x.Params at
// the same index: those of the endpoint's path, then what a sequence
// propagates, which is not there where no call came before, as of a shadow.
func (s *BackendSite) Params() []string {
	return slices.Concat(s.endpoint.params, s.endpoint.arrange.Propagate)
}

// Stage puts a stage into the plan of the backend. Where several backends are
// called at once, a call with such a stage has a goroutine of its own: the stage may
// wait and does not hold up the others, and the times that it measures are those of
// its own call.
func (s *BackendSite) Stage(p BackendPhase, st gateway.Stage) { s.place(uint8(p), st, false) }

// Prompt is Stage for a stage that waits for nobody and measures no time, on the
// way in and out. Calls whose stages are all of that kind share a goroutine, which
// is cheaper; a stage that breaks the promise makes the calls beside its own wait.
func (s *BackendSite) Prompt(p BackendPhase, st gateway.Stage) { s.place(uint8(p), st, true) }

// Around puts a connector around the part of the plan that is further in, the call
// included.
func (s *BackendSite) Around(p BackendPhase, f Around) { s.put(Placed{Phase: uint8(p), Around: f}) }

// Client replaces the HTTP client: hosts, redirects and the wire plan stay, and c
// makes each attempt. A backend has one client or connector at most.
func (s *BackendSite) Client(c gateway.Connector) error {
	s.client = c
	return s.claim(call)
}

// Connector makes the call something else than HTTP to the hosts of the
// backend. A backend has one client or connector at most.
func (s *BackendSite) Connector(c gateway.Connector) error {
	s.connector = c
	return s.claim(call)
}

// call is what a client and a connector do.
const call = "make the call of the backend"

// Transport returns the settings of the connections of this backend, which
// begin as those of the service. Changes count for this backend only.
func (s *BackendSite) Transport() *model.Transport { return &s.transport }

// Redirects states what is done with a 3xx answer. Only one component may say so.
func (s *BackendSite) Redirects(r Redirects) error {
	s.redirects = r
	return s.claim("say what is done with redirects")
}

// Reshape replaces allow, deny and mapping by a function on the tree, which
// runs after target and before group. Those of several components follow each other in
// the order of building.
func (s *BackendSite) Reshape(f func(map[string]any) map[string]any) {
	if before, then := s.reshape, f; before != nil {
		f = func(tree map[string]any) map[string]any { return then(before(tree)) }
	}
	s.reshape = f
}

// Shadow takes the answer of the backend out of the answer of the endpoint. Only one
// component may say so.
func (s *BackendSite) Shadow(sh Shadow) error {
	if err := s.claim("make the call one that nobody waits for"); err != nil {
		return err
	}
	s.endpoint.shadows++
	s.shadow = &sh
	return nil
}

// NoStore states that an answer is for its request alone, such as a message that is taken
// from a queue: the endpoint says Cache-Control: no-store, whatever cache_ttl is. Where the
// answer is passed through, its own header does.
func (s *BackendSite) NoStore() { s.noStore = true }

// Takes states that a call takes away what it is answered with, such as a message of a
// queue: what NoStore states, and that the backend is called once for a request, whatever
// concurrent_calls is, since the answers of the other calls would be nobody's.
func (s *BackendSite) Takes() { s.noStore, s.takes = true, true }

// NoData states that the answer is one without data, such as that a message was taken
// ([gateway.Response.Acknowledge]): what the configuration says of its shape has no effect,
// which is reported.
func (s *BackendSite) NoData() { s.noData = true }

// LikeHTTP is in what a connector is like a call by HTTP, so that what the configuration says of
// those has an effect.
type LikeHTTP struct {
	Transport bool // it connects by [BackendSite.Transport]
	Statuses  bool // it answers with statuses of a service, whatever they are
}

// LikeHTTP states in what the connector of the backend is like a call by HTTP.
func (s *BackendSite) LikeHTTP(l LikeHTTP) { s.like = l }

// Asks says for explanations what is called, such as which queue of which broker: a line that
// begins with what is done there. It may show what the configuration does.
func (s *BackendSite) Asks(line string) { s.asks = &line }

// Personal states that what is asked depends on who asks, by a header of the client or a
// claim of its token: the endpoint announces its answers as ones for a single client, as
// personal_cache has it. Whoever puts such a value into a call says so, unless it is in a text
// of [BackendSite.Template]. Of Authorization, Cookie and the like, where endpoints let them
// through, the core knows.
func (s *BackendSite) Personal() { s.personal = true }

// SetMethod makes the call one of this method, whatever the configuration says, which writes
// or does not: a read may well be a POST. Only one component may say so.
func (s *BackendSite) SetMethod(method string, writes bool) error {
	s.method, s.writes = method, writes
	return s.claim("choose the method of the call")
}

// Method returns the method of the call, and whether it writes: every method does but GET,
// unless a component has said otherwise. It is known in [Site.Finally].
func (s *BackendSite) Method() (method string, writes bool) {
	if s.method != "" {
		return s.method, s.writes
	}
	return s.config.Method, s.config.Method != "GET"
}

// OwnQuery states that the query of the call may have parameters with these names of the
// component alone: those of the client stay behind, however a service may spell them.
func (s *BackendSite) OwnQuery(names ...string) { s.own = append(s.own, names...) }

// Call is what the components of a backend decided about its call.
type Call struct {
	Connector gateway.Connector // nil for HTTP
	Client    gateway.Connector // makes the attempts by HTTP; nil for that of the engine
	Transport model.Transport
	Redirects Redirects
	Reshape   func(map[string]any) map[string]any
	Shadow    *Shadow
	NoStore   bool
	Takes     bool
	NoData    bool
	Like      LikeHTTP // of the connector
	Asks      *string  // a line that says what is called; nil if hosts are
	Personal  bool
	Written   []Written // texts with placeholders
	By        string    // the namespace of the connector or client; "" for none
	OwnQuery  []string  // parameters of the query that no client brings
}

// Call returns what the components of the backend decided.
func (s *BackendSite) Call() Call {
	return Call{s.connector, s.client, s.transport, s.redirects, s.reshape, s.shadow, s.noStore, s.takes, s.noData, s.like, s.asks, s.personal, s.written, s.claims[call], s.own}
}

// A Key names a value that one component offers to others.
type Key[T any] struct{ name string }

// NewKey returns a key. Keys are compared by name and type.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Provide offers a value to every narrower scope. A second offer of the same
// key is an error.
func Provide[T any](s *ServiceSite, k Key[T], v T) error {
	if _, taken := s.env.shared[k]; taken {
		return fmt.Errorf("%s is provided twice", k.name)
	}
	if s.env.shared == nil {
		s.env.shared = make(map[any]any)
	}
	s.env.shared[k] = v
	return nil
}

// Use returns the value offered under k, and whether there is one.
func Use[T any](s *Site, k Key[T]) (T, bool) { return Shared(s.env, k) }

// Shared is Use for the core, which has no site.
func Shared[T any](env *Env, k Key[T]) (T, bool) {
	v, ok := env.shared[k].(T)
	return v, ok
}
