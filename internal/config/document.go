package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep lists and objects may be nested; it is the limit of
// encoding/json.
const maxDepth = 10_000

// A Document is a configuration as it was written, with the place of every
// value.
type Document struct {
	Root *Node
	File string

	inserted  []insertion      // what references stand for, and what stands at keys that are secrets
	keyed     []string         // keys that must not be shown, and what was inserted into them
	unread    []string         // paths of texts with references to files that were not read
	literal   map[*Node]string // of texts with references or escapes: what was not inserted
	templated bool             // templates have made it
	through   map[*Node]Pos    // where templates have put what was written elsewhere
	found     []*Problem       // while it was parsed
	aliased   []*Problem       // repeated keys behind aliases and hidden ones of merged objects, which are not reported
}

// Found returns the problems that Parse has reported. They are warnings; how bad each is
// depends on what the document is for, so whoever knows may change them.
func (d *Document) Found() []*Problem { return d.found }

// Aliased returns duplicate-key problems of objects behind aliases of YAML. They
// are reported where they were written, but another place may make them worse. Members
// that hide those of a merged object are among them, which are no problem by themselves.
func (d *Document) Aliased() []*Problem { return d.aliased }

// LoadOptions are what Load needs from outside the file.
type LoadOptions struct {
	Environ   []string // KEY=VALUE, for ${env:KEY}; nil is no variable
	SkipFiles bool     // ${file:} references are not read; see [Document.Judge]
	AsWritten bool     // no reference is looked up: each is right, and what it stands for is of no interest; see [Node.Source]

	ReadFile func(name string) ([]byte, error) // nil is [ReadDocument] for the document, [ReadFile] for references
}

// Load reads a file and replaces its references. The extension decides the
// format: .yaml and .yml are YAML, .toml is TOML, everything else is JSON.
// Relative names, also those in references, start in the working directory.
//
// The document is nil when the file cannot be read or its syntax is wrong. A
// document with an Error among its problems must not be used.
func Load(ctx context.Context, name string, o LoadOptions) (*Document, []*Problem) {
	readFile := o.ReadFile
	if readFile == nil {
		readFile = func(name string) ([]byte, error) { return ReadDocument(ctx, name) }
	}
	unreadable := func(err error) (*Document, []*Problem) {
		return nil, []*Problem{{At: Pos{File: name}, Code: CodeUnreadable, Err: err}}
	}
	if err := ctx.Err(); err != nil {
		return unreadable(err)
	}
	data, err := readFile(name)
	if err != nil {
		if ended := ctx.Err(); ended != nil {
			return unreadable(ended)
		}
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			err = pathErr.Err // the name is in the place already
		}
		return unreadable(fmt.Errorf("cannot read the file: %w", err))
	}
	d, problems := Parse(name, data)
	if d != nil {
		problems = append(problems, d.ExpandReferences(o)...)
		Sort(problems)
	}
	return d, problems
}

// Parse reads data in the format that the extension of name stands for, as
// Load does, and leaves references as they are. data is not kept.
func Parse(name string, data []byte) (*Document, []*Problem) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var root *Node
	var problems, aliased []*Problem
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".yaml", ".yml":
		root, problems, aliased = parseYAML(name, data)
		hintAtTemplates(problems, data)
	case ".toml":
		root, problems = parseTOML(name, data)
		hintAtTemplates(problems, data)
	case ".properties", ".props", ".prop", ".hcl":
		return nil, []*Problem{{
			At:   Pos{File: name},
			Code: CodeFormat,
			Err:  fmt.Errorf("format not supported: %s; write JSON, YAML (.yaml, .yml) or TOML (.toml)", ext),
		}}
	default:
		root, problems = parseJSON(name, string(data))
	}
	Sort(problems)
	if root == nil {
		return nil, problems
	}
	return &Document{Root: root, File: name, found: problems, aliased: aliased}, problems
}

// hintAtTemplates says of broken lines that look like one of a template what to do about that,
// in place of how to mend them.
func hintAtTemplates(ps []*Problem, data []byte) {
	if len(ps) == 0 || !bytes.Contains(data, []byte("{{")) {
		return
	}
	lines := bytes.Split(data, []byte("\n"))
	for _, p := range ps {
		if p.Code == CodeSyntax && 0 < p.At.Line && int(p.At.Line) <= len(lines) && bytes.Contains(lines[p.At.Line-1], []byte("{{")) {
			what, _, _ := strings.Cut(p.Err.Error(), "; ")
			p.Err = errors.New(what + "; " + templateHint)
		}
	}
}

// A ruler turns offsets in a text into places. Asking in rising order reads
// the text once in total.
type ruler struct {
	text   string
	offset int
	pos    Pos // of offset
}

func newRuler(file, text string) ruler {
	return ruler{text: text, pos: Pos{File: file, Line: 1, Col: 1}}
}

// at returns the place of an offset between 0 and the length of the text.
func (r *ruler) at(offset int) Pos {
	if offset < r.offset {
		*r = newRuler(r.pos.File, r.text)
	}
	for ; r.offset < offset; r.offset++ {
		switch c := r.text[r.offset]; {
		case c == '\n':
			r.pos.Line++
			r.pos.Col = 1
		case utf8.RuneStart(c):
			r.pos.Col++
		}
	}
	return r.pos
}
