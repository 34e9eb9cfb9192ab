package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Policy raises unknown keys and mistakes to errors, among the problems of a document and
// those that reading it found: everywhere under a strict dialect, unknown keys in the
// settings of TLS always, and wherever a protection would be lost. Those of components
// that protect are errors already. It changes the problems, and returns them with those
// that are so grave for their loss alone.
func (c *Checker) Policy(d *config.Document, problems []*config.Problem) []*config.Problem {
	problems = c.guard(d, problems)
	behaviour := c.Env.Service.Behaviour
	for _, p := range problems {
		switch p.Code {
		case config.CodeUnknownField:
			if behaviour.UnknownKeys == "error" || inTLS(p.Unknown()) {
				p.Severity = config.Error
			}
		case config.CodeMistake:
			if behaviour.Mistakes == "error" {
				p.Severity = config.Error
			}
		}
	}
	for _, p := range d.Found() { // of the environment
		if p.Code == config.CodeMistake && (behaviour.Mistakes == "error" || c.protections().find(p.Path) >= 0) {
			p.Severity = config.Error
		}
	}
	if behaviour.WeakTypes == "error" {
		for _, p := range slices.Concat(d.Found(), problems) {
			if p.Severity == config.Warning && config.Structural(p.Code) && p.Code != config.CodeUnknownField {
				p.Severity = config.Error
			}
		}
	}
	return problems
}

// guard makes errors of mistakes that would let a protection disappear, and adds those of
// the document that are no problems otherwise.
func (c *Checker) guard(d *config.Document, problems []*config.Problem) []*config.Problem {
	concerned := func(p *config.Problem) bool { return p.Unknown() != nil || p.Repeated() != nil }
	if !slices.ContainsFunc(slices.Concat(d.Found(), d.Aliased(), problems), concerned) {
		return problems // as usual
	}
	g := c.protections()
	for _, p := range d.Found() {
		if r := p.Repeated(); r != nil {
			if err := g.repeated(r); err != nil {
				p.Severity, p.Err = config.Error, err
			}
		}
	}
	for _, p := range d.Aliased() {
		if err := g.repeated(p.Repeated()); err != nil {
			p.Path, p.Severity, p.Err = p.Repeated().Kept.Path(), config.Error, err
			problems = append(problems, p)
		}
	}
	for _, p := range problems {
		var err error
		if u := p.Unknown(); u != nil {
			err = g.unknown(u)
			_, near := config.Suggest(u.Key, u.Object.Known())
			other := elsewhere(u)
			if _, there := g.otherScope(u); there != nil {
				other = there
			}
			switch {
			case err != nil:
			case !near && p.Severity == config.Error:
				err = unknownIn(u)
			case other != nil:
				p.Err = other
			case !near:
				if there := g.namespaceOf(u); there != nil {
					p.Err = there
				}
			}
		} else if r := p.Repeated(); r != nil {
			err = g.repeated(r)
		}
		if err != nil {
			p.Severity, p.Err = config.Error, err
		}
	}
	return problems
}

// protections returns the guard of the compilation, made when it is first asked for:
// most configurations have no mistakes.
func (c *Checker) protections() *guard {
	if c.guarding == nil {
		var published map[string]string
		if c.Published != nil {
			published = c.Published()
		}
		c.guarding = newGuard(c.Env.Registry, published)
	}
	return c.guarding
}

// inTLS reports whether an unknown key stands in settings of TLS.
func inTLS(u *config.Unknown) bool {
	if u == nil {
		return false
	}
	for n := u.Value; n != nil; {
		owner, _ := n.Owner()
		if _, key := owner.Owner(); strings.EqualFold(key, "tls") || strings.EqualFold(key, "client_tls") {
			return true
		}
		n = owner
	}
	return false
}

// unknownIn says that an object which protects has no such key, and which it has.
func unknownIn(u *config.Unknown) error {
	if len(u.Object.Known()) == 0 {
		return nil
	}
	return fmt.Errorf("unknown key %q; the keys are %s", u.Key, strings.Join(u.Object.Known(), ", "))
}
