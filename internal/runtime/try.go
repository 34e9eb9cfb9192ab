package runtime

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// What begins to connect when a generation starts has this long before a message is tried.
const connecting = 2 * time.Second

// connected waits until everything is well that tells of its health, but not for long.
func connected(ctx context.Context, gen *compile.Generation) {
	ctx, cancel := context.WithTimeout(ctx, connecting)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !gen.Well() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// Try compiles the configuration and answers one message with it, as if it were live:
// calls are made, and neither ports opened nor sources run. What is connected to in the
// background has a moment for it. Take takes the answer as a
// client does, whose time ends there. When the shadows have ended, too, look gets the
// exchange with its record, and what went wrong; both end when it returns. An error is
// that of the start, or ErrConfig; the problems say what is wrong then.
func (g *Gateway) Try(ctx context.Context, in gateway.Inbound, take func(*gateway.Exchange), look func(*compile.Generation, *gateway.Exchange, error)) ([]*config.Problem, error) {
	gen, problems := g.compile(ctx)
	if gen.Generation == nil {
		return problems, ErrConfig
	}
	if err := gen.Start(ctx); err != nil {
		return problems, err
	}
	defer context.AfterFunc(ctx, gen.Cut)()
	connected(ctx, gen.Generation)
	x := gateway.Acquire(in)
	x.Record = gateway.NewRecord()
	err := gen.Do(ctx, x)
	take(x)
	x.Response.Body.Close()
	gen.Settle()
	look(gen.Generation, x, err)
	var end gateway.End
	x.Pin = &end
	x.Release()
	return problems, errors.Join(end.Err, gen.Close(ctx))
}
