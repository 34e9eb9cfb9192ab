package celx

import (
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// matches is the function that takes a pattern.
const matches = "matches"

// findDynamic returns the first pattern in an expression that depends on a variable,
// nil if there is none. Variables of loops over constants are constants.
func findDynamic(checked *cel.Ast) ast.Expr {
	return dynamicIn(checked.NativeRep().Expr(), nil)
}

func dynamicIn(n ast.Expr, constants map[string]bool) ast.Expr {
	any := func(list ...ast.Expr) ast.Expr {
		for _, e := range list {
			if found := dynamicIn(e, constants); found != nil {
				return found
			}
		}
		return nil
	}
	switch n.Kind() {
	case ast.CallKind:
		c := n.AsCall()
		args := c.Args()
		if c.FunctionName() == matches && len(args) > 0 && !constant(args[len(args)-1], constants) {
			return args[len(args)-1]
		}
		if c.IsMemberFunction() {
			if found := any(c.Target()); found != nil {
				return found
			}
		}
		return any(args...)
	case ast.SelectKind:
		return any(n.AsSelect().Operand())
	case ast.ListKind:
		return any(n.AsList().Elements()...)
	case ast.MapKind:
		for _, e := range n.AsMap().Entries() {
			if found := any(e.AsMapEntry().Key(), e.AsMapEntry().Value()); found != nil {
				return found
			}
		}
	case ast.StructKind:
		for _, f := range n.AsStruct().Fields() {
			if found := any(f.AsStructField().Value()); found != nil {
				return found
			}
		}
	case ast.ComprehensionKind:
		c := n.AsComprehension()
		if found := any(c.IterRange(), c.AccuInit()); found != nil {
			return found
		}
		inner := within(c, constants)
		for _, e := range []ast.Expr{c.LoopCondition(), c.LoopStep(), c.Result()} {
			if found := dynamicIn(e, inner); found != nil {
				return found
			}
		}
	}
	return nil
}

// within returns the constants inside of a loop: those around it and, over constants,
// its own variables. What it gathers is none.
func within(c ast.ComprehensionExpr, constants map[string]bool) map[string]bool {
	inner := maps.Clone(constants)
	if inner == nil {
		inner = make(map[string]bool)
	}
	steady := constant(c.IterRange(), constants)
	inner[c.IterVar()] = steady
	if c.IterVar2() != "" {
		inner[c.IterVar2()] = steady
	}
	inner[c.AccuVar()] = false
	return inner
}

// constant reports whether an expression is the same for every exchange.
func constant(n ast.Expr, constants map[string]bool) bool {
	switch n.Kind() {
	case ast.LiteralKind:
		return true
	case ast.IdentKind:
		return constants[n.AsIdent()]
	case ast.CallKind:
		c := n.AsCall()
		if c.IsMemberFunction() && !constant(c.Target(), constants) {
			return false
		}
		for _, arg := range c.Args() {
			if !constant(arg, constants) {
				return false
			}
		}
		return true
	case ast.ListKind:
		for _, e := range n.AsList().Elements() {
			if !constant(e, constants) {
				return false
			}
		}
		return true
	case ast.SelectKind:
		return constant(n.AsSelect().Operand(), constants)
	}
	return false
}

// Bounds of a pattern that is not written out.
const (
	patternBytes  = 1000
	patternStates = 10_000     // once repetitions are written out
	patternWork   = 10_000_000 // states times bytes of the text, some 100 ms
)

// boundPatterns replaces the matching of patterns that are not constant by one that
// refuses what costs much time or memory.
func boundPatterns(n interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := n.(interpreter.InterpretableCall)
	if !ok || call.Function() != matches {
		return n, nil
	}
	args := call.Args()
	if _, written := args[len(args)-1].(interpreter.InterpretableConst); written {
		return n, nil
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), args, matchBounded), nil
}

func matchBounded(args ...ref.Val) ref.Val {
	text, ok := args[0].(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	pattern, ok := args[1].(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[1])
	}
	if len(pattern) > patternBytes {
		return types.NewErr("the pattern is of %d bytes, more than %d", len(pattern), patternBytes)
	}
	parsed, err := syntax.Parse(string(pattern), syntax.Perl)
	if err != nil {
		return types.WrapErr(fmt.Errorf("the pattern cannot be read: %w", err))
	}
	n := states(parsed)
	if n > patternStates || (len(text)+1)*n > patternWork {
		return types.NewErr("the pattern is too large for a text of %d bytes", len(text))
	}
	compiled, err := regexp.Compile(string(pattern))
	if err != nil {
		return types.WrapErr(fmt.Errorf("the pattern cannot be read: %w", err))
	}
	return types.Bool(compiled.MatchString(string(text)))
}

// states returns how many states a pattern has, nearly; more than patternStates are
// not counted.
func states(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)/2
	for _, sub := range re.Sub {
		if n += states(sub); n > patternStates {
			return n
		}
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Max, re.Min+1)
	}
	return n
}
