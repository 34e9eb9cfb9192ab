package fast

import (
	"context"
	"crypto/tls"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxAge is how long a connection is used again, so that a host whose
	// address has changed is looked up again in the end.
	maxAge = 10 * time.Minute

	// believed is how long a connection that became idle is taken to be open
	// without looking. Looking costs a system call, the twentieth part of a
	// small call; not looking costs a second attempt now and then. What a
	// backend sends unasked within that time, later than an answer with a body,
	// is taken for the answer to the next call, as it would be a moment after the
	// look: but for backends that were careless before.
	believed = time.Millisecond

	// sweepAtLeast is how often hosts are looked through if nothing expires
	// before. A host that is that old and has no connections is forgotten, and
	// with it that it speaks HTTP/2.
	sweepAtLeast = 90 * time.Second

	// longestCareless is how long behind an answer bytes show that the backend is
	// careless. Some say later that they are about to close the connection.
	longestCareless = time.Second

	// carelessFor is how long a backend is taken for careless behind the last of such
	// bytes. Who has got over a fault of a minute ago is called as fast as before.
	carelessFor = time.Minute

	// tick is how often young calls are asked whether their context is done,
	// unless a deadline comes first.
	tick = 20 * time.Millisecond
)

// A host holds the connections to one origin, and watches over the calls that
// are made on them.
//
// A call ends with its context. To be told of that costs 1.4 µs and five
// allocations (context.AfterFunc, on a context with a deadline of its own), to
// look is nearly free, and most calls are over within milliseconds. So young
// calls are looked at every tick and when the first of their deadlines comes, by
// one timer for all of them; only a call that is still there at the second look,
// or that is likely to be ended, is registered with its context.
type host struct {
	client  *Client
	address string      // with a port
	tls     *tls.Config // nil for plain connections
	made    time.Time
	foreign atomic.Bool // the standard library calls this one
	plain   bool        // and we could, in HTTP/1.1

	// doubted is until when every answer of the backend is taken for one that may be
	// followed by more, because it has sent something behind one; since made, in
	// nanoseconds.
	doubted atomic.Int64

	mu     sync.Mutex
	gone   bool    // the client has forgotten this host: nothing is kept
	calls  int     // in flight
	idle   []*link // the one that waits longest first
	young  []*call
	next   time.Time   // when look runs; zero for never
	ticker *time.Timer // nil until it first runs
}

// doubt notes that the backend has sent something behind an answer.
func (h *host) doubt(now time.Time) { h.doubted.Store(int64(now.Sub(h.made) + carelessFor)) }

// careless reports whether the backend has done so of late.
func (h *host) careless(now time.Time) bool {
	doubted := h.doubted.Load() // 0 for most, for whom no time is looked at
	return doubted != 0 && now.Sub(h.made) < time.Duration(doubted)
}

// take gives k a connection that has been idle, and reports false if there is
// none. A connection that may be broken is looked at first, if that matters
// for k: if it cannot be repeated. So is one where more may have arrived than
// the last answer, which would be taken for the next: for TLS that is always, and
// where the last answer had no body that of a careless backend may follow it.
// Such a connection has had its rest before, so that there was time for it.
func (h *host) take(k *call) bool {
	for {
		now := time.Now()
		h.mu.Lock()
		l := h.rested(now)
		if l == nil {
			h.mu.Unlock()
			return false
		}
		l.taken = now
		h.enter(k, l)
		h.mu.Unlock()
		waited := now.Sub(l.since)
		switch limit := time.Duration(h.client.settings.IdleConnectionTimeout); {
		case limit > 0 && waited >= limit:
		case (waited > believed || !l.direct || !l.rests.IsZero() || l.in.Full() || h.careless(now) || !k.repeatable()) && l.spoiled():
			if l.spoke && waited <= longestCareless {
				h.doubt(now)
			}
		default:
			return true
		}
		h.exit(k, false)
	}
}

// rested takes out the connection that became idle last, or if that must rest, the
// one that has waited longest; nil if that must, too. So nobody has to look for it
// among those that must. h.mu is held.
func (h *host) rested(now time.Time) *link {
	at := len(h.idle) - 1
	if at > 0 && now.Before(h.idle[at].rests) {
		at = 0
	}
	if at < 0 || now.Before(h.idle[at].rests) {
		return nil
	}
	l := h.idle[at]
	h.idle = slices.Delete(h.idle, at, at+1)
	h.client.idle.Add(-1)
	return l
}

// start gives k a connection that is new.
func (h *host) start(k *call, l *link) {
	h.mu.Lock()
	h.enter(k, l)
	h.mu.Unlock()
}

// enter begins to watch over k. h.mu is held.
func (h *host) enter(k *call, l *link) {
	h.calls++
	k.link = l
	if k.x.Request.Contested {
		h.register(k)
		return
	}
	k.seen, k.place = false, len(h.young)
	h.young = append(h.young, k)
	by, ok := k.ctx.Deadline()
	if h.next.IsZero() || ok && by.Before(h.next) {
		h.schedule(by, ok)
	}
}

// schedule lets the next look be after a tick, or at a time before that. h.mu is
// held.
func (h *host) schedule(at time.Time, earlier bool) {
	now := time.Now()
	h.next = now.Add(tick)
	if earlier && at.Before(h.next) {
		h.next = at
	}
	if d := h.next.Sub(now); h.ticker == nil {
		h.ticker = time.AfterFunc(d, h.look)
	} else {
		h.ticker.Reset(d)
	}
}

// look ends the young calls whose context is done and registers those that are
// no longer young.
func (h *host) look() {
	h.mu.Lock()
	defer h.mu.Unlock()
	var first time.Time // of the deadlines
	for i := len(h.young) - 1; i >= 0; i-- {
		switch k := h.young[i]; {
		case k.ctx.Err() != nil:
			h.grow(k)
			k.cut = true
			k.link.abort()
		case k.seen:
			h.grow(k)
			h.register(k)
		default:
			k.seen = true
			if by, ok := k.ctx.Deadline(); ok && (first.IsZero() || by.Before(first)) {
				first = by
			}
		}
	}
	h.next = time.Time{}
	if len(h.young) > 0 {
		h.schedule(first, !first.IsZero())
	}
}

// register lets the context of k end it. h.mu is held.
func (h *host) register(k *call) {
	k.place = -1
	k.unwatch = context.AfterFunc(k.ctx, k.link.abort)
}

// grow takes k out of the young calls. h.mu is held.
func (h *host) grow(k *call) {
	last := len(h.young) - 1
	h.young[k.place] = h.young[last]
	h.young[k.place].place = k.place
	h.young[last] = nil
	h.young = h.young[:last]
	k.place = -1
}

// exit ends the watch over k and takes its connection back: for another call
// if keep says that it can be used, and if there is room.
func (h *host) exit(k *call, keep bool) {
	l, c, now := k.link, h.client, time.Now()
	doubted := keep && (l.bare || h.careless(now))
	if doubted {
		l.hurry()
	}
	h.mu.Lock()
	h.calls--
	if k.unwatch != nil {
		keep = k.unwatch() && keep // or the connection is being cut
		k.unwatch = nil
	} else if k.place >= 0 {
		h.grow(k)
	}
	k.link = nil
	keep = keep && !k.cut
	if k.session != nil {
		h.mu.Unlock()
		if !k.session.keep(l, keep) {
			l.close()
		}
		return
	}
	keep = keep && !h.gone && len(h.idle) < c.perHost && now.Sub(l.born) < maxAge
	if keep {
		l.rest(now, doubted)
		h.idle = append(h.idle, l)
		c.idle.Add(1)
	}
	h.mu.Unlock()
	switch {
	case !keep:
		l.close()
	case c.crowded():
		c.evict()
	}
}

// leave closes the idle connections and keeps none from now on.
func (h *host) leave() {
	h.mu.Lock()
	h.gone = true
	closing := h.idle
	h.idle = nil
	h.client.idle.Add(int64(-len(closing)))
	h.mu.Unlock()
	drop(closing)
}

// drop closes connections that were idle.
func drop(links []*link) {
	for _, l := range links {
		l.close()
	}
}

// crowded reports whether more connections are idle than may be.
func (c *Client) crowded() bool {
	limit := c.settings.MaxIdleConnections
	return limit > 0 && c.idle.Load() > int64(limit)
}

// evict closes the connections that have been idle for the longest time, until
// as many are left as may be.
func (c *Client) evict() {
	c.evicting.Lock()
	defer c.evicting.Unlock()
	for c.crowded() {
		h, oldest := c.oldest()
		if h == nil {
			return
		}
		drop(h.expire(func(l *link) bool { return l == oldest }))
	}
}

// oldest returns the connection that has been idle for the longest time, with
// its host; nil if none is idle.
func (c *Client) oldest() (*host, *link) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var of *host
	var oldest *link
	var since time.Time
	for _, h := range c.hosts {
		h.mu.Lock()
		if len(h.idle) > 0 && (of == nil || h.idle[0].since.Before(since)) {
			of, oldest, since = h, h.idle[0], h.idle[0].since
		}
		h.mu.Unlock()
	}
	return of, oldest
}

// expire takes out the idle connections of which expired says so.
func (h *host) expire(expired func(*link) bool) (out []*link) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = slices.DeleteFunc(h.idle, func(l *link) bool {
		if !expired(l) {
			return false
		}
		out = append(out, l)
		return true
	})
	h.client.idle.Add(int64(-len(out)))
	return out
}

// scheduleSweep lets the next sweep happen after d, unless one is due
// already. c.mu is held.
func (c *Client) scheduleSweep(d time.Duration) {
	if c.sweeping {
		return
	}
	c.sweeping = true
	if limit := time.Duration(c.settings.IdleConnectionTimeout); limit > 0 {
		d = min(d, limit) // what becomes idle from now on expires later
	}
	if c.sweeper == nil {
		c.sweeper = time.AfterFunc(d, c.sweep)
	} else {
		c.sweeper.Reset(d)
	}
}

// sweep closes connections that were idle too long or that the backend has
// closed, and forgets hosts without any. It goes on as long as there are hosts.
func (c *Client) sweep() {
	now := time.Now()
	limit := time.Duration(c.settings.IdleConnectionTimeout)
	next := sweepAtLeast
	var closing []*link
	c.mu.Lock()
	for o, h := range c.hosts {
		closing = append(closing, h.expire(func(l *link) bool {
			return limit > 0 && now.Sub(l.since) >= limit || l.spoiled()
		})...)
		h.mu.Lock()
		switch {
		case len(h.idle) > 0 && limit > 0:
			next = min(next, limit-now.Sub(h.idle[0].since))
		case len(h.idle) == 0 && h.calls == 0 && now.Sub(h.made) >= sweepAtLeast:
			h.gone = true
			delete(c.hosts, o)
		}
		h.mu.Unlock()
	}
	c.sweeping = false
	if len(c.hosts) > 0 {
		c.scheduleSweep(max(next, limit/10)) // late by a tenth, instead of once for each connection
	}
	c.mu.Unlock()
	drop(closing)
}
