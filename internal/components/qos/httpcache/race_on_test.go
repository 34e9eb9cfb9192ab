//go:build race

package httpcache

// race tells that the race detector counts its own allocations.
const race = true
