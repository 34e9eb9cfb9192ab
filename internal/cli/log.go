package cli

import (
	"io"
	"log/slog"
)

// newHandler returns the handler that the log ends in before a configuration
// says otherwise.
func newHandler(w io.Writer, level slog.Level) slog.Handler {
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
}
