package manual

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/audit"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/schema"
)

// SchemaID is the name of the schema, and where it can be had.
const SchemaID = "https://github.com/sluice-gateway/sluice/raw/main/schema/sluice.schema.json"

// whole is a configuration for those who look for one in the schema.
const whole = `{
  "$schema": "` + SchemaID + `",
  "version": 3,
  "dialect": "sluice",
  "timeout": "3s",
  "endpoints": [{
    "endpoint": "/users/{id}",
    "input_headers": ["Accept-Language"],
    "backend": [
      {"url_pattern": "/users/{id}", "host": ["http://users:8000"], "allow": ["name", "email"]},
      {"url_pattern": "/orders?user={id}", "host": ["http://orders:8000"], "group": "orders"}
    ],
    "extra_config": {"qos/ratelimit/router": {"max_rate": 100, "client_max_rate": 5, "strategy": "ip"}}
  }]
}`

// Schema returns the JSON Schema of a whole configuration, for editors: the
// core objects with the namespaces of every component where they belong.
func Schema(r *component.Registry) ([]byte, error) {
	root, err := schema.JSONSchema(reflect.TypeFor[model.Service](), model.Source)
	if err != nil {
		return nil, err
	}
	root["$schema"] = schema.Draft
	root["$id"] = SchemaID
	root["title"] = "Sluice configuration"
	root["examples"] = []any{json.RawMessage(whole)}
	defs := schema.Definitions()
	root["$defs"] = defs
	version := root["properties"].(map[string]any)["version"].(map[string]any)
	version["anyOf"].([]any)[0] = map[string]any{"type": "integer", "const": 3}
	for _, s := range component.Scopes {
		if !r.Stands(s.Scope) {
			continue
		}
		if s.Core != nil && s.Scope != component.InService {
			if defs[string(s.Scope)], err = schema.JSONSchema(s.Core, model.Source); err != nil {
				return nil, err
			}
		}
		if defs[schema.Namespaces(string(s.Scope))], err = namespaces(r, s.Scope, defs); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), err
}

// namespaces returns the schema of an extra_config. The options of each namespace
// become one of defs, which its names refer to.
func namespaces(r *component.Registry, scope component.Scope, defs map[string]any) (map[string]any, error) {
	properties, once := map[string]any{}, []any{}
	for _, d := range r.All() {
		if d.Scope != scope {
			continue
		}
		s, err := schema.JSONSchema(d.Options, d.Source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.Namespace, err)
		}
		s["title"] = d.Namespace
		s["description"] = d.Summary
		if example := exampleOf(config.SpecOf(d.Options)); example != nil {
			s["examples"] = []any{example}
		}
		name := string(d.Scope) + "." + strings.ReplaceAll(d.Namespace, "/", ".")
		defs[name] = s
		names := d.Names()
		for i, n := range names {
			property := map[string]any{"$ref": "#/$defs/" + name}
			if i > 0 {
				property["deprecated"] = true
				property["description"] = "The old name of " + d.Namespace + "."
			}
			properties[n] = property
			for _, other := range names[:i] { // a namespace under two names is there twice
				once = append(once, map[string]any{"not": map[string]any{"required": []string{other, n}}})
			}
		}
	}
	s := map[string]any{
		"type":                 "object",
		"description":          fmt.Sprintf("The options of %s components, by namespace.", scope),
		"properties":           properties,
		"patternProperties":    config.CommentPatterns(),
		"additionalProperties": false,
	}
	if len(once) > 0 {
		s["allOf"] = once
	}
	return s, nil
}

// exampleOf returns an object of the examples of its keys, nil if none has one.
func exampleOf(s *config.Spec) map[string]any {
	var example map[string]any
	for _, f := range s.Fields {
		if f.Example == "" {
			continue
		}
		if example == nil {
			example = make(map[string]any)
		}
		example[f.Key] = json.RawMessage(f.Example)
	}
	return example
}

// A Page is a file of the reference.
type Page struct {
	Name string // file name
	Text string
}

// Pages returns the reference: a page for the core objects, one for each
// namespace, and an index. A sample returns the example of a namespace, a configuration
// in YAML.
func Pages(r *component.Registry, sample func(namespace string) (string, error)) ([]Page, error) {
	pages := []Page{}
	core, err := corePage()
	if err != nil {
		return nil, err
	}
	pages = append(pages, core, failuresPage(), codesPage(), auditPage())
	byName := make(map[string][]*component.Declaration)
	for _, d := range r.All() {
		byName[d.Namespace] = append(byName[d.Namespace], d)
	}
	var index strings.Builder
	index.WriteString("# Reference\n\nGenerated from the option types. Every key with its type, default and bounds.\n\n" +
		"- [Core objects](core.md): the root, endpoints, backends, agents, TLS\n" +
		"- [Failures](failures.md): what clients are told, by stable codes\n" +
		"- [Problems](codes.md): what is wrong with a configuration, by stable codes, and what to do\n" +
		"- [Audit](audit.md): the rules of `sluice audit`\n")
	for _, name := range sortedKeys(byName) {
		p, err := namespacePage(name, byName[name], sample)
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
		fmt.Fprintf(&index, "- [%s](%s) (%s): %s\n", name, p.Name, scopes(byName[name]), summary(byName[name]))
	}
	index.WriteString("\nProblems that `sluice check` reports carry a stable code, which `sluice help CODE` explains:\n\n| Code | Meaning |\n|---|---|\n")
	for _, c := range config.Codes {
		fmt.Fprintf(&index, "| [`%s`](codes.md#%[1]s) | %s |\n", c.Code, c.Meaning)
	}
	return append(pages, Page{"README.md", index.String()}), nil
}

func corePage() (Page, error) {
	var b strings.Builder
	b.WriteString("# Core objects\n\nKeys match whatever their letter case, those of namespaces as they are written. Durations are texts such as `500ms`, `2s`\nor `1m30s`.\n")
	for _, object := range []struct {
		title string
		of    reflect.Type
	}{
		{"The root", reflect.TypeFor[model.Service]()},
		{"Endpoints", reflect.TypeFor[model.Endpoint]()},
		{"Backends", reflect.TypeFor[model.Backend]()},
		{"Agents", reflect.TypeFor[model.Agent]()},
	} {
		table, err := schema.Manual(object.of, model.Source)
		if err != nil {
			return Page{}, err
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s", object.title, table)
	}
	return Page{"core.md", b.String()}, nil
}

// failuresPage lists what clients are told when something fails.
func failuresPage() Page {
	var b strings.Builder
	b.WriteString("# Failures\n\nWhat went wrong has a stable code. A problem document (RFC 9457) carries it as `code` and the\n" +
		"sentence as `detail`; nothing else of the cause is in an answer. The access log tells the\n" +
		"cause with the `request_id` of the document. The status is that of `error_status: by_cause`;\n" +
		"with `500` those from 500 on are 500, unless a component says otherwise.\n\n")
	writeFailures(&b, gateway.Failures())
	return Page{"failures.md", b.String()}
}

// auditPage lists the rules of audits.
func auditPage() Page {
	var b strings.Builder
	b.WriteString("# Audit\n\nThe rules of `sluice audit`, with the numbers and severities of KrakenD. " +
		"[How to use them](../audit.md).\n\n| Rule | Severity | Fires because | Remedy |\n|---|---|---|---|\n")
	for _, r := range audit.Rules {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.ID, r.Severity, r.Message, r.Remedy)
	}
	return Page{"audit.md", b.String()}
}

// codesPage says of each code of a problem what sluice help does.
func codesPage() Page {
	var b strings.Builder
	b.WriteString("# Problems\n\nWhat `sluice check` finds carries a stable code. `sluice help CODE` says the same as this page.\n")
	for _, c := range config.Codes {
		e, _ := Explain(c.Code)
		fmt.Fprintf(&b, "\n## %s\n\n%s %s\n\n**What to do.** %s\n", c.Code, c.Meaning, e.Why, e.Cure)
		for _, x := range []struct {
			title string
			Example
		}{{"Wrong", e.Wrong}, {"Right", e.Right}} {
			fmt.Fprintf(&b, "\n%s, `%s`:\n\n```\n", x.title, x.Name())
			for _, line := range x.Lines() {
				b.WriteString(strings.ToValidUTF8(line, "\ufffd") + "\n")
			}
			b.WriteString("```\n")
		}
	}
	return Page{"codes.md", b.String()}
}

func writeFailures(b *strings.Builder, list []gateway.Failure) {
	b.WriteString("| Code | Status | Detail |\n|---|---|---|\n")
	for _, f := range list {
		status := fmt.Sprint(f.Answered())
		switch {
		case f.Others != "":
			status += "; " + f.Others
		case f.Answered() == 499:
			status += ", in logs only"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Code, status, f.Detail)
	}
}

func namespacePage(name string, ds []*component.Declaration, sample func(namespace string) (string, error)) (Page, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", name)
	var aliases []string
	for _, d := range ds {
		for _, a := range d.Aliases {
			if !slices.Contains(aliases, a) {
				aliases = append(aliases, a)
			}
		}
	}
	for _, a := range aliases {
		fmt.Fprintf(&b, "\nOld name: `%s`.\n", a)
	}
	text, err := prose(ds)
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(&b, "\n%s", text)
	if text, err = sample(name); err == nil {
		text, err = example(text)
	}
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w", name, err)
	}
	b.WriteString(text)
	for _, d := range ds {
		table, err := schema.Manual(d.Options, d.Source)
		if err != nil {
			return Page{}, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&b, "\n## In the %s\n\n%s", d.Scope, table)
	}
	var failures []gateway.Failure
	for _, d := range ds {
		for _, f := range d.Failures {
			if !slices.Contains(failures, f) {
				failures = append(failures, f)
			}
		}
	}
	if len(failures) > 0 {
		b.WriteString("\n## Failures\n\n")
		writeFailures(&b, failures)
	}
	return Page{strings.ReplaceAll(name, "/", "-") + ".md", b.String()}, nil
}

// summary joins what the components of a namespace say of themselves.
func summary(ds []*component.Declaration) string {
	var all []string
	for _, d := range ds {
		if !slices.Contains(all, d.Summary) {
			all = append(all, d.Summary)
		}
	}
	return strings.Join(all, " ")
}

func scopes(ds []*component.Declaration) string {
	names := make([]string, len(ds))
	for i, d := range ds {
		names[i] = string(d.Scope)
	}
	return strings.Join(names, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, cmp.Compare[string])
	return keys
}
