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
	done chan struct{}      // closed when all have ended, and all before them

	agents map[string]turn // those of agents, and of agents before that have none after them
}

// A turn is that of an agent.
type turn struct {
	kept any           // as in component.Source
	done chan struct{} // closed when it has ended, and all before it that have its name
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
// ended that they wait for.
func (g *Gateway) run(gen *generation, before *sources) *sources {
	ctx, end := context.WithCancel(context.Background())
	s := &sources{end, make(chan struct{}), make(map[string]turn)}
	if before != nil {
		before.end()
		for name, t := range before.agents {
			if !over(t.done) {
				s.agents[name] = t
			}
		}
	}
	gen.users.Add(1) // it is live, so it has not ended
	var own sync.WaitGroup
	for _, src := range gen.Sources() {
		if src.Kept == nil {
			own.Go(func() {
				if before != nil {
					wait(gen, before.done)
				}
				g.consume(ctx, gen, src)
			})
			continue
		}
		former, again := s.agents[src.Name]
		next := turn{src.Kept, make(chan struct{})}
		s.agents[src.Name] = next
		own.Go(func() {
			defer close(next.done)
			if again && former.kept != src.Kept {
				wait(gen, former.done)
			}
			g.consume(ctx, gen, src)
			if err := src.End(); err != nil {
				gen.Logger().Error("giving back what was kept for a source", "source", src.Name, "error", err)
			}
			if again {
				<-former.done
			}
		})
	}
	g.retiring.Go(func() {
		defer close(s.done)
		defer end()
		own.Wait()
		gen.leave()
		if before != nil {
			<-before.done
		}
	})
	return s
}

// run reports whether any has not ended.
func (s *sources) run() bool { return !over(s.done) }

// over reports whether done is closed.
func over(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// patience is how long sources may take to finish what they have taken until that is
// said.
const patience = 30 * time.Second

// wait waits until sources before those of next have ended.
func wait(next *generation, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-time.After(patience):
	}
	next.Logger().Warn("sources of the former configuration have not ended, those of the new one wait", "after", patience)
	<-done
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
