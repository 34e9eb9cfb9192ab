package engine

import (
	"sync"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Lap is a part of making a connection.
type Lap uint8

// The laps, in their order.
const (
	Lookup Lap = iota
	Connect
	Handshake
)

// A Stopwatch takes the times of one call. It is nil for a call of which nobody wants to
// know them, and then does nothing. All but Tell and End may run on any goroutine.
type Stopwatch struct {
	to *gateway.Timing

	mu    sync.Mutex
	began [Handshake + 1]time.Time
	now   gateway.Timing // what is known
}

// Watch begins with a call, whose request says whether its times are wanted.
func Watch(q *gateway.Request) *Stopwatch {
	if q.Timing == nil {
		return nil
	}
	s := &Stopwatch{to: q.Timing, now: *q.Timing}
	if s.now.Began.IsZero() {
		s.now.Began = time.Now()
		s.to.Began = s.now.Began
	}
	return s
}

// Start begins a lap. Only the first of several attempts counts.
func (s *Stopwatch) Start(l Lap) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began[l].IsZero() {
		s.began[l] = time.Now()
	}
}

// Stop ends a lap that has begun.
func (s *Stopwatch) Stop(l Lap) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.began[l].IsZero() {
		return
	}
	took := elapsed(s.began[l])
	switch l {
	case Lookup:
		s.now.Lookup = took
	case Connect:
		s.now.Connect = took
	case Handshake:
		s.now.Handshake = took
	}
}

// Ready notes that there is a connection; one that was used before was not made for this
// call, whatever was begun for it.
func (s *Stopwatch) Ready(reused bool) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Connected, s.now.Reused = elapsed(s.now.Began), reused
}

// Hear notes that something of the answer has come.
func (s *Stopwatch) Hear() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.FirstByte == 0 {
		s.now.FirstByte = elapsed(s.now.Began)
	}
}

// Tell gives what is known to whoever asked.
func (s *Stopwatch) Tell() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tell()
}

func (s *Stopwatch) tell() {
	if *s.to = s.now; s.now.Reused {
		s.to.Lookup, s.to.Connect, s.to.Handshake = 0, 0, 0
	}
}

// End notes that the call is over, and tells. Only the first end counts.
func (s *Stopwatch) End() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now.End == 0 {
		s.now.End = elapsed(s.now.Began)
		s.tell()
	}
}

// elapsed returns the time since then, which is never none.
func elapsed(since time.Time) time.Duration { return max(time.Since(since), 1) }
