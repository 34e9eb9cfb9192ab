package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/report"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// Version is the version of the gateway. Releases set it when they link.
var Version = "0.1.0-dev"

// product is how the gateway names itself to backends.
func product() string { return "Sluice " + Version }

// Exit codes.
const (
	exitConfig  = 1
	exitUsage   = 2
	exitRuntime = 3
)

// exitError is an error with the code it ends the program with.
type exitError struct {
	code int
	err  error // nil when everything has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// Main runs the command that the arguments name and returns the exit code. The
// first of the engines serves unless a configuration names another.
func Main(args []string, engines ...engine.Engine) int {
	ctx, release := untilSignal()
	defer release()
	return run(ctx, args, engines, os.Stdout, os.Stderr)
}

// untilSignal returns a context that ends with the first signal to stop. Another one
// ends the program at once: the first is no longer waited for when anybody can see
// that it has come, so that no second one is taken for it and lost.
func untilSignal() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		defer close(ended)
		select {
		case <-signals:
		case <-ctx.Done():
		}
		signal.Stop(signals)
		cancel()
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

func run(ctx context.Context, args []string, engines []engine.Engine, stdout, stderr io.Writer) int {
	app := &app{engines: engines, stdout: stdout, stderr: stderr, logs: stdout, flush: func() {}, closeLogs: func() {}, terminal: terminalOf(stderr, os.Getenv)}
	defer func() { app.closeLogs() }()
	root := app.root()
	root.SetArgs(respelled(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		if exit.err != nil {
			fmt.Fprintln(app.complaints(), "sluice:", exit.err)
		}
		return exit.code
	}
	fmt.Fprintf(app.complaints(), "sluice: %v\nRun 'sluice help' for the commands and their flags.\n", err)
	return exitUsage
}

// app is what all commands share.
type app struct {
	engines        []engine.Engine // the first one serves unless a configuration names another
	stdout, stderr io.Writer
	logs           io.Writer        // standard output, wherever results go
	flush          func()           // waits a moment for who reads the diagnostics
	closeLogs      func()           // hands over what is left of the logs
	terminal       *report.Terminal // that standard error leads to; nil if it leads elsewhere
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sluice",
		Short:         "An API gateway that merges, filters and protects",
		Long:          "Sluice serves the endpoints that one configuration file declares: it calls the\nbackends of each, cuts and merges their answers, and guards what it serves.",
		Version:       Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("sluice {{.Version}}\n")
	root.CompletionOptions.DisableDefaultCmd = true
	var oneStream bool
	root.PersistentFlags().BoolVar(&oneStream, "compat-stderr", false, "write results to standard error too, as KrakenD does")
	root.PersistentPreRun = func(*cobra.Command, []string) {
		if oneStream {
			a.stdout = a.stderr
		}
	}
	root.SetHelpCommand(a.helpCommand(root))
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.runCommand(), a.checkCommand(), a.auditCommand(), a.explainCommand(), a.migrateCommand(), a.initCommand(), a.demoCommand(), a.schemaCommand(), a.diffCommand(), a.versionCommand())
	root.AddCommand(a.e2eCommand())
	root.AddCommand(a.pluginCommands()...)
	root.AddCommand(a.completionCommand(root), a.manCommand(root))
	a.complete(root)
	return root
}

func (a *app) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of the gateway and of Go",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			goVersion, tags := "unknown", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				goVersion = info.GoVersion
				for _, s := range info.Settings {
					if s.Key == "-tags" {
						tags = s.Value
					}
				}
			}
			asText := fmt.Sprintf("sluice %s\ngo %s\n", Version, strings.TrimPrefix(goVersion, "go"))
			inJSON := fmt.Sprintf("\"version\":%q,\"go\":%q", Version, goVersion)
			if tags != "" { // which leave something out
				asText += "tags " + tags + "\n"
				inJSON += fmt.Sprintf(",\"tags\":%q", tags)
			}
			if asJSON {
				asText = "{" + inJSON + "}\n"
			}
			_, err := fmt.Fprint(a.stdout, asText)
			return failedOutput(err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// failedOutput is the error of a command whose result could not be written.
func failedOutput(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitRuntime, fmt.Errorf("writing the result: %w", err)}
}

// options are the runtime options for a configuration, whatever the command.
func (a *app) options(s source) runtime.Options {
	return runtime.Options{
		Load:     a.loader(s),
		Registry: component.Default,
		Engines:  a.engines,
		Product:  product(),
		Missing:  published.Absent,
		Without:  s.without,

		SkipFiles: s.skipFiles,

		Published: published.Namespaces,
	}
}

// configFlags declares the flags that every command with a configuration has.
func configFlags(cmd *cobra.Command, s *source) {
	cmd.Flags().VarP((*filled)(&s.file), "config", "c", "configuration `FILE`: .json, .yaml, .yml or .toml; without it sluice.yaml of this folder and the like, or krakend.json")
	s.templates.flags(cmd)
	cmd.Flags().BoolVar(&s.without, "allow-unsupported", false, "do without namespaces, agents, plugins and connectors that are not supported yet, be they protections")
}

// noArgs is the check that a command got flags only. The usual mistake is a
// file without its flag.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q; a configuration is named by -c FILE", args[0])
	}
	return nil
}

// filled is the value of a flag that is never empty: an empty one is that of a variable of a
// script that is not set, and does not mean to be without the flag.
type filled string

func (f *filled) String() string { return string(*f) }
func (*filled) Type() string     { return "string" }

func (f *filled) Set(text string) error {
	if text == "" {
		return errors.New("it is empty, as a variable that is not set is; write a value, or leave the flag out")
	}
	*f = filled(text)
	return nil
}

// port is the value of a flag: a TCP port, 0 for any that is free.
type port uint16

func (p *port) String() string { return strconv.Itoa(int(*p)) }
func (*port) Type() string     { return "PORT" }

func (p *port) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return errors.New("must be a number from 0 to 65535")
	}
	*p = port(n)
	return nil
}
