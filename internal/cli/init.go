package cli

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

//go:embed starter.yaml
var starter string

// begun is what to do with the file: the same as in its comment.
const begun = `wrote sluice.yaml; in one terminal:
  sluice run --watch
and in another:
  curl http://localhost:8080/hello
  curl http://localhost:8080/v1/products
The second answer says what to change, and the gateway reads the file again when it is saved.
`

// about returns a text about sluice.yaml as one about another file, which commands do not
// find by themselves.
func about(file, text string) string {
	if name := looked[0][0]; file != name {
		name := strings.NewReplacer(name, file, "run --watch", "run --watch -c "+file, "check --lint", "check --lint -c "+file, "explain /", "explain -c "+file+" /")
		return name.Replace(text)
	}
	return text
}

func (a *app) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a commented configuration to begin with",
		Long: "Write a commented configuration to begin with, sluice.yaml unless FILE says\n" +
			"otherwise, which answers without any service. A file that exists is never\n" +
			"overwritten. FILE may be - for standard output.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("unexpected argument %q; write one FILE", args[1])
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			file := looked[0][0]
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
			_, err = f.WriteString(about(file, starter))
			if err = errors.Join(err, f.Close()); err != nil {
				return &exitError{exitRuntime, err}
			}
			_, err = io.WriteString(a.text(), about(file, begun))
			return failedOutput(err)
		},
	}
	return cmd
}
