package jsonspan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestObjectSet(t *testing.T) {
	var o Object
	for _, m := range [][2]string{{"b", `1`}, {"a", `[]`}, {"b", `2`}, {"\"\n", `"x"`}, {"", `{}`}, {"\xff", `3`}, {"\uFFFD", `4`}} {
		o.Set(m[0], []byte(m[1]))
	}
	want := `{"b":2,"a":[],"\"\n":"x","":{},"` + "\uFFFD" + `":4}`
	if got := string(o.AppendJSON([]byte("> "))); got != "> "+want {
		t.Errorf("AppendJSON = %s, want > %s", got, want)
	}
	for name, want := range map[string]string{"b": `2`, "\"\n": `"x"`, "": `{}`, "\xff": `4`, "\uFFFD": `4`} {
		if got, ok := o.Get(name); !ok || string(got) != want {
			t.Errorf("Get(%q) = %s, %v, want %s", name, got, ok, want)
		}
	}
	for _, name := range []string{"c", `\"`, `"`, "B"} {
		if got, ok := o.Get(name); ok {
			t.Errorf("Get(%q) = %s, want nothing", name, got)
		}
	}
	o.Reset()
	if got := string(o.AppendJSON(nil)); got != `{}` {
		t.Errorf("after Reset: %s, want {}", got)
	}
	if _, ok := o.Get("b"); ok {
		t.Error("after Reset: Get found a member")
	}
}

func TestObjectZero(t *testing.T) {
	var o, from Object
	o.Merge(&from)
	o.Reset()
	if _, ok := o.Get(""); ok {
		t.Error("Get of nothing found a member")
	}
	if got := string(o.Clone().AppendJSON(nil)); got != `{}` {
		t.Errorf("clone of nothing: %s, want {}", got)
	}
}

func TestObjectMerge(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want string
	}{
		{"apart", []string{`{"b":1}`, `{"a":2}`}, `{"b":1,"a":2}`},
		{"later wins in the place of the first", []string{`{"a":1,"b":2}`, `{"c":3,"a":4}`}, `{"a":4,"b":2,"c":3}`},
		{"nested objects are replaced", []string{`{"n":{"x":1}}`, `{"n":{"y":2}}`}, `{"n":{"y":2}}`},
		{"escapes", []string{`{"a":1,"\u0062":2}`, `{"\u0061":3,"b":4}`}, `{"a":3,"\u0062":4}`},
		{"empty", []string{`{}`, `{"a":1}`, `null`}, `{"a":1}`},
		{"three", []string{`{"a":1}`, `{"a":2}`, `{"a":3}`}, `{"a":3}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var all Object
			for _, in := range tt.in {
				all.Merge(apply(t, Rules{}, in))
			}
			if got := string(all.AppendJSON(nil)); got != tt.want {
				t.Errorf("merge of %s = %s, want %s", tt.in, got, tt.want)
			}
		})
	}
}

func apply(t *testing.T, r Rules, in string) *Object {
	t.Helper()
	o := new(Object)
	if err := Compile(r).Apply(o, []byte(in)); err != nil {
		t.Fatalf("Apply(%s): %v", in, err)
	}
	return o
}

// TestObjectMergeLikeTree has the property that spans and trees agree on any
// number of answers.
func TestObjectMergeLikeTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all Object
		want := map[string]any{}
		for range rapid.IntRange(1, 4).Draw(t, "answers") {
			src := []byte(sourceText(2).Draw(t, "source"))
			rules := someRules().Draw(t, "rules")
			if one := checkApply(t, rules, src); one != nil {
				all.Merge(one)
				tree, _ := applyByTree(rules, src)
				for name, v := range tree {
					want[name] = v
				}
			}
		}
		checkObject(t, &all, want)
		checkObject(t, all.Clone(), want)
		tree, err := all.Tree()
		if err != nil || !reflect.DeepEqual(tree, want) {
			t.Fatalf("Tree of %s = %v, %v, want %v", all.AppendJSON(nil), tree, err, want)
		}
	})
}

func TestObjectClone(t *testing.T) {
	src := []byte(`{"a":1,"b":{"c":2}}`)
	var o Object
	if err := Compile(Rules{}).Apply(&o, src); err != nil {
		t.Fatal(err)
	}
	c := o.Clone()
	clear(src)
	o.Reset()
	c.Set("d", []byte(`3`))
	if got, want := string(c.AppendJSON(nil)), `{"a":1,"b":{"c":2},"d":3}`; got != want {
		t.Errorf("clone = %s, want %s", got, want)
	}
}

// TestObjectLarge has many members, then few again.
func TestObjectLarge(t *testing.T) {
	var o Object
	for _, n := range []int{20_000, 3, 100, 0, 1_000} {
		o.Reset()
		var want []string
		for i := range n {
			name := fmt.Sprintf("name%d", i)
			o.Set(name, fmt.Append(nil, i))
			want = append(want, fmt.Sprintf("%q:%d", name, i))
		}
		for i := range n {
			if got, ok := o.Get(fmt.Sprintf("name%d", i)); !ok || string(got) != fmt.Sprint(i) {
				t.Fatalf("of %d: Get(name%d) = %s, %v", n, i, got, ok)
			}
		}
		if got, want := string(o.AppendJSON(nil)), "{"+strings.Join(want, ",")+"}"; got != want {
			t.Errorf("of %d: wrong text", n)
		}
	}
}

// TestObjectCollision has names of one hash.
func TestObjectCollision(t *testing.T) {
	var o Object
	names := []string{"a", "b", "c", "d"}
	for i, name := range names {
		o.put([]byte(name), 7, fmt.Append(nil, i))
	}
	o.put([]byte(`\u0062`), 7, []byte(`9`))
	if got, want := string(o.AppendJSON(nil)), `{"a":0,"b":9,"c":2,"d":3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i, name := range names {
		if at := o.find([]byte(name), 7); at != i {
			t.Errorf("find(%s) = %d, want %d", name, at, i)
		}
	}
	if at := o.find([]byte("e"), 7); at != -1 {
		t.Errorf("find(e) = %d, want -1", at)
	}
}

func TestObjectTreeError(t *testing.T) {
	var o Object
	o.Set("a", []byte(`x`))
	if tree, err := o.Tree(); err == nil {
		t.Errorf("Tree of a broken value = %v, want an error", tree)
	}
}

// TestResetLetsGo has the property that a rare large body does not stay.
func TestResetLetsGo(t *testing.T) {
	var o Object
	name := strings.Repeat("x", maxKeptBytes/maxKeptMembers)
	for i := range 2 * maxKeptMembers {
		o.Set(fmt.Sprint(name, i), []byte(`1`))
	}
	o.Reset()
	if cap(o.arena) > maxKeptBytes || cap(o.Members) > maxKeptMembers {
		t.Errorf("after Reset: %d bytes and %d members are kept", cap(o.arena), cap(o.Members))
	}
	o.Set("a", []byte(`1`))
	if members := o.Members; !slices.EqualFunc(members, []string{"a"}, func(m Member, name string) bool { return string(m.Name) == name }) {
		t.Errorf("after Reset and Set: %v", members)
	}
}
