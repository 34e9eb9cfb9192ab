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

// Backends judges the backends of an endpoint, or of another pipe, one by one and
// together.
type Backends struct {
	*Checker
	config  *model.Endpoint
	site    *component.PipeSite
	answers []answer // of those that were added
	shadows bool     // some were added whose answer does not count
	pending int      // judged and not added: the one that is being compiled, and those that are wrong
}

// An answer is that of a backend, which counts.
type answer struct {
	config   *model.Backend
	reshaped bool // a component decides what it holds
	noData   bool // it says that a message was taken
	method   string
	writes   bool
}

// Backends returns who judges the backends of a pipe.
func (c *Checker) Backends(s *component.PipeSite) Backends {
	return Backends{Checker: c, config: s.Config(), site: s}
}

// called returns what operators call the pipe.
func (b *Backends) called() string { return b.Env.Registry.Called(b.site.Scope(), b.config.Node) }

// Backend reports what the url_pattern, the method and the keys that shape the answer of
// a backend say and cannot mean, once its components are built.
func (b *Backends) Backend(s *component.BackendSite) {
	be := s.Config()
	b.pending++
	if len(b.site.Arrangement().Upgrade) > 0 {
		b.checkTunnelled(s)
	}
	b.checkAddress(be)
	b.checkPath(be)
	b.checkShape(s)
	if call := s.Call(); call.NoData || call.Takes {
		b.checkQueryless(be)
	}
}

// Add notes that a backend is called which was judged, behind those that were added before.
// One that is wrong is not added.
func (b *Backends) Add(s *component.BackendSite) {
	b.pending--
	if s.Call().Shadow != nil {
		b.shadows = true
		return
	}
	if b.answers == nil {
		b.answers = make([]answer, 0, len(b.config.Backend))
	}
	method, writes := s.Method()
	b.answers = append(b.answers, answer{s.Config(), reshaped(s), s.Call().NoData, method, writes})
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
	known := b.pending == 0 // who answers
	if len(b.answers) == 0 {
		if b.shadows && known {
			return fail("backend", config.CodeNoBackend, errors.New("all backends are shadows, so nobody answers; add a backend without shadow"))
		}
		return false // reported where it was found
	}
	switch several := e.OutputEncoding == "no-op" && len(b.answers) > 1; {
	case several && b.site.Scope() == component.InAgent: // whose key says so for both sides
		return fail("encoding", config.CodeNoOpMerge, errors.New("no-op passes on the answer of one backend; keep one, or choose an encoding that can merge"))
	case several:
		return fail("output_encoding", config.CodeNoOpMerge, errors.New(
			"can not use NoOp encoding with more than one backends connected to the same endpoint; keep one backend, or choose an encoding that can merge"))
	}
	b.checkGroups()
	if known {
		b.checkOutput()
		b.checkUndecoded()
	}
	if len(b.site.Arrangement().Upgrade) > 0 && !b.checkUpgrade() {
		return false
	}
	if writes := b.writes(); writes != nil {
		return fail("backend", config.CodeSeveralWrites, fmt.Errorf(
			"%s %s writes through %s; a write cannot be undone when another call fails: make the %s sequential with its only write in last place, or lift the rule with %s",
			e.Method, e.Endpoint, strings.Join(writes, ", "), b.called(), b.Env.Registry.Write(b.site.Scope(), "allow_multiple_writes", "true")))
	}
	if e.ConcurrentCalls > 1 && slices.ContainsFunc(b.answers, func(a answer) bool { return a.writes && a.method != "HEAD" }) {
		b.report(e.Node, "concurrent_calls", config.Warning, config.CodeSuspicious,
			fmt.Errorf("each write is sent %d times; keep concurrent_calls for calls that may be repeated", e.ConcurrentCalls))
	}
	return true
}

// writes returns the calls that write, in words, where that is more than a last call of a
// sequence, and nothing allows it.
func (b *Backends) writes() (calls []string) {
	a := b.site.Arrangement()
	if b.config.Method == "GET" || len(b.answers) < 2 || a.AllowMultipleWrites {
		return nil
	}
	ordered := a.Sequential
	for i, answer := range b.answers {
		if be := answer.config; answer.writes {
			calls = append(calls, fmt.Sprintf("backend[%d] %s %s", slices.Index(b.config.Backend, be), answer.method, be.URLPattern))
			ordered = ordered && i == len(b.answers)-1
		}
	}
	if ordered {
		return nil
	}
	return calls
}

// checkGroups reports answers of which one takes the place of another.
func (b *Backends) checkGroups() {
	if len(b.answers) < 2 {
		return
	}
	first := make(map[string]int)
	for i, be := range b.config.Backend {
		if be.Group == "" || !slices.ContainsFunc(b.answers, func(a answer) bool { return a.config == be }) {
			continue
		}
		if other, taken := first[be.Group]; taken {
			b.mistake(be.Node, "group", fmt.Errorf("%q is the group of backend[%d] too, whose answer is lost; choose another name", be.Group, other))
			continue
		}
		first[be.Group] = i
	}
}

// checkOutput reports json-collection where no backend makes a collection. A
// service may have a member of that name; allow or mapping then says so.
func (b *Backends) checkOutput() {
	if b.config.OutputEncoding != "json-collection" || b.remade(component.PipeStatic, component.PipeFlatmap) {
		return
	}
	if all(b.answers, func(a answer) bool { return a.noData && !a.config.IsCollection }) {
		b.mistake(b.config.Node, "output_encoding", errors.New(
			"json-collection shows a list, and what is published is answered without data, so every answer is an empty list; write json, or remove it"))
		return
	}
	path := []string{"collection"}
	for _, a := range b.answers {
		be := a.config
		named := slices.Contains(be.Allow, path[0]) || a.reshaped || be.Encoding == "safejson"
		for _, name := range be.Mapping {
			named = named || name == path[0]
		}
		if (named || onlyMember(be) == path[0]) && undelivered(be, a.reshaped, path) == "" {
			return
		}
	}
	b.mistake(b.config.Node, "output_encoding", errors.New(
		`json-collection shows the member "collection", which no backend makes, so every answer is empty; write "is_collection": true in a backend that answers a list, or name "collection" in allow if the service answers an object that has it`))
}

// checkUndecoded reports an endpoint that makes its answer of nothing: no-op passes on
// what a backend says, if the endpoint passes it on as well.
func (b *Backends) checkUndecoded() {
	undecoded := func(a answer) bool { return a.config.Encoding == "no-op" && !a.reshaped }
	if b.config.OutputEncoding == "no-op" || !all(b.answers, undecoded) || b.remade(component.PipeStatic) {
		return
	}
	b.mistake(b.answers[0].config.Node, "encoding", fmt.Errorf(
		`no-op decodes nothing, so every answer of this %[1]s is empty, whatever the service says; write "output_encoding": "no-op" in the %[1]s to pass the answer on, or an encoding that decodes, such as json`, b.called()))
}

// remade reports whether something else may be made of the answer: by a stage in one of
// the phases, or by what rewrites.
func (b *Backends) remade(phases ...component.PipePhase) bool {
	return b.site.Rewritten() || slices.ContainsFunc(b.site.Placed(), func(p component.Placed) bool {
		return slices.Contains(phases, component.PipePhase(p.Phase))
	})
}
