package cli

import (
	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/manual"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of configurations",
		Long: "Print the JSON Schema of configurations, with the namespaces of this build: for\n" +
			"editors, which complete and explain keys by it. The root key $schema may name\n" +
			"the file that it is written to. It is the same for both dialects.",
		Example: "  sluice schema > sluice.schema.json",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := manual.Schema(component.Default)
			if err == nil {
				_, err = a.stdout.Write(text)
			}
			return failedOutput(err)
		},
	}
}
