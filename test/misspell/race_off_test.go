//go:build !race

package misspell

const raceEnabled = false
