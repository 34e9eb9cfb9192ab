package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/watch"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

func (a *app) runCommand() *cobra.Command {
	var file string
	var port, debug int
	var watching bool
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Serve the endpoints of a configuration",
		Long: "Serve the endpoints of a configuration until SIGINT or SIGTERM, which drain the\n" +
			"requests in flight; a second signal ends at once. SIGHUP reads the configuration\n" +
			"again and swaps it in without dropping a request; one with errors is reported\n" +
			"and the live one keeps serving.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needFile(file); err != nil {
				return err
			}
			o := a.options(file)
			o.Adjust = func(s *config.Service) {
				if port != 0 {
					s.Port = port
				}
				s.DebugEndpoint = s.DebugEndpoint || debug > 0
			}
			return a.serve(cmd.Context(), o, file, watching)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "config", "c", "", "configuration file: .json, .yaml, .yml or .toml")
	flags.IntVarP(&port, "port", "p", 0, "TCP port, wins over the file")
	flags.CountVarP(&debug, "debug", "d", "serve /__debug/")
	flags.BoolVar(&watching, "watch", false, "reload when the configuration or a certificate changes")
	return cmd
}

// serve runs a gateway until ctx is done.
func (a *app) serve(ctx context.Context, o runtime.Options, file string, watching bool) error {
	o.Log = newHandler(a.stderr, slog.LevelInfo)
	g := runtime.New(o)
	problems, err := g.Load(ctx)
	a.print(problems)
	if errors.Is(err, runtime.ErrConfig) {
		return &exitError{exitConfig, nil}
	}
	if err != nil {
		return &exitError{exitConfig, err}
	}
	l, err := g.Listen(ctx)
	if err != nil {
		g.Close()
		return &exitError{exitRuntime, err}
	}
	g.Logger().Info("serving", "address", l.Addr().String(), "endpoints", len(g.Service().Endpoints), "version", Version)

	reload := func() { a.reload(ctx, g) }
	var background sync.WaitGroup
	watchers, stop := context.WithCancel(ctx)
	background.Go(func() { onHangup(watchers, reload) })
	if watching {
		background.Go(func() {
			files := func() []string { return watched(file, g.Service()) }
			if err := watch.Files(watchers, files, reload); err != nil {
				g.Logger().Error("no longer watching the configuration", "error", err)
			}
		})
	}
	err = g.Serve(ctx, l)
	stop()
	background.Wait()
	if err != nil {
		return &exitError{exitRuntime, err}
	}
	return nil
}

// onHangup calls f for each SIGHUP until ctx is done.
func onHangup(ctx context.Context, f func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			f()
		}
	}
}

// reload swaps the configuration, or says why it stays.
func (a *app) reload(ctx context.Context, g *runtime.Gateway) {
	problems, err := g.Load(ctx)
	a.print(problems)
	if err != nil {
		g.Logger().Error("reload failed, the old configuration keeps serving", "error", err)
		return
	}
	g.Logger().Info("reloaded", "endpoints", len(g.Service().Endpoints))
}

// watched lists the files that a running gateway depends on.
func watched(file string, s *config.Service) []string {
	files := []string{file}
	if s.TLS != nil {
		for _, pair := range s.TLS.Keys {
			files = append(files, pair.PublicKey, pair.PrivateKey)
		}
		if s.TLS.PublicKey != "" {
			files = append(files, s.TLS.PublicKey, s.TLS.PrivateKey)
		}
		files = append(files, s.TLS.CACerts...)
	}
	if s.ClientTLS != nil {
		files = append(files, s.ClientTLS.CACerts...)
		for _, c := range s.ClientTLS.ClientCerts {
			files = append(files, c.Certificate, c.PrivateKey)
		}
	}
	return files
}

// print writes problems, one per line, to standard error.
func (a *app) print(problems []*config.Problem) {
	for _, p := range problems {
		if p.Severity != config.Note {
			fmt.Fprintln(a.stderr, line(p))
		}
	}
}

// line is a problem as the operator reads it.
func line(p *config.Problem) string {
	if p.Severity == config.Error {
		return p.Error()
	}
	return fmt.Sprintf("%v (%v)", p, p.Severity)
}
