package fanout

import (
	"context"
	"sync"
	"time"
)

// patience is the longest that answers wait for one that is late.
const patience = 50 * time.Millisecond

// A collection is several calls whose answers are awaited together.
//
// Requests that can be sent at once are sent by one goroutine, which then reads
// the answers in order: most come at about the same time, and goroutines would
// cost more than the wait. If one is late, by patience or half of the time that
// there is, the others get goroutines after all: an answer that has come would
// otherwise end with the deadline of the one before it, and one that does not fit
// into a socket would wait to be sent.
type collection struct {
	ctx   context.Context
	calls []call
	room  [8]call        // behind calls
	late  func()         // share, bound once because that takes memory
	hands sync.WaitGroup // of the goroutines

	mu     sync.Mutex
	next   int  // calls before this one are not sent yet, or somebody reads their answer
	shared bool // share has run
	done   bool // share has run or will not
}

var collections = sync.Pool{New: func() any {
	c := new(collection)
	c.late = c.share
	return c
}}

// newCollection returns an empty collection. Its owner calls release when the
// calls are over.
func newCollection(ctx context.Context) *collection {
	c := collections.Get().(*collection)
	c.ctx, c.calls = ctx, c.room[:0]
	return c
}

// release takes the memory of the collection back.
func (c *collection) release() {
	if !c.done {
		return // share may be about to look at it
	}
	c.room = [len(c.room)]call{}
	c.ctx, c.calls, c.next, c.shared, c.done = nil, nil, 0, false, false
	collections.Put(c)
}

// add puts one call into the collection, before run.
func (c *collection) add(more call) { c.calls = append(c.calls, more) }

// run sends what can be sent at once and then reads the answers. Calls that have
// to wait before they are sent get goroutines of their own, all but the last if
// nothing else is left to do. All calls are over when it returns.
func (c *collection) run() {
	sent := 0
	for i := range c.calls {
		if c.calls[i].begin(c.ctx) {
			sent++
		}
	}
	for i := range c.calls {
		if x := &c.calls[i]; !x.sent && (sent > 0 || i < len(c.calls)-1) {
			c.hands.Go(func() { x.finish(c.ctx) })
		}
	}
	if sent == 0 {
		c.calls[len(c.calls)-1].finish(c.ctx)
	}
	var late *time.Timer
	if sent > 1 {
		late = time.AfterFunc(c.wait(), c.late)
	}
	for x := c.take(); x != nil; x = c.take() {
		x.finish(c.ctx)
	}
	c.mu.Lock()
	c.done = late == nil || late.Stop() || c.shared
	c.next = len(c.calls)
	c.mu.Unlock()
	c.hands.Wait()
}

// wait returns for how long one goroutine reads the answers.
func (c *collection) wait() time.Duration {
	by, limited := c.ctx.Deadline()
	if !limited {
		return patience
	}
	return min(patience, time.Until(by)/2)
}

// take returns the next call that was sent and whose answer nobody reads.
func (c *collection) take() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.takeLocked()
}

func (c *collection) takeLocked() *call {
	for c.next < len(c.calls) {
		x := &c.calls[c.next]
		c.next++
		if x.sent {
			return x
		}
	}
	return nil
}

// share gives every answer that nobody reads yet a goroutine.
func (c *collection) share() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shared = true
	for x := c.takeLocked(); x != nil; x = c.takeLocked() {
		c.hands.Go(func() { x.finish(c.ctx) })
	}
}
