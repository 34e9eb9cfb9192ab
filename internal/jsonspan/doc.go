// Package jsonspan validates, cuts and joins JSON without building a tree.
//
// The core work of a gateway is to take some members of some answers and write
// them as one object. A Projection does that to one answer in a single pass:
// every byte is validated, and what is wanted comes out as spans of the text, in
// an Object. Objects are merged by their spans and written by AppendJSON.
//
//	keep := jsonspan.Compile(jsonspan.Rules{
//		Target: "data",
//		Allow:  []string{"id", "owner.name"},
//		Group:  "order",
//	}) // once, at load
//
//	var one, all jsonspan.Object // reused from request to request
//	if err := keep.Apply(&one, body); err != nil {
//		return err
//	}
//	all.Merge(&one)
//	answer = all.AppendJSON(answer[:0])
//
// Members keep their order, their escapes and the text of their numbers. Memory
// is borrowed: a span lives as long as the text it was cut from, see Object.
//
// Stages that need values use Tree and AppendTree, with the plain Go types that
// expression languages know; Lookup finds a single value without a tree.
//
// The package is not for streams, nor for Go structs, and it knows nothing of
// HTTP.
//
// Source: RFC 8259. Where that leaves a choice, the package chooses what
// encoding/json does with map[string]any: the last of equal names counts, lone
// surrogates are U+FFFD, nesting ends at 10,000 levels.
package jsonspan
