package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/demo"
	"github.com/sluice-gateway/sluice/internal/model"
)

func (a *app) demoCommand() *cobra.Command {
	listen := port(model.DefaultPort)
	var show bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Serve a sample shop: gateway and services in one process",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			port := int(listen)
			if show {
				if port == 0 {
					return &exitError{exitUsage, errors.New("with -p 0 the ports are known when the demo runs, which prints them; write another port")}
				}
				_, err := fmt.Fprintf(a.stdout, "%s", demo.Configuration(port, demo.Services(port)))
				return failedOutput(err)
			}
			shop, err := demo.Open(a.engines[0].NewServer, port)
			if err != nil {
				return &exitError{exitRuntime, err}
			}
			defer shop.Close()
			text := demo.Configuration(cmp.Or(port, model.DefaultPort), shop.Services())
			o := a.options(source{file: "demo"})
			o.Load = func(context.Context, func(string)) (*config.Document, []*config.Problem) {
				return config.Parse("demo.json", text)
			}
			o.Adjust = func(s *model.Service) { s.Port = port }
			return a.serve(cmd.Context(), serving{options: o, ready: func(at net.Addr) { a.invite(at, port, shop.Services()) }})
		},
	}
	cmd.Flags().VarP(&listen, "port", "p", "TCP port; 0 is any that is free")
	cmd.Flags().BoolVar(&show, "show", false, "print the configuration of the gateway and end")
	return cmd
}

// invite prints what to try with the demo, and where its services are if that is
// not where the demo on this port has them.
func (a *app) invite(at net.Addr, port int, services []demo.Service) {
	fmt.Fprint(a.stdout, "A sample shop behind a gateway. Try, in another terminal:\n\n")
	for _, try := range demo.Tries {
		data := ""
		if try.Body != "" {
			data = "-d '" + try.Body + "' "
		}
		fmt.Fprintf(a.stdout, "  curl %shttp://localhost:%d%-18s # %s\n", data, at.(*net.TCPAddr).Port, try.Path, try.Shows)
	}
	if port == 0 || !slices.Equal(services, demo.Services(port)) {
		fmt.Fprint(a.stdout, "\nThe services listen elsewhere than in the configuration that demo --show prints:\n\n")
		for _, s := range services {
			fmt.Fprintf(a.stdout, "  %-12s %s\n", s.Name, s.Host)
		}
	}
	fmt.Fprint(a.stdout, "\nCtrl-C ends it.\n\n")
}
