package plan

import (
	"context"
	"sync"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Begin begins a call if c can.
func Begin(ctx context.Context, c gateway.Connector, x *gateway.Exchange) (gateway.Pending, bool) {
	if b, ok := c.(gateway.Beginner); ok {
		return b.Begin(ctx, x)
	}
	return nil, false
}

// Finish makes what is left of a call by c: all of it if nothing was begun.
func Finish(ctx context.Context, c gateway.Connector, x *gateway.Exchange, begun gateway.Pending) error {
	if begun != nil {
		return begun.Finish()
	}
	return c.Do(ctx, x)
}

// A Pool hands out what layers keep of calls that were begun. What comes back is
// empty.
type Pool[T any] struct{ values sync.Pool }

// Get returns an empty value.
func (p *Pool[T]) Get() *T {
	if v, ok := p.values.Get().(*T); ok {
		return v
	}
	return new(T)
}

// Put empties v, which nobody may use any more, and keeps it.
func (p *Pool[T]) Put(v *T) {
	var zero T
	*v = zero
	p.values.Put(v)
}

// A planCall is a run of a plan that was begun.
type planCall struct {
	plan    *Plan
	ctx     context.Context
	x       *gateway.Exchange
	entered int             // stages that have entered
	replied bool            // one of them has ended the way in
	err     error           // of the way in
	tail    gateway.Pending // nil if the tail was not begun
}

var planCalls Pool[planCall]

// Begins reports whether the plan can begin with x. One with a step that may wait cannot:
// the calls beside it would wait too. Nor can one that somebody looks at.
func (p *Plan) Begins(x *gateway.Exchange) bool { return !p.waits && x.Record == nil }

// Begin runs the steps inwards and begins the tail.
func (p *Plan) Begin(ctx context.Context, x *gateway.Exchange) (_ gateway.Pending, sent bool) {
	if !p.Begins(x) {
		return nil, false
	}
	c := planCalls.Get()
	c.plan, c.ctx, c.x = p, Within(ctx, x, p.limit), x
	if c.entered, c.replied, c.err = p.enter(c.ctx, x); c.err != nil || c.replied {
		return c, true
	}
	sent = c.begin()
	return c, sent
}

// begin begins the tail.
func (c *planCall) begin() (sent bool) {
	p := c.plan
	defer func() {
		if v := recover(); v != nil {
			c.err, sent = failed(p.name, p.at, gateway.Panicked(v)), true
		}
	}()
	c.tail, sent = Begin(c.ctx, p.tail, c.x)
	return sent
}

// Finish makes what is left of the call and runs the steps outwards.
func (c *planCall) Finish() error {
	p, ctx, x, entered, replied, err, tail := c.plan, c.ctx, c.x, c.entered, c.replied, c.err, c.tail
	planCalls.Put(c)
	if err == nil && !replied {
		err = p.answer(ctx, x, tail)
	}
	return p.out(ctx, x, entered, err)
}
