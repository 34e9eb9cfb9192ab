package live

import (
	"math"
	"math/rand/v2"
	"strings"
	"time"
)

// Backoff is how the pauses between attempts grow. The zero Backoff is Fallback.
type Backoff string

// The values.
const (
	Fallback          Backoff = "fallback" // a second, always
	Linear            Backoff = "linear"
	LinearJitter      Backoff = "linear-jitter"
	Exponential       Backoff = "exponential"
	ExponentialJitter Backoff = "exponential-jitter"
)

const (
	longest = time.Minute // pause
	jitter  = 0.33        // of a pause, more or less
)

// Enum returns the values.
func (Backoff) Enum() []string {
	return []string{string(Linear), string(LinearJitter), string(Exponential), string(ExponentialJitter), string(Fallback)}
}

// Fold returns s as Enum has it, whose letter case does not count.
func (Backoff) Fold(s string) string { return strings.ToLower(s) }

// Pause returns how long attempt i waits, counted from 1: the one before it, at the start and
// behind a connection that has lasted, is made at once. It is i seconds if linear, 2 to the
// power of i if exponential, with jitter a third more or less, and a minute at most.
func (b Backoff) Pause(i int) time.Duration {
	var seconds float64
	switch b {
	case Linear, LinearJitter:
		seconds = float64(i)
	case Exponential, ExponentialJitter:
		seconds = math.Exp2(float64(i))
	default:
		return time.Second
	}
	seconds = min(seconds, longest.Seconds())
	if b == LinearJitter || b == ExponentialJitter {
		seconds *= 1 - jitter + 2*jitter*rand.Float64()
	}
	return min(time.Duration(seconds*float64(time.Second)), longest)
}
