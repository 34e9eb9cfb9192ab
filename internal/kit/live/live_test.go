package live

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// peer is a Peer whose attempts end as it is told; its connections are numbers.
type peer struct {
	mu     sync.Mutex
	began  time.Time
	down   error // why attempts fail
	hangs  bool  // attempts do not end by themselves
	at     []time.Duration
	lost   func(error) // of the last connection
	closed []int
	panics bool          // attempts and ends do
	takes  time.Duration // what an attempt takes
	ends   time.Duration // what the end of a connection takes
}

func (p *peer) Dial(ctx context.Context, lost func(error)) (int, error) {
	p.mu.Lock()
	p.at = append(p.at, time.Since(p.began))
	n, down, hangs := len(p.at), p.down, p.hangs
	p.lost = lost
	if p.panics {
		defer panic("somebody else's library")
	}
	p.mu.Unlock()
	time.Sleep(p.takes)
	if hangs {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return n, down
}

func (p *peer) Close(ctx context.Context, n int) {
	select {
	case <-time.After(p.ends):
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = append(p.closed, n)
	if p.panics {
		panic("somebody else's library")
	}
}

func (p *peer) be(down error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

func (p *peer) lose(cause error) {
	p.mu.Lock()
	lost := p.lost
	p.mu.Unlock()
	lost(cause)
}

// attempts returns when there was one, in whole seconds.
func (p *peer) attempts() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	var at []int
	for _, d := range p.at {
		at = append(at, int(d/time.Second))
	}
	return at
}

// lines returns the log and a function that takes what is written there: level and
// message of each line.
func lines() (*slog.Logger, func() []string) {
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	return log, func() []string {
		defer b.Reset()
		return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	}
}

var errDown = errors.New("refused")

// opened starts a connection within a bubble.
func opened(t *testing.T, o Options, p *peer) (c *Conn[int], log func() []string) {
	p.began = time.Now()
	o.Name = "amqp://broker:5672"
	c = New(o, p)
	l, log := lines()
	leave := c.Start(l)
	t.Cleanup(func() {
		leave()
		c.Close()
		if s := c.State(); s != Closed {
			t.Errorf("state %v, want closed", s)
		}
	})
	synctest.Wait()
	return c, log
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestAttempts(t *testing.T) {
	tests := []struct {
		name    string
		options Options
		hangs   bool
		lasts   time.Duration
		want    []int // seconds
		state   State
	}{
		{"once a second", Options{}, false, 3500 * time.Millisecond, []int{0, 1, 2, 3}, Connecting},
		{"linear", Options{Backoff: Linear}, false, 11 * time.Second, []int{0, 1, 3, 6, 10}, Connecting},
		{"exponential", Options{Backoff: Exponential}, false, 31 * time.Second, []int{0, 2, 6, 14, 30}, Connecting},
		{"a minute at most", Options{Backoff: Exponential}, false, 200 * time.Second, []int{0, 2, 6, 14, 30, 62, 122, 182}, Connecting},
		{"two behind the first, and then one a minute", Options{Retries: 2}, false, 130 * time.Second, []int{0, 1, 2, 62, 122}, Failed},
		{"those that hang", Options{}, true, 23 * time.Second, []int{0, 11, 22}, Connecting},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &peer{down: errDown, hangs: tt.hangs}
				c, _ := opened(t, tt.options, p)
				wait(tt.lasts)
				if got := p.attempts(); !slices.Equal(got, tt.want) {
					t.Errorf("attempts at %v, want %v", got, tt.want)
				}
				if c.State() != tt.state {
					t.Errorf("state %v, want %v", c.State(), tt.state)
				}
			})
		})
	}
}

func TestJitter(t *testing.T) {
	for _, b := range []Backoff{LinearJitter, ExponentialJitter} {
		for i := range 200 {
			plain := Backoff(strings.TrimSuffix(string(b), "-jitter")).Pause(i)
			if got := b.Pause(i); got < plain*66/100 || got > min(plain*134/100, time.Minute) {
				t.Fatalf("%s: pause %d is %v, and %v without jitter", b, i, got, plain)
			}
		}
	}
}

// TestTried: the first attempt is waited for, whatever it comes to, and no later one.
func TestTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := opened(t, Options{}, &peer{hangs: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Tried(ctx); err == nil || !strings.Contains(err.Error(), "is not connected yet") {
			t.Errorf("within a second: %v", err)
		}
		began := time.Now()
		if err := c.Tried(t.Context()); err != nil || time.Since(began) != 9*time.Second {
			t.Errorf("the first attempt: %v after %v", err, time.Since(began))
		}
		wait(2 * time.Second) // the next one hangs
		if err := c.Tried(ctx); err != nil {
			t.Errorf("later: %v", err)
		}
		there, _ := opened(t, Options{}, new(peer))
		if err := there.Tried(ctx); err != nil {
			t.Errorf("one that is there: %v", err)
		}
	})
}

// TestAway: whoever asks for a peer that is away hears it at once, the log says it once.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{down: errDown}
		c, log := opened(t, Options{}, p)
		now := time.Now()
		_, err := c.Get()
		e := gateway.AsError(err)
		if e.Code != gateway.CodeBackendAway || !errors.Is(err, errDown) || !errors.Is(err, gateway.ErrUnreached) || time.Now() != now {
			t.Errorf("error %v after %v", err, time.Since(now))
		}
		wait(time.Minute)
		want := []string{`level=WARN msg="peer is away, and is tried again until it is back" peer=amqp://broker:5672 cause=refused`}
		if got := log(); !slices.Equal(got, want) {
			t.Errorf("log %q, want %q", got, want)
		}
		p.be(nil)
		if err := c.Wait(t.Context()); err != nil {
			t.Errorf("Wait: %v", err)
		}
		synctest.Wait()
		if text, ok := c.Health(); text != "ready" || !ok {
			t.Errorf("health %q, %v", text, ok)
		}
		if got, want := log(), []string{`level=INFO msg="peer is back" peer=amqp://broker:5672`}; !slices.Equal(got, want) {
			t.Errorf("log %q, want %q", got, want)
		}
	})
}

// TestCause: what keeps the peer away now is said, and what comes and goes only now and then.
func TestCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(peer)
		_, log := opened(t, Options{Retries: 1}, p)
		wait(time.Minute)
		log()
		p.be(errors.New("password refused (403) by attempt 17"))
		p.lose(errDown)
		wait(time.Second)
		p.be(errors.New("password refused (403) by attempt 18"))
		wait(10 * time.Minute) // and it has failed
		got := log()
		if len(got) != 3 || !strings.Contains(got[0], "cause=refused") ||
			!strings.Contains(got[1], `level=WARN msg="peer is still away, for another cause" peer=amqp://broker:5672 cause="password refused (403) by attempt 17"`) ||
			!strings.Contains(got[2], "level=ERROR") {
			t.Errorf("log %q", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := &peer{down: errDown}
		_, log := opened(t, Options{}, p)
		for i := range 600 { // seconds
			p.be([]error{errors.New("password refused"), errDown}[i%2])
			wait(time.Second)
		}
		if got := log(); len(got) < 3 || len(got) > 12 {
			t.Errorf("%d lines within ten minutes: %q", len(got), got)
		}
	})
}

// TestGivenUp: what is away when nobody uses it any more, as a reload has mended its address, is
// away no longer; and a peer that is there goes without a word.
func TestGivenUp(t *testing.T) {
	for down, want := range map[error]string{
		errDown: `level=INFO msg="peer is given up, which was away" peer=amqp://broker:5672`,
		nil:     "",
	} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Options{Name: "amqp://broker:5672"}, &peer{down: down})
			l, log := lines()
			leave, last := c.Start(l), c.Start(l)
			wait(time.Second)
			log()
			leave()
			if got := log(); got[0] != "" {
				t.Errorf("with somebody left: %q", got)
			}
			last()
			c.Close()
			if got := log(); !slices.Equal(got, []string{want}) {
				t.Errorf("log %q, want %q", got, want)
			}
		})
	}
}

// TestWoken: who waits learns of a connection that is made at the same moment, since nothing
// happens behind it that would wake him.
func TestWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 5000 {
			c := New(Options{}, new(peer))
			leave := c.Start(slog.New(slog.DiscardHandler))
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() { c.Wait(t.Context()) })
			}
			wg.Wait()
			leave()
			c.Close()
		}
	})
}

// TestLost: what was lost is closed, and made again without a question.
func TestLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{takes: time.Millisecond}
		c, log := opened(t, Options{Retries: 1}, p)
		for i := range 3 { // each lasts long enough for the attempts before it to be forgotten
			wait(time.Minute)
			p.lose(errDown)
			p.lose(errDown) // by two who noticed, and find it gone at once
			if _, err := c.Get(); !errors.Is(err, errDown) || c.State() != Connecting {
				t.Errorf("error %v", err)
			}
			if err := c.Wait(t.Context()); err != nil {
				t.Errorf("Wait: %v", err)
			}
			if n, err := c.Get(); n != i+2 || err != nil {
				t.Errorf("Get: %d, %v", n, err)
			}
		}
		synctest.Wait()
		if want := []int{1, 2, 3}; !slices.Equal(p.closed, want) {
			t.Errorf("closed %v, want %v", p.closed, want)
		}
		if got := log(); len(got) != 6 {
			t.Errorf("log %q, want six lines", got)
		}
		wait(time.Second) // not long enough
		p.lose(nil)
		wait(2 * time.Second)
		p.lose(nil)
		synctest.Wait()
		if c.State() != Failed {
			t.Errorf("state %v, want failed", c.State())
		}
	})
}

// TestAdapt: other options count from the next attempt on, and for one that has failed at once.
func TestAdapt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{down: errDown}
		c, _ := opened(t, Options{Retries: 1}, p)
		wait(10 * time.Second)
		c.Adapt(Linear, 2)
		c.Adapt(Linear, 2)
		wait(10 * time.Second)
		c.Adapt(Linear, 2)
		wait(10 * time.Second)
		if got, want := p.attempts(), []int{0, 1, 10, 11, 13}; !slices.Equal(got, want) || c.State() != Failed {
			t.Errorf("attempts at %v, want %v; %v", got, want, c.State())
		}
	})
}

// TestAgain: a connection that has lasted is made again at once, and one that has not is no
// better than an attempt that fails.
func TestAgain(t *testing.T) {
	tests := []struct {
		name  string
		o     Options
		lasts []time.Duration // each connection, the last of them for ever
		want  []int
	}{
		{"a peer that ends what nobody uses", Options{}, []time.Duration{10 * time.Minute, 10 * time.Minute, time.Minute}, []int{0, 600, 1200, 1260}},
		{"one that takes and ends", Options{}, []time.Duration{10 * time.Second, 0, 0, 0, 0}, []int{0, 10, 11, 12, 13, 14}},
		{"the pauses grow", Options{Backoff: Exponential}, []time.Duration{10 * time.Second, 0, time.Second, 0, 10 * time.Second, 0}, []int{0, 10, 12, 17, 25, 35, 37}},
		{"at the edge", Options{}, []time.Duration{5 * time.Second, 4 * time.Second}, []int{0, 5, 10}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := new(peer)
				c, _ := opened(t, tt.o, p)
				for _, d := range tt.lasts {
					if err := c.Wait(t.Context()); err != nil {
						t.Fatal(err)
					}
					wait(d)
					p.lose(errDown)
					synctest.Wait()
				}
				wait(time.Hour)
				if got := p.attempts(); !slices.Equal(got, tt.want) {
					t.Errorf("attempts at %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestParting: what ends slowly has not lasted by that, and holds up the next attempt for a
// second.
func TestParting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{ends: time.Hour}
		c, _ := opened(t, Options{Retries: 2}, p)
		for c.Wait(t.Context()) == nil {
			p.lose(errDown)
			synctest.Wait()
		}
		if got, want := p.attempts(), []int{0, 2, 4}; !slices.Equal(got, want) || c.State() != Failed {
			t.Errorf("attempts at %v, state %v; want %v, and failed", got, c.State(), want)
		}
	})
}

// TestRested: nothing is said of a connection that nobody used and that is there again, but for
// one that is not.
func TestRested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(peer)
		c, log := opened(t, Options{}, p)
		for range 3 {
			wait(time.Minute)
			p.lose(Rested{errDown})
			synctest.Wait()
			if _, err := c.Get(); err != nil {
				t.Errorf("Get: %v", err)
			}
		}
		if got := log(); got[0] != "" {
			t.Errorf("log %q, want nothing", got)
		}
		const away, back = `level=WARN msg="peer is away, and is tried again until it is back" peer=amqp://broker:5672 cause=refused`, `level=INFO msg="peer is back" peer=amqp://broker:5672`
		p.lose(Rested{errDown}) // it has not lasted
		wait(2 * time.Second)
		if got := log(); !slices.Equal(got, []string{away, back}) {
			t.Errorf("log %q, want two lines", got)
		}
		wait(time.Minute)
		p.be(errDown)
		p.lose(Rested{errDown})
		synctest.Wait()
		if got := log(); !slices.Equal(got, []string{away}) {
			t.Errorf("log %q, want that it is away", got)
		}
	})
}

// TestAsked: one that has failed begins a new series when somebody asks for it, and that
// it has failed is said once.
func TestAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{down: errDown}
		c, log := opened(t, Options{Retries: 1}, p)
		wait(30 * time.Second)
		if err := c.Wait(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("error %v", err)
		}
		if got := log(); len(got) != 2 || !strings.HasPrefix(got[1], `level=ERROR msg="peer is away, and is tried once a minute`) {
			t.Errorf("log %q", got)
		}
		for range 3 {
			c.Get()
			wait(30 * time.Second)
		}
		if got := log(); got[0] != "" {
			t.Errorf("log %q, want nothing new", got)
		}
		if got, want := p.attempts(), []int{0, 1, 30, 31, 60, 61, 90, 91}; !slices.Equal(got, want) {
			t.Errorf("attempts at %v, want %v", got, want)
		}
		p.be(nil)
		c.Get()
		synctest.Wait()
		if n, err := c.Get(); n != 9 || err != nil {
			t.Errorf("Get: %d, %v", n, err)
		}
	})
}

// TestForgotten: one that has failed comes back although nobody asks, as nobody does who
// hears that the gateway is not ready.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{down: errDown}
		c, log := opened(t, Options{Retries: 1}, p)
		wait(time.Hour)
		if got := log(); len(got) != 2 {
			t.Errorf("log %q, want two lines", got)
		}
		p.be(nil)
		wait(time.Minute)
		if text, ok := c.Health(); !ok {
			t.Errorf("health %q", text)
		}
		if got := log(); len(got) != 1 || !strings.Contains(got[0], "peer is back") {
			t.Errorf("log %q", got)
		}
	})
}

// TestFlapping: the last line is true, however often the state has changed before and
// whatever was too much to be said.
func TestFlapping(t *testing.T) {
	for _, retries := range []int{0, 1, 3} {
		for _, down := range []time.Duration{0, 4 * time.Second, 11 * time.Second, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				p := new(peer)
				c, log := opened(t, Options{Retries: retries}, p)
				wait(6 * time.Second)
				for i := range 12 {
					p.be(nil)
					c.Get()
					wait(1100 * time.Millisecond)
					if i%3 == 0 {
						p.be(errDown)
					}
					p.lose(errDown)
					wait(100 * time.Millisecond)
				}
				p.be(errDown)
				p.lose(errDown)
				wait(down)
				p.be(nil)
				c.Get()
				wait(time.Hour)
				got := log()
				if text, ok := c.Health(); !ok || !strings.Contains(got[len(got)-1], "peer is back") {
					t.Errorf("retries %d, down for %v: health %q, log\n%s", retries, down, text, strings.Join(got, "\n"))
				}
				p.be(errDown)
				p.lose(errDown)
				wait(time.Hour)
				got = log()
				want := "level=ERROR"
				if retries == 0 {
					want = "level=WARN"
				}
				if !strings.HasPrefix(got[len(got)-1], want) {
					t.Errorf("retries %d, down for %v: log %q, want %s", retries, down, got, want)
				}
			})
		}
	}
}

// TestPanics: what the library of a peer does ends no more than an attempt.
func TestPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(peer)
		c, log := opened(t, Options{}, p)
		p.mu.Lock()
		p.panics = true
		p.mu.Unlock()
		p.lose(errDown)
		wait(10 * time.Second)
		_, err := c.Get()
		if e := gateway.AsError(err); e.Code != gateway.CodeBackendAway || !strings.Contains(err.Error(), "somebody else's library") {
			t.Errorf("Get: %v", err)
		}
		if got := log(); len(got) != 3 || !strings.HasPrefix(got[1], `level=ERROR msg="a connection could not be closed"`) ||
			!strings.HasPrefix(got[2], `level=WARN msg="peer is still away, for another cause"`) {
			t.Errorf("log %q", got)
		}
		p.mu.Lock()
		p.panics = false
		p.mu.Unlock()
		wait(time.Second)
		if _, err := c.Get(); err != nil {
			t.Errorf("Get: %v", err)
		}
	})
}

// TestClosing: a connection that ends is not lent, and is not said to be ready, from the
// moment when Close is called.
func TestClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{ends: 4 * time.Second}
		c, _ := opened(t, Options{}, p)
		go c.Close()
		for range 2 { // while it ends, and when it has
			synctest.Wait()
			if text, ok := c.Health(); text != "closed" || ok {
				t.Errorf("health %q, %v", text, ok)
			}
			if _, err := c.Get(); err == nil || !strings.Contains(err.Error(), "has closed the connection") {
				t.Errorf("Get: %v", err)
			}
			wait(5 * time.Second)
		}
	})
}

// TestLogs: the log that came last is told, and one whose owner has left is not.
func TestLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(peer)
		c, first := opened(t, Options{}, p)
		log, second := lines()
		leave := c.Start(log)
		p.lose(errDown)
		synctest.Wait()
		leave()
		wait(time.Minute)
		if got := second(); len(got) != 1 || !strings.HasPrefix(got[0], "level=WARN") {
			t.Errorf("second log %q", got)
		}
		if got := first(); len(got) != 1 || !strings.HasPrefix(got[0], "level=INFO") {
			t.Errorf("first log %q", got)
		}
	})
}

// TestClose: in every state, more than once, and by several.
func TestClose(t *testing.T) {
	for _, tt := range []struct {
		name string
		peer *peer
		o    Options
	}{
		{"ready", &peer{}, Options{}},
		{"hanging", &peer{hangs: true}, Options{}},
		{"pausing", &peer{down: errDown}, Options{}},
		{"failed", &peer{down: errDown}, Options{Retries: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := opened(t, tt.o, tt.peer)
				wait(5 * time.Second)
				now := time.Now()
				var wg sync.WaitGroup
				for range 3 {
					wg.Go(c.Close)
				}
				wg.Wait()
				if _, err := c.Get(); err == nil || time.Now() != now {
					t.Errorf("Get: %v after %v", err, time.Since(now))
				}
				if err := c.Wait(t.Context()); err == nil {
					t.Error("Wait: no error")
				}
			})
		})
	}
	New(Options{}, new(peer)).Close() // that nobody has started
}

// TestServed: a peer that is there and refuses calls for more than a moment is not well, which has
// a line when it begins and one when it ends.
func TestServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := opened(t, Options{}, &peer{})
		defer c.Close()
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		health := func(step, want string) {
			t.Helper()
			if got, ok := c.Health(); got != want || ok != (want == "ready") {
				t.Errorf("%s: %s, %t", step, got, ok)
			}
		}
		c.Served(nil)
		c.Served(errDown)
		health("one", "ready")
		time.Sleep(time.Minute)
		c.Served(nil)
		c.Served(errDown)
		health("one, and long ago another", "ready")
		if got := log(); got[0] != "" {
			t.Errorf("the log has %q", got)
		}
		time.Sleep(briefly)
		for range 3 {
			c.Served(errDown)
		}
		health("all", "refusing")
		time.Sleep(longest)
		health("nobody has called since", "ready")
		c.Served(errDown)
		health("it still does", "refusing")
		c.Served(nil)
		health("it ends", "ready")
		want := []string{
			`level=WARN msg="peer is there, and refuses calls" peer=amqp://broker:5672 cause=refused`,
			`level=INFO msg="peer serves calls again" peer=amqp://broker:5672`,
		}
		if got := log(); !slices.Equal(got, want) {
			t.Errorf("the log has %q", got)
		}
	})
}

// TestServedAnew: what a connection has refused says nothing of the next one.
func TestServedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(peer)
		c, _ := opened(t, Options{}, p)
		defer c.Close()
		for range 2 {
			if err := c.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.Served(errDown)
			time.Sleep(briefly)
			if got, _ := c.Health(); got != "ready" {
				t.Errorf("it is %s", got)
			}
			p.lose(errDown)
			c.Served(errDown)
			synctest.Wait()
		}
	})
}
