package fast

import (
	"sync/atomic"
	"time"
)

// watchEvery is how often the clients of exchanges that take their time are
// looked at. An exchange that is over before that is never looked at.
const watchEvery = 50 * time.Millisecond

// A watcher finds out that clients have left while their exchanges run. One
// goroutine of a server goes through all connections at every tick, asks the
// system about those that were busy at the tick before, and ends the contexts
// of the exchanges nobody waits for any more. It sleeps while no connection is
// busy; the next exchange wakes it.
//
// A client that has closed its sending half is gone, whether it still reads or
// not, as it is for net/http.
type watcher struct {
	tick   atomic.Int64 // positive; what connections note at the start of an exchange
	asleep atomic.Bool
	wake   chan struct{}
	stop   chan struct{}
}

func newWatcher() *watcher {
	w := &watcher{wake: make(chan struct{}, 1), stop: make(chan struct{})}
	w.tick.Store(1)
	w.asleep.Store(true)
	return w
}

// begin notes in since that an exchange begins. The caller sets it to 0 when
// the exchange is over.
func (w *watcher) begin(since *atomic.Int64) {
	since.Store(w.tick.Load())
	if w.asleep.Load() && w.asleep.CompareAndSwap(true, false) {
		w.wake <- struct{}{} // there is room: only whoever ends the sleep sends
	}
}

// run looks at the connections of s until stop is closed.
func (w *watcher) run(s *server) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-ticker.C:
		}
		if s.look(w.tick.Add(1)) {
			continue
		}
		// An exchange that begins now either sees the watcher asleep and wakes
		// it, or is seen by the second look.
		w.asleep.Store(true)
		if s.look(w.tick.Load()) && w.asleep.CompareAndSwap(true, false) {
			continue
		}
		ticker.Stop()
		select {
		case <-w.stop:
			return
		case <-w.wake:
		}
		ticker.Reset(watchEvery)
	}
}

// look reports whether any connection is busy, and ends those whose exchange
// began before the last tick and whose client is gone.
func (s *server) look(tick int64) (busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := s.conns; c != nil; c = c.next {
		since := c.since.Load()
		if since == 0 {
			continue
		}
		busy = true
		if tick-since > 1 && !c.gone.Load() && c.left() {
			c.leave()
		}
	}
	return busy
}
