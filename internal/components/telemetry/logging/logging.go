package logging

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/routing"
)

//go:embed options.go
var source string

//go:embed doc.go
var doc string

var aliases = []string{"github.com/devopsfaith/krakend-gologging"}

var (
	info = component.Info{
		Namespace: "telemetry/logging",
		Aliases:   aliases,
		Summary:   "Sets where the log goes and how its lines look.",
		Source:    source,
		Doc:       doc,
		Implicit:  component.InService,
	}
	backendInfo = component.Info{
		Namespace: "telemetry/logging",
		Aliases:   aliases,
		Summary:   "Writes a line for each call to a backend.",
		Source:    source,
		Doc:       doc,
		Implicit:  component.InBackend, // the service may ask for lines of every backend
	}
)

func init() {
	component.Register(
		component.Service(info, build),
		component.Backend(backendInfo, buildBackend),
	)
}

// linesKey is where the service says how calls to backends are told of.
var linesKey = component.NewKey[*Lines]("backend lines of telemetry/logging")

func build(s *component.ServiceSite, o Options) error {
	about, err := buildAccess(s, o)
	if err != nil {
		return err
	}
	if o.Backend != nil {
		if err := component.Provide(s, linesKey, o.Backend); err != nil {
			return err
		}
	}
	if !s.Declared() {
		describe(s, about)
		s.Logger(newHandler(o.Level.slog(), s.Mask(), stream(s.Stderr(), plain)))
		return nil
	}
	var sinks []func(*record) error
	if o.Stdout {
		format, err := format(o, s.Stdout().Terminal())
		if err != nil {
			return err
		}
		sinks = append(sinks, stream(s.Stdout(), format))
		about = format
	}
	describe(s, about)
	if o.Syslog {
		sinks = append(sinks, openSyslog(s, o.SyslogFacility))
	}
	if len(sinks) == 0 {
		s.Warn("stdout", errors.New("is off, and so is syslog: the application log goes nowhere; set one of them"))
	}
	if o.CustomFormat != "" && o.Format != "custom" {
		s.Warn("custom_format", errors.New(`has no effect without "format": "custom"; set it, or remove the pattern`))
	}
	s.Logger(newHandler(o.Level.slog(), s.Mask(), sinks...))
	return nil
}

// describe sets how standard output tells of itself once the configuration goes
// live: as the other lines there look, so that whoever reads them by machine reads
// these, too.
func describe(s *component.ServiceSite, about recordFormat) {
	out := s.Stdout()
	s.OnStart(func(context.Context) error {
		out.Format(func(dst []byte, from slog.Record) []byte { return append(about(dst, newRecord(from)), '\n') })
		return nil
	})
}

// format returns the format of lines on standard output.
func format(o Options, colours bool) (recordFormat, error) {
	switch o.Format {
	case "logstash":
		return logstash, nil
	case "custom":
		return compileRecord(o.CustomFormat, colours)
	}
	line, err := compileRecord("%{time:2006/01/02 - 15:04:05.000} %{color}▶ %{level}%{color:reset} %{message}", colours)
	if err != nil || o.Prefix == "" {
		return line, err
	}
	return func(dst []byte, r *record) []byte {
		return line(append(append(dst, o.Prefix...), ' '), r)
	}, nil
}

// openSyslog returns a sink for the system log, which is connected when the
// generation starts. Until then, and if that is not possible, lines go to
// standard error.
func openSyslog(s *component.ServiceSite, f Facility) func(*record) error {
	system := &systemLog{instead: s.Stderr(), clock: s.Clock()}
	log := s.Log()
	s.OnStart(func(context.Context) error {
		if err := system.connect(f); err != nil {
			log.Warn("system log cannot be reached, writing to standard error", "error", err)
		}
		return nil
	})
	s.OnClose(func(context.Context) error { return system.disconnect() })
	return system.sink
}

// buildAccess installs the access log, unless the namespace router turns it
// off. It returns how lines about standard output look beside its own.
func buildAccess(s *component.ServiceSite, o Options) (about recordFormat, err error) {
	if o.AccessLogCustomFormat != "" && o.AccessLogFormat != "custom" {
		s.Warn("access_log_custom_format", errors.New(`has no effect without "access_log_format": "custom"; set it, or remove the pattern`))
	}
	r, _ := component.Use(&s.Site, routing.Key)
	if r.NoAccessLog {
		return plain, nil
	}
	pattern, named := accessPatterns[o.AccessLogFormat]
	if !named {
		pattern = o.AccessLogCustomFormat
	}
	t, err := compileLine(pattern, o.Prefix, o.AccessLogMissingKeyMarker)
	if err != nil {
		return nil, err
	}
	s.Observer(&accessLog{template: t, explains: pattern == defaultAccess, out: s.Stdout(), skip: r.SkipLogPaths, mask: s.Mask()})
	if strings.HasPrefix(pattern, "{") {
		return object, nil
	}
	return plain, nil
}

func buildBackend(s *component.BackendSite, o BackendOptions) error {
	lines := o.Backend
	if lines == nil {
		lines, _ = component.Use(&s.Site, linesKey)
	}
	if lines == nil {
		if s.Declared() {
			s.Warn("", errors.New("has no effect without backend; add it, or remove the namespace"))
		}
		return nil
	}
	t, err := compileLine(lines.CustomFormat, lines.Prefix, lines.NoValue)
	if err != nil {
		return err
	}
	c := &callLog{template: t, out: s.Stdout(), clock: s.Clock(), mask: s.Mask(), open: component.NewSlot[*line](&s.Site)}
	if lines.LogWithLevel != "" {
		c.log, c.level = s.Log(), lines.LogWithLevel.slog()
	}
	s.Stage(component.BackendObserve, c)
	return nil
}
