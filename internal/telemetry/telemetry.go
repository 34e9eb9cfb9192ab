package telemetry

import (
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
}

// An Observer is told how exchanges ended. Observe is called from many
// goroutines; it keeps nothing of x and does not block.
type Observer interface {
	Observe(x *gateway.Exchange, o Outcome)
}
