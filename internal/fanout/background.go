package fanout

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Background is the calls of a generation that nobody waits for but its end. It is
// safe for concurrent use.
type Background struct {
	running sync.WaitGroup
	life    context.Context // of all of the calls
	cut     context.CancelCauseFunc
}

// NewBackground returns one without calls.
func NewBackground() *Background {
	b := new(Background)
	b.life, b.cut = context.WithCancelCause(context.Background())
	return b
}

// start runs f on a goroutine of its own; its context ends after the timeout, or with Cut.
func (b *Background) start(timeout time.Duration, f func(context.Context)) {
	b.running.Go(func() {
		ctx, cancel := context.WithTimeout(b.life, timeout)
		defer cancel()
		f(ctx)
	})
}

// Wait waits for the calls that were begun.
func (b *Background) Wait() { b.running.Wait() }

// Cut ends the calls, and all that may follow.
func (b *Background) Cut() { b.cut(gateway.ErrStopped) }
