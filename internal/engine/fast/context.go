package fast

import (
	"context"
	"slices"
	"sync"
	"time"
)

// An exchangeContext is the context of one exchange. It has no deadline and no
// values, and ends when the client is gone, when the server cuts the
// connection, or when the exchange is over.
//
// Its channel is made when somebody asks for it. As long as nobody has asked
// and nobody waits, the next exchange of the connection uses the same context.
type exchangeContext struct {
	mu      sync.Mutex
	err     error
	done    chan struct{} // nil as long as nobody asked
	waiting []*afterEnd
}

// An afterEnd is a function that runs when the context ends.
type afterEnd struct{ run func() }

var _ context.Context = (*exchangeContext)(nil)

// Deadline returns none.
func (c *exchangeContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value returns nil.
func (c *exchangeContext) Value(any) any { return nil }

// Err returns context.Canceled once the context has ended, [gateway.ErrStopped] if
// the server has cut the connection.
func (c *exchangeContext) Err() error {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	return err
}

// Done returns a channel that is closed when the context ends.
func (c *exchangeContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// AfterFunc runs f in a goroutine of its own when the context has ended, unless
// stop is called before; stop reports whether it was in time. Package context
// looks for this method: with it, a context derived from this one costs no
// goroutine.
func (c *exchangeContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	entry := &afterEnd{f}
	c.waiting = append(c.waiting, entry)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.waiting, entry)
		if i < 0 {
			return false
		}
		c.waiting = slices.Delete(c.waiting, i, i+1)
		return true
	}
}

// end ends the context: err is what Err returns from now on.
func (c *exchangeContext) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	for _, entry := range c.waiting {
		go entry.run()
	}
	c.waiting = nil
}

// unused reports whether the context has not ended and nobody can be waiting
// for its end.
func (c *exchangeContext) unused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && c.done == nil && len(c.waiting) == 0
}
