package cli

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/migrate"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

func (a *app) migrateCommand() *cobra.Command {
	var from source
	var brief bool
	format := "text"
	cmd := &cobra.Command{
		Use:   "migrate [FILE]",
		Short: "Say what becomes of a configuration of KrakenD",
		Long: "Say what becomes of a configuration of KrakenD: what has to be changed before it\n" +
			"starts, what is not supported yet, what is done differently of what it uses, and\n" +
			"what works as before; each with its line, and the row of the compatibility page.\n" +
			"Nothing is started and the network is not used.",
		Example: "  sluice migrate krakend.json\n  sluice migrate krakend.json --format json",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("unexpected argument %q; write one FILE", args[1])
			case len(args) == 1 && from.file != "":
				return fmt.Errorf("unexpected argument %q beside -c; write one FILE", args[0])
			case len(args) == 1:
				from.file = args[0]
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := from.find(); err != nil {
				return err
			}
			if format != "text" && format != "json" {
				return usage("unknown format %q; write text or json", format)
			}
			return a.migrate(cmd, from, format, brief)
		},
	}
	configFlags(cmd, &from)
	cmd.Flags().BoolVar(&from.skipFiles, "skip-files", false, "read no file that the configuration names: those of keys, certificates and ${file:...} may be on another machine")
	cmd.Flags().BoolVar(&brief, "brief", false, "leave out what is done differently for every file")
	cmd.Flags().StringVar(&format, "format", format, "`FORM` of the report: text or json")
	return cmd
}

func (a *app) migrate(cmd *cobra.Command, from source, format string, brief bool) error {
	o := a.options(from)
	o.Log = slog.DiscardHandler
	var d *config.Document
	load := o.Load
	o.Load = func(ctx context.Context, reads func(string)) (*config.Document, []*config.Problem) {
		var problems []*config.Problem
		d, problems = load(ctx, reads)
		return d, problems
	}
	_, problems := runtime.New(o).Compile(cmd.Context())
	if d == nil {
		a.printProblems(problems)
		return &exitError{exitConfig, nil}
	}
	r := migrate.Run(d, problems, component.Default.Options)
	var err error
	if format == "json" {
		err = a.writeJSON(r.Whole())
	} else {
		err = failedOutput(r.Text(a.stdout, from.file, brief, visibly))
	}
	if err == nil && !r.Starts {
		err = &exitError{exitConfig, nil}
	}
	return err
}
