package runtime

import (
	"context"
	"errors"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// Try compiles the configuration and answers one message with it, as if it were live:
// calls are made, and neither ports opened nor sources run. What other endpoints would
// connect to is left alone, because who subscribes takes messages; what its own does has a
// moment for it. Take takes the answer as a
// client does, whose time ends there. When the shadows have ended, too, look gets the
// exchange with its record, and what went wrong; both end when it returns. An error is
// that of the start, or ErrConfig; the problems say what is wrong then.
func (g *Gateway) Try(ctx context.Context, in gateway.Inbound, take func(*gateway.Exchange), look func(*compile.Generation, *gateway.Exchange, error)) ([]*config.Problem, error) {
	gen, problems := g.compile(ctx)
	if gen.Generation == nil {
		return problems, ErrConfig
	}
	if err := gen.StartService(ctx, connecting); err != nil {
		return problems, err
	}
	defer context.AfterFunc(ctx, gen.Cut)()
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
