package route

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Options are the router settings that change what Find answers.
type Options struct {
	// DisableRest lets a variable end a segment that starts with text.
	DisableRest bool

	// DisableTrailingSlashRedirect has an effect only together with
	// DisableFixedPathRedirect: then nothing is redirected at all.
	//
	// Compatibility: the correction of spellings covers slashes at the end.
	DisableTrailingSlashRedirect bool

	// DisableFixedPathRedirect stops the correction of letter case, repeated
	// slashes and dot segments. Slashes at the end are still corrected.
	DisableFixedPathRedirect bool

	// RemoveExtraSlash serves paths with repeated slashes as if each stood
	// alone. Dot segments are redirected as without it.
	RemoveExtraSlash bool

	// DisablePathDecoding lets variables have values that contain escapes, a
	// question mark or a number sign once they are decoded. The values . and
	// .. are refused all the same.
	DisablePathDecoding bool

	// DisableMethodNotAllowed answers NotFound for MethodNotAllowed.
	DisableMethodNotAllowed bool
}

// A Builder collects the routes of a table. It serves one goroutine.
type Builder[T any] struct {
	table Table[T]
}

// NewBuilder returns a builder without routes.
func NewBuilder[T any](o Options) *Builder[T] {
	return &Builder[T]{Table[T]{options: o, spellings: map[string][]string{}}}
}

// Add routes method and pattern to value. Methods are compared as they are
// written. The reserved segments of CheckPattern may be used here, since the
// gateway's own paths live in the same table.
//
// It is an error if the pattern is malformed, or if a pattern of the same
// shape has been added for the method: variable names make no difference. The
// error then names both, and the builder is as before.
func (b *Builder[T]) Add(method, pattern string, value T) error {
	t := &b.table
	r, err := compile(pattern, t.options.DisableRest)
	if err != nil {
		return err
	}
	r.method, r.index = method, len(t.values)
	at, found := slices.BinarySearchFunc(t.trees, method, func(t tree, method string) int {
		return strings.Compare(t.method, method)
	})
	if !found {
		t.trees = slices.Insert(t.trees, at, tree{method, &node{}})
	}
	if other := t.trees[at].root.add(r); other != nil {
		return fmt.Errorf("%s %s is already routed as %s %s", method, pattern, other.method, other.pattern)
	}
	t.routes = append(t.routes, r)
	t.values = append(t.values, value)
	for _, p := range r.parts {
		if s := t.spellings[fold(p.text)]; p.kind != variable && !slices.Contains(s, p.text) {
			t.spellings[fold(p.text)] = append(s, p.text)
		}
	}
	return nil
}

// Build returns the table of what was added. The builder must not be used
// afterwards.
func (b *Builder[T]) Build() *Table[T] { return &b.table }

// A Table maps methods and paths to values. It never changes and is safe for
// concurrent use.
type Table[T any] struct {
	options   Options
	trees     []tree // by method
	routes    []*route
	values    []T                 // by route.index
	spellings map[string][]string // literal texts by their folded form
}

// A tree has the routes of one method.
type tree struct {
	method string
	root   *node
}

// An Outcome is what the table knows about a request.
type Outcome uint8

const (
	NotFound         Outcome = iota
	Found                    // Match has the value, the variables and the rest
	MethodNotAllowed         // Match.Allow has the methods of this path
	Redirect                 // Match.Location has the canonical path
	BadParam                 // Match.Text says why a variable was refused
)

// A Reason is why a path is not the canonical one.
type Reason uint8

const (
	TrailingSlash Reason = iota + 1 // missing or too many at the end
	Uncleaned                       // repeated slashes or dot segments
	LetterCase                      // upper and lower case of literal text
)

// String returns the reason in words.
func (r Reason) String() string {
	switch r {
	case TrailingSlash:
		return "slash at the end"
	case Uncleaned:
		return "repeated slashes or dot segments"
	case LetterCase:
		return "letter case"
	}
	return "none"
}

// A Match is the answer of Find. Fields that the outcome does not mention are
// zero.
type Match[T any] struct {
	Outcome Outcome

	Value   T
	Pattern string   // as it was added
	Names   []string // of the variables; shared, read-only
	Params  []string // decoded values, by the same index as Names
	// Rest is what the wildcard took, with its escapes, its dot segments
	// resolved and no slash at the start. It may be empty.
	Rest string

	Allow    []string // sorted
	Location string   // escaped path, begins with exactly one slash, no query
	Reason   Reason   // of the redirect
	Text     string   // for the client
}

// Find returns what is known about target, which is the path of a request
// target in its escaped form, without the query. Anything that does not start with a
// slash is not found.
//
// Values are appended to params[:0], and Match.Params is the result, so its
// backing array is the caller's as long as it is large enough. Values without
// escapes, and Rest, share memory with target.
//
// Following a redirect gives Found. Find does not allocate for a found route
// whose path has no escapes.
func (t *Table[T]) Find(method, target string, params []string) Match[T] {
	if !strings.HasPrefix(target, "/") {
		return Match[T]{}
	}
	p, err := t.read(target)
	if err != nil {
		return Match[T]{Outcome: BadParam, Text: "error: " + err.Error()}
	}
	if root := t.root(method); root != nil {
		if r, rest := root.lookup(p); r != nil {
			return t.deliver(r, p, rest, params)
		}
		if location, reason := t.correct(root, p); location != "" {
			r, rest := root.lookup(location)
			if m := t.deliver(r, location, rest, params); m.Outcome == BadParam {
				return m
			}
			return Match[T]{Outcome: Redirect, Location: string(location), Reason: reason}
		}
	}
	if t.options.DisableMethodNotAllowed {
		return Match[T]{}
	}
	if allow := t.allow(p); len(allow) > 0 {
		return Match[T]{Outcome: MethodNotAllowed, Allow: allow}
	}
	return Match[T]{}
}

// read checks the escapes of target, which starts with a slash, and returns
// the path to look for.
func (t *Table[T]) read(target string) (path, error) {
	if strings.IndexByte(target, '%') >= 0 {
		if _, err := url.PathUnescape(target); err != nil {
			return "", err
		}
	}
	if t.options.RemoveExtraSlash {
		return collapse(path(target)), nil
	}
	return path(target), nil
}

// root returns the tree of a method, or nil.
func (t *Table[T]) root(method string) *node {
	for i := range t.trees {
		if t.trees[i].method == method {
			return t.trees[i].root
		}
	}
	return nil
}

// deliver answers with r, which serves p, unless one of its values is refused.
func (t *Table[T]) deliver(r *route, p path, rest string, params []string) Match[T] {
	params = r.appendValues(params[:0], p)
	for _, v := range params {
		if text := t.refuse(v); text != "" {
			return Match[T]{Outcome: BadParam, Text: text}
		}
	}
	return Match[T]{
		Outcome: Found,
		Value:   t.values[r.index],
		Pattern: r.pattern,
		Names:   r.names,
		Params:  params,
		Rest:    rest,
	}
}

const encodedParam = "error: encoded url params"

// refuse returns what is wrong with the value of a variable, or nothing. A
// value that still reads as an escape once it is decoded was escaped twice,
// which is how filters are stepped around.
func (t *Table[T]) refuse(value string) string {
	if dot(value) {
		return "error: dot segment in url params"
	}
	if t.options.DisablePathDecoding {
		return ""
	}
	if strings.IndexByte(value, '%') >= 0 {
		if _, err := url.PathUnescape(value); err != nil {
			return "error: " + err.Error()
		}
		return encodedParam
	}
	if strings.IndexByte(value, '?') >= 0 || strings.IndexByte(value, '#') >= 0 {
		return encodedParam
	}
	return ""
}

// correct returns the canonical spelling of p, which no route of root serves
// as it is, or nothing. What it returns is served.
func (t *Table[T]) correct(root *node, p path) (location path, reason Reason) {
	fix := !t.options.DisableFixedPathRedirect
	if !fix && t.options.DisableTrailingSlashRedirect {
		return "", 0
	}
	pieces := p.pieces()
	slash := respelling{pieces: pieces}
	found, reason := slash.walk(root, 0, nil), TrailingSlash
	if found == nil && fix {
		s := respelling{pieces: clean(pieces), spellings: t.spellings}
		found, reason = s.walk(root, 0, nil), LetterCase
		if found == nil {
			found = s.wild
		}
		if p.order() != tidy {
			reason = Uncleaned
		}
	}
	location = path(found)
	// Two slashes would name a host, not a path.
	if location == "" || strings.HasPrefix(string(location), "//") {
		return "", 0
	}
	if r, _ := root.lookup(location); r == nil {
		return "", 0
	}
	return location, reason
}

// allow returns the methods that serve p, sorted.
func (t *Table[T]) allow(p path) []string {
	var methods []string
	for _, tree := range t.trees {
		if r, _ := tree.root.lookup(p); r != nil {
			methods = append(methods, tree.method)
		}
	}
	return methods
}
