//go:build !race

package jsonspan

const raceEnabled = false
