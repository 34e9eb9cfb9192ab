package migrate

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/manual"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/report"
)

// A Problem is what the check says, with the row of the compatibility page about it, if there
// is one.
type Problem struct {
	report.Place
	Message string `json:"message"`
	Row     string `json:"row,omitempty"` // file#anchor
}

// A Difference is something that is done differently.
type Difference struct {
	Where  string         `json:"where"`
	Theirs string         `json:"krakend"`
	Ours   string         `json:"sluice"`
	Why    string         `json:"why"`
	Row    string         `json:"row"`
	Places []report.Place `json:"places,omitempty"` // none where it holds for every file
}

// A Use is a namespace that works as it did, and how often it is there.
type Use struct {
	Namespace string `json:"namespace"`
	Count     int    `json:"count"`
}

// A Report is what becomes of a configuration.
type Report struct {
	Starts      bool         `json:"starts"`
	Change      []Problem    `json:"change"`      // before it starts
	Unsupported []Problem    `json:"unsupported"` // what is known and not built
	Differs     []Difference `json:"differs"`     // of what it uses
	Warned      []Problem    `json:"warned"`      // taken with a warning
	Works       []Use        `json:"works"`       // sorted by name
	Endpoints   int          `json:"endpoints"`
	Backends    int          `json:"backends"`
	Agents      int          `json:"agents"`
	Everywhere  []Difference `json:"everywhere"`
}

// Run reports on a document. problems are all that the check has found in it; options says
// which namespaces are built.
func Run(d *config.Document, problems []*config.Problem, options config.Options) *Report {
	s, _ := model.Resolve(d) // what is wrong is among the problems
	r := &Report{Starts: !config.HasErrors(problems)}
	for _, p := range problems {
		told := Problem{report.Place{File: p.At.File, Line: int(p.At.Line), Column: int(p.At.Col), Path: p.Path}, p.Err.Error(), ""}
		if id := rowOf(p); id != "" {
			told.Row = link(id)
		}
		switch {
		case p.Code == config.CodeUnsupported && p.Severity == config.Error:
			r.Unsupported = append(r.Unsupported, told)
		case p.Severity == config.Error:
			r.Change = append(r.Change, told)
		case p.Severity == config.Warning:
			r.Warned = append(r.Warned, told)
		}
	}
	doc := read(d, s)
	r.Endpoints, r.Backends, r.Agents = len(doc.endpoints), len(doc.backends), len(s.AsyncAgent)
	works := make(map[string]int)
	for _, u := range doc.used {
		if options(u.scope, u.written) != nil {
			works[u.name]++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(works)) {
		r.Works = append(r.Works, Use{name, works[name]})
	}
	for _, row := range manual.Differences() {
		if strings.HasPrefix(row.Where, "templates: ") && !d.Templated() {
			continue
		}
		if judged.MatchString(row.Ours) && Predicates[row.ID] == nil || aboutCommands.MatchString(row.Where) {
			continue
		}
		difference := Difference{Where: row.Where, Theirs: row.Theirs, Ours: row.Ours, Why: row.Why, Row: link(row.ID)}
		nodes, everywhere := doc.applies(row)
		for _, n := range nodes {
			difference.Places = append(difference.Places, report.At(n, ""))
		}
		slices.SortFunc(difference.Places, report.InOrder)
		difference.Places = slices.Compact(difference.Places)
		switch {
		case everywhere:
			r.Everywhere = append(r.Everywhere, difference)
		case len(nodes) > 0:
			r.Differs = append(r.Differs, difference)
		}
	}
	return r
}

// judged are rows of what the check tells: what they are about is among its problems.
var judged = regexp.MustCompile(`error at start|clean error|is an error|a warning|with a warning`)

// aboutCommands are rows that no configuration has a part in.
var aboutCommands = regexp.MustCompile("^`(audit|check-plugin)`|^specifications: |^the waiting times of KrakenD's runner$")

func link(id string) string { return manual.CompatibilityPage + "#" + id }

// rows are the rows about kinds of problems.
var rows = map[string]string{
	config.CodeUnknownValue:       "unknown-enumeration-values-methods-of-endpoints",
	config.CodeUnknownNamespace:   "unknown-namespaces-and-known-ones-where-they-do",
	config.CodeMistake:            "what-cannot-be-meant-such-as-a-brace-that-is-not",
	config.CodeLetterCase:         "values-of-another-type-one-value-for-a-list",
	config.CodeSeveralWrites:      "several-writes-under-a-non-get-endpoint",
	config.CodeDuplicateEndpoint:  "duplicate-endpoints-several-variable-names-at",
	config.CodeNull:               "null-under-extra-config",
	config.CodeDuplicateKey:       "a-key-that-protects-or-filters-extra-config-tls",
	config.CodeDuplicateNamespace: "a-key-that-protects-or-filters-extra-config-tls",
}

// rowOf returns the id of the row about a problem, "" if there is none.
func rowOf(p *config.Problem) string {
	component := strings.Contains(p.Path, "extra_config")
	switch {
	case p.Code == config.CodeWrongType && component:
		return "wrong-types-in-components"
	case p.Code == config.CodeWrongType:
		return rows[config.CodeLetterCase]
	case p.Code == config.CodeUnknownField && p.Severity == config.Error:
		return rows[config.CodeDuplicateKey]
	case p.Code == config.CodeNull && !component:
		return rows[config.CodeLetterCase]
	}
	return rows[p.Code]
}

// A document is a configuration as rows see it.
type document struct {
	*model.Service
	root      *config.Node
	endpoints []*model.Endpoint
	backends  []*model.Backend // of endpoints and agents
	used      []used
}

// used is a namespace that is written.
type used struct {
	scope, written, name string // name is that of today
	options              *config.Node
}

func read(d *config.Document, s *model.Service) *document {
	doc := &document{Service: s, root: d.Root}
	note := func(scope string, n *config.Node) {
		if extra := n.GetFold("extra_config"); extra != nil {
			for _, m := range extra.Members {
				if !m.Comment() && m.Value.Written() {
					doc.used = append(doc.used, used{scope, m.Key, published.Current(m.Key), m.Value})
				}
			}
		}
	}
	backends := func(list []*model.Backend) {
		for _, b := range list {
			if b != nil && b.Node != nil {
				doc.backends = append(doc.backends, b)
				note("backend", b.Node)
			}
		}
	}
	note("service", d.Root)
	for _, e := range s.Endpoints {
		if e != nil && e.Node != nil {
			doc.endpoints = append(doc.endpoints, e)
			note("endpoint", e.Node)
			backends(e.Backend)
		}
	}
	for _, a := range s.AsyncAgent {
		if a != nil && a.Node != nil {
			note("async_agent", a.Node)
			backends(a.Backend)
		}
	}
	return doc
}

// options returns the options of namespaces that are written. One that ends in * stands for
// all that begin so.
func (d *document) options(names ...string) []*config.Node {
	var found []*config.Node
	for _, u := range d.used {
		if slices.ContainsFunc(names, func(name string) bool {
			prefix, all := strings.CutSuffix(name, "*")
			return u.name == name || all && strings.HasPrefix(u.name, prefix)
		}) {
			found = append(found, u.options)
		}
	}
	return found
}

// applies returns where a row is about something in the document, or that it holds for every
// file.
func (d *document) applies(row manual.Difference) (places []*config.Node, everywhere bool) {
	if p := Predicates[row.ID]; p != nil {
		return p(d), false
	}
	names, keys, values := words(row.Where)
	if len(names)+len(keys)+len(values) == 0 {
		return nil, true
	}
	within := d.options(names...)
	if len(names) > 0 && len(within) == 0 {
		return nil, false
	}
	if len(names) == 0 {
		within = []*config.Node{d.root}
	}
	if len(keys)+len(values) == 0 {
		return within, false
	}
	for _, n := range within {
		places = append(places, find(n, keys, values)...)
	}
	if len(places) == 0 && len(names) > 0 && len(find(d.root, keys, values)) > 0 {
		return within, false // the two stand beside each other
	}
	return places, false
}

// find returns what stands at keys, and texts that are one of the values.
func find(n *config.Node, keys, values []string) (found []*config.Node) {
	for _, item := range n.Items {
		found = append(found, find(item, keys, values)...)
	}
	for _, m := range n.Members {
		switch {
		case m.Comment():
		case slices.Contains(keys, m.Key) && m.Value.Written():
			found = append(found, m.Value)
		default:
			found = append(found, find(m.Value, keys, values)...)
		}
	}
	if n.Kind == config.String && slices.Contains(values, n.Text) {
		found = append(found, n)
	}
	return found
}

// quoted is a word of configurations in the text of a row.
var quoted = regexp.MustCompile("`([^`]+)`")

// encodings are the values that rows speak of.
var encodings = []string{"no-op", "negotiate", "yaml", "xml"}

// words returns the namespaces, keys and encodings that a text names.
func words(text string) (names, keys, values []string) {
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		word := m[1]
		switch {
		case strings.Contains(word, "/") && (published.Namespaces()[word] != "" || strings.HasSuffix(word, "/*") && family(strings.TrimSuffix(word, "*"))):
			names = append(names, word)
		case slices.Contains(encodings, word):
			values = append(values, word)
		case publishedKeys()[word]:
			keys = append(keys, word)
		}
	}
	return names, keys, values
}

// family reports whether there are namespaces that begin so.
func family(prefix string) bool {
	for name := range published.Namespaces() {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
