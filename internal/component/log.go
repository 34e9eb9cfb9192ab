package component

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// A Log is the log of a generation. Loggers made from it before its end was
// replaced follow to the new end.
type Log struct {
	end atomic.Pointer[slog.Handler]
}

// NewLog returns a log that ends in h.
func NewLog(h slog.Handler) *Log {
	l := new(Log)
	l.redirect(h)
	return l
}

func (l *Log) redirect(h slog.Handler) { l.end.Store(&h) }

// Logger returns a logger for the log.
func (l *Log) Logger() *slog.Logger { return slog.New(follower{log: l}) }

// A follower hands records to whatever the log ends in at that moment. Its
// attributes and groups are replayed, because the end may be replaced after
// they were given.
type follower struct {
	log   *Log
	steps []func(slog.Handler) slog.Handler
}

func (f follower) Enabled(ctx context.Context, level slog.Level) bool {
	return (*f.log.end.Load()).Enabled(ctx, level)
}

func (f follower) Handle(ctx context.Context, r slog.Record) error {
	h := *f.log.end.Load()
	for _, step := range f.steps {
		h = step(h)
	}
	return h.Handle(ctx, r)
}

func (f follower) WithAttrs(attrs []slog.Attr) slog.Handler {
	return f.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (f follower) WithGroup(name string) slog.Handler {
	return f.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (f follower) with(step func(slog.Handler) slog.Handler) slog.Handler {
	f.steps = append(f.steps[:len(f.steps):len(f.steps)], step)
	return f
}
