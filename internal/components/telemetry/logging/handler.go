package logging

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/spool"
)

// A handler is the end of the application log: it hands each record to its
// sinks. It is safe for concurrent use.
type handler struct {
	level  slog.Level
	sinks  []func(*record) error
	lines  *atomic.Uint64      // written so far
	fields []field             // of the logger
	prefix string              // of the group that is open, with a dot
	mask   func(string) string // hides secrets; nil if there are none
}

func newHandler(level slog.Level, mask func(string) string, sinks ...func(*record) error) *handler {
	return &handler{level: level, mask: mask, sinks: sinks, lines: new(atomic.Uint64)}
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
	if h.mask != nil {
		r.hide(h.mask)
	}
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

// A systemLog is a sink for the system log, which takes lines at its own pace.
type systemLog struct {
	instead io.Writer // for lines that the system log does not take
	clock   component.Clock

	mu    sync.RWMutex
	lines *spool.Spool // nil while there is no connection
	close func() error
}

// connect opens the connection.
func (s *systemLog) connect(f Facility) error {
	write, closer, err := dialSyslog(f)
	if err != nil {
		return err
	}
	s.open(write, closer)
	return nil
}

// open takes a connection.
func (s *systemLog) open(write func(slog.Level, string) error, closer func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = spool.New(&severities{write, s.instead, s.clock}, spool.Options{})
	s.lines.Format(func(dst []byte, r slog.Record) []byte { return appendSystem(dst, newRecord(r)) })
	s.close = closer
}

// disconnect closes the connection, if there is one. Lines that it has not taken
// within a moment are given up.
func (s *systemLog) disconnect() error {
	s.mu.Lock()
	lines, closer := s.lines, s.close
	s.lines, s.close = nil, nil
	s.mu.Unlock()
	if lines == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	lines.Close(ctx) // without the lock, for lines that come now go elsewhere
	return closer()
}

// sink writes a line with the severity of the record.
func (s *systemLog) sink(r *record) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	buf := body.NewBuffer()
	defer buf.Free()
	var err error
	if s.lines == nil {
		buf.B = append(plain(buf.B, r), '\n')
		_, err = s.instead.Write(buf.B)
	} else {
		buf.B = appendSystem(buf.B, r)
		_, err = s.lines.Write(buf.B)
	}
	return err
}

// appendSystem appends a line for [severities]: the first byte is the level.
func appendSystem(dst []byte, r *record) []byte {
	dst = append(dst, levelName(r.level)[0])
	return append(r.appendText(dst), '\n')
}

// levelOf returns the level whose name begins with a letter.
func levelOf(initial byte) slog.Level {
	for _, name := range Level("").Enum() {
		if name[0] == initial {
			return Level(name).slog()
		}
	}
	return slog.LevelInfo
}

// severities hands each line to the system log with its severity.
type severities struct {
	write   func(slog.Level, string) error
	instead io.Writer
	clock   component.Clock
}

// Write always succeeds: a line that the system log does not take goes elsewhere.
func (s *severities) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		level, text := levelOf(line[0]), line[1:len(line)-1]
		if err := s.write(level, levelName(level)+" > "+string(text)); err != nil {
			at := s.clock().AppendFormat(nil, "2006/01/02 15:04:05 ")
			at = append(append(at, levelName(level)...), ' ')
			s.instead.Write(append(append(at, text...), '\n')) // it counts what it cannot write
		}
	}
	return len(p), nil
}
