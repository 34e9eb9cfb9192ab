// Package circuitbreaker is the namespace qos/circuit-breaker: it stops calling a backend
// that keeps failing, and tries again after a while.
//
// A breaker is closed, open or half-open. Closed, it counts consecutive
// failures; a success, or the end of the interval, makes it count anew. Too
// many failures open it, and for the timeout every call fails at once without
// being made. Then it is half-open: one call is let through as a probe, others
// fail, and the probe decides whether the breaker closes or opens again.
//
// A failure is whatever made the backend give no answer: no connection, a
// status that is no answer, a body that cannot be decoded, or a deadline. In the dialect
// krakend the refusal of a stage in front of the call is one, too, such as its rate limit
// or a token that is not to be had; in the dialect sluice it does not count, as it says
// nothing of the backend. The option behaviour.breaker_counts chooses. An answer
// that only tells about a failure, as return_error_details makes, counts as
// one. With no-op the gateway does not judge: every answer is a success, and failures of
// connection and time alone count, which is reported as a warning. A call that was given
// up because its client left, or because another answer was faster, does not count either
// way; nor does a request that cannot be sent by the client's own fault, such as a body that is
// too large for a queue: whoever sends bad requests closes no backend to others.
//
// The log has one line when a breaker opens, with the failure that made it, and one
// when it is closed again.
//
// Each backend entry has a breaker of its own, kept over reloads as long as
// its thresholds stay the same.
//
// Source: M. Nygard, Release It!, 2007, section 5.2; the state machine is that
// of sony/gobreaker.
package circuitbreaker
