package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/report"
)

// some is how many places a text tells of one finding; JSON has them all.
const some = 5

// Shown returns the report with texts of the configuration as shown makes them fit for a
// terminal.
func (r *Report) Shown(shown func(string) string) *Report {
	places := func(ps []report.Place) []report.Place {
		ps = slices.Clone(ps)
		for i := range ps {
			for _, s := range []*string{&ps[i].File, &ps[i].Path, &ps[i].Name} {
				*s = shown(*s)
			}
		}
		return ps
	}
	c := *r
	c.Recommendations = slices.Clone(r.Recommendations)
	for i := range c.Recommendations {
		c.Recommendations[i].Places = places(c.Recommendations[i].Places)
	}
	c.Stats.Coverage = slices.Clone(r.Stats.Coverage)
	for i := range c.Stats.Coverage {
		c.Stats.Coverage[i].Places = places(c.Stats.Coverage[i].Places)
	}
	return &c
}

// Text writes the report for people and for grep: a line for each finding, and indented
// below it where that is and what to do. colored returns a severity in its colour.
func (r *Report) Text(w io.Writer, file string, colored func(severity string) string) error {
	var b bytes.Buffer
	for _, f := range r.Recommendations {
		pad := strings.Repeat(" ", len(Critical)-len(f.Severity)+1)
		fmt.Fprintf(&b, "%s\t[%s]%s\t%s\n", f.Rule, colored(f.Severity), pad, f.Message)
		writePlaces(&b, "\t", f.Places)
		fmt.Fprintf(&b, "\tremedy: %s\n", f.Remedy)
	}
	if len(r.Stats.Coverage) > 0 {
		b.WriteString("coverage:\n")
		for _, c := range r.Stats.Coverage {
			fmt.Fprintf(&b, "\t%s (%s)\n", c.Message, c.Rule)
			writePlaces(&b, "\t\t", c.Places)
		}
	}
	fmt.Fprintf(&b, "%s: %s\n", file, r.count())
	_, err := b.WriteTo(w)
	return err
}

func writePlaces(b *bytes.Buffer, indent string, places []report.Place) {
	for _, p := range places[:min(len(places), some)] {
		fmt.Fprintf(b, "%s%s\n", indent, p)
	}
	if more := len(places) - some; more > 0 {
		fmt.Fprintf(b, "%sand %d more; --format json lists all\n", indent, more)
	}
}

// count says how many findings there are.
func (r *Report) count() string {
	text := "no findings"
	switch n := len(r.Recommendations); {
	case n == 1:
		text = "1 finding: "
	case n > 1:
		text = fmt.Sprintf("%d findings: ", n)
	}
	var parts []string
	for _, s := range Severities() {
		if n := r.Stats.Findings[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	text += strings.Join(parts, ", ")
	switch n := len(r.Stats.Ignored); {
	case n == 1:
		text += "; 1 rule is ignored"
	case n > 1:
		text += fmt.Sprintf("; %d rules are ignored", n)
	}
	return text
}

// A Template is a form of a report that the user writes.
type Template struct{ t *template.Template }

// ParseTemplate reads a template of package text/template whose data is a [Report], with
// the functions marshal, which writes JSON, and colored, which colours a severity.
func ParseTemplate(text string, colored func(severity string) string) (Template, error) {
	t, err := template.New("format").Funcs(template.FuncMap{"marshal": marshal, "colored": colored}).Parse(text)
	if err != nil {
		return Template{}, atPlace(err)
	}
	return Template{t}, nil
}

// Execute returns the text of a report.
func (t Template) Execute(r *Report) ([]byte, error) {
	var b bytes.Buffer
	if err := t.t.Execute(&b, r); err != nil {
		return nil, atPlace(err)
	}
	return b.Bytes(), nil
}

// marshal returns a value as JSON on one line.
func marshal(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

// place is how package text/template begins its errors.
var place = regexp.MustCompile(`^template: format:(\d+)(?::(\d+))?: (?:executing "format" at )?`)

// atPlace returns an error of a template with its place in our words.
func atPlace(err error) error {
	m := place.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	at := "line " + m[1]
	if m[2] != "" {
		at += ", byte " + m[2]
	}
	return errors.New(at + " of the template: " + strings.NewReplacer("*audit.", "", "audit.", "").Replace(err.Error()[len(m[0]):]))
}

// Problems returns the findings as problems of a configuration, one for each place, for
// printers of those: the code is the rule, and critical and high ones are errors, medium ones
// warnings, low ones notes.
func (r *Report) Problems() []*config.Problem {
	levels := map[string]config.Severity{Critical: config.Error, High: config.Error, Medium: config.Warning, Low: config.Note}
	var ps []*config.Problem
	for _, f := range r.Recommendations {
		for _, p := range f.Places {
			text := f.Message + "; " + f.Remedy
			if p.Name != "" {
				text = p.Name + ": " + text
			}
			ps = append(ps, &config.Problem{
				Path: p.Path, At: config.Pos{File: p.File, Line: int32(p.Line), Col: int32(p.Column)},
				Severity: levels[f.Severity], Code: f.Rule, Err: errors.New(text),
			})
		}
	}
	return ps
}

// Describe returns what code review systems show of a rule.
//
// Source: OASIS SARIF 2.1.0; security-severity is what code scanning of GitHub sorts by.
func Describe(id string) map[string]any {
	type object = map[string]any
	scores := map[string]string{Critical: "9.5", High: "8.0", Medium: "5.5", Low: "2.0"}
	r, _ := Find(id)
	return object{
		"shortDescription": object{"text": r.Message},
		"help":             object{"text": r.Remedy},
		"properties":       object{"severity": r.Severity, "security-severity": scores[r.Severity], "tags": []string{"security"}},
	}
}

// ReadIgnored reads a list of rules to ignore: one on each line, with whatever comes behind
// # as the reason.
func ReadIgnored(name string, text []byte) (rules []string, err error) {
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := Known(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		rules = append(rules, line)
	}
	return rules, nil
}

// Known returns an error if there is no such rule.
func Known(id string) error {
	rule, near := Find(id)
	switch {
	case rule != nil:
		return nil
	case near != "":
		return fmt.Errorf("there is no rule %.40q; did you mean %s?", id, near)
	}
	return fmt.Errorf("there is no rule %.40q; write one such as 1.2.1", id)
}
