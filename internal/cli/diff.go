package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/diff"
	"github.com/sluice-gateway/sluice/internal/flexible"
	"github.com/sluice-gateway/sluice/internal/published"
)

func (a *app) diffCommand() *cobra.Command {
	var format, failOn string
	var templates templateFlags
	cmd := &cobra.Command{
		Use:   "diff OLD NEW",
		Short: "Say what a change of a configuration means",
		Long: "Say what is different between two configurations, for a review: endpoints,\n" +
			"backends, hosts, limits and policies, with whether each protection is weaker or\n" +
			"stronger. Order, format, comments and defaults that are written out make no\n" +
			"difference. References are compared as they are written, and nothing is looked\n" +
			"up. One of the files may be -, for standard input in the format of the other.",
		Example: "  git show main:gateway.yaml | sluice diff - gateway.yaml\n  sluice diff --fail-on weakened --format markdown old.json new.json",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) < 2:
				return errors.New("two files are compared; write OLD and NEW")
			case len(args) > 2:
				return fmt.Errorf("unexpected argument %q; write OLD and NEW", args[2])
			case args[0] == "-" && args[1] == "-":
				return errors.New("standard input is one configuration; write a file for the other")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "markdown", "json"}, format) {
				return &exitError{exitUsage, fmt.Errorf("unknown format %q; write text, markdown or json", format)}
			}
			limits := map[string]diff.Verdict{"any": diff.Strengthened, "changed": diff.Changed, "weakened": diff.Weakened, "never": ""}
			limit, known := limits[failOn]
			if !known {
				return &exitError{exitUsage, fmt.Errorf("--fail-on %s is unknown; write any, changed, weakened or never", failOn)}
			}
			return a.diff(cmd.Context(), args[0], args[1], templates, format, limit)
		},
	}
	templates.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "text", "`FORM` of the report: text, markdown or json")
	cmd.Flags().StringVar(&failOn, "fail-on", "any", "`WHAT` ends with exit code 1: any difference, changed (or weakened), weakened, or never")
	return cmd
}

// diff compares two files, and fails where a change is as bad as limit or worse.
func (a *app) diff(ctx context.Context, from, to string, templates templateFlags, format string, limit diff.Verdict) error {
	if templates.out != "" {
		return &exitError{exitUsage, errors.New("--rendered-to: a comparison keeps nothing; write sluice check --rendered-to " + templates.out)}
	}
	old, err := a.side(ctx, from, to, templates)
	if err != nil {
		return err
	}
	changed, err := a.side(ctx, to, from, templates)
	if err != nil {
		return err
	}
	changes := diff.Compare(old, changed, diff.Options{Registry: component.Default, Missing: published.Absent})
	switch w := a.text(); format {
	case "markdown":
		err = diff.Markdown(w, from, to, changes)
	case "json":
		err = diff.JSON(w, changes)
	default:
		var text strings.Builder
		err = cmp.Or(diff.Text(&text, from, to, changes), a.coloured(text.String()))
	}
	if err != nil {
		return failedOutput(err)
	}
	if diff.Worse(changes, limit) {
		return &exitError{exitConfig, nil}
	}
	return nil
}

// coloured prints a report, with verdicts in colour where standard output has colours.
func (a *app) coloured(text string) error {
	text = visibly(text)
	if t := terminalOf(a.stdout, os.Getenv); t != nil && t.Colour {
		for verdict, sequence := range map[diff.Verdict]string{diff.Weakened: "1;31", diff.Changed: "33", diff.Strengthened: "32"} {
			text = strings.ReplaceAll(text, "\n  "+string(verdict)+" ", "\n  \x1b["+sequence+"m"+string(verdict)+"\x1b[0m ")
		}
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}

// side reads one of two configurations. Standard input, and a file whose name does not tell
// its format, has that of the other.
func (a *app) side(ctx context.Context, file, other string, templates templateFlags) (*diff.Side, error) {
	environ := os.Environ()
	parts, problems := flexible.FromEnviron(ctx, environ, templates.given(), func(string) {})
	if config.HasErrors(problems) {
		a.print(problems)
		return nil, &exitError{exitConfig, nil}
	}
	if parts != nil {
		return a.renderedSide(ctx, file, environ, parts)
	}
	read, name := config.ReadDocument, file
	if file == "-" {
		name = "standard-input"
		read = func(ctx context.Context, _ string) ([]byte, error) { return config.ReadInput(ctx) }
	}
	data, err := read(ctx, file)
	if err != nil {
		return nil, &exitError{exitConfig, fmt.Errorf("%s: %w", name, err)}
	}
	formats := []string{".json", ".yaml", ".yml", ".toml"}
	switch ext := strings.ToLower(filepath.Ext(name)); {
	case slices.Contains([]string{".tmpl", ".tpl", ".gotmpl"}, ext):
		return nil, &exitError{exitUsage, fmt.Errorf("%s is a template; set FC_ENABLE=1, or name its parts by --settings, --partials or --templates", name)}
	case !slices.Contains(formats, ext) && slices.Contains(formats, strings.ToLower(filepath.Ext(other))):
		name += filepath.Ext(other)
	}
	return a.known(diff.Read(name, data, component.Default))
}

// renderedSide makes one of two configurations of a template and its parts.
func (a *app) renderedSide(ctx context.Context, file string, environ []string, parts *flexible.Parts) (*diff.Side, error) {
	if file == "-" {
		return nil, &exitError{exitUsage, errors.New("a template is read from a file; write its name")}
	}
	d, problems := parts.Load(ctx, file, flexible.Options{Environ: environ, AsWritten: true, Offline: true, Reads: func(string) {}})
	if d == nil || config.HasErrors(problems) {
		return a.known(nil, problems)
	}
	a.print(problems) // such as a variable that is not set, which is nothing on both sides
	return a.known(diff.Of(d, component.Default))
}

// known returns a side, or prints why there is none.
func (a *app) known(side *diff.Side, problems []*config.Problem) (*diff.Side, error) {
	if side == nil {
		a.print(problems)
		return nil, &exitError{exitConfig, nil}
	}
	return side, nil
}
