package flatmap

import (
	"maps"
	"slices"
	"strconv"
)

// A tombstone marks the place of an element that was taken out of an array, so
// that the elements behind it keep their positions. It has a size because
// pointers to distinct values without one may be equal.
type tombstone struct{ _ byte }

var gone any = new(tombstone)

// lookup returns the value that container c, an object or an array, holds
// under p. A gap holds nothing.
func lookup(c any, p part) (v any, ok bool) {
	switch c := c.(type) {
	case map[string]any:
		v, ok = c[p.name]
	case []any:
		if p.pos >= 0 && p.pos < len(c) && c[p.pos] != gone {
			return c[p.pos], true
		}
	}
	return v, ok
}

// store puts v under p into container c, over a gap as well. It reports false
// if c is an array without that position or no container at all.
func store(c any, p part, v any) bool {
	switch c := c.(type) {
	case map[string]any:
		c[p.name] = v
		return true
	case []any:
		if p.pos >= 0 && p.pos < len(c) {
			c[p.pos] = v
			return true
		}
	}
	return false
}

// remove takes out what container c holds under p and reports whether that
// left a gap.
func remove(c any, p part) (gap bool) {
	switch c := c.(type) {
	case map[string]any:
		delete(c, p.name)
	case []any:
		c[p.pos] = gone
		return true
	}
	return false
}

// storeAt puts v under path, counted from container c, creating the levels on
// the way. It reports false, and has changed nothing, if an array on the way
// does not have the position.
func storeAt(c any, path []part, v any) bool {
	last := len(path) - 1
	for _, p := range path[:last] {
		next, _ := lookup(c, p)
		switch next.(type) {
		case map[string]any, []any:
		default:
			// From here on all is new, so that nothing below can fail.
			next = map[string]any{}
			if !store(c, p, next) {
				return false
			}
		}
		c = next
	}
	return store(c, path[last], v)
}

// A match is a place that a path leads to: the value under at[len(at)-1] in
// parent.
type match struct {
	parent any
	at     []part // the path with every * replaced by what it stood for
	value  any
}

func (m *match) last() part { return m.at[len(m.at)-1] }

// find returns the places below root that path leads to, keys in sorted order
// and positions ascending.
func find(root map[string]any, path []part) []match {
	s := search{path: path, at: make([]part, 0, len(path))}
	s.visit(root)
	return s.found
}

type search struct {
	path  []part
	at    []part // the way from the root to the container being visited
	ways  []part // the memory behind the ways of the matches
	found []match
}

func (s *search) visit(parent any) {
	p := s.path[len(s.at)]
	if !p.isAny() {
		if v, ok := lookup(parent, p); ok {
			s.enter(parent, p, v)
		}
		return
	}
	switch c := parent.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(c)) {
			s.enter(parent, part{name: key, pos: position(key)}, c[key])
		}
	case []any:
		for i, v := range c {
			if v != gone {
				s.enter(parent, part{name: strconv.Itoa(i), pos: i}, v)
			}
		}
	}
}

// enter follows p from parent to v, or records v if p is the last part.
func (s *search) enter(parent any, p part, v any) {
	s.at = append(s.at, p)
	if len(s.at) == len(s.path) {
		s.ways = append(s.ways, s.at...)
		at := s.ways[len(s.ways)-len(s.at):]
		s.found = append(s.found, match{parent: parent, at: at, value: v})
	} else {
		s.visit(v)
	}
	s.at = s.at[:len(s.at)-1]
}

// closeGaps removes the tombstones from all arrays in v and returns v, which
// is another slice header if v is an array.
func closeGaps(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, child := range v {
			v[key] = closeGaps(child)
		}
	case []any:
		v = slices.DeleteFunc(v, isGone)
		for i, child := range v {
			v[i] = closeGaps(child)
		}
		return v
	}
	return v
}

func isGone(v any) bool { return v == gone }
