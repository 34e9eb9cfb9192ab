package check

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/template"
)

// Placeholders reports placeholders that never have a value, in the texts at a key of n, which
// is a backend or an option of it: one that was judged and is not added yet, be it a shadow or
// not. A backend whose address holds one always fails.
func (b *Backends) Placeholders(n *config.Node, shadow bool, key string, texts ...template.Text) {
	for _, t := range texts {
		for _, p := range t.Parts() {
			switch p.From {
			case template.FromResult:
				if why := b.noResult(p, shadow); why != "" {
					b.mistake(n, key, errors.New(why))
				}
			case template.FromClaim:
				if !b.site.Identified() {
					b.mistake(n, key, fmt.Errorf("{JWT.…} has a value behind %s only, so this backend always fails; add that to the endpoint",
						cmp.Or(b.Env.Registry.Who(component.InEndpoint, component.Identifying), "a component that verifies tokens")))
				}
			}
		}
	}
}

// noResult says why a placeholder for a value of an earlier answer never has one;
// "" if it may.
func (b *Backends) noResult(p template.Part, shadow bool) string {
	switch {
	case !b.site.Arrangement().Sequential || len(b.config.Backend) == 1:
		if around := b.sequenceAround(p.Index); around != nil {
			return fmt.Sprintf("{%s} has a value here only if the sequence around it propagates it, so this backend always fails; %s", p.Text,
				b.write(around, "sequential_propagated_params", fmt.Sprintf("[%q]", p.Text)))
		}
		return "{resp…} has a value in a sequence only, so this backend always fails; " + b.write(b.site, "sequential", "true")
	case shadow:
		return "a shadow is called before there is any answer, so {resp…} has no value here and the call always fails; remove the placeholder"
	case b.pending > 1: // an earlier backend is wrong, and its answer is nobody's yet
		return ""
	case p.Index >= len(b.answers):
		return fmt.Sprintf("{resp%d_…} is not the answer of an earlier backend, so this backend always fails; earlier ones are %s", p.Index, b.earlier())
	}
	earlier := b.answers[p.Index]
	if why := undelivered(earlier.config, earlier.reshaped, p.Path()); why != "" {
		why, remedy, _ := strings.Cut(why, "; ")
		return fmt.Sprintf("{%s} never has a value, because %s, so this backend always fails; %s", p.Text, why, remedy)
	}
	return ""
}

// sequenceAround returns the next pipe around that is a sequence in which a call has
// answered as the index says before this pipe is asked; nil if there is none.
func (b *Backends) sequenceAround(index int) *component.PipeSite {
	for outer := b.site.Outer(); outer != nil; outer = outer.Endpoint().Outer() {
		e := outer.Endpoint()
		if e.Arrangement().Sequential && slices.Index(e.Config().Backend, outer.Config()) > index {
			return e
		}
	}
	return nil
}

// write says how an option of a pipe is written, and where.
func (b *Backends) write(s *component.PipeSite, key, value string) string {
	r := b.Env.Registry
	return "write " + r.Write(s.Scope(), key, value) + " in the extra_config of the " + r.Called(s.Scope(), s.Config().Node)
}

// earlier names the answers that the next backend may use.
func (b *Backends) earlier() string {
	if len(b.answers) == 0 {
		return "none"
	}
	if len(b.answers) == 1 {
		return "{resp0_…} alone"
	}
	return fmt.Sprintf("{resp0_…} to {resp%d_…}", len(b.answers)-1)
}

// undelivered says why the answer of a backend never holds a value at path and,
// behind a semicolon, what would help; "" if it may. An allow or a deny is the cause
// and stays as it is: it may be there to hide the value. It follows the path back
// through group, mapping, allow or deny and target.
func undelivered(be *model.Backend, reshaped bool, path []string) string {
	if be.Encoding == "no-op" {
		return "the encoding no-op of that backend decodes nothing; choose another one"
	}
	if strings.HasPrefix(path[0], "error_") {
		return "" // return_error_details
	}
	if be.Group != "" {
		if path[0] != be.Group {
			return fmt.Sprintf("that backend puts its answer into the group %q; write {respN_%s.%s}", be.Group, be.Group, strings.Join(path, "."))
		}
		if path = path[1:]; len(path) == 0 {
			return ""
		}
	}
	if reshaped {
		return ""
	}
	// Several members may get the name, or have it.
	first := path[0]
	var names []string
	moved, renamed := be.Mapping[first]
	if moved, _, _ = strings.Cut(moved, "."); !renamed || moved == first {
		names = append(names, first)
	}
	for _, old := range slices.Sorted(maps.Keys(be.Mapping)) {
		if name, _, _ := strings.Cut(be.Mapping[old], "."); name == first && old != first {
			names = append(names, old)
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("the mapping of that backend calls %q %q; write that name", first, moved)
	}
	why := ""
	for _, name := range names {
		if why = dropped(be, append([]string{name}, path[1:]...)); why == "" {
			break
		}
	}
	return why
}

// dropped is undelivered for the path of a value in what the service answers, below
// target.
func dropped(be *model.Backend, path []string) string {
	whole := jsonspan.JoinPath(path)
	switch {
	case len(be.Allow) > 0:
		if !slices.ContainsFunc(be.Allow, func(a string) bool { return leads(a, whole) || leads(whole, a) }) {
			return fmt.Sprintf("the allow of that backend leaves %q out; choose another value for the placeholder", whole)
		}
	case slices.ContainsFunc(be.Deny, func(d string) bool { return leads(d, whole) }):
		return fmt.Sprintf("the deny of that backend leaves %q out; choose another value for the placeholder", whole)
	}
	switch only := onlyMember(be); {
	case only == "" || path[0] == only || be.Encoding == "xml" && be.Target != "":
	case be.Target != "":
		return fmt.Sprintf("the only member of what that backend answers is %q, which is no object for target to find; remove target", only)
	default:
		return fmt.Sprintf("the only member of what that backend answers is %q; write {respN_%s}", only, only)
	}
	return ""
}
