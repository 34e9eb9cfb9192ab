package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Neighbour is a route whose pattern nearly fits a path.
type Neighbour struct {
	Method, Pattern string
	Why             string // it does not fit, for a person
}

// What it costs to make a segment of a path fit a part of a pattern. A pattern is near if
// all of it costs no more than costLimit and a literal of it is in the path, or nearly.
const (
	costCase   = 1 // another letter case
	costSlash  = 1 // an empty segment too many or too few, such as a slash at the end
	costMethod = 2
	costEdit   = 1 // each letter of a word that is nearly another, beside costCase
	costStar   = 3 // a wildcard, beside which much is free
	costMiss   = 5 // a segment too many, or none for a variable
	costOther  = 6 // another word, or an empty one for a variable
	costAbsent = 7 // no segment for a literal
	costLimit  = 9
)

// Paths with more segments have no neighbours, nor have longer segments: nobody mistypes
// what nobody types.
const (
	maxSegments = 32
	maxSegment  = 64
)

// Near returns the routes that come nearest to fitting a target which they do not fit, at
// most so many, the nearest first. It tries every route of the table, each within a time
// that depends on the target alone, which is too slow for requests.
func (t *Table[T]) Near(method, target string, most int) []Neighbour {
	p, err := t.read(target)
	if err != nil || !strings.HasPrefix(target, "/") || strings.Count(target, "/") > maxSegments {
		return nil
	}
	if tree := t.tree(method); tree != nil {
		method = tree.method // of GET for HEAD
	}
	a := aligner{method: method, known: make(map[string][]int8)}
	for _, piece := range p.pieces() {
		a.segments = append(a.segments, piece.text)
	}
	type rated struct {
		*route
		cost int
	}
	var near []rated
	for _, r := range t.routes {
		if r.fits(p) || len(r.parts) > maxSegments {
			continue
		}
		if cost, anchored := a.align(r); anchored && cost <= costLimit {
			near = append(near, rated{r, cost})
		}
	}
	slices.SortStableFunc(near, func(x, y rated) int {
		return cmp.Or(cmp.Compare(x.cost, y.cost), strings.Compare(x.pattern, y.pattern), strings.Compare(x.method, y.method))
	})
	var out []Neighbour
	for _, n := range near[:min(most, len(near))] {
		a.align(n.route)
		out = append(out, Neighbour{n.method, n.pattern, a.why(n.route)})
	}
	return out
}

// An aligner lays the segments of a path beside the parts of patterns.
//
// Source: the edit distance of Wagner and Fischer (1974), over segments.
type aligner struct {
	method   string
	segments []string
	known    map[string][]int8 // by literal: what each segment costs in its place, -1 for not known

	best [maxSegments + 2][maxSegments + 2]int // the cost of so many segments beside so many parts
}

// align returns what it costs to make the path fit a route, and whether a literal of the
// route is in the path, or nearly.
func (a *aligner) align(r *route) (cost int, anchored bool) {
	n, m := len(a.segments), len(r.parts)
	for i := 0; i <= n; i++ {
		for j := 0; j <= m; j++ {
			if i == 0 && j == 0 {
				continue
			}
			best := costLimit * (maxSegments + 1)
			if i > 0 {
				best = min(best, a.best[i-1][j]+a.extra(r, i, j))
			}
			if j > 0 {
				best = min(best, a.best[i][j-1]+absent(r.parts[j-1]))
			}
			if i > 0 && j > 0 {
				best = min(best, a.best[i-1][j-1]+a.replace(r.parts[j-1], i-1))
			}
			a.best[i][j] = best
		}
	}
	cost = a.best[n][m]
	if r.method != a.method {
		cost += costMethod
	}
	if r.wild {
		cost += costStar
	}
	if cost <= costLimit {
		a.walk(r, func(segment, part int) {
			if segment >= 0 && part >= 0 && part < len(r.parts) && r.parts[part].kind != variable && a.replace(r.parts[part], segment) < costOther {
				anchored = true
			}
		})
	}
	return cost, anchored
}

// extra returns what the i-th segment costs where j parts are behind it already.
func (a *aligner) extra(r *route, i, j int) int {
	switch {
	case r.wild && j == len(r.parts):
		return 0 // the star takes it
	case a.segments[i-1] == "":
		return costSlash
	}
	return costMiss
}

// absent returns what a part costs for which there is no segment.
func absent(p part) int {
	switch {
	case p.kind != literal:
		return costMiss
	case p.text == "":
		return costSlash
	}
	return costAbsent
}

// replace returns what a segment costs in the place of a part.
func (a *aligner) replace(p part, segment int) int {
	text := a.segments[segment]
	switch {
	case p.kind == variable && text != "":
		return 0
	case p.kind == variable:
		return costOther
	case p.kind == word && len(text) > len(p.text) && strings.HasPrefix(text, p.text):
		return 0
	case p.kind == word && len(text) > len(p.text):
		text = text[:len(p.text)]
	}
	costs := a.known[p.text]
	if p.kind == word {
		return likeness(text, p.text)
	}
	if costs == nil {
		costs = slices.Repeat([]int8{-1}, len(a.segments))
		a.known[p.text] = costs
	}
	if costs[segment] < 0 {
		costs[segment] = int8(likeness(text, p.text))
	}
	return int(costs[segment])
}

// likeness returns what it costs to write one word in the place of another.
func likeness(written, meant string) int {
	switch {
	case written == meant:
		return 0
	case strings.EqualFold(written, meant):
		return costCase
	case written == "" || meant == "" || len(written) > maxSegment || len(meant) > maxSegment:
		return costOther
	}
	limit := min(3, max(1, utf8.RuneCountInString(meant)/3))
	if d := edits(strings.ToLower(written), strings.ToLower(meant)); d <= limit {
		return costCase + d*costEdit
	}
	return costOther
}

// edits counts the insertions, deletions and replacements that lead from one word to
// another, and swaps of neighbours as one.
func edits(from, to string) int {
	s, t := []rune(from), []rune(to)
	var rows [3][maxSegment + 1]int
	before, last, row := &rows[0], &rows[1], &rows[2]
	for j := range t {
		row[j+1] = j + 1
	}
	for i := 1; i <= len(s); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(t)]
}

// walk calls f for each step of the alignment that align has made last, from the end: a
// segment and the part it stands beside, -1 for none and len(r.parts) for the star. Of two
// alignments that cost the same it takes the one whose beginnings agree.
func (a *aligner) walk(r *route, f func(segment, part int)) {
	for i, j := len(a.segments), len(r.parts); i > 0 || j > 0; {
		switch here := a.best[i][j]; {
		case i > 0 && here == a.best[i-1][j]+a.extra(r, i, j):
			i--
			if r.wild && j == len(r.parts) {
				f(i, j)
			} else {
				f(i, -1)
			}
		case j > 0 && here == a.best[i][j-1]+absent(r.parts[j-1]):
			j--
			f(-1, j)
		default:
			i, j = i-1, j-1
			f(i, j)
		}
	}
}

// why says what keeps a route from fitting the path, from left to right.
func (a *aligner) why(r *route) string {
	var reasons []string
	last := len(a.segments) - 1
	a.walk(r, func(i, j int) {
		switch {
		case j == len(r.parts):
		case j < 0 && a.segments[i] == "" && i == last:
			reasons = append(reasons, "the path ends with a slash, and this one does not")
		case j < 0 && a.segments[i] == "":
			reasons = append(reasons, "the path has two slashes in a row")
		case j < 0:
			reasons = append(reasons, fmt.Sprintf("it has no segment for %q", a.segments[i]))
		case i < 0 && r.parts[j].kind == literal && r.parts[j].text == "":
			reasons = append(reasons, "this one ends with a slash")
		case i < 0:
			reasons = append(reasons, r.shown(j)+" is missing in the path")
		case a.replace(r.parts[j], i) == 0:
		case strings.EqualFold(a.segments[i], r.parts[j].text):
			reasons = append(reasons, fmt.Sprintf("%q is written %q here: letter case counts", a.segments[i], r.parts[j].text))
		default:
			reasons = append(reasons, fmt.Sprintf("%q is not %s", a.segments[i], r.shown(j)))
		}
	})
	slices.Reverse(reasons)
	if r.method != a.method {
		reasons = append(reasons, "serves "+r.method+" only")
	}
	return strings.Join(reasons, "; ")
}

// shown returns a part as it stands in the pattern, in quotes if it is a literal.
func (r *route) shown(part int) string {
	name := 0
	for _, p := range r.parts[:part] {
		if p.kind != literal {
			name++
		}
	}
	switch p := r.parts[part]; p.kind {
	case literal:
		return fmt.Sprintf("%q", p.text)
	default:
		return p.text + "{" + r.names[name] + "}"
	}
}
