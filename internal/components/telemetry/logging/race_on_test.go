//go:build race

package logging

// race tells that the race detector counts its own allocations.
const race = true
