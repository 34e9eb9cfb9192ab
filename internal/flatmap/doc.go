// Package flatmap moves, deletes and appends values inside a decoded answer,
// as the list flatmap_filter of the namespace proxy asks for.
//
// Compile turns the configured operations into a Filter, once; Apply runs it
// on a tree of map[string]any, []any, string, bool, nil and json.Number. The
// package knows nothing of configuration files, JSON text or merging.
//
//	f, err := flatmap.Compile([]flatmap.Op{
//		{Type: "del", Args: []string{"users.*.password"}},
//		{Type: "move", Args: []string{"users.*.id", "users.*.key.id"}},
//		{Type: "append", Args: []string{"guests", "users"}},
//	})
//	...
//	tree = f.Apply(tree)
//
// # Paths
//
// Dots separate levels. On an object a part is a key; on an array it is a
// position, written without sign or leading zeros. The part * stands for every
// key or position; keys are visited sorted and positions ascending, so that
// the same tree always gives the same result. A key with a dot cannot be
// named. A path that meets nothing, or an array with a part that is neither a
// position nor *, matches nothing, and the operation does nothing there.
//
// # Positions
//
// The positions of an array stay as they were when the answer arrived, for the
// whole list of operations: a deleted element leaves a gap, which closes when
// the last operation has run. Appended elements get the numbers behind the
// last one, gaps counted.
//
// # Operations
//
// "del" takes one or more paths and removes every match. What it empties
// stays, as {} or [].
//
// "move" takes a source and a destination. All matches are taken out first and
// put back in order after that; where several go to one place the last one
// wins, and a moved value always replaces what it finds. How the destination
// is read depends on its depth:
//
//   - The same depth as the source: the last part is renamed where it is. The
//     parts before it are ignored, so that a.*.b to x.*.c makes a.*.c.
//   - Deeper: the same, and the surplus parts become levels below, which are
//     created if need be. A * among them names nothing and turns the whole
//     operation off, unless it repeats the * at the end of the source
//     (a.* to a.*.x wraps every element).
//   - Shallower: the value is lifted to the destination, counted from the root.
//     A * there is the key or position the source has on the same level, and
//     missing levels are created.
//
// A level that is missing is created as an object; one that holds a scalar or
// null is replaced by one. A value that would have to go to a position which
// its array does not have stays where it is.
//
// "append" takes two paths that must both hold arrays: the elements of the
// first go behind those of the second, and the first disappears. A * in the
// second is the key or position the first has on the same level. Anything else
// does nothing, appending an array to itself or to a part of itself included.
//
// # Compatibility
//
// Paths, operations and their effects are those of KrakenD's flatmap_filter,
// except that emptied containers stay, that results never depend on map order,
// and that a wrong number of paths is an error of Compile instead of a crash
// in each request.
package flatmap
