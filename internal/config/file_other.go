//go:build !unix

package config

// nonBlocking is nothing where the names of files are not those of pipes.
const nonBlocking = 0
