package check

import (
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Policy raises unknown keys and mistakes to errors, among the problems of a document and
// those that reading it found: everywhere under a strict dialect, unknown keys in the
// settings of TLS always, and wherever a protection would be lost. Those of components
// that protect are errors already. It changes the problems, and returns them with those
// that are problems only because a protection would be lost.
func (c *Checker) Policy(d *config.Document, problems []*config.Problem) []*config.Problem {
	problems = c.protect(d, problems)
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

// protect makes errors of mistakes that would let a protection disappear, and adds those
// of the document that are no problems otherwise. It says of unknown keys where they
// belong.
func (c *Checker) protect(d *config.Document, problems []*config.Problem) []*config.Problem {
	concerned := func(p *config.Problem) bool { return p.Unknown() != nil || p.Repeated() != nil }
	if !slices.ContainsFunc(d.Found(), concerned) && len(d.Aliased()) == 0 && !slices.ContainsFunc(problems, concerned) {
		return problems // as usual
	}
	g := c.protections()
	for _, p := range d.Found() {
		if r := p.Repeated(); r != nil {
			raise(p, g.repeated(r))
		}
	}
	for _, p := range d.Aliased() {
		if err := g.repeated(p.Repeated()); err != nil {
			p.Path = p.Repeated().Kept.Path()
			raise(p, err)
			problems = append(problems, p)
		}
	}
	for _, p := range problems {
		if p.Unknown() != nil {
			g.stray(p)
		} else if r := p.Repeated(); r != nil {
			raise(p, g.repeated(r))
		}
	}
	return problems
}

// raise makes an error of a problem, which says err instead, unless that is nil.
func raise(p *config.Problem, err error) {
	if err != nil {
		p.Severity, p.Err = config.Error, err
	}
}

// protections returns the guard of the configuration, made when it is first asked for:
// most configurations have no mistakes.
func (c *Checker) protections() *guard {
	if c.guarding == nil {
		var published map[string]string
		if c.Published != nil {
			published = c.Published()
		}
		c.guarding = newGuard(c.Env.Service.Node, c.Env.Registry, published)
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
