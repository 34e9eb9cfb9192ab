// Package schema describes options types: as data, as JSON Schema and as a
// page of the manual.
//
// Everything is read from the type and from its source. Keys, types, bounds and
// defaults come from [config.SpecOf], the reading that decoding works from;
// descriptions come from the doc comments of the embedded source. There is no
// second list of fields.
//
// A field's comment is published word for word, except that the Go name at its
// start is replaced by the key. A type of another package, embedded or used in
// options, brings its own comments through a method
//
//	OptionsSource() string
//
// and has none without it. The package describes; it decodes and checks
// nothing.
package schema
