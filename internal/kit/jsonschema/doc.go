// Package jsonschema compiles JSON Schemas and judges values by them: drafts 4 to 2020-12,
// the last one where a schema does not say which.
//
// Nothing is fetched: a reference leads within the schema, or to the published drafts, which
// are part of the program. Patterns are regular expressions of package regexp, which take
// time in proportion to the text. Formats count in drafts 4 to 7, and are remarks in later ones. A
// number that would have more than a thousand digits, such as 1e99999999, breaks every schema:
// to judge it would take as much memory.
//
// What a value breaks is a list of [Violation], the innermost that can be named, in the order
// of their places; a value breaks at most [MaxViolations] of them as far as one is told.
//
// Sources: JSON Schema Core and Validation, drafts 4, 6, 7, 2019-09 and 2020-12.
package jsonschema
