package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

// Namespaces reports what stands in the extra_config of owner and is no component's: names
// that nobody declared in the scope, and those that have no options.
func (c *Checker) Namespaces(scope component.Scope, owner *config.Node, extra map[string]*config.Node) {
	c.nulls(scope, owner)
	for name, n := range extra { // problems are sorted
		if c.Env.Registry.Find(scope, name) == nil {
			c.unknown(scope, name, n)
		}
	}
}

// nulls reports namespaces without options, which are as good as absent. A block
// that was emptied out is no way to switch a policy off, because nobody sees that
// it is; nor does a backend that was to be something else become one of HTTP by it.
func (c *Checker) nulls(scope component.Scope, owner *config.Node) {
	extra := owner.GetFold("extra_config")
	if extra == nil {
		return
	}
	for _, m := range extra.Members {
		if m.Value.Kind != config.Null || m.Comment() {
			continue
		}
		d := c.Env.Registry.Find(scope, m.Key)
		if d == nil {
			c.unknown(scope, m.Key, m.Value)
			continue
		}
		severity, err := config.Warning, errors.New("null is no options; write an object, or remove the namespace")
		if d.Protects() || d.Demands() {
			severity, err = config.Error, errors.New("null is no options; write the options that are meant")
		}
		c.Report(m.Value.Problem(severity, config.CodeWrongType, err))
	}
}

// unknown reports a namespace that nobody declared. It is an error, because a
// policy that was asked for and is not there must not go unnoticed; only for what
// is not built yet may the operator say that it is known.
func (c *Checker) unknown(scope component.Scope, name string, n *config.Node) {
	severity, code := config.Error, config.CodeUnknownNamespace
	var err error
	missing := func(scope component.Scope) bool { return c.Env.Missing != nil && c.Env.Missing(scope, name) != nil }
	works := scopesWhere(c.Env.Registry, n, func(scope component.Scope) bool { return c.Env.Registry.Find(scope, name) != nil })
	switch {
	case missing(scope):
		code = config.CodeUnsupported
		if err = c.unbuilt(scope, name, n, works); c.Without {
			severity = config.Warning
		}
	case works != "":
		err = fmt.Errorf("namespace %s has no effect in the %s; move it to the extra_config of the %s", name, c.Env.Registry.Called(scope, n), works)
	case scopesWhere(c.Env.Registry, n, missing) != "":
		err = fmt.Errorf("namespace %s has no effect in the %s, and is not supported yet in the %s; move it there and start with --allow-unsupported to run without what it does",
			name, c.Env.Registry.Called(scope, n), scopesWhere(c.Env.Registry, n, missing))
	default:
		err = c.nobodys(scope, name, n)
	}
	c.Report(n.Problem(severity, code, err))
}

// unbuilt says of a namespace that it is not built yet in a scope; it works in others, or
// in none.
func (c *Checker) unbuilt(scope component.Scope, name string, n *config.Node, works string) error {
	open := c.Env.Absent(scope, name).Open
	switch {
	case works != "":
		err := fmt.Errorf("namespace %s not supported yet in the %s; move it to the extra_config of the %s", name, c.Env.Registry.Called(scope, n), works)
		if c.Without {
			err = fmt.Errorf("%w; the gateway runs without what it does%s", err, open)
		}
		return err
	case c.Without:
		return fmt.Errorf("namespace %s not supported yet; the gateway runs without what it does%s", name, open)
	case open != "":
		return fmt.Errorf("namespace %s not supported yet; protect what is behind it by other means before you start with --allow-unsupported, which runs without it%s", name, open)
	}
	return fmt.Errorf("namespace %s not supported yet; start with --allow-unsupported to run without what it does", name)
}

// nobodys says what a name probably means that is no namespace in any scope.
func (c *Checker) nobodys(scope component.Scope, name string, n *config.Node) error {
	if err := c.protections().misplaced(n, name); err != nil {
		return err
	}
	var known []string
	for _, d := range c.Env.Registry.All() {
		if d.Scope == scope {
			known = append(known, d.Namespace)
		}
	}
	if near, similar := config.Suggest(name, known); similar {
		return fmt.Errorf("unknown namespace %q; did you mean %q?", name, near)
	}
	family, _, _ := strings.Cut(name, "/")
	var last, same []string
	for _, k := range known {
		if strings.HasSuffix(k, "/"+name) {
			last = append(last, k)
		}
		if strings.HasPrefix(k, family+"/") {
			same = append(same, k)
		}
	}
	slices.Sort(same)
	switch {
	case len(last) == 1:
		return fmt.Errorf("unknown namespace %q; did you mean %q?", name, last[0])
	case len(same) > 0:
		return fmt.Errorf("unknown namespace %q; those of %s/ are %s", name, family, strings.Join(same, ", "))
	}
	return fmt.Errorf("unknown namespace %q; write one that the reference lists, or begin its name with @ if it is a comment", name)
}

// scopesWhere returns the objects for whose scopes f holds, in words; one that n stands in is
// called by its namespace.
func scopesWhere(r *component.Registry, n *config.Node, f func(component.Scope) bool) string {
	var scopes []string
	for _, s := range component.Scopes {
		if f(s.Scope) {
			scopes = append(scopes, r.Called(s.Scope, n))
		}
	}
	return strings.Join(scopes, " or ")
}
