package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Poller hands out messages of a broker that has to be asked for them, over one connection:
// as long as somebody waits, one call at a time asks for as many as there are waiters, and
// none is made while nobody waits. It holds nothing: what comes for somebody who has gone is
// given back at once. It is safe for concurrent use.
type Poller struct {
	ask  func(ctx context.Context, n int, wait time.Duration) ([]Delivery, error)
	most int
	wait time.Duration
	lost func(cause error)

	once  sync.Once
	gone  chan struct{} // closed when the connection is lost
	cause error         // why, before gone is closed

	ctx  context.Context // of what asks
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	waiting []*waiter // the first has waited longest
	asks    bool

	pause time.Duration // behind the next answer that is empty and came early; of what asks
}

// A waiter is a call of Receive.
type waiter struct {
	until time.Time // zero for no limit
	got   chan received
}

type received struct {
	d   Delivery
	err error
}

// NewPoller returns the poller of a connection that was just made, and lost is what is told
// when it is of no use any more ([live.Peer]). Ask asks the broker for n messages, between 1
// and most, waits for the first one no longer than wait, which is whole seconds, and may
// return none. Its error is for all who wait. The caller calls Close.
func NewPoller(most int, wait time.Duration, lost func(cause error), ask func(ctx context.Context, n int, wait time.Duration) ([]Delivery, error)) *Poller {
	p := &Poller{ask: ask, most: most, wait: wait, lost: lost, gone: make(chan struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Lose notes that the connection is of no use any more. Who waits learns it at once.
func (p *Poller) Lose(cause error) {
	p.once.Do(func() {
		p.cause = cause
		p.lost(cause) // before anybody learns it from here and asks for the next one
		close(p.gone)
	})
}

// Close ends what asks, and returns when it has ended.
func (p *Poller) Close() {
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	p.work.Wait()
}

// Go runs f beside, until the context ends, which it does with Close. It reports whether it
// does: not behind Close.
func (p *Poller) Go(f func(ctx context.Context)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.begin(f)
}

// begin is Go for who holds the lock.
func (p *Poller) begin(f func(ctx context.Context)) bool {
	if p.ctx.Err() != nil {
		return false
	}
	p.work.Go(func() { f(p.ctx) })
	return true
}

var errPollerClosed = errors.New("the connection is closed")

// Receive is that of a [Subscriber].
func (p *Poller) Receive(ctx context.Context) (Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{got: make(chan received, 1)}
	w.until, _ = ctx.Deadline()
	p.mu.Lock()
	if !p.asks && !p.begin(p.poll) {
		p.mu.Unlock()
		return nil, gateway.Away(errPollerClosed)
	}
	p.asks = true
	p.waiting = append(p.waiting, w)
	p.mu.Unlock()
	var err error
	select {
	case r := <-w.got:
		return r.d, r.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.gone:
		err = gateway.Away(p.cause)
	}
	p.mu.Lock()
	i := slices.Index(p.waiting, w)
	if i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 { // it came at the same moment
		r := <-w.got
		return r.d, r.err
	}
	return nil, err
}

// How long one call that brings nothing is behind another at least, which grows from soon to
// rarely while it goes on: calls cost money, and a broker in trouble answers at once.
const (
	soon   = 20 * time.Millisecond
	rarely = time.Second
)

// giveBack is how long it may take to give back a message that nobody waits for.
const giveBack = 30 * time.Second

// poll asks for messages as long as somebody waits.
func (p *Poller) poll(ctx context.Context) {
	for {
		n, wait := p.wanted()
		if n == 0 {
			return
		}
		began := time.Now()
		ds, err := p.ask(ctx, n, wait)
		if err != nil {
			if ctx.Err() != nil { // which is nobody's who waits
				err = gateway.Away(errPollerClosed)
			}
			p.fail(err)
			return
		}
		for _, d := range ds {
			p.hand(ctx, d)
		}
		p.rest(ctx, time.Since(began), len(ds) == 0)
	}
}

// rest waits before the broker is asked again that has said something after a while. Whoever has
// nothing and does not wait for it is asked once in a second at last.
func (p *Poller) rest(ctx context.Context, after time.Duration, empty bool) {
	if !empty || after >= rarely {
		p.pause = 0
		return
	}
	if p.pause = min(max(2*p.pause, soon), rarely); after < p.pause {
		select {
		case <-time.After(p.pause - after):
		case <-ctx.Done():
		}
	}
}

// wanted returns how many messages are wanted, and how long the broker may wait for them: no
// longer than somebody here does. With 0 the caller is not wanted any more.
func (p *Poller) wanted() (n int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for _, w := range p.waiting {
		left := p.wait
		if !w.until.IsZero() {
			left = min(left, (w.until.Sub(now) + time.Second - 1).Truncate(time.Second)) // less than a second would be asked all the time
		}
		wait = max(wait, left)
	}
	if n = min(len(p.waiting), p.most); n == 0 {
		p.asks = false
	}
	return n, wait
}

// fail ends the waiting of all with an error.
func (p *Poller) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asks = false
	for _, w := range p.waiting {
		w.got <- received{err: err}
	}
	p.waiting = nil
}

// hand gives a message to who has waited longest, or back to the broker.
func (p *Poller) hand(ctx context.Context, d Delivery) {
	p.mu.Lock()
	if len(p.waiting) > 0 {
		p.waiting[0].got <- received{d: d}
		p.waiting = slices.Delete(p.waiting, 0, 1)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, giveBack)
	defer cancel()
	d.Nack(ctx, true) // else the broker shows it again when its own time is over
}
