// Package bucket limits rates with token buckets.
//
// A bucket holds at most capacity tokens, starts full, and earns rate tokens
// per second without a pause, full or not. Each call takes a token; without
// one it is turned away at once. After a burst that empties the bucket, calls
// closer together than 1/rate are refused.
//
// [Bucket] is one bucket, [Store] one for each of many keys, such as client
// addresses, within a fixed amount of memory. [Rate] turns the options of the
// rate limiting namespaces into the arguments of both. Nothing here waits,
// reads a clock or starts a goroutine.
//
// A bucket is kept as the time at which it will be full again, which is one
// number: full at t means that (t - now) * rate tokens are missing. That makes
// taking a single compare-and-swap. The time that a token takes is rounded up
// to whole nanoseconds, so a limit is never exceeded, and falls short by less
// than rate / 10^9 of itself: 0.01 % at 100,000 per second.
//
// Source: the committed bucket of RFC 2697, section 3, in the form of the
// virtual scheduling algorithm of ITU-T I.371, annex A.
package bucket
