package jsonspan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestApply(t *testing.T) {
	tests := []struct {
		name  string
		rules Rules
		in    string
		want  string
	}{
		// Shape
		{"no rules", Rules{}, `{"b":1,"a":{"c":[ ]}}`, `{"b":1,"a":{"c":[ ]}}`},
		{"no rules, white space", Rules{}, " {\n \"a\" : 1 ,\n \"b\" : [ 2 ] } ", `{"a":1,"b":[ 2 ]}`},
		{"empty object", Rules{}, `{}`, `{}`},
		{"null is an empty object", Rules{}, `null`, `{}`},
		{"numbers keep their text", Rules{}, `{"a":12345678901234567890,"b":1.10,"c":1E+2,"d":-0}`, `{"a":12345678901234567890,"b":1.10,"c":1E+2,"d":-0}`},
		{"text behind the value", Rules{}, `{"a":1} garbage`, `{"a":1}`},
		{"byte order mark", Rules{}, "\uFEFF{\"a\":1}", `{"a":1}`},
		{"collection", Rules{Shape: ExpectCollection}, ` [1, {"a":2}] `, `{"collection":[1, {"a":2}]}`},
		{"collection null", Rules{Shape: ExpectCollection}, `null`, `{"collection":null}`},
		{"any object", Rules{Shape: ExpectAny}, `{"a":1}`, `{"a":1}`},
		{"any array", Rules{Shape: ExpectAny}, `[1]`, `{"collection":[1]}`},
		{"any number", Rules{Shape: ExpectAny}, `12.50`, `{"content":12.50}`},
		{"any null", Rules{Shape: ExpectAny}, `null`, `{"content":null}`},
		{"any string", Rules{Shape: ExpectAny}, `"a"`, `{"content":"a"}`},

		// Repeated names
		{"last value, first place", Rules{}, `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{"repeated in escapes", Rules{}, `{"a":1,"\u0061":3}`, `{"a":3}`},
		{"not looked into", Rules{}, `{"a":{"b":1,"b":2}}`, `{"a":{"b":1,"b":2}}`},
		{"repeated below", Rules{Allow: []string{"a.b"}}, `{"a":{"b":1,"b":2}}`, `{"a":{"b":2}}`},
		{"repeated below, other name denied", Rules{Deny: []string{"a.c"}}, `{"a":{"b":1,"b":2}}`, `{"a":{"b":2}}`},
		{"last is no object", Rules{Allow: []string{"a.b", "c"}}, `{"a":{"b":1},"c":1,"a":2}`, `{"c":1}`},
		{"last lacks the path", Rules{Allow: []string{"a.b"}}, `{"a":{"b":1},"a":{"c":1}}`, `{}`},
		{"last has the path again", Rules{Allow: []string{"a.b", "c"}}, `{"a":{"b":1},"a":{},"c":1,"a":{"b":3}}`, `{"a":{"b":3},"c":1}`},
		{"two targets", Rules{Target: "d"}, `{"d":{"a":1},"d":{"b":2}}`, `{"b":2}`},
		{"two targets, last is no object", Rules{Target: "d"}, `{"d":{"a":1},"d":[]}`, `{}`},
		{"two targets, last lacks the rest", Rules{Target: "d.e"}, `{"d":{"e":{"a":1}},"d":{}}`, `{}`},

		// UTF-8
		{"wrong bytes behind the value", Rules{}, "{\"a\":1}\xff", `{"a":1}`},
		{"lone surrogates stay as sent", Rules{}, `{"a":"\ud800"}`, `{"a":"\ud800"}`},

		// Target
		{"target", Rules{Target: "data"}, `{"data":{"id":1},"x":2}`, `{"id":1}`},
		{"deep target", Rules{Target: "t.u.v"}, `{"t":{"s":0,"u":{"v":{"a":1},"w":2}},"x":[]}`, `{"a":1}`},
		{"target missing", Rules{Target: "d"}, `{"a":1}`, `{}`},
		{"target array", Rules{Target: "d"}, `{"d":[{"a":1}]}`, `{}`},
		{"target scalar", Rules{Target: "d"}, `{"d":"x"}`, `{}`},
		{"target null", Rules{Target: "d"}, `{"d":null}`, `{}`},
		{"target through an array", Rules{Target: "d.0"}, `{"d":[{"a":1}]}`, `{}`},
		{"target through a scalar", Rules{Target: "d.e"}, `{"d":1}`, `{}`},
		{"target of a collection", Rules{Shape: ExpectCollection, Target: "collection"}, `[{"a":1}]`, `{}`},
		{"target of null", Rules{Target: "d"}, `null`, `{}`},
		{"target sent in escapes", Rules{Target: "d"}, `{"\u0064":{"a":1}}`, `{"a":1}`},
		{"target of empty names", Rules{Target: "."}, `{"":{"":{"a":1}}}`, `{"a":1}`},

		// Allow
		{"allow", Rules{Allow: []string{"a.b.c", "s"}}, `{"a":{"b":{"c":1,"d":2},"e":3},"s":"x"}`, `{"a":{"b":{"c":1}},"s":"x"}`},
		{"allow keeps the order of the source", Rules{Allow: []string{"a", "b"}}, `{"b":1,"c":2,"a":3}`, `{"b":1,"a":3}`},
		{"allow is case-sensitive", Rules{Allow: []string{"A"}}, `{"a":1}`, `{}`},
		{"allow into an array", Rules{Allow: []string{"a.b", "a.0"}}, `{"a":[{"b":1}]}`, `{}`},
		{"allow an array", Rules{Allow: []string{"a"}}, `{"a":[{"b":1}],"c":1}`, `{"a":[{"b":1}]}`},
		{"allow what is missing", Rules{Allow: []string{"x", "a.x", "y.z"}}, `{"a":{"b":1}}`, `{}`},
		{"allow empty list", Rules{Allow: []string{}}, `{"a":1}`, `{"a":1}`},
		{"allow empty text", Rules{Allow: []string{""}}, `{"a":1}`, `{}`},
		{"allow star", Rules{Allow: []string{"*"}}, `{"a":1}`, `{}`},
		{"allow keeps an empty object that is named", Rules{Allow: []string{"a", "b.c"}}, `{"a":{},"b":{"c":{}}}`, `{"a":{},"b":{"c":{}}}`},
		{"allow drops a parent that is empty", Rules{Allow: []string{"a.b"}}, `{"a":{}}`, `{}`},
		{"allow parent, then child", Rules{Allow: []string{"a", "a.b.c"}}, `{"a":{"b":{"c":1,"d":2}}}`, `{"a":{"b":{"c":1,"d":2}}}`},
		{"allow child, then parent", Rules{Allow: []string{"a.b.c", "a"}}, `{"a":{"b":{"c":1,"d":2}}}`, `{"a":{"b":{"c":1,"d":2}}}`},
		{"allow a name with a dot", Rules{Allow: []string{"a.b"}}, `{"a.b":1}`, `{}`},
		{"allow a name sent in escapes", Rules{Allow: []string{"a.é"}}, `{"\u0061":{"\u00e9":1,"e":2}}`, `{"\u0061":{"\u00e9":1}}`},
		{"allow a name that needs escapes", Rules{Allow: []string{`"`}}, `{"\"":1,"a":2}`, `{"\"":1}`},
		{"allow the collection", Rules{Shape: ExpectCollection, Allow: []string{"collection"}}, `[1]`, `{"collection":[1]}`},
		{"allow into the collection", Rules{Shape: ExpectCollection, Allow: []string{"collection.a"}}, `[{"a":1}]`, `{}`},

		// Deny
		{"deny", Rules{Deny: []string{"a.b", "c"}}, `{"a":{"b":1,"d":2},"c":3,"e":4}`, `{"a":{"d":2},"e":4}`},
		{"deny leaves empty parents", Rules{Deny: []string{"a.b"}}, `{"a":{"b":1}}`, `{"a":{}}`},
		{"deny through an array", Rules{Deny: []string{"a.b", "a.0"}}, `{"a":[{"b":1}]}`, `{"a":[{"b":1}]}`},
		{"deny through a scalar", Rules{Deny: []string{"a.b"}}, `{"a":1}`, `{"a":1}`},
		{"deny parent and child", Rules{Deny: []string{"a.b", "a", "a.c"}}, `{"a":{"b":1,"d":2}}`, `{}`},
		{"deny the collection", Rules{Shape: ExpectCollection, Deny: []string{"collection"}}, `[1]`, `{}`},
		{"deny into the collection", Rules{Shape: ExpectCollection, Deny: []string{"collection.a"}}, `[{"a":1}]`, `{"collection":[{"a":1}]}`},
		{"deny a name sent in escapes", Rules{Deny: []string{"a"}}, `{"\u0061":1,"b":2}`, `{"b":2}`},
		{"deny is ignored beside allow", Rules{Allow: []string{"a"}, Deny: []string{"a"}}, `{"a":1,"b":2}`, `{"a":1}`},
		{"deny counts beside an empty allow", Rules{Allow: []string{}, Deny: []string{"a"}}, `{"a":1,"b":2}`, `{"b":2}`},

		// Mapping
		{"mapping", Rules{Mapping: map[string]string{"id": "key"}}, `{"a":1,"id":2}`, `{"a":1,"key":2}`},
		{"mapping swaps", Rules{Mapping: map[string]string{"id": "s", "s": "id"}}, `{"id":1,"s":2}`, `{"s":1,"id":2}`},
		{"mapping chain", Rules{Mapping: map[string]string{"id": "k1", "k1": "k2"}}, `{"id":1,"k1":2,"k2":3}`, `{"k1":1,"k2":2}`},
		{"mapping ring", Rules{Mapping: map[string]string{"a": "b", "b": "c", "c": "a"}}, `{"c":3,"a":1,"b":2}`, `{"a":3,"b":1,"c":2}`},
		{"mapping to itself", Rules{Mapping: map[string]string{"id": "id"}}, `{"id":1}`, `{"id":1}`},
		{"mapping to itself with a dot", Rules{Mapping: map[string]string{"id": "id.x"}}, `{"id":1}`, `{"id":1}`},
		{"mapping to itself gives way", Rules{Mapping: map[string]string{"a": "b", "b": "b"}}, `{"a":1,"b":2}`, `{"b":1}`},
		{"mapping to a path", Rules{Mapping: map[string]string{"id": "x.y.z"}}, `{"id":1}`, `{"x":1}`},
		{"mapping of a path", Rules{Mapping: map[string]string{"a.b": "x"}}, `{"a":{"b":1},"a.b":2}`, `{"a":{"b":1},"x":2}`},
		{"mapping over a member", Rules{Mapping: map[string]string{"a": "b"}}, `{"a":1,"b":2,"c":3}`, `{"b":1,"c":3}`},
		{"mapping over an earlier member", Rules{Mapping: map[string]string{"a": "b"}}, `{"b":2,"c":3,"a":1}`, `{"c":3,"b":1}`},
		{"mapping two to one", Rules{Mapping: map[string]string{"a": "x", "b": "x"}}, `{"b":2,"a":1}`, `{"x":2}`},
		{"mapping two to one, one is missing", Rules{Mapping: map[string]string{"a": "x", "b": "x"}}, `{"a":1}`, `{"x":1}`},
		{"mapping what is missing", Rules{Mapping: map[string]string{"x": "a"}}, `{"a":1}`, `{"a":1}`},
		{"mapping after allow", Rules{Allow: []string{"id"}, Mapping: map[string]string{"id": "key", "a": "b"}}, `{"id":1,"a":2}`, `{"key":1}`},
		{"mapping of a collection", Rules{Shape: ExpectCollection, Mapping: map[string]string{"collection": "items"}}, `[1]`, `{"items":[1]}`},
		{"mapping to a collection", Rules{Mapping: map[string]string{"list": "collection"}}, `{"list":[1]}`, `{"collection":[1]}`},
		{"mapping of names in escapes", Rules{Mapping: map[string]string{"a": `"`}}, `{"\u0061":1,"\u0022":2}`, `{"\"":1}`},

		// Group
		{"group", Rules{Group: "g"}, `{"a":1}`, `{"g":{"a":1}}`},
		{"group of nothing", Rules{Group: "g", Target: "x"}, `{"a":1}`, `{"g":{}}`},
		{"group of null", Rules{Group: "g"}, `null`, `{"g":{}}`},
		{"group with a dot", Rules{Group: "g.h"}, `{"a":1}`, `{"g.h":{"a":1}}`},
		{"group that needs escapes", Rules{Group: "a\"b\n"}, `{"a":1}`, `{"a\"b\n":{"a":1}}`},
		{"group named as a member", Rules{Group: "a"}, `{"a":1}`, `{"a":{"a":1}}`},
		{"group of a collection", Rules{Shape: ExpectCollection, Group: "g"}, `[1]`, `{"g":{"collection":[1]}}`},
		{"all rules", Rules{Target: "d", Allow: []string{"id", "o.n"}, Mapping: map[string]string{"id": "key"}, Group: "g"},
			`{"d":{"x":0,"id":1,"o":{"m":1,"n":2}}}`, `{"g":{"key":1,"o":{"n":2}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if o := checkApply(t, tt.rules, []byte(tt.in)); o != nil {
				if got := string(o.AppendJSON(nil)); got != tt.want {
					t.Errorf("Apply(%s) = %s, want %s", tt.in, got, tt.want)
				}
			} else {
				t.Errorf("Apply(%s) failed, want %s", tt.in, tt.want)
			}
		})
	}
}

func TestApplyError(t *testing.T) {
	tests := []struct {
		name  string
		shape Shape
		in    string
		is    error
		text  string
	}{
		{"array for an object", ExpectObject, `[1]`, ErrShape, "json of the wrong kind: want object, got array"},
		{"string for an object", ExpectObject, `"a"`, ErrShape, "json of the wrong kind: want object, got string"},
		{"boolean for an object", ExpectObject, `true`, ErrShape, "json of the wrong kind: want object, got boolean"},
		{"object for a collection", ExpectCollection, ` {}`, ErrShape, "json of the wrong kind: want array, got object"},
		{"number for a collection", ExpectCollection, `-1`, ErrShape, "json of the wrong kind: want array, got number"},
		{"empty", ExpectObject, ``, io.EOF, "json offset 0: no value"},
		{"empty collection", ExpectCollection, " ", io.EOF, "json offset 1: no value"},
		{"empty anything", ExpectAny, "\n", io.EOF, "json offset 1: no value"},
		{"cut off", ExpectObject, `{"a":{"b":1}`, io.ErrUnexpectedEOF, "json offset 12: text ends inside a value"},
		{"HTML", ExpectObject, `<html>`, nil, "json offset 0: want a value"},
		{"HTML for anything", ExpectAny, `<html>`, nil, "json offset 0: want a value"},
		{"leading zero", ExpectAny, `007`, nil, "json offset 1: number with a leading zero"},
		{"leading zero behind a sign", ExpectAny, ` -00.5`, nil, "json offset 3: number with a leading zero"},
		{"two marks", ExpectObject, "\uFEFF\uFEFF{}", nil, "json offset 3: want a value"},
		{"cut off null", ExpectObject, `nul`, io.ErrUnexpectedEOF, "json offset 3: text ends inside a value"},
		{"no UTF-8", ExpectObject, "{\"a\":\"x\xff\"}", nil, "json offset 7: string is not UTF-8"},
		{"no UTF-8 in a name", ExpectAny, "{\"\xc3\":1}", nil, "json offset 2: string is not UTF-8"},
		{"Latin-1", ExpectAny, "\"\xe9\"", nil, "json offset 1: string is not UTF-8"},
		{"a surrogate in UTF-8", ExpectAny, "\"\xed\xa0\x80\"", nil, "json offset 1: string is not UTF-8"},
		{"UTF-16", ExpectObject, "{\x00}\x00", nil, "json offset 1: want a member name in quotes"},
		{"wrong byte outside of strings", ExpectObject, "{\"a\":\xff}", nil, "json offset 5: want a value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkApply(t, Rules{Shape: tt.shape}, []byte(tt.in))
			var o Object
			err := Compile(Rules{Shape: tt.shape}).Apply(&o, []byte(tt.in))
			if err == nil || err.Error() != tt.text {
				t.Fatalf("Apply(%q) error = %v, want %s", tt.in, err, tt.text)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("Apply(%q) error %v is not %v", tt.in, err, tt.is)
			}
			if _, ok := errors.AsType[*SyntaxError](err); ok == errors.Is(err, ErrShape) {
				t.Errorf("Apply(%q) error = %T, want a *SyntaxError or ErrShape", tt.in, err)
			}
		})
	}
}

// TestApplyValidatesWhatIsDropped has broken text at each place that the rules
// do not want.
func TestApplyValidatesWhatIsDropped(t *testing.T) {
	rules := []Rules{
		{},
		{Allow: []string{"x"}},
		{Allow: []string{"a.x"}},
		{Deny: []string{"a"}},
		{Deny: []string{"a.b"}},
		{Target: "x"},
		{Target: "a"},
		{Target: "a.b"},
	}
	for _, r := range rules {
		for _, in := range refused {
			for _, form := range []string{`{"a":{"b":%s},"c":1}`, `{"a":%s}`, `{"c":[%s]}`, `{"a":{"b":{"x":[1,%s]}}}`} {
				checkApply(t, r, fmt.Appendf(nil, form, in))
			}
		}
	}
}

func TestApplyDepth(t *testing.T) {
	for _, depth := range []int{10_000, 10_001} {
		in := []byte(strings.Repeat(`{"a":`, depth-1) + "{}" + strings.Repeat("}", depth-1))
		inmost := strings.Repeat("a.", depth-2) + "a"
		path := strings.Repeat("a.", 99) + "a" // each level of a filter copies what it keeps
		for _, r := range []Rules{{}, {Target: inmost}, {Target: path}, {Allow: []string{path}}, {Deny: []string{path + ".b"}}, {Deny: []string{path}}} {
			var o Object
			err := Compile(r).Apply(&o, in)
			if got, want := err == nil, depth <= 10_000; got != want {
				t.Errorf("%d levels: Apply error = %v, want success: %v", depth, err, want)
			}
		}
	}
}

// TestApplyManyNames has lists and objects that outgrow every shortcut.
func TestApplyManyNames(t *testing.T) {
	var in bytes.Buffer
	in.WriteByte('{')
	for i := range 5000 {
		fmt.Fprintf(&in, `"n%d":{"x":%d,"y":[]},`, i%4000, i)
	}
	in.WriteString(`"end":0}`)
	var paths []string
	mapping := map[string]string{}
	for i := 0; i < 4000; i += 3 {
		paths = append(paths, fmt.Sprintf("n%d.x", i))
		mapping[fmt.Sprintf("n%d", i)] = fmt.Sprintf("n%d", (i*7)%4500)
	}
	for _, r := range []Rules{{}, {Allow: paths}, {Deny: paths}, {Allow: paths, Mapping: mapping}, {Deny: paths, Mapping: mapping, Group: "g"}} {
		checkApply(t, r, in.Bytes())
	}
}

// TestApplyAgain uses one object for one source after the other.
func TestApplyAgain(t *testing.T) {
	var o Object
	p := Compile(Rules{Deny: []string{"a.b"}, Mapping: map[string]string{"c": "d"}})
	for _, tt := range [][2]string{
		{`{"a":{"b":1,"x":2},"c":3}`, `{"a":{"x":2},"d":3}`},
		{`{"a":[`, `{}`},
		{`{"a":{"b":1,"y":2},"c":4}`, `{"a":{"y":2},"d":4}`},
		{"{\"a\":{\"b\":1,\"y\":\"\xff\"}}", `{}`},
		{`null`, `{}`},
		{`{"x":1}`, `{"x":1}`},
	} {
		if err := p.Apply(&o, []byte(tt[0])); err != nil && tt[1] != `{}` {
			t.Fatalf("Apply(%q): %v", tt[0], err)
		}
		if got := string(o.AppendJSON(nil)); got != tt[1] {
			t.Errorf("Apply(%q) = %s, want %s", tt[0], got, tt[1])
		}
	}
}

// TestApplyBorrows has the property that values point into the source when no
// rule changes them.
func TestApplyBorrows(t *testing.T) {
	src := []byte(`{"a":1,"b":{"c":2}}`)
	var o Object
	if err := Compile(Rules{}).Apply(&o, src); err != nil {
		t.Fatal(err)
	}
	copy(src[5:], "7")
	if got, want := string(o.AppendJSON(nil)), `{"a":7,"b":{"c":2}}`; got != want {
		t.Errorf("after a change of the source: %s, want %s", got, want)
	}
}

// names of the generated rules and sources: few, so that they meet.
var someNames = []string{"a", "b", "c", "", "é", `"`, "collection", "content"}

// someSpellings are the same names as members may be sent.
var someSpellings = []string{`a`, `\u0061`, `b`, `\u0062`, `c`, ``, `é`, `\u00e9`, `\"`, `\u0022`, `collection`, `content`, `a.b`, `\ud800`, "\xff"}

// sourceText generates JSON text, mostly objects, with repeated names, escapes,
// white space and bytes that are not UTF-8.
func sourceText(depth int) *rapid.Generator[string] {
	scalar := rapid.SampledFrom([]string{`1`, `-0.50`, `1e5`, `true`, `null`, `""`, `"x"`, `"\ud83d\ude00"`, "\"\xfe\"", `"é\n"`, `[]`, `{}`, ` 1 `, `[ {"a":1} ]`})
	if depth == 0 {
		return scalar
	}
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 3).Draw(t, "scalar") == 0 {
			return scalar.Draw(t, "value")
		}
		var b strings.Builder
		b.WriteByte('{')
		for i := range rapid.IntRange(0, 5).Draw(t, "members") {
			if i > 0 {
				b.WriteString(rapid.SampledFrom([]string{",", " ,\n "}).Draw(t, "comma"))
			}
			b.WriteString(`"` + rapid.SampledFrom(someSpellings).Draw(t, "name") + `"` + rapid.SampledFrom([]string{":", " : "}).Draw(t, "colon"))
			b.WriteString(sourceText(depth-1).Draw(t, "value"))
		}
		b.WriteByte('}')
		return b.String()
	})
}

func someRules() *rapid.Generator[Rules] {
	name := rapid.SampledFrom(someNames)
	path := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(name, 1, 3).Draw(t, "path"), ".")
	})
	return rapid.Custom(func(t *rapid.T) Rules {
		r := Rules{
			Shape:   rapid.SampledFrom([]Shape{ExpectObject, ExpectObject, ExpectCollection, ExpectAny}).Draw(t, "shape"),
			Allow:   rapid.SliceOfN(path, 0, 3).Draw(t, "allow"),
			Deny:    rapid.SliceOfN(path, 0, 3).Draw(t, "deny"),
			Mapping: rapid.MapOfN(name, rapid.OneOf(name, path), 0, 4).Draw(t, "mapping"),
		}
		if rapid.Bool().Draw(t, "no allow") {
			r.Allow = nil
		}
		if rapid.IntRange(0, 2).Draw(t, "targeted") == 0 {
			r.Target = path.Draw(t, "target")
		}
		if rapid.IntRange(0, 2).Draw(t, "grouped") == 0 {
			r.Group = name.Draw(t, "group")
		}
		return r
	})
}

// TestApplyLikeTree has the property that spans and trees agree.
func TestApplyLikeTree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := sourceText(4).Draw(t, "source")
		checkApply(t, someRules().Draw(t, "rules"), []byte(in))
	})
}

// FuzzApply has the property that spans and trees agree. Lists are separated by
// commas.
func FuzzApply(f *testing.F) {
	f.Add([]byte(`{"a":{"b":1},"c":2,"\u0061":{}}`), byte(0), "", "a.b", "", "c", "x", "")
	f.Add([]byte(`{"d":{"b":1,"c":"\xff"}}`), byte(0), "d", "", "b", "c", "b.x", "g")
	f.Add([]byte(`[{"a":1}] x`), byte(1), "", "collection", "", "", "", "")
	f.Add([]byte("000\"\xa2"), byte(2), "", "", "", "", "", "")
	f.Add([]byte("\uFEFF\"\xc3\""), byte(2), "", "", "content.a", "content", "a", "g.h")
	f.Fuzz(func(t *testing.T, src []byte, shape byte, target, allow, deny, old, name, group string) {
		r := Rules{Shape: Shape(shape % 3), Target: target, Mapping: map[string]string{old: name, name: old}, Group: group}
		if allow != "" {
			r.Allow = strings.Split(allow, ",")
		}
		if deny != "" {
			r.Deny = strings.Split(deny, ",")
		}
		for _, text := range []string{target, allow, deny, old, name, group} {
			if strings.ToValidUTF8(text, "") != text {
				t.Skip("a configuration is UTF-8")
			}
		}
		checkApply(t, r, src)
	})
}
