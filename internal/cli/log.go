package cli

import (
	"context"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/kit/spool"
)

// newHandler returns the handler that the log ends in before a configuration
// says otherwise.
func newHandler(w io.Writer, level slog.Level) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
}

// lastLines is how long the program waits at its end, or between many lines at its
// start, for whoever reads its logs.
const lastLines = time.Second

// openLogs makes both streams such that nobody waits for their readers: from now on
// all that this program writes goes through there, until closeLogs. A reader that
// leaves does not end the program. Both are one if they lead to the same place, so
// that their lines stay apart.
func (a *app) openLogs() (out, errOut *spool.Spool) {
	signal.Ignore(syscall.SIGPIPE) // a failed write says the same
	tell := func(other **spool.Spool, message string) spool.Options {
		return spool.Options{Gone: func(err error) {
			r := slog.NewRecord(time.Now(), slog.LevelError, message, 0)
			r.AddAttrs(slog.Any("error", err))
			(*other).Tell(r)
		}}
	}
	if sameFile(a.logs, a.stderr) {
		errOut = spool.New(a.stderr, spool.Options{})
		out = errOut
	} else {
		errOut = spool.New(a.stderr, tell(&out, "standard error cannot be written, its lines are lost"))
		out = spool.New(a.logs, tell(&errOut, "standard output cannot be written, its lines are lost"))
	}
	if a.stdout == a.stderr {
		a.stdout = errOut
	} else {
		a.stdout = out
	}
	a.stderr = errOut
	a.flush = func() { within(lastLines, errOut.Flush) }
	a.closeLogs = func() {
		if out != errOut {
			within(lastLines, out.Close) // first, because the other one tells if that is not possible
		}
		within(lastLines, errOut.Close)
		signal.Reset(syscall.SIGPIPE)
	}
	return out, errOut
}

// within calls f with a context that ends after d.
func within(d time.Duration, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	f(ctx)
}

// libraries is where package log writes to while the gateway runs: libraries tell
// there what no caller of theirs asked about, past all levels and formats.
type libraries struct{ log func() *slog.Logger }

// Write hands a line on, without what a backend has sent.
func (l libraries) Write(p []byte) (int, error) {
	line, _, _ := strings.Cut(string(p), "\n")
	line, _, _ = strings.Cut(line, " starting with \"")
	l.log().Debug("a library says", "line", line)
	return len(p), nil
}

// takeLibraries lets the lines of libraries go to the log, until the result is called.
func takeLibraries(to func() *slog.Logger) (restore func()) {
	w, flags := log.Writer(), log.Flags()
	log.SetOutput(libraries{to})
	log.SetFlags(0)
	return func() {
		log.SetOutput(w)
		log.SetFlags(flags)
	}
}

// sameFile reports whether two streams of the process lead to the same place.
func sameFile(a, b io.Writer) bool {
	if a == b {
		return true
	}
	first, ok := a.(*os.File)
	second, also := b.(*os.File)
	if !ok || !also {
		return false
	}
	one, err := first.Stat()
	if err != nil {
		return false
	}
	other, err := second.Stat()
	return err == nil && os.SameFile(one, other)
}
