package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v4"

	"github.com/sluice-gateway/sluice/internal/yamlx"
)

// aliasNodes returns how many values the aliases of a YAML document of so many bytes may
// stand for: a hundred thousand and two for each byte, a million at most. All of them are
// looked at as if they were written out.
func aliasNodes(bytes int) int { return min(100_000+2*bytes, 1_000_000) }

// parseYAML reads one YAML document. The root is nil when the syntax is wrong
// or a value has no counterpart in JSON.
//
// Aliases are replaced by copies whose places are those of the anchor. A merge
// key (<<) adds the members that the object does not have itself. Keys that
// are numbers or booleans are texts as they are written, and so are dates.
//
// Source: YAML 1.2.2; the merge key is of YAML 1.1.
//
// aliased are the repeated keys of objects behind aliases and members that hide merged
// ones, which are no problems of their own.
func parseYAML(file string, data []byte) (root *Node, problems, aliased []*Problem) {
	b := yamlBuilder{
		file: file, data: data, left: aliasNodes(len(data)),
		open: make(map[*yaml.Node]bool), built: make(map[*yaml.Node]*Node),
	}
	loader, err := yaml.NewLoader(bytes.NewReader(yamlx.Readable(data)))
	if err != nil {
		return nil, b.syntax(err), nil
	}
	var document, second yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF) || err == nil && document.IsZero():
		return nil, b.fail(&yaml.Node{Line: 1, Column: 1}, "the file is empty; write an object: key: value"), nil
	case err != nil:
		return nil, b.syntax(err), nil
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, b.fail(&second, "the file holds several documents; write one"), nil
	case !errors.Is(err, io.EOF):
		return nil, b.syntax(err), nil
	}
	root = new(Node)
	b.value(root, document.Content[0], 1)
	if HasErrors(b.problems) {
		return nil, b.problems, nil
	}
	return root, b.problems, b.aliased
}

type yamlBuilder struct {
	file     string
	data     []byte
	aliases  []*yaml.Node         // those being followed, outermost first
	left     int                  // nodes that aliases may still add
	open     map[*yaml.Node]bool  // lists and objects that are being read
	built    map[*yaml.Node]*Node // what became of values with an anchor
	aliased  []*Problem           // repeated keys behind aliases, hidden members of merged objects
	problems []*Problem
}

// syntax reports an error of the library, in our words.
func (b *yamlBuilder) syntax(err error) []*Problem {
	e, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		e = &yaml.LoadError{Mark: yaml.Mark{Line: 1, Column: 1}}
	}
	y := &yamlError{LoadError: e, line: e.Mark.Line, col: e.Mark.Column, data: b.data}
	if y.line == 0 { // the reader knows the offset only
		r := newRuler(b.file, string(b.data))
		at := r.at(min(e.Mark.Index, len(b.data)))
		y.line, y.col = int(at.Line), int(at.Col)
	}
	message := y.say()
	b.problems = append(b.problems, &Problem{At: Pos{b.file, int32(y.line), int32(y.col)}, Code: CodeSyntax, Err: errors.New(message)})
	return b.problems
}

// fail reports something that we do not accept, and returns all problems.
func (b *yamlBuilder) fail(y *yaml.Node, format string, args ...any) []*Problem {
	b.problems = append(b.problems, &Problem{At: b.at(y), Code: CodeSyntax, Err: fmt.Errorf(format, args...)})
	return b.problems
}

func (b *yamlBuilder) at(y *yaml.Node) Pos { return Pos{b.file, int32(y.Line), int32(y.Column)} }

// follow counts the values that aliases cause and reports whether there may be
// more. It complains once, about the outermost alias.
func (b *yamlBuilder) follow() bool {
	if len(b.aliases) == 0 {
		return true
	}
	b.left--
	if b.left == -1 {
		b.fail(b.aliases[0], "the aliases of the file expand to more than %d values; write fewer", aliasNodes(len(b.data)))
	}
	return b.left >= 0
}

// value reads y into n, whose parent is set.
func (b *yamlBuilder) value(n *Node, y *yaml.Node, depth int) {
	if !b.follow() {
		return
	}
	if y.Kind == yaml.AliasNode {
		if b.open[y.Alias] {
			b.fail(y, "the alias *%s stands within the value that it names; write the value out", y.Value)
			return
		}
		b.reuse(y)
		b.aliases = append(b.aliases, y)
		b.value(n, y.Alias, depth)
		b.aliases = b.aliases[:len(b.aliases)-1]
		return
	}
	n.Pos = b.at(y)
	if y.Anchor != "" && len(b.aliases) == 0 {
		b.built[y] = n
	}
	if y.Kind == yaml.ScalarNode {
		b.scalar(n, y)
		return
	}
	if depth > maxDepth {
		b.fail(y, "lists and objects are nested more than %d deep", maxDepth)
		return
	}
	if tag := y.ShortTag(); tag != "!!map" && tag != "!!seq" {
		b.fail(y, "the tag %s is not supported; remove it", tag)
		return
	}
	b.open[y] = true
	defer delete(b.open, y)
	if y.Kind == yaml.SequenceNode {
		n.Kind = Array
		for _, item := range y.Content {
			child := new(Node)
			n.adopt(child)
			b.value(child, item, depth+1)
		}
		return
	}
	n.Kind = Object
	b.members(n, y, depth)
	b.settle(n)
}

// members reads the members of y into n. Own members come first, so that
// merged ones find them.
func (b *yamlBuilder) members(n *Node, y *yaml.Node, depth int) {
	var merges []*yaml.Node
	for i := 0; i < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.ShortTag() == "!!merge" {
			merges = append(merges, v)
			continue
		}
		if key, ok := b.key(k); ok {
			child := new(Node)
			n.adoptMember(key, b.at(k), child)
			b.value(child, v, depth+1)
		}
	}
	for _, m := range merges {
		b.merge(n, m, depth)
	}
}

// merge adds to n the members of a merge key's value that n does not have. Of
// several objects the first goes first.
func (b *yamlBuilder) merge(n *Node, y *yaml.Node, depth int) {
	if !b.follow() {
		return
	}
	switch {
	case y.Kind == yaml.AliasNode && b.open[y.Alias]:
		b.fail(y, "the alias *%s stands within the value that it names; write the value out", y.Value)
	case y.Kind == yaml.AliasNode:
		b.reuse(y)
		b.aliases = append(b.aliases, y)
		b.merge(n, y.Alias, depth)
		b.aliases = b.aliases[:len(b.aliases)-1]
	case y.Kind == yaml.SequenceNode:
		for _, item := range y.Content {
			b.merge(n, item, depth)
		}
	case y.Kind == yaml.MappingNode:
		b.open[y] = true
		defer delete(b.open, y)
		source := new(Node)
		b.members(source, y, depth)
		b.settle(source)
		for _, m := range source.Members {
			if own := n.Get(m.Key); own != nil {
				b.override(n, m, own)
			} else {
				n.adoptMember(m.Key, m.KeyPos, m.Value)
			}
		}
	default:
		b.fail(y, "a merge key takes an object or a list of objects; write <<: *name")
	}
}

// override notes that a member of n hides one of a merged object, all that is in it too.
func (b *yamlBuilder) override(n *Node, merged Member, own *Node) {
	if merged.Value.Kind != Object && own.Kind != Null {
		return // as it is meant
	}
	p := own.Problem(Warning, CodeMistake, &mention{merged.Value.Pos, func(at Pos) string {
		return fmt.Sprintf("the key %q hides that of the merged object at %s", merged.Key, at)
	}})
	p.repeated = &Repeated{Key: merged.Key, Kept: own, Dropped: merged.Value, Merged: true}
	b.aliased = append(b.aliased, p)
}

// reuse notes that an alias stands for a value.
func (b *yamlBuilder) reuse(alias *yaml.Node) {
	if n := b.built[alias.Alias]; n != nil {
		n.reused = true
	}
}

// settle drops overridden members. What stands behind an alias is reported
// where it was written, once.
func (b *yamlBuilder) settle(n *Node) {
	ps := n.dropDuplicates()
	if len(b.aliases) == 0 {
		b.problems = append(b.problems, ps...)
		return
	}
	b.aliased = append(b.aliased, ps...)
}

// key returns the text of a key.
func (b *yamlBuilder) key(y *yaml.Node) (string, bool) {
	at := y
	if y.Kind == yaml.AliasNode {
		y = y.Alias
	}
	if tag := y.ShortTag(); y.Kind != yaml.ScalarNode || tag == "!!null" || tag == "!!binary" {
		b.fail(at, "a key must be a text; write it in quotes")
		return "", false
	}
	return y.Value, true
}

func (b *yamlBuilder) scalar(n *Node, y *yaml.Node) {
	n.Text = y.Value
	switch tag := y.ShortTag(); tag {
	case "!!null":
		n.Kind, n.Text = Null, ""
	case "!!str", "!!timestamp", "!!merge":
		n.Kind = String
	case "!!bool":
		var truth bool
		if err := y.Load(&truth); err != nil {
			b.fail(y, "%q is neither true nor false", y.Value)
		}
		n.Kind, n.Text = Bool, fmt.Sprint(truth)
	case "!!int", "!!float":
		literal, ok := jsonNumber(y.Value)
		if !ok {
			b.problems = append(b.problems, n.Problem(Error, CodeSyntax, notANumber(y.Value)))
		}
		n.Kind, n.Text = Number, literal
	default:
		b.fail(y, "the tag %s is not supported; remove it", tag)
	}
}
