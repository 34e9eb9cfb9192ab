package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// parseJSON reads one JSON value. It accepts what encoding/json accepts. The
// root is nil when the syntax is wrong.
//
// Source: RFC 8259.
func parseJSON(file, text string) (*Node, []*Problem) {
	p := jsonParser{text: text, ruler: newRuler(file, text)}
	if !utf8.ValidString(text) {
		// Compatibility: encoding/json replaces such bytes, so files that hold
		// them start elsewhere.
		p.warnEncoding()
	}
	p.space()
	if p.i == len(text) {
		p.fail("the file is empty; write an object: {...}")
		return nil, p.problems
	}
	root := p.node(nil, 0)
	ok := p.value(root, 1)
	for _, n := range p.repeated {
		p.problems = append(p.problems, n.dropDuplicates()...)
	}
	if !ok {
		return nil, p.problems
	}
	p.space()
	if p.i < len(text) {
		p.fail("expected the end of the file, got %s; write one value only", p.next())
		return nil, p.problems
	}
	return root, p.problems
}

type jsonParser struct {
	text     string
	i        int // offset of the next byte
	ruler    ruler
	problems []*Problem

	room     []Node   // for nodes to come
	members  []Member // of the objects that are open, the outermost first
	items    []*Node  // of the lists that are open
	repeated []*Node  // objects with a key that occurs twice, inner ones first
}

// node returns a new node. Nodes are made many at a time, because a large
// document has hundreds of thousands.
func (p *jsonParser) node(parent *Node, index int) *Node {
	const many = 39 // 4 KB
	if len(p.room) == 0 {
		p.room = make([]Node, many)
	}
	n := &p.room[0]
	p.room = p.room[1:]
	n.parent, n.index = parent, int32(index)
	return n
}

func (p *jsonParser) warnEncoding() {
	for i, r := range p.text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(p.text[i:]); size == 1 {
			p.problems = append(p.problems, &Problem{
				At: p.ruler.at(i), Severity: Warning, Code: CodeEncoding,
				Err: fmt.Errorf("the byte 0x%02x is not UTF-8 and is read as U+FFFD; save the file as UTF-8", p.text[i]),
			})
			return
		}
	}
}

// fail reports a syntax error at the next byte and returns false.
func (p *jsonParser) fail(format string, args ...any) bool {
	p.problems = append(p.problems, &Problem{
		At: p.ruler.at(p.i), Code: CodeSyntax, Err: fmt.Errorf(format, args...),
	})
	return false
}

// next describes what stands at the next byte.
func (p *jsonParser) next() string {
	if p.i >= len(p.text) {
		return "the end of the file"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.i:])
	return strconv.QuoteRune(r)
}

// peek returns the next byte, and 0 at the end. A zero byte is an error
// wherever it stands, so the two need not be told apart.
func (p *jsonParser) peek() byte {
	if p.i < len(p.text) {
		return p.text[p.i]
	}
	return 0
}

func (p *jsonParser) space() {
	for p.i < len(p.text) {
		switch p.text[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

// value reads the value at the next byte into n, whose parent is set. It
// reports whether the syntax is right.
func (p *jsonParser) value(n *Node, depth int) bool {
	n.Pos = p.ruler.at(p.i)
	switch c := p.peek(); {
	case c == '{' || c == '[':
		if depth > maxDepth {
			return p.fail("lists and objects are nested more than %d deep", maxDepth)
		}
		if c == '{' {
			return p.object(n, depth)
		}
		return p.array(n, depth)
	case c == '"':
		n.Kind = String
		return p.string(&n.Text)
	case c == '-' || '0' <= c && c <= '9':
		n.Kind = Number
		return p.number(&n.Text)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(p.text[p.i:], word) {
			if word != "null" {
				n.Kind, n.Text = Bool, word
			}
			p.i += len(word)
			return true
		}
	}
	return p.fail("expected a value, got %s%s", p.next(), p.hint())
}

// templateHint is what to do about a template that is read as what it is to make.
const templateHint = "this looks like a template: set FC_ENABLE=1, or name a folder by --settings, --partials or --templates"

// hint guesses what was meant where a value or a key is missing.
func (p *jsonParser) hint() string {
	if strings.HasPrefix(p.text[p.i:], "{{") || p.i > 0 && strings.HasPrefix(p.text[p.i-1:], "{{") {
		return "; " + templateHint
	}
	switch c := p.peek(); c {
	case '}', ']':
		return "; remove the comma before it"
	case '\'':
		return "; write text in double quotes"
	case '/', '#':
		return `; JSON has no comments, write a key that begins with "@" instead`
	}
	return ""
}

// comment says, behind a value, that there are none.
func (p *jsonParser) comment() string {
	if c := p.peek(); c == '/' || c == '#' {
		return p.hint()
	}
	return ""
}

// object reads the object at the next byte into n. Its members are complete
// when it returns, whatever it returns.
func (p *jsonParser) object(n *Node, depth int) bool {
	n.Kind = Object
	first := len(p.members)
	ok := p.readMembers(n, first, depth)
	if first < len(p.members) {
		n.Members = slices.Clone(p.members[first:])
		p.members = p.members[:first]
		if ok && hasDuplicates(n.Members) {
			p.repeated = append(p.repeated, n)
		}
	}
	return ok
}

// readMembers leaves the members of the object n in p.members, from first on.
func (p *jsonParser) readMembers(n *Node, first, depth int) bool {
	p.i++
	p.space()
	if p.peek() == '}' {
		p.i++
		return true
	}
	for {
		if p.peek() != '"' {
			hint, got := p.hint(), p.next()
			ok := p.fail("expected a key in double quotes, got %s%s", got, hint)
			if p.peek() == '{' && hint == "" {
				p.problems[len(p.problems)-1].Err = &mention{n.Pos, func(at Pos) string {
					begins := "in line " + strconv.Itoa(int(at.Line))
					if at.File != n.Pos.File {
						begins = "at " + at.String()
					}
					return fmt.Sprintf("expected a key in double quotes, got %s; the object that begins %s is still open, close it with '}'", got, begins)
				}}
			}
			return ok
		}
		at, key := p.ruler.at(p.i), ""
		if !p.string(&key) {
			return false
		}
		p.space()
		if p.peek() != ':' {
			return p.fail("expected ':' after the key %q, got %s", key, p.next())
		}
		p.i++
		p.space()
		child := p.node(n, len(p.members)-first)
		p.members = append(p.members, Member{key, at, child})
		if !p.value(child, depth+1) {
			return false
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			p.space()
		case '}':
			p.i++
			return true
		default:
			return p.fail("expected ',' or '}' after the value of %q, got %s%s", key, p.next(), p.comment())
		}
	}
}

// array reads the list at the next byte into n.
func (p *jsonParser) array(n *Node, depth int) bool {
	n.Kind = Array
	first := len(p.items)
	ok := p.readItems(n, first, depth)
	if first < len(p.items) {
		n.Items = slices.Clone(p.items[first:])
		p.items = p.items[:first]
	}
	return ok
}

// readItems leaves the items of the list n in p.items, from first on.
func (p *jsonParser) readItems(n *Node, first, depth int) bool {
	p.i++
	p.space()
	if p.peek() == ']' {
		p.i++
		return true
	}
	for {
		child := p.node(n, len(p.items)-first)
		p.items = append(p.items, child)
		if !p.value(child, depth+1) {
			return false
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			p.space()
		case ']':
			p.i++
			return true
		default:
			return p.fail("expected ',' or ']' after an item of the list, got %s%s", p.next(), p.comment())
		}
	}
}

// number reads a number and keeps its literal.
func (p *jsonParser) number(literal *string) bool {
	start := p.i
	if p.peek() == '-' {
		p.i++
	}
	if p.peek() == '0' {
		p.i++
		if c := p.peek(); '0' <= c && c <= '9' {
			return p.fail("a number does not begin with 0; write it without, or put a text in quotes")
		}
	} else if !p.digits() {
		return false
	}
	if p.peek() == '.' {
		p.i++
		if !p.digits() {
			return false
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.i++
		if c := p.peek(); c == '+' || c == '-' {
			p.i++
		}
		if !p.digits() {
			return false
		}
	}
	*literal = p.text[start:p.i]
	return true
}

func (p *jsonParser) digits() bool {
	start := p.i
	for c := p.peek(); '0' <= c && c <= '9'; c = p.peek() {
		p.i++
	}
	return p.i > start || p.fail("expected a digit, got %s", p.next())
}

// string reads a string. One without escapes is a part of the text, not a copy.
func (p *jsonParser) string(value *string) bool {
	p.i++
	start := p.i
	for p.i < len(p.text) {
		switch c := p.text[p.i]; {
		case c == '"':
			*value = strings.ToValidUTF8(p.text[start:p.i], "\ufffd")
			p.i++
			return true
		case c == '\\':
			return p.escapedString(value, start)
		case c == '\n' || c == '\r':
			return p.unclosed(start)
		case c < ' ':
			return p.fail(`a control character in a text; write it as \u%04x`, c)
		}
		p.i++
	}
	return p.unclosed(start)
}

// unclosed reports, at the quote that opens it, a text that begins at an offset and does not
// end on its line.
func (p *jsonParser) unclosed(start int) bool {
	p.i = start - 1
	return p.fail(`the text has no closing quote on its line; write it where the text ends, or \n for a new line in it`)
}

// escapedString reads on where string met the first escape.
func (p *jsonParser) escapedString(value *string, start int) bool {
	b := append([]byte(nil), p.text[start:p.i]...)
	for p.i < len(p.text) {
		c := p.text[p.i]
		switch {
		case c == '"':
			*value = strings.ToValidUTF8(string(b), "\ufffd")
			p.i++
			return true
		case c == '\n' || c == '\r':
			return p.unclosed(start)
		case c < ' ':
			return p.fail(`a control character in a text; write it as \u%04x`, c)
		case c != '\\':
			b = append(b, c)
			p.i++
			continue
		}
		p.i++
		switch c := p.peek(); c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := p.hex4(p.i + 1)
			if !ok {
				return p.fail(`expected four hexadecimal digits after \u`)
			}
			p.i += 4
			if utf16.IsSurrogate(r) {
				// A lone half has no meaning and becomes U+FFFD.
				low, _ := p.hex4(p.i + 3)
				r = utf16.DecodeRune(r, low)
				if r != utf8.RuneError && p.text[p.i+1:p.i+3] == `\u` {
					p.i += 6
				} else {
					r = utf8.RuneError
				}
			}
			b = utf8.AppendRune(b, r)
		default:
			return p.fail(`expected one of "\/bfnrtu after a backslash, got %s; write a backslash as \\`, p.next())
		}
		p.i++
	}
	return p.unclosed(start)
}

// hex4 reads four hexadecimal digits at offset i, which may be past the end.
func (p *jsonParser) hex4(i int) (rune, bool) {
	if i+4 > len(p.text) {
		return 0, false
	}
	v, err := strconv.ParseUint(p.text[i:i+4], 16, 16)
	return rune(v), err == nil
}
