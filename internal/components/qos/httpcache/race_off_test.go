//go:build !race

package httpcache

const race = false
