package component

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Scope is where in a configuration a namespace may stand: in the extra_config of an
// object whose type says so in a method Scope.
type Scope string

// The scopes. Workflows and agents are pipes: what stands there is written like an
// endpoint and has no door.
const (
	InService  Scope = "service"
	InEndpoint Scope = "endpoint"
	InBackend  Scope = "backend"
	InWorkflow Scope = "workflow"    // within the options of a namespace
	InAgent    Scope = "async_agent" // what a message goes through
)

// Scopes are all scopes with the objects of the core that have them, in the order of
// pages. Where there is none, the options of a namespace have it; see [Info.Pipes].
var Scopes = []struct {
	Scope
	Core reflect.Type
}{
	{InService, reflect.TypeFor[model.Service]()},
	{InEndpoint, reflect.TypeFor[model.Endpoint]()},
	{InBackend, reflect.TypeFor[model.Backend]()},
	{InWorkflow, nil},
	{InAgent, reflect.TypeFor[model.Agent]()},
}

// Info is what a component says about itself.
type Info struct {
	Namespace string
	Aliases   []string // historical names, github_com/ written github.com/
	Summary   string   // one sentence, ends with a period
	Source    string   // embedded options.go: its comments are the manual
	Doc       string   // embedded doc.go: the first part of the manual

	// After names the namespaces, or the families with a slash at the end, that are
	// built before this one where they stand at the same site: it uses what they
	// provide. Everything else is built in the order of the names, and all of the
	// service before its endpoints, and an endpoint before its backends.
	After []string

	// Guards is what the component protects.
	Guards Guard

	// Identifies is that behind the component of an endpoint clients have a token that
	// was verified: its claims are known. Who authenticates without claims does not
	// say so; see [PipeSite.Authenticated].
	Identifies bool

	// Rewrites is that the component may make something else of requests or answers than
	// its options tell, as a script does: what would be a mistake without it is none.
	Rewrites bool

	// Failures are what clients are told of the failures that have a code of the
	// component's own.
	Failures []gateway.Failure

	// Hosts is what the hosts of a backend are for a component that calls it in another
	// way than by HTTP; nil for every other component, which finds them as they were read
	// in the configuration of its backend. Whatever is wrong with a host is reported at
	// its line, and that there is none, unless Read is nil; the component is not built
	// then, and its options alone are looked at.
	Hosts *Hosts

	// Pipes is the scope of the pipes that the options hold; "" if they hold none.
	// Namespaces of pipes are known once there is a component with such options.
	Pipes Scope

	// Implicit is the scope in which the component is built with its defaults wherever
	// the configuration does not name it; "" for none. At a backend that is every backend.
	Implicit Scope
}

// Names returns the namespace and all of its historical names.
func (i Info) Names() []string {
	names := []string{i.Namespace}
	for _, alias := range i.Aliases {
		names = append(names, alias)
		if rest, found := strings.CutPrefix(alias, "github.com/"); found {
			names = append(names, "github_com/"+rest)
		}
	}
	return names
}

// Follows reports whether the namespace is one that the component is built after.
func (i *Info) Follows(namespace string) bool {
	for _, earlier := range i.After {
		if earlier == namespace || strings.HasSuffix(earlier, "/") && strings.HasPrefix(namespace, earlier) {
			return namespace != i.Namespace
		}
	}
	return false
}

// Protects reports whether the component guards something, so that a mistake in
// its options must not go unnoticed.
func (i Info) Protects() bool { return i.Guards > Nothing }

// A Declaration is a namespace in one scope.
type Declaration struct {
	Info
	Scope   Scope
	Options reflect.Type
	Drives  bool // it is a driver of agents

	build func(site) error // at a site of the scope
}

// Demands reports whether nothing can be meant by the namespace without options: those that have
// to be there, or the broker that a backend is called by.
func (d *Declaration) Demands() bool {
	return d.Hosts != nil || slices.ContainsFunc(config.SpecOf(d.Options).Fields, func(f config.Field) bool { return f.Rules.Required })
}

// A site is one of the sites, each of which has its base in common with the others.
type site interface{ base() *Site }

func (s *Site) base() *Site { return s }

// Service declares a component of the service.
func Service[O any](i Info, build func(*ServiceSite, O) error) Declaration {
	return declare(i, InService, build)
}

// Endpoint declares a component of endpoints.
func Endpoint[O any](i Info, build func(*EndpointSite, O) error) Declaration {
	return declare(i, InEndpoint, build)
}

// Nested declares a component of pipes that have no door.
func Nested[O any](i Info, build func(*PipeSite, O) error) []Declaration {
	return []Declaration{declare(i, InWorkflow, build), declare(i, InAgent, build)}
}

// Pipe declares a component of all pipes, those of endpoints too.
func Pipe[O any](i Info, build func(*PipeSite, O) error) []Declaration {
	return append(Nested(i, build), Endpoint(i, func(s *EndpointSite, o O) error { return build(&s.PipeSite, o) }))
}

// Driver declares a component of agents that says where their messages come from, by
// [PipeSite.Source].
func Driver[O any](i Info, build func(*PipeSite, O) error) Declaration {
	d := declare(i, InAgent, func(s *PipeSite, o O) error {
		if s.agent == nil {
			return errors.New("brings messages to what is listed in async_agent, and has no effect here; move it there")
		}
		return build(s, o)
	})
	d.Drives = true
	return d
}

// Drivers returns the namespaces of the drivers of agents.
func (r *Registry) Drivers() (names []string) {
	for _, d := range r.all {
		if d.Drives {
			names = append(names, d.Namespace)
		}
	}
	return names
}

// Backend declares a component of backends.
func Backend[O any](i Info, build func(*BackendSite, O) error) Declaration {
	return declare(i, InBackend, build)
}

// declare declares a component that is built with its options, unless one of these, or a
// host that it calls, is wrong. Where the component protects, unknown keys and null are
// wrong, too. Whatever is becomes a problem of the site at the place of the key.
func declare[S site, O any](i Info, scope Scope, build func(S, O) error) Declaration {
	return Declaration{Info: i, Scope: scope, Options: reflect.TypeFor[O](), build: func(at site) error {
		s := at.base()
		if s.node == nil {
			if s.withheld {
				return nil
			}
			return build(at.(S), config.Defaults[O]())
		}
		var o O
		problems := config.Decode(s.node, &o)
		if s.protects {
			problems = config.Strict(problems, config.CodeUnknownField, config.CodeNull)
		}
		s.problems = append(s.problems, problems...)
		if config.HasErrors(problems) || s.withheld {
			return nil
		}
		return build(at.(S), o)
	}}
}

// A Registry is a set of declarations.
type Registry struct {
	byName map[key]*Declaration
	all    []*Declaration
	known  []*Declaration // those of scopes that some object has
	stands map[Scope]bool // by scope, whether one has it
}

type key struct {
	scope Scope
	name  string
}

// NewRegistry returns a registry of the given declarations. It panics when two
// of them claim one name in one scope: that is a mistake in the program.
func NewRegistry(d ...Declaration) *Registry {
	r := &Registry{byName: make(map[key]*Declaration), stands: make(map[Scope]bool)}
	for _, s := range Scopes {
		r.stands[s.Scope] = s.Core != nil
	}
	r.add(d)
	return r
}

func (r *Registry) add(ds []Declaration) {
	for i := range ds {
		d := &ds[i]
		for _, name := range d.Names() {
			k := key{d.Scope, name}
			if r.byName[k] != nil {
				panic(fmt.Sprintf("component %s is declared twice for the scope %s", name, d.Scope))
			}
			r.byName[k] = d
		}
		r.all = append(r.all, d)
		if d.Pipes != "" {
			r.stands[d.Pipes] = true
		}
	}
	slices.SortStableFunc(r.all, func(a, b *Declaration) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Scope, b.Scope))
	})
	r.known = slices.DeleteFunc(slices.Clone(r.all), func(d *Declaration) bool { return !r.stands[d.Scope] })
}

// Find returns the declaration of a namespace, by any of its names, or nil. A nil
// registry has none.
func (r *Registry) Find(scope Scope, name string) *Declaration {
	if r == nil || !r.stands[scope] {
		return nil
	}
	return r.byName[key{scope, name}]
}

// Stands reports whether some object has the scope.
func (r *Registry) Stands(scope Scope) bool { return r.stands[scope] }

// Options returns what is known of the options of a namespace, nil if that is nothing.
func (r *Registry) Options(scope, namespace string) *config.Spec {
	d := r.Find(Scope(scope), namespace)
	if d == nil || d.Options == nil {
		return nil
	}
	return config.SpecOf(d.Options)
}

// All returns every declaration of a scope that some object has, sorted by namespace
// and scope.
func (r *Registry) All() []*Declaration { return r.known }

// Misordered says which names in After nobody has, of components of the scope or among
// those known otherwise, and which components come after each other, so that one of
// them is built too early.
func (r *Registry) Misordered(known func(namespace string) bool) []error {
	var errs []error
	behind := make(map[*Declaration][]*Declaration)
	for _, d := range r.all {
		one := *d
		for _, name := range d.After {
			found := known(name)
			one.After = []string{name}
			for _, other := range r.all {
				if other.Scope == d.Scope && one.Follows(other.Namespace) {
					behind[d], found = append(behind[d], other), true
				}
			}
			if !found {
				errs = append(errs, fmt.Errorf("%s comes after %q, which nothing of the scope %s is called; write the name of a namespace, or of a family with a slash at the end", d.Namespace, name, d.Scope))
			}
		}
	}
	done := make(map[*Declaration]bool)
	var visit func(path []*Declaration, d *Declaration)
	visit = func(path []*Declaration, d *Declaration) {
		if i := slices.Index(path, d); i >= 0 {
			var names []string
			for _, on := range append(path[i:len(path):len(path)], d) {
				names = append(names, on.Namespace)
			}
			errs = append(errs, fmt.Errorf("%s come after each other; take one of them out of After", strings.Join(names, ", ")))
			return
		}
		if done[d] {
			return
		}
		for _, other := range behind[d] {
			visit(append(path, d), other)
		}
		done[d] = true
	}
	for _, d := range r.all {
		visit(nil, d)
	}
	return errs
}

// Default is the registry that Register fills.
var Default = NewRegistry()

// Register adds declarations to Default, and declares their failures. It is called from
// init and panics on a duplicate.
func Register(d ...Declaration) {
	Default.add(d)
	for i := range d {
		gateway.DeclareFailures(d[i].Failures...)
	}
}
