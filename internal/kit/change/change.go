package change

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	burst  = 6                // changes that may follow each other at once
	refill = 10 * time.Second // until there may be another one
)

// A State is good or bad, and knows which of both was said last. What changes all
// the time is said now and then only: six times at once, then every ten seconds.
// The zero State was said to be good. It is safe for concurrent use.
type State struct {
	bad   atomic.Bool  // as it was said
	quiet atomic.Int64 // until then, as the time since began, there is nothing to be said

	mu    sync.Mutex
	begun bool
	began time.Time     // of the first change, written once and before quiet
	used  int           // changes that count against the burst
	since time.Duration // when the count was last right
}

// Bad reports whether the state was said to be bad.
func (s *State) Bad() bool { return s.bad.Load() }

// Is takes notice of the state as it is, and reports whether that is to be said now.
// The clock is that of the gateway, which is asked only if the state is not what was said
// last. Is does not allocate. It costs one atomic load without a change,
// and no lock as long as nothing may be said.
func (s *State) Is(bad bool, clock func() time.Time) (say bool) {
	if s.bad.Load() == bad {
		return false
	}
	at := clock()
	if quiet := time.Duration(s.quiet.Load()); quiet > 0 && at.Sub(s.began) < quiet {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bad.Load() == bad {
		return false
	}
	if !s.begun {
		s.begun, s.began = true, at
	}
	now := at.Sub(s.began)
	if s.used == 0 {
		s.since = now
	}
	for s.used > 0 && now-s.since >= refill {
		s.used--
		s.since += refill
	}
	if s.used == burst {
		s.quiet.Store(int64(s.since + refill))
		return false
	}
	if s.used++; s.used == 1 {
		s.since = now
	}
	s.bad.Store(bad)
	return true
}
