package flatmap

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return tree
}

func encode(t testing.TB, tree map[string]any) string {
	t.Helper()
	b, err := json.Marshal(tree)
	if err != nil {
		t.Fatalf("encode %v: %v", tree, err)
	}
	return string(b)
}

// ops reads one operation from each line: the type, then its paths.
func ops(lines ...string) []Op {
	list := make([]Op, len(lines))
	for i, line := range lines {
		words := strings.Split(line, " ")
		list[i] = Op{Type: words[0], Args: words[1:]}
	}
	return list
}

func TestApply(t *testing.T) {
	tests := []struct {
		name string
		ops  []Op
		in   string
		want string
	}{
		// Each result below that the contract marks as verified stands first.
		{"documented example", ops("del kindergarten.0", "move schools.*.title schools.*.name", "append kindergarten schools"),
			`{"kindergarten":[{"name":"T"},{"name":"L"}],"schools":[{"title":"B"}]}`,
			`{"schools":[{"name":"B"},{"name":"L"}]}`},
		{"same depth ignores the earlier parts", ops("move a.*.b1.*.c a.*.x.*.c"),
			`{"a":[{"b1":[{"c":1}]}]}`, `{"a":[{"b1":[{"c":1}]}]}`},
		{"same depth renames the last part", ops("move a.*.b1.*.c a.*.b1.*.d"),
			`{"a":[{"b1":[{"c":1,"e":2},{"c":3}]}]}`, `{"a":[{"b1":[{"d":1,"e":2},{"d":3}]}]}`},
		{"deeper creates levels", ops("move id place.inner"), `{"id":1}`, `{"place":{"inner":1}}`},
		{"shallower lifts", ops("move a.0.b1.0.c c"), `{"a":[{"b1":[{"c":1,"d":2}]}]}`, `{"a":[{"b1":[{"d":2}]}],"c":1}`},
		{"shallower, last match wins", ops("move a.*.b1.*.c a.*.c"),
			`{"a":[{"b1":[{"c":1},{"c":2}]},{"b1":[{"c":3}]}]}`,
			`{"a":[{"b1":[{},{}],"c":2},{"b1":[{}],"c":3}]}`},
		{"missing source", ops("move x y", "del x", "append x y"), `{"a":1}`, `{"a":1}`},
		{"array without position", ops("move a.b a.c", "del a.b", "move a.b c"), `{"a":[{"b":1}]}`, `{"a":[{"b":1}]}`},
		{"del keeps positions", ops("del nums.0", "del nums.1"), `{"nums":[1,2,3]}`, `{"nums":[3]}`},
		{"del several paths keeps positions", ops("del nums.0 nums.1"), `{"nums":[1,2,3]}`, `{"nums":[3]}`},
		{"del twice at one position", ops("del nums.0", "del nums.0"), `{"nums":[1,2,3]}`, `{"nums":[2,3]}`},
		{"move after del keeps positions", ops("del nums.0", "move nums.1 first"), `{"nums":[1,2,3]}`, `{"nums":[3],"first":2}`},
		{"append", ops("append a b"), `{"a":[1],"b":[2]}`, `{"b":[2,1]}`},
		{"append to empty", ops("append a b"), `{"a":[1],"b":[]}`, `{"b":[1]}`},
		{"append of no array", ops("append a b", "append b a", "append c b"), `{"a":{"x":1},"b":[2],"c":"s"}`, `{"a":{"x":1},"b":[2],"c":"s"}`},
		{"append to missing", ops("append a b"), `{"a":[1]}`, `{"a":[1]}`},

		// Better than the incumbent.
		{"emptied array stays", ops("del a.0", "move b.0 c"), `{"a":[1],"b":[2]}`, `{"a":[],"b":[],"c":2}`},
		{"emptied object stays", ops("del a.x", "move b.x c"), `{"a":{"x":1},"b":{"x":2}}`, `{"a":{},"b":{},"c":2}`},
		{"emptied array in array stays", ops("del a.0.0"), `{"a":[[1],[2]]}`, `{"a":[[],[2]]}`},
		{"null survives", ops("del a.0"), `{"a":[1,null],"b":null}`, `{"a":[null],"b":null}`},
		{"moved value wins over a sibling", ops("move a b"), `{"a":1,"b":{"c":2}}`, `{"b":1}`},
		{"append to itself", ops("append a a"), `{"a":[1]}`, `{"a":[1]}`},
		{"append after del", ops("del n.0", "append x n"), `{"n":[1,2,3],"x":[7]}`, `{"n":[2,3,7]}`},
		{"surplus star is ignored", ops("move id place.*.inner", "move id *", "move id place.*"), `{"id":1}`, `{"id":1}`},
		{"surplus star behind a star", ops("move a.* a.*.*.x"), `{"a":{"k":1}}`, `{"a":{"k":1}}`},
		{"star in place of a literal is surplus", ops("move a.b a.*.c"), `{"a":{"b":1}}`, `{"a":{"b":1}}`},

		// Stars.
		{"star over keys", ops("del *.secret"), `{"a":{"secret":1,"x":2},"b":{"secret":3},"c":4}`, `{"a":{"x":2},"b":{},"c":4}`},
		{"star as last part of del", ops("del a.*", "del b.*"), `{"a":{"x":1,"y":2},"b":[1,2]}`, `{"a":{},"b":[]}`},
		{"star alone", ops("del *"), `{"a":1,"b":2}`, `{}`},
		{"last of several sources, keys sorted", ops("move a.*.v v"), `{"a":{"y":{"v":2},"x":{"v":1},"z":{}}}`, `{"a":{"x":{},"y":{},"z":{}},"v":2}`},
		{"rename of all to one", ops("move a.* a.m"), `{"a":{"k":1,"m":2,"z":3}}`, `{"a":{"m":3}}`},
		{"rename of all onto the last", ops("move a.* a.z"), `{"a":{"k":1,"m":2,"z":3}}`, `{"a":{"z":3}}`},
		{"wrap every element", ops("move a.* a.*.v"), `{"a":[1,{"v":2},[3]]}`, `{"a":[{"v":1},{"v":{"v":2}},{"v":[3]}]}`},
		{"unwrap every element", ops("move a.*.v a.*"), `{"a":[{"v":1},{"v":2,"w":3},{"w":4}]}`, `{"a":[1,2,{"w":4}]}`},
		{"rename to itself by star", ops("move a.* b.*"), `{"a":{"k":1}}`, `{"a":{"k":1}}`},
		{"star reuses a literal position", ops("move a.1.v.x a.*.x"), `{"a":[{},{"v":{"x":1}}]}`, `{"a":[{},{"v":{},"x":1}]}`},
		{"a key named star is reached by star only", ops("move a.* b"), `{"a":{"*":1}}`, `{"a":{},"b":1}`},

		// Destinations.
		{"below an existing level", ops("move id place.inner"), `{"id":1,"place":{"x":2}}`, `{"place":{"inner":1,"x":2}}`},
		{"scalar on the way is replaced", ops("move id place.inner"), `{"id":1,"place":"s"}`, `{"place":{"inner":1}}`},
		{"null on the way is replaced", ops("move id place.inner"), `{"id":1,"place":null}`, `{"place":{"inner":1}}`},
		{"below its own former place", ops("move a a.b"), `{"a":{"x":1}}`, `{"a":{"b":{"x":1}}}`},
		{"below its own former position", ops("move a.0 a.0.b"), `{"a":[[1],2]}`, `{"a":[{"b":[1]},2]}`},
		{"lifted over its own container", ops("move a.b a"), `{"a":{"b":1,"c":2}}`, `{"a":1}`},
		{"lifted into a missing level", ops("move a.b.c x.y"), `{"a":{"b":{"c":1}}}`, `{"a":{"b":{}},"x":{"y":1}}`},
		{"position onto position", ops("move a.0 a.2"), `{"a":[1,2,3]}`, `{"a":[2,1]}`},
		{"position onto a gap", ops("del a.1", "move a.2 a.1"), `{"a":[1,2,3]}`, `{"a":[1,3]}`},
		{"position the array never had", ops("move a.0 a.3", "move x a.9"), `{"a":[1,2,3],"x":4}`, `{"a":[1,2,3],"x":4}`},
		{"key of an array", ops("move a.0 a.k", "move x a.k", "move x a.k.l"), `{"a":[1,2],"x":4}`, `{"a":[1,2],"x":4}`},
		{"number as a key", ops("move a.0 a.1", "move b c.0"), `{"a":{"0":"x"},"b":1}`, `{"a":{"1":"x"},"c":{"0":1}}`},

		// Positions in their only spelling.
		{"leading zero is no position", ops("del a.00", "del a.+0", "del a.-1", "del a.1e0", "del a."), `{"a":[1]}`, `{"a":[1]}`},
		{"position beyond the end", ops("del a.1", "del a.4294967296"), `{"a":[1]}`, `{"a":[1]}`},
		{"empty key", ops("del .a"), `{"":{"a":1,"b":2}}`, `{"":{"b":2}}`},

		// Arrays in arrays.
		{"append an element to its array", ops("append a.0 a"), `{"a":[[1],2]}`, `{"a":[2,1]}`},
		{"append all elements to their array", ops("append a.* a"), `{"a":[[1],[2],[3]]}`, `{"a":[1,2,3]}`},
		{"append in every array", ops("append a.*.* a.*"), `{"a":[[[1],[2]],[[3],4]]}`, `{"a":[[1,2],[4,3]]}`},
		{"append an array to its own element", ops("append a a.0", "append a a.*"), `{"a":[[1],2]}`, `{"a":[[1],2]}`},
		{"append per object", ops("append u.*.old u.*.new"), `{"u":[{"old":[1],"new":[2]},{"old":[3]}]}`, `{"u":[{"new":[2,1]},{"old":[3]}]}`},
		{"append several", ops("append u.*.l all"), `{"u":{"b":{"l":[2]},"a":{"l":[1]}},"all":[0]}`, `{"all":[0,1,2],"u":{"a":{},"b":{}}}`},
		{"append to a surplus star", ops("append a b.*"), `{"a":[1],"b":[[2]]}`, `{"a":[1],"b":[[2]]}`},
		{"append leaves gaps behind", ops("del a.0", "append a b"), `{"a":[1,2],"b":[]}`, `{"b":[2]}`},
		{"appended elements have positions", ops("append a b", "del b.1"), `{"a":[1,2],"b":[3]}`, `{"b":[3,2]}`},
		{"moved array keeps its positions", ops("del a.0", "move a b", "move b.1 c"), `{"a":[1,2,3]}`, `{"b":[3],"c":2}`},
		{"deleted element is not met again", ops("del a.0", "move a.*.v v"), `{"a":[{"v":1},{"w":2}]}`, `{"a":[{"w":2}]}`},
		{"surplus paths are ignored", ops("move a b c", "append x y z"), `{"a":1,"x":[1],"y":[]}`, `{"b":1,"y":[1]}`},
		{"no operations", nil, `{"a":1}`, `{"a":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Compile(tt.ops)
			if err != nil {
				t.Fatalf("Compile(%v): %v", tt.ops, err)
			}
			got := f.Apply(decode(t, tt.in))
			if want := decode(t, tt.want); !reflect.DeepEqual(got, want) {
				t.Errorf("%v on %s = %s, want %s", tt.ops, tt.in, encode(t, got), tt.want)
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	tests := []struct {
		name string
		ops  []Op
		want []string
	}{
		{"move with one path", ops("del a", "move a"), []string{`operation 1: move needs two paths: "args": ["source", "destination"], got 1`}},
		{"append without paths", []Op{{Type: "append"}}, []string{`operation 0: append needs two paths: "args": ["source", "destination"], got 0`}},
		{"del without paths", []Op{{Type: "del"}}, []string{`operation 0: del needs at least one path: "args": ["path.to.delete"]`}},
		{"unknown type", ops("Move a b"), []string{`operation 0: unknown type "Move": write "move", "del" or "append"`}},
		{"all of them", ops("move a", "del a", "append a"), []string{"operation 0: move", "operation 2: append"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Compile(tt.ops)
			if err == nil || f != nil {
				t.Fatalf("Compile(%v) = %v, %v, want an error alone", tt.ops, f, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("Compile(%v): %q, want %q in it", tt.ops, err, want)
				}
			}
		})
	}
}

func TestKnown(t *testing.T) {
	for typ, want := range map[string]bool{"move": true, "del": true, "append": true, "": false, "Del": false, "copy": false} {
		if got := Known(typ); got != want {
			t.Errorf("Known(%q) = %v, want %v", typ, got, want)
		}
		if _, err := Compile([]Op{{Type: typ, Args: []string{"a", "b"}}}); (err == nil) != want {
			t.Errorf("Compile of %q: %v, want it to agree with Known", typ, err)
		}
	}
}

// genTree makes trees over few keys, so that random paths meet something.
func genTree() *rapid.Generator[map[string]any] {
	var value func(depth int) *rapid.Generator[any]
	object := func(depth int) *rapid.Generator[map[string]any] {
		return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c", "0", "1", "*"}), value(depth), 0, 4)
	}
	value = func(depth int) *rapid.Generator[any] {
		scalar := rapid.SampledFrom([]any{nil, true, "s", json.Number("1.10"), "x"})
		if depth == 0 {
			return scalar
		}
		return rapid.Custom(func(t *rapid.T) any {
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
				return scalar.Draw(t, "scalar")
			case 1:
				return object(depth-1).Draw(t, "object")
			default:
				return rapid.SliceOfN(value(depth-1), 0, 4).Draw(t, "array")
			}
		})
	}
	return object(4)
}

func genOps() *rapid.Generator[[]Op] {
	path := rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "0", "1", "2", "*", "*"}), 1, 4).Draw(t, "path")
		return strings.Join(parts, ".")
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Op {
		return Op{
			Type: rapid.SampledFrom([]string{"move", "del", "append"}).Draw(t, "type"),
			Args: rapid.SliceOfN(path, 2, 2).Draw(t, "args"),
		}
	}), 1, 5)
}

// checkApply states what holds for every list of operations and every tree:
// the result is the same each time and is a tree again, without tombstones
// and without an object or array in two places.
func checkApply(t testing.TB, list []Op, text string) {
	f, err := Compile(list)
	if err != nil {
		return
	}
	first := f.Apply(decode(t, text))
	want := encode(t, first)
	if !isTree(first, map[uintptr]bool{}) {
		t.Fatalf("%v on %s = %s, which is no tree", list, text, want)
	}
	for range 3 {
		if got := encode(t, f.Apply(decode(t, text))); got != want {
			t.Fatalf("%v on %s = %s, then %s", list, text, want, got)
		}
	}
}

func isTree(v any, seen map[uintptr]bool) bool {
	switch v := v.(type) {
	case map[string]any:
		p := reflect.ValueOf(v).Pointer()
		if seen[p] {
			return false
		}
		seen[p] = true
		for _, child := range v {
			if !isTree(child, seen) {
				return false
			}
		}
	case []any:
		if len(v) > 0 {
			p := reflect.ValueOf(v).Pointer()
			if seen[p] {
				return false
			}
			seen[p] = true
		}
		for _, child := range v {
			if !isTree(child, seen) {
				return false
			}
		}
	case nil, bool, string, json.Number:
	default:
		return false
	}
	return true
}

func TestApplyProperties(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		tree := genTree().Draw(r, "tree")
		list := genOps().Draw(r, "ops")
		checkApply(t, list, encode(t, tree))
	})
}

// Scalars may be deleted and overwritten, but never doubled or made up.
func TestApplyInventsNothing(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		tree := decode(t, encode(t, genTree().Draw(r, "tree")))
		list := genOps().Draw(r, "ops")
		f, err := Compile(list)
		if err != nil {
			r.Skip("not a list of operations")
		}
		before := map[any]int{}
		countScalars(tree, before)
		after := map[any]int{}
		countScalars(f.Apply(tree), after)
		for v, n := range after {
			if n > before[v] {
				t.Fatalf("%v: %v stands there %d times, was %d times", list, v, n, before[v])
			}
		}
	})
}

func countScalars(v any, count map[any]int) {
	switch v := v.(type) {
	case map[string]any:
		for _, child := range v {
			countScalars(child, count)
		}
	case []any:
		for _, child := range v {
			countScalars(child, count)
		}
	default:
		count[v]++
	}
}

func FuzzApply(f *testing.F) {
	f.Add(`{"a":[1,{"b":2}]}`, "move", "a.*.b", "c")
	f.Add(`{"a":[[1],[2]]}`, "append", "a.*", "a")
	f.Add(`{"a":{"b":[null]}}`, "del", "a.b.0", "a.*.*")
	f.Fuzz(func(t *testing.T, text, typ, src, dst string) {
		var tree map[string]any
		if json.Unmarshal([]byte(text), &tree) != nil || tree == nil {
			t.Skip("not an object")
		}
		checkApply(t, []Op{{Type: typ, Args: []string{src, dst}}, {Type: "del", Args: []string{src}}}, text)
	})
}

var benchmarkOps = ops("del users.*.password", "move users.*.id users.*.key.id", "append guests users")

// benchmarkTree is an answer of about 2 KB with 20 users.
func benchmarkTree() map[string]any {
	users := make([]any, 20)
	for i := range users {
		users[i] = map[string]any{"id": json.Number("1"), "name": "Ada Lovelace", "password": "secret", "mail": "ada@example.com"}
	}
	return map[string]any{"guests": []any{map[string]any{"id": json.Number("0")}}, "users": users}
}

// One object is made for each of the 20 users, which takes two allocations;
// the searches and the longer array must not cost one for each match.
func TestApplyAllocates(t *testing.T) {
	f, err := Compile(benchmarkOps)
	if err != nil {
		t.Fatal(err)
	}
	trees := testing.AllocsPerRun(50, func() { benchmarkTree() })
	both := testing.AllocsPerRun(50, func() { f.Apply(benchmarkTree()) })
	if n := both - trees; n > 80 {
		t.Errorf("Apply allocates %v times for 40 matches, want 80 at most", n)
	}
}

func BenchmarkApply2KB(b *testing.B) {
	f, err := Compile(benchmarkOps)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		tree := benchmarkTree()
		b.StartTimer()
		f.Apply(tree)
	}
}
