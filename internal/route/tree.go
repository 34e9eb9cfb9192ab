package route

import (
	"slices"
	"strings"
)

// A node stands for the segments that lead to it from the root. The last
// segment of a path that ends in a slash is the empty literal.
type node struct {
	exact    *route // ends here
	wild     *route // takes everything below
	literals map[string]*node
	words    map[string]*node // by the text before the variable
	lengths  []int            // of the keys of words, longest first
	folded   string           // the key of the node among the words of its parent, folded
	variable *node
}

// add hangs r into the tree. If another route has the same shape, it is
// returned and the tree stays as it was.
func (n *node) add(r *route) (other *route) {
	for _, p := range r.parts {
		n = n.grow(p)
	}
	end := &n.exact
	if r.wild {
		end = &n.wild
	}
	if *end != nil {
		return *end
	}
	*end = r
	return nil
}

// grow returns the child for p, which it makes if need be.
func (n *node) grow(p part) *node {
	if p.kind == variable {
		if n.variable == nil {
			n.variable = &node{}
		}
		return n.variable
	}
	children := &n.literals
	if p.kind == word {
		children = &n.words
	}
	if *children == nil {
		*children = map[string]*node{}
	}
	c, ok := (*children)[p.text]
	if !ok {
		c = &node{}
		(*children)[p.text] = c
		if p.kind == word {
			c.folded = fold(p.text)
			if at, known := slices.BinarySearchFunc(n.lengths, len(p.text), longestFirst); !known {
				n.lengths = slices.Insert(n.lengths, at, len(p.text))
			}
		}
	}
	return c
}

func longestFirst(a, b int) int { return b - a }

// A search walks a tree along a path. Every node stands for other segments, so
// none is visited twice.
type search struct {
	path
	wild  *route // with the longest prefix met so far
	depth int    // of wild
	at    int    // where the rest of wild starts
}

// walk returns the explicit route for the path from pos on, which is where a
// segment starts or beyond the end. When there is none it has met every
// wildcard whose prefix fits.
func (s *search) walk(n *node, pos, depth int) *route {
	if n.wild != nil && (s.wild == nil || depth > s.depth) {
		s.wild, s.depth, s.at = n.wild, depth, min(pos, len(s.path))
	}
	if pos > len(s.path) {
		return n.exact
	}
	text, _, next := s.segment(pos)
	if c := n.literals[text]; c != nil {
		if r := s.walk(c, next, depth+1); r != nil {
			return r
		}
	}
	if text == "" {
		return nil
	}
	for _, l := range n.lengths {
		if l >= len(text) {
			continue
		}
		if c := n.words[text[:l]]; c != nil {
			if r := s.walk(c, next, depth+1); r != nil {
				return r
			}
		}
	}
	if n.variable == nil {
		return nil
	}
	return s.walk(n.variable, next, depth+1)
}

// served is what a tree knows of a path: the route that serves it, or none.
type served struct {
	route *route
	path  path   // that is served: the one that was looked for, or what became of it
	rest  string // what a wildcard takes

	special   bool // readers may give the path a meaning of their own
	elsewhere bool // none does, because others may read the path as that of another route
}

// lookup returns the route that serves p if nobody reads it otherwise.
func (n *node) lookup(p path) served {
	s := search{path: p}
	if r := s.walk(n, 1, 0); r != nil || s.wild == nil {
		return served{route: r, path: p}
	}
	order := p.order()
	if order == tidy {
		return served{route: s.wild, path: p, rest: string(p[s.at:])}
	}
	// The wildcard is chosen by the path that a backend may make of this one.
	pieces := p.pieces()
	cleaned := clean(pieces)
	s = search{path: join(cleaned)}
	if s.walk(n, 1, 0) != nil || s.wild == nil {
		return served{}
	}
	prefix := len(s.wild.parts)
	same := func(a, b piece) bool { return a.text == b.text }
	if len(pieces) < prefix || !slices.EqualFunc(pieces[:prefix], cleaned[:prefix], same) || climbs(pieces[prefix:]) {
		return served{}
	}
	if order == dots {
		return served{route: s.wild, path: s.path, rest: string(s.path[s.at:])}
	}
	// Slashes in front of the rest are one with the slash before it, but for those
	// that were sent escaped: they are data.
	rest, _ := cutSlash(string(join(pieces[prefix:])))
	rest = strings.TrimLeft(rest, "/")
	return served{route: s.wild, path: join(pieces[:prefix]) + "/" + path(rest), rest: rest}
}

// appendValues appends the variables of r in p, which r matches, to values:
// decoded, and if p has escapes then once more as they were sent.
func (r *route) appendValues(values []string, p path) []string {
	if len(r.names) == 0 {
		return values
	}
	pos := 1
	for _, part := range r.parts {
		text, _, next := p.segment(pos)
		if part.kind != literal {
			values = append(values, text[len(part.text):])
		}
		pos = next
	}
	if strings.IndexByte(string(p), '%') < 0 {
		return values
	}
	pos = 1
	for _, part := range r.parts {
		_, end, next := p.segment(pos)
		if part.kind != literal {
			raw := string(p[pos:end])
			for range len(part.text) { // a byte of the text, or the escape of one
				if raw[0] == '%' {
					raw = raw[2:]
				}
				raw = raw[1:]
			}
			values = append(values, raw)
		}
		pos = next
	}
	return values
}

// A respelling looks for a route under another spelling of a path.
type respelling struct {
	pieces []piece
	// literals are those of the table. With nil, letter case counts and wildcards
	// are left out.
	literals *literals

	wild  []byte // location under the wildcard with the longest prefix
	depth int    // of wild
}

// walk returns the canonical path of an explicit route for pieces from i on:
// location and what n's subtree makes of them, with or without a slash at the
// end. It returns nil when there is none.
func (s *respelling) walk(n *node, i int, location []byte) []byte {
	if s.literals != nil && n.wild != nil && (s.wild == nil || i > s.depth) {
		s.wild, s.depth = appendRaw(slices.Clone(location), join(s.pieces[i:])), i
	}
	if i == len(s.pieces) {
		if n.exact != nil {
			return location
		}
		if c := n.literals[""]; c != nil && c.exact != nil {
			return append(location, '/')
		}
		return nil
	}
	text := s.pieces[i].text
	location = append(location, '/')
	next := func(c *node, segment string) []byte {
		if c == nil {
			return nil
		}
		return s.walk(c, i+1, appendSegment(location, segment))
	}
	for _, spelling := range s.candidates(text) {
		if found := next(n.literals[spelling], spelling); found != nil {
			return found
		}
	}
	if text == "" {
		if i == len(s.pieces)-1 && n.exact != nil {
			return location[:len(location)-1]
		}
		return nil
	}
	for _, l := range n.lengths {
		if l >= len(text) {
			continue
		}
		for _, spelling := range s.candidates(text[:l]) {
			if found := next(n.words[spelling], spelling+text[l:]); found != nil {
				return found
			}
		}
	}
	return next(n.variable, text)
}

// candidates returns the texts that stand for text: itself, what it is folded to, then
// others in the order of their routes.
func (s *respelling) candidates(text string) []string {
	out := []string{text}
	if s.literals == nil || !s.literals.mayBe(len(text)) {
		return out
	}
	folded := fold(text)
	if folded != text {
		out = append(out, folded)
	}
	for _, other := range s.literals.others[folded] {
		if other != text {
			out = append(out, other)
		}
	}
	return out
}
