package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// withoutPlugins is what both commands about plugins have to say.
const withoutPlugins = `sluice loads no native plugins (.so): such a file fits one build of one program,
and a program that loads it cannot be one static file. Instead:
  - sluice check -c FILE names the line of every namespace that asks for a plugin
  - sluice audit -c FILE -s HIGH says which of them have become namespaces (rules 7.1.x)
  - what is left of a plugin belongs into a service, which a backend calls`

// pluginCommands returns the commands of the incumbent about native plugins, with their
// flags, so that a script which still calls them is told what to do, and fails.
func (a *app) pluginCommands() []*cobra.Command {
	no := func(*cobra.Command, []string) error {
		if _, err := fmt.Fprintln(a.stdout, withoutPlugins); err != nil {
			return failedOutput(err)
		}
		return &exitError{exitConfig, nil}
	}
	versions := &cobra.Command{
		Use:    "check-plugin",
		Hidden: true,
		Short:  "Say what stands for native plugins, which are not loaded",
		Long:   withoutPlugins,
		Args:   cobra.ArbitraryArgs,
		RunE:   no,
	}
	flags := versions.Flags()
	flags.StringP("go", "g", "", "accepted; no `VERSION` of Go fits")
	flags.StringP("libc", "l", "", "accepted; no `VERSION` of the C library fits")
	flags.StringP("sum", "s", "./go.sum", "accepted; the `FILE` is not read")
	flags.BoolP("format", "f", false, "accepted; there is nothing to upgrade")
	loads := &cobra.Command{
		Use:    "test-plugin -s|-c|-m FILE...",
		Hidden: true,
		Short:  "Say what stands for native plugins, which are not loaded",
		Long:   withoutPlugins,
		RunE:   no,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("no plugin; write the FILE of one at least")
			}
			for _, kind := range []string{"server", "client", "modifier", "middleware"} {
				if cmd.Flags().Changed(kind) {
					return nil
				}
			}
			return errors.New("no kind of plugin; write -s, -c, -m or -d")
		},
	}
	flags = loads.Flags()
	flags.BoolP("server", "s", false, "the plugins are handlers of the server")
	flags.BoolP("client", "c", false, "the plugins are clients of backends")
	flags.BoolP("modifier", "m", false, "the plugins change requests or answers")
	flags.BoolP("middleware", "d", false, "the plugins stand around endpoints or backends")
	return []*cobra.Command{versions, loads}
}
