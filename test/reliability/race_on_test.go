//go:build race

package reliability

const raceDetected = true
