// Package drivers is the import list of the drivers of brokers, a file for each. Those that
// bring a heavy library are left out by the build tag slim; the schemes stay known.
package drivers
