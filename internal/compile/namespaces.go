package compile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
)

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
	var old []string
	for name := range extra {
		if d := c.Registry.Find(scope, name); d != nil && d.Namespace != name {
			old = append(old, name)
		}
	}
	slices.Sort(old)
	for _, name := range old {
		d, n := c.Registry.Find(scope, name), extra[name]
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

// build runs the declarations of the namespaces in the extra_config of owner, and the
// implicit ones: in the order of their names, but each behind those it comes after.
func (c *compiler) build(scope component.Scope, owner *config.Node, extra map[string]*config.Node, run func(*component.Declaration, *config.Node)) {
	c.nulls(scope, owner)
	var jobs []job
	for name, n := range extra {
		if d := c.Registry.Find(scope, name); d != nil {
			jobs = append(jobs, job{d: d, n: n})
		} else {
			c.unknown(scope, name, n)
		}
	}
	for _, d := range c.implicit[scope] {
		if extra[d.Namespace] == nil {
			jobs = append(jobs, job{d: d})
		}
	}
	slices.SortFunc(jobs, func(a, b job) int { return cmp.Compare(a.d.Namespace, b.d.Namespace) })
	for i := range jobs {
		runJob(jobs, i, run)
	}
}

// A job is a namespace to be built, with its options.
type job struct {
	d    *component.Declaration
	n    *config.Node
	done bool
}

// runJob builds jobs[i], and before it those that it comes after. Of two that come after
// each other the one that is asked for first comes last.
func runJob(jobs []job, i int, run func(*component.Declaration, *config.Node)) {
	j := &jobs[i]
	if j.done {
		return
	}
	j.done = true
	for k := range jobs {
		if j.d.Follows(jobs[k].d.Namespace) {
			runJob(jobs, k, run)
		}
	}
	run(j.d, j.n)
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
		if m.Value.Kind != config.Null || m.Comment() {
			continue
		}
		d := c.Registry.Find(scope, m.Key)
		if d == nil {
			c.unknown(scope, m.Key, m.Value)
			continue
		}
		severity, err := config.Warning, errors.New("null is no options; write an object, or remove the namespace")
		if d.Protects() {
			severity, err = config.Error, errors.New("null is no options; write the options that are meant")
		}
		c.problems = append(c.problems, m.Value.Problem(severity, config.CodeWrongType, err))
	}
}

// unknown reports a namespace that nobody declared. It is an error, because a
// policy that was asked for and is not there must not go unnoticed; only for what
// is not built yet may the operator say that it is known.
func (c *compiler) unknown(scope component.Scope, name string, n *config.Node) {
	severity, code := config.Error, config.CodeUnknownNamespace
	var err error
	var known []string
	for _, d := range c.Registry.All() {
		if d.Scope == scope {
			known = append(known, d.Namespace)
		}
	}
	missing := func(scope component.Scope) bool { return c.Missing != nil && c.Missing(scope, name) != nil }
	open := c.env.Absent(scope, name).Open
	works := scopesWhere(func(scope component.Scope) bool { return c.Registry.Find(scope, name) != nil })
	near, similar := config.Suggest(name, known)
	switch {
	case missing(scope) && works != "":
		code = config.CodeUnsupported
		err = fmt.Errorf("namespace %s not supported yet in the %s; move it to the extra_config of the %s", name, scope, works)
		if c.Without {
			severity, err = config.Warning, fmt.Errorf("%w; the gateway runs without what it does%s", err, open)
		}
	case missing(scope) && c.Without:
		severity, code = config.Warning, config.CodeUnsupported
		err = fmt.Errorf("namespace %s not supported yet; the gateway runs without what it does%s", name, open)
	case missing(scope) && open != "":
		code = config.CodeUnsupported
		err = fmt.Errorf("namespace %s not supported yet; protect what is behind it by other means before you start with --allow-unsupported, which runs without it%s", name, open)
	case missing(scope):
		code = config.CodeUnsupported
		err = fmt.Errorf("namespace %s not supported yet; start with --allow-unsupported to run without what it does", name)
	case works != "":
		err = fmt.Errorf("namespace %s has no effect in the %s; move it to the extra_config of the %s", name, scope, works)
	case scopesWhere(missing) != "":
		err = fmt.Errorf("namespace %s has no effect in the %s, and is not supported yet in the %s; move it there and start with --allow-unsupported to run without what it does",
			name, scope, scopesWhere(missing))
	default:
		if err = c.protections().misplaced(n, name, scope); err != nil {
			break
		}
		if similar {
			err = fmt.Errorf("unknown namespace %q; did you mean %q?", name, near)
			break
		}
		err = fmt.Errorf("unknown namespace %q; write one that the reference lists, or begin its name with @ if it is a comment", name)
	}
	c.problems = append(c.problems, n.Problem(severity, code, err))
}

// scopesWhere returns the scopes for which f holds, in words.
func scopesWhere(f func(component.Scope) bool) string {
	var scopes []string
	for _, s := range component.Scopes {
		if f(s.Scope) {
			scopes = append(scopes, string(s.Scope))
		}
	}
	return strings.Join(scopes, " or ")
}
