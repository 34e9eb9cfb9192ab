package plan

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A deadline is a context with a deadline that costs a timer and a channel only
// if somebody waits for it. Most calls do not: they give the deadline to a
// socket.
type deadline struct {
	parent context.Context
	at     time.Time

	mu     sync.Mutex
	waited context.Context // what Done was asked of; nil as long as it was not
	cancel context.CancelFunc
	over   bool
}

// Within derives a deadline from ctx that ends with x; 0 is none.
func Within(ctx context.Context, x *gateway.Exchange, d time.Duration) context.Context {
	if d == 0 {
		return ctx
	}
	c := &deadline{parent: ctx, at: time.Now().Add(d)}
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(c.at) {
		c.at = earlier
	}
	if x.Parent == nil && (x.Until.IsZero() || c.at.Before(x.Until)) {
		x.Until = c.at
	}
	x.OnRelease(c.end)
	return c
}

// end ends the context.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.cancel != nil {
		d.cancel()
	}
}

// Deadline returns when the context ends.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done returns a channel that is closed when the context ends.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waited == nil {
		d.waited, d.cancel = context.WithDeadline(d.parent, d.at)
		if d.over {
			d.cancel()
		}
	}
	return d.waited.Done()
}

// Err returns why the context has ended, nil if it has not. The time counts even
// if the timer is late: a socket with the same deadline may have ended before.
func (d *deadline) Err() error {
	d.mu.Lock()
	waited, over := d.waited, d.over
	d.mu.Unlock()
	if waited == nil {
		if over {
			return context.Canceled
		}
		waited = d.parent
	}
	err := waited.Err()
	if err == nil && time.Until(d.at) <= 0 {
		return context.DeadlineExceeded
	}
	return err
}

// Value returns the value of the parent. Package context finds the context that
// is waited for by it, and derives others from that one without a goroutine.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	waited := d.waited
	d.mu.Unlock()
	if waited != nil {
		return waited.Value(key)
	}
	return d.parent.Value(key)
}
