//go:build race

package jsonspan

// raceEnabled skips allocation budgets: the race detector allocates.
const raceEnabled = true
