package logging

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sluice-gateway/sluice/internal/body"
)

// A handler is the end of the application log: it hands each record to its
// sinks. It is safe for concurrent use.
type handler struct {
	level  slog.Level
	sinks  []func(*record) error
	lines  *atomic.Uint64 // written so far
	fields []field        // of the logger
	prefix string         // of the group that is open, with a dot
}

func newHandler(level slog.Level, sinks ...func(*record) error) *handler {
	return &handler{level: level, sinks: sinks, lines: new(atomic.Uint64)}
}

// Enabled reports whether lines of a level are written.
func (h *handler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= h.level && len(h.sinks) > 0
}

// Handle writes a record.
func (h *handler) Handle(_ context.Context, from slog.Record) error {
	r := record{id: h.lines.Add(1), time: from.Time, level: from.Level, message: from.Message, fields: slices.Clip(h.fields)}
	from.Attrs(func(a slog.Attr) bool {
		r.fields = appendFields(r.fields, h.prefix, a)
		return true
	})
	var errs []error
	for _, sink := range h.sinks {
		errs = append(errs, sink(&r))
	}
	return errors.Join(errs...)
}

// WithAttrs returns a handler that adds attributes to every record.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.fields = slices.Clip(h.fields)
	for _, a := range attrs {
		c.fields = appendFields(c.fields, h.prefix, a)
	}
	return &c
}

// WithGroup returns a handler that puts later attributes into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// stream returns a sink that writes lines to w, one Write for each, which is
// what keeps the lines of several goroutines apart on a file.
func stream(w io.Writer, format recordFormat) func(*record) error {
	return func(r *record) error {
		buf := body.NewBuffer()
		defer buf.Free()
		buf.B = append(format(buf.B, r), '\n')
		_, err := w.Write(buf.B)
		return err
	}
}

// A systemLog is a sink for the system log.
type systemLog struct {
	instead func(*record) error // while there is no connection

	mu    sync.RWMutex
	write func(l slog.Level, line string) error // nil while there is no connection
	close func() error
}

// connect opens the connection.
func (s *systemLog) connect(f Facility) error {
	write, closer, err := dialSyslog(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write, s.close = write, closer
	return nil
}

// disconnect closes the connection, if there is one.
func (s *systemLog) disconnect() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.write == nil {
		return nil
	}
	closer := s.close
	s.write, s.close = nil, nil
	return closer()
}

// sink writes a line with the severity of the record.
func (s *systemLog) sink(r *record) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.write == nil {
		return s.instead(r)
	}
	line := append([]byte(levelName(r.level)), " > "...)
	if err := s.write(r.level, string(r.appendText(line))); err != nil {
		return errors.Join(err, s.instead(r))
	}
	return nil
}
