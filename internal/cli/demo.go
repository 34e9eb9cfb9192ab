package cli

import (
	"context"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/demo"
)

func (a *app) demoCommand() *cobra.Command {
	listen := port(config.DefaultPort)
	var show bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve a sample shop: gateway and services in one process",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			shop, err := demo.Open(a.engines[0].NewServer)
			if err != nil {
				return &exitError{exitRuntime, err}
			}
			defer shop.Close()
			text := shop.Configuration()
			if show {
				fmt.Fprintf(a.stdout, "%s", text)
				return nil
			}
			o := a.options(source{file: "demo"})
			o.Load = func(context.Context, func(string)) (*config.Document, []*config.Problem) {
				return config.Parse("demo.json", text)
			}
			o.Adjust = func(s *config.Service) { s.Port = int(listen) }
			return a.serve(cmd.Context(), serving{options: o, ready: a.invite})
		},
	}
	cmd.Flags().VarP(&listen, "port", "p", "TCP port; 0 is any that is free")
	cmd.Flags().BoolVar(&show, "show", false, "print the configuration of the gateway and end")
	return cmd
}

// invite prints what to try with the demo.
func (a *app) invite(at net.Addr) {
	fmt.Fprint(a.stdout, "A sample shop behind a gateway. Try, in another terminal:\n\n")
	for _, try := range demo.Tries {
		fmt.Fprintf(a.stdout, "  curl http://localhost:%d%-18s # %s\n", at.(*net.TCPAddr).Port, try.Path, try.Shows)
	}
	fmt.Fprint(a.stdout, "\nCtrl-C ends it.\n\n")
}
