package config

import (
	"slices"
	"strings"
)

// Hide marks what stands at keys that are secrets, see [IsSecret], so that it is masked like
// what a reference has inserted, however it is written. The document is a value of root;
// options gives the options of a namespace of a scope, nil if it is unknown. It comes
// before anything is said of the values.
func (d *Document) Hide(root *Spec, options Options) {
	var walk func(n *Node, s *Spec)
	walk = func(n *Node, s *Spec) {
		if s = s.of(n); s == nil || len(n.Items) == 0 && len(n.Members) == 0 {
			return
		}
		for _, item := range n.Items {
			walk(item, s.Item)
		}
		for _, m := range n.Members {
			if !s.Extra(m.Key) {
				if s.secretAt(m.Key) {
					d.hide(m.Value)
				}
				walk(m.Value, s.member(m.Key))
				continue
			}
			for _, inner := range m.Value.Members {
				walk(inner.Value, options(s.Scope, inner.Key))
			}
		}
	}
	walk(d.Root, root)
}

// secretAt reports whether a key of an object is a secret, be it misspelt or written as it
// was called before.
func (s *Spec) secretAt(key string) bool {
	f := s.fieldOf(key)
	if f == nil && s.Rest != nil && s.Rest.Secret == IsSecret {
		return true
	}
	if !slices.ContainsFunc(s.Fields, func(f Field) bool { return f.Secret == IsSecret }) {
		return false
	}
	if f == nil && slices.ContainsFunc(s.Fields, func(f Field) bool { return f.Secret == IsSecret && strings.EqualFold(f.Was, key) }) {
		return true
	}
	if near, found := Suggest(key, s.Known()); f == nil && found {
		f = s.fieldOf(near)
	}
	return f != nil && f.Secret == IsSecret
}

// hide marks the texts of a value, and what stands there in place of one.
func (d *Document) hide(n *Node) {
	switch n.Kind {
	case String, Number:
		if n.Secret() || n.Text == "" {
			return // a reference is masked already, and an empty text tells nothing
		}
		n.hides = byKey
		d.inserted = append(d.inserted, insertion{path: n.Path(), value: n.Text, spoken: true})
	}
	for _, item := range n.Items {
		d.hide(item)
	}
	for _, m := range n.Members {
		d.hide(m.Value)
	}
}
