package config

import (
	"slices"
	"strings"
)

// Options returns what is known of the options of a namespace in the extra_config of
// an object of a scope, nil if that is nothing.
type Options func(scope, namespace string) *Spec

// Objects calls visit for each object within root, a value of s, that has a scope, those within
// the options of namespaces too: a pipe in a backend, and its backends. Outer ones come
// first, and those beside each other in the order of the document.
func Objects(root *Node, s *Spec, options Options, visit func(scope string, object *Node)) {
	var walk func(n *Node, s *Spec)
	walk = func(n *Node, s *Spec) {
		if s = s.of(n); s == nil {
			return
		}
		for _, item := range n.Items {
			walk(item, s.Item)
		}
		if n.Kind == Object && s.Scope != "" {
			visit(s.Scope, n)
		}
		for _, m := range n.Members {
			if !s.Extra(m.Key) {
				walk(m.Value, s.member(m.Key))
				continue
			}
			for _, inner := range m.Value.Members {
				walk(inner.Value, options(s.Scope, inner.Key))
			}
		}
	}
	walk(root, s)
}

// ScopeOf returns the scope of the innermost object that has one and that n stands in;
// the root of the document is a value of s.
func ScopeOf(n *Node, s *Spec, options Options) string {
	var way []*Node // from the root to the owner of n
	for owner, _ := n.Owner(); owner != nil; owner, _ = owner.Owner() {
		way = append(way, owner)
	}
	slices.Reverse(way)
	scope, extra := s.Scope, false
	for i, at := range way {
		if i > 0 {
			outer, key := at.Owner()
			switch {
			case extra:
				s, extra = options(scope, key), false
			case outer.Kind == Object && s.Extra(key):
				s, extra = nil, true
			case outer.Kind == Object:
				s = s.member(key)
			case s != nil:
				s = s.Item
			}
		}
		if s = s.of(at); s != nil && s.Scope != "" {
			scope = s.Scope
		}
	}
	return scope
}

// of returns what is known of n where a value of s is expected: one value may stand for
// a list of it.
func (s *Spec) of(n *Node) *Spec {
	if s != nil && s.Shape == ListShape && n.Kind != Array {
		return s.Item
	}
	return s
}

// Extra reports whether the key of an object of s is that of its namespaces.
func (s *Spec) Extra(key string) bool {
	return s != nil && s.Scope != "" && strings.EqualFold(key, "extra_config")
}
