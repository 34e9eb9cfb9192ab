package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// steady collects what differs however often two gateways are asked, and where it varies.
type steady struct {
	differences
	varies []string
}

type (
	absent struct{} // a member that is not there
	plain  string   // a body that is no JSON
)

// values returns bodies as JSON, or as what they are.
func values(bodies [2][]byte) (vs [2]any) {
	for i, b := range bodies {
		v, ok := parse(b)
		if !ok {
			v = plain(b)
		}
		vs[i] = v
	}
	return vs
}

// compare compares the values of two gateways at a path, two of each.
func (d *steady) compare(path string, got, want [2]any) {
	first, second := kindOf(got[0]), kindOf(want[0])
	switch {
	case first != kindOf(got[1]) || second != kindOf(want[1]):
		d.vary(path)
	case first != second:
		d.in(path, d.shown(got[0]), d.shown(want[0]))
	case first == "object":
		keys := make(map[string]bool)
		for _, v := range slices.Concat(got[:], want[:]) {
			for key := range v.(map[string]any) {
				keys[key] = true
			}
		}
		at := func(vs [2]any, key string) [2]any {
			for i, v := range vs {
				var has bool
				if vs[i], has = v.(map[string]any)[key]; !has {
					vs[i] = absent{}
				}
			}
			return vs
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			d.compare(member(path, key), at(got, key), at(want, key))
		}
	case first == "list":
		longest := 0
		for _, v := range slices.Concat(got[:], want[:]) {
			longest = max(longest, len(v.([]any)))
		}
		at := func(vs [2]any, i int) [2]any {
			for k, v := range vs {
				if list := v.([]any); i < len(list) {
					vs[k] = list[i]
				} else {
					vs[k] = absent{}
				}
			}
			return vs
		}
		for i := range longest {
			d.compare(path+"["+strconv.Itoa(i)+"]", at(got, i), at(want, i))
		}
	case !same(got[0], got[1]) || !same(want[0], want[1]):
		d.vary(path)
	case first == "text" && !same(got[0], want[0]):
		compareText(&d.differences, string(got[0].(plain)), string(want[0].(plain)))
	case !same(got[0], want[0]):
		d.in(path, d.shown(got[0]), d.shown(want[0]))
	}
}

func (d *steady) vary(path string) {
	if len(d.varies) < maxDifferences {
		d.varies = append(d.varies, d.mask(inBody(path)))
	}
}

// kindOf names what a value is.
func kindOf(v any) string {
	switch v := v.(type) {
	case absent:
		return "none"
	case plain:
		if v == "" {
			return "nothing"
		}
		return "text"
	case map[string]any:
		return "object"
	case []any:
		return "list"
	case string:
		return "string"
	case json.Number:
		return "number"
	case bool:
		return "bool"
	}
	return "null"
}

// same reports whether two values of the same kind, which hold no others, are equal.
func same(a, b any) bool {
	if n, ok := a.(json.Number); ok {
		return sameNumber(string(n), string(b.(json.Number)))
	}
	return a == b
}
