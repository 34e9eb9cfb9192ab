// Package declared finds the components in the source text: which folder declares which
// namespaces, and where the samples of them stand. It serves what is generated of all
// components and what tests all of them; nobody else lists folders, or supposes how deep
// they are.
//
// Sources are read and not compiled, so that it works while one of them is wrong.
package declared
