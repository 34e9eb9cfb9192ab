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
// none is begun while nobody waits. It holds nothing: what comes for somebody who has gone is
// given back at once. It is safe for concurrent use.
type Poller struct {
	// Leaves ends a call whose last waiter has gone. It is set before the first Receive, where
	// the broker notices the end of a call: another one would send messages there.
	Leaves bool

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

	back   context.Context // of what is given back, a moment longer
	giveUp context.CancelFunc
	giving chan struct{} // as large as the number of those that are given back at a time

	mu      sync.Mutex
	waiting []*waiter // the first has waited longest
	asks    bool
	leave   context.CancelFunc // of the call that is open

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
	p := &Poller{ask: ask, most: most, wait: wait, lost: lost, gone: make(chan struct{}), giving: make(chan struct{}, 16)}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.back, p.giveUp = context.WithCancel(context.Background())
	return p
}

// Lose notes that the connection is of no use any more. Who waits learns it at once. It may be
// called by several and more than once, at any time and with any lock of the driver held, and
// waits for nothing.
func (p *Poller) Lose(cause error) {
	p.once.Do(func() {
		p.cause = cause
		p.lost(cause) // before anybody learns it from here and asks for the next one
		close(p.gone)
	})
}

// Close ends what asks, and returns when it has ended and what it brought at the last moment is
// given back, which takes a second at most.
func (p *Poller) Close() {
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	defer p.giveUp()
	defer time.AfterFunc(lastWord, p.giveUp).Stop()
	p.work.Wait()
}

// Go runs f beside, until the context ends, which it does with Close, which waits for f. It
// reports whether it does: not behind Close. With a panic of f the connection is lost.
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
	p.beside(func() { f(p.ctx) })
	return true
}

// beside runs what calls the library of a broker, whose panic is a failure of that. The caller
// holds the lock, or is run so himself.
func (p *Poller) beside(f func()) {
	p.work.Go(func() {
		var err error
		defer func() {
			if err != nil {
				p.Lose(err)
			}
		}()
		defer gateway.Recover("", &err)
		f()
	})
}

var errPollerClosed = errors.New("the connection is closed")

// Receive is that of a [Subscriber].
func (p *Poller) Receive(ctx context.Context) (Delivery, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-p.gone:
		return nil, gateway.Away(p.cause)
	default:
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
	if p.Leaves && len(p.waiting) == 0 && p.leave != nil {
		p.leave()
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
		call, leave := context.WithCancel(ctx)
		n, wait := p.wanted(leave)
		if n == 0 {
			leave()
			return
		}
		began := time.Now()
		ds, err := p.ask(call, n, wait)
		left := call.Err() != nil
		leave()
		switch {
		case err == nil || left && ctx.Err() == nil:
		case ctx.Err() != nil: // which is nobody's who waits
			p.fail(gateway.Away(errPollerClosed))
			return
		default:
			p.fail(err)
			return
		}
		for _, d := range ds {
			p.hand(d)
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
// longer than somebody here does. With 0 the caller is not wanted any more. Leave ends the call
// that is made for them.
func (p *Poller) wanted(leave context.CancelFunc) (n int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave = leave
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

// hand gives a message to who has waited longest, or back to the broker, beside whatever comes
// next: several at a time, and no more are asked for while those are stuck.
func (p *Poller) hand(d Delivery) {
	p.mu.Lock()
	if len(p.waiting) > 0 {
		p.waiting[0].got <- received{d: d}
		p.waiting = slices.Delete(p.waiting, 0, 1)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	p.giving <- struct{}{}
	p.beside(func() {
		defer func() { <-p.giving }()
		ctx, cancel := context.WithTimeout(p.back, giveBack)
		defer cancel()
		d.Nack(ctx, true) // else the broker shows it again when its own time is over
	})
}
