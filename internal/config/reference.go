package config

import (
	"fmt"
	"slices"
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
	e := expander{environ: make(map[string]string, len(o.Environ)), readFile: o.ReadFile, skipFiles: o.SkipFiles, asWritten: o.AsWritten}
	if e.readFile == nil {
		e.readFile = ReadFile
	}
	for _, variable := range o.Environ {
		name, value, _ := strings.Cut(variable, "=")
		e.environ[name] = value
	}
	e.walk(d.Root)
	d.literal, d.unread, d.inserted = e.literal, append(d.unread, e.unread...), append(d.inserted, e.inserted...)
	return e.problems
}

type expander struct {
	environ  map[string]string
	readFile func(string) ([]byte, error)

	asWritten bool
	skipFiles bool
	unread    []string // see [Document]

	inserted   []insertion
	literal    map[*Node]string // see [Document]
	url, extra bool             // within url_pattern, within extra_config
	problems   []*Problem
}

func (e *expander) walk(n *Node) {
	if n.Kind == String && strings.Contains(n.Text, "${") {
		e.expand(n)
	}
	for _, item := range n.Items {
		e.walk(item)
	}
	for _, m := range n.Members {
		if !m.Comment() {
			url, extra := e.url, e.extra
			e.url = url || !extra && strings.EqualFold(m.Key, "url_pattern")
			e.extra = extra || strings.EqualFold(m.Key, "extra_config")
			e.walk(m.Value)
			e.url, e.extra = url, extra
		}
	}
}

func (e *expander) expand(n *Node) {
	was, inserted := n.Text, n.hides == byReference // by a template
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
		if kind == "file" && e.skipFiles && !e.asWritten {
			e.unread = append(e.unread, n.Path())
		}
		value, err := e.value(kind, argument)
		if err != nil {
			e.report(n, err)
		}
		if value != "" && !e.asWritten {
			e.inserted = append(e.inserted, insertion{n.Path(), value, e.url || e.extra, e.url})
		}
		keep(before)
		b.WriteString(value)
		literal.WriteString(standsFor)
		n.hides, n.written = byReference, &written{text: was, secret: inserted}
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

// forEachReference returns a text with what replace says for each of its references; escapes
// stay as they are.
func forEachReference(text string, replace func(reference string) string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		kind, argument, isReference := strings.Cut(after, ":")
		argument, rest, closed := strings.Cut(argument, "}")
		if strings.HasSuffix(before, "$") || !isReference || !closed || kind != "env" && kind != "file" {
			b.WriteString("${")
			text = after
			continue
		}
		b.WriteString(replace("${" + kind + ":" + argument + "}"))
		text = rest
	}
}

// anything stands for the value of a reference that is not looked up. It is a number, too.
const anything = "1"

// skipped stands for the content of a file that is not read.
const skipped = "skipped"

// standsFor stands for the value of a reference where only the rest of a text
// matters.
const standsFor = "\x00"

func (e *expander) report(n *Node, err error) {
	e.problems = append(e.problems, n.Problem(Error, CodeReference, err))
}

func (e *expander) value(kind, argument string) (string, error) {
	if e.asWritten {
		return anything, nil
	}
	if kind == "env" {
		value, found := e.environ[argument]
		if !found {
			return "", fmt.Errorf("the variable %s of ${env:%s} is not set; set it before the start", argument, argument)
		}
		return value, nil
	}
	if e.skipFiles {
		return skipped, nil
	}
	data, err := e.readFile(argument)
	if err != nil {
		return "", fmt.Errorf("the file of ${file:%s} cannot be read: %w", argument, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
}

// IsComment reports whether a key that no field names is a comment, whatever its
// value.
func IsComment(key string) bool {
	return key != "" && strings.IndexByte("@$_#", key[0]) >= 0
}

// CommentPatterns are regular expressions for the keys of comments, with the JSON
// Schema of their values. They say what [Member.Comment] says.
func CommentPatterns() map[string]any {
	text := map[string]any{"type": "string"}
	return map[string]any{
		"^[@$_#]":        true,
		"^//[^A-Za-z]*$": map[string]any{"type": []string{"string", "array"}, "items": text},
		"^//.*[A-Za-z]":  text,
	}
}

// Comment reports whether a member that no field names is a comment: by its key, or
// because it is a text behind //. A list of texts needs a key without letters, and an
// object is none: // does not take a protection or a filter out of a configuration.
func (m Member) Comment() bool {
	if IsComment(m.Key) {
		return true
	}
	words, found := strings.CutPrefix(m.Key, "//")
	switch {
	case !found || m.Value == nil:
		return false
	case m.Value.Kind == String:
		return true
	case m.Value.Kind != Array || strings.ContainsFunc(words, func(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' }):
		return false
	}
	return !slices.ContainsFunc(m.Value.Items, func(item *Node) bool { return item.Kind != String })
}
