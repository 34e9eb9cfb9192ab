package config

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// parseTOML reads a TOML document. The root is nil when the syntax is wrong or
// a value has no counterpart in JSON.
//
// Dates and times become texts as they are written; the numbers of TOML are
// brought to the form of JSON.
//
// Source: TOML 1.0.
func parseTOML(file string, data []byte) (*Node, []*Problem) {
	// The library's decoder checks what its parser leaves open: keys that
	// clash, dates that do not exist. The parser alone tells the places.
	var discard map[string]any
	if err := toml.Unmarshal(data, &discard); err != nil {
		return nil, []*Problem{tomlProblem(file, data, err)}
	}
	b := tomlBuilder{ruler: newRuler(file, string(data))}
	b.parser.Reset(data)
	root := &Node{Kind: Object, Pos: b.ruler.at(0)}
	table := root
	for b.parser.NextExpression() {
		switch e := b.parser.Expression(); e.Kind {
		case unstable.Table:
			table = b.enter(root, b.keys(e))
		case unstable.ArrayTable:
			keys := b.keys(e)
			last := keys[len(keys)-1]
			parent := b.enter(root, keys[:len(keys)-1])
			list := parent.Get(last.text)
			if list == nil {
				list = &Node{Kind: Array, Pos: last.at}
				parent.adoptMember(last.text, last.at, list)
			}
			table = &Node{Kind: Object, Pos: last.at}
			list.adopt(table)
		case unstable.KeyValue:
			b.keyValue(table, e)
		}
	}
	if err := b.parser.Error(); err != nil {
		b.problems = append(b.problems, tomlProblem(file, data, err))
	}
	if HasErrors(b.problems) {
		return nil, b.problems
	}
	return root, b.problems
}

// tomlProblem reports an error of the library, in our words.
func tomlProblem(file string, data []byte, err error) *Problem {
	offset := 0
	if d, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, col := d.Position() // col counts bytes
		for range line - 1 {
			offset += 1 + bytes.IndexByte(data[offset:], '\n')
		}
		offset = max(0, min(offset+col-1, len(data)))
	}
	message, offset := tomlSays(strings.TrimPrefix(err.Error(), "toml: "), data, offset)
	r := newRuler(file, string(data))
	return &Problem{At: r.at(offset), Code: CodeSyntax, Err: errors.New(message)}
}

type tomlBuilder struct {
	parser   unstable.Parser
	ruler    ruler
	offset   int // end of the last token that was read
	problems []*Problem
}

type tomlKey struct {
	text string
	at   Pos
}

// keys reads the parts of the key of a table or of a key-value pair.
func (b *tomlBuilder) keys(e *unstable.Node) []tomlKey {
	var keys []tomlKey
	for it := e.Key(); it.Next(); {
		n := it.Node()
		keys = append(keys, tomlKey{string(n.Data), b.place(n)})
	}
	return keys
}

// place returns where a key or scalar begins and moves behind it.
func (b *tomlBuilder) place(n *unstable.Node) Pos {
	b.offset = int(n.Raw.Offset + n.Raw.Length)
	return b.ruler.at(int(n.Raw.Offset))
}

// placeOf returns where the next bracket is, and moves behind it. The parser
// does not tell where lists begin. Between the tokens it does tell of there
// are only white space, comments and punctuation, so the search is safe.
func (b *tomlBuilder) placeOf(bracket byte) Pos {
	text := b.ruler.text
	for ; text[b.offset] != bracket; b.offset++ {
		if text[b.offset] == '#' {
			b.offset += strings.IndexByte(text[b.offset:], '\n')
		}
	}
	b.offset++
	return b.ruler.at(b.offset - 1)
}

// enter follows keys from n, through the last item of lists, and creates the
// objects that are missing.
func (b *tomlBuilder) enter(n *Node, keys []tomlKey) *Node {
	for _, k := range keys {
		next := n.Get(k.text)
		switch {
		case next == nil:
			next = &Node{Kind: Object, Pos: k.at}
			n.adoptMember(k.text, k.at, next)
		case next.Kind == Array:
			next = next.Items[len(next.Items)-1]
		}
		n = next
	}
	return n
}

func (b *tomlBuilder) keyValue(table *Node, e *unstable.Node) {
	keys := b.keys(e)
	last := keys[len(keys)-1]
	parent := b.enter(table, keys[:len(keys)-1])
	child := new(Node)
	parent.adoptMember(last.text, last.at, child)
	b.value(child, e.Value())
}

// value reads v into n, whose parent is set.
func (b *tomlBuilder) value(n *Node, v *unstable.Node) {
	switch v.Kind {
	case unstable.Array:
		n.Kind, n.Pos = Array, b.placeOf('[')
		for it := v.Children(); it.Next(); {
			child := new(Node)
			n.adopt(child)
			b.value(child, it.Node())
		}
		return
	case unstable.InlineTable:
		n.Kind, n.Pos = Object, b.placeOf('{')
		for it := v.Children(); it.Next(); {
			b.keyValue(n, it.Node())
		}
		return
	}
	n.Pos, n.Text = b.place(v), string(v.Data)
	switch v.Kind {
	case unstable.Bool:
		n.Kind = Bool
	case unstable.Integer, unstable.Float:
		n.Kind = Number
		literal, ok := jsonNumber(n.Text)
		if !ok {
			b.problems = append(b.problems, n.Problem(Error, CodeSyntax, notANumber(n.Text)))
		}
		n.Text = literal
	default:
		n.Kind = String // dates and times included
	}
}

// jsonNumber brings a number of TOML or YAML to the form of JSON: without a
// plus sign, underscores or a base. It reports false for what JSON cannot
// express, such as infinity.
func jsonNumber(literal string) (string, bool) {
	literal = strings.TrimPrefix(literal, "+")
	if isJSONNumber(literal) {
		return literal, true
	}
	if n, err := strconv.ParseInt(literal, 0, 64); err == nil {
		return strconv.FormatInt(n, 10), true
	}
	if n, err := strconv.ParseUint(literal, 0, 64); err == nil {
		return strconv.FormatUint(n, 10), true
	}
	literal = strings.ReplaceAll(literal, "_", "")
	negative := strings.HasPrefix(literal, "-")
	literal = strings.TrimPrefix(literal, "-")
	// YAML writes .5 and 1. for what JSON writes as 0.5 and 1.0.
	if strings.HasPrefix(literal, ".") {
		literal = "0" + literal
	}
	if whole, rest, found := strings.Cut(literal, "."); found && (rest == "" || rest[0]|0x20 == 'e') {
		literal = whole + ".0" + rest
	}
	if negative {
		literal = "-" + literal
	}
	return literal, isJSONNumber(literal)
}

func isJSONNumber(s string) bool {
	p := jsonParser{text: s, ruler: newRuler("", s)}
	var literal string
	return s != "" && (s[0] == '-' || '0' <= s[0] && s[0] <= '9') && p.number(&literal) && p.i == len(s)
}

func notANumber(literal string) error {
	return fmt.Errorf("%s has no meaning here; write a finite number", literal)
}
