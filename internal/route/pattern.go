package route

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
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

// CheckPattern returns the names of the variables of pattern in the order in
// which Find delivers their values; a name that is used twice is listed twice.
//
// The error says what keeps pattern from being the path of an endpoint, and
// what to write instead. On top of the syntax it refuses the segments __debug,
// __echo and __health at any depth, and "/*" alone. With disableRest a variable
// may also end a segment that starts with text.
//
// The error does not repeat the pattern when it names a segment of it.
func CheckPattern(pattern string, disableRest bool) (names []string, err error) {
	reserved := ""
	wild, err := split(pattern, disableRest, func(p part, name string) {
		switch {
		case p.kind != literal:
			names = append(names, name)
		case reserved == "" && (p.text == "__debug" || p.text == "__echo" || p.text == "__health"):
			reserved = p.text
		}
	})
	switch {
	case err != nil:
		return nil, err
	case wild && pattern == "/*":
		return nil, errors.New(`"/*" takes every path: write a prefix before it, such as "/v1/*"`)
	case reserved != "":
		return nil, fmt.Errorf("segment %q belongs to the gateway: choose another name", reserved)
	}
	return names, nil
}

// Doubts returns what pattern, which CheckPattern has let pass, says and cannot
// mean: a brace that makes no variable, a dot segment, an escape, a query, a blank at
// the end. Each says what to write instead.
func Doubts(pattern string, disableRest bool) []error {
	var doubts []error
	split(pattern, disableRest, func(p part, _ string) { // without an error, since CheckPattern found none
		at := strings.IndexAny(p.text, "{}")
		switch {
		case p.kind == variable, asWord(p.text):
		case strings.ContainsAny(p.text, "?#"):
			doubts = append(doubts, fmt.Errorf("the segment %q holds %q, which ends the path in what clients ask for; write the path alone, parameters of the query pass by input_query_strings",
				p.text, p.text[strings.IndexAny(p.text, "?#"):][:1]))
		case strings.ContainsFunc(strings.Trim(p.text, blanks), invisible):
			doubts = append(doubts, fmt.Errorf("the segment %q holds a character that is not seen, which clients would have to ask for; write it without", p.text))
		case escapes(p.text) && !strings.Contains(unescape(p.text), "/"):
			doubts = append(doubts, fmt.Errorf("the segment %q holds escapes, and what clients ask for is compared once it is decoded; write %q", p.text, unescape(p.text)))
		case escapes(p.text):
			doubts = append(doubts, fmt.Errorf("the segment %q holds an escaped slash, which separates segments in what clients ask for; write %q", p.text, unescape(p.text)))
		case p.text != "" && strings.Trim(p.text, blanks) == "":
			doubts = append(doubts, fmt.Errorf("the segment %q is made of blanks, which clients would have to ask for; write the path without it", p.text))
		case strings.TrimLeft(p.text, blanks) != p.text || p.kind == literal && strings.TrimRight(p.text, blanks) != p.text:
			doubts = append(doubts, fmt.Errorf("the segment %q begins or ends with a blank, which clients would have to ask for; write %q", p.text, strings.Trim(p.text, blanks)))
		case p.text == "." || p.text == "..":
			doubts = append(doubts, fmt.Errorf("the segment %q is resolved in what clients ask for, so nobody reaches the path; write it without dot segments", p.text))
		case at < 0:
		case p.text[at] == '}':
			doubts = append(doubts, fmt.Errorf("segment %q: the brace closes nothing; write %q for a variable", p.text, "{"+p.text[:at]+"}"))
		case !strings.Contains(p.text[at:], "}"):
			doubts = append(doubts, fmt.Errorf("segment %q: the brace is not closed; write %q for a variable", p.text, p.text[at:]+"}"))
		default:
			doubts = append(doubts, fmt.Errorf("segment %q: braces within a word are text; %s", p.text, apart(p.text)))
		}
	})
	return doubts
}

// asWord reports whether a segment is made of letters, digits, - and _ of ASCII, as most
// are.
func asWord(segment string) bool {
	for i := range len(segment) {
		if c := segment[i]; !alphanumeric(c) && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// apart says how a segment with a variable and text around it is served: as two
// segments, or whole. The text may stand in url_pattern, where variables may be
// anywhere.
func apart(segment string) string {
	before, rest, _ := strings.Cut(segment, "{")
	name, after, _ := strings.Cut(rest, "}")
	variable := "{" + name + "}"
	isWord := func(r rune) bool { return r < 0x80 && alphanumeric(byte(r)) || r == '-' || r == '_' }
	word := strings.TrimFunc(before, func(r rune) bool { return !isWord(r) })
	switch {
	case word == "" || strings.ContainsFunc(word, func(r rune) bool { return !isWord(r) }):
		return fmt.Sprintf("write %q, which takes the whole segment, or another path for clients and this one as url_pattern", variable)
	case after == "":
		return "write the variable as a whole segment, or set disable_rest and put it at the end of one"
	}
	return fmt.Sprintf("write %q for clients and this one as url_pattern, where variables may be anywhere, or %q, which takes the whole segment",
		word+"/"+variable, "{"+strings.ToLower(word)+"}")
}

// blanks are what is not seen at the ends of a text.
const blanks = " \t\r\n\v\f\u00a0\ufeff"

// invisible reports whether a character is not seen, wherever it stands, or stands for one
// that could not be read. Joiners are letters of some languages.
func invisible(r rune) bool {
	return r == utf8.RuneError || r != '\u200c' && r != '\u200d' && unicode.In(r, unicode.Cc, unicode.Cf)
}

// escapes reports whether a text holds an escape, such as %61.
func escapes(text string) bool { return strings.Contains(text, "%") && unescape(text) != text }

// compile makes a route of pattern. Method and index of the result are unset.
func compile(pattern string, disableRest bool) (*route, error) {
	r := &route{pattern: pattern, parts: make([]part, 0, strings.Count(pattern, "/"))}
	var err error
	r.wild, err = split(pattern, disableRest, func(p part, name string) {
		r.parts = append(r.parts, p)
		if p.kind != literal {
			r.names = append(r.names, name)
		}
	})
	return r, err
}

// split calls f for each segment of pattern but the star, with the name of its
// variable, which is empty for a literal. It reports whether a star ends the
// pattern.
func split(pattern string, disableRest bool, f func(p part, name string)) (wild bool, err error) {
	rest, ok := strings.CutPrefix(pattern, "/")
	if !ok {
		return false, fmt.Errorf("path %q: must start with a slash: write %q", pattern, "/"+pattern)
	}
	for more := true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if strings.Contains(segment, "*") {
			if segment != "*" || more {
				before, _, _ := strings.Cut(pattern, "*")
				return false, fmt.Errorf("path %q: * stands alone at the end and takes everything below: write %q",
					pattern, before[:strings.LastIndexByte(before, '/')]+"/*")
			}
			return true, nil
		}
		p, name, err := compileSegment(segment, disableRest)
		if err != nil {
			return false, err
		}
		f(p, name)
	}
	return false, nil
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
		return part{}, "", fmt.Errorf("segment %q: a variable ends its segment: %s", segment, apart(segment))
	case after != "":
		return part{}, "", fmt.Errorf("segment %q: a variable takes a whole segment: %s", segment, apart(segment))
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
