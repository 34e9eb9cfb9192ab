// Package fanout calls the backends of an endpoint and makes one answer of theirs.
//
// [Single] is for one backend, [Parallel] for several at once, [Sequence] for one after
// the other, and [Race] for the same call several times, of which the first good answer
// counts. Answers are merged by spans in the order of declaration, whoever came first.
// Whoever calls waits for all its calls: what they borrowed is free when it returns.
// Shadows outlive their request and work on a copy of it.
package fanout
