package bucket

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"
)

// epoch is the origin of the times below. It carries a monotonic clock
// reading, so that differences to a monotonic now ignore wall clock changes.
var epoch = time.Now()

// farthest bounds times and spans, so that their sums do not overflow: 73 years
// either way. It is a power of two, which floating point keeps exactly.
const farthest = 1 << 61

// nanos returns now as nanoseconds since the epoch.
func nanos(now time.Time) int64 {
	return min(max(int64(now.Sub(epoch)), -farthest), farthest)
}

// Limits are the rate and the capacity of a bucket, in nanoseconds.
type limits struct {
	token int64 // in which one token is earned
	whole int64 // in which the bucket fills up
	most  int64 // tokens
}

// newLimits panics unless rate and capacity are positive.
func newLimits(rate float64, capacity int) limits {
	if !(rate > 0) || capacity < 1 {
		panic(fmt.Sprintf("bucket: rate %v and capacity %d must be positive", rate, capacity))
	}
	token := int64(max(1, min(math.Ceil(1e9/rate), farthest)))
	most := min(int64(capacity), farthest/token)
	return limits{token, most * token, most}
}

// take returns when a bucket that is full at full, and gives n tokens at now,
// is full again. If it has not got them, ok is false and wait is the time
// until it has; a wait without end is farthest.
func (l limits) take(full, now, n int64) (next int64, wait time.Duration, ok bool) {
	if n > l.most {
		return full, farthest, false
	}
	next = max(full, now) + n*l.token
	if wait := next - l.whole - now; wait > 0 {
		return full, time.Duration(wait), false
	}
	return next, 0, true
}

// A Bucket is a token bucket. It is made by New and safe for concurrent use.
type Bucket struct {
	limits limits
	full   atomic.Int64 // when the bucket is full again
}

// New returns a full bucket of capacity tokens that earns rate tokens per
// second. It panics unless both are positive: options are checked before.
//
// A capacity that would take more than 73 years to fill is cut to that.
func New(rate float64, capacity int) *Bucket {
	b := &Bucket{limits: newLimits(rate, capacity)}
	b.full.Store(-farthest)
	return b
}

// Take removes a token and reports whether there was one.
//
// Now comes from the same clock at every call. If it runs backwards, what was
// earned in between is missing until it has caught up.
//
// Take is safe for concurrent use, does not block and does not allocate.
func (b *Bucket) Take(now time.Time) bool { return b.TakeN(now, 1) }

// TakeN removes n tokens, all or none, and reports whether they were there. N
// is positive; more than the capacity are never there. Otherwise as Take.
func (b *Bucket) TakeN(now time.Time, n int) bool {
	at := nanos(now)
	for {
		full := b.full.Load()
		next, _, ok := b.limits.take(full, at, int64(n))
		if !ok || b.full.CompareAndSwap(full, next) {
			return ok
		}
	}
}

// RetryAfter returns how long after now the next token is there, if nobody
// else takes one: 0 if there is one already.
func (b *Bucket) RetryAfter(now time.Time) time.Duration {
	_, wait, _ := b.limits.take(b.full.Load(), nanos(now), 1)
	return wait
}

// Rate returns the tokens per second and the capacity that stand for maxRate
// tokens in every window of length every. A window of zero or less is one
// second. If capacity is below 1 it defaults to the whole tokens that are
// earned per second, and at least 1.
//
// Compatibility: the default follows the rate per second, not maxRate, so 10
// per hour have a capacity of 1.
func Rate(maxRate float64, every time.Duration, capacity int) (perSecond float64, tokens int) {
	if every <= 0 {
		every = time.Second
	}
	// Multiplied first: 0.7 per 100ms are 7 per second, not a little less.
	perSecond = maxRate * float64(time.Second) / float64(every)
	if capacity < 1 {
		capacity = int(max(1, min(perSecond, math.MaxInt32)))
	}
	return perSecond, capacity
}
