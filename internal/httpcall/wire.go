package httpcall

import (
	"context"
	"sync"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/plan"
)

// A Wire makes one attempt of a call by HTTP: it runs the wire plan, for which the
// request has its whole URL. The next attempt finds the header and the query as
// they were before.
type Wire struct {
	whole *plan.Plan
	bare  *plan.Plan // without credentials, for other origins
}

// Plan returns the plan of an attempt at a host of the backend.
func (w *Wire) Plan() *plan.Plan { return w.whole }

// NewWire returns the connector that runs stages around a client; without any it is
// the client.
func NewWire(b plan.Blueprint) gateway.Connector {
	if len(b.Placed) == 0 {
		return b.Tail
	}
	var bare []component.Placed
	for _, p := range b.Placed {
		switch component.BackendPhase(p.Phase) {
		case component.BackendCredential, component.BackendSign:
		default:
			bare = append(bare, p)
		}
	}
	w := &Wire{whole: b.Plan()}
	w.bare = w.whole
	if len(bare) < len(b.Placed) {
		b.Placed = bare
		w.bare = b.Plan()
	}
	return w
}

func (w *Wire) plan(x *gateway.Exchange) *plan.Plan {
	if x.Request.Foreign {
		return w.bare
	}
	return w.whole
}

// An attempt is what the request was before an attempt, in memory that is used again.
type attempt struct {
	x       *gateway.Exchange
	header  gateway.Fields
	query   string
	pending gateway.Pending // of the plan; nil when it was not begun
}

var attempts = sync.Pool{New: func() any { return new(attempt) }} // with the room of their headers

func newAttempt(x *gateway.Exchange) *attempt {
	a := attempts.Get().(*attempt)
	a.x, a.query = x, x.Request.RawQuery
	a.header = append(a.header, x.Request.Header...)
	return a
}

// end gives the request back what it was.
func (a *attempt) end() {
	r := &a.x.Request
	clear(r.Header)
	r.Header, r.RawQuery = append(r.Header[:0], a.header...), a.query
	clear(a.header)
	*a = attempt{header: a.header[:0]}
	attempts.Put(a)
}

// Do makes the attempt.
func (w *Wire) Do(ctx context.Context, x *gateway.Exchange) error {
	a := newAttempt(x)
	defer a.end()
	return w.plan(x).Do(ctx, x)
}

// Begin begins the attempt.
func (w *Wire) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	p := w.plan(x)
	if !p.Begins(x) {
		return nil, false
	}
	a := newAttempt(x)
	var sent bool
	a.pending, sent = p.Begin(ctx, x)
	return a, sent
}

// Finish makes what is left of the attempt.
func (a *attempt) Finish() error {
	defer a.end()
	return a.pending.Finish()
}
