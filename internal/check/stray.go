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

// stray lets the problem of an unknown key say what is known of it, and makes an error of
// it where something would be unprotected.
func (g *guard) stray(p *config.Problem) {
	u := p.Unknown()
	if err := g.unprotected(u); err != nil {
		raise(p, err)
		return
	}
	_, near := config.Suggest(u.Key, u.Object.Known())
	if !near && p.Severity == config.Error {
		raise(p, keysOf(u))
		return
	}
	_, place := g.otherScope(u)
	if place == nil {
		place = elsewhere(u)
	}
	if place == nil && !near {
		place = g.namespaceOf(u)
	}
	if place != nil {
		p.Err = place
	}
}

// keysOf says that an object which protects has no such key, and which it has.
func keysOf(u *config.Unknown) error {
	if len(u.Object.Known()) == 0 {
		return nil
	}
	return fmt.Errorf("unknown key %q; the keys are %s", u.Key, strings.Join(u.Object.Known(), ", "))
}

// unprotected says why an unknown key must not go unnoticed, and what to do; nil for
// one that protects nothing.
func (g *guard) unprotected(u *config.Unknown) error {
	if u.Value.Kind == config.Null {
		return nil // it asks for nothing
	}
	i := g.find(u.Key)
	if passes, err := g.otherScope(u); err != nil && (passes || i >= 0) {
		return err
	}
	if i >= 0 {
		return g.guardedKey(u, &g.guarded[i])
	}
	if name, ok := g.namespace(u.Key); ok {
		return fmt.Errorf("the namespace %q has no effect here; move it into the extra_config of the %s%s", u.Key, g.scopes(name, u), spelled(u.Key, name))
	}
	if within := withinTLS(u); within != "" {
		return fmt.Errorf("unknown key %q; move it into %s", u.Key, within)
	}
	switch key, misspelt := spelling(u.Object, u.Key); {
	case misspelt && g.guardsIn(u.Object, key):
		return fmt.Errorf("unknown key %q; did you mean %q?", u.Key, key)
	case misspelt:
		return nil
	}
	switch owners, places, key := g.belongs(u.Value, u.Key); {
	case places != "":
		return fmt.Errorf("%q has no effect here; move it into %s%s", u.Key, places, spelled(u.Key, key))
	case owners != "":
		return fmt.Errorf("%q is an option of %s and has no effect here; move it there%s", u.Key, owners, spelled(u.Key, key))
	}
	if name, key := g.beside(u); name != "" {
		return fmt.Errorf("%q is an option of %s and has no effect here; move it there%s", u.Key, name, spelled(u.Key, key))
	}
	found := g.holds(u.Value)
	if found == "" {
		return nil
	}
	if near, ok := config.Suggest(u.Key, u.Object.Known()); ok {
		return fmt.Errorf("unknown key %q, and %s within it would have no effect; did you mean %q?", u.Key, found, near)
	}
	return fmt.Errorf("unknown key %q, and %s within it would have no effect; move that to where it counts", u.Key, found)
}

// spelling returns the key of an object that a word spells in its own way.
func spelling(object *config.Spec, word string) (key string, ok bool) {
	for _, key := range object.Known() {
		if config.SameName(key, word) {
			return key, true
		}
	}
	return "", false
}

// withinTLS returns which settings of TLS beside an unknown key have it, in words, and how
// it is spelled there; "" if none have.
func withinTLS(u *config.Unknown) string {
	var within []string
	for _, f := range u.Object.Fields {
		if f.Key != "tls" && f.Key != "client_tls" {
			continue
		}
		if key, ok := spelling(f.Spec, u.Key); ok {
			within = append(within, f.Key+spelled(u.Key, key))
		}
	}
	return strings.Join(within, " or ")
}

// guardedKey is unprotected for a key that is k or nearly so.
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
		return fmt.Errorf("%q has no effect here; move it into %s%s", u.Key, g.place(k, u.Value), spelled(u.Key, k.key))
	}
	return fmt.Errorf("unknown key %q, which looks like %s; write %[2]q in %s", u.Key, k.key, g.place(k, u.Value))
}

// otherScope says in which other scope the namespace has an unknown key that stands in
// its options: in the nearest one around, or else in the first. Lets is whether in one of
// them its absence lets somebody pass; nil is no such scope.
func (g *guard) otherScope(u *config.Unknown) (lets bool, err error) {
	if _, misspelt := spelling(u.Object, u.Key); misspelt {
		return false, nil
	}
	scope := g.scopeOf(u.Value)
	object, _ := u.Value.Owner()
	_, name := object.Owner()
	here := g.registry.Find(scope, name)
	if here == nil || here.Options != u.Object.Type {
		return false, nil // it stands deeper within the options, or in none
	}
	namespace := here.Namespace
	near := g.around(u.Value)
	for _, s := range component.Scopes {
		near = append(near, s.Scope)
	}
	for _, other := range near {
		d := g.registry.Find(other, namespace)
		if d == nil || d.Options == nil || d.Options == u.Object.Type {
			continue
		}
		key, has := spelling(config.SpecOf(d.Options), u.Key)
		if !has {
			continue
		}
		lets = lets || letsPass(d)
		if err == nil {
			err = fmt.Errorf("%q has no effect in the %s; move it into %s of the %s%s", u.Key, g.registry.Called(scope, u.Value), namespace, g.registry.Called(other, u.Value), spelled(u.Key, key))
		}
	}
	return lets, err
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
		if key, ok := spelling(config.SpecOf(d.Options), u.Key); ok {
			if found != nil {
				return nil
			}
			found, option = d, key
		}
	}
	if found == nil {
		return nil
	}
	return fmt.Errorf(`unknown key %q; it is an option of the namespace %s: write "extra_config": {%q: {%q: ...}}`, u.Key, found.Namespace, found.Namespace, option)
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
			if key, ok := spelling(config.SpecOf(d.Options), u.Key); ok {
				return d.Namespace, key
			}
		}
	}
	return "", ""
}

// misplaced says what the key of n is that stands among namespaces and is none; nil where
// that is not clear.
func (g *guard) misplaced(n *config.Node, key string) error {
	if i := g.find(key); i >= 0 {
		return fmt.Errorf("%q is no namespace; move it into %s%s", key, g.place(&g.guarded[i], n), spelled(key, g.guarded[i].key))
	}
	if name, ok := g.namespace(key); ok {
		return fmt.Errorf("unknown namespace %q; did you mean %q?", key, name)
	}
	switch owners, places, option := g.belongs(n, key); {
	case places != "":
		return fmt.Errorf("%q is no namespace; move it into %s%s", key, places, spelled(key, option))
	case owners != "":
		return fmt.Errorf("%q is an option of %s; move it there%s", key, owners, spelled(key, option))
	}
	return nil
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
		_, has := spelling(config.SpecOf(s.Core), u.Key)
		switch {
		case u.Object.Type == s.Core && has:
			return nil
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

// spelled says how a name is written, where that is not how it was.
func spelled(was, name string) string {
	if was == name {
		return ""
	}
	return fmt.Sprintf(" and write %q", name)
}

// scopes returns where a namespace works, in words: the object that it was found
// in, if that is one of them.
func (g *guard) scopes(name string, u *config.Unknown) string {
	works := func(scope component.Scope) bool { return g.registry.Find(scope, name) != nil }
	if here := component.Scope(u.Object.Scope); works(here) {
		return g.registry.Called(here, u.Value)
	}
	if found := scopesWhere(g.registry, u.Value, works); found != "" {
		return found
	}
	return "object that it is for"
}

// few is how many places are named where a key may be missing.
const few = 3

// found is what a document has of components that protect.
type found struct {
	used    map[reflect.Type]bool // the components, by their options
	lacking map[string]*wanted    // what their options lack, by the letters of the key
}

// wanted is where options that protect lack a key. No more places are kept than tell that
// there are more than few.
type wanted struct {
	key  string                          // as it is spelled there
	all  []*config.Node                  // the options, in the order of the document
	near map[*config.Node][]*config.Node // the same by the endpoint that they stand in, or by the root if they are its own
}

// belongs returns where a word belongs, which names an option that protects: the objects
// that have it, or, where its name tells less, the places in the document that lack it;
// all in words, with how it is spelled there.
func (g *guard) belongs(n *config.Node, word string) (owners, places, key string) {
	owners, key, anywhere := g.optionOf(word)
	if anywhere {
		return owners, "", key
	}
	if places, key := g.wanted(n, word); places != "" {
		return "", places, key
	}
	return owners, "", key
}

// wanted returns the namespaces of the document that lack the key which a word names,
// in words, and how it is spelled there: those around n if there are any, otherwise all.
func (g *guard) wanted(n *config.Node, word string) (places, key string) {
	w := g.protecting().lacking[config.Letters(word)]
	if w == nil {
		return "", ""
	}
	_, own := endpointOf(n)
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

// protecting returns what the document has of components that protect. A plain word is
// lacking where the options themselves complain of it.
func (g *guard) protecting() *found {
	if g.found != nil {
		return g.found
	}
	g.found = &found{make(map[reflect.Type]bool), make(map[string]*wanted)}
	if g.root == nil {
		return g.found
	}
	add := func(list []*config.Node, options *config.Node) []*config.Node {
		if len(list) > few {
			return list
		}
		return append(list, options)
	}
	config.Objects(g.root, model.Root(), g.registry.Options, func(scope string, object *config.Node) {
		extra := object.GetFold("extra_config")
		if extra == nil {
			return
		}
		for _, m := range extra.Members {
			d := g.registry.Find(component.Scope(scope), m.Key)
			if d == nil || !letsPass(d) {
				continue
			}
			g.found.used[d.Options] = true
			if m.Value.Kind != config.Object {
				continue
			}
			s := config.SpecOf(d.Options)
			_, problems := config.DecodeAs(s, m.Value)
			missing := func(key string) bool {
				path := m.Value.Path() + "." + key
				return slices.ContainsFunc(problems, func(p *config.Problem) bool { return p.Severity == config.Error && p.Path == path })
			}
			for _, f := range s.Fields {
				if m.Value.Get(f.Key).Written() || g.plain(f) && !missing(f.Key) {
					continue
				}
				letters := config.Letters(f.Key)
				w := g.found.lacking[letters]
				if w == nil {
					w = &wanted{near: make(map[*config.Node][]*config.Node)}
					g.found.lacking[letters] = w
				}
				w.key, w.all = f.Key, add(w.all, m.Value)
				if root, own := endpointOf(object); own != root || object == root {
					w.near[own] = add(w.near[own], m.Value)
				}
			}
		}
	})
	return g.found
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
