// Package manual generates what is read from option types: the JSON Schema of
// a whole configuration, the reference pages, and the compatibility page. The
// test of the package fails while a generated file is out of date; with -update
// it writes them.
package manual
