package runtime

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/tlsx"
	"github.com/sluice-gateway/sluice/internal/kit/watch"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

// Options are what a gateway is made of.
type Options struct {
	// Load returns the configuration as it is now, and tells reads of every file
	// that it is made from, before it is read. It is called at the start and at
	// each reload.
	Load func(ctx context.Context, reads func(name string)) (*config.Document, []*config.Problem)

	Registry *component.Registry
	Engines  []engine.Engine                                 // the first one serves unless the configuration names another
	Log      slog.Handler                                    // where the log ends unless the configuration says otherwise; nil discards it
	Stdout   telemetry.Output                                // for logs; nil discards them
	Stderr   telemetry.Output                                // likewise
	Product  string                                          // name and version
	Missing  func(component.Scope, string) *component.Absent // see [compile.Options]
	Without  bool                                            // see [compile.Options]

	// Published returns names of namespaces; see [compile.Options].
	Published func() map[string]string

	// Raise makes errors of warnings, such as [config.Lint] or [config.Strict];
	// nil makes none.
	Raise func([]*config.Problem) []*config.Problem

	// SkipFiles is that no file of a key, a certificate or an authority is read, and
	// nobody asked for the addresses of this machine, for checks on another one than
	// that of the gateway.
	SkipFiles bool

	// Getenv returns a variable of the environment; nil stands for [os.Getenv].
	Getenv func(name string) string

	// Adjust changes the service after it was resolved, for flags that win
	// over the file; nil changes nothing.
	Adjust func(*model.Service)

	// Listens is that the first Load opens the listener, which Listen returns then, before
	// it starts anything: a gateway whose port is taken has subscribed to nothing.
	Listens bool
}

// A Gateway runs one configuration after the other. Load makes the first one
// live; only then may it serve.
type Gateway struct {
	options  Options
	keeper   component.Keeper
	live     atomic.Pointer[generation]
	tls      atomic.Pointer[tls.Config]
	draining atomic.Bool
	retiring sync.WaitGroup // what ends by itself, or when the gateway closes
	drained  sync.WaitGroup // ports that nobody needs any more
	stopping stopping

	loading chan struct{} // holds one load at a time, for as long as others make and start it

	mu      sync.Mutex // held for moments only
	closed  bool
	takes   bool             // sources run
	taking  *sources         // those of the live generation, nil if none have run
	listens net.Addr         // for the endpoints; nil before Listen
	opened  net.Listener     // by Load, until Listen returns it
	ports   map[string]*port // that are open, by address
	read    watch.Files      // what the live configuration is made from
	tried   watch.Files      // and the last one that was to be loaded
}

// New returns a gateway without a configuration.
func New(o Options) *Gateway {
	if o.Log == nil {
		o.Log = slog.DiscardHandler
	}
	return &Gateway{options: o, loading: make(chan struct{}, 1), stopping: newStopping()}
}

// ErrConfig says that a configuration has errors; the problems say which.
var ErrConfig = errors.New("the configuration has errors")

// ErrClosed says that a gateway was closed and takes no configuration any more.
var ErrClosed = errors.New("the gateway is closed")

// Compile makes a generation of the configuration without starting anything
// and gives it back at once. It returns every problem.
func (g *Gateway) Compile(ctx context.Context) (*compile.Generation, []*config.Problem) {
	next, problems := g.compile(ctx)
	if next.Generation == nil {
		return nil, problems
	}
	next.Discard()
	return next.Generation, problems
}

// A compilation is a generation that is not started yet.
type compilation struct {
	*compile.Generation             // nil if the configuration has errors
	tls                 *tls.Config // towards clients; nil for plain HTTP
	files               watch.Files // what it was made from, or was to be
	skipFiles           bool
}

func (g *Gateway) compile(ctx context.Context) (*compilation, []*config.Problem) {
	next := &compilation{skipFiles: g.options.SkipFiles, files: make(watch.Files)}
	d, problems := g.options.Load(ctx, next.files.Note)
	if d == nil {
		return next, problems
	}
	env := &component.Env{
		Product: g.options.Product,
		Clock:   time.Now,
		Keeper:  &g.keeper,
		Log:     component.NewLog(g.options.Log),
		Stdout:  g.options.Stdout,
		Stderr:  g.options.Stderr,
		Reads:   next.files.Note,
		TLS:     next.clientTLS,

		SkipFiles: g.options.SkipFiles,
		Getenv:    g.options.Getenv,
	}
	clients := make(map[model.Transport]gateway.Connector) // most backends have the same settings
	env.Dial = func(t model.Transport, c *tls.Config) (gateway.Connector, error) {
		if c != nil {
			return g.dialTLS(env, t, c), nil
		}
		if client := clients[t]; client != nil {
			return client, nil
		}
		client, err := g.dial(env, t)
		if err == nil {
			clients[t] = client
		}
		return client, err
	}
	own := machine
	if g.options.SkipFiles {
		own = nil // what is checked is to run elsewhere
	}
	var more []*config.Problem
	unread := config.HasErrors(problems)
	next.Generation, more = compile.Compile(d, compile.Options{
		Registry: g.options.Registry,
		Env:      env,
		Missing:  g.options.Missing,
		Without:  g.options.Without,

		Published: g.options.Published,
		Adjust:    g.options.Adjust,
		Check:     next.check,
		Machine:   own,
		Ready:     func() bool { return !g.draining.Load() },
	})
	for _, p := range more {
		// What could not be read is not looked at a second time.
		if !unread || !slices.ContainsFunc(problems, func(q *config.Problem) bool { return q.Path == p.Path }) {
			problems = append(problems, p)
		}
	}
	d.Trace(problems)
	config.Sort(problems)
	if g.options.Raise != nil {
		problems = g.options.Raise(problems)
	}
	if next.Generation != nil && config.HasErrors(problems) {
		next.Discard()
		next.Generation = nil
	}
	return next, problems
}

// machine returns the names and addresses of the machine, as far as they can be
// had: what is missing is no error, it is not recognised.
func machine() []string {
	var all []string
	if name, err := os.Hostname(); err == nil {
		all = append(all, name)
	}
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok {
			all = append(all, network.IP.String())
		}
	}
	return all
}

// note notes files that are about to be read.
func (c *compilation) note(files []string) {
	for _, name := range files {
		c.files.Note(name)
	}
}

// clientTLS returns the settings towards a server that o stands for, notes the files
// that they are made from, and tells what in o is probably not meant.
func (c *compilation) clientTLS(o *model.ClientTLS) (*tls.Config, []error, error) {
	if o != nil {
		c.note(o.Files())
		o.SkipFiles = c.skipFiles
	}
	settings, err := tlsx.Client(o)
	return settings, tlsx.ClientWarnings(o), err
}

// check makes the TLS settings towards clients and looks at those towards
// backends, which every dial would find wrong again.
func (c *compilation) check(s *model.Service) []*config.Problem {
	var problems []*config.Problem
	report := func(key string, sev config.Severity, code string, err error) {
		problems = append(problems, s.Node.Problems(sev, code, config.At(key, err))...)
	}
	if s.TLS != nil && !s.TLS.Disabled {
		c.note(s.TLS.Files())
		s.TLS.SkipFiles = c.skipFiles
		for _, warning := range tlsx.ServerWarnings(s.TLS) {
			report("tls", config.Warning, config.CodeSuspicious, warning)
		}
		for _, mistake := range tlsx.ServerMistakes(s.TLS) {
			report("tls", config.Warning, config.CodeMistake, mistake)
		}
		var err error
		if c.tls, err = tlsx.Server(s.TLS); err != nil {
			report("tls", config.Error, config.CodeInvalid, err)
		}
	}
	_, warnings, err := c.clientTLS(s.ClientTLS)
	for _, warning := range warnings {
		report("client_tls", config.Warning, config.CodeSuspicious, warning)
	}
	if err != nil {
		report("client_tls", config.Error, config.CodeInvalid, err)
	}
	return problems
}

// Load compiles the configuration, starts it beside the live one and swaps when connections
// that are new have been tried, two seconds later at most. The first one waits for none. A
// configuration with errors, or one that does not start, leaves everything as
// it was; then the error is ErrConfig or that of the start. After Close it is
// ErrClosed. Sources of the configuration run as long as the gateway serves. When ctx ends,
// Load gives up a moment later, even if a component does not look at that.
func (g *Gateway) Load(ctx context.Context) ([]*config.Problem, error) {
	select {
	case g.loading <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	type outcome struct {
		problems []*config.Problem
		err      error
	}
	done := make(chan outcome, 1)
	go func() {
		problems, err := g.load(ctx)
		<-g.loading
		done <- outcome{problems, err}
	}()
	select {
	case o := <-done:
		return o.problems, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done:
		return o.problems, o.err
	case <-time.After(moment):
		return nil, ctx.Err()
	}
}

// load is Load in its turn. What is made and started by others is done without the lock, so
// that whoever hangs there does not keep the gateway from stopping.
func (g *Gateway) load(ctx context.Context) (problems []*config.Problem, err error) {
	if g.isClosed() {
		return nil, ErrClosed
	}
	compiled, problems := g.compile(ctx)
	g.try(compiled.files)
	if err := ctx.Err(); err != nil {
		if compiled.Generation != nil {
			compiled.Discard()
		}
		return nil, err
	}
	if compiled.Generation == nil {
		return problems, ErrConfig
	}
	problems = append(problems, g.fixed(compiled.Service)...)
	if g.options.Listens && g.live.Load() == nil {
		if err := g.listenFirst(ctx, compiled.Service); err != nil {
			compiled.Discard()
			return problems, err
		}
		defer func() {
			if err != nil {
				g.unlisten()
			}
		}()
	}
	if err := compiled.Start(ctx); err != nil {
		if ended := ctx.Err(); ended != nil {
			return nil, ended
		}
		return problems, err
	}
	if g.live.Load() != nil { // and serves meanwhile
		if err := compiled.connected(ctx); err != nil && ctx.Err() == nil {
			compiled.Logger().Warn("the new configuration goes live before everything is connected", "after", connecting, "cause", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	if err := g.swap(ctx, compiled); err != nil {
		return problems, errors.Join(err, compiled.Close(context.WithoutCancel(ctx)))
	}
	return problems, nil
}

// connecting is how long what begins to connect at the start of a generation may take until
// that is live without it.
const connecting = 2 * time.Second

// connected waits for the first attempts to connect, but not for long. The error says what
// has not come to an end.
func (c *compilation) connected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connecting)
	defer cancel()
	return c.Await(ctx)
}

func (g *Gateway) isClosed() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// try notes what the configuration that is to be loaded is made from.
func (g *Gateway) try(files watch.Files) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tried = files
}

// swap makes a configuration that has started the live one. On an error nothing has
// changed.
func (g *Gateway) swap(ctx context.Context, compiled *compilation) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err // nobody waits for it any more
	}
	if g.closed {
		return ErrClosed
	}
	opened, err := g.open(ctx, compiled)
	if err != nil {
		return err
	}
	g.tls.Store(compiled.tls)
	g.read = compiled.files
	next := newGeneration(compiled.Generation)
	old := g.live.Swap(next)
	g.serve(next, opened)
	if g.takes {
		g.taking = g.run(next, g.taking)
	}
	if old != nil {
		g.retire(old)
	}
	return nil
}

// Files returns what the live configuration is made from, and the last one that was
// to be loaded.
func (g *Gateway) Files() watch.Files {
	g.mu.Lock()
	defer g.mu.Unlock()
	files := make(watch.Files)
	maps.Copy(files, g.read)
	maps.Copy(files, g.tried)
	return files
}

// RenewTLS reads the certificate files of the live configuration again, and
// reports whether they hold other certificates or authorities. On an error the
// old ones stay.
func (g *Gateway) RenewTLS() (renewed bool, err error) {
	s := g.Service()
	if s.TLS == nil || s.TLS.Disabled {
		return false, nil
	}
	next, err := tlsx.Server(s.TLS)
	if err != nil {
		return false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Service() != s {
		return false, nil // another configuration has just brought its own
	}
	was := g.tls.Swap(next)
	same := slices.EqualFunc(was.Certificates, next.Certificates, func(a, b tls.Certificate) bool {
		return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
	})
	return !same || !was.ClientCAs.Equal(next.ClientCAs), nil
}

// fixed reports what a reload cannot change.
func (g *Gateway) fixed(next *model.Service) []*config.Problem {
	live := g.live.Load()
	if live == nil {
		return nil
	}
	was := live.Service
	var problems []*config.Problem
	for _, setting := range []struct {
		key     string
		changed bool
	}{
		{"engine", g.engine(was).Name != g.engine(next).Name},
		{"port", was.Port != next.Port},
		{"listen_ip", was.ListenIP != next.ListenIP},
		{"tls", (was.TLS == nil || was.TLS.Disabled) != (next.TLS == nil || next.TLS.Disabled)},
		{"read_timeout", was.ReadTimeout != next.ReadTimeout},
		{"read_header_timeout", was.ReadHeaderTimeout != next.ReadHeaderTimeout},
		{"write_timeout", was.WriteTimeout != next.WriteTimeout},
		{"stall_timeout", was.StallTimeout != next.StallTimeout},
		{"idle_timeout", was.IdleTimeout != next.IdleTimeout},
		{"max_header_bytes", was.MaxHeaderBytes != next.MaxHeaderBytes},
		{"use_h2c", was.UseH2C != next.UseH2C},
	} {
		if setting.changed {
			problems = append(problems, next.Node.ProblemAt(setting.key, config.Warning, config.CodeNeedsRestart,
				errors.New("the listener keeps its old setting; restart the gateway to change it")))
		}
	}
	return problems
}

// retire ends a generation that is no longer live, after its last request. Only
// a gateway that stops may not wait so long.
func (g *Gateway) retire(gen *generation) {
	gen.leave()
	g.retiring.Go(func() {
		defer context.AfterFunc(g.stopping.cut, gen.Cut)()
		select {
		case <-gen.idle:
		case <-g.stopping.left.Done():
		}
		if err := gen.Close(g.stopping.over); err != nil {
			g.Logger().Error("closing the old configuration", "error", err)
		}
	})
}

// Logger returns the log of the live configuration, or the one of the options
// while there is none.
func (g *Gateway) Logger() *slog.Logger {
	if gen := g.live.Load(); gen != nil {
		return gen.Logger()
	}
	return slog.New(g.options.Log)
}

// Service returns the live configuration, without its endpoints.
func (g *Gateway) Service() *model.Service { return g.live.Load().Service }

// Mask hides the secrets of the live configuration in a text.
func (g *Gateway) Mask(text string) string { return g.live.Load().Mask(text) }

// Endpoints returns how many endpoints the live configuration has.
func (g *Gateway) Endpoints() int { return len(g.live.Load().Endpoints) }

// engine returns the engine that a configuration chooses.
func (g *Gateway) engine(s *model.Service) engine.Engine {
	i := slices.IndexFunc(g.options.Engines, func(e engine.Engine) bool { return e.Name == string(s.Engine) })
	return g.options.Engines[max(i, 0)]
}

// EngineFor returns the name of the engine that serves a configuration.
func (g *Gateway) EngineFor(s *model.Service) string { return g.engine(s).Name }

// Listen opens the listener of the live configuration, if Load has not.
func (g *Gateway) Listen(ctx context.Context) (net.Listener, error) {
	g.mu.Lock()
	l := g.opened
	g.opened = nil
	g.mu.Unlock()
	if l != nil {
		return l, nil
	}
	return g.listen(ctx, g.Service())
}

// listenFirst opens the listener for Listen.
func (g *Gateway) listenFirst(ctx context.Context, s *model.Service) error {
	l, err := g.listen(ctx, s)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		l.Close() // nothing has come
		return ErrClosed
	}
	g.opened = l
	return nil
}

// unlisten closes the listener that nobody has asked for.
func (g *Gateway) unlisten() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		g.opened.Close() // what came has seen no gateway yet
		g.opened, g.listens = nil, nil
	}
}

func (g *Gateway) listen(ctx context.Context, s *model.Service) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(s.ListenIP, strconv.Itoa(s.Port)))
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listens = l.Addr()
	return l, nil
}

// Serve answers clients from l, and runs the sources, until ctx is done. Then it goes on
// for shutdown_delay while readiness tells balancers, without sources, then drains: no new
// connections, requests and messages in flight may end within max_shutdown_wait_time. It
// returns nil after a stop that was asked for, and the error of the listener
// or of requests that had to be cut otherwise.
func (g *Gateway) Serve(ctx context.Context, l net.Listener) error {
	s := g.Service()
	settings := engine.Settings{
		ReadTimeout:       time.Duration(s.ReadTimeout),
		ReadHeaderTimeout: time.Duration(s.ReadHeaderTimeout),
		WriteTimeout:      time.Duration(s.WriteTimeout),
		StallTimeout:      time.Duration(s.StallTimeout),
		IdleTimeout:       time.Duration(s.IdleTimeout),
		MaxHeaderBytes:    s.MaxHeaderBytes,
		H2C:               s.UseH2C,
		ErrorLog:          func(msg string, err error) { g.Logger().Debug(msg, "error", err) },
	}
	if c := g.tls.Load(); c != nil {
		settings.TLS = c.Clone()
		settings.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return g.tls.Load(), nil }
	}
	server := g.engine(s).NewServer(settings)
	g.take()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(&listener{Listener: l, g: g}, g) }()
	select {
	case err := <-failed:
		return errors.Join(err, g.stop(server))
	case <-ctx.Done():
	}
	g.draining.Store(true)
	g.leave()
	select {
	case err := <-failed:
		return errors.Join(err, g.stop(server))
	case <-time.After(time.Duration(g.Service().ShutdownDelay)):
	}
	err := g.stop(server)
	return errors.Join(err, <-failed)
}

// Do answers an exchange in the live generation. It fails only if the client
// is gone, so that there is nobody to answer.
func (g *Gateway) Do(ctx context.Context, x *gateway.Exchange) error {
	gen := g.pin()
	gen.begin(x)
	err := gen.Generation.Do(ctx, x)
	x.Err = err
	failure := err
	if failure == nil {
		failure = x.Response.Missing // an answer may do without what nobody waited for
	}
	switch {
	case failure == nil:
	case errors.Is(ctx.Err(), context.Canceled):
		e := gateway.Left(ctx, failure)
		e.Status = cutStatus
		return e
	case gateway.Cut(failure):
		return failure
	}
	return nil
}

// cutStatus is that of an exchange that ended before its answer, because the
// client left or the gateway stopped. Nobody sees it but observers.
const cutStatus = 499

// status returns that of an exchange for observers.
func status(sent gateway.Sent, err error) int {
	if err != nil {
		if gateway.Cut(err) {
			return cutStatus
		}
	}
	return sent.Status
}

// Done ends an exchange.
func (g *Gateway) Done(x *gateway.Exchange, sent gateway.Sent, err error) {
	gen := x.Pin.(*generation)
	defer x.Release()
	status := status(sent, err)
	gen.tell(x, status, err)
	if observers := gen.Observers(); len(observers) > 0 {
		o := telemetry.Outcome{Started: x.Started, Took: time.Since(x.Started), Status: status, Written: sent.Bytes, Err: err, Broken: err != nil && sent.Status != 0}
		if o.Err == nil {
			o.Err = x.Err
		}
		for _, observer := range observers {
			if err := observer.Tell(x, o); err != nil {
				gen.blame(err, "endpoint", x.Endpoint, "request_id", x.ID())
			}
		}
	}
}

// tell puts the failure of an exchange, which ends with err for its engine, into the log,
// once: the access log may be off, observers may not say why, and of ports there are none.
func (gen *generation) tell(x *gateway.Exchange, status int, err error) {
	if err == nil && x.Err == nil && x.Response.Missing == nil {
		return
	}
	failure := cmp.Or(err, x.Err, x.Response.Missing)
	facts := []any{"method", x.Sent().Method(), "endpoint", x.Endpoint, "status", status, "request_id", x.ID()}
	if fault := faultOf(cmp.Or(x.Err, x.Response.Missing), err); fault != nil {
		gen.blame(fault, facts...)
		return
	}
	gen.Logger().Debug("request failed", append(facts, "error", failure)...)
}

// faultOf returns the failure of an exchange, or of a part of it, if that is one of the
// gateway itself, whatever the client got: any that has no cause that is known, or one that
// an engine calls so.
func faultOf(failure, sending error) error {
	if failure != nil && gateway.AsError(failure).Code == gateway.CodeInternal {
		return failure
	}
	if e, ok := errors.AsType[*gateway.Error](sending); ok && e.Code == gateway.CodeInternal {
		return sending
	}
	return nil
}

// dial returns a client for these settings. Clients with equal settings, the
// contents of certificate files included, are one client, which survives
// reloads.
func (g *Gateway) dial(env *component.Env, t model.Transport) (gateway.Connector, error) {
	c, _, err := env.TLS(t.ClientTLS)
	if err != nil {
		return nil, config.At("client_tls", err)
	}
	id, err := transportID(t)
	if err != nil {
		return nil, err
	}
	chosen := g.engine(env.Service)
	return component.KeepIn(env, chosen.Name+" "+id, func() (engine.Client, func(), error) {
		client := chosen.NewClient(t, c)
		return client, client.Close, nil
	})
}

// dialTLS returns a client with TLS settings of its own, which ends with its
// generation.
func (g *Gateway) dialTLS(env *component.Env, t model.Transport, c *tls.Config) gateway.Connector {
	client := g.engine(env.Service).NewClient(t, c)
	env.OnClose(func(context.Context) error { client.Close(); return nil })
	return client
}

// transportID is equal for transports that may share their connections.
func transportID(t model.Transport) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("transport settings: %w", err)
	}
	sum := sha256.New()
	sum.Write(text)
	fmt.Fprintf(sum, "%s %t", t.Proxy, t.H2C)
	if t.ClientTLS != nil && !t.ClientTLS.SkipFiles {
		for _, name := range t.ClientTLS.Files() {
			data, err := config.ReadFile(name)
			if err != nil {
				return "", err
			}
			sum.Write(data)
		}
	}
	return fmt.Sprintf("transport %x", sum.Sum(nil)), nil
}
