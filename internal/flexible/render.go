package flexible

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/sluice-gateway/sluice/internal/config"
)

// A File is a file that was read.
type File struct {
	Name string // as messages show it
	Data []byte
}

// Sources are what base templates are made with.
type Sources struct {
	Settings  *config.Node    // an object, whose members templates find by a dot and their key
	Templates map[string]File // by the name that templates call them
	Partial   func(name string) (File, error)
	ReadFile  func(name string) ([]byte, error) // what the function file returns
	Skipped   bool                              // ReadFile reads nothing, since files are on another machine
	Environ   []string                          // KEY=VALUE, for env and expandenv
	Undefined Undefined
	Offline   bool // getHostByName asks nobody
}

// A Renderer executes templates that share settings and sub-templates. It is not safe for
// concurrent use.
type Renderer struct {
	tracer
	set    *template.Template
	values map[string]any
	marked map[*parse.Tree]bool // trees that have markers
}

// NewRenderer reads the sub-templates. It is nil if there is an error among the problems.
func NewRenderer(s Sources) (*Renderer, []*config.Problem) {
	r := &Renderer{
		tracer: newTracer(s.Undefined),
		set:    template.New(""),
		values: make(map[string]any),
		marked: make(map[*parse.Tree]bool),
	}
	r.functions(s)
	r.set.Funcs(r.funcs)
	var problems []*config.Problem
	for _, m := range s.Settings.Members {
		value, p := r.known.value(m.Value)
		if p != nil {
			problems = append(problems, p)
		}
		r.values[m.Key] = value
	}
	r.known[identity(r.values)] = s.Settings
	for _, name := range sortedKeys(s.Templates) {
		if err := r.parse(name, s.Templates[name]); err != nil {
			problems = append(problems, r.problem(err))
		}
	}
	if config.HasErrors(problems) {
		return nil, problems
	}
	return r, problems
}

// basePrefix stands before the names of base templates, so that they are those of no other.
const basePrefix = "base:"

// Render executes a base template. The rendering is nil if there is an error among the
// problems: one, because what follows from it tells nothing.
func (r *Renderer) Render(ctx context.Context, base File) (*Rendering, []*config.Problem) {
	r.begin(ctx)
	name := basePrefix + base.Name
	err := r.parse(name, base)
	if err == nil {
		err = r.set.ExecuteTemplate(&r.tracer, name, r.values)
	}
	if err == nil && strings.TrimSpace(string(r.out)) == "" {
		err = &fault{config.Pos{File: base.Name}, errors.New("the template prints nothing; write a configuration")}
	}
	if err != nil {
		p := r.problem(err)
		p.Err = config.MaskError(p.Err, sortedKeys(r.secrets.texts))
		return nil, append(r.warnings, p)
	}
	return &Rendering{newText("", string(r.out)), r.pieces, r.inserted}, r.warnings
}

// inner is an action that calls one of the functions of markers.
var inner = regexp.MustCompile(`\{\{[^}]*\b__(?:mark|enter|leave|item|done)\b`)

// parse reads a template and puts markers into it, and into those that it defines.
func (r *Renderer) parse(name string, f File) error {
	r.files[name] = newText(f.Name, string(f.Data))
	if at := inner.FindIndex(f.Data); at != nil {
		return &fault{r.files[name].at(at[0]), errors.New("the action calls a function that begins with __, and there are none for templates; write another name")}
	}
	if _, err := r.set.New(name).Parse(string(f.Data)); err != nil {
		return err
	}
	for _, t := range r.set.Templates() {
		if t.Tree == nil || r.marked[t.Tree] {
			continue
		}
		r.marked[t.Tree] = true
		if err := r.instrument(t); err != nil {
			return err
		}
	}
	return nil
}

// A Rendering is a text that templates made, and where it comes from.
type Rendering struct {
	text     *text
	pieces   []piece
	inserted map[int]insertion // what must not be shown of a piece, by its index
}

// Text returns what was rendered.
func (r *Rendering) Text() string { return r.text.data }

// Masked returns what was rendered, with *** in place of what actions have printed that
// must not be shown.
func (r *Rendering) Masked() string {
	var b strings.Builder
	for i, p := range r.pieces {
		if _, secret := r.inserted[i]; secret {
			b.WriteString("***")
		} else {
			b.WriteString(r.text.data[p.start:r.end(i)])
		}
	}
	return b.String()
}

// end returns where a piece ends.
func (r *Rendering) end(i int) int {
	if i+1 < len(r.pieces) {
		return int(r.pieces[i+1].start)
	}
	return len(r.text.data)
}

// Undefined is what becomes of a value that is printed and not there.
type Undefined string

// What an undefined value may be.
const (
	UndefinedError   Undefined = "error"   // an error
	UndefinedZero    Undefined = "zero"    // no text
	UndefinedInvalid Undefined = "invalid" // the text <no value>
)

// Enum lists the values.
func (Undefined) Enum() []string {
	return []string{string(UndefinedError), string(UndefinedZero), string(UndefinedInvalid)}
}

// fault is an error with its place.
type fault struct {
	at  config.Pos
	err error
}

func (f *fault) Error() string { return fmt.Sprintf("%v: %v", f.at, f.err) }
func (f *fault) Unwrap() error { return f.err }
