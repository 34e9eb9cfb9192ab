package cli

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

func (a *app) checkCommand() *cobra.Command {
	var c check
	cmd := &cobra.Command{
		Use:     "check [-c FILE]",
		Aliases: []string{"validate"},
		Short:   "Report every problem of a configuration",
		Long: "Report every problem of a configuration, with its place and what to write\n" +
			"instead. Nothing is started and the network is not used.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.explainDialect {
				return a.printDialects()
			}
			if err := c.find(); err != nil {
				return err
			}
			return a.check(cmd, c)
		},
	}
	flags := cmd.Flags()
	configFlags(cmd, &c.source)
	flags.BoolVarP(&c.lint, "lint", "l", false, "what the schema does not allow is an error: unknown keys above all")
	flags.BoolVarP(&c.lintOffline, "lint-no-network", "n", false, "the same as --lint, which never needs the network")
	flags.BoolVar(&c.strict, "strict", false, "every warning is an error, advice too")
	flags.BoolVar(&c.skipFiles, "skip-files", false, "read no file that the configuration names: those of keys, certificates and ${file:...} may be on another machine")
	flags.BoolVarP(&c.routes, "test-gin-routes", "t", false, "accepted; routes are always checked")
	flags.CountVarP(&c.dump, "debug", "d", "print what the configuration means; repeat for more, -ddd is every key that has an effect, as JSON")
	flags.StringVarP(&c.indent, "indent", "i", "\t", "`TEXT` that indents the lines of --debug")
	flags.StringVar(&c.format, "format", "text", "`FORM` of the report: text, json or sarif")
	flags.BoolVar(&c.explainDialect, "explain-dialect", false, "print what each dialect sets")
	return cmd
}

// check holds the flags of the command.
type check struct {
	source
	format, indent    string
	lint, lintOffline bool
	strict            bool
	routes            bool
	dump              int
	explainDialect    bool
}

func (a *app) check(cmd *cobra.Command, c check) error {
	if !slices.Contains([]string{"text", "json", "sarif"}, c.format) {
		return &exitError{exitUsage, fmt.Errorf("unknown format %q; write text, json or sarif", c.format)}
	}
	o := a.options(c.source)
	o.Log = slog.DiscardHandler
	switch {
	case c.strict:
		o.Raise = strict
	case c.lint || c.lintOffline:
		o.Raise = config.Lint
	}
	gen, problems := runtime.New(o).Compile(cmd.Context())
	failed := gen == nil
	switch c.format {
	case "json":
		if err := a.writeJSON(jsonReport(problems, !failed)); err != nil {
			return err
		}
	case "sarif":
		if err := a.writeJSON(sarifReport(problems)); err != nil {
			return err
		}
	default:
		a.printProblems(problems)
		if gen != nil && c.dump > 0 {
			if err := dump(a.text(), gen.Service, c.dump, c.indent); err != nil {
				return failedOutput(err)
			}
		}
		if !failed {
			if _, err := fmt.Fprintf(a.text(), "%s: Syntax OK!\n", c.file); err != nil {
				return failedOutput(err)
			}
		}
	}
	if failed {
		return &exitError{exitConfig, nil}
	}
	return nil
}

// strict makes errors of all warnings.
func strict(ps []*config.Problem) []*config.Problem { return config.Strict(ps) }

func (a *app) writeJSON(v any) error {
	enc := json.NewEncoder(a.text())
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return failedOutput(enc.Encode(v))
}

// A jsonProblem is a problem for programs.
type jsonProblem struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Path     string `json:"path"`
	Severity string `json:"severity"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

func jsonReport(problems []*config.Problem, ok bool) any {
	list := make([]jsonProblem, len(problems))
	for i, p := range problems {
		list[i] = jsonProblem{p.At.File, int(p.At.Line), int(p.At.Col), p.Path, p.Severity.String(), p.Code, p.Err.Error()}
	}
	return struct {
		OK       bool          `json:"ok"`
		Problems []jsonProblem `json:"problems"`
	}{ok, list}
}

// sarifReport is the report in the Static Analysis Results Interchange Format,
// which code review systems show beside the line.
//
// Source: OASIS SARIF 2.1.0.
func sarifReport(problems []*config.Problem) any {
	type object = map[string]any
	rules, results := []object{}, []object{}
	index := make(map[string]int) // of a rule
	for _, p := range problems {
		if _, known := index[p.Code]; !known {
			index[p.Code] = len(rules)
			rules = append(rules, object{"id": p.Code, "shortDescription": object{"text": meaning(p.Code)}})
		}
		result := object{
			"ruleId":    p.Code,
			"ruleIndex": index[p.Code],
			"level":     p.Severity.String(), // SARIF has the same three
			"message":   object{"text": strings.TrimPrefix(p.Path+": "+p.Err.Error(), ": ")},
		}
		if variable, found := strings.CutPrefix(p.At.File, "environment:"); found { // no file that one could open
			result["locations"] = []object{{"logicalLocations": []object{{"fullyQualifiedName": variable, "kind": "variable"}}}}
		} else {
			result["locations"] = []object{{"physicalLocation": object{
				"artifactLocation": object{"uri": uri(p.At.File)},
				"region":           object{"startLine": max(p.At.Line, 1), "startColumn": max(p.At.Col, 1)},
			}}}
		}
		results = append(results, result)
	}
	return object{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json",
		"version": "2.1.0",
		"runs": []object{{
			"tool":       object{"driver": object{"name": "sluice", "version": Version, "rules": rules}},
			"columnKind": "unicodeCodePoints",
			"results":    results,
		}},
	}
}

// meaning returns what a code stands for.
func meaning(code string) string {
	for _, c := range config.Codes {
		if c.Code == code {
			return c.Meaning
		}
	}
	return code
}

// uri returns the name of a file as a URI, relative if the name is.
func uri(file string) string {
	u := url.URL{Path: filepath.ToSlash(file)}
	if filepath.IsAbs(file) {
		u.Scheme = "file"
	}
	return u.String()
}

// printDialects prints what each dialect sets.
func (a *app) printDialects() error {
	var rows []map[string]any
	for _, d := range []model.Dialect{model.KrakenD, model.Sluice} {
		text, err := json.Marshal(model.BehaviourOf(d))
		if err != nil {
			return err
		}
		row := map[string]any{}
		if err := json.Unmarshal(text, &row); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "behaviour\tkrakend\tsluice")
	for _, key := range model.BehaviourKeys() {
		fmt.Fprintf(w, "%s\t%v\t%v\n", key, rows[0][key], rows[1][key])
	}
	return w.Flush()
}
