package misspell

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/manual"
	"github.com/sluice-gateway/sluice/internal/model"
)

// published returns the schema of the gateway, as a stranger's validator reads it,
// and its text.
func publishedSchema(t *testing.T) (*jsonschema.Schema, any) {
	t.Helper()
	text, err := manual.Schema(component.Default)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(manual.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(manual.SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	return s, doc
}

// TestExamples holds the examples of the schema against it.
func TestExamples(t *testing.T) {
	_, doc := publishedSchema(t)
	c := jsonschema.NewCompiler()
	if err := c.AddResource(manual.SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	found := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			if examples, ok := v["examples"].([]any); ok {
				s, err := c.Compile(manual.SchemaID + "#" + at)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range examples {
					found++
					if err := s.Validate(e); err != nil {
						t.Errorf("%s: the example %v: %v", at, e, err)
					}
				}
			}
			for key, inner := range v {
				if key != "examples" {
					walk(at+"/"+strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", "^", "%5E", "[", "%5B", "]", "%5D", "#", "%23").Replace(key), inner)
				}
			}
		case []any:
			for i, inner := range v {
				walk(at+"/"+strconv.Itoa(i), inner)
			}
		}
	}
	walk("", doc)
	if found < 20 {
		t.Errorf("the schema has %d examples", found)
	}
	root := doc.(map[string]any)["examples"].([]any)[0]
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	if problems := check(t.Context(), "example.json", string(text)); config.HasErrors(problems) {
		t.Errorf("the example of a configuration is not right:\n%s", config.Format(problems))
	}
}

// TestVerdict makes single mutations of the samples, and holds the verdicts on each
// against each other: that of the schema, by a validator that is not ours, that of
// check --lint, and that of a start in the dialect sluice. What the schema refuses
// all refuse; what lint or the dialect refuse for the form of the document, the
// schema refuses. A mutation of a key is made once, in the first sample that has
// it; the race detector, which is after something else, sees every fifth.
func TestVerdict(t *testing.T) {
	s, _ := publishedSchema(t)
	all := samples(t)
	var mu sync.Mutex
	made, refused := 0, 0
	seen := make(map[mutation]bool)
	t.Run("samples", func(t *testing.T) {
		for _, sample := range all {
			m := mutator{root: sample.root.Value(), seen: seen}
			m.walk(sample.root, config.SpecOf(reflect.TypeFor[model.Service]()), nil)
			t.Run(sample.name, func(t *testing.T) {
				t.Parallel()
				if err := s.Validate(m.root); err != nil {
					t.Errorf("the schema refuses the sample: %v", err)
				}
				for i, mutant := range m.mutants {
					if testing.Short() && i%9 != 0 || testx.Race && i%5 != 0 {
						continue
					}
					wrong := verdict(t, s, mutant)
					mu.Lock()
					made++
					if wrong {
						refused++
					}
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%d mutants, the schema refuses %d", made, refused)
	if refused < made/4 || refused == made {
		t.Errorf("the schema refuses %d of %d mutants", refused, made)
	}
}

// verdict reports whether the schema refuses a mutant, and as an error of the test
// where others see it differently.
func verdict(t *testing.T, s *jsonschema.Schema, m mutant) (refused bool) {
	t.Helper()
	changed := m.change()
	text, err := json.Marshal(changed)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	bySchema := s.Validate(doc)
	lint := check(t.Context(), "mutant.json", string(text))
	strict := lint
	if root, ok := changed.(map[string]any); ok && m.path[0] != step("dialect") {
		root = maps.Clone(root)
		root["dialect"] = "sluice"
		if text, err = json.Marshal(root); err != nil {
			t.Fatal(err)
		}
		strict = run(t.Context(), "mutant.json", string(text))
	}
	for _, reader := range []struct {
		name     string
		problems []*config.Problem
	}{{"lint", lint}, {"the dialect sluice", strict}} {
		form := slices.ContainsFunc(reader.problems, func(p *config.Problem) bool {
			return p.Severity == config.Error && config.Structural(p.Code)
		})
		switch {
		case bySchema != nil && !config.HasErrors(reader.problems):
			t.Errorf("%s: the schema refuses it, %s does not: %v\n%s", m.what, reader.name, bySchema, config.Format(reader.problems))
		case bySchema == nil && form:
			t.Errorf("%s: %s refuses its form, the schema does not:\n%s", m.what, reader.name, config.Format(reader.problems))
		}
	}
	return bySchema != nil
}

// A mutant is a sample with one thing changed.
type mutant struct {
	what   string
	path   []step
	change func() any // makes the document
}

// A mutation is what is done to a key, whatever document it stands in.
type mutation struct {
	owner     reflect.Type
	key, what string
}

// mutator makes mutants of a document.
type mutator struct {
	root    any
	owner   reflect.Type // of the key that is being changed
	key     string
	seen    map[mutation]bool
	mutants []mutant
}

// values are what a value is replaced by.
var values = []string{
	`null`, `true`, `false`, `7`, `-1`, `1.5`, `1e3`, `99999999999`, `"text"`, `"7"`, `"true"`, `"1.5"`, `""`, `"5s"`, `"5"`, `"$${env:A}"`,
	`[]`, `{}`, `["text"]`, `[7]`, `[null]`, `[[]]`, `[{}]`, `{"text": "text"}`, `{"text": 7}`, `{"text": {}}`, `{"@text": []}`, `{"//": ["text"]}`, `["a", "a"]`,
}

// A step is a key or an index on the way to a value.
type step any

// walk makes the mutants of the values within n, which is decoded by s.
func (m *mutator) walk(n *config.Node, s *config.Spec, path []step) {
	switch {
	case n.Kind == config.Array && s.Shape == config.ListShape:
		for i, item := range n.Items {
			at := append(slices.Clone(path), step(i))
			m.replace(item, s.Item, config.Rules{}, at)
			m.walk(item, s.Item, at)
		}
	case n.Kind == config.Object && s.Shape == config.MapShape:
		for _, member := range n.Members {
			at := append(slices.Clone(path), step(member.Key))
			m.replace(member.Value, s.Item, config.Rules{}, at)
			m.walk(member.Value, s.Item, at)
		}
	case n.Kind == config.Object && s.Shape == config.ObjectShape:
		for _, member := range n.Members {
			at := append(slices.Clone(path), step(member.Key))
			i := slices.IndexFunc(s.Fields, func(f config.Field) bool { return f.Key == member.Key })
			if i < 0 {
				continue // a comment
			}
			f := s.Fields[i]
			m.owner, m.key = f.Owner, f.Key
			m.keys(member, at)
			m.replace(member.Value, f.Spec, f.Rules, at)
			if s.Scope != "" && f.Key == "extra_config" {
				for _, namespace := range member.Value.Members {
					d := component.Default.Find(component.Scope(s.Scope), namespace.Key)
					if d == nil {
						continue
					}
					inner := append(slices.Clone(at), step(namespace.Key))
					m.owner, m.key = d.Options, namespace.Key
					m.keys(namespace, inner)
					m.replace(namespace.Value, config.SpecOf(d.Options), config.Rules{}, inner)
					m.walk(namespace.Value, config.SpecOf(d.Options), inner)
				}
				continue
			}
			m.walk(member.Value, f.Spec, at)
		}
	}
}

// keys makes mutants of the name and the place of a member.
func (m *mutator) keys(member config.Member, path []step) {
	name := member.Key
	value := member.Value.Value()
	parent := path[:len(path)-1]
	m.add("removed", path, func(doc any) any { return edit(doc, parent, func(o map[string]any) { delete(o, name) }) })
	for _, other := range []string{
		name + "x", name[1:], "@" + name, strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:], camel(name),
		strings.NewReplacer("_", "-", "/", "-").Replace(name), "github.com/devopsfaith/" + name, "//" + name,
	} {
		if other == name {
			continue
		}
		m.add("called "+other, path, func(doc any) any {
			return edit(doc, parent, func(o map[string]any) {
				delete(o, name)
				o[other] = value
			})
		})
	}
	// One level out, past the list that the object may be in.
	outer := parent
	for len(outer) > 0 {
		outer = outer[:len(outer)-1]
		if object, ok := at(m.root, outer).(map[string]any); ok {
			if object[name] == nil {
				m.add("moved out", path, func(doc any) any {
					doc = edit(doc, parent, func(o map[string]any) { delete(o, name) })
					return edit(doc, outer, func(o map[string]any) { o[name] = value })
				})
			}
			break
		}
	}
}

// replace makes mutants of a value.
func (m *mutator) replace(n *config.Node, s *config.Spec, r config.Rules, path []step) {
	wrong := slices.Clone(values)
	scalar := n.Kind != config.Array && n.Kind != config.Object
	if scalar {
		text := n.Text
		quoted, _ := json.Marshal(text)
		wrong = append(wrong, string(quoted), "["+string(quoted)+"]")
		if n.Kind == config.String {
			for _, other := range []string{strings.ToUpper(text), strings.ToLower(text), swapCase(text), text + "x", " " + text} {
				again, _ := json.Marshal(other)
				wrong = append(wrong, string(again))
			}
		}
	}
	if list := n.Items; n.Kind == config.Array && len(list) == 1 {
		wrong = append(wrong, string(list[0].JSON())) // the item without its list
	}
	if n.Kind == config.Array && len(n.Items) > 0 {
		item := string(n.Items[0].JSON())
		wrong = append(wrong, "["+item+","+item+"]")
	}
	for _, bound := range []struct {
		at   *float64
		step float64
	}{{r.Min, -1}, {r.Min, 0}, {r.Max, 1}, {r.Max, 0}} {
		if bound.at != nil && s.Shape != config.DurationShape {
			wrong = append(wrong, strconv.FormatFloat(*bound.at+bound.step, 'f', -1, 64))
		}
	}
	for _, value := range s.Enum {
		quoted, _ := json.Marshal(value)
		wrong = append(wrong, string(quoted))
	}
	if structured := s.Shape == config.ListShape || s.Shape == config.MapShape || s.Shape == config.ObjectShape; structured || s.Shape == config.IntShape && r.Max == nil {
		wrong = append(wrong, `"${env:MUTANT}"`) // of a number, and of nothing else
	}
	written := string(n.JSON())
	slices.Sort(wrong)
	for _, text := range slices.Compact(wrong) {
		if text == written {
			continue
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			panic(err)
		}
		m.add("is "+text, path, func(doc any) any { return set(doc, path, value) })
	}
}

func (m *mutator) add(what string, path []step, change func(doc any) any) {
	this := mutation{m.owner, m.key, what}
	if m.seen[this] {
		return // many samples have the same keys
	}
	m.seen[this] = true
	m.mutants = append(m.mutants, mutant{fmt.Sprintf("%v %s", path, what), path, func() any { return change(m.root) }})
}

// at returns the value at a path.
func at(v any, path []step) any {
	for _, s := range path {
		switch s := s.(type) {
		case string:
			v = v.(map[string]any)[s]
		case int:
			v = v.([]any)[s]
		}
	}
	return v
}

// set returns v with another value at a path; v stays as it is.
func set(v any, path []step, value any) any {
	if len(path) == 0 {
		return value
	}
	switch s := path[0].(type) {
	case string:
		o := maps.Clone(v.(map[string]any))
		o[s] = set(o[s], path[1:], value)
		return o
	case int:
		l := slices.Clone(v.([]any))
		l[s] = set(l[s], path[1:], value)
		return l
	}
	panic("no step")
}

// edit returns v with a changed object at a path.
func edit(v any, path []step, change func(map[string]any)) any {
	o := maps.Clone(at(v, path).(map[string]any))
	change(o)
	return set(v, path, o)
}

// camel returns max_size as maxSize.
func camel(name string) string {
	var b strings.Builder
	upper := false
	for _, r := range name {
		switch {
		case r == '_' || r == '/' || r == '-':
			upper = true
		case upper:
			b.WriteRune(unicode.ToUpper(r))
			upper = false
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func swapCase(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, text)
}
