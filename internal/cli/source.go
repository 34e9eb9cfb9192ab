package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/flexible"
	"github.com/sluice-gateway/sluice/internal/model"
)

// A source is what a command reads its configuration from, and how.
type source struct {
	file    string
	without bool // what is not supported yet

	peeks     bool // only looks: nothing is kept, and the network is not asked
	checks    bool // keeps what is rendered only where somebody has asked for it
	skipFiles bool // of keys, certificates and references

	templates templateFlags
	rendered  func(text string) // is told what templates have made of it; may be nil
}

// templateFlags are the flags that say the same as the variables FC_SETTINGS and so on, and
// win over them.
type templateFlags struct {
	settings, partials, templates, out, undefined, config string
}

func (f *templateFlags) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Var((*filled)(&f.settings), "settings", "the file is a template, and its settings are in `DIR`; as FC_SETTINGS")
	flags.Var((*filled)(&f.partials), "partials", "the file is a template, and the texts that it includes are in `DIR`; as FC_PARTIALS")
	flags.Var((*filled)(&f.templates), "templates", "the file is a template, and those that it calls are in `DIR`; as FC_TEMPLATES")
	flags.Var((*filled)(&f.out), "rendered-to", "the file is a template, and what it makes is kept in `FILE`, secrets in clear; as FC_OUT")
	flags.Var((*filled)(&f.undefined), "undefined", "the file is a template, and a value that is not defined is an `error`, zero or invalid; as FC_UNDEFINED")
	flags.Var((*filled)(&f.config), "flexible", "the file is a template, and the extended form in `FILE` says with what; as FC_CONFIG")
}

// given returns the flags with the variables that say the same.
func (f *templateFlags) given() []flexible.Flag {
	return []flexible.Flag{
		{Name: "--settings", Variable: "FC_SETTINGS", Value: f.settings}, {Name: "--partials", Variable: "FC_PARTIALS", Value: f.partials},
		{Name: "--templates", Variable: "FC_TEMPLATES", Value: f.templates}, {Name: "--rendered-to", Variable: "FC_OUT", Value: f.out},
		{Name: "--undefined", Variable: "FC_UNDEFINED", Value: f.undefined}, {Name: "--flexible", Variable: "FC_CONFIG", Value: f.config},
	}
}

// loader returns the function that reads a configuration file, or makes it of templates, and
// lets the environment override it.
func (a *app) loader(s source) func(context.Context, func(string)) (*config.Document, []*config.Problem) {
	return func(ctx context.Context, reads func(string)) (*config.Document, []*config.Problem) {
		environ := os.Environ()
		parts, problems := flexible.FromEnviron(ctx, environ, s.templates.given(), reads)
		if config.HasErrors(problems) {
			return nil, problems
		}
		load := func() (*config.Document, []*config.Problem) { return plain(ctx, s, environ, reads) }
		if parts != nil {
			load = func() (*config.Document, []*config.Problem) {
				return parts.Load(ctx, s.file, flexible.Options{Environ: environ, SkipFiles: s.skipFiles, Reads: reads, Rendered: s.rendered,
					Keep: !s.peeks && (!s.checks || parts.Chosen()), Offline: s.peeks,
					Debug: func(text string) { io.WriteString(a.complaints(), text) }})
			}
		}
		d, more := load()
		problems = append(problems, more...)
		if parts != nil && config.HasErrors(problems) && parts.Note() != nil {
			problems = append(problems, parts.Note())
		}
		if d != nil {
			problems = append(problems, d.ApplyEnv(environ, config.SpecOf(reflect.TypeFor[model.Service]()))...)
		}
		return d, problems
	}
}

// plain reads a configuration without templates.
func plain(ctx context.Context, s source, environ []string, reads func(string)) (*config.Document, []*config.Problem) {
	return config.Load(ctx, s.file, config.LoadOptions{Environ: environ, SkipFiles: s.skipFiles, ReadFile: func(name string) ([]byte, error) {
		reads(name)
		if name == s.file {
			return config.ReadDocument(ctx, name)
		}
		return config.ReadFile(name)
	}})
}

// printRendered prints what templates have made of a configuration, which says nothing if
// there are none, and the problems of that beside it. Secrets that stand in the settings are
// known once the configuration is.
func (a *app) printRendered(text string, d *config.Document, gen *compile.Generation, problems []*config.Problem) error {
	a.printProblems(problems)
	switch {
	case gen != nil:
		text = gen.Mask(text)
	case d != nil:
		d.Hide(model.Root(), component.Default.Options)
		if mask := d.Masker(); mask != nil {
			text = mask(text)
		}
	default: // it is no document
		text = config.Show("rendered", []byte(text), model.Root(), component.Default.Options).Text()
	}
	switch {
	case text == "" && gen != nil:
		return &exitError{exitUsage, errors.New("nothing is rendered; set FC_ENABLE=1, or write --settings DIR")}
	case text != "" && !strings.HasSuffix(text, "\n"):
		text += "\n"
	}
	if _, err := io.WriteString(a.text(), text); err != nil {
		return failedOutput(err)
	}
	if gen == nil {
		return &exitError{exitConfig, nil}
	}
	return nil
}
