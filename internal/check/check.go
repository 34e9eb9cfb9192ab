package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A Checker judges one configuration. It serves one goroutine.
type Checker struct {
	Env *component.Env // with the service, the registry, and what is known of what is missing

	// Published returns the names of all namespaces there are or were, with those of
	// today as values. It is asked when something looks wrong; nil knows no names.
	Published func() map[string]string

	Without bool                  // what is not built yet is left out, with a warning
	Machine func() []string       // names and addresses of this machine, beside the loopback ones; may be nil
	Report  func(*config.Problem) // takes what is found

	guarding *guard // see protections
	paths    *paths // of the endpoints; nil until they are asked for
}

func (c *Checker) report(n *config.Node, key string, sev config.Severity, code string, err error) {
	c.Report(n.ProblemAt(key, sev, code, err))
}

// mistake reports what can be served and cannot be meant: a warning, or an error,
// as the dialect has it.
func (c *Checker) mistake(n *config.Node, key string, err error) {
	c.report(n, key, config.Warning, config.CodeMistake, err)
}

// Root reports what the root says for nothing.
func (c *Checker) Root() {
	c.legacy()
	c.checkEndpoints()
}

// legacy reports root keys that are accepted and do nothing here. Native plugins
// that no namespace asks for protect nothing.
func (c *Checker) legacy() {
	s := c.Env.Service
	severity, how := config.Error, "start with --allow-unsupported to run without them"
	if c.Without {
		severity, how = config.Warning, "the gateway runs without them"
	}
	if s.Plugin == nil {
		return
	}
	for _, key := range []struct{ name, value string }{{"folder", s.Plugin.Folder}, {"pattern", s.Plugin.Pattern}} {
		if key.value == "" { // which stops nothing, since nothing is loaded
			c.report(s.Node, "plugin."+key.name, config.Warning, config.CodeRequired, errors.New("missing; write it, or remove the key plugin"))
		}
	}
	if !c.usesPlugins() {
		c.report(s.Node, "plugin", config.Warning, config.CodeUnsupported,
			errors.New("native plugins are not loaded, and no namespace asks for one; remove the key"))
		return
	}
	c.report(s.Node, "plugin", severity, config.CodeUnsupported, fmt.Errorf("native plugins are not loaded; %s", how))
}

// usesPlugins reports whether a namespace asks for a native plugin.
func (c *Checker) usesPlugins() bool {
	asks := false
	config.Objects(c.Env.Service.Node, model.Root(), c.Env.Registry.Options, func(scope string, object *config.Node) {
		if extra := object.GetFold("extra_config"); extra != nil {
			asks = asks || slices.ContainsFunc(extra.Members, func(m config.Member) bool { return c.Env.Absent(component.Scope(scope), m.Key).Native })
		}
	})
	return asks
}

// Undriven reports an agent that no component brings messages to, unless what would is not
// built yet, or has an error, which is reported.
func (c *Checker) Undriven(a *model.Agent) {
	for name := range a.ExtraConfig {
		d := c.Env.Registry.Find(component.InAgent, name)
		if d != nil && d.Drives || d == nil && c.Env.Missing != nil && c.Env.Missing(component.InAgent, name) != nil {
			return
		}
	}
	c.report(a.Node, "extra_config", config.Error, config.CodeInvalid,
		fmt.Errorf("nothing brings messages to the agent %s; write the namespace of a broker here, such as %s", a.Name, strings.Join(c.Env.Registry.Drivers(), " or ")))
}

// checkEndpoints says that there are none, nor a source that brings anything in.
func (c *Checker) checkEndpoints() {
	if s := c.Env.Service; len(s.Endpoints) == 0 && len(s.AsyncAgent) == 0 && len(c.Env.Sources) == 0 {
		c.report(s.Node, "endpoints", config.Warning, config.CodeSuspicious,
			errors.New("there are no endpoints, so the gateway serves its own paths only; add one"))
	}
}

func all[T any](list []T, f func(T) bool) bool {
	return !slices.ContainsFunc(list, func(v T) bool { return !f(v) })
}
