package runtime

import (
	"context"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// sources are those of one generation.
type sources struct {
	end  context.CancelFunc // lets them end
	done chan struct{}      // closed when all have ended
}

// take lets the sources of the live generation run, and those of each that follows.
func (g *Gateway) take() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.takes, g.taking = true, g.run(g.live.Load(), g.taking)
	}
}

// leave lets the sources end.
func (g *Gateway) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.takes = false
	if g.taking != nil {
		g.taking.end()
	}
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
	g.retiring.Go(func() {
		defer gen.leave()
		defer close(s.done)
		defer end()
		if before != nil {
			before.wait(gen)
		}
		var all sync.WaitGroup
		for _, src := range gen.Sources() {
			all.Go(func() { g.consume(ctx, gen, src) })
		}
		all.Wait()
	})
	return s
}

// run reports whether any has not ended.
func (s *sources) run() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
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

// consume runs one source. That it has ended too early is said once.
func (g *Gateway) consume(ctx context.Context, gen *generation, src component.Source) {
	if ctx.Err() != nil {
		return // others have taken its place before it could begin
	}
	err := func() (err error) {
		defer gateway.Recover("", &err)
		return src.Run(ctx, func(m gateway.Message) error { return g.answer(gen, src, m) })
	}()
	if ctx.Err() == nil {
		gen.Logger().Error("nothing is taken from a source any more", "source", src.Name, "error", err)
	}
}

// answer answers a message of a source in its generation, which the source holds. It ends
// when the stop of the gateway does not wait any longer.
func (g *Gateway) answer(gen *generation, src component.Source, m gateway.Message) error {
	gen.users.Add(1)
	x := gen.Taken(src.Name, m)
	gen.begin(x)
	defer g.Done(x, gateway.Sent{}, nil)
	x.Err = gen.Take(g.stopping.cut, x, src.By)
	return x.Err
}
