package diff

import (
	"slices"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A Side is one of two configurations.
type Side struct {
	effect *model.Effect
}

// Read reads a configuration in the format that the extension of its name stands for. With
// an error among the problems there is no side.
func Read(name string, data []byte, r *component.Registry) (*Side, []*config.Problem) {
	d, problems := config.Parse(name, data)
	if d == nil || config.HasErrors(problems) {
		return nil, errorsOf(problems)
	}
	if problems = d.ExpandReferences(config.LoadOptions{AsWritten: true}); config.HasErrors(problems) {
		return nil, errorsOf(problems)
	}
	return Of(d, r)
}

// Of returns the configuration of a document whose references have not been looked up; see
// [config.LoadOptions]. With an error among the problems there is no side.
func Of(d *config.Document, r *component.Registry) (*Side, []*config.Problem) {
	side, problems := of(d, r)
	if len(problems) > 0 {
		return nil, problems
	}
	return side, nil
}

// of is Of for a side that may be wrong. All of the problems are errors.
func of(d *config.Document, r *component.Registry) (*Side, []*config.Problem) {
	d.Hide(model.Root(), r.Options)
	s, problems := model.Resolve(d)
	config.Objects(d.Root, model.Root(), r.Options, func(scope string, object *config.Node) {
		extra := object.GetFold("extra_config")
		if extra == nil {
			return
		}
		for _, m := range extra.Members {
			if spec := r.Options(scope, m.Key); spec != nil && m.Value.Written() {
				_, found := config.DecodeAs(spec, m.Value)
				problems = append(problems, found...)
			}
		}
	})
	problems = slices.DeleteFunc(problems, func(p *config.Problem) bool { return misjudged(d.Root, p) })
	d.Mask(problems)
	problems = errorsOf(problems)
	config.Sort(problems)
	return &Side{s.Effect(r.Options)}, problems
}

func errorsOf(problems []*config.Problem) []*config.Problem {
	return slices.DeleteFunc(problems, func(p *config.Problem) bool { return p.Severity != config.Error })
}

// misjudged reports whether a problem is about a value that a reference stands in, which
// nobody has looked up.
func misjudged(root *config.Node, p *config.Problem) bool {
	n, rest := root.Locate(config.SplitPath(p.Path))
	return len(rest) == 0 && refers(n)
}

// refers reports whether there is a reference in a value.
func refers(n *config.Node) bool {
	if n == nil {
		return false
	}
	if _, found := n.Source(); found {
		return true
	}
	return slices.ContainsFunc(n.Items, refers) || slices.ContainsFunc(n.Members, func(m config.Member) bool { return refers(m.Value) })
}
