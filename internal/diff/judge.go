package diff

import (
	"cmp"
	"reflect"
	"slices"

	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/model"
)

// judge says which of two values of a field is stricter, nil for one that is absent, and why
// where the values do not tell.
func judge(f *config.Field, a, b *model.Effect) (Verdict, string) {
	if f == nil || f.Strict == "" {
		return Changed, ""
	}
	if f.Strict == config.There {
		switch {
		case a == nil:
			return Strengthened, ""
		case b == nil:
			return Weakened, ""
		}
		return Changed, ""
	}
	if a != nil && refers(a.Node) || b != nil && refers(b.Node) {
		return Changed, "" // by a value that nobody has looked up
	}
	x, okA := number(f, a)
	y, okB := number(f, b)
	if !okA || !okB {
		return Changed, ""
	}
	order := cmp.Compare(x, y) // positive: b is lower
	switch f.Strict {
	case config.Limit:
		switch {
		case x == 0 && y == 0:
			return Changed, "" // without a limit of its own in either
		case x == 0:
			return Strengthened, "there was no limit"
		case y == 0:
			return Weakened, "there is no limit"
		}
	case config.Higher, config.On:
		order = -order
	}
	switch {
	case order > 0:
		return Strengthened, ""
	case order < 0:
		return Weakened, ""
	}
	return Changed, ""
}

// number returns a value as a number: of a truth 0 or 1, of a text its place in the
// enumeration. What is absent is nothing.
func number(f *config.Field, e *model.Effect) (float64, bool) {
	if e == nil {
		return 0, f.Spec.Shape != config.TextShape
	}
	switch v := e.Go; v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return 1, true
		}
		return 0, true
	case reflect.String:
		i := slices.Index(f.Spec.Enum, v.String())
		return float64(i), i >= 0
	case reflect.Float32, reflect.Float64:
		return v.Float(), true
	default:
		switch {
		case v.CanInt():
			return float64(v.Int()), true
		case v.CanUint():
			return float64(v.Uint()), true
		}
	}
	return 0, false
}

// judgeList says which of two lists is stricter that differ by what was added and removed.
func judgeList(f *config.Field, a, b *model.Effect, added, removed []string) (Verdict, string) {
	const all = "*"
	if f == nil {
		return Changed, ""
	}
	none := func(e *model.Effect) bool { return len(items(e)) == 0 }
	switch f.Strict {
	case config.Only:
		switch {
		case none(a):
			return Strengthened, "none restricts nothing"
		case none(b):
			return Weakened, "none restricts nothing"
		}
		fallthrough
	case config.Fewer:
		switch {
		case slices.Contains(added, all):
			return Weakened, "* is everything"
		case slices.Contains(removed, all):
			return Strengthened, "* is everything"
		case len(removed) == 0:
			return Weakened, ""
		case len(added) == 0:
			return Strengthened, ""
		}
	case config.More:
		switch {
		case len(removed) == 0:
			return Strengthened, ""
		case len(added) == 0:
			return Weakened, ""
		}
	case config.There:
		switch {
		case none(a):
			return Strengthened, ""
		case none(b):
			return Weakened, ""
		}
	}
	return Changed, ""
}
