package plan

import (
	"context"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A hostCall is a call to a host that was begun.
type hostCall struct {
	by   hostCaller
	ctx  context.Context
	x    *gateway.Exchange
	host *balance.Host
	path string          // of the request, below the base of the host
	next gateway.Pending // nil if nothing was begun behind the choice of the host
}

var hostCalls pool[hostCall]

// A hostCaller goes on with a call to a host, whose request is below path.
type hostCaller interface {
	finish(ctx context.Context, x *gateway.Exchange, host *balance.Host, path string, next gateway.Pending) error
}

// Finish makes what is left of the call.
func (c *hostCall) Finish() error {
	by, ctx, x, host, path, next := c.by, c.ctx, c.x, c.host, c.path, c.next
	hostCalls.put(c)
	return by.finish(ctx, x, host, path, next)
}

// Begin begins the call to the host.
func (d *direct) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	path := x.Request.Path
	d.server.aim(&x.Request, path, 0)
	next, sent := begin(ctx, d.next, x)
	if next == nil {
		x.Request.Path = path
		return nil, false
	}
	c := hostCalls.get()
	*c = hostCall{by: d, ctx: ctx, x: x, next: next}
	return c, sent
}

func (d *direct) finish(ctx context.Context, x *gateway.Exchange, _ *balance.Host, _ string, next gateway.Pending) error {
	alive := ctx.Err() == nil
	err := finish(ctx, d.next, x, next)
	if alive {
		d.says.report(ctx, x, d.host, err, 0)
	}
	return err
}

// Begin begins the call to the host whose turn it is.
func (b *balanced) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	host := b.hosts.Next()
	if host == nil {
		return nil, false
	}
	path := x.Request.Path
	s := parseServer(host.Address)
	s.aim(&x.Request, path, b.hosts.Hosts().Len()-1)
	next, sent := begin(ctx, b.next, x)
	c := hostCalls.get()
	*c = hostCall{by: b, ctx: ctx, x: x, host: host, path: path, next: next} // the turn is taken, so it is used
	return c, sent
}

func (b *balanced) finish(ctx context.Context, x *gateway.Exchange, host *balance.Host, path string, next gateway.Pending) error {
	if next == nil {
		x.Request.Path = path
		return b.try(ctx, x, host)
	}
	alive := ctx.Err() == nil
	err := next.Finish()
	if !alive || !b.report(ctx, x, host, err) {
		return err
	}
	other := b.hosts.Next(host)
	if other == nil {
		return err
	}
	x.Request.Path = path
	return b.try(ctx, x, other, host)
}

// report tells the host how a call went, and whether the call is for the next
// host: nobody was reached and there is time left.
func (b *balanced) report(ctx context.Context, x *gateway.Exchange, host *balance.Host, err error) (again bool) {
	return b.says.report(ctx, x, host, err, b.hosts.Hosts().Len()-1)
}

// An unpackedCall is a call whose answer is unpacked, and that was begun.
type unpackedCall struct {
	x    *gateway.Exchange
	next gateway.Pending
}

var unpackedCalls pool[unpackedCall]

// Begin begins the call.
func (u *unpacked) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	next, sent := begin(ctx, u.next, x)
	if next == nil {
		return nil, false
	}
	c := unpackedCalls.get()
	c.x, c.next = x, next
	return c, sent
}

// Finish makes what is left of the call, and unpacks the answer.
func (c *unpackedCall) Finish() error {
	x, next := c.x, c.next
	unpackedCalls.put(c)
	return received(x, next.Finish())
}

// A redirectedCall is a call that may be sent elsewhere, and that was begun.
type redirectedCall struct {
	by      *redirected
	ctx     context.Context
	x       *gateway.Exchange
	hasBody bool
	first   gateway.Pending
}

var redirectedCalls pool[redirectedCall]

// Begin begins the first call, unless its body has to be read before.
func (f *redirected) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	if f.sendBody {
		return nil, false
	}
	hasBody := sendsBody(x)
	first, sent := begin(ctx, f.first, x)
	if first == nil {
		return nil, false
	}
	c := redirectedCalls.get()
	*c = redirectedCall{f, ctx, x, hasBody, first}
	return c, sent
}

// Finish makes what is left of the call, and those that follow.
func (c *redirectedCall) Finish() error {
	f, ctx, x, hasBody, first := c.by, c.ctx, c.x, c.hasBody, c.first
	redirectedCalls.put(c)
	return f.chase(ctx, x, hasBody, first.Finish())
}
