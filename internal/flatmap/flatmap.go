package flatmap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// An Op is one configured operation.
type Op struct {
	Type string   // "move", "del" or "append"
	Args []string // paths: source and destination, or everything to delete
}

// A Filter is a compiled list of operations. It is immutable and safe for
// concurrent use.
type Filter struct {
	ops []operation
}

// An operation changes the tree below root. It reports whether it left gaps
// in arrays.
type operation interface {
	apply(root map[string]any) (gaps bool)
}

// Known reports whether typ is the type of an operation. Callers that want to
// pass over unknown types ask before they compile.
func Known(typ string) bool {
	return typ == "move" || typ == "del" || typ == "append"
}

// Compile checks ops and returns the filter that runs them in order.
//
// The error joins one error for each wrong operation, which names its index
// and what to write instead; the filter is nil then. Wrong are unknown types,
// a move or append with fewer than two paths and a del without any. Surplus
// paths of move and append are ignored.
func Compile(ops []Op) (*Filter, error) {
	f := &Filter{ops: make([]operation, 0, len(ops))}
	var problems []error
	for i, op := range ops {
		o, err := compile(op)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("operation %d: %w", i, err))
		case o != nil:
			f.ops = append(f.ops, o)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return f, nil
}

// compile returns nil for an operation that can never change anything.
func compile(op Op) (operation, error) {
	switch op.Type {
	case "del":
		if len(op.Args) == 0 {
			return nil, errors.New(`del needs at least one path: "args": ["path.to.delete"]`)
		}
		d := make(del, len(op.Args))
		for i, arg := range op.Args {
			d[i] = compilePath(arg)
		}
		return d, nil
	case "move", "append":
		if len(op.Args) < 2 {
			return nil, fmt.Errorf(`%s needs two paths: "args": ["source", "destination"], got %d`, op.Type, len(op.Args))
		}
		src, dst := compilePath(op.Args[0]), compilePath(op.Args[1])
		if op.Type == "move" {
			return compileMove(src, dst), nil
		}
		if slices.ContainsFunc(dst[min(len(src), len(dst)):], part.isAny) {
			return nil, nil // a * that repeats nothing of the source names no array
		}
		return appendTo{src: src, dst: dst}, nil
	}
	return nil, fmt.Errorf(`unknown type %q: write "move", "del" or "append"`, op.Type)
}

// Apply runs the operations on tree, in place, and returns it.
//
// The caller must own everything reachable from tree, and no object or array
// may be reachable on two ways. Apply keeps no reference to it.
func (f *Filter) Apply(tree map[string]any) map[string]any {
	gaps := false
	for _, op := range f.ops {
		if op.apply(tree) {
			gaps = true
		}
	}
	if gaps {
		closeGaps(tree)
	}
	return tree
}

// A part is one level of a path.
type part struct {
	name string
	pos  int // the array position that name spells, or -1
}

const anyName = "*"

func (p part) isAny() bool { return p.name == anyName }

func compilePath(s string) []part {
	names := strings.Split(s, ".")
	path := make([]part, len(names))
	for i, name := range names {
		path[i] = part{name: name, pos: position(name)}
	}
	return path
}

// position returns the number that s spells in the one way strconv.Itoa would,
// or -1.
func position(s string) int {
	const maxDigits = 9 // no array has more positions, and an int32 holds them
	if s == "" || len(s) > maxDigits || s[0] == '0' && len(s) > 1 {
		return -1
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
