package schema

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A Field describes a key, or a value without one: the options themselves, the
// entries of a list or of a map.
type Field struct {
	Name string // the key; "*" for keys of the user's choice, "" without a key
	Type string // for people: "text", "list of objects"
	Doc  string // paragraphs, separated by an empty line

	Shape  config.Shape
	Kinds  []config.Kind // of a value that its type decodes by hand; may be nil
	Enum   []string      // of a text: the values; nil allows every text
	Format string        // of a text or of the texts in a list, as in check tags
	Keys   []string      // of a map: the keys; nil allows every key

	// Default is what an absent key stands for, as encoding/json writes it;
	// nil when that is nothing, zero, false or empty.
	Default any

	// Min and Max bound a value, a text's characters or the entries of a list
	// or map; durations are in nanoseconds.
	Min, Max *float64

	// Wanted and Object are the rules of these names of check tags.
	Required, NonEmpty, Unique, Deprecated, Wanted, Object, Unsigned, Secret bool

	Bits    int            // of a whole number
	Example string         // of the value, as JSON; may be empty
	Custom  map[string]any // the schema that a type which decodes by hand says of itself; may be nil

	// Comments tells that keys which begin with @, $, _ or # are comments.
	Comments bool

	// Recursive tells that the object is of a type that contains it. Its
	// fields are those of the outer object and are not repeated.
	Recursive bool

	// Scope is that of an object which has namespaces. Within others such an object is
	// not described: it has a description of its own.
	Scope string

	Fields []Field // of an object, in the order of the type
	Item   *Field  // of a list or map: its entries
}

// Root returns the description of a value of the options type t; its Fields are the keys
// of an object, in their order. source is the text of the file that declares t.
//
// The error names every field without a comment; it is a mistake in the
// program, found by the test that describes all components. Root panics
// when t is no options type; see [config.SpecOf].
func Root(t reflect.Type, source string) (Field, error) {
	s := config.SpecOf(t)
	d := describer{pkg: s.Type.PkgPath(), source: source, read: make(map[string]comments)}
	root := d.value(s, config.DefaultsOf(s))
	if c, ok := d.comments(s.Type); ok {
		root.Doc = c.types[s.Type.Name()]
	}
	return root, errors.Join(d.errs...)
}

// comments are the doc comments of one source.
type comments struct {
	types  map[string]string            // by name of the type
	fields map[string]map[string]string // by name of the struct and of the field
}

type describer struct {
	pkg    string              // package path of the root's type
	source string              // of that package
	read   map[string]comments // by source
	stack  []reflect.Type      // structs that are being described
	errs   []error
}

// comments returns the comments of the source that declares t. A type with an
// OptionsSource knows its own; other types of the root's package are in the
// root's source. For the rest there is none.
func (d *describer) comments(t reflect.Type) (c comments, ok bool) {
	source := d.source
	if s, own := reflect.Zero(t).Interface().(interface{ OptionsSource() string }); own {
		source = s.OptionsSource()
	} else if t.PkgPath() != d.pkg {
		return comments{}, false
	}
	c, ok = d.read[source]
	if !ok {
		var err error
		if c, err = readComments(source); err != nil {
			d.errs = append(d.errs, fmt.Errorf("source of %s: %w", t, err))
		}
		d.read[source] = c
	}
	return c, true
}

// readComments reads the doc comments of a source.
func readComments(source string) (comments, error) {
	c := comments{types: make(map[string]string), fields: make(map[string]map[string]string)}
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return c, err
	}
	for _, decl := range file.Decls {
		g, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range g.Specs {
			t, ok := spec.(*ast.TypeSpec)
			if !ok {
				continue
			}
			doc := t.Doc
			if doc == nil {
				doc = g.Doc
			}
			c.types[t.Name.Name] = paragraphs(doc.Text())
			if s, ok := t.Type.(*ast.StructType); ok {
				c.fields[t.Name.Name] = fieldDocs(s)
			}
		}
	}
	return c, nil
}

func fieldDocs(s *ast.StructType) map[string]string {
	docs := make(map[string]string)
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			docs[name.Name] = paragraphs(f.Doc.Text())
		}
	}
	return docs
}

// paragraphs joins the lines of each paragraph of a comment. A paragraph with
// indented lines, such as a list, stays as it is.
func paragraphs(text string) string {
	parts := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range parts {
		if !strings.Contains(p, "\n ") && !strings.Contains(p, "\n\t") {
			parts[i] = strings.ReplaceAll(p, "\n", " ")
		}
	}
	return strings.Join(parts, "\n\n")
}

// doc returns the comment of a field, its Go name replaced by the key.
func (d *describer) doc(f config.Field) string {
	c, ok := d.comments(f.Owner)
	if !ok {
		return ""
	}
	text := c.fields[f.Owner.Name()][f.Name]
	if text == "" {
		d.errs = append(d.errs, fmt.Errorf("the field %s.%s has no comment in the source", f.Owner, f.Name))
	}
	rest, found := strings.CutPrefix(text, f.Name)
	if name, _, _ := strings.Cut(text, " "); found && f.Key != "*" && strings.TrimRight(name, ",:;") == f.Name {
		return f.Key + rest
	}
	return text
}

// value describes what is decoded into a value that starts as v, which may be
// a nil pointer.
func (d *describer) value(s *config.Spec, v reflect.Value) Field {
	f := Field{Type: s.String(), Shape: s.Shape, Kinds: s.Kinds, Enum: s.Enum, Comments: s.HasComments()}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v = config.DefaultsOf(s)
			break
		}
		v = v.Elem()
	}
	switch s.Shape {
	case config.IntShape, config.SecondsShape:
		f.Unsigned, f.Bits = v.CanUint(), s.Type.Bits()
	case config.CustomShape:
		if c, ok := reflect.Zero(s.Type).Interface().(interface{ JSONSchema() map[string]any }); ok {
			f.Custom = c.JSONSchema()
		}
	case config.ListShape, config.MapShape:
		item := d.value(s.Item, config.DefaultsOf(s.Item))
		f.Item = &item
		if s.Keys != nil {
			f.Keys = s.Keys.Enum
		}
	case config.ObjectShape:
		d.object(&f, s, v)
	}
	return f
}

func (d *describer) object(f *Field, s *config.Spec, v reflect.Value) {
	switch f.Scope = s.Scope; {
	case slices.Contains(d.stack, s.Type):
		f.Recursive = true
		return
	case s.Scope != "" && len(d.stack) > 0:
		return
	}
	d.stack = append(d.stack, s.Type)
	for _, field := range s.Fields {
		f.Fields = append(f.Fields, d.field(field, v))
	}
	if s.Rest != nil {
		rest := d.field(*s.Rest, v)
		rest.Type, rest.Default = rest.Item.Type, nil
		f.Fields = append(f.Fields, rest)
	}
	d.stack = d.stack[:len(d.stack)-1]
}

// field describes a field of an object that starts as v.
func (d *describer) field(field config.Field, v reflect.Value) Field {
	start := field.In(v)
	f := d.value(field.Spec, start)
	f.Name, f.Doc = field.Key, d.doc(field)
	r := field.Rules
	f.Min, f.Max, f.Format = r.Min, r.Max, r.Format
	f.Required, f.NonEmpty, f.Unique, f.Deprecated = r.Required, r.NonEmpty, r.Unique, r.Deprecated
	f.Secret = field.Secret == config.IsSecret
	f.Wanted, f.Object, f.Example = r.Wanted, r.Object, field.Example
	// The default of an object is told key by key.
	if !start.IsZero() && field.Spec.Shape != config.ObjectShape {
		f.Default = start.Interface()
	}
	return f
}
