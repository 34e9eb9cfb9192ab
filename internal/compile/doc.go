// Package compile makes a generation of a configuration, and answers requests with it.
//
// [Compile] reads a document once and decides everything that does not depend on a
// request: which steps run in which order, where each value of a template comes from,
// which headers pass, how answers are cut and joined. The result is a [Generation]: a
// route table over plans. It shares with the generation before it what is kept over
// reloads, such as connections and what is known of hosts, and nothing else.
//
// Whatever is wrong becomes a problem with its place, and so does what cannot mean what
// it says: a policy that nothing asks, a filter that removes nothing, a namespace in the
// wrong place.
package compile
