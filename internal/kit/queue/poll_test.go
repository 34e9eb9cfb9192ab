package queue_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
)

// polled is a delivery that notes whether it was given back.
type polled struct{ back chan<- bool }

func (polled) Message() *queue.Message                    { return new(queue.Message) }
func (polled) Ack(context.Context) error                  { return nil }
func (d polled) Nack(_ context.Context, again bool) error { d.back <- again; return nil }

// TestPoller: the broker is asked once at a time, for as many as there are waiters and as long
// as they wait; nobody is handed what is not his.
func TestPoller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type call struct {
			n      int
			wait   time.Duration
			answer chan []queue.Delivery
		}
		calls, lost := make(chan call, 10), make(chan error, 10)
		p := queue.NewPoller(2, 20*time.Second, func(err error) { lost <- err }, func(ctx context.Context, n int, wait time.Duration) ([]queue.Delivery, error) {
			c := call{n, wait, make(chan []queue.Delivery)}
			calls <- c
			select {
			case ds := <-c.answer:
				return ds, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		back, ended := make(chan bool, 10), make(chan error, 10)
		receive := func(ctx context.Context) {
			go func() { _, err := p.Receive(ctx); ended <- err }()
			synctest.Wait()
		}
		short, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		receive(short)
		c := <-calls
		if c.n != 1 || c.wait != 3*time.Second {
			t.Errorf("asked for %d in %v", c.n, c.wait)
		}
		for range 4 {
			receive(t.Context())
		}
		if len(calls) != 0 {
			t.Error("asked twice at a time")
		}
		<-short.Done()
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		c.answer <- []queue.Delivery{polled{back}}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if c = <-calls; c.n != 2 || c.wait != 20*time.Second {
			t.Errorf("asked for %d in %v", c.n, c.wait)
		}
		began := time.Now()
		c.answer <- nil
		if c = <-calls; time.Since(began) != 20*time.Millisecond {
			t.Errorf("asked again after %v", time.Since(began))
		}
		c.answer <- []queue.Delivery{polled{back}, polled{back}}
		<-ended
		<-ended
		c = <-calls
		c.answer <- []queue.Delivery{polled{back}, polled{back}}
		<-ended
		synctest.Wait()
		if len(calls) != 0 || len(back) != 1 || !<-back {
			t.Errorf("%d calls and %d given back when nobody waits", len(calls), len(back))
		}
		receive(t.Context())
		p.Lose(errors.New("cut"))
		p.Lose(errors.New("cut again"))
		if err := <-ended; gateway.AsError(err).Code != gateway.CodeBackendAway || len(lost) != 1 {
			t.Errorf("lost: %v, told %d times", err, len(lost))
		}
		p.Close()
		if _, err := p.Receive(t.Context()); gateway.AsError(err).Code != gateway.CodeBackendAway {
			t.Errorf("behind the end: %v", err)
		}
	})
}

// TestPollerClosed: who waits while the connection is closed is told so.
func TestPollerClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := queue.NewPoller(1, time.Second, func(error) {}, func(ctx context.Context, _ int, _ time.Duration) ([]queue.Delivery, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ended := make(chan error)
		go func() { _, err := p.Receive(t.Context()); ended <- err }()
		synctest.Wait()
		go p.Close()
		if err := <-ended; gateway.AsError(err).Code != gateway.CodeBackendAway {
			t.Error(err)
		}
	})
}

// TestPollerPause: a broker that does not wait, and has nothing, is asked once in a second
// at last, whoever waits, and soon again when it had something.
func TestPollerPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int64
		there, back := make(chan queue.Delivery, 1), make(chan bool, 10)
		p := queue.NewPoller(1, 20*time.Second, func(error) {}, func(context.Context, int, time.Duration) ([]queue.Delivery, error) {
			calls.Add(1)
			select {
			case d := <-there:
				return []queue.Delivery{d}, nil
			default:
				return nil, nil
			}
		})
		defer p.Close()
		receive := func(d time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			_, err := p.Receive(ctx)
			return err
		}
		for i, most := range []int64{20, 12, 12} {
			before := calls.Load()
			for range 5 {
				if err := receive(2 * time.Second); !errors.Is(err, context.DeadlineExceeded) {
					t.Fatal(err)
				}
			}
			if n := calls.Load() - before; n > most {
				t.Errorf("asked %d times in 10 s, the %d. time, want %d at most", n, i, most)
			}
		}
		there <- polled{back}
		if err := receive(2 * time.Second); err != nil {
			t.Error(err)
		}
		before := calls.Load()
		receive(50 * time.Millisecond)
		if n := calls.Load() - before; n < 2 {
			t.Errorf("asked %d times behind a message", n)
		}
	})
}

// asks returns a poller of a broker that does as f says, whose calls end with their context.
func asks(leaves bool, f func(ctx context.Context) ([]queue.Delivery, error)) (p *queue.Poller, lost chan error) {
	lost = make(chan error, 1)
	p = queue.NewPoller(100, 20*time.Second, func(err error) { lost <- err }, func(ctx context.Context, _ int, _ time.Duration) ([]queue.Delivery, error) { return f(ctx) })
	p.Leaves = leaves
	return p, lost
}

// receive lets somebody wait who is not answered before the broker is, and returns how he ends.
func receive(ctx context.Context, p *queue.Poller) <-chan error {
	ended := make(chan error, 1)
	go func() { _, err := p.Receive(ctx); ended <- err }()
	synctest.Wait()
	return ended
}

// stuck is a delivery that is given back in vain.
type stuck struct {
	polled
	got chan<- error
}

func (d stuck) Nack(ctx context.Context, _ bool) error {
	<-ctx.Done()
	d.got <- ctx.Err()
	return ctx.Err()
}

// TestPollerGivesBack: what nobody waits for any more holds up nobody who does.
func TestPollerGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, back := make(chan error, 100), make(chan bool, 1)
		answers := make(chan []queue.Delivery, 2)
		p, _ := asks(false, func(context.Context) ([]queue.Delivery, error) { return <-answers, nil })
		ctx, leave := context.WithCancel(t.Context())
		gone := receive(ctx, p)
		leave()
		<-gone
		answers <- []queue.Delivery{stuck{got: got}, stuck{got: got}, stuck{got: got}}
		synctest.Wait()
		answers <- []queue.Delivery{polled{back}}
		began := time.Now()
		if err := <-receive(t.Context(), p); err != nil || time.Since(began) != 0 {
			t.Errorf("the next one got his message after %v, %v", time.Since(began), err)
		}
		p.Close()
		if took := time.Since(began); took != time.Second || len(got) != 3 {
			t.Errorf("the end took %v, and %d of 3 were given back", took, len(got))
		}
	})
}

// TestPollerStuck: a broker that lets nothing be given back is not asked for more than is being
// given back.
func TestPollerStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got, answers := make(chan error, 100), make(chan []queue.Delivery)
		p, _ := asks(false, func(context.Context) ([]queue.Delivery, error) { return <-answers, nil })
		for range 3 {
			ctx, leave := context.WithCancel(t.Context())
			gone := receive(ctx, p)
			leave()
			<-gone
			answers <- slices.Repeat([]queue.Delivery{stuck{got: got}}, 8)
			synctest.Wait()
		}
		next := receive(t.Context(), p)
		select {
		case answers <- nil:
			t.Error("it was asked again")
		case err := <-next: // who gets one of those for which there was no room
			if err != nil {
				t.Error(err)
			}
		}
		p.Close()
		if len(got) != 23 {
			t.Errorf("%d of 23 were given back", len(got))
		}
	})
}

// TestPollerLast: what comes while the connection is closed is given back.
func TestPollerLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := make(chan bool, 1)
		p, _ := asks(false, func(ctx context.Context) ([]queue.Delivery, error) {
			<-ctx.Done()
			return []queue.Delivery{within{back}}, nil
		})
		ctx, leave := context.WithCancel(t.Context())
		gone := receive(ctx, p)
		leave()
		<-gone
		p.Close()
		if len(back) != 1 {
			t.Error("it was not given back")
		}
	})
}

// within is a delivery that is given back if that is not over already.
type within struct{ back chan<- bool }

func (within) Message() *queue.Message   { return new(queue.Message) }
func (within) Ack(context.Context) error { return nil }
func (d within) Nack(ctx context.Context, again bool) error {
	select {
	case <-time.After(100 * time.Millisecond):
		d.back <- again
	case <-ctx.Done():
	}
	return ctx.Err()
}

// TestPollerPanic: what the library of a broker does ends no more than a connection.
func TestPollerPanic(t *testing.T) {
	for name, f := range map[string]func(p *queue.Poller, ctx context.Context) ([]queue.Delivery, error){
		"asking": func(*queue.Poller, context.Context) ([]queue.Delivery, error) { panic("somebody else's library") },
		"giving back": func(*queue.Poller, context.Context) ([]queue.Delivery, error) {
			return []queue.Delivery{explosive{}, explosive{}}, nil
		},
		"beside": func(p *queue.Poller, ctx context.Context) ([]queue.Delivery, error) {
			p.Go(func(context.Context) { panic("somebody else's library") })
			<-ctx.Done()
			return nil, ctx.Err()
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var p *queue.Poller
			p, lost := asks(false, func(ctx context.Context) ([]queue.Delivery, error) { return f(p, ctx) })
			receive(t.Context(), p)
			if err := <-lost; !strings.Contains(err.Error(), "somebody else's library") {
				t.Errorf("%s: lost for %v", name, err)
			}
			if err := <-receive(t.Context(), p); gateway.AsError(err).Code != gateway.CodeBackendAway {
				t.Errorf("%s: %v", name, err)
			}
			p.Close()
		})
	}
}

// explosive is a delivery that cannot be given back.
type explosive struct{ polled }

func (explosive) Nack(context.Context, bool) error { panic("somebody else's library") }

// TestPollerLeaves: a broker that notices it is not asked on for nobody, and one that does not
// is left alone.
func TestPollerLeaves(t *testing.T) {
	for leaves, want := range map[bool]time.Duration{true: 3 * time.Second, false: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			began, ended := time.Now(), make(chan time.Duration, 10)
			p, _ := asks(leaves, func(ctx context.Context) ([]queue.Delivery, error) {
				defer func() { ended <- time.Since(began) }()
				select {
				case <-time.After(time.Minute):
					return nil, nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			})
			for i := range 3 { // the last one leaves behind three seconds
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
				defer cancel()
				receive(ctx, p)
			}
			if got := <-ended; got != want {
				t.Errorf("the call took %v, want %v", got, want)
			}
			if leaves { // and there is another one for the next
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := <-receive(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("the next one: %v", err)
				}
				if got := <-ended; got != want+time.Second {
					t.Errorf("the next call ended after %v", got)
				}
			}
			p.Close()
		})
	}
}
