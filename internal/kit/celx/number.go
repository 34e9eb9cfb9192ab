package celx

import (
	"encoding/json"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// An adapter makes CEL values of the plain values of a tree.
type adapter struct {
	number func(json.Number) ref.Val
}

func numberAsText(n json.Number) ref.Val { return types.String(n) }

func numberAsDouble(n json.Number) ref.Val {
	f, _ := strconv.ParseFloat(string(n), 64) // too large a number is infinite
	return types.Double(f)
}

// NativeToValue returns v as a CEL value. Lists and maps are not copied.
func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case json.Number:
		return a.number(v)
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	case []any:
		return types.NewDynamicList(a, v)
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

// compareNumbers replaces the comparisons of a program by ones that know
// numbers written as text.
func compareNumbers(n interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	call, ok := n.(interpreter.InterpretableCall)
	if !ok {
		return n, nil
	}
	var compare functions.FunctionOp
	switch call.Function() {
	case operators.Equals:
		compare = func(args ...ref.Val) ref.Val { return types.Equal(alike(args[0], args[1])) }
	case operators.NotEquals:
		compare = func(args ...ref.Val) ref.Val {
			return types.Bool(types.Equal(alike(args[0], args[1])) != types.True)
		}
	case operators.Less:
		compare = ordered(func(order types.Int) bool { return order < 0 })
	case operators.LessEquals:
		compare = ordered(func(order types.Int) bool { return order <= 0 })
	case operators.Greater:
		compare = ordered(func(order types.Int) bool { return order > 0 })
	case operators.GreaterEquals:
		compare = ordered(func(order types.Int) bool { return order >= 0 })
	default:
		return n, nil
	}
	return interpreter.NewCall(call.ID(), call.Function(), call.OverloadID(), call.Args(), compare), nil
}

// ordered returns a comparison of two values that have an order.
func ordered(holds func(order types.Int) bool) functions.FunctionOp {
	return func(args ...ref.Val) ref.Val {
		left, right := alike(args[0], args[1])
		comparer, ok := left.(traits.Comparer)
		if !ok {
			return types.MaybeNoSuchOverloadErr(left)
		}
		order := comparer.Compare(right)
		if i, ok := order.(types.Int); ok {
			return types.Bool(holds(i))
		}
		return order
	}
}

// alike returns two values ready to be compared: of a number and a text that
// is a number, the text becomes one too.
func alike(left, right ref.Val) (ref.Val, ref.Val) {
	if text, ok := left.(types.String); ok && isNumber(right) {
		return parseNumber(text), right
	}
	if text, ok := right.(types.String); ok && isNumber(left) {
		return left, parseNumber(text)
	}
	return left, right
}

func isNumber(v ref.Val) bool {
	switch v.(type) {
	case types.Int, types.Uint, types.Double:
		return true
	}
	return false
}

// parseNumber returns the number that text is, written as in JSON, and the text
// itself when it is none. Whole numbers are exact.
func parseNumber(text types.String) ref.Val {
	s := string(text)
	if s == "" || s[0] == '+' || strings.Trim(s, "0123456789+-.eE") != "" {
		return text // ParseFloat also knows infinities, hexadecimals and underscores
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return types.Int(i)
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return types.Uint(u)
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return types.Double(f)
	}
	return text
}
