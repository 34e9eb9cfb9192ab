package route

import (
	"errors"
	"fmt"
	"strings"
)

// A kind is how a segment of a pattern matches. Smaller kinds go first.
type kind uint8

const (
	literal  kind = iota
	word          // literal text, then a variable up to the end of the segment
	variable      // the whole segment
)

// A part is one segment of a pattern.
type part struct {
	kind kind
	text string // of a literal; of a word, what stands before its variable
}

// A route is a compiled pattern of one method.
type route struct {
	method, pattern string
	parts           []part // without the star
	names           []string
	wild            bool
	index           int // of its value in the table
}

// CheckPattern reports what keeps pattern from being the path of an endpoint,
// and what to write instead. On top of the syntax it refuses the segments
// __debug, __echo and __health at any depth, and "/*" alone. With disableRest
// a variable may also end a segment that starts with text.
//
// The error does not repeat the pattern when it names a segment of it.
func CheckPattern(pattern string, disableRest bool) error {
	r, err := compile(pattern, disableRest)
	if err != nil {
		return err
	}
	if r.wild && len(r.parts) == 0 {
		return errors.New(`"/*" takes every path: write a prefix before it, such as "/v1/*"`)
	}
	for _, p := range r.parts {
		switch p.text {
		case "__debug", "__echo", "__health":
			if p.kind == literal {
				return fmt.Errorf("segment %q belongs to the gateway: choose another name", p.text)
			}
		}
	}
	return nil
}

// Names returns the names of the variables of pattern in the order in which
// Find delivers their values. A name that is used twice is listed twice.
// Errors are those of the syntax, as in CheckPattern.
func Names(pattern string, disableRest bool) ([]string, error) {
	r, err := compile(pattern, disableRest)
	if err != nil {
		return nil, err
	}
	return r.names, nil
}

// compile splits pattern into parts. Method and index of the result are unset.
func compile(pattern string, disableRest bool) (*route, error) {
	rest, ok := strings.CutPrefix(pattern, "/")
	if !ok {
		return nil, fmt.Errorf("path %q: must start with a slash: write %q", pattern, "/"+pattern)
	}
	r := &route{pattern: pattern}
	for done := false; !done; {
		segment, after, more := strings.Cut(rest, "/")
		rest, done = after, !more
		if strings.Contains(segment, "*") {
			if segment != "*" || more {
				before, _, _ := strings.Cut(pattern, "*")
				return nil, fmt.Errorf("path %q: * stands alone at the end and takes everything below: write %q",
					pattern, before[:strings.LastIndexByte(before, '/')]+"/*")
			}
			r.wild = true
			return r, nil
		}
		p, name, err := compileSegment(segment, disableRest)
		if err != nil {
			return nil, err
		}
		r.parts = append(r.parts, p)
		if p.kind != literal {
			r.names = append(r.names, name)
		}
	}
	return r, nil
}

// compileSegment compiles one segment without a star; name is empty for a
// literal.
func compileSegment(segment string, disableRest bool) (p part, name string, err error) {
	before, braced, found := strings.Cut(segment, "{")
	switch {
	case !found:
		return part{kind: literal, text: segment}, "", nil
	case before != "" && !disableRest:
		// Compatibility: without disable_rest braces inside a word are text.
		return part{kind: literal, text: segment}, "", nil
	}
	name, after, closed := strings.Cut(braced, "}")
	switch {
	case !closed:
		return part{}, "", fmt.Errorf("segment %q: the brace is not closed: write %q", segment, segment+"}")
	case !validName(name):
		return part{}, "", fmt.Errorf("segment %q: a variable's name is made of letters, digits, - and _, got %q", segment, name)
	case strings.Contains(after, "{"):
		return part{}, "", fmt.Errorf("segment %q: one variable per segment: write %q", segment, before+"{"+name+"}")
	case after != "" && disableRest:
		return part{}, "", fmt.Errorf("segment %q: a variable ends its segment: write %q", segment, before+"{"+name+"}")
	case after != "":
		return part{}, "", fmt.Errorf("segment %q: a variable takes a whole segment: write %q, or set disable_rest and put text before the variable", segment, "{"+name+"}")
	case before == "":
		return part{kind: variable}, name, nil
	}
	return part{kind: word, text: before}, name, nil
}

// validName reports whether s may name a variable.
func validName(s string) bool {
	for _, c := range []byte(s) {
		if !alphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s != ""
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
