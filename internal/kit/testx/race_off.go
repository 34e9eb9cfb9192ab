//go:build !race

package testx

// Race says whether the race detector is on, under which nothing is known of
// allocations and pools.
const Race = false
