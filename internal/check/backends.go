package check

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/message"
	"github.com/sluice-gateway/sluice/internal/model"
)

// Backends judges the backends of an endpoint, or of another pipe, one by one and
// together.
type Backends struct {
	*Checker
	config  *model.Endpoint
	site    *component.PipeSite
	answers []answer // of those that were added
	shadows bool     // some were added whose answer does not count
}

// An answer is that of a backend, which counts.
type answer struct {
	config   *model.Backend
	reshaped bool // a component decides what it holds
}

// Backends returns who judges the backends of a pipe.
func (c *Checker) Backends(s *component.PipeSite) Backends {
	return Backends{Checker: c, config: s.Config(), site: s}
}

// Backend reports what the url_pattern, the method and the keys that shape the answer of
// a backend say and cannot mean, once its components are built.
func (b *Backends) Backend(s *component.BackendSite) {
	be := s.Config()
	if len(b.site.Arrangement().Upgrade) > 0 {
		b.checkTunnelled(s)
	}
	b.checkAddress(be)
	b.checkPath(be)
	b.checkShape(be, reshaped(s))
}

// Add notes that a backend is called, behind those that were added before.
func (b *Backends) Add(s *component.BackendSite) {
	if s.Call().Shadow != nil {
		b.shadows = true
		return
	}
	b.answers = append(b.answers, answer{s.Config(), reshaped(s)})
}

// reshaped reports whether a component decides what the answer of a backend holds.
func reshaped(s *component.BackendSite) bool { return s.Call().Reshape != nil || s.Rewritten() }

// Together reports what only shows when all backends are known, and whether the endpoint
// can be served for all that.
func (b *Backends) Together() bool {
	e := b.config
	fail := func(key, code string, err error) bool {
		b.report(e.Node, key, config.Error, code, err)
		return false
	}
	if len(b.answers) == 0 {
		if b.shadows {
			return fail("backend", config.CodeNoBackend, errors.New("all backends are shadows, so nobody answers; add a backend without shadow"))
		}
		return false // reported where it was found
	}
	if e.OutputEncoding == "no-op" && len(b.answers) > 1 {
		return fail("output_encoding", config.CodeNoOpMerge, errors.New(
			"can not use NoOp encoding with more than one backends connected to the same endpoint; keep one backend, or choose an encoding that can merge"))
	}
	b.checkGroups()
	b.checkOutput()
	b.checkUndecoded()
	a := b.site.Arrangement()
	if len(a.Upgrade) > 0 && !b.checkUpgrade() {
		return false
	}
	if e.Method != "GET" && len(b.answers) > 1 && !a.AllowMultipleWrites {
		var writes []string
		last := len(b.answers) - 1
		ordered := a.Sequential
		for i, bp := range b.answers {
			if bp.config.Method != "GET" {
				writes = append(writes, fmt.Sprintf("backend[%d] %s %s", i, bp.config.Method, bp.config.URLPattern))
				ordered = ordered && i == last
			}
		}
		if len(writes) > 0 && !ordered {
			return fail("backend", config.CodeSeveralWrites, fmt.Errorf(
				"%s %s writes through %s; a write cannot be undone when another call fails: make the endpoint sequential with its only write in last place, or lift the rule with %s",
				e.Method, e.Endpoint, strings.Join(writes, ", "), b.Env.Registry.Write(component.InEndpoint, "allow_multiple_writes", "true")))
		}
	}
	if e.ConcurrentCalls > 1 && slices.ContainsFunc(b.answers, func(bp answer) bool { return bp.config.Method != "GET" && bp.config.Method != "HEAD" }) {
		b.report(e.Node, "concurrent_calls", config.Warning, config.CodeSuspicious,
			fmt.Errorf("each write is sent %d times; keep concurrent_calls for calls that may be repeated", e.ConcurrentCalls))
	}
	return true
}

// Inputs reports entries of the lists of headers and parameters of a backend that let
// nothing through, and parameters that stay behind for those of its url_pattern.
func (b *Backends) Inputs(be *model.Backend, fixed *message.FixedNames) {
	b.noteFixed(be, fixed)
	b.checkHeaders(be.Node, be.InputHeaders)
	b.checkQueries(be.Node, be.InputQueryStrings)
}

// noteFixed says which parameters of the client stay behind for those that url_pattern
// makes of a token.
func (b *Backends) noteFixed(be *model.Backend, fixed *message.FixedNames) {
	note := func(n *config.Node, list []string) {
		for i, name := range list {
			if name != "" && name != "*" && fixed.Takes(name) {
				b.report(n, n.ItemPath("input_query_strings", i), config.Note, config.CodeNote, fmt.Errorf(
					"the parameter %q of the client stays behind, because url_pattern makes one of the token", name))
			}
		}
	}
	note(be.Node, be.InputQueryStrings)
	if len(b.config.Backend) == 1 {
		note(b.config.Node, b.config.InputQueryStrings)
	}
}
