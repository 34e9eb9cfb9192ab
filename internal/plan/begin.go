package plan

import (
	"context"
	"sync"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A splitter is a connector whose call can be taken apart into sending and
// collecting. Do is begin and finish in one, and so is Do after a begin that
// reported false.
type splitter interface {
	gateway.Connector

	// begin sends the request if that can be done at once, and reports whether
	// it did. What it found out on the way is kept for Do.
	begin(ctx context.Context, x *gateway.Exchange) bool

	// finish collects the answer of a call that was begun. It is called once.
	finish(ctx context.Context, x *gateway.Exchange) error
}

// A frame is what is kept on an exchange between sending and collecting.
type frame struct {
	entered int   // stages of the plan that have entered
	err     error // of the way in
	sent    bool  // the tail has sent the request

	host    *balance.Host   // whose turn it is
	path    string          // of the request, below the base of the host
	pending gateway.Pending // of the client
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// frameOf returns the frame of x, which gets one if it has none.
func frameOf(x *gateway.Exchange) *frame {
	f, ok := x.Frame.(*frame)
	if !ok {
		f = frames.Get().(*frame)
		x.Frame = f
	}
	return f
}

// dropFrame takes the frame of x back.
func dropFrame(x *gateway.Exchange) {
	if f, ok := x.Frame.(*frame); ok {
		*f = frame{}
		frames.Put(f)
		x.Frame = nil
	}
}

// begin runs the steps inwards and lets the tail send. It reports whether what
// is left waits for nothing but the answer; if not, finish waits for the whole
// call and wants a goroutine of its own. finish must be called in either case.
func (p *Plan) begin(ctx context.Context, x *gateway.Exchange) bool {
	f := frameOf(x)
	f.entered, f.err = p.enter(ctx, x)
	if f.err != nil || x.Replied() {
		return true
	}
	if tail, ok := p.tail.(splitter); ok {
		f.sent, f.err = p.send(ctx, x, tail)
	}
	return f.sent || f.err != nil
}

// send lets the tail send.
func (p *Plan) send(ctx context.Context, x *gateway.Exchange, tail splitter) (sent bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = failed(p.name, p.at, panicked(v))
		}
	}()
	return tail.begin(ctx, x), nil
}

// finish collects the answer and runs the steps outwards.
func (p *Plan) finish(ctx context.Context, x *gateway.Exchange) error {
	defer dropFrame(x)
	f := frameOf(x)
	err := f.err
	if err == nil && !x.Replied() {
		err = p.answer(ctx, x, f.sent)
	}
	return p.out(ctx, x, f.entered, err)
}

func (u *unpacked) begin(ctx context.Context, x *gateway.Exchange) bool {
	b, ok := u.next.(gateway.Beginner)
	if !ok {
		return false
	}
	pending, ok := b.Begin(ctx, x)
	frameOf(x).pending = pending
	return ok
}

func (u *unpacked) finish(_ context.Context, x *gateway.Exchange) error {
	if err := frameOf(x).pending.Finish(); err != nil {
		return err
	}
	unpack(x)
	return nil
}

func (d *direct) begin(ctx context.Context, x *gateway.Exchange) bool {
	path := x.Request.Path
	d.server.aim(&x.Request, path, 0)
	if d.next.begin(ctx, x) {
		return true
	}
	x.Request.Path = path
	return false
}

func (d *direct) finish(ctx context.Context, x *gateway.Exchange) error {
	alive := ctx.Err() == nil
	err := d.next.finish(ctx, x)
	if alive {
		d.says.report(ctx, x, d.host, err, 0)
	}
	return err
}

func (b *balanced) begin(ctx context.Context, x *gateway.Exchange) bool {
	f := frameOf(x)
	if f.host = b.hosts.Next(); f.host == nil {
		return false
	}
	f.path = x.Request.Path
	s := parseServer(f.host.Address)
	s.aim(&x.Request, f.path, b.hosts.Hosts().Len()-1)
	if b.next.begin(ctx, x) {
		return true
	}
	x.Request.Path = f.path
	return false
}

func (b *balanced) finish(ctx context.Context, x *gateway.Exchange) error {
	f := frameOf(x)
	host, path := f.host, f.path
	alive := ctx.Err() == nil
	err := b.next.finish(ctx, x)
	if !alive || !b.report(ctx, x, host, err) {
		return err
	}
	next := b.hosts.Next(host)
	if next == nil {
		return err
	}
	x.Request.Path = path
	return b.try(ctx, x, next, host)
}

func (f *redirected) begin(ctx context.Context, x *gateway.Exchange) bool {
	first, ok := f.first.(splitter)
	return ok && !f.sendBody && first.begin(ctx, x)
}

func (f *redirected) finish(ctx context.Context, x *gateway.Exchange) error {
	hasBody := sendsBody(x)
	if err := f.first.(splitter).finish(ctx, x); err != nil {
		return err
	}
	return f.chase(ctx, x, hasBody)
}

// report tells the host how a call went, and whether the call is for the next
// host: nobody was reached and there is time left.
func (b *balanced) report(ctx context.Context, x *gateway.Exchange, host *balance.Host, err error) (again bool) {
	return b.says.report(ctx, x, host, err, b.hosts.Hosts().Len()-1)
}
