package change

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestState(t *testing.T) {
	var s State
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	step := func(after time.Duration, bad, want bool) {
		t.Helper()
		now = now.Add(after)
		if got := s.Is(bad, clock); got != want {
			t.Errorf("at %v Is(%v) = %v, want %v", now, bad, got, want)
		}
	}
	step(0, false, false)
	step(0, true, true)
	if !s.Bad() {
		t.Error("it was said to be bad")
	}
	for range 100 {
		step(0, true, false)
	}
	step(time.Hour, true, false) // what lasts is not said again
	step(0, false, true)
	for i := range burst - 1 {
		step(0, i%2 == 0, true)
	}
	bad := s.Bad()
	for i := range 99 { // it changes with every request
		step(0, i%2 == 0 != bad, false)
	}
	if s.Bad() != bad {
		t.Error("a change that was not said counts as said")
	}
	step(refill-1, !bad, false)
	step(1, !bad, true)
	step(0, bad, false)
	step(refill, bad, true)
	now = now.Add(100 * refill)
	for i := range burst { // all are earned again, and no more than that
		step(0, i%2 == 0 != bad, true)
	}
	step(0, !bad, false)
}

// TestQuiet: what may not be said yet costs no lock.
func TestQuiet(t *testing.T) {
	var s State
	began := time.Unix(0, 0)
	now := began
	for i := range burst + 1 {
		s.Is(i%2 == 0, func() time.Time { return now })
	}
	asked := 0
	for range 3 {
		s.mu.Lock() // Is would wait for it
		if s.Is(true, func() time.Time { asked++; return now }) {
			t.Error("said although it is too early")
		}
		s.mu.Unlock()
	}
	if now = began.Add(refill); !s.Is(true, func() time.Time { asked++; return now }) || asked != 4 {
		t.Errorf("not said in its time, or %d looks at the clock instead of 4", asked)
	}
}

func TestConcurrently(t *testing.T) {
	var s State
	var said atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if s.Is(true, time.Now) {
					said.Add(1)
				}
			}
		})
	}
	all.Wait()
	if said.Load() != 1 {
		t.Errorf("one change was said %d times", said.Load())
	}
}

func TestBudget(t *testing.T) {
	var s State
	bad := false
	if got := testing.AllocsPerRun(100, func() { bad = !bad; s.Is(bad, time.Now) }); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
