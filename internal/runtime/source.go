package runtime

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// sources are those of one generation.
type sources struct {
	end  context.CancelFunc // lets them end
	done chan struct{}      // closed when all have ended
}

// run lets the sources of a generation run once those before them, nil for none, have
// ended.
func (g *Gateway) run(gen *generation, before *sources) *sources {
	ctx, end := context.WithCancel(context.Background())
	s := &sources{end, make(chan struct{})}
	if before != nil {
		before.end()
	}
	gen.users.Add(1) // it is live, so it has not ended
	go func() {
		defer gen.Release()
		defer close(s.done)
		defer end()
		if before != nil {
			before.wait(gen)
		}
		var all sync.WaitGroup
		for _, src := range gen.Sources() {
			all.Go(func() { g.take(ctx, gen, src) })
		}
		all.Wait()
	}()
	return s
}

// patience is how long sources may take to finish what they have taken until that is
// said.
const patience = 30 * time.Second

// wait waits until the sources have ended, which those of the next generation need.
func (s *sources) wait(next *generation) {
	select {
	case <-s.done:
		return
	case <-time.After(patience):
	}
	next.Logger().Warn("sources of the former configuration have not ended, those of the new one wait", "after", patience)
	<-s.done
}

// take runs one source. That it has ended too early is said once.
func (g *Gateway) take(ctx context.Context, gen *generation, src component.Source) {
	if ctx.Err() != nil {
		return // others have taken its place before it could begin
	}
	err := func() (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
			}
		}()
		return src.Run(ctx, taken{g, gen, src.By})
	}()
	if ctx.Err() == nil {
		gen.Logger().Error("nothing is taken from a source any more", "source", src.Name, "error", err)
	}
}

// taken answers the exchanges of a source in its generation, which the source holds.
type taken struct {
	g   *Gateway
	gen *generation
	by  gateway.Connector
}

// Do answers an exchange.
func (t taken) Do(ctx context.Context, x *gateway.Exchange) error {
	t.gen.users.Add(1)
	t.gen.begin(x)
	x.Err = t.gen.Take(ctx, x, t.by)
	return x.Err
}

// Done ends an exchange.
func (t taken) Done(x *gateway.Exchange, sent engine.Sent, err error) { t.g.Done(x, sent, err) }
