// Package plan compiles a configuration into plans and runs them.
//
// Compile reads a document once and decides everything that does not depend on
// a request: which steps run in which order, where each value of a path
// template comes from, which headers pass, how answers are cut and joined. The
// result is a [Generation]: a route table over flat plans that share nothing
// with the generation before it.
//
// A [Plan] is a slice of steps around a tail. What must run the rest more than
// once, elsewhere or not at all is a connector that holds plans: race for
// concurrent calls, parallel and sequence for several backends, and the call
// at the end that picks a host.
package plan
