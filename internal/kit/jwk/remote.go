package jwk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/change"
	"github.com/sluice-gateway/sluice/internal/kit/fetch"
)

// Bounds of a [Remote].
const (
	DefaultCooldown = 10 * time.Second // of a cached set

	downloadTimeout = 5 * time.Second
	downloadLimit   = 1 << 20
	redirects       = 5
	failurePause    = time.Second      // between downloads of a cached set that fail
	forcedWindow    = 10 * time.Second // in which unknown names cause two downloads at most
	cooledNames     = 1024             // that are remembered
)

// RemoteOptions say where a set is and how long it is believed.
type RemoteOptions struct {
	URL       string
	By        Strategy
	Connector gateway.Connector
	Header    gateway.Fields // sent with each download; canonical names

	// Lifetime is how long a downloaded set is used without asking again. With
	// 0 the set is downloaded for every Find.
	Lifetime time.Duration

	// Cooldown is how long a name that was unknown, or whose download failed,
	// causes no other download. 0 is none, and DefaultCooldown with a
	// Lifetime, where a failed download does not count against its name.
	Cooldown time.Duration

	Clock func() time.Time
}

// A Remote is the key set behind a URL. It is safe for concurrent use.
//
// There is one download at a time, which everybody who needs it waits for. It
// has 5 seconds and 1 MiB, and it outlives the request that caused it. A set
// older than its lifetime, but not twice as old, is still used while one
// download renews it, so that no request waits for the provider.
//
// A name that the newest set does not hold causes a download, because the
// provider may have a new key; but no more than two in 10 seconds, whatever
// names clients invent, with a Lifetime or without.
//
// Whoever attached a [Listener] hears when the set cannot be had, and when it can
// again.
type Remote struct {
	o    RemoteOptions
	last atomic.Pointer[dated] // the newest set; nil without Lifetime

	mu      sync.Mutex
	running *download
	failure error     // of the last download of a cached set
	retry   time.Time // when the next one may start after a failure
	forced  [2]time.Time
	cooled  cooldown
	closed  bool
	known   *Set // without Lifetime, the newest set, which tells what names there are

	state     State // that was told
	said      change.State
	listeners []*Listener
	untold    []event

	telling sync.Mutex // held while listeners are told, so that they hear in order
	wg      sync.WaitGroup
}

// State is whether there are keys.
type State uint8

// The states. Before the first download a set is in none of them.
const (
	Unasked State = iota
	Loaded        // the last download went well
	Aging         // it did not, and keys from before still count
	Missing       // it did not, and no key counts
)

// A Change is what a listener hears of a set that is in another state.
type Change struct {
	From, To State
	Keys     int   // how many there are in a set that is loaded
	Cause    error // why the last download failed; nil if it did not
}

// A Listener hears of a set. Of several, all hear of new sets, and the one that was
// attached last hears of changes, so that each is told once. The functions may be
// called until the listener was detached, one at a time.
type Listener struct {
	Changed func(Change)
	Loaded  func(*Set)
}

type event struct {
	change Change // To is Unasked if nothing has changed
	set    *Set   // nil if there is none
}

// Attach adds a listener. It is told at once of a set that is loaded already, and then of
// every newer one and of what changes from now on; nothing that happened before is
// repeated to it.
func (r *Remote) Attach(l *Listener) {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.drain()
	r.listeners = append(r.listeners, l)
	set := r.known
	if last := r.last.Load(); last != nil {
		set = last.set
	}
	r.mu.Unlock()
	if set != nil {
		l.Loaded(set)
	}
}

// Detach removes a listener. When it has returned, the listener is not called any
// more.
func (r *Remote) Detach(l *Listener) {
	r.mu.Lock()
	r.listeners = slices.DeleteFunc(r.listeners, func(other *Listener) bool { return other == l })
	r.mu.Unlock()
	r.telling.Lock() // waits for a call that is under way
	defer r.telling.Unlock()
}

// tell calls the listeners for all that has not been told.
func (r *Remote) tell() {
	r.telling.Lock()
	defer r.telling.Unlock()
	r.drain()
	r.mu.Unlock()
}

// drain does the work of tell. The caller holds telling. When it returns, mu is held and
// nothing waits to be told.
func (r *Remote) drain() {
	r.mu.Lock()
	for len(r.untold) > 0 {
		e := r.untold[0]
		r.untold = r.untold[1:]
		listeners := slices.Clone(r.listeners)
		r.mu.Unlock()
		for i, l := range listeners {
			if e.set != nil {
				l.Loaded(e.set)
			}
			if e.change.To != Unasked && i == len(listeners)-1 {
				l.Changed(e.change)
			}
		}
		r.mu.Lock()
	}
}

type dated struct {
	set *Set
	at  time.Time
}

type download struct {
	done   chan struct{} // closed when set and err are final
	set    *Set
	err    error
	cancel context.CancelFunc
}

// finished is the channel of a download that ended before somebody waited.
var finished = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// ErrUnavailable is in the error when the set cannot be had, so that nobody knows
// whether a key has the name.
var ErrUnavailable = errors.New("the key set cannot be had")

// Reasons not to ask the provider.
var (
	errCooling = fmt.Errorf("%w; the provider was asked a moment ago", ErrUnknown)
	errFailed  = fmt.Errorf("%w; it could not be a moment ago", ErrUnavailable)
	errClosed  = fmt.Errorf("%w: it is closed", ErrUnavailable)
)

// NewRemote returns the set at o.URL. It does not download it. The caller
// closes it.
func NewRemote(o RemoteOptions) *Remote {
	r := &Remote{o: o}
	r.cooled.seed = maphash.MakeSeed()
	return r
}

// Find returns the keys with the given name, as [Set.Find] does, and downloads
// the set where that is needed. It waits until ctx is done at most. The errors
// are [ErrUnknown], that of the context, and [ErrUnavailable] with that of the
// download.
func (r *Remote) Find(ctx context.Context, name string) ([]*Key, error) {
	now := r.o.Clock()
	last := r.last.Load()
	fresh := last != nil && now.Sub(last.at) < r.o.Lifetime
	if last != nil && now.Sub(last.at) < 2*r.o.Lifetime {
		if keys, err := last.set.Find(ctx, name); err == nil {
			if !fresh {
				r.renew(now)
			}
			return keys, nil
		}
	}
	d, err := r.join(name, now, last, fresh)
	if err != nil {
		return nil, err
	}
	select {
	case <-d.done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	var keys []*Key
	if err = d.err; err == nil {
		keys, err = d.set.Find(ctx, name)
	}
	if err != nil {
		r.cool(name, err)
	}
	return keys, err
}

// Preload starts the first download of a cached set, and does not wait for it.
func (r *Remote) Preload() {
	if r.o.Lifetime > 0 && r.last.Load() == nil {
		r.renew(r.o.Clock())
	}
}

// renew starts a download in the background, unless there is one or the last
// one has just failed.
func (r *Remote) renew(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil && !r.closed && !now.Before(r.retry) {
		r.start()
	}
}

// join returns the download that will tell about a name, or why there is none.
// Seen is the set that the name was looked for in, which is fresh or not; if
// there is a newer one by now, that is the download.
func (r *Remote) join(name string, now time.Time, seen *dated, fresh bool) (*download, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	newest := r.last.Load()
	switch {
	case newest != seen:
		return &download{done: finished, set: newest.set}, nil
	case r.closed:
		return nil, errClosed
	}
	if err := r.cooled.holds(name, now); err != nil {
		return nil, err
	}
	foreign := fresh || r.known != nil && r.known.byName[name] == nil // to the newest set
	switch {
	case r.running != nil:
		return r.running, nil
	case now.Before(r.retry):
		return nil, r.failure
	case foreign && now.Sub(r.forced[0]) < forcedWindow:
		return nil, errCooling
	case foreign:
		r.forced[0], r.forced[1] = r.forced[1], now
	}
	return r.start(), nil
}

// cool keeps a name from causing another download for a while.
func (r *Remote) cool(name string, err error) {
	d := r.o.Cooldown
	if d == 0 && r.o.Lifetime > 0 && errors.Is(err, ErrUnknown) {
		d = DefaultCooldown
	}
	if d > 0 {
		now := r.o.Clock()
		r.mu.Lock()
		reason := errFailed
		if errors.Is(err, ErrUnknown) {
			reason = errCooling
		}
		r.cooled.add(name, now, until{now.Add(d), reason})
		r.mu.Unlock()
	}
}

// start starts a download. The caller holds the lock.
func (r *Remote) start() *download {
	ctx, cancel := context.WithTimeout(context.Background(), downloadTimeout)
	d := &download{done: make(chan struct{}), cancel: cancel}
	r.running = d
	r.wg.Go(func() {
		defer cancel()
		var err error
		if d.set, err = r.load(ctx); err != nil {
			d.err = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		r.finish(d)
		r.tell()
	})
	return d
}

func (r *Remote) load(ctx context.Context) (*Set, error) {
	doc, err := fetch.Get(ctx, r.o.Connector, r.o.URL, fetch.Options{
		Header: r.o.Header, Limit: downloadLimit, Redirects: redirects,
	})
	if err != nil {
		return nil, err
	}
	media := strings.ToLower(doc.Type)
	if !strings.HasPrefix(media, "application/json") && !strings.HasPrefix(media, "application/jwk-set+json") {
		return nil, fmt.Errorf("the content type is %q instead of application/json or application/jwk-set+json", doc.Type)
	}
	return Parse(doc.Body, r.o.By)
}

// finish hands the download over to those who wait.
func (r *Remote) finish(d *download) {
	now := r.o.Clock()
	r.mu.Lock()
	r.running = nil
	switch {
	case r.o.Lifetime == 0 && d.err == nil:
		r.known = d.set
	case r.o.Lifetime == 0:
	case d.err != nil:
		r.failure, r.retry = d.err, now.Add(failurePause)
	default:
		r.last.Store(&dated{d.set, now})
	}
	r.note(d, now)
	r.mu.Unlock()
	close(d.done)
}

// note keeps what listeners are to hear of a download, unless it was cut because the
// set is closed. The caller holds the lock.
func (r *Remote) note(d *download, now time.Time) {
	if r.closed {
		return
	}
	e := event{change: Change{From: r.state, To: Loaded}, set: d.set}
	if d.err != nil {
		e.change.To, e.change.Cause = Missing, d.err
		if last := r.last.Load(); last != nil && now.Sub(last.at) < 2*r.o.Lifetime {
			e.change.To = Aging
		}
	} else {
		e.change.Keys = d.set.Len()
	}
	bad := e.change.To != Loaded
	switch {
	case e.change.To == r.state:
		e.change.To = Unasked
	case r.said.Bad() != bad && !r.said.Is(bad, func() time.Time { return now }):
		e.change.To = Unasked // what changes all the time is said now and then
	default:
		r.state = e.change.To
	}
	if e.change.To != Unasked || e.set != nil {
		r.untold = append(r.untold, e)
	}
}

// Close ends a download that is running and waits for its end. Finding and
// preloading afterwards download nothing.
func (r *Remote) Close() {
	r.mu.Lock()
	r.closed = true
	if r.running != nil {
		r.running.cancel()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// A cooldown remembers names for a while, as many as cooledNames of them. It
// keeps hashes, so that long names cost no more than short ones.
type cooldown struct {
	seed  maphash.Seed
	until map[uint64]until
}

// until is how long a name is remembered, and why.
type until struct {
	end    time.Time
	reason error
}

// holds returns why a name must wait, nil if it need not.
func (c *cooldown) holds(name string, now time.Time) error {
	if u, ok := c.until[maphash.String(c.seed, name)]; ok && now.Before(u.end) {
		return u.reason
	}
	return nil
}

// add remembers a name. Without room, those that are over are forgotten; if
// there is none, the name is not remembered.
func (c *cooldown) add(name string, now time.Time, u until) {
	if len(c.until) >= cooledNames {
		for hash, other := range c.until {
			if !now.Before(other.end) {
				delete(c.until, hash)
			}
		}
		if len(c.until) >= cooledNames {
			return
		}
	}
	if c.until == nil {
		c.until = make(map[uint64]until)
	}
	c.until[maphash.String(c.seed, name)] = u
}
