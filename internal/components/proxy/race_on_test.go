//go:build race

package proxy

// race tells that the race detector counts its own allocations.
const race = true
