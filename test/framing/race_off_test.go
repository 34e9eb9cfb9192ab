//go:build !race

package framing

const raceDetected = false
