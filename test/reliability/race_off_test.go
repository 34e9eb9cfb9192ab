//go:build !race

package reliability

const raceDetected = false
