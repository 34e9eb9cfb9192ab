package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/report"
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
			if err := oneLint(cmd); err != nil {
				return err
			}
			if err := c.find(); err != nil {
				return err
			}
			c.checks = true
			return a.check(cmd, c)
		},
	}
	flags := cmd.Flags()
	configFlags(cmd, &c.source)
	flags.BoolVarP(&c.lint, "lint", "l", false, "what the schema does not allow is an error: unknown keys above all")
	flags.BoolVarP(&c.lintOffline, "lint-no-network", "n", false, "the same as --lint, which never needs the network")
	flags.VarP((*filled)(&c.lintSchema), "lint-schema", "s", "a `FILE` with a JSON Schema of your own, which the configuration has to keep instead of that of --lint")
	flags.BoolVar(&c.strict, "strict", false, "every warning is an error, advice too")
	flags.BoolVar(&c.skipFiles, "skip-files", false, "read no file that the configuration names: those of keys, certificates and ${file:...} may be on another machine")
	flags.BoolVarP(&c.routes, "test-gin-routes", "t", false, "accepted; routes are always checked")
	flags.CountVarP(&c.dump, "debug", "d", "print what the configuration means; repeat for more, -ddd is every key that has an effect, as JSON")
	flags.StringVarP(&c.indent, "indent", "i", "\t", "`TEXT` that indents the lines of --debug")
	flags.StringVar(&c.format, "format", "text", "`FORM` of the report: "+strings.Join(formats, ", "))
	flags.BoolVar(&c.showRendered, "rendered", false, "print what the templates make, with *** for secrets, instead of a report on standard output")
	flags.BoolVar(&c.explainDialect, "explain-dialect", false, "print what each dialect sets")
	return cmd
}

// formats are those of a report.
var formats = []string{"text", "json", "sarif", "github", "junit"}

// check holds the flags of the command.
type check struct {
	source
	format, indent    string
	lint, lintOffline bool
	lintSchema        string
	strict            bool
	routes            bool
	dump              int
	explainDialect    bool
	showRendered      bool // what templates have made
}

func (a *app) check(cmd *cobra.Command, c check) error {
	if !slices.Contains(formats, c.format) {
		return &exitError{exitUsage, fmt.Errorf("unknown format %q; write one of %s", c.format, strings.Join(formats, ", "))}
	}
	var rendered string
	c.rendered = func(text string) { rendered = text }
	o := a.options(c.source)
	o.Log = slog.DiscardHandler
	switch {
	case c.strict:
		o.Raise = strict
	case c.lint || c.lintOffline:
		o.Raise = config.Lint
	}
	if c.lintSchema != "" {
		own, err := readSchema(c.lintSchema)
		if err != nil {
			return err
		}
		o.Load = own.judging(o.Load)
	}
	var document *config.Document
	load := o.Load
	o.Load = func(ctx context.Context, reads func(string)) (d *config.Document, problems []*config.Problem) {
		document, problems = load(ctx, reads)
		return document, problems
	}
	gen, problems := runtime.New(o).Compile(cmd.Context())
	failed := gen == nil
	if c.showRendered {
		return a.printRendered(rendered, document, gen, problems)
	}
	switch c.format {
	case "json":
		if err := a.writeJSON(report.JSON(problems, !failed)); err != nil {
			return err
		}
	case "sarif":
		if err := a.writeJSON(report.SARIF(problems, Version, describe)); err != nil {
			return err
		}
	case "github":
		if err := report.GitHub(a.text(), problems); err != nil {
			return failedOutput(err)
		}
	case "junit":
		if err := report.JUnit(a.text(), c.file, problems); err != nil {
			return failedOutput(err)
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
