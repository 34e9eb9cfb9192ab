package check

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A guard knows what protects or filters, and finds the mistakes in a document
// that would let such a thing disappear with no more than a warning: a key that is
// misspelt, one that stands in the wrong place, one that occurs twice.
type guard struct {
	registry *component.Registry
	guarded  []guardedName

	// namespaces are the names that namespaces have and had, by their letters;
	// the values are those of today.
	namespaces map[string]string

	// options are the keys of protecting options, by their letters, with the
	// objects that have them: those that protect first, and then all others.
	options map[string][]option
	common  map[string]bool // keys that objects of the core have, too

	root  *config.Node // the document; nil if it is none
	found *found       // see protecting; nil until it is asked for
}

// An option is a key with who has it, in words, and the object that it is a key of.
type option struct {
	key, in  string
	object   reflect.Type
	guards   bool
	anywhere bool         // looked for in all documents
	options  reflect.Type // otherwise in those that use the component with these options
}

// A guardedName is a key of a core object, or of the options of a component, that
// protects or filters. Its field says so, by the tag guards.
type guardedName struct {
	key, was string  // the name, and that of older versions
	in       []place // where it has its effect
	value    config.Guarding
}

// A place is an object that has a guarded key.
type place struct {
	scope  component.Scope
	inside bool             // of extra_config
	name   string           // in words
	kind   *component.Hosts // of the backends that it makes; nil leaves them as they are
}

// called returns what the object of a scope is called.
func called(scope component.Scope) string {
	if scope == component.InService {
		return "the root"
	}
	return "the " + string(scope)
}

// newGuard returns a guard. published are namespaces that are known besides those
// of the registry, with the names of today as values; it may be nil, as may the document.
func newGuard(root *config.Node, r *component.Registry, published map[string]string) *guard {
	g := &guard{root: root, registry: r, namespaces: make(map[string]string), options: make(map[string][]option), common: make(map[string]bool)}
	for name, current := range published {
		g.namespaces[config.Letters(name)] = current
	}
	g.learnCore()
	g.learnNamespaces()
	g.learnProtecting()
	g.learnOthers()
	return g
}

// learnCore notes the keys of the objects of the core.
func (g *guard) learnCore() {
	for _, s := range component.Scopes {
		if s.Core == nil {
			continue
		}
		core := config.SpecOf(s.Core)
		for _, key := range core.Known() {
			g.common[key] = true
		}
		g.note(place{s.Scope, false, called(s.Scope), nil}, core)
	}
}

// learnNamespaces notes the names of the components, and what their options guard.
func (g *guard) learnNamespaces() {
	for _, d := range g.registry.All() {
		g.note(place{d.Scope, true, optionsOf(d.Namespace), d.Hosts}, config.SpecOf(d.Options))
		for _, name := range d.Names() {
			g.namespaces[config.Letters(name)] = d.Namespace
		}
	}
}

// learnProtecting notes the options that protect: those of components and those of TLS.
func (g *guard) learnProtecting() {
	add := func(in string, s *config.Spec, options reflect.Type) {
		eachKey(s, func(object *config.Spec, f config.Field) {
			if !g.plain(f) {
				g.add(option{f.Key, in, object.Type, true, options == nil || telling(f), options})
			}
		})
	}
	for _, d := range g.registry.All() {
		s := config.SpecOf(d.Options)
		if letsPass(d) {
			add(d.Namespace, s, d.Options)
			continue
		}
		for _, f := range s.Fields {
			if telling(f) {
				g.add(option{f.Key, d.Namespace, s.Type, true, true, d.Options})
			}
		}
	}
	add("tls", config.SpecOf(reflect.TypeFor[model.ServerTLS]()), nil)
	client := config.SpecOf(reflect.TypeFor[model.ClientTLS]())
	delete(g.common, "client_tls") // options have its keys
	for _, key := range client.Known() {
		delete(g.common, key)
	}
	add("client_tls", client, nil)
}

// learnOthers notes, behind the options that protect, those of the same names that do not.
func (g *guard) learnOthers() {
	for _, d := range g.registry.All() {
		if letsPass(d) {
			continue
		}
		eachKey(config.SpecOf(d.Options), func(object *config.Spec, f config.Field) {
			if len(g.options[config.Letters(f.Key)]) > 0 && !g.guardsIn(object, f.Key) {
				g.add(option{f.Key, d.Namespace, object.Type, false, false, d.Options})
			}
		})
	}
}

// telling reports whether the name of an option alone says that something is protected.
func telling(f config.Field) bool {
	return f.Guards == config.GuardsOption || f.Guards == config.GuardsAccess
}

// plain reports whether the name of an option means too little by itself to be recognised
// where it is not expected.
func (g *guard) plain(f config.Field) bool {
	return f.Guards == config.GuardsBeside || g.common[f.Key] && !telling(f)
}

// add adds an option that is not there yet.
func (g *guard) add(o option) {
	at := config.Letters(o.key)
	if !slices.Contains(g.options[at], o) {
		g.options[at] = append(g.options[at], o)
	}
}

// letsPass reports whether the absence of an option of d lets somebody pass.
func letsPass(d *component.Declaration) bool { return d.Guards >= component.Passage }

// optionsOf says in words what the options of a namespace are.
func optionsOf(namespace string) string {
	if strings.Contains(namespace, "/") {
		return namespace
	}
	return "the options of " + namespace
}

// note adds what the fields of an object say that they guard.
func (g *guard) note(at place, s *config.Spec) {
	for _, f := range s.Fields {
		switch f.Guards {
		case config.GuardsKey, config.GuardsList, config.GuardsObject:
		default:
			continue
		}
		i := slices.IndexFunc(g.guarded, func(k guardedName) bool { return k.key == f.Key })
		if i < 0 {
			i = len(g.guarded)
			g.guarded = append(g.guarded, guardedName{key: f.Key, was: f.Was, value: f.Guards})
		}
		g.guarded[i].in = append(g.guarded[i].in, at)
	}
}

// eachKey calls visit for the keys of an object, of its entries and of the objects
// within it.
func eachKey(s *config.Spec, visit func(object *config.Spec, f config.Field)) {
	seen := make(map[*config.Spec]bool)
	var walk func(s *config.Spec)
	walk = func(s *config.Spec) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		walk(s.Item)
		for _, f := range s.Fields {
			visit(s, f)
			walk(f.Spec)
		}
	}
	walk(s)
}

// names reports whether a word is the name of the key, or was once.
func (k *guardedName) names(word string) bool {
	return config.SameName(word, k.key) || config.SameName(word, k.was)
}

// place returns where a guarded key belongs that was found at n, in words: the nearest
// place around it that counts there, or else all there are. Of several namespaces it is
// one that stands there already, and none that makes another kind of backend of it.
func (g *guard) place(k *guardedName, n *config.Node) string {
	best := func(p place) int {
		switch {
		case stands(n, p.name):
			return 2
		case p.kind == nil:
			return 1
		}
		return 0
	}
	for _, scope := range g.around(n) {
		for _, inside := range []bool{false, true} {
			var found []place
			for _, p := range k.in {
				if p.scope == scope && p.inside == inside {
					found = append(found, p)
				}
			}
			if len(found) > 0 {
				return slices.MaxFunc(found, func(a, b place) int { return cmp.Compare(best(a), best(b)) }).name
			}
		}
	}
	var all []string
	for _, p := range k.in {
		if !slices.Contains(all, p.name) {
			all = append(all, p.name)
		}
	}
	return strings.Join(all, " or ")
}

// stands reports whether an object around n has a namespace.
func stands(n *config.Node, namespace string) bool {
	for ; n != nil; n, _ = n.Owner() {
		if extra := n.GetFold("extra_config"); extra != nil && extra.GetFold(namespace) != nil {
			return true
		}
	}
	return false
}

// find returns the index of the guarded key that a word is or is a near miss of, and -1
// for any other word.
func (g *guard) find(word string) int {
	near := -1
	for i, k := range g.guarded {
		if k.names(word) {
			return i
		}
		if near < 0 && config.Near(word, k.key) {
			near = i
		}
	}
	return near
}

// namespace returns the namespace that a word names in any spelling.
func (g *guard) namespace(word string) (name string, ok bool) {
	if name, ok = g.namespaces[config.Letters(word)]; ok || !strings.Contains(word, "/") {
		return name, ok
	}
	for letters, current := range g.namespaces {
		if config.Near(word, letters) && (name == "" || current < name) {
			name, ok = current, true
		}
	}
	return name, ok
}

// optionOf returns the objects that have a key of this name, in words, and how it is
// spelled there; "" where it protects nothing. Anywhere is whether it does in documents
// that use none of them, too.
func (g *guard) optionOf(word string) (owners, key string, anywhere bool) {
	var names []string
	protects := false
	for _, o := range g.options[config.Letters(word)] {
		if !slices.Contains(names, o.in) {
			names = append(names, o.in)
		}
		key = cmp.Or(key, o.key)
		anywhere = anywhere || o.anywhere
		protects = protects || o.guards && (o.anywhere || g.protecting().used[o.options])
	}
	if !protects {
		return "", "", false
	}
	return strings.Join(names, " or "), key, anywhere
}

// guardsIn reports whether a key of an object is an option that protects.
func (g *guard) guardsIn(object *config.Spec, key string) bool {
	return slices.ContainsFunc(g.options[config.Letters(key)], func(o option) bool { return o.guards && o.object == object.Type })
}

// isOption reports whether a key is an option that protects. A single word, such as roles,
// says too little where anything may stand.
func (g *guard) isOption(key string) bool {
	if !strings.Contains(key, "_") {
		return false
	}
	owners, _, _ := g.optionOf(key)
	return owners != ""
}

// isFilter reports whether a member is a guarded key with a value that suits it.
func (g *guard) isFilter(m config.Member) bool {
	return slices.ContainsFunc(g.guarded, func(k guardedName) bool {
		switch m.Value.Kind {
		case config.Object:
			return k.value == config.GuardsObject && k.names(m.Key)
		case config.Array, config.String:
			return k.value == config.GuardsList && k.names(m.Key)
		}
		return false
	})
}

// holds returns what protects within a value that nobody will read, "" for
// nothing. What an alias puts elsewhere counts there.
func (g *guard) holds(n *config.Node) string {
	if n.Reused() {
		return ""
	}
	for _, item := range n.Items {
		if found := g.holds(item); found != "" {
			return found
		}
	}
	for _, m := range n.Members {
		if m.Comment() || m.Value.Kind == config.Null {
			continue
		}
		if name, ok := g.namespaces[config.Letters(m.Key)]; ok && strings.Contains(m.Key, "/") {
			return name
		}
		if g.isOption(m.Key) || g.isFilter(m) {
			return m.Key
		}
		if config.SameName(m.Key, "extra_config") {
			for _, inner := range m.Value.Members {
				if !inner.Comment() && inner.Value.Kind != config.Null {
					return inner.Key
				}
			}
		}
		if found := g.holds(m.Value); found != "" {
			return found
		}
	}
	return ""
}

// protects reports whether a namespace protects in one of its scopes, or is one
// that nobody knows.
func (g *guard) protects(name string) bool {
	return g.inSomeScope(name, func(d *component.Declaration) bool { return d.Protects() })
}

// letsPass reports whether the absence of a namespace lets somebody pass, or nobody
// knows what it does.
func (g *guard) letsPass(name string) bool { return g.inSomeScope(name, letsPass) }

// inSomeScope reports whether something is so of a namespace in one of its scopes, or it
// is one that nobody knows.
func (g *guard) inSomeScope(name string, is func(*component.Declaration) bool) bool {
	known := false
	for _, scope := range component.Scopes {
		if d := g.registry.Find(scope.Scope, name); d != nil {
			if is(d) {
				return true
			}
			known = true
		}
	}
	return !known
}

// scopeOf returns the scope of the object that a value belongs to, however deep it is
// within.
func (g *guard) scopeOf(n *config.Node) component.Scope {
	return component.Scope(config.ScopeOf(n, model.Root(), g.registry.Options))
}

// around returns the scopes of the objects that a value stands in, the innermost first.
func (g *guard) around(n *config.Node) []component.Scope {
	var scopes []component.Scope
	for ; n != nil; n, _ = n.Owner() {
		scopes = append(scopes, g.scopeOf(n))
	}
	return slices.Compact(scopes)
}
