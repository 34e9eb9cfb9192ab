// Package check finds what is wrong with a configuration although it can be read: what
// cannot mean what it says, and what would leave open what should be closed.
//
// A [Checker] judges one document while package compile makes a generation of it, which
// asks wherever it knows enough: an endpoint when its path is taken apart, a backend when
// its components are built, the backends of an endpoint when all of them are known, the
// whole when there are routes. It judges what is written by what the components at the
// sites have said, compiles nothing and changes no configuration. What it finds goes to
// Report, at its place, with what to write instead:
//
//   - doubts: a filter that removes nothing, a placeholder that never has a value, a host
//     that is the gateway itself, a method that leaves open what another one guards;
//   - names that are nobody's, or stand where they have no effect; if something would be
//     unprotected for that, they keep the configuration from going live ([Checker.Policy]).
//
// The rules for single values, which need nothing else to be judged, are those of their
// types: tags and Validate methods, as package config reads them.
package check
