package flexible

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// extended is what a file in the extended form says, which FC_CONFIG names.
type extended struct {
	Settings struct {
		Paths           []string `json:"paths"`
		AllowedSuffixes []string `json:"allowed_suffixes"`
		AllowOverwrite  bool     `json:"allow_overwrite"`
		DirFieldPrefix  string   `json:"dir_field_prefix"`
	} `json:"settings"`
	Partials struct {
		Paths []string `json:"paths"`
	} `json:"partials"`
	Templates struct {
		Paths         []string  `json:"paths"`
		UndefinedVars Undefined `json:"undefined_vars"`
	} `json:"templates"`
	Out             string `json:"out"`
	Debug           bool   `json:"debug"`
	MetaKey         string `json:"meta_key"`
	RefKey          string `json:"ref_key"`
	KeysNamingRules naming `json:"keys_naming_rules"`
}

// naming says which names of files and folders settings may have.
type naming string

const (
	strict   naming = "strict" // letters, digits, - and _
	freeform naming = "freeform"
)

// Enum lists the values.
func (naming) Enum() []string { return []string{string(strict), string(freeform)} }

// Defaults are those of a file that says nothing.
func (extended) Defaults() extended {
	e := extended{MetaKey: "meta", RefKey: "$ref", KeysNamingRules: freeform}
	e.Settings.AllowedSuffixes = []string{".yaml", ".yml", ".json", ".toml", ".tml", ".ini", ".dotenv", ".env", ".properties", ".prop", ".props"}
	e.Templates.UndefinedVars = UndefinedError
	return e
}

// describe reads the file that describes the parts.
func describe(ctx context.Context, p Place, reads func(string)) (*Parts, []*config.Problem) {
	reads(p.Name)
	data, err := config.ReadDocument(ctx, p.Name)
	if err != nil {
		return nil, []*config.Problem{{At: p.At, Code: config.CodeUnreadable, Err: fmt.Errorf("the file %s cannot be read: %w", p.Name, cause(err))}}
	}
	d, problems := config.Parse(p.Name, data)
	if d == nil {
		return nil, problems
	}
	parts := &Parts{extended: true}
	problems = append(problems, config.Decode(d.Root, &parts.form)...)
	places := func(key string, names []string) []Place {
		list := d.Root.Get(key).Get("paths")
		all := make([]Place, len(names))
		for i, name := range names {
			all[i] = Place{name, list.Items[i].Pos}
		}
		return all
	}
	if config.HasErrors(problems) {
		return nil, problems
	}
	f := &parts.form
	parts.Settings, parts.Partials, parts.Templates = places("settings", f.Settings.Paths), places("partials", f.Partials.Paths), places("templates", f.Templates.Paths)
	parts.Undefined, parts.Debug = f.Templates.UndefinedVars, f.Debug
	if f.Out != "" {
		parts.Out = Place{f.Out, d.Root.Get("out").Pos}
	}
	return parts, problems
}

// settings reads the settings: of a folder the files *.json, each by its name; in the extended
// form those with a suffix that is allowed, in folders of folders, too, and the values of a
// file that a path names by their own.
func (c *collector) settings() *config.Node {
	root := &config.Node{Kind: config.Object}
	c.index = make(map[*config.Node]map[string]int)
	for _, p := range c.parts.Settings {
		c.each(p, "settings", func(name, inner string) {
			suffix := c.suffix(name)
			if suffix == "" {
				return
			}
			values := c.readSettings(name, inner, suffix)
			if values == nil {
				return
			}
			c.files = append(c.files, name)
			into := root
			if inner != "" {
				folders, file := filepath.Split(inner)
				for folder := range strings.FieldsFuncSeq(folders, func(r rune) bool { return r == '/' }) {
					into = c.object(into, c.parts.form.Settings.DirFieldPrefix+c.named(folder, name), name)
				}
				key := strings.TrimSuffix(file, suffix)
				if key == "" {
					key = suffix[1:] // .env
				}
				c.put(into, config.Member{Key: c.named(key, name), KeyPos: values.Pos, Value: values})
				return
			}
			for _, m := range values.Members {
				c.put(into, m)
			}
		})
	}
	if c.parts.extended && len(c.parts.Settings)+len(c.parts.Templates) > 0 {
		c.meta(root)
	}
	return root
}

// suffix returns that of a file of settings, "" if it is none.
func (c *collector) suffix(name string) string {
	allowed := []string{".json"}
	if c.parts.extended {
		allowed = c.parts.form.Settings.AllowedSuffixes
	}
	if i := slices.IndexFunc(allowed, func(s string) bool { return s != "" && strings.HasSuffix(name, s) }); i >= 0 {
		return allowed[i]
	}
	return ""
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// named returns the name of a file or folder, which templates find it by.
func (c *collector) named(key, file string) string {
	if c.parts.extended && c.parts.form.KeysNamingRules == strict && !plainName.MatchString(key) {
		c.fail(config.Pos{File: file}, config.CodeTemplate, `the name %q has other characters than letters, digits, - and _; rename it, or set "keys_naming_rules": "freeform"`, key)
	}
	return key
}

// readSettings reads a file of settings; the node is nil if that is not possible.
func (c *collector) readSettings(name, inner, suffix string) *config.Node {
	data, err := c.read(name)
	if err != nil {
		c.fail(config.Pos{File: name}, config.CodeUnreadable, "cannot read the file: %w", cause(err))
		return nil
	}
	var root *config.Node
	var problems []*config.Problem
	switch suffix {
	case ".json", ".yaml", ".yml", ".toml", ".tml":
		as := name
		if suffix == ".tml" {
			as = strings.TrimSuffix(name, suffix) + ".toml"
		}
		var d *config.Document
		if d, problems = config.Parse(as, data); d != nil {
			root = d.Root
		}
	default:
		root, problems = parseLines(name, string(data))
	}
	if root == nil && c.parts.extended && bytes.Contains(data, []byte("{{")) {
		for _, p := range problems { // it is named by a $ref, and no settings
			p.Severity, p.Code, p.Err = config.Warning, config.CodeTemplate, errors.New("the file holds {{, and is left out of the settings, which are no templates; move it to another folder")
		}
	}
	c.problems = append(c.problems, problems...)
	if root != nil && root.Kind != config.Object && (inner == "" || !c.parts.extended) {
		c.fail(root.Pos, config.CodeWrongType, `settings are an object, got %s; write {"name": ...}`, root.Kind)
		return nil
	}
	return root
}

// object returns the object at a key, a new one if there is none.
func (c *collector) object(in *config.Node, key, file string) *config.Node {
	if i, found := c.index[in][key]; found && in.Members[i].Value.Kind == config.Object {
		return in.Members[i].Value
	}
	at := config.Pos{File: filepath.Dir(file)}
	inner := &config.Node{Kind: config.Object, Pos: at}
	c.put(in, config.Member{Key: key, KeyPos: at, Value: inner})
	return inner
}

// put adds a member to an object. If there is one of the same key, objects are joined; of
// other values the later one counts where that is allowed.
func (c *collector) put(in *config.Node, m config.Member) {
	index := c.index[in]
	if index == nil {
		index = make(map[string]int)
		for i, m := range in.Members {
			index[m.Key] = i
		}
		c.index[in] = index
	}
	i, found := index[m.Key]
	if !found {
		index[m.Key] = len(in.Members)
		in.Members = append(in.Members, m)
		return
	}
	old := &in.Members[i]
	switch {
	case old.Value.Kind == config.Object && m.Value.Kind == config.Object:
		for _, inner := range m.Value.Members {
			c.put(old.Value, inner)
		}
	case c.parts.form.Settings.AllowOverwrite:
		*old = m
	default:
		c.fail(m.KeyPos, config.CodeTemplate, `%s is set at %v, too; remove one of them, or set "allow_overwrite": true`, m.Key, old.Value.Pos)
	}
}

// meta adds the names of the files that take part, for templates that ask for them.
func (c *collector) meta(root *config.Node) {
	key := c.parts.form.MetaKey
	list := func(names []string) *config.Node {
		n := &config.Node{Kind: config.Array}
		for _, name := range names {
			n.Items = append(n.Items, &config.Node{Kind: config.String, Text: name})
		}
		return n
	}
	var templates []string
	for _, p := range c.parts.Templates {
		templates = append(templates, p.Name)
	}
	c.put(root, config.Member{Key: key, Value: &config.Node{Kind: config.Object, Members: []config.Member{
		{Key: "settings", Value: list(c.files)}, {Key: "templates", Value: list(templates)},
	}}})
}
