package telemetry

import (
	"io"
	"log/slog"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// An Outcome is how an exchange ended.
type Outcome struct {
	Started time.Time
	Took    time.Duration
	Status  int   // sent to the client; 499 if it left, or the gateway stopped, before the answer was whole; else 0 if nothing was
	Written int64 // bytes of the body that were sent
	Err     error // why the answer failed or broke off; nil for a good one
	Broken  bool  // the answer had begun, and did not arrive whole
}

// An Observer is told how exchanges ended. Observe is called from many
// goroutines; it keeps nothing of x and does not block.
type Observer interface {
	Observe(x *gateway.Exchange, o Outcome)
}

// An Output is a stream of lines that people and machines read, such as standard
// output. Nobody waits for it: lines that nobody reads are lost, counted, and
// their number is told when lines flow again. It is safe for concurrent use.
type Output interface {
	// Write takes whole lines and always succeeds at once.
	io.Writer

	// Format sets how lines about the stream itself look: f appends one, with its
	// end. They are text until then.
	Format(f func(dst []byte, r slog.Record) []byte)

	// Terminal reports whether a person reads the stream.
	Terminal() bool
}

// Discard is an [Output] that nobody reads.
var Discard Output = discard{}

type discard struct{}

func (discard) Write(p []byte) (int, error)             { return len(p), nil }
func (discard) Format(func([]byte, slog.Record) []byte) {}
func (discard) Terminal() bool                          { return false }
