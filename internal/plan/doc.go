// Package plan runs what a configuration was compiled to: steps around a tail.
//
// A [Plan] is a slice of steps and a tail. Do lets the steps enter, runs the tail and
// lets those that have entered leave, in the opposite order, within the deadline of the
// plan; a panic within it is a failure. Begin does the same for a caller that has
// several calls to send before it waits for one. What must run the rest more than
// once, elsewhere or not at all is a connector that holds plans, such as those of
// packages fanout and httpcall.
//
// A [Blueprint] says what a plan is made of; package compile writes them. An exchange
// with a record runs through a copy that tells it every step.
package plan
