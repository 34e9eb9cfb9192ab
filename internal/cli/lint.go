package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/jsonschema"
	"github.com/sluice-gateway/sluice/internal/model"
)

// oneLint is the check that a command line has one of the flags that say what a document may
// hold: each of them says all of it.
func oneLint(cmd *cobra.Command) error {
	var given []string
	for _, name := range []string{"lint", "lint-no-network", "lint-schema"} {
		if cmd.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return &exitError{exitUsage, fmt.Errorf("%s exclude each other; write one of them", strings.Join(given, " and "))}
	}
	return nil
}

// An ownSchema is a JSON Schema that somebody wants a configuration to keep beside ours.
type ownSchema struct {
	file   string
	schema *jsonschema.Schema
}

// readSchema reads an own schema from a file.
func readSchema(file string) (*ownSchema, error) {
	wrong := func(err error) (*ownSchema, error) {
		return nil, &exitError{exitUsage, fmt.Errorf("--lint-schema: %w", err)}
	}
	if strings.Contains(file, "://") {
		return wrong(fmt.Errorf("%s is a URL, and nothing is downloaded, so that a check says the same wherever and whenever it runs; save the schema and name its file", config.MaskUser(file)))
	}
	data, err := config.ReadFile(file)
	if err != nil {
		if pathErr, ok := errors.AsType[*os.PathError](err); ok {
			err = pathErr.Err
		}
		return wrong(fmt.Errorf("%s: %w", file, err))
	}
	d, problems := config.Parse(file, data)
	if d == nil {
		return wrong(errors.New(problems[0].Error()))
	}
	schema, err := jsonschema.Compile(d.Root.Value())
	if err != nil {
		return wrong(fmt.Errorf("%s is no JSON Schema: %w", file, err))
	}
	return &ownSchema{file, schema}, nil
}

// judging returns a loader that tells what a document breaks of the schema.
func (s *ownSchema) judging(load func(context.Context, func(string)) (*config.Document, []*config.Problem)) func(context.Context, func(string)) (*config.Document, []*config.Problem) {
	return func(ctx context.Context, reads func(string)) (*config.Document, []*config.Problem) {
		d, problems := load(ctx, reads)
		if d == nil || config.HasErrors(problems) {
			return d, problems
		}
		violations, err := s.schema.Judge(d.Root.JSON())
		if err != nil {
			return nil, append(problems, d.Root.Problem(config.Error, config.CodeInvalid, err))
		}
		d.Hide(config.SpecOf(reflect.TypeFor[model.Service]()), component.Default.Options)
		for _, v := range violations {
			n, rest := d.Root.Locate(config.SplitPath(v.Path))
			if len(rest) == 0 && n.Secret() && strings.HasPrefix(v.Text, "got string, want") {
				continue // what a reference stands for is a text, whatever it is for
			}
			broken := []*config.Problem{d.Root.ProblemAt(v.Path, config.Error, config.CodeInvalid, fmt.Errorf("%s; %s wants it otherwise", v.Text, s.file))}
			d.Mask(broken)
			problems = append(problems, broken...)
		}
		return d, problems
	}
}
