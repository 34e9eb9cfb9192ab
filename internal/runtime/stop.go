package runtime

import (
	"context"
	"time"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// moment is how long what was cut at a stop may take to notice, then how long
// components may take to close, and then to notice that their time is over.
const moment = 300 * time.Millisecond

// stopping is what a stop that does not wait any longer goes through: contexts that end
// one after the other, and not at all if everything ends in time. They are for what has no
// context of a request, nor one from the owner of the gateway.
type stopping struct {
	begin context.CancelCauseFunc
	cut   context.Context // ends what is in flight: shadows, messages, exchanges at ports
	left  context.Context // generations are closed even if somebody uses them
	over  context.Context // and what closes them is to end
}

func newStopping() stopping {
	var s stopping
	s.cut, s.begin = context.WithCancelCause(context.Background())
	s.left = momentAfter(s.cut)
	s.over = momentAfter(s.left)
	return s
}

// momentAfter returns a context that ends a moment after ctx has.
func momentAfter(ctx context.Context) context.Context {
	later, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(moment, end) })
	return later
}

// stop ends everything within max_shutdown_wait_time: it drains the server while the
// sources finish what they took, and then closes the gateway.
func (g *Gateway) stop(server engine.Server) error {
	g.draining.Store(true)
	ctx, cancel := g.term()
	defer cancel()
	g.leave()
	err := server.Shutdown(ctx)
	g.close(ctx)
	return err
}

// term returns a context that ends after max_shutdown_wait_time, from now on.
func (g *Gateway) term() (context.Context, context.CancelFunc) {
	if live := g.live.Load(); live != nil && live.Service.MaxShutdownWaitTime > 0 {
		return context.WithTimeout(context.Background(), time.Duration(live.Service.MaxShutdownWaitTime))
	}
	return context.WithCancel(context.Background())
}

// Close ends the live generation, its sources and ports, and waits for that and for the
// generations that were retired, no longer than max_shutdown_wait_time. What is in flight
// then is cut, and left alone a second later. The gateway must not serve any more.
func (g *Gateway) Close() {
	ctx, cancel := g.term()
	defer cancel()
	g.close(ctx)
}

// close is Close with an end of its own.
func (g *Gateway) close(ctx context.Context) {
	g.leave()
	g.unlisten()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	taking := g.taking
	defer context.AfterFunc(ctx, func() {
		if taking != nil && taking.run() {
			g.Logger().Warn("messages of sources were cut, max_shutdown_wait_time is over")
		}
		g.stopping.begin(gateway.ErrStopped)
	})()
	for _, p := range g.ports {
		g.drained.Go(p.stop)
	}
	if live := g.live.Load(); live != nil {
		live.users.Add(1) // which ports ask to their end, those too that a reload has dropped
		g.retiring.Go(func() { g.drained.Wait(); live.leave() })
		g.retire(live)
	}
	ended := make(chan struct{})
	go func() { g.retiring.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-momentAfter(g.stopping.over).Done():
		g.Logger().Error("not everything has ended a second after max_shutdown_wait_time, and it is not waited for")
	}
}
