// Package compile makes a generation of a configuration, and answers requests with it.
//
// [Compile] reads a document once and decides everything that does not depend on a
// request: which steps run in which order, where each value of a template comes from,
// which headers pass, how answers are cut and joined. The result is a [Generation]: a
// route table over plans. It shares with the generation before it what is kept over
// reloads, such as connections and what is known of hosts, and nothing else.
//
// Whatever cannot be read becomes a problem with its place; what can be read and cannot be
// meant is judged by package check, which is asked on the way.
package compile
