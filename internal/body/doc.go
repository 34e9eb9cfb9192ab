// Package body holds the payload of a message in the cheapest form that serves
// everyone who looks at it.
//
// A body moves through its forms only rightwards and only when asked:
//
//	Empty   nothing
//	Stream  unread bytes, usable once
//	Raw     bytes in memory, not inspected
//	Spans   an object whose syntax was checked, top-level members indexed
//	Tree    map[string]any, []any, string, bool, nil, json.Number
//
// Bytes that are only passed on never leave Stream. Answers that are filtered
// and merged stop at Spans: their members are slices of the bytes the backend
// sent. Only a stage that asks for a Tree pays for one; from there on members
// are written sorted by name, because a tree has no order.
//
// A body owns pooled memory and gives it back in Close. Whatever was obtained
// from it dies then.
package body
