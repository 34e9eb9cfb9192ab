package config

import (
	"fmt"
	"os"
	"strings"
)

// ExpandReferences replaces references in the texts of the document:
// ${env:NAME} by a variable of o.Environ, ${file:PATH} by the content of a file
// without its last line break. What is inserted is not expanded again. $${ is
// a plain ${. Keys and the values of comment keys stay as they are.
//
// A text that holds a reference is secret from then on. A reference without a
// value is an Error. [Load] calls ExpandReferences; a document from [Parse]
// needs it once.
func (d *Document) ExpandReferences(o LoadOptions) []*Problem {
	e := expander{environ: make(map[string]string, len(o.Environ)), readFile: o.ReadFile}
	if e.readFile == nil {
		e.readFile = os.ReadFile
	}
	for _, variable := range o.Environ {
		name, value, _ := strings.Cut(variable, "=")
		e.environ[name] = value
	}
	e.walk(d.Root)
	d.literal = e.literal
	d.secrets = append(d.secrets, e.values...)
	return e.problems
}

// Mask replaces what references stand for by *** in the texts of problems that
// speak of it. Values that are short or common words are left: they would be
// found where nobody meant them.
func (d *Document) Mask(ps []*Problem) {
	for _, p := range ps {
		p.Err = mask(p.Err, d.secrets)
	}
}

// telling reports whether a value would be recognised in a text.
func telling(value string) bool {
	word := strings.Trim(value, "abcdefghijklmnopqrstuvwxyz-") == ""
	return len(value) >= 4 && (!word || len(value) >= 10)
}

type expander struct {
	environ  map[string]string
	readFile func(string) ([]byte, error)
	values   []string         // that were inserted and may be masked
	literal  map[*Node]string // see [Document]
	problems []*Problem
}

func (e *expander) walk(n *Node) {
	if n.Kind == String && strings.Contains(n.Text, "${") {
		e.expand(n)
	}
	for _, item := range n.Items {
		e.walk(item)
	}
	for _, m := range n.Members {
		if !IsComment(m.Key) {
			e.walk(m.Value)
		}
	}
}

func (e *expander) expand(n *Node) {
	var b, literal strings.Builder
	replaced := false
	keep := func(text string) {
		b.WriteString(text)
		literal.WriteString(text)
	}
	for rest := n.Text; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			keep(rest)
			break
		}
		if plain, escaped := strings.CutSuffix(before, "$"); escaped {
			keep(plain)
			b.WriteString("${")
			rest, replaced = after, true
			continue
		}
		kind, argument, isReference := strings.Cut(after, ":")
		if !isReference || kind != "env" && kind != "file" {
			keep(before + "${")
			rest = after
			continue
		}
		argument, after, closed := strings.Cut(argument, "}")
		if !closed {
			e.report(n, fmt.Errorf("the reference ${%s: has no closing brace; write ${%s:...}, or $${ for a plain ${", kind, kind))
			return
		}
		value, err := e.value(kind, argument)
		if err != nil {
			e.report(n, err)
		}
		if telling(value) {
			e.values = append(e.values, value)
		}
		keep(before)
		b.WriteString(value)
		literal.WriteString(inserted)
		n.secret = true
		rest, replaced = after, true
	}
	n.Text = b.String()
	if replaced {
		if e.literal == nil {
			e.literal = make(map[*Node]string)
		}
		e.literal[n] = literal.String()
	}
}

// inserted stands for the value of a reference where only the rest of a text
// matters.
const inserted = "\x00"

func (e *expander) report(n *Node, err error) {
	e.problems = append(e.problems, n.Problem(Error, CodeReference, err))
}

func (e *expander) value(kind, argument string) (string, error) {
	if kind == "env" {
		value, found := e.environ[argument]
		if !found {
			return "", fmt.Errorf("the variable %s of ${env:%s} is not set; set it before the start", argument, argument)
		}
		return value, nil
	}
	data, err := e.readFile(argument)
	if err != nil {
		return "", fmt.Errorf("the file of ${file:%s} cannot be read: %w", argument, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// IsComment reports whether a key that no field names is a comment.
func IsComment(key string) bool {
	return key != "" && strings.IndexByte("@$_#", key[0]) >= 0
}
