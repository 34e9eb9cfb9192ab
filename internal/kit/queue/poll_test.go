package queue_test

import (
	"context"
	"errors"
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
