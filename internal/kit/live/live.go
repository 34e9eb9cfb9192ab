package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/change"
)

// A Peer is what connections of type T lead to.
type Peer[T any] interface {
	// Dial connects. It returns promptly once ctx is done, and the connection does not
	// depend on ctx. Whoever notices that it is of no use any more calls lost, which
	// may be done at any time, by several and more than once.
	Dial(ctx context.Context, lost func(cause error)) (connection T, err error)

	// Close ends a connection. What it has accepted goes out first, if it was not
	// lost. It returns promptly once ctx is done, which is sooner for one that was lost:
	// nothing is dialled before it has returned.
	Close(ctx context.Context, connection T)
}

// Options say how a connection is kept up.
type Options struct {
	// Name is what the log calls the peer: its address, without secrets, and what of it
	// is meant, such as a queue, if there are several.
	Name string

	// Backoff is how the pauses between attempts grow.
	Backoff Backoff

	// Retries is how many more attempts may fail behind one that has failed, before
	// the connection has failed; 0 or less is no end.
	Retries int

	// Grave is that nobody hears of it but by the log when the connection has failed: the line
	// is CRITICAL then, as telemetry/logging has it, and not ERROR.
	Grave bool
}

// Rested is the cause of a loss that is none: the peer has ended in order what nobody was
// using. Nothing is said of it if the connection had lasted and is there again at once.
type Rested struct{ Cause error }

func (r Rested) Error() string { return r.Cause.Error() }

// Unwrap returns the cause.
func (r Rested) Unwrap() error { return r.Cause }

// Provoked is the cause of a loss that a message has brought about, which its sender hears of: one
// that the peer refuses by the end of the connection. Nothing is said of it unless the next attempt
// fails, or there would be two lines for each such message.
type Provoked struct{ Cause error }

func (p Provoked) Error() string { return p.Cause.Error() }

// Unwrap returns the cause.
func (p Provoked) Unwrap() error { return p.Cause }

var (
	errEnded  = errors.New("the connection has ended")
	errClosed = errors.New("the gateway has closed the connection")
)

// DefaultTimeout is how long an attempt to connect may take.
const DefaultTimeout = 10 * time.Second

const (
	steady  = 5 * time.Second // that a connection lasts if the attempts before it are to be forgotten, and the next is made at once
	goodbye = 5 * time.Second // that the end of a connection may take
	parting = time.Second     // that of one which was lost
	briefly = time.Second     // that calls may be refused before it is said
	reminds = time.Second     // when what could not be said is tried again
)

// State is where a connection is.
type State uint8

// The states.
const (
	Idle       State = iota // nobody has started it
	Connecting              // it is not there yet, or was lost
	Ready
	Failed // there is an attempt a minute, and a new series as soon as somebody asks for it
	Closed
)

// String returns the state in a word.
func (s State) String() string {
	return [...]string{"idle", "connecting", "ready", "failed", "closed"}[s]
}

// A Conn is a connection that is kept up: made in the background, and made again when
// it was lost. It is safe for concurrent use. It survives reloads in [component.Keep],
// whose closer is Close.
type Conn[T any] struct {
	o    Options
	peer Peer[T]
	live atomic.Pointer[link[T]] // nil unless Ready

	mu     sync.Mutex
	state  State
	cause  error         // why it is not ready; nil if nothing is known
	turned chan struct{} // closed when the state turns into another
	asked  chan struct{} // of size 1: somebody wants one that has failed

	unserved atomic.Bool // a call was not served, and none since
	since    time.Time   // the first of those
	last     time.Time   // the last of those

	stop context.CancelFunc
	over chan struct{} // closed when nothing is left behind

	telling sync.Mutex     // held while a log is written to
	logs    []*slog.Logger // of those who have started and not left
	said    change.State
	refuses change.State // while it is there
	given   bool         // that it has failed is said, since it was said to be away
	why     string       // the cause that was said last, in words
	silent  time.Time    // until then another cause is not said
}

// link is a connection as it was made.
type link[T any] struct {
	value T
	lost  chan error // of size 1
}

// New returns a connection that nobody has started. The caller closes it.
func New[T any](o Options, p Peer[T]) *Conn[T] {
	return &Conn[T]{o: o, peer: p, turned: make(chan struct{}), asked: make(chan struct{}, 1)}
}

// Start begins to connect, if nobody has, and waits for nothing. Until leave is called,
// the log is told when the peer is away and when it is back, a line each, and another when
// what keeps it away is something else than before, at most one in a minute; of several
// logs the one that came last. A peer that is away when the last one leaves is given up, by a
// line, so that none is away for ever.
func (c *Conn[T]) Start(log *slog.Logger) (leave func()) {
	own := slog.New(log.Handler()) // which differs from that of others
	c.telling.Lock()
	c.logs = append(c.logs, own)
	c.telling.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Idle {
		var ctx context.Context
		ctx, c.stop = context.WithCancel(context.Background())
		c.over = make(chan struct{})
		c.turn(Connecting, nil)
		go c.run(ctx)
	}
	return func() {
		c.telling.Lock()
		defer c.telling.Unlock()
		c.logs = slices.DeleteFunc(c.logs, func(l *slog.Logger) bool { return l == own })
		if len(c.logs) == 0 && c.said.Bad() {
			own.Info("peer is given up, which was away", "peer", c.o.Name)
			c.said.Is(false, time.Now)
			c.given = false
		}
	}
}

// Adapt changes how the connection is kept up; one that has failed is tried anew.
func (c *Conn[T]) Adapt(b Backoff, retries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b == c.o.Backoff && retries == c.o.Retries {
		return
	}
	c.o.Backoff, c.o.Retries = b, retries
	select {
	case c.asked <- struct{}{}:
	default:
	}
}

// retry returns how the connection is kept up.
func (c *Conn[T]) retry() (Backoff, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.o.Backoff, c.o.Retries
}

// Get returns the connection, which the caller may use until its exchange ends, or at
// once the failure of a call whose peer is away ([gateway.Away]).
func (c *Conn[T]) Get() (T, error) {
	if l := c.live.Load(); l != nil {
		return l.value, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.asked <- struct{}{}:
	default:
	}
	if c.state == Failed {
		c.turn(Connecting, c.cause) // so that who waits now waits for that
	}
	var none T
	return none, gateway.Away(c.away())
}

// away says why the connection is not there. The caller holds the lock.
func (c *Conn[T]) away() error {
	if c.cause == nil {
		return fmt.Errorf("%s is not connected yet", c.o.Name)
	}
	return fmt.Errorf("%s is away: %w", c.o.Name, c.cause)
}

// Wait returns nil as soon as the connection is there, or an error once it has failed or
// is closed, or ctx is done.
func (c *Conn[T]) Wait(ctx context.Context) error {
	for {
		c.mu.Lock()
		state, turned, away := c.state, c.turned, c.away()
		c.mu.Unlock()
		switch state {
		case Ready:
			return nil
		case Failed, Closed:
			return away
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Tried returns nil when the first attempt to connect has ended, well or not: at once if
// that is long ago, whatever the connection has come to. An error is that ctx was done before.
func (c *Conn[T]) Tried(ctx context.Context) error {
	for {
		c.mu.Lock()
		first, turned, away := c.state == Connecting && c.cause == nil, c.turned, c.away()
		c.mu.Unlock()
		if !first {
			return nil
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return away
		}
	}
}

// State returns where the connection is.
func (c *Conn[T]) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Health is what health paths tell of the connection: its state, or that the peer is there and
// refuses calls ([Conn.Served]). That is forgotten a minute after the last one, so that a gateway
// which is not ready gets calls again, by which it learns more.
func (c *Conn[T]) Health() (text string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == Ready && c.refused() && time.Since(c.last) < longest {
		return "refusing", false
	}
	return c.state.String(), c.state == Ready
}

// refused reports whether calls are refused for a while, one after the other. The caller holds
// the lock.
func (c *Conn[T]) refused() bool { return c.unserved.Load() && c.last.Sub(c.since) >= briefly }

// Served takes notice of what became of a call to the peer that was there: it was served, or it
// was not, for a cause that has nothing to do with the call itself. That is said when it has gone
// on for a second, and when it is over, a line each.
func (c *Conn[T]) Served(cause error) {
	if cause == nil && !c.unserved.Load() {
		return
	}
	c.mu.Lock()
	if c.state != Ready { // what is said of a lost one is enough
		c.mu.Unlock()
		return
	}
	c.last = time.Now()
	if c.unserved.Swap(cause != nil) != (cause != nil) {
		c.since = c.last
	}
	refused := c.refused()
	c.mu.Unlock()
	switch {
	case cause != nil && refused && c.refuses.Is(true, time.Now):
		c.Say(func(log *slog.Logger) { log.Warn("peer is there, and refuses calls", "peer", c.o.Name, "cause", cause) })
	case cause == nil && c.refuses.Is(false, time.Now):
		c.Say(func(log *slog.Logger) { log.Info("peer serves calls again", "peer", c.o.Name) })
	}
}

// Close ends the connection, and returns when nothing of it is left. It may be called
// more than once.
func (c *Conn[T]) Close() {
	c.mu.Lock()
	if c.state == Idle {
		c.turn(Closed, errClosed)
	}
	stop, over := c.stop, c.over
	c.mu.Unlock()
	if stop != nil {
		stop()
		<-over
	}
}

// Detached says that Close uses nothing that was kept, such as another connection, so that those
// of [component.Keep] end beside each other.
func (c *Conn[T]) Detached() {}

// turn changes the state. The caller holds the lock.
func (c *Conn[T]) turn(s State, cause error) {
	c.state, c.cause = s, cause
	close(c.turned)
	c.turned = make(chan struct{})
}

// run keeps the connection up until ctx is done. There is a pause in front of each attempt
// but the first, and the first behind a connection that has lasted.
func (c *Conn[T]) run(ctx context.Context) {
	defer close(c.over)
	for attempt, pause := 0, false; ; attempt++ {
		backoff, _ := c.retry()
		if pause && !sleep(ctx, backoff.Pause(attempt)) {
			break
		}
		pause = true
		l, err := c.dial(ctx)
		if err == nil {
			var lasted bool
			if lasted, err = c.hold(ctx, l); lasted {
				attempt, pause = -1, false
				continue
			}
		}
		if ctx.Err() != nil {
			break
		}
		_, retries := c.retry()
		if retries <= 0 || attempt < retries {
			c.set(Connecting, err)
			c.tell(Connecting, err)
			continue
		}
		select {
		case <-c.asked: // while there was hope
		default:
		}
		c.set(Failed, err)
		c.tell(Failed, err)
		pause = false
		again := time.NewTimer(longest)
		select {
		case <-c.asked:
			c.set(Connecting, err)
			attempt = -1
		case <-again.C: // and if that is in vain, it has failed still
			attempt = retries - 1
		case <-ctx.Done():
		}
		again.Stop()
	}
	c.set(Closed, errClosed)
}

// set changes the state, and lends nothing any more unless it is Ready.
func (c *Conn[T]) set(s State, cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live.Store(nil)
	c.turn(s, cause)
}

// dial makes one attempt. A panic of the peer is a failure of it.
func (c *Conn[T]) dial(ctx context.Context) (l *link[T], err error) {
	defer gateway.Recover("", &err)
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	l = &link[T]{lost: make(chan error, 1)}
	l.value, err = c.peer.Dial(ctx, func(cause error) { c.lose(l, cause) })
	return l, err
}

// lend makes a connection that of everybody, unless it is lost already.
func (c *Conn[T]) lend(l *link[T]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(l.lost) > 0 {
		return false
	}
	c.live.Store(l)
	c.unserved.Store(false) // which begins anew
	c.refuses.Is(false, time.Now)
	c.turn(Ready, nil)
	return true
}

// lose withdraws a connection at once, so that who knows of it finds it gone.
func (c *Conn[T]) lose(l *link[T], cause error) {
	if cause == nil {
		cause = errEnded
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case l.lost <- cause:
	default: // somebody was faster
		return
	}
	if c.live.CompareAndSwap(l, nil) {
		c.turn(Connecting, cause)
	}
}

// hold lends the connection until it is lost, which it returns the cause of, or ctx is
// done, and ends it. It reports whether the connection had lasted when it was lost.
func (c *Conn[T]) hold(ctx context.Context, l *link[T]) (lasted bool, cause error) {
	began := time.Now()
	if c.lend(l) {
		c.tell(Ready, nil)
	}
	for held := true; held; {
		var unsaid <-chan time.Time
		if c.said.Bad() {
			unsaid = time.After(reminds)
		}
		select {
		case cause = <-l.lost:
			held, lasted = false, time.Since(began) >= steady
			c.set(Connecting, cause)
			if _, rested := errors.AsType[Rested](cause); !rested || !lasted {
				c.tell(Connecting, cause)
			}
		case <-ctx.Done():
			held = false
			c.set(Closed, errClosed)
		case <-unsaid:
			c.tell(Ready, nil)
		}
	}
	takes := goodbye
	if ctx.Err() == nil {
		takes = parting
	}
	if err := c.end(context.WithoutCancel(ctx), l, takes); err != nil {
		c.panicked(err)
	}
	return lasted, cause
}

// end closes what is not lent any more, within a time. The error is a panic of the peer.
func (c *Conn[T]) end(ctx context.Context, l *link[T], takes time.Duration) (err error) {
	defer gateway.Recover("", &err)
	ctx, cancel := context.WithTimeout(ctx, takes)
	defer cancel()
	c.peer.Close(ctx, l.value)
	return nil
}

// Say lets write have the log, if there is one, for what the peer says of itself while it is there.
func (c *Conn[T]) Say(write func(log *slog.Logger)) {
	c.telling.Lock()
	defer c.telling.Unlock()
	if len(c.logs) > 0 {
		write(c.logs[len(c.logs)-1])
	}
}

// panicked writes a line that the end of a connection has panicked.
func (c *Conn[T]) panicked(err error) {
	c.telling.Lock()
	defer c.telling.Unlock()
	if len(c.logs) > 0 {
		c.logs[len(c.logs)-1].Error("a connection could not be closed", "peer", c.o.Name, "cause", err)
	}
}

// tell writes a line if the state is another than was said. What may not be said yet is
// said when it is told again, as it is with each attempt that fails and each moment that
// the connection lasts.
func (c *Conn[T]) tell(s State, cause error) {
	if _, provoked := errors.AsType[Provoked](cause); provoked && s == Connecting {
		return
	}
	c.telling.Lock()
	defer c.telling.Unlock()
	say := c.said.Is(s != Ready, time.Now) // before anything else, so that it knows
	if len(c.logs) == 0 {
		return
	}
	log := c.logs[len(c.logs)-1]
	switch {
	case s == Failed && !c.given && c.said.Bad(): // so that its return is said, too
		c.given, c.why = true, words(cause)
		level := slog.LevelError
		if c.o.Grave {
			level += 4
		}
		log.Log(context.Background(), level, "peer is away, and is tried once a minute or when it is asked for", "peer", c.o.Name, "cause", cause)
	case s == Connecting && say:
		c.why = words(cause)
		log.Warn("peer is away, and is tried again until it is back", "peer", c.o.Name, "cause", cause)
	case s == Ready && say:
		c.given = false
		log.Info("peer is back", "peer", c.o.Name)
	case s != Ready && c.said.Bad() && words(cause) != c.why && !time.Now().Before(c.silent):
		c.why, c.silent = words(cause), time.Now().Add(longest)
		log.Warn("peer is still away, for another cause", "peer", c.o.Name, "cause", cause)
	}
}

// words returns the text of a cause without the words that hold digits, such as the ports of an
// attempt and the ID of a request, so that these make no other cause of it.
func words(cause error) string {
	all := strings.Fields(fmt.Sprint(cause))
	return strings.Join(slices.DeleteFunc(all, func(w string) bool { return strings.ContainsAny(w, "0123456789") }), " ")
}

// sleep reports whether d has passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
