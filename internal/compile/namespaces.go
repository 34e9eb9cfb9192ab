package compile

import (
	"cmp"
	"fmt"
	"slices"

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
	c.check.Namespaces(scope, owner, extra)
	var jobs []job
	for name, n := range extra {
		if d := c.Registry.Find(scope, name); d != nil {
			jobs = append(jobs, job{d: d, n: n})
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
