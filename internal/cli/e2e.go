package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/e2e"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/spool"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

func (a *app) e2eCommand() *cobra.Command {
	t := suite{backendPort: e2e.MockPort}
	cmd := &cobra.Command{
		Use:   "e2e [-c FILE] [SPECS...]",
		Short: "Test a gateway by the specifications of requests and answers",
		Long: "Test a gateway by the specifications of requests and answers, in the form that\n" +
			"KrakenD has: SPECS are files and folders, ./specs if none is named. A gateway of\n" +
			"the configuration is started within the command, with /__debug/, and ended\n" +
			"behind the last case. With --url or --no-start a gateway is tested that runs\n" +
			"elsewhere, with --bin that of another program.",
		Example: "  sluice e2e -c krakend.json specs/\n  sluice e2e -c krakend.json --mock --junit report.xml\n" +
			"  sluice e2e --url https://staging.example.com specs/orders.json\n" +
			"  sluice e2e -c krakend.json --bin /usr/bin/krakend",
		RunE: func(cmd *cobra.Command, args []string) error {
			t.specs = append(t.specs, args...)
			t.mock = t.mock || cmd.Flags().Changed("backend-port") || cmd.Flags().Changed("backend-delay")
			t.moved = cmd.Flags().Changed("port")
			return a.test(cmd.Context(), t)
		},
	}
	configFlags(cmd, &t.source)
	flags := cmd.Flags()
	flags.StringArrayVarP(&t.specs, "specs", "s", nil, "a `FILE` or folder of SPECS, as without the flag; may be repeated")
	flags.VarP(&t.port, "port", "p", "TCP port of the gateway, wins over the file; 0 is any that is free. What the cases send to the port of the file goes there")
	flags.StringVar(&t.url, "url", "", "test the gateway at `URL`, which takes the place of scheme, host and port in the cases")
	flags.BoolVar(&t.noStart, "no-start", false, "test the gateway that runs where the cases say")
	flags.StringVar(&t.bin, "bin", "", "test another `PROGRAM`, started as PROGRAM run -d -c FILE")
	flags.StringVar(&t.variables, "env-pattern", "", "with --bin: hand on the variables, as NAME=VALUE, that fit one of these `PATTERNS`, separated by commas; all if not set")
	flags.BoolVar(&t.mock, "mock", false, "serve the API that KrakenD's own suite expects behind the gateway")
	flags.Var(&t.backendPort, "backend-port", "TCP `PORT` of the mock; turns it on")
	flags.DurationVar(&t.delay, "backend-delay", 200*time.Millisecond, "how long the mock takes below /delayed/; turns it on")
	flags.StringVar(&t.readyURL, "ready-url", "", "begin when this `URL` answers 200")
	flags.DurationVar(&t.wait, "wait", 10*time.Second, "how long the gateway may take to be ready")
	flags.DurationVar(&t.timeout, "timeout", 30*time.Second, "how long a case may take")
	flags.BoolVar(&t.stay, "no-follow", false, "a redirect is the answer, and not followed")
	flags.BoolVar(&t.exact, "exact", false, "compare bodies that are texts to the byte, also if they are JSON")
	flags.BoolVarP(&t.insecure, "insecure", "k", false, "do not verify the certificate of the gateway")
	flags.StringVar(&t.only, "run", "", "run the cases whose names fit this `PATTERN`")
	flags.StringVar(&t.product, "product", "", "the `NAME` and version that the gateway gives itself, such as \"KrakenD Version 2.13.8\"")
	flags.StringVar(&t.format, "format", "text", "`FORM` of the report: text, json or junit")
	flags.StringVar(&t.junit, "junit", "", "write the report for JUnit into `FILE` as well")
	flags.StringVar(&t.logs, "logs", "", "write the logs of the gateway into `FILE`; - is standard error")
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(cmp.Or(runnerFlags[name], name))
	})
	return cmd
}

// runnerFlags are those of KrakenD's runner with their names here.
var runnerFlags = map[string]string{
	"krakend_bin_path":            "bin",
	"krakend_config_path":         "config",
	"krakend_specs_path":          "specs",
	"krakend_backend_port":        "backend-port",
	"krakend_delay":               "backend-delay",
	"krakend_envar_pattern":       "env-pattern",
	"krakend_startup_wait":        "wait",
	"krakend_ready_url":           "ready-url",
	"krakend_ready_url_wait":      "wait",
	"client_not_follow_redirects": "no-follow",
}

// respelled returns arguments with two hyphens in front of the flags of KrakenD's runner, which
// has one, as the commands of Go have.
func respelled(args []string) []string {
	if len(args) == 0 || args[0] != "e2e" {
		return args
	}
	args = slices.Clone(args)
	for i, arg := range args {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if _, known := runnerFlags[name]; known && arg != name {
			args[i] = "-" + arg
		}
	}
	return args
}

// suite holds the flags of the command.
type suite struct {
	source
	specs                   []string
	port, backendPort       port
	moved                   bool // the port is given
	noAgents                bool // messages of queues are left to others
	url, bin, variables     string
	noStart, mock           bool
	delay, wait, timeout    time.Duration
	readyURL, only, product string
	stay, exact, insecure   bool
	format, junit, logs     string
}

// test runs the cases.
func (a *app) test(ctx context.Context, t suite) error {
	elsewhere := t.noStart || t.url != ""
	ours := t.without || t.templates != templateFlags{} || t.moved || t.product != ""
	switch {
	case !slices.Contains([]string{"text", "json", "junit"}, t.format):
		return usage("unknown format %q; write text, json or junit", t.format)
	case elsewhere && (t.file != "" || t.bin != "" || ours || t.logs != ""):
		return usage("--url and --no-start test a gateway that runs; leave flags out that are about one which is started: -c, --bin, --port, --product, --logs, --allow-unsupported, and those of templates")
	case t.bin != "" && ours:
		return usage("--port, --product, --allow-unsupported and the flags of templates are for a gateway of our own; leave them or --bin out")
	case t.bin == "" && t.variables != "":
		return usage("--env-pattern is for --bin; leave it out, since the gateway within the command sees the environment")
	case t.wait <= 0 || t.timeout <= 0 || t.delay < 0:
		return usage("--wait and --timeout must be more than 0, and --backend-delay 0 or more; write one such as 10s")
	}
	r := &e2e.Runner{Timeout: t.timeout, Stay: t.stay, Exact: t.exact, Insecure: t.insecure}
	if t.url != "" {
		u, err := url.Parse(t.url)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return usage("--url %q is no address of a gateway; write one such as https://gateway.example.com", config.MaskUser(t.url))
		}
		r.Base = u
	}
	only, err := regexp.Compile(t.only)
	if err != nil {
		return usage("--run: %w", err)
	}
	if len(t.specs) == 0 {
		t.specs = []string{"specs"}
	}
	if !elsewhere {
		if err := t.find(); err != nil {
			return err
		}
	}
	cases, problems := e2e.Read(ctx, t.specs, os.Environ())
	if ctx.Err() != nil {
		return &exitError{exitRuntime, errStoppedEarly}
	}
	a.printProblems(problems)
	if config.HasErrors(problems) {
		return &exitError{exitConfig, nil}
	}
	cases = slices.DeleteFunc(cases, func(c *e2e.Case) bool { return !only.MatchString(c.Name) })
	if len(cases) == 0 {
		return usage("no case has a name that fits --run %q; leave it out to see all", t.only)
	}
	end, err := a.surround(ctx, t, r, cases)
	if err != nil {
		return err
	}
	report := a.runCases(ctx, t, r, cases)
	if err := cmp.Or(end(), a.writeReport(t, report)); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return &exitError{exitRuntime, errors.New("stopped before all cases had run")}
	case report.Count(e2e.OK) < len(report):
		return &exitError{exitConfig, nil}
	}
	return nil
}

// errStoppedEarly is that of a command that is told to end before it has sent anything.
var errStoppedEarly = errors.New("stopped before the gateway was ready")

// runCases runs the cases, and tells each as text if that is the form of the report.
func (a *app) runCases(ctx context.Context, t suite, r *e2e.Runner, cases []*e2e.Case) (report e2e.Report) {
	r.Run(ctx, cases, func(result e2e.Result) {
		report = append(report, result)
		if t.format == "text" {
			io.WriteString(a.stdout, a.told(result)) // the end says it if that fails
		}
	})
	return report
}

// told returns a result as text, its outcome in colour where standard output has colours.
func (a *app) told(r e2e.Result) string {
	text := visibly(r.Text())
	colours := map[e2e.Outcome]string{e2e.OK: "32", e2e.Failed: "1;31", e2e.NotRun: "33"}
	if t := terminalOf(a.stdout, os.Getenv); t != nil && t.Colour {
		head, rest, _ := strings.Cut(text, "\n")
		text = strings.TrimSuffix(head, string(r.Outcome)) + "\x1b[" + colours[r.Outcome] + "m" + string(r.Outcome) + "\x1b[0m\n" + rest
	}
	return text
}

// writeReport writes what is left of the report.
func (a *app) writeReport(t suite, report e2e.Report) error {
	var text bytes.Buffer
	var err error
	switch t.format {
	case "json":
		err = report.WriteJSON(&text)
	case "junit":
		err = report.WriteJUnit(&text)
	default:
		text.WriteString(report.Summary() + "\n")
	}
	if err == nil {
		_, err = a.text().Write(text.Bytes())
	}
	if err != nil || t.junit == "" {
		return failedOutput(err)
	}
	text.Reset()
	if err = report.WriteJUnit(&text); err == nil {
		err = os.WriteFile(t.junit, text.Bytes(), 0o644)
	}
	return failedOutput(err)
}

// surround starts what the cases need around them, and returns when the gateway is ready. End
// ends all of it.
func (a *app) surround(ctx context.Context, t suite, r *e2e.Runner, cases []*e2e.Case) (end func() error, err error) {
	var ends []func() error
	all := func() error {
		var errs []error
		for _, f := range slices.Backward(ends) {
			errs = append(errs, f())
		}
		if err := errors.Join(errs...); err != nil {
			return &exitError{exitRuntime, err}
		}
		return nil
	}
	defer func() {
		if err != nil {
			all() // the first error counts
		}
	}()
	if t.mock {
		stop, err := serveMock(t)
		if err != nil {
			return nil, err
		}
		ends = append(ends, stop)
	}
	ready := func(context.Context) error { return nil }
	switch {
	case t.noStart || t.url != "":
	case t.bin != "":
		p, stop, err := a.startProgram(t)
		if err != nil {
			return nil, err
		}
		ends = append(ends, stop)
		if t.readyURL == "" {
			ready = p.Watching(r.Listens(cases))
		} else {
			ready = p.Watching(r.Answers(t.readyURL))
		}
	default:
		g, stop, err := a.startGateway(ctx, t, r)
		if err != nil {
			return nil, err
		}
		ends = append(ends, stop)
		ports := r.Ports
		if t.mock {
			ports = append(ports, int(t.backendPort))
		}
		if problems := e2e.Astray(cases, ports...); len(problems) > 0 {
			a.printProblems(problems)
			return nil, &exitError{exitConfig, nil}
		}
		ready = func(ctx context.Context) error { return isReady(ctx, g) }
	}
	if t.readyURL != "" && t.bin == "" {
		own := ready
		ready = func(ctx context.Context) error { return cmp.Or(own(ctx), r.Answers(t.readyURL)(ctx)) }
	}
	switch err := e2e.Until(ctx, t.wait, ready); {
	case ctx.Err() != nil:
		return nil, &exitError{exitRuntime, errStoppedEarly}
	case err != nil:
		return nil, &exitError{exitRuntime, fmt.Errorf("the gateway: %w", err)}
	}
	return all, nil
}

// serveMock serves the mock until stop is called.
func serveMock(t suite) (stop func() error, err error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(t.backendPort))))
	if err != nil {
		return nil, &exitError{exitRuntime, fmt.Errorf("the mock: %w; stop what uses the port, or choose another one by --backend-port", err)}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e2e.ServeMock(ctx, l, t.delay) }()
	return func() error { cancel(); return <-ended }, nil
}

// openLog returns where the logs of the gateway go.
func (a *app) openLog(name string) (io.Writer, func() error, error) {
	switch name {
	case "":
		return io.Discard, func() error { return nil }, nil
	case "-":
		return a.stderr, func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, nil, &exitError{exitRuntime, err}
	}
	return f, f.Close, nil
}

// startProgram starts another gateway.
func (a *app) startProgram(t suite) (*e2e.Process, func() error, error) {
	var patterns []*regexp.Regexp
	for text := range strings.SplitSeq(t.variables, ",") {
		if text == "" {
			continue
		}
		p, err := regexp.Compile(text)
		if err != nil {
			return nil, nil, &exitError{exitUsage, fmt.Errorf("--env-pattern: %w", err)}
		}
		patterns = append(patterns, p)
	}
	log, closeLog, err := a.openLog(t.logs)
	if err != nil {
		return nil, nil, err
	}
	p, err := e2e.StartProcess(t.bin, t.file, patterns, log)
	if err != nil {
		return nil, nil, &exitError{exitRuntime, errors.Join(err, closeLog())}
	}
	return p, func() error { p.Stop(); return closeLog() }, nil
}

// startGateway starts the gateway of the configuration within this process, and tells r where
// it is.
func (a *app) startGateway(ctx context.Context, t suite, r *e2e.Runner) (*runtime.Gateway, func() error, error) {
	log, closeLog, err := a.openLog(t.logs)
	if err != nil {
		return nil, nil, err
	}
	lines := spool.New(log, spool.Options{})
	closeLogs := func() error {
		within(lastLines, lines.Close)
		return closeLog()
	}
	configured := 0
	o := a.options(t.source)
	o.Product = cmp.Or(t.product, o.Product)
	o.Stdout, o.Stderr, o.Log, o.Listens = lines, lines, newHandler(lines, slog.LevelInfo), true
	o.Adjust = func(s *model.Service) {
		configured = s.Port
		if t.moved {
			s.Port = int(t.port)
		}
		s.DebugEndpoint = true // as KrakenD's runner has it
		if t.noAgents {
			s.AsyncAgent = nil
		}
		s.ShutdownDelay = 0 // no balancer is waited for
	}
	g := runtime.New(o)
	restore := takeLibraries(g.Logger)
	var problems []*config.Problem
	withRoom(func() { problems, err = g.Load(ctx) })
	var l net.Listener
	if err == nil {
		l, err = g.Listen(ctx)
	}
	if err != nil {
		g.Close()
		restore()
		failed := closeLogs()
		switch {
		case errors.Is(err, runtime.ErrConfig):
			a.printProblems(problems)
			return nil, nil, &exitError{exitConfig, nil}
		case errors.Is(err, syscall.EADDRINUSE):
			err = fmt.Errorf("%w; stop what uses it, test that by --no-start, or take any free port by -p 0", err)
		}
		return nil, nil, &exitError{exitRuntime, cmp.Or(err, failed)}
	}
	if t.moved {
		r.Dial = e2e.Towards(configured, l.Addr())
	}
	r.Ports = []int{configured}
	if at, ok := l.Addr().(*net.TCPAddr); ok && at.Port != configured {
		r.Ports = append(r.Ports, at.Port)
	}
	r.Mask, r.Away = g.Mask, "the gateway listens at "+l.Addr().String()
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(running, l) }()
	return g, func() error {
		stop()
		err := <-ended
		restore()
		return errors.Join(err, closeLogs())
	}, nil
}

// isReady asks the gateway whether it is ready, as a client would.
func isReady(ctx context.Context, g *runtime.Gateway) error {
	x := gateway.Acquire(gateway.Message{
		Method: "GET", Path: "/__ready", Host: "localhost", Proto: "HTTP/1.1", Peer: netip.AddrPortFrom(netip.IPv6Loopback(), 0),
	}.Inbound())
	err := g.Do(ctx, x)
	if err == nil && x.Response.Status == 503 { // an endpoint of the configuration may answer otherwise
		var text bytes.Buffer
		_, err = x.Response.Body.WriteTo(&limited{&text, maxShown})
		err = cmp.Or(err, fmt.Errorf("/__ready answers 503: %s", bytes.TrimSpace(text.Bytes())))
	}
	x.Response.Body.Close()
	g.Done(x, gateway.Sent{}, nil)
	return err
}
