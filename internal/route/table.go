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
	// question mark or a number sign once they are decoded. Those that may be
	// taken for dot segments are refused all the same.
	DisablePathDecoding bool

	// AutoOptions corrects the spelling of OPTIONS requests too, by the routes of
	// any other method.
	AutoOptions bool

	// DisableMethodNotAllowed answers NotFound for MethodNotAllowed.
	DisableMethodNotAllowed bool
}

// A Builder collects the routes of a table. It serves one goroutine.
type Builder[T any] struct {
	table Table[T]
}

// NewBuilder returns a builder without routes.
func NewBuilder[T any](o Options) *Builder[T] {
	return &Builder[T]{Table[T]{options: o}}
}

// Add routes method and pattern to value. Methods are compared as they are
// written. The reserved segments of CheckPattern may be used here, since the
// gateway's own paths live in the same table.
//
// It is an error if the pattern is malformed, or if a pattern of the same
// shape has been added for the method: variable names make no difference. The
// error then is a [*Taken], and the builder is as before.
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
		t.trees = slices.Insert(t.trees, at, tree{method: method, root: &node{}})
	}
	if other := t.trees[at].root.add(r); other != nil {
		return &Taken[T]{
			By:   t.values[other.index],
			text: fmt.Sprintf("%s %s is already routed as %s %s", method, pattern, other.method, other.pattern),
		}
	}
	t.routes = append(t.routes, r)
	t.values = append(t.values, value)
	for _, p := range r.parts {
		if p.kind != variable && (t.literals.add(p.text) || p.text == "" && len(r.parts) > 1) {
			t.trees[at].odd = true
		}
	}
	return nil
}

// Taken says that what was to be routed is routed already.
type Taken[T any] struct {
	By   T // the value of the other route
	text string
}

// Error names both routes.
func (t *Taken[T]) Error() string { return t.text }

// Head lets safe say of a value whether HEAD may do what GET does there, as it does unless
// somebody says otherwise. It is asked when the table is used.
func (b *Builder[T]) Head(safe func(value T) bool) { b.table.safe = safe }

// Build returns the table of what was added. The builder must not be used
// afterwards.
func (b *Builder[T]) Build() *Table[T] { return &b.table }

// A Table maps methods and paths to values. It never changes and is safe for
// concurrent use.
type Table[T any] struct {
	options  Options
	trees    []tree // by method
	routes   []*route
	values   []T // by route.index
	literals literals
	safe     func(T) bool // for HEAD; nil for all
}

// A tree has the routes of one method.
type tree struct {
	method string
	root   *node
	odd    bool // patterns exist with upper case, empty segments, or a slash at the end
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
	// Raw has the values as they were sent, or nothing when nothing in the path
	// is escaped. It shares the array of Params.
	Raw []string
	// Path is the path that was served: target, or what has become of it.
	Path string
	// Rest is what the wildcard took, with its escapes, its dot segments
	// resolved, what may not stand in a path escaped, and no slash at the start.
	// It may be empty.
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
// HEAD finds what GET does, unless [Builder.Head] refuses it. Following a redirect gives Found. Find does not allocate for a found route
// whose path has no escapes.
func (t *Table[T]) Find(method, target string, params []string) Match[T] {
	if !strings.HasPrefix(target, "/") {
		return Match[T]{}
	}
	p, err := t.read(target)
	if err != nil {
		return Match[T]{Outcome: BadParam, Text: "error: " + err.Error()}
	}
	var room [readingRoom]byte
	var read study
	if tree := t.tree(method); tree != nil {
		var s served
		s, read = t.lookup(tree, p, read, room[:0])
		if s.route != nil {
			if !t.serves(method, s.route) {
				return t.wrongMethod(t.allow(p, read, room[:0]))
			}
			return t.deliver(s, params)
		}
		if location, reason := t.correct(tree, p); location != "" {
			s, _ := t.lookup(tree, location, study{}, nil)
			if m := t.deliver(s, params); m.Outcome == BadParam {
				return m
			}
			return Match[T]{Outcome: Redirect, Location: string(location), Reason: reason}
		}
		if s.elsewhere {
			return Match[T]{} // the method has a route, and other methods are no remedy
		}
	}
	allow := t.allow(p, read, room[:0])
	if len(allow) == 0 && method == "OPTIONS" && t.options.AutoOptions {
		for i := range t.trees {
			if location, reason := t.correct(&t.trees[i], p); location != "" {
				return Match[T]{Outcome: Redirect, Location: string(location), Reason: reason}
			}
		}
	}
	return t.wrongMethod(allow)
}

// wrongMethod is the answer for a path that has these methods only.
func (t *Table[T]) wrongMethod(allow []string) Match[T] {
	if len(allow) == 0 || t.options.DisableMethodNotAllowed {
		return Match[T]{}
	}
	return Match[T]{Outcome: MethodNotAllowed, Allow: allow}
}

// serves reports whether a route, which serves a path, does so for the method.
func (t *Table[T]) serves(method string, r *route) bool {
	return method != "HEAD" || r.method != "GET" || t.safe == nil || t.safe(t.values[r.index])
}

// Methods returns the methods that have routes, sorted.
func (t *Table[T]) Methods() []string {
	methods := make([]string, len(t.trees))
	for i, tree := range t.trees {
		methods[i] = tree.method
	}
	return methods
}

// Covering returns the value of the route of a method that serves the paths of a
// pattern without being of the same form: a wildcard, or one with a variable where
// the pattern has a literal. The pattern is that of a route.
func (t *Table[T]) Covering(method, pattern string) (value T, ok bool) {
	tree := t.tree(method)
	if tree == nil {
		return value, false
	}
	r, err := compile(pattern, t.options.DisableRest)
	if err != nil {
		return value, false
	}
	const some = "-0-" // what no literal is called
	var b strings.Builder
	for _, p := range r.parts {
		b.WriteString("/" + url.PathEscape(p.text))
		if p.kind != literal {
			b.WriteString(some)
		}
	}
	if r.wild {
		b.WriteString("/" + some)
	}
	s, _ := t.lookup(tree, path(b.String()), study{}, nil)
	found := s.route
	if found == nil || found.wild == r.wild && slices.Equal(found.parts, r.parts) {
		return value, false
	}
	return t.values[found.index], true
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

// tree returns the tree of a method, or nil. HEAD is served wherever GET is,
// unless it has routes of its own (RFC 9110, section 9.3.2).
func (t *Table[T]) tree(method string) *tree {
	if method == "HEAD" && !slices.ContainsFunc(t.trees, func(t tree) bool { return t.method == method }) {
		method = "GET"
	}
	for i := range t.trees {
		if t.trees[i].method == method {
			return &t.trees[i]
		}
	}
	return nil
}

// lookup finds the route that serves p as it is written. There is none when
// another reading of p leads to another route: whoever asks for that one spells
// it. A value that is refused is the client's fault whatever else p may mean.
// It takes what has been read of paths, with the room for that, and returns it with
// what it has read itself.
func (t *Table[T]) lookup(tree *tree, p path, read study, room []byte) (served, study) {
	s := tree.root.lookup(p)
	if s.route == nil || s.route.fixed() {
		return s, read
	}
	read = read.of(s.path)
	if tree.reads(read) {
		read = read.read(room)
		if s.route.wild && read.dots || tree.ambiguous(s.route, read, &t.literals) && !t.refusesAny(s) {
			return served{elsewhere: true}, read
		}
	}
	s.special = read.kinds&special != 0
	return s, read
}

// readingRoom is the length of paths up to which reading them needs no memory of its
// own.
const readingRoom = 256

// refusesAny reports whether a value is refused.
func (t *Table[T]) refusesAny(s served) bool {
	values := s.route.appendValues(nil, s.path)
	return slices.ContainsFunc(values[:len(s.route.names)], func(v string) bool { return t.refuse(v) != "" })
}

// deliver answers with what serves a path, unless a value in it is refused.
func (t *Table[T]) deliver(s served, params []string) Match[T] {
	r := s.route
	if r.wild && s.special {
		s.path, s.rest = s.path.escaped(), string(path(s.rest).escaped())
	}
	params = r.appendValues(params[:0], s.path)
	params, raw := params[:len(r.names)], params[len(r.names):]
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
		Raw:     raw,
		Path:    string(s.path),
		Rest:    s.rest,
	}
}

const (
	encodedParam = "error: encoded url params"
	dotParam     = "error: dot segment in url params"
)

// refuse returns what is wrong with the value of a variable, or nothing. A
// value that still reads as an escape once it is decoded was escaped twice,
// which is how filters are stepped around.
func (t *Table[T]) refuse(value string) string {
	if dot(value) {
		return dotParam
	}
	if !t.options.DisablePathDecoding {
		if strings.IndexByte(value, '%') >= 0 {
			if _, err := url.PathUnescape(value); err != nil {
				return "error: " + err.Error()
			}
			return encodedParam
		}
		if strings.IndexByte(value, '?') >= 0 || strings.IndexByte(value, '#') >= 0 {
			return encodedParam
		}
	}
	if DotSegment(value) {
		return dotParam
	}
	return ""
}

// correct returns the canonical spelling of p, which no route of the tree serves
// as it is, or nothing. What it returns is served.
func (t *Table[T]) correct(tree *tree, p path) (location path, reason Reason) {
	fix := !t.options.DisableFixedPathRedirect
	if !fix && t.options.DisableTrailingSlashRedirect {
		return "", 0
	}
	pieces := p.pieces()
	slash := respelling{pieces: pieces}
	if location = t.location(tree, slash.walk(tree.root, 0, nil)); location != "" {
		return location, TrailingSlash
	}
	if !fix {
		return "", 0
	}
	s := respelling{pieces: clean(pieces), literals: &t.literals}
	if location = t.location(tree, s.walk(tree.root, 0, nil)); location == "" {
		location = t.location(tree, s.wild)
	}
	switch {
	case location == "":
		return "", 0
	case p.order() != tidy:
		return location, Uncleaned
	}
	return location, LetterCase
}

// location returns a path that was found, if the client may be sent there.
func (t *Table[T]) location(tree *tree, found []byte) path {
	p := path(found)
	// Two slashes would name a host, not a path.
	if p == "" || strings.HasPrefix(string(p), "//") {
		return ""
	}
	if s, _ := t.lookup(tree, p, study{}, nil); s.route == nil {
		return ""
	}
	return p
}

// WithHead returns sorted methods with HEAD among them if GET is.
func WithHead(methods []string) []string {
	if at, found := slices.BinarySearch(methods, "HEAD"); !found && slices.Contains(methods, "GET") {
		methods = slices.Insert(methods, at, "HEAD")
	}
	return methods
}

// allow returns the methods that serve p, sorted.
func (t *Table[T]) allow(p path, read study, room []byte) []string {
	var methods []string
	head := true
	for i := range t.trees {
		var s served
		if s, read = t.lookup(&t.trees[i], p, read, room); s.route != nil {
			methods = append(methods, t.trees[i].method)
			head = head && t.serves("HEAD", s.route)
		}
	}
	if !head {
		return methods
	}
	return WithHead(methods)
}
