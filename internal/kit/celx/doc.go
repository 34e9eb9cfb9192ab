// Package celx compiles and evaluates conditions in the Common Expression Language for
// the components that have some.
//
// A [Scope] says where expressions stand, and so which variables they have: those that
// the documentation of validation/cel lists. Expressions are compiled when a component
// is built, and evaluated one by one on an exchange:
//
//	scope := celx.Pipe(&s.PipeSite)
//	e, err := scope.Compile(text, celx.Bounds{CostLimit: celx.DefaultCostLimit})
//	...
//	ev := scope.Begin(x)
//	defer ev.End()
//	holds, err := ev.Holds(ctx, e)
//
// What the package takes care of: an expression that cannot be used, and one that never
// does what it seems to do, is found at the start. At run time an error is never true.
// Patterns are written out, or bounded. What an expression may cost is bounded, and
// watched only where it could be passed; so is the deadline. A header that has another
// spelling beside the one that is looked up makes a condition false, and a condition on
// the path has to hold for whatever a service may read there.
//
// Where a refusal goes, with which status and which words, is the component's.
//
// Source: the CEL language definition, cel-spec v0.2, as implemented by cel.dev/cel-go.
package celx
