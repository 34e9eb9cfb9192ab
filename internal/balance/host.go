package balance

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluice-gateway/sluice/internal/kit/change"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
	jitter     = 0.2 // of a pause, either way
)

// A Host is an address with its health. It is safe for concurrent use.
type Host struct {
	// Address is as it was configured, or scheme://target:port.
	Address string

	set *Set // whose time it lives in

	// until is when the pause ends, 0 for a healthy host. Balancers read it
	// without the lock.
	until atomic.Int64
	// failed is when the last failure was reported.
	failed atomic.Int64
	said   change.State // bad while no connection can be made

	mu      sync.Mutex
	pause   time.Duration // the last one; 0 for a healthy host
	probing bool          // a call was let through after the pause
}

// Fail reports that no connection to the host could be made. As long as the host
// is paused, failures of calls that were under way before do not lengthen the
// pause. Say tells that operators should hear of it: it is the first after a success.
func (h *Host) Fail() (say bool) {
	h.fail()
	return h.said.Is(true, h.set.options.Clock)
}

func (h *Host) fail() {
	now := h.set.now()
	h.failed.Store(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.pause > 0 && !h.probing && now < h.until.Load() {
		return
	}
	h.probing = false
	h.pause = min(max(firstPause, 2*h.pause), maxPause)
	h.until.Store(now + h.length())
}

// OK reports that a connection to the host was made, or was there already. It
// costs two atomic loads while the host is healthy and that is what was said last,
// and no lock while it is healthy. Say tells that operators should hear of it: they
// have heard of a failure last.
func (h *Host) OK() (say bool) {
	if h.until.Load() != 0 {
		h.recover()
	}
	return h.said.Is(false, h.set.options.Clock)
}

func (h *Host) recover() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pause, h.probing = 0, false
	h.until.Store(0)
}

// available reports whether the host may be called. The first call after a
// pause takes the probe: the host then looks paused to others until the probe
// has reported, or as long again, should it never report.
func (h *Host) available() bool {
	until := h.until.Load()
	if until == 0 {
		return true
	}
	now := h.set.now()
	if now < until {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.until.Load() != until {
		return h.pause == 0 // another call was faster
	}
	h.probing = true
	h.until.Store(now + h.length())
	return true
}

// length returns the pause with its jitter, in nanoseconds. The lock is held.
func (h *Host) length() int64 {
	return int64(float64(h.pause) * (1 + jitter*(2*h.set.options.Rand()-1)))
}
