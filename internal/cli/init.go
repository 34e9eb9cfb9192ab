package cli

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed starter.yaml
var starter string

func (a *app) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented configuration to begin with",
		Long:  "Write a commented configuration to begin with, sluice.yaml unless FILE says\notherwise. A file that exists is never overwritten. FILE may be - for standard\noutput.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument %q; write one FILE", args[1])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			file := "sluice.yaml"
			if len(args) == 1 {
				file = args[0]
			}
			if file == "-" {
				fmt.Fprint(a.stdout, starter)
				return nil
			}
			if ext := filepath.Ext(file); ext != ".yaml" && ext != ".yml" {
				return &exitError{exitUsage, fmt.Errorf("%s would not be read as YAML, which is what has comments; name the file .yaml or .yml", file)}
			}
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return &exitError{exitUsage, fmt.Errorf("%s exists; name another file, or remove it first", file)}
			}
			if err != nil {
				return &exitError{exitRuntime, err}
			}
			_, err = f.WriteString(strings.ReplaceAll(starter, "sluice.yaml", file))
			if err = errors.Join(err, f.Close()); err != nil {
				return &exitError{exitRuntime, err}
			}
			fmt.Fprintf(a.text(), "wrote %s; try:\n  sluice check --lint -c %[1]s\n  sluice run -c %[1]s\n", file)
			return nil
		},
	}
	return cmd
}
