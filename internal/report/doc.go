// Package report prints the problems of a configuration: on a terminal for people, with the
// source line and a caret under the column; elsewhere a line for each, which grep and editors
// read; and in the formats of programs that review changes.
//
// It decides how something is said, and nothing else: whoever calls it has the problems, and
// says what may be seen of the files that they stand in.
package report
