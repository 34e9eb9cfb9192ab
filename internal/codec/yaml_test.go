package codec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"
)

func TestDecodeYAML(t *testing.T) {
	tests := []struct {
		name           string
		in             string
		want           string // of an object, "" for an error
		wantCollection string // the same with is_collection
	}{
		{"object", "a: 1\nb:\n  - x\n  - {c: d}\n", `{"a":1,"b":["x",{"c":"d"}]}`, ""},
		{"array", "- 1\n- a: b\n", "", `{"collection":[1,{"a":"b"}]}`},
		{"empty containers", "{a: {}, b: []}", `{"a":{},"b":[]}`, ""},
		{"null", "null", `{}`, `{"collection":null}`},
		{"tilde", "~", `{}`, `{"collection":null}`},
		{"empty document", "---\n", `{}`, `{"collection":null}`},
		{"JSON", "{\n\t\"a\": [1.10, true, null, \"\\u00e9\"]\n}", `{"a":[1.10,true,null,"é"]}`, ""},
		{"no document", "", "", ""},
		{"comment alone", "# nothing\n", "", ""},
		{"scalar", "hello", "", ""},
		{"number", "12", "", ""},
		{"malformed", "a: [1", "", ""},
		{"tab as indentation", "a:\n\t- b", "", ""},
		{"first of several documents", "a: 1\n---\nb: 2\n", `{"a":1}`, ""},
		{"what follows is not read", "a: 1\n---\nb: [", `{"a":1}`, ""},

		{"JSON numbers keep their text", "[12345678901234567890, 1.10, 0.1000, 1E+2, -0, 1e400, 123456789012345678901234567890]", "",
			`{"collection":[12345678901234567890,1.10,0.1000,1E+2,-0,1e400,123456789012345678901234567890]}`},
		{"other numbers are converted", "[0x1F, 0o17, 017, 0b11, 1_000, +1, .5, 1., +1.5e3, 0xFFFFFFFFFFFFFFFF]", "",
			`{"collection":[31,15,15,3,1000,1,0.5,1,1500,18446744073709551615]}`},
		{"numbers JSON lacks", "[.inf, -.inf, .nan, 0xFFFFFFFFFFFFFFFFFF]", "", `{"collection":[".inf","-.inf",".nan","0xFFFFFFFFFFFFFFFFFF"]}`},
		{"booleans", "[true, True, FALSE, yes, off, y]", "", `{"collection":[true,true,false,"yes","off","y"]}`},
		{"nulls", "[~, null, Null, NULL, '', ]", "", `{"collection":[null,null,null,null,""]}`},
		{"timestamps stay text", "[2001-12-14, 2001-12-14t21:59:43.10-05:00]", "", `{"collection":["2001-12-14","2001-12-14t21:59:43.10-05:00"]}`},
		{"quoted scalars are text", `["1", '1.5', "true", 'null', "~"]`, "", `{"collection":["1","1.5","true","null","~"]}`},
		{"block scalars", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", `{"a":"x\ny\n","b":"x y"}`, ""},
		{"tags", `[!!str 12, !!int "3", !!float "1.50", !!bool "true", !!bool "yes", !!null "", !!binary aGk=, !mine x, !!str 1e400]`, "",
			`{"collection":["12",3,1.50,true,"yes",null,"aGk=","x","1e400"]}`},
		{"sets and ordered maps", "a: !!set {x, y}\nb: !!omap [x: 1]\n", `{"a":{"x":null,"y":null},"b":[{"x":1}]}`, ""},

		{"keys become text", "1: a\n2.50: b\ntrue: c\n~: d\n2001-01-01: e\n0x1F: f\n", `{"1":"a","2.50":"b","true":"c","~":"d","2001-01-01":"e","0x1F":"f"}`, ""},
		{"empty key", ": a\n", `{"":"a"}`, ""},
		{"key that is no scalar", "? [a]\n: b\n", "", ""},
		{"last of equal keys", "a: 1\na: 2\n1: x\n\"1\": y\n", `{"a":2,"1":"y"}`, ""},

		{"anchors", "a: &x {k: [1]}\nb: *x\nc: &y s\n*y : *y\n", `{"a":{"k":[1]},"b":{"k":[1]},"c":"s","s":"s"}`, ""},
		{"merge keys", "a: &a {x: 1, y: 2}\nb: {y: 3, <<: *a}\nc: {<<: [{x: 9}, *a]}\n", `{"a":{"x":1,"y":2},"b":{"x":1,"y":3},"c":{"x":9,"y":2}}`, ""},
		{"quoted merge key is a key", "{'<<': {x: 1}}", `{"<<":{"x":1}}`, ""},
		{"merge of a scalar", "a: {<<: 1}", "", ""},
		{"merge of an array of scalars", "a: {<<: [1]}", "", ""},
		{"unknown anchor", "a: *x", "", ""},
		{"anchor in itself", "&x [*x]", "", ""},
		{"merge in itself", "a: &x {<<: *x}", "", ""},

		{"byte order mark", "\xef\xbb\xbfa: ä\n", `{"a":"ä"}`, ""},
		{"UTF-16", "\xff\xfea\x00:\x00 \x00\xe4\x00", `{"a":"ä"}`, ""},
		{"invalid bytes", "a: x\xff\xfe\n", "", ""},
		{"control character", "a: \x01\n", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeYAML([]byte(tt.in), false, 0)
			checkTree(t, tt.in, got, err, tt.want)
			got, err = DecodeYAML([]byte(tt.in), true, 0)
			checkTree(t, tt.in, got, err, tt.wantCollection)
		})
	}
}

func TestDecodeYAMLCopiesAnchors(t *testing.T) {
	v, err := DecodeYAML([]byte("a: &x {k: 1}\nb: *x\n"), false, 0)
	if err != nil {
		t.Fatal(err)
	}
	v["a"].(map[string]any)["k"] = "changed"
	if got := v["b"].(map[string]any)["k"]; got != json.Number("1") {
		t.Errorf("b.k after a change of a.k = %v, want 1", got)
	}
}

func TestDecodeYAMLBounds(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("- &l0 ha\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&laughs, "- &l%d [%s]\n", i, strings.Repeat(fmt.Sprintf("*l%d,", i-1), 9))
	}
	var chain strings.Builder
	chain.WriteString("- &a0 x\n")
	for i := 1; i <= maxDepth; i++ {
		fmt.Fprintf(&chain, "- &a%d [*a%d]\n", i, i-1)
	}
	tests := []struct {
		name string
		in   string
		ok   bool
	}{
		{"deep", strings.Repeat("[", 5000) + strings.Repeat("]", 5000), true},
		{"too deep", strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), false},
		{"too deep by anchors", chain.String(), false},
		{"exponential copies", laughs.String(), false},
		{"long text copied", "- &a " + strings.Repeat("x", 200_000) + "\n" + strings.Repeat("- *a\n", 100), false},
		{"long key copied", "- &a {" + strings.Repeat("x", 1000) + ": 1}\n" + strings.Repeat("- *a\n", 1000), false},
		{"few copies", "- &a " + strings.Repeat("x", 200_000) + "\n" + strings.Repeat("- *a\n", 9), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := DecodeYAML([]byte(tt.in), true, 0); (err == nil) != tt.ok {
				t.Errorf("error %v, want success %v", err, tt.ok)
			}
		})
	}
}

func TestAppendYAML(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"block style, sorted", `{"b":{"y":2,"x":[1,{"k":"v","j":null},[3]]},"a":true}`,
			"a: true\nb:\n  x:\n  - 1\n  - j: null\n    k: v\n  - - 3\n  \"y\": 2\n"},
		{"numbers keep their text", `{"a":12345678901234567890,"b":1.10,"c":1,"d":-0,"e":1E+2,"f":0.1000,"g":1e400,"h":123456789012345678901234567890}`,
			"a: 12345678901234567890\nb: 1.10\nc: 1\nd: -0\ne: 1E+2\nf: 0.1000\ng: 1e400\nh: 123456789012345678901234567890\n"},
		{"empty", `{"a":{},"b":[],"c":"","d":null}`, "a: {}\nb: []\nc: \"\"\nd: null\n"},
		{"empty object", `{}`, "{}\n"},
		{"strings that look like something else", `{"a":"1","b":"true","c":"null","d":"~","e":"1.5","f":"2001-01-01","g":"yes","h":"0x1F","i":"1e400","j":".5","k":"<<","l":"1:30","m":"12345678901234567890123"}`,
			"a: \"1\"\nb: \"true\"\nc: \"null\"\nd: \"~\"\ne: \"1.5\"\nf: \"2001-01-01\"\ng: \"yes\"\nh: \"0x1F\"\ni: \"1e400\"\nj: \".5\"\nk: \"<<\"\nl: \"1:30\"\nm: \"12345678901234567890123\"\n"},
		{"strings with syntax", `{"a":"- x","b":"# x","c":"x: y","d":" x","e":"x\ny","f":"{x}","g":"it's"}`,
			"a: \"- x\"\nb: \"# x\"\nc: \"x: y\"\nd: \" x\"\ne: \"x\\ny\"\nf: \"{x}\"\ng: it's\n"},
		{"signs that begin nothing", `{"-a":"-b","-0y":"--c","?d":":e","f":"2nd of 3","g":".x","h":"~/x","i":"=x","j":"<x","k":"+x","l":"\\x","m":"(x);","n":"1.2.y","😀":"-é"}`,
			"-0y: --c\n-a: -b\n?d: :e\nf: 2nd of 3\ng: .x\nh: ~/x\ni: =x\nj: <x\nk: +x\nl: \\x\nm: (x);\n\"n\": 1.2.y\n😀: -é\n"},
		{"signs that begin something", `{"a":"---","b":"--- x","c":"...","d":"-","e":"? x","f":":","g":"-.inf","h":"-1","i":"+1.5","j":"%x","k":"@x","l":"*x","m":"&x","o":"!x","p":"|","q":">x","r":"x:","s":"10.0.0.1","t":"2001-01-01T00:00:00Z","u":"-.INF"}`,
			"a: \"---\"\nb: \"--- x\"\nc: \"...\"\nd: \"-\"\ne: \"? x\"\nf: \":\"\ng: \"-.inf\"\nh: \"-1\"\ni: \"+1.5\"\nj: \"%x\"\nk: \"@x\"\nl: \"*x\"\nm: \"&x\"\no: \"!x\"\np: \"|\"\nq: \">x\"\nr: \"x:\"\ns: \"10.0.0.1\"\nt: \"2001-01-01T00:00:00Z\"\nu: \"-.INF\"\n"},
		{"plain text", `{"a":"some text, with ümläuts"}`, "a: some text, with ümläuts\n"},
		{"long lines are not folded", `{"a":"` + strings.Repeat("word ", 100) + `end"}`, "a: " + strings.Repeat("word ", 100) + "end\n"},
		{"keys that look like something else", `{"1":1,"true":2,"<<":3,"a b":4,"":5}`, "\"\": 5\n\"1\": 1\n\"<<\": 3\na b: 4\n\"true\": 2\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendYAML([]byte("# x\n"), tree(t, tt.in), 0)
			if err != nil || string(got) != "# x\n"+tt.want {
				t.Errorf("%s = %q, %v, want %q", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestAppendYAMLRoots(t *testing.T) {
	for _, tt := range []struct {
		in   any
		want string
	}{
		{nil, "null\n"},
		{"x", "x\n"},
		{"1", "\"1\"\n"},
		{json.Number("1.10"), "1.10\n"},
		{json.Number("no number"), "no number\n"},
		{[]any{"a", []any{}}, "- a\n- []\n"},
		{"\xff", "\"\uFFFD\"\n"},
	} {
		if got, err := AppendYAML(nil, tt.in, 0); err != nil || string(got) != tt.want {
			t.Errorf("%v = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestAppendYAMLErrors(t *testing.T) {
	for _, v := range []any{1, []any{1.5}, map[string]any{"a": []byte("x")}} {
		got, err := AppendYAML([]byte("before"), v, 0)
		if err == nil || string(got) != "before" {
			t.Errorf("%v = %q, %v, want an error and what was there", v, got, err)
		}
	}
}

// TestAppendYAMLAtOnce writes answers at once, as endpoints do; the race detector
// tells what they share.
func TestAppendYAMLAtOnce(t *testing.T) {
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10 {
				if got, err := AppendYAML(nil, map[string]any{"a": "b"}, 0); string(got) != "a: b\n" || err != nil {
					t.Errorf("got %q and %v", got, err)
				}
			}
		})
	}
	all.Wait()
}

// Ten times the depth may cost ten times the text, not a hundred times.
func TestAppendYAMLDepth(t *testing.T) {
	size := func(depth int) int {
		var v any = "x"
		for range depth {
			v = map[string]any{"k": v}
		}
		text, err := AppendYAML(nil, v, 0)
		if err != nil {
			t.Fatalf("%d levels: %v", depth, err)
		}
		if got, err := DecodeYAML(text, false, 0); err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%d levels do not come back: %v", depth, err)
		}
		return len(text)
	}
	if few, many := size(500), size(5000); many > 11*few {
		t.Errorf("5,000 levels take %d bytes, 500 take %d", many, few)
	}
}

// Every tree comes back, here and through the library's own decoding.
func TestYAMLRoundTrip(t *testing.T) {
	key := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "1", "true", "<<", "~", "a: b", "=", "?", "-", "-a", "?a", ":a", "---", "--- a", "...", "-.inf", "2nd", "10.0.0.1", "1_0.x", "#", "a#", "x\ny", strings.Repeat("k", 200)}))
	rapid.Check(t, func(r *rapid.T) {
		v := rapid.MapOfN(key, genValue(genLeaf(), key, 4), 0, 4).Draw(r, "tree")
		text, err := AppendYAML(nil, v, 0)
		if err != nil {
			t.Fatalf("%v: %v", v, err)
		}
		checkYAML(t, v, text)
	})
}

func checkYAML(t *testing.T, v map[string]any, text []byte) {
	t.Helper()
	got, err := DecodeYAML(text, false, 0)
	if err != nil || !reflect.DeepEqual(got, v) {
		t.Fatalf("%s = %q = %s, %v", jsonText(v), text, jsonText(got), err)
	}
	var plain any
	if err := yaml.Load(text, &plain); err != nil {
		t.Fatalf("%s = %q: %v", jsonText(v), text, err)
	}
	if err := sameShape(plain, v); err != nil {
		t.Fatalf("%s = %q = %v: %v", jsonText(v), text, plain, err)
	}
}

// sameShape compares what the library decodes with a tree, where a number may
// have any numeric type, and may be text if it is too large for all of them.
func sameShape(got, want any) error {
	switch want := want.(type) {
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok || len(m) != len(want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		for key := range want {
			if err := sameShape(m[key], want[key]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		a, ok := got.([]any)
		if !ok || len(a) != len(want) {
			return fmt.Errorf("%v, want %v", got, want)
		}
		for i := range want {
			if err := sameShape(a[i], want[i]); err != nil {
				return err
			}
		}
		return nil
	case json.Number:
		switch got := got.(type) {
		case int, int64, uint64, float64:
			return nil
		case string:
			if got == want.String() {
				return nil
			}
		}
	default:
		if got == want {
			return nil
		}
	}
	return fmt.Errorf("%v, want %v", got, want)
}

// FuzzYAML states that decoding does not panic, and that what was decoded
// comes back when encoded.
func FuzzYAML(f *testing.F) {
	f.Add([]byte("a: &x [1, 0x1F, .5, ~, '1', 2001-01-01]\nb: {<<: {c: *x}}\n1: true\n"))
	f.Add([]byte("{\"a\": \"\\u2028\", b: |\n x\n}"))
	f.Add([]byte("%YAML 1.2\n---\n- !!str 1\n- ? a\n  : b\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := DecodeYAML(in, false, 0)
		if err != nil {
			return
		}
		text, err := AppendYAML(nil, v, 0)
		if err != nil {
			t.Fatalf("%q = %s: %v", in, jsonText(v), err)
		}
		got, err := DecodeYAML(text, false, 0)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%q = %s, then %q = %s, %v", in, jsonText(v), text, jsonText(got), err)
		}
	})
}

func TestIsNumber(t *testing.T) {
	for s, want := range map[string]bool{
		"0": true, "-0": true, "10": true, "1.10": true, "1e5": true, "1E+05": true, "-0.0e-0": true,
		"": false, "-": false, "+1": false, "01": false, "1.": false, ".5": false, "1e": false, "1e+": false,
		"0x1": false, "1_0": false, " 1": false, "1 ": false, "1.5.2": false, "NaN": false, "--1": false,
	} {
		if got := isNumber(s); got != want {
			t.Errorf("isNumber(%q) = %v, want %v", s, got, want)
		}
		if got := json.Valid([]byte(s)) && s == strings.TrimSpace(s); got != want {
			t.Errorf("encoding/json calls %q a number: %v, want %v", s, got, want)
		}
	}
}

func BenchmarkDecodeYAML2KB(b *testing.B) {
	text, err := AppendYAML(nil, benchmarkTree(), 0)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeYAML(text, false, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendYAML2KB(b *testing.B) {
	v := benchmarkTree()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendYAML(dst[:0], v, 0); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}
