// Package slim holds the build with the tag slim to its word: it brings none of the heavy
// libraries, and refuses what needs them, at its place and with what to do.
package slim
