package component

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A Guard is how much depends on a component being there as it is meant.
type Guard uint8

// The guards, each stricter than the one before.
const (
	// Nothing is that a mistake in the options costs a feature.
	Nothing Guard = iota

	// Trust is that options say whom to believe, or what may be shown to others: what is
	// unknown among them, and null in their place, is an error.
	Trust

	// Passage is that the component also stands in the way of somebody. What it lacks
	// lets more pass than was meant, so its keys are recognised wherever they stray.
	Passage

	// Access is that the component says, besides, who may ask for an endpoint: another
	// endpoint without it may stand open.
	Access
)

// Identifying reports whether a component verifies tokens, for [Registry.Who].
func Identifying(i *Info) bool { return i.Identifies }

// Absent is what is known of a namespace that is not built yet, for those who start
// without it.
type Absent struct {
	Guard    Guard
	Open     string // what is open then, behind a colon; "" if nothing is
	Personal bool   // it makes each answer one for its client alone
	Calls    bool   // it says how a backend is called
	Rewrites bool   // as in Info
	Native   bool   // it asks for a native plugin
}

// Absent returns what is known of a namespace that is not built, zero for any other.
func (e *Env) Absent(scope Scope, namespace string) Absent {
	if e.Missing != nil && e.Registry.Find(scope, namespace) == nil {
		if a := e.Missing(scope, namespace); a != nil {
			return *a
		}
	}
	return Absent{}
}

// has reports whether a component of one of the namespaces is of a kind.
func (e *Env) has(scope Scope, extra map[string]*config.Node, is func(*Info) bool) bool {
	for name := range extra {
		if d := e.Registry.Find(scope, name); d != nil && is(&d.Info) {
			return true
		}
	}
	return false
}

// rewrites reports whether one of the namespaces does, be it built or not.
func (e *Env) rewrites(scope Scope, extra map[string]*config.Node) bool {
	for name := range extra {
		if d := e.Registry.Find(scope, name); d != nil && d.Rewrites || d == nil && e.Absent(scope, name).Rewrites {
			return true
		}
	}
	return false
}

// Identified reports whether a component of the endpoint, that around the pipe if it
// stands in a backend, verifies a token, so that its
// claims are known; see [Info.Identifies].
func (s *PipeSite) Identified() bool {
	if s.outer != nil {
		return s.outer.endpoint.Identified()
	}
	return s.env.has(InEndpoint, s.config.ExtraConfig, Identifying)
}

// Authenticated reports whether the endpoint, that around the pipe if it stands in a
// backend, is for those it knows: somebody there acts in [EndpointAuthenticate] or
// [EndpointAuthorize]. Nobody has to declare it; it is known in [Site.Finally]. A
// namespace that would authenticate and is not built counts, too.
func (s *PipeSite) Authenticated() bool {
	if s.outer != nil {
		return s.outer.endpoint.Authenticated()
	}
	for name := range s.config.ExtraConfig {
		if s.env.Absent(s.scope, name).Personal {
			return true
		}
	}
	return s.Identified() || s.scope == InEndpoint && slices.ContainsFunc(s.placed, func(p Placed) bool {
		return p.Phase == uint8(EndpointAuthenticate) || p.Phase == uint8(EndpointAuthorize)
	})
}

// Rewritten reports whether a namespace of the endpoint may make something else of
// requests and answers; see [Info.Rewrites].
func (s *PipeSite) Rewritten() bool { return s.env.rewrites(s.scope, s.config.ExtraConfig) }

// Rewritten reports whether a namespace of the backend may make something else of
// requests and answers; see [Info.Rewrites].
func (s *BackendSite) Rewritten() bool { return s.env.rewrites(InBackend, s.config.ExtraConfig) }

// Who returns the namespaces of a scope whose components are of a kind, in words, for
// messages that say what to write; "" if there is none, or no registry.
func (r *Registry) Who(scope Scope, is func(*Info) bool) string {
	if r == nil {
		return ""
	}
	var names []string
	for _, d := range r.all {
		if d.Scope == scope && is(&d.Info) {
			names = append(names, d.Namespace)
		}
	}
	return strings.Join(names, " or ")
}

// Option says where an option of a scope is written, such as "flatmap_filter of the
// namespace proxy", for messages that advise it; the key alone where nobody has it.
func (r *Registry) Option(scope Scope, key string) string {
	if name := r.holder(scope, key); name != "" {
		return key + " of the namespace " + name
	}
	return key
}

// Write says how an option is written with a value of JSON, such as
// "proxy": {"sequential": true}; the option alone where nobody has it.
func (r *Registry) Write(scope Scope, key, value string) string {
	option := fmt.Sprintf("%q: %s", key, value)
	if name := r.holder(scope, key); name != "" {
		return fmt.Sprintf("%q: {%s}", name, option)
	}
	return option
}

// Called returns what operators call an object of a scope: endpoint, backend, or the pipe of
// the namespace in whose options it stands, unless the scope has its name. That is the one
// that n stands in, the object or a value within it; n may be nil, or somewhere else.
func (r *Registry) Called(scope Scope, n *config.Node) string {
	pipe := func(namespace string) string {
		if namespace == string(scope) {
			return namespace
		}
		return "pipe of " + namespace
	}
	var holders []string
	for _, d := range r.All() {
		if d.Pipes == scope && !slices.Contains(holders, d.Namespace) {
			holders = append(holders, d.Namespace)
		}
	}
	for n != nil && holders != nil {
		owner, key := n.Owner()
		if _, extra := owner.Owner(); strings.EqualFold(extra, "extra_config") {
			for _, d := range r.All() {
				if d.Pipes == scope && slices.Contains(d.Names(), key) {
					return pipe(d.Namespace)
				}
			}
		}
		n = owner
	}
	switch len(holders) {
	case 0:
		return string(scope)
	case 1:
		return pipe(holders[0])
	}
	return "pipe of a namespace such as " + holders[0]
}

// holder returns the first namespace of a scope that has an option, "" if none has.
func (r *Registry) holder(scope Scope, key string) string {
	if r == nil {
		return ""
	}
	for _, d := range r.all {
		if d.Scope == scope && d.Options != nil && slices.Contains(config.SpecOf(d.Options).Known(), key) {
			return d.Namespace
		}
	}
	return ""
}
