package runtime

import (
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A generation is a compiled configuration with the number of its users: the
// gateway itself as long as it is live, and every request that began in it.
type generation struct {
	*compile.Generation
	users  atomic.Int64
	ended  atomic.Bool
	faulty atomic.Bool   // a fault of ours was told
	idle   chan struct{} // closed when the last user has left
}

func newGeneration(g *compile.Generation) *generation {
	gen := &generation{Generation: g, idle: make(chan struct{})}
	gen.users.Store(1)
	return gen
}

// pin returns the live generation, held for the caller. Between the load and
// the count another generation may have gone live and this one may have ended;
// the second look finds out, and a live generation cannot have ended, because
// the gateway itself uses it.
func (g *Gateway) pin() *generation {
	for {
		gen := g.live.Load()
		gen.users.Add(1)
		if gen == g.live.Load() {
			return gen
		}
		gen.leave()
	}
}

// begin notes that the generation, which the caller holds, answers the exchange, and
// lives until that is released.
func (gen *generation) begin(x *gateway.Exchange) {
	x.Pin = gen
	if x.Started.IsZero() {
		x.Started = time.Now()
	}
}

// Release gives the generation back for an exchange that was released, which ended with
// err: nobody else tells of that.
func (gen *generation) Release(err error) {
	if err != nil {
		gen.blame(err)
	}
	gen.leave()
}

// blame tells of a fault of the gateway, or of a component: the first at ERROR, since one
// of each request would fill the log.
func (gen *generation) blame(fault error, facts ...any) {
	facts = append(facts, "error", fault)
	if gen.faulty.CompareAndSwap(false, true) {
		gen.Logger().Error("a fault of the gateway itself; please report it, further ones of this configuration are told at DEBUG only", facts...)
		return
	}
	gen.Logger().Debug("a fault of the gateway itself", facts...)
}

// leave ends one use of the generation.
func (gen *generation) leave() {
	if gen.users.Add(-1) == 0 && gen.ended.CompareAndSwap(false, true) {
		close(gen.idle)
	}
}
