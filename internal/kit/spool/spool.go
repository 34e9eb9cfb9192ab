package spool

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// DefaultLimit is how many bytes wait at most if the options do not say it.
	// About as many may be on their way to the stream.
	DefaultLimit = 1 << 20

	// atomic is the most that a pipe takes in one piece, whoever else writes to
	// it: PIPE_BUF of POSIX, as Linux has it.
	atomic = 4096

	keep = 64 << 10 // larger buffers are left to the collector
)

// Options configure a spool. The zero value is ready for use.
type Options struct {
	Limit int // bytes that wait at most; 0 is DefaultLimit

	// Gone is told once that the stream fails, with the reason, and again only
	// after it has worked in between. It must not write to the same spool. It may
	// be nil.
	Gone func(error)
}

// A Spool is a telemetry.Output: it takes lines and writes them to a stream when
// that takes them. It is safe for concurrent use.
type Spool struct {
	w       io.Writer
	options Options
	done    chan struct{} // closed when the goroutine has ended
	wake    chan struct{} // has room for one

	mu      sync.Mutex
	pending []byte // whole lines
	lost    uint64 // lines that are missing behind pending
	busy    bool   // the goroutine has been woken and has not found pending empty since
	closed  bool
	idle    []chan struct{} // closed when there is nothing left to write
	format  func([]byte, slog.Record) []byte

	// Of the goroutine.
	spare  []byte // is pending next
	broken bool   // the stream fails
	torn   bool   // what was written last has no end
}

// New returns a spool for w, whose goroutine runs until Close.
func New(w io.Writer, o Options) *Spool {
	if o.Limit <= 0 {
		o.Limit = DefaultLimit
	}
	s := &Spool{w: w, options: o, done: make(chan struct{}), wake: make(chan struct{}, 1), format: text}
	go s.run()
	return s
}

// Write takes whole lines. It does not wait, does not keep p, and always reports
// success: lines for which there is no room are counted instead.
func (s *Spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	if s.closed || len(s.pending)+len(p) > s.options.Limit {
		s.lost += count(p)
		s.mu.Unlock()
		return len(p), nil
	}
	s.pending = append(s.pending, p...)
	woken := s.busy
	s.busy = true
	s.mu.Unlock()
	if !woken {
		s.wake <- struct{}{} // has room: only who makes it busy gets here
	}
	return len(p), nil
}

// Tell writes a line about the log itself, in the format of the others.
func (s *Spool) Tell(r slog.Record) {
	s.mu.Lock()
	format := s.format
	s.mu.Unlock()
	s.Write(format(nil, r))
}

// Format sets how lines about the log itself look; f appends one with its end. It
// is a line of text until then.
func (s *Spool) Format(f func(dst []byte, r slog.Record) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.format = f
}

// Terminal reports whether a person reads the stream.
func (s *Spool) Terminal() bool {
	f, ok := s.w.(*os.File)
	if !ok {
		return false
	}
	about, err := f.Stat()
	return err == nil && about.Mode()&os.ModeCharDevice != 0
}

// Flush waits until everything that was taken before is written, or is known to
// be lost, at most until ctx is done.
func (s *Spool) Flush(ctx context.Context) {
	s.mu.Lock()
	if !s.busy {
		s.mu.Unlock()
		return
	}
	idle := make(chan struct{})
	s.idle = append(s.idle, idle)
	s.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// Close takes no more lines and waits until the others are written, at most until
// ctx is done; a write that hangs then is left behind. It is called once.
func (s *Spool) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	woken := s.busy
	s.busy = true
	s.mu.Unlock()
	if !woken {
		s.wake <- struct{}{}
	}
	select {
	case <-s.done:
	case <-ctx.Done():
	}
}

// run writes until the spool is closed and empty.
func (s *Spool) run() {
	defer close(s.done)
	for range s.wake {
		// Requests that are about to end add their lines to this turn.
		runtime.Gosched()
		for {
			batch, lost, more := s.take()
			if len(batch) > 0 {
				s.write(batch, lost)
				continue
			}
			if !more {
				return
			}
			break
		}
	}
}

// take returns the lines that wait, with how many are missing behind them and the
// line about that. Without any the goroutine is idle from now on, or over if more
// is false.
func (s *Spool) take() (batch []byte, lost uint64, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost > 0 && !s.broken {
		lost, s.lost = s.lost, 0
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "lines of this log were lost, nobody read them in time", 0)
		r.AddAttrs(slog.Uint64("lines", lost))
		s.pending = s.format(s.pending, r)
	}
	if len(s.pending) == 0 {
		s.busy = false
		for _, idle := range s.idle {
			close(idle)
		}
		s.idle = nil
		return nil, 0, !s.closed
	}
	batch = s.pending
	s.pending = s.spare[:0]
	s.spare = nil
	return batch, lost, true
}

// write hands a batch to the stream, in pieces of whole lines that no other writer
// of a pipe can interrupt. lost is how many lines its last line reports missing, 0
// if it reports none.
func (s *Spool) write(batch []byte, lost uint64) {
	rest, err := batch, s.mend()
	for len(rest) > 0 && err == nil {
		var n int
		n, err = s.w.Write(piece(rest))
		rest = rest[n:]
	}
	if len(rest) == 0 {
		s.broken = false
	} else {
		s.torn = s.torn || len(rest) < len(batch) && batch[len(batch)-len(rest)-1] != '\n'
		s.fail(rest, lost, err)
	}
	if cap(batch) <= keep {
		s.spare = batch
	}
}

// mend ends the line that a failure has left without an end.
func (s *Spool) mend() error {
	if !s.torn {
		return nil
	}
	_, err := io.WriteString(s.w, "\n")
	s.torn = err != nil
	return err
}

// fail counts the lines that were not written, and reports a stream that worked
// until now.
func (s *Spool) fail(rest []byte, lost uint64, err error) {
	told := s.broken
	s.broken = true
	s.mu.Lock()
	s.lost += count(rest)
	if lost > 0 {
		s.lost += lost - 1 // the line about them is none of them
	}
	s.mu.Unlock()
	if !told && s.options.Gone != nil {
		s.options.Gone(err)
	}
}

// piece returns the whole lines that go together, or a line that is too long for
// that.
func piece(rest []byte) []byte {
	if len(rest) <= atomic {
		return rest
	}
	end := bytes.LastIndexByte(rest[:atomic], '\n') + 1
	if end == 0 {
		end = bytes.IndexByte(rest, '\n') + 1
	}
	if end == 0 {
		return rest
	}
	return rest[:end]
}

// count returns the number of lines, at least one.
func count(lines []byte) uint64 { return uint64(max(bytes.Count(lines, []byte{'\n'}), 1)) }

// text appends a line as the log has them that nobody configured.
func text(dst []byte, r slog.Record) []byte {
	dst = r.Time.AppendFormat(dst, "2006/01/02 15:04:05 ")
	if r.Level >= slog.LevelError {
		dst = append(dst, "ERROR "...)
	} else {
		dst = append(dst, "WARNING "...)
	}
	dst = append(dst, r.Message...)
	r.Attrs(func(a slog.Attr) bool {
		dst = append(dst, ' ')
		dst = append(dst, a.Key...)
		dst = append(dst, '=')
		v := a.Value.String()
		if strings.ContainsAny(v, " =\"\n") {
			dst = strconv.AppendQuote(dst, v)
		} else {
			dst = append(dst, v...)
		}
		return true
	})
	return append(dst, '\n')
}
