package httpcall

import (
	"context"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/plan"
)

// A hostCall is a call to a host that was begun.
type hostCall struct {
	by   hostCaller
	ctx  context.Context
	x    *gateway.Exchange
	host *balance.Host
	path string          // of the request, below the base of the host
	next gateway.Pending // nil if nothing was begun behind the choice of the host

	alive bool // there was time when the call was sent, so it tells something of the host
}

var hostCalls plan.Pool[hostCall]

// A hostCaller goes on with a call to a host, whose request is below path.
type hostCaller interface {
	finish(hostCall) error
}

// Finish makes what is left of the call.
func (c *hostCall) Finish() error {
	call := *c
	hostCalls.Put(c)
	return call.by.finish(call)
}

// Begin begins the call to the host.
func (d *Direct) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	path := x.Request.Path
	d.server.aim(&x.Request, path, 0)
	alive := ctx.Err() == nil
	next, sent := plan.Begin(ctx, d.next, x)
	if next == nil {
		x.Request.Path = path
		return nil, false
	}
	c := hostCalls.Get()
	*c = hostCall{by: d, ctx: ctx, x: x, next: next, alive: alive}
	return c, sent
}

func (d *Direct) finish(c hostCall) error {
	err := plan.Finish(c.ctx, d.next, c.x, c.next)
	if c.alive {
		d.says.report(c.ctx, c.x, d.host, err, 0)
	}
	return err
}

// Begin begins the call to the host whose turn it is.
func (b *Balanced) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	host := b.Hosts.Next()
	if host == nil {
		return nil, false
	}
	path := x.Request.Path
	s := parseServer(host.Address)
	s.aim(&x.Request, path, b.Hosts.Hosts().Len()-1)
	alive := ctx.Err() == nil
	next, sent := plan.Begin(ctx, b.Next, x)
	c := hostCalls.Get()
	*c = hostCall{by: b, ctx: ctx, x: x, host: host, path: path, next: next, alive: alive} // the turn is taken, so it is used
	return c, sent
}

func (b *Balanced) finish(c hostCall) error {
	if c.next == nil {
		c.x.Request.Path = c.path
		return b.try(c.ctx, c.x, c.host)
	}
	err := c.next.Finish()
	if !c.alive || !b.report(c.ctx, c.x, c.host, err) {
		return err
	}
	other := b.Hosts.Next(c.host)
	if other == nil {
		return err
	}
	c.x.Request.Path = c.path
	return b.try(c.ctx, c.x, other, c.host)
}

// report tells the host how a call went, and whether the call is for the next
// host: nobody was reached and there is time left.
func (b *Balanced) report(ctx context.Context, x *gateway.Exchange, host *balance.Host, err error) (again bool) {
	return b.Says.report(ctx, x, host, err, b.Hosts.Hosts().Len()-1)
}

// An unpackedCall is a call whose answer is unpacked, and that was begun.
type unpackedCall struct {
	x    *gateway.Exchange
	next gateway.Pending
}

var unpackedCalls plan.Pool[unpackedCall]

// Begin begins the call.
func (u *Unpacked) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	next, sent := plan.Begin(ctx, u.Next, x)
	if next == nil {
		return nil, false
	}
	c := unpackedCalls.Get()
	c.x, c.next = x, next
	return c, sent
}

// Finish makes what is left of the call, and unpacks the answer.
func (c *unpackedCall) Finish() error {
	x, next := c.x, c.next
	unpackedCalls.Put(c)
	return received(x, next.Finish())
}

// A redirectedCall is a call that may be sent elsewhere, and that was begun.
type redirectedCall struct {
	by      *Redirected
	ctx     context.Context
	x       *gateway.Exchange
	hasBody bool
	first   gateway.Pending
}

var redirectedCalls plan.Pool[redirectedCall]

// Begin begins the first call, unless its body has to be read before.
func (f *Redirected) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	if f.SendBody {
		return nil, false
	}
	hasBody := sendsBody(x)
	first, sent := plan.Begin(ctx, f.First, x)
	if first == nil {
		return nil, false
	}
	c := redirectedCalls.Get()
	*c = redirectedCall{f, ctx, x, hasBody, first}
	return c, sent
}

// Finish makes what is left of the call, and those that follow.
func (c *redirectedCall) Finish() error {
	f, ctx, x, hasBody, first := c.by, c.ctx, c.x, c.hasBody, c.first
	redirectedCalls.Put(c)
	return f.chase(ctx, x, hasBody, first.Finish())
}
