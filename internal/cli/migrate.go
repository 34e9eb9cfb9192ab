package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/e2e"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/migrate"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

func (a *app) migrateCommand() *cobra.Command {
	var from source
	var brief bool
	var w against
	format := "text"
	cmd := &cobra.Command{
		Use:   "migrate [FILE]",
		Short: "Say what becomes of a configuration of KrakenD",
		Long: "Say what becomes of a configuration of KrakenD: what has to be changed before it\n" +
			"starts, what is not supported yet, what is done differently of what it uses, and\n" +
			"what works as before; each with its line, and the row of the compatibility page.\n" +
			"Nothing is started and the network is not used.\n\n" +
			"With --against the gateway is started within the command instead, and asked the\n" +
			"same as the one at URL: a GET for each endpoint that changes nothing, or the\n" +
			"requests of a file. Both call the backends of the configuration. Each answer is\n" +
			"identical, better, or differs for a reason.",
		Example: "  sluice migrate krakend.json\n  sluice migrate krakend.json --format json\n" +
			"  sluice migrate krakend.json --against http://localhost:8080\n" +
			"  sluice migrate krakend.json --against https://api.example.com --requests requests.http",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("unexpected argument %q; write one FILE", args[1])
			case len(args) == 1 && from.file != "":
				return fmt.Errorf("unexpected argument %q beside -c; write one FILE", args[0])
			case len(args) == 1:
				from.file = args[0]
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := from.find(); err != nil {
				return err
			}
			if format != "text" && format != "json" {
				return usage("unknown format %q; write text or json", format)
			}
			if w.url != "" {
				w.source, w.format = from, format
				return a.compare(cmd.Context(), w)
			}
			for _, name := range []string{"requests", "header", "insecure", "timeout"} {
				if cmd.Flags().Changed(name) {
					return usage("--%s is for requests; write --against URL as well", name)
				}
			}
			return a.migrate(cmd, from, format, brief)
		},
	}
	configFlags(cmd, &from)
	cmd.Flags().BoolVar(&from.skipFiles, "skip-files", false, "read no file that the configuration names: those of keys, certificates and ${file:...} may be on another machine")
	cmd.Flags().BoolVar(&brief, "brief", false, "leave out what is done differently for every file")
	cmd.Flags().StringVar(&format, "format", format, "`FORM` of the report: text or json")
	cmd.Flags().StringVar(&w.url, "against", "", "compare answers with those of the gateway at `URL`")
	cmd.Flags().StringVar(&w.requests, "requests", "", "make the requests in `FILE`: lines such as GET /users/1, lines of the header, an empty line and the body, then ###")
	cmd.Flags().StringArrayVarP(&w.headers, "header", "H", nil, "`LINE` of the header of every request, such as 'Authorization: Bearer ...'; may be repeated")
	cmd.Flags().BoolVarP(&w.insecure, "insecure", "k", false, "do not verify the certificate of the gateway at URL")
	cmd.Flags().DurationVar(&w.timeout, "timeout", 30*time.Second, "how long an answer may take")
	return cmd
}

func (a *app) migrate(cmd *cobra.Command, from source, format string, brief bool) error {
	o := a.options(from)
	o.Log = slog.DiscardHandler
	var d *config.Document
	load := o.Load
	o.Load = func(ctx context.Context, reads func(string)) (*config.Document, []*config.Problem) {
		var problems []*config.Problem
		d, problems = load(ctx, reads)
		return d, problems
	}
	_, problems := runtime.New(o).Compile(cmd.Context())
	if d == nil {
		a.printProblems(problems)
		return &exitError{exitConfig, nil}
	}
	r := migrate.Run(d, problems, component.Default.Options)
	var err error
	if format == "json" {
		err = a.writeJSON(r.Whole())
	} else {
		err = failedOutput(r.Text(a.stdout, from.file, brief, visibly))
	}
	if err == nil && !r.Starts {
		err = &exitError{exitConfig, nil}
	}
	return err
}

// against holds the flags of a comparison.
type against struct {
	source
	url, requests, format string
	headers               []string
	insecure              bool
	timeout               time.Duration
}

// compare asks two gateways the same.
func (a *app) compare(ctx context.Context, w against) error {
	base, err := url.Parse(w.url)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return usage("--against %q is no address of a gateway; write one such as http://localhost:8080", config.MaskUser(w.url))
	}
	if w.timeout <= 0 {
		return usage("--timeout must be more than 0; write one such as 10s")
	}
	header := make(map[string]string)
	for _, line := range w.headers {
		name, value, found := strings.Cut(line, ":")
		if !found || !gateway.Token(name) {
			return usage("-H takes a line of a header; write one such as 'Accept-Language: de'")
		}
		header[name] = strings.TrimSpace(value)
	}
	d, problems := a.options(w.source).Load(ctx, func(string) {})
	if d == nil {
		a.printProblems(problems)
		return &exitError{exitConfig, nil}
	}
	service, _ := model.Resolve(d) // what is wrong is told when the gateway starts
	askings := migrate.Generate(service)
	if w.requests != "" {
		text, err := config.ReadFile(w.requests)
		if err != nil {
			return &exitError{exitUsage, err}
		}
		requests, problems := migrate.ReadRequests(w.requests, text)
		if len(problems) > 0 {
			a.printProblems(problems)
			return &exitError{exitConfig, nil}
		}
		askings = nil
		for _, q := range requests {
			askings = append(askings, migrate.Asking{Endpoint: migrate.EndpointOf(service, q), Request: q})
		}
	}
	for i := range askings {
		own := askings[i].Request.Header
		askings[i].Request.Header = maps.Clone(header)
		maps.Copy(askings[i].Request.Header, own)
	}
	ours := &e2e.Runner{Timeout: w.timeout, Insecure: true} // it is within this process
	scheme := "http"
	if service.TLS != nil && !service.TLS.Disabled {
		scheme = "https"
	}
	ours.Base = &url.URL{Scheme: scheme, Host: net.JoinHostPort("localhost", strconv.Itoa(service.Port))}
	g, stop, err := a.startGateway(ctx, suite{source: w.source, moved: true, noAgents: true}, ours)
	if err != nil {
		return err
	}
	err = e2e.Until(ctx, w.timeout, func(ctx context.Context) error { return isReady(ctx, g) })
	comparisons := []migrate.Comparison{}
	if err == nil {
		theirs := &e2e.Runner{Base: base, Timeout: w.timeout, Insecure: w.insecure, Mask: ours.Mask}
		err = migrate.Against(ctx, theirs, ours, askings, func(c migrate.Comparison) {
			comparisons = append(comparisons, c)
			if w.format == "text" {
				c.Text(a.stdout, visibly) // the end says it if that fails
			}
		})
	}
	if err = errors.Join(err, stop()); err != nil {
		return &exitError{exitRuntime, err}
	}
	if w.format == "json" {
		err = a.writeJSON(comparisons)
	} else {
		_, err = fmt.Fprintln(a.stdout, migrate.Summary(comparisons))
		err = failedOutput(err)
	}
	if err == nil && slices.ContainsFunc(comparisons, func(c migrate.Comparison) bool { return c.Verdict == migrate.Differs }) {
		err = &exitError{exitConfig, nil}
	}
	return err
}
