//go:build !race

package logging

const race = false
