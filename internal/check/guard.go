package check

import (
	"fmt"
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
	// objects that have them.
	options map[string][]option

	lacking map[string]*wanted // see lacks; nil until it is asked for
}

// An option is a key with the object that has it.
type option struct{ key, in string }

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
	inside bool   // of extra_config
	name   string // in words
}

// called returns what the object of a scope is called.
func called(scope component.Scope) string {
	if scope == component.InService {
		return "the root"
	}
	return "the " + string(scope)
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

// names reports whether a word is the name of the key, or was once.
func (k *guardedName) names(word string) bool {
	return config.SameName(word, k.key) || config.SameName(word, k.was)
}

// place returns where the key belongs that was found within objects of these scopes, the
// innermost first, in words: the nearest place that counts there, or else all there are.
func (k *guardedName) place(around []component.Scope) string {
	for _, scope := range around {
		for _, inside := range []bool{false, true} {
			if i := slices.IndexFunc(k.in, func(p place) bool { return p.scope == scope && p.inside == inside }); i >= 0 {
				return k.in[i].name
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

// plainWords are keys of protecting options that mean too little by themselves to
// be recognised where they are not expected.
var plainWords = []string{
	"cache", "debug", "disabled", "every", "interval", "key", "keys", "leeway", "max_age", "name", "shared", "strategy", "timeout",
}

// newGuard returns a guard. published are namespaces that are known besides those
// of the registry, with the names of today as values; it may be nil.
func newGuard(r *component.Registry, published map[string]string) *guard {
	g := &guard{registry: r, namespaces: make(map[string]string), options: make(map[string][]option)}
	for name, current := range published {
		g.namespaces[config.Letters(name)] = current
	}
	common := make(map[string]bool) // keys that others have, too
	for _, s := range component.Scopes {
		if s.Core == nil {
			continue
		}
		core := config.SpecOf(s.Core)
		for _, key := range core.Known() {
			common[key] = true
		}
		g.note(place{s.Scope, false, called(s.Scope)}, core)
	}
	for _, d := range r.All() {
		g.note(place{d.Scope, true, optionsOf(d.Namespace)}, config.SpecOf(d.Options))
		for _, name := range d.Names() {
			g.namespaces[config.Letters(name)] = d.Namespace
		}
		if !letsPass(d) {
			eachKey(config.SpecOf(d.Options), func(key string) { common[key] = true })
		}
	}
	add := func(in string, s *config.Spec) {
		eachKey(s, func(key string) {
			at := config.Letters(key)
			if !common[key] && !slices.Contains(plainWords, key) && !slices.Contains(g.options[at], option{key, in}) {
				g.options[at] = append(g.options[at], option{key, in})
			}
		})
	}
	for _, d := range r.All() {
		if letsPass(d) {
			add(d.Namespace, config.SpecOf(d.Options))
		}
		for _, f := range config.SpecOf(d.Options).Fields {
			if f.Guards == config.GuardsOption {
				g.options[config.Letters(f.Key)] = []option{{f.Key, d.Namespace}}
			}
		}
	}
	add("tls", config.SpecOf(reflect.TypeFor[model.ServerTLS]()))
	delete(common, "client_tls") // options have its keys
	for _, key := range config.SpecOf(reflect.TypeFor[model.ClientTLS]()).Known() {
		delete(common, key)
	}
	add("client_tls", config.SpecOf(reflect.TypeFor[model.ClientTLS]()))
	return g
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

// eachKey calls visit for the keys of an object, of its entries and of the objects
// within it.
func eachKey(s *config.Spec, visit func(key string)) {
	seen := make(map[*config.Spec]bool)
	var walk func(s *config.Spec)
	walk = func(s *config.Spec) {
		if s == nil || seen[s] {
			return
		}
		seen[s] = true
		walk(s.Item)
		for _, f := range s.Fields {
			visit(f.Key)
			walk(f.Spec)
		}
	}
	walk(s)
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
		// A single word, such as roles, says too little where anything may stand.
		if strings.Contains(m.Key, "_") && len(g.options[config.Letters(m.Key)]) > 0 || g.isFilter(m) {
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

// unknown says why an unknown key must not go unnoticed, and what to do; nil for
// one that protects nothing.
func (g *guard) unknown(u *config.Unknown) error {
	if u.Value.Kind == config.Null {
		return nil // it asks for nothing
	}
	i := g.find(u.Key)
	if d, err := g.otherScope(u); d != nil && (letsPass(d) || i >= 0) {
		return err
	}
	if i >= 0 {
		return g.guardedKey(u, &g.guarded[i])
	}
	if name, ok := g.namespace(u.Key); ok {
		return fmt.Errorf("the namespace %q has no effect here; move it into the extra_config of the %s%s", u.Key, g.scopes(name, u.Object), spelled(u.Key, name))
	}
	var within []string
	for _, f := range u.Object.Fields {
		if f.Key != "tls" && f.Key != "client_tls" {
			continue
		}
		if i := slices.IndexFunc(f.Spec.Known(), func(key string) bool { return config.SameName(u.Key, key) }); i >= 0 {
			within = append(within, f.Key+spelled(u.Key, f.Spec.Known()[i]))
		}
	}
	if within != nil {
		return fmt.Errorf("unknown key %q; move it into %s", u.Key, strings.Join(within, " or "))
	}
	if i := slices.IndexFunc(u.Object.Known(), func(key string) bool { return config.SameName(key, u.Key) }); i >= 0 {
		if owners, _ := g.optionOf(u.Key); owners != "" {
			return fmt.Errorf("unknown key %q; did you mean %q?", u.Key, u.Object.Known()[i])
		}
		return nil // it is misspelt, no more
	}
	if owners, key := g.optionOf(u.Key); owners != "" {
		return fmt.Errorf("%q is an option of %s and has no effect here; move it there%s", u.Key, owners, spelled(u.Key, key))
	}
	if places, key := g.wanted(u.Value, u.Key); places != "" {
		return fmt.Errorf("%q has no effect here; move it into %s%s", u.Key, places, spelled(u.Key, key))
	}
	if name, key := g.beside(u); name != "" {
		return fmt.Errorf("%q is an option of %s and has no effect here; move it there%s", u.Key, name, spelled(u.Key, key))
	}
	if found := g.holds(u.Value); found != "" {
		if near, ok := config.Suggest(u.Key, u.Object.Known()); ok {
			return fmt.Errorf("unknown key %q, and %s within it would have no effect; did you mean %q?", u.Key, found, near)
		}
		return fmt.Errorf("unknown key %q, and %s within it would have no effect; move that to where it counts", u.Key, found)
	}
	return nil
}

// guardedKey is unknown for a key that is k or nearly so.
func (g *guard) guardedKey(u *config.Unknown, k *guardedName) error {
	has := slices.Contains(u.Object.Known(), k.key)
	old := config.SameName(u.Key, k.was)
	switch owner, _ := u.Value.Owner(); {
	case has && old && owner.GetFold(k.key) != nil:
		return nil // the name of today is there, and counts
	case has && old:
		return fmt.Errorf("unknown key %q; it is called %q now", u.Key, k.key)
	case has:
		return fmt.Errorf("unknown key %q; did you mean %q?", u.Key, k.key)
	case old || config.SameName(u.Key, k.key):
		return fmt.Errorf("%q has no effect here; move it into %s%s", u.Key, k.place(g.around(u.Value)), spelled(u.Key, k.key))
	}
	return fmt.Errorf("unknown key %q, which looks like %s; write %[2]q in %s", u.Key, k.key, k.place(g.around(u.Value)))
}

// otherScope returns the declaration of the namespace that an unknown key stands in, if
// the namespace has the key in another scope, and says so.
func (g *guard) otherScope(u *config.Unknown) (*component.Declaration, error) {
	if slices.ContainsFunc(u.Object.Known(), func(key string) bool { return config.SameName(key, u.Key) }) {
		return nil, nil // it is misspelt, no more
	}
	for _, here := range g.registry.All() {
		if here.Options != u.Object.Type {
			continue
		}
		for _, there := range g.registry.All() {
			if there.Namespace != here.Namespace || there.Scope == here.Scope {
				continue
			}
			for _, key := range config.SpecOf(there.Options).Known() {
				if config.SameName(key, u.Key) {
					return there, fmt.Errorf("%q has no effect in the %s; move it into %s of the %s%s", u.Key, here.Scope, there.Namespace, there.Scope, spelled(u.Key, key))
				}
			}
		}
	}
	return nil, nil
}

// few is how many places are named where a key may be missing.
const few = 3

// wanted is where options that protect lack a key: those that guard less without it, or
// not at all. No more places are kept than tell that there are more than few.
type wanted struct {
	key  string                          // as it is spelled there
	all  []*config.Node                  // the options, in the order of the document
	near map[*config.Node][]*config.Node // the same by the endpoint that they stand in, or by the root if they are its own
}

// wanted returns the namespaces of the document that lack the key which a word names,
// in words, and how it is spelled there: those around n if there are any, otherwise all.
// Then even a plain word tells what is meant.
func (g *guard) wanted(n *config.Node, word string) (places, key string) {
	root, own := endpointOf(n)
	if g.lacking == nil {
		g.lacking = g.lacks(root)
	}
	w := g.lacking[config.Letters(word)]
	if w == nil {
		return "", ""
	}
	options := w.near[own]
	if len(options) == 0 {
		options = w.all
	}
	var paths []string
	for _, o := range options[:min(len(options), few)] {
		paths = append(paths, o.Path())
	}
	if len(options) > few {
		paths = append(paths, "another one")
	}
	return strings.Join(paths, " or "), w.key
}

// lacks returns what the options of a document that protect lack, by the letters of the
// key.
func (g *guard) lacks(root *config.Node) map[string]*wanted {
	lacking := make(map[string]*wanted)
	add := func(list []*config.Node, options *config.Node) []*config.Node {
		if len(list) > few {
			return list
		}
		return append(list, options)
	}
	config.Objects(root, model.Root(), g.registry.Options, func(scope string, object *config.Node) {
		extra := object.GetFold("extra_config")
		if extra == nil {
			return
		}
		for _, m := range extra.Members {
			d := g.registry.Find(component.Scope(scope), m.Key)
			if d == nil || !letsPass(d) || m.Value.Kind != config.Object {
				continue
			}
			for _, f := range config.SpecOf(d.Options).Fields {
				if m.Value.Get(f.Key).Written() || !needed(f, m.Value) {
					continue
				}
				letters := config.Letters(f.Key)
				w := lacking[letters]
				if w == nil {
					w = &wanted{near: make(map[*config.Node][]*config.Node)}
					lacking[letters] = w
				}
				w.key, w.all = f.Key, add(w.all, m.Value)
				if _, own := endpointOf(object); own != root || object == root {
					w.near[own] = add(w.near[own], m.Value)
				}
			}
		}
	})
	return lacking
}

// endpointOf returns the root of the document that n is of, and the endpoint that n is or
// stands in; the root if there is none.
func endpointOf(n *config.Node) (root, endpoint *config.Node) {
	var list *config.Node
	root = n
	for outer, _ := root.Owner(); outer != nil; outer, _ = root.Owner() {
		root, list, endpoint = outer, root, list
	}
	if _, key := list.Owner(); endpoint == nil || !strings.EqualFold(key, "endpoints") {
		return root, root
	}
	return root, endpoint
}

// needed reports whether the options n guard less, or not at all, without a key.
func needed(f config.Field, n *config.Node) bool {
	switch f.Key {
	case "every": // in the shortest window there is, far more is let through
		return true
	case "strategy":
		return n.Get("client_max_rate") != nil
	case "key":
		strategy := n.Get("strategy")
		return strategy != nil && !strings.EqualFold(strategy.Text, "ip")
	}
	return f.Rules.Required
}

// beside returns the protecting namespace that an unknown key is an option of, and
// its name there, where that stands in the extra_config beside it: then even a plain
// word tells what is meant.
func (g *guard) beside(u *config.Unknown) (namespace, key string) {
	owner, _ := u.Value.Owner()
	extra := owner.GetFold("extra_config")
	if extra == nil || elsewhere(u) != nil {
		return "", ""
	}
	for _, m := range extra.Members {
		for _, scope := range component.Scopes {
			d := g.registry.Find(scope.Scope, m.Key)
			if d == nil || !letsPass(d) {
				continue
			}
			for _, known := range config.SpecOf(d.Options).Known() {
				if config.SameName(known, u.Key) {
					return d.Namespace, known
				}
			}
		}
	}
	return "", ""
}

// namespaceOf says of which namespace an unknown key of a core object is an option,
// and where that goes; nil if there is none, or more than one.
func (g *guard) namespaceOf(u *config.Unknown) error {
	scope := g.scopeOf(u.Value)
	var found *component.Declaration
	option := ""
	for _, d := range g.registry.All() {
		if d.Options == u.Object.Type {
			return nil // it stands in a namespace
		}
		if d.Options == nil || g.registry.Find(scope, d.Namespace) != d {
			continue
		}
		for _, known := range config.SpecOf(d.Options).Known() {
			if config.SameName(known, u.Key) {
				if found != nil {
					return nil
				}
				found, option = d, known
			}
		}
	}
	if found == nil {
		return nil
	}
	return fmt.Errorf(`unknown key %q; it is an option of the namespace %s: write "extra_config": {%q: {%q: ...}}`, u.Key, found.Namespace, found.Namespace, option)
}

// optionOf returns the objects that have a key of this name, in words, and how it is
// spelled there.
func (g *guard) optionOf(word string) (owners, key string) {
	var names []string
	for _, o := range g.options[config.Letters(word)] {
		names, key = append(names, o.in), o.key
	}
	return strings.Join(names, " or "), key
}

// misplaced says what the key of n is that stands among namespaces and is none; nil where
// that is not clear.
func (g *guard) misplaced(n *config.Node, key string) error {
	if i := g.find(key); i >= 0 {
		return fmt.Errorf("%q is no namespace; move it into %s%s", key, g.guarded[i].place(g.around(n)), spelled(key, g.guarded[i].key))
	}
	if name, ok := g.namespace(key); ok {
		return fmt.Errorf("unknown namespace %q; did you mean %q?", key, name)
	}
	if owners, option := g.optionOf(key); owners != "" {
		return fmt.Errorf("%q is an option of %s; move it there%s", key, owners, spelled(key, option))
	}
	if places, option := g.wanted(n, key); places != "" {
		return fmt.Errorf("%q is no namespace; move it into %s%s", key, places, spelled(key, option))
	}
	return nil
}

// spelled says how a name is written, where that is not how it was.
func spelled(was, name string) string {
	if was == name {
		return ""
	}
	return fmt.Sprintf(" and write %q", name)
}

// scopes returns where a namespace works, in words: the object that it was found
// in, if that is one of them.
func (g *guard) scopes(name string, object *config.Spec) string {
	works := func(scope component.Scope) bool { return g.registry.Find(scope, name) != nil }
	if here := component.Scope(object.Scope); works(here) {
		return string(here)
	}
	if found := scopesWhere(works); found != "" {
		return found
	}
	return "object that it is for"
}

// repeated says why a key that occurs twice must not go unnoticed; nil for one that
// protects nothing.
func (g *guard) repeated(r *config.Repeated) error {
	if r.Merged {
		return g.hidden(r)
	}
	if !g.grave(r) {
		return nil
	}
	return fmt.Errorf("the key %q occurs twice, and what stands at %s would not count; write it once, with all that both say", r.Key, r.Dropped.Pos)
}

// hidden says that a member takes a protection of a merged object away; nil if it does
// not. Whoever writes a policy anew means that; whoever writes others beside it may take
// << for an addition to all that there is.
func (g *guard) hidden(r *config.Repeated) error {
	if config.IsComment(r.Key) {
		return nil
	}
	lost := ""
	if r.Dropped.Kind == config.Object {
		lost = g.lost(r.Dropped, r.Kept)
	} else if g.isFilter(config.Member{Key: r.Key, Value: r.Dropped}) {
		lost = r.Key
	}
	if lost == "" {
		return nil
	}
	return fmt.Errorf("the key %q hides all that the merged object has there, at %s, and %s would not count; write it here as well, or << with the object that has it", r.Key, r.Dropped.Pos, lost)
}

// lost returns what protects in an object of which another one has taken the place, and
// is not there; "" for nothing.
func (g *guard) lost(dropped, kept *config.Node) string {
	for _, m := range dropped.Members {
		if m.Comment() || m.Value.Kind == config.Null {
			continue
		}
		var own *config.Node
		for _, k := range kept.Members {
			if config.SameName(k.Key, m.Key) {
				own = k.Value
			}
		}
		if own != nil && own.Kind != config.Null {
			if own.Kind == config.Object && m.Value.Kind == config.Object {
				if found := g.lost(m.Value, own); found != "" {
					return found
				}
			}
			continue
		}
		if _, named := g.namespaces[config.Letters(m.Key)]; named && g.letsPass(m.Key) && (strings.Contains(m.Key, "/") || g.holds(m.Value) != "") {
			return m.Key
		}
		if m.Value.Kind != config.Object && g.find(m.Key) >= 0 || g.isFilter(m) || strings.Contains(m.Key, "_") && len(g.options[config.Letters(m.Key)]) > 0 {
			return m.Key
		}
		if m.Value.Kind == config.Object {
			if found := g.lost(m.Value, new(config.Node)); found != "" {
				return found
			}
		}
	}
	return ""
}

func (g *guard) grave(r *config.Repeated) bool {
	if config.IsComment(r.Key) || (config.Member{Key: r.Key, Value: r.Kept}).Comment() && (config.Member{Key: r.Key, Value: r.Dropped}).Comment() {
		return false
	}
	guarded := g.find(r.Key) >= 0 || len(g.options[config.Letters(r.Key)]) > 0
	for n := r.Kept; ; {
		owner, key := n.Owner()
		if owner == nil {
			break
		}
		if config.IsComment(key) {
			return false
		}
		switch _, above := owner.Owner(); {
		case config.Near(above, "extra_config"):
			guarded = guarded || n == r.Kept || g.protects(key)
		case g.find(above) >= 0:
			guarded = true
		}
		n = owner
	}
	_, named := g.namespace(r.Key)
	return guarded || named || g.holds(r.Kept) != "" || g.holds(r.Dropped) != ""
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

// elsewhere says where a key of one core object belongs that another one has, nil
// for any other key.
func elsewhere(u *config.Unknown) error {
	here := ""
	var others []string
	for _, s := range component.Scopes {
		if s.Core == nil {
			continue
		}
		has := slices.ContainsFunc(config.SpecOf(s.Core).Known(), func(key string) bool { return config.SameName(key, u.Key) })
		switch {
		case u.Object.Type == s.Core && has:
			return nil // in another spelling
		case u.Object.Type == s.Core:
			here = called(s.Scope)
		case has:
			others = append(others, called(s.Scope))
		}
	}
	if here == "" || others == nil {
		return nil
	}
	return fmt.Errorf("unknown key %q: %s has none; write it in %s", u.Key, here, strings.Join(others, " or "))
}

// unknownIn says that an object which protects has no such key, and which it has.
func unknownIn(u *config.Unknown) error {
	if len(u.Object.Known()) == 0 {
		return nil
	}
	return fmt.Errorf("unknown key %q; the keys are %s", u.Key, strings.Join(u.Object.Known(), ", "))
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
