package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/kit/watch"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

func (a *app) runCommand() *cobra.Command {
	var from source
	var listen port
	var debug int
	var watching, noWarnings bool
	cmd := &cobra.Command{
		Use:   "run [-c FILE]",
		Short: "Serve the endpoints of a configuration",
		Long: "Serve the endpoints of a configuration until SIGINT or SIGTERM, which drain the\n" +
			"requests in flight, after shutdown_delay; a second signal ends at once. SIGHUP reads the configuration\n" +
			"again and swaps it in without dropping a request; one with errors is reported\n" +
			"and the live one keeps serving.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := from.find(); err != nil {
				return err
			}
			o := a.options(from)
			o.Adjust = func(s *model.Service) {
				if cmd.Flags().Changed("port") {
					s.Port = int(listen)
				}
				s.DebugEndpoint = s.DebugEndpoint || debug > 0
			}
			if noWarnings {
				o.Raise = strict
			}
			s := serving{options: o, file: from.file}
			if watching {
				s.watch = true
			}
			return a.serve(cmd.Context(), s)
		},
	}
	flags := cmd.Flags()
	configFlags(cmd, &from)
	flags.VarP(&listen, "port", "p", "TCP port, wins over the file; 0 is any that is free")
	flags.CountVarP(&debug, "debug", "d", "serve /__debug/")
	flags.BoolVar(&noWarnings, "strict", false, "every warning about the configuration is an error")
	flags.BoolVar(&watching, "watch", false, "reload when the configuration changes, or a file that it names")
	return cmd
}

// serving is what serve needs to know.
type serving struct {
	options runtime.Options
	file    string         // of the configuration; "" for that of the demo
	watch   bool           // reload when the configuration changes
	ready   func(net.Addr) // called before the first request is answered; may be nil
}

// stoppedEarly is told of a stop that comes while the gateway starts.
const stoppedEarly = "stopped before anything was served"

// serve runs a gateway until ctx is done.
func (a *app) serve(ctx context.Context, s serving) error {
	out, errOut := a.openLogs()
	s.options.Stdout, s.options.Stderr = out, errOut
	s.options.Log = newHandler(errOut, slog.LevelInfo)
	s.options.Listens = true
	g := runtime.New(s.options)
	defer takeLibraries(g.Logger)()
	// From the beginning, because a signal that nobody takes ends the program.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	var problems []*config.Problem
	var err error
	withRoom(func() { problems, err = g.Load(ctx) })
	a.print(problems)
	switch {
	case err != nil && ctx.Err() != nil:
		g.Logger().Info(stoppedEarly)
		return nil
	case errors.Is(err, runtime.ErrConfig):
		return &exitError{exitConfig, nil}
	case errors.Is(err, syscall.EADDRINUSE):
		return &exitError{exitRuntime, fmt.Errorf("%w; stop what uses it, or choose another port with -p", err)}
	case err != nil:
		return &exitError{exitRuntime, err}
	}
	files, changed := func() watch.Files { return serverKeys(g) }, func() { renewKeys(g) }
	if s.watch {
		files = g.Files
	}
	watcher, watchErr := newWatcher(files())
	switch {
	case watchErr == nil:
		defer watcher.Close()
	case s.watch:
		g.Close()
		return &exitError{exitRuntime, fmt.Errorf("watching for changes: %w", watchErr)}
	case len(files()) > 0:
		g.Logger().Warn("certificates are read again at a reload only", "error", watchErr)
	}
	l, err := g.Listen(ctx)
	if err != nil {
		g.Close()
		if ctx.Err() != nil {
			g.Logger().Info(stoppedEarly)
			return nil
		}
		return &exitError{exitRuntime, err}
	}
	if s.ready != nil {
		s.ready(l.Addr())
	}
	serves := []any{"address", l.Addr().String(), "endpoints", g.Endpoints()}
	if s.file != "" {
		serves = append(serves, "file", s.file)
	}
	g.Logger().Info("serving", append(serves, "version", Version)...)

	reload := func(why string) {
		if !reload(ctx, g, s.file, why) {
			renewKeys(g) // they do not depend on what is wrong
		}
		if watcher != nil {
			watcher.Renew()
		}
	}
	var background sync.WaitGroup
	until, stop := context.WithCancel(ctx)
	background.Go(func() { forEach(until, hangup, func() { reload("SIGHUP") }) })
	background.Go(func() {
		<-until.Done()
		if ctx.Err() != nil {
			if delay := g.Service().ShutdownDelay; delay > 0 {
				g.Logger().Info("stopping, the listener closes after shutdown_delay", "shutdown_delay", time.Duration(delay))
			} else {
				g.Logger().Info("stopping, requests in flight may end")
			}
		}
	})
	if s.watch {
		changed = func() { reload("a change of files") }
	}
	if watcher != nil {
		background.Go(func() {
			if err := watcher.Run(until, files, changed); err != nil {
				g.Logger().Error("no longer watching for changes", "error", err)
			}
		})
	}
	err = g.Serve(ctx, l)
	stop()
	background.Wait()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &exitError{exitRuntime, fmt.Errorf("requests in flight were cut when max_shutdown_wait_time was over: %w", err)}
	case err != nil:
		return &exitError{exitRuntime, err}
	}
	return nil
}

// forEach calls f for each signal until ctx is done.
func forEach(ctx context.Context, signals <-chan os.Signal, f func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
			f()
		}
	}
}

// reload swaps the configuration, or says why it stays and reports false. What is
// wrong with it goes to the log, where whoever operates the gateway looks. A gateway
// that stops meanwhile needs no other configuration, and none has failed.
func reload(ctx context.Context, g *runtime.Gateway, file, why string) bool {
	problems, err := g.Load(ctx)
	log := g.Logger()
	if err != nil && (ctx.Err() != nil || errors.Is(err, runtime.ErrClosed)) {
		log.Info("reload given up, because the gateway stops")
		return true
	}
	for _, p := range problems {
		switch p.Severity {
		case config.Error:
			log.Error("configuration", "problem", p.Error(), "code", p.Code)
		case config.Warning:
			log.Warn("configuration", "problem", p.Error(), "code", p.Code)
		}
	}
	if err != nil {
		log.Error("reload failed, the old configuration keeps serving", "event", "config_reload_failed", "error", err)
		return false
	}
	log.Info("reloaded", "endpoints", g.Endpoints(), "file", file, "because_of", why)
	return true
}

// renewKeys reads the certificates of the live configuration again, without
// anything else of it.
func renewKeys(g *runtime.Gateway) {
	switch renewed, err := g.RenewTLS(); {
	case err != nil:
		g.Logger().Error("certificates not renewed, the old ones keep serving", "event", "config_reload_failed", "error", err)
	case renewed:
		g.Logger().Info("certificates renewed")
	}
}

// newWatcher returns a watcher of files.
func newWatcher(files watch.Files) (*watch.Watcher, error) {
	w, err := watch.New()
	if err != nil {
		return nil, err
	}
	if err := w.Follow(files); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// serverKeys returns the files of the certificates that a gateway shows to clients,
// and of the authorities that vouch for clients.
func serverKeys(g *runtime.Gateway) watch.Files {
	t := g.Service().TLS
	if t == nil || t.Disabled {
		return nil
	}
	keys, all := make(watch.Files), g.Files()
	for _, name := range t.Files() {
		keys[name] = all[name]
	}
	return keys
}

// print writes problems to standard error, but for what is only worth knowing.
func (a *app) print(problems []*config.Problem) {
	a.printProblems(slices.DeleteFunc(slices.Clone(problems), func(p *config.Problem) bool { return p.Severity == config.Note }))
}
