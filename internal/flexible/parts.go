package flexible

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Parts says where the parts of a configuration are, beside its base template.
type Parts struct {
	Settings, Partials, Templates []Place
	Out                           Place // where what was rendered is kept; no name is nowhere
	Undefined                     Undefined
	Debug                         bool // tell which files take part
	implied                       bool // nobody has named the file in the extended form: it is there

	// What only the extended form has, which a file describes.
	extended bool
	form     extended
}

// A Place is the name of a folder or a file, and where it was written.
type Place struct {
	Name string
	At   config.Pos
}

// A Flag is one of the command line that says the same as a variable.
type Flag struct{ Name, Variable, Value string }

// usual is the file in the extended form that nobody has to name.
const usual = "flexible_config.json"

// FromEnviron returns the parts that variables of the environment name, nil if they do not
// switch templates on: FC_ENABLE does with any value that does not say no, and so does
// FC_CONFIG, the name of a file in the extended form, and such a file with the usual name in
// the folder that the process runs in. Flags say the same as variables, and win.
func FromEnviron(ctx context.Context, environ []string, flags []Flag, reads func(string)) (*Parts, []*config.Problem) {
	values := make(map[string]Place)
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "FC_") {
			values[name] = Place{value, config.Pos{File: "environment:" + name}}
		}
	}
	for _, f := range flags {
		if f.Value != "" {
			at := config.Pos{File: f.Name}
			values[f.Variable], values["FC_ENABLE"] = Place{f.Value, at}, Place{f.Name, at}
		}
	}
	enable, described, implied := values["FC_ENABLE"], values["FC_CONFIG"], false
	if slices.Contains([]string{"0", "false", "no"}, strings.ToLower(enable.Name)) {
		return nil, []*config.Problem{{At: enable.At, Severity: config.Warning, Code: config.CodeIgnored,
			Err: fmt.Errorf("%s is taken for no, and the file for a configuration without templates; unset FC_ENABLE to say so everywhere", enable.Name)}}
	}
	if info, err := os.Stat(usual); described.Name == "" && err == nil && info.Mode().IsRegular() {
		described, implied = Place{usual, config.Pos{File: usual}}, enable.Name == ""
	}
	problems := misspelt(values)
	if enable.Name == "" && described.Name == "" {
		return nil, append(problems, ineffective(values)...)
	}
	parts := &Parts{}
	if described.Name != "" {
		var more []*config.Problem
		parts, more = describe(ctx, described, reads)
		if problems = append(problems, more...); parts == nil {
			return nil, problems
		}
		parts.implied = implied
	}
	for name, list := range map[string]*[]Place{"FC_SETTINGS": &parts.Settings, "FC_PARTIALS": &parts.Partials, "FC_TEMPLATES": &parts.Templates} {
		if values[name].Name != "" {
			*list = []Place{values[name]}
		}
	}
	if values["FC_OUT"].Name != "" {
		parts.Out = values["FC_OUT"]
	}
	if u := values["FC_UNDEFINED"]; u.Name != "" {
		parts.Undefined = Undefined(u.Name)
		if !slices.Contains(parts.Undefined.Enum(), u.Name) {
			problems = append(problems, &config.Problem{At: u.At, Code: config.CodeUnknownValue,
				Err: fmt.Errorf("%q is unknown; write one of %s", u.Name, strings.Join(parts.Undefined.Enum(), ", "))})
		}
	}
	if debug := strings.ToLower(values["FC_DEBUG"].Name); debug != "" {
		parts.Debug = !slices.Contains([]string{"0", "false", "no"}, debug)
	}
	return parts, problems
}

// ours are the variables that are known.
var ours = []string{"FC_CONFIG", "FC_DEBUG", "FC_ENABLE", "FC_OUT", "FC_PARTIALS", "FC_SETTINGS", "FC_TEMPLATES", "FC_UNDEFINED"}

// misspelt warns of variables that are nearly called like one that is known. Others that begin
// alike are those of other programs.
func misspelt(values map[string]Place) (problems []*config.Problem) {
	for _, name := range sortedKeys(values) {
		if near, found := config.Suggest(name, ours); found && near != name && values[name].Name != "" {
			problems = append(problems, &config.Problem{At: values[name].At, Severity: config.Warning, Code: config.CodeIgnored,
				Err: fmt.Errorf("the variable %s is not read; did you mean %s?", name, near)})
		}
	}
	return problems
}

// ineffective warns of variables that say of what a template is made, where nothing says that
// the file is one.
func ineffective(values map[string]Place) (problems []*config.Problem) {
	for _, name := range ours {
		if values[name].Name != "" && name != "FC_DEBUG" {
			problems = append(problems, &config.Problem{At: values[name].At, Severity: config.Warning, Code: config.CodeIgnored,
				Err: fmt.Errorf("%s has no effect, because the file is not read as a template; set FC_ENABLE=1, or unset %s", name, name)})
		}
	}
	return problems
}

// Chosen reports whether somebody has asked for a file that keeps what is rendered, and not
// only put one in the extended form into the folder.
func (p *Parts) Chosen() bool { return !p.implied || p.Out.At.File != usual }

// Note says why the file is read as a template where nobody has asked for it; nil otherwise.
func (p *Parts) Note() *config.Problem {
	if !p.implied {
		return nil
	}
	return &config.Problem{At: config.Pos{File: usual}, Severity: config.Note, Code: config.CodeNote,
		Err: errors.New("the configuration is read as a template, because this file is in the folder; set FC_ENABLE=0 if it is none, or FC_CONFIG=" + usual + " to say so")}
}

// Options are what Load needs from outside.
type Options struct {
	Environ   []string          // KEY=VALUE
	SkipFiles bool              // files that the configuration names are not read
	Keep      bool              // write what was rendered to Parts.Out
	Offline   bool              // ask the network for nothing: names have an address for examples
	AsWritten bool              // references are not looked up, see [config.LoadOptions]
	Reads     func(name string) // is told of each file and folder before it is read
	Rendered  func(text string) // is told what was rendered, with *** for secrets; may be nil
	Debug     func(text string) // is told which files take part, if that is asked for; may be nil
}

// Load makes a document of a base template and the parts, and replaces its references, as
// [config.Load] does for a file without templates. The document is nil when there is none.
func (p *Parts) Load(ctx context.Context, base string, o Options) (*config.Document, []*config.Problem) {
	c := &collector{ctx: ctx, parts: p, reads: o.Reads}
	data, err := c.read(base)
	if err != nil {
		return nil, []*config.Problem{{At: config.Pos{File: base}, Code: config.CodeUnreadable, Err: fmt.Errorf("cannot read the file: %w", cause(err))}}
	}
	readValue := func(name string) ([]byte, error) {
		o.Reads(name)
		return config.ReadFile(name)
	}
	s := Sources{
		Settings: c.settings(), Templates: c.templates(base), Partial: c.partial,
		ReadFile: readValue, Skipped: o.SkipFiles, Environ: o.Environ, Undefined: p.Undefined, Offline: o.Offline,
	}
	if p.Debug && o.Debug != nil {
		o.Debug(c.tree(s))
	}
	problems := c.problems
	if config.HasErrors(problems) {
		return nil, problems
	}
	r, more := NewRenderer(s)
	if problems = append(problems, more...); r == nil {
		return nil, problems
	}
	rendering, more := r.Render(ctx, File{base, data})
	if problems = append(problems, more...); rendering == nil {
		return nil, problems
	}
	text, masked := rendering.Text(), rendering.Masked()
	d, more := rendering.Parse(p.format(base))
	problems = append(problems, more...)
	if d != nil && p.extended {
		i := &includer{key: p.form.RefKey, render: r.Render, read: c.read}
		problems = append(problems, i.include(ctx, d, d.Root, filepath.Dir(base))...)
		if i.included > 0 {
			text, masked = indent(d.Root.JSON()), indent(d.Root.MaskedJSON())
		}
	}
	if o.Rendered != nil {
		o.Rendered(masked)
	}
	if o.Keep && p.Out.Name != "" {
		if err := keep(p.Out.Name, text); err != nil {
			problems = append(problems, &config.Problem{At: p.Out.At, Code: config.CodeUnreadable,
				Err: fmt.Errorf("what was rendered cannot be kept in %s: %w", p.Out.Name, cause(err))})
		}
	}
	if d != nil {
		problems = append(problems, d.ExpandReferences(config.LoadOptions{Environ: o.Environ, SkipFiles: o.SkipFiles, AsWritten: o.AsWritten, ReadFile: readValue})...)
	}
	config.Sort(problems)
	return d, problems
}

// format returns the extension that says how to read what was rendered: that of the file
// where it is kept, or that of the base template.
func (p *Parts) format(base string) string {
	if ext := filepath.Ext(p.Out.Name); ext != "" {
		return ext
	}
	return extension(base)
}

// extension returns the extension of what a template makes: a.yaml.tmpl makes .yaml.
func extension(name string) string {
	switch ext := strings.ToLower(filepath.Ext(name)); ext {
	case ".tmpl", ".tpl", ".gotmpl":
		return strings.ToLower(filepath.Ext(strings.TrimSuffix(name, filepath.Ext(name))))
	default:
		return ext
	}
}

// keep writes what was rendered into a file for its owner only: secrets are in clear.
func keep(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if info, statErr := f.Stat(); statErr == nil && info.Mode().IsRegular() {
		err = f.Chmod(0o600) // it may have been there
	}
	if err == nil {
		_, err = f.WriteString(text)
	}
	return errors.Join(err, f.Close())
}

func indent(text []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	b.WriteByte('\n')
	return b.String()
}

// cause is what is wrong with a file whose name is told anyway.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// A collector reads the files that take part.
type collector struct {
	ctx      context.Context
	parts    *Parts
	reads    func(string)
	index    map[*config.Node]map[string]int // members of settings by their keys
	files    []string                        // of settings
	found    int                             // files in folders
	problems []*config.Problem
}

func (c *collector) read(name string) ([]byte, error) {
	c.reads(name)
	data, err := config.ReadDocument(c.ctx, name)
	return bytes.TrimPrefix(data, []byte("\ufeff")), err
}

func (c *collector) fail(at config.Pos, code string, format string, args ...any) {
	c.problems = append(c.problems, &config.Problem{At: at, Code: code, Err: fmt.Errorf(format, args...)})
}

const (
	deepest = 32     // folders in folders: links make circles
	fullest = 10_000 // files of settings and templates
)

// files calls f with the files of a place, in the order of their names, and their path in
// it; "" for a place that is a file itself. What begins with a dot is left out, but for files
// in the manner of .env. Only the extended form looks into folders of folders.
func (c *collector) each(p Place, what string, f func(name, inner string)) {
	var walk func(name, inner string, depth int)
	walk = func(name, inner string, depth int) {
		c.reads(name)
		entries, err := os.ReadDir(name)
		if err != nil {
			c.fail(p.At, config.CodeUnreadable, "the folder of %s %s cannot be read: %w", what, name, cause(err))
			return
		}
		for _, e := range entries {
			name, inner := filepath.Join(name, e.Name()), path.Join(inner, e.Name())
			info, err := os.Stat(name)
			switch {
			case err != nil:
				c.fail(config.Pos{File: name}, config.CodeUnreadable, "cannot read the file: %w", cause(err))
			case !info.IsDir():
				if c.found++; c.found > fullest {
					if c.found == fullest+1 {
						c.fail(p.At, config.CodeUnreadable, "%s has more than %d files; name the folder that is meant", p.Name, fullest)
					}
					return
				}
				f(name, inner)
			case strings.HasPrefix(e.Name(), ".") || !c.parts.extended:
			case depth >= deepest:
				c.fail(p.At, config.CodeUnreadable, "%s is more than %d folders deep; a link may lead back", name, deepest)
			default:
				walk(name, inner, depth+1)
			}
		}
	}
	if info, err := os.Stat(p.Name); err == nil && !info.IsDir() && c.parts.extended {
		f(p.Name, "")
		return
	}
	walk(p.Name, "", 0)
}

// templates reads the sub-templates: of a folder those that end with .tmpl, by their names;
// in the extended form all of them, by their paths in the folder, and by their names where
// these are no others'.
func (c *collector) templates(base string) map[string]File {
	all, short := make(map[string]File), make(map[string][]File)
	for _, p := range c.parts.Templates {
		c.each(p, "templates", func(name, inner string) {
			if !c.parts.extended && !strings.HasSuffix(inner, ".tmpl") || strings.HasPrefix(path.Base(inner), ".") || same(name, base) {
				return
			}
			if inner == "" {
				inner = filepath.Base(name)
			}
			if other, taken := all[inner]; taken {
				c.fail(config.Pos{File: name}, config.CodeTemplate, "%s has the same name %s; rename one of them", other.Name, inner)
				return
			}
			data, err := c.read(name)
			if err != nil {
				c.fail(config.Pos{File: name}, config.CodeUnreadable, "cannot read the file: %w", cause(err))
				return
			}
			all[inner] = File{name, data}
			short[path.Base(inner)] = append(short[path.Base(inner)], all[inner])
		})
	}
	for name, files := range short {
		if _, taken := all[name]; !taken && len(files) == 1 {
			all[name] = files[0]
		}
	}
	return all
}

// same reports whether two names are of one file, which may be the base template in the
// folder of the others.
func same(a, b string) bool {
	x, err := os.Stat(a)
	y, otherErr := os.Stat(b)
	return err == nil && otherErr == nil && os.SameFile(x, y)
}

// partial returns a file that include names.
func (c *collector) partial(name string) (File, error) {
	folders := c.parts.Partials
	if len(folders) == 0 {
		folders = []Place{{Name: "."}}
	}
	var names []string
	for _, p := range folders {
		full := filepath.Join(p.Name, name)
		data, err := c.read(full)
		if err == nil {
			return File{full, data}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return File{}, fmt.Errorf("%s cannot be read: %w", full, cause(err))
		}
		c.reads(p.Name)
		entries, _ := os.ReadDir(p.Name)
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	return File{}, &missing{fmt.Sprintf("the file %s is not in %s; %s", name, folders[0].Name,
		near(name, names, "write its path within the folder of partials, which FC_PARTIALS or --partials names"))}
}

// missing is the error of a partial that is not there.
type missing struct{ text string }

func (m *missing) Error() string { return m.text }
func (*missing) Unwrap() error   { return fs.ErrNotExist }

// tree says which files take part.
func (c *collector) tree(s Sources) string {
	var b strings.Builder
	for _, m := range s.Settings.Members {
		if m.Value.Pos.File != "" {
			fmt.Fprintf(&b, "settings: .%s, from %s\n", m.Key, m.Value.Pos.File)
		}
	}
	for _, name := range sortedKeys(s.Templates) {
		fmt.Fprintf(&b, "template: %s, from %s\n", name, s.Templates[name].Name)
	}
	for _, p := range c.parts.Partials {
		fmt.Fprintf(&b, "partials: %s\n", p.Name)
	}
	return b.String()
}
