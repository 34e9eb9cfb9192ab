package jsonspan

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTree(t *testing.T) {
	tests := []struct {
		in   string
		want any
	}{
		{`null`, nil},
		{` true `, true},
		{`false`, false},
		{`-0.10e+5`, json.Number("-0.10e+5")},
		{`12345678901234567890`, json.Number("12345678901234567890")},
		{`""`, ""},
		{`"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"`, "a\"\\/\b\f\n\r\té😀"},
		{`"\ud800"`, "\uFFFD"},
		{"\uFEFF[]", []any{}},
		{`[ ]`, []any{}},
		{`{ }`, map[string]any{}},
		{`[1,[2],{"a":[]} , "x" ]`, []any{json.Number("1"), []any{json.Number("2")}, map[string]any{"a": []any{}}, "x"}},
		{`{"a":1,"b":{"a":2},"a":3}`, map[string]any{"a": json.Number("3"), "b": map[string]any{"a": json.Number("2")}}},
		{`{"a":{"x":1},"\u0061":{"y":2}}`, map[string]any{"a": map[string]any{"y": json.Number("2")}}},
		{"{\r\n\t\"a\" : [ 1 , 2 ] ,\r\n\t\"b\" : null\r\n}", map[string]any{"a": []any{json.Number("1"), json.Number("2")}, "b": nil}},
	}
	for _, tt := range tests {
		got, err := Tree([]byte(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("Tree(%q) = %#v, %v, want %#v", tt.in, got, err, tt.want)
		}
	}
}

func TestTreeError(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string
	}{
		{``, "json offset 0: no value"},
		{`{"a":1} x`, "json offset 8: text after the value"},
		{"[\"\xff\xff\",]", "json offset 2: string is not UTF-8"},
		{"{\"\xff\":1}x", "json offset 2: string is not UTF-8"},
	} {
		v, err := Tree([]byte(tt.in))
		if _, ok := errors.AsType[*SyntaxError](err); !ok || err.Error() != tt.want || v != nil {
			t.Errorf("Tree(%q) = %v, %v, want error %s", tt.in, v, err, tt.want)
		}
	}
}

func TestAppendTree(t *testing.T) {
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"null", nil, `null`},
		{"booleans", []any{true, false}, `[true,false]`},
		{"number text", json.Number("1.10"), `1.10`},
		{"integers", []any{int(-1), int8(-8), int16(-16), int32(-32), int64(math.MinInt64)}, `[-1,-8,-16,-32,-9223372036854775808]`},
		{"unsigned", []any{uint(1), uint8(8), uint16(16), uint32(32), uint64(math.MaxUint64)}, `[1,8,16,32,18446744073709551615]`},
		{"floats", []any{0.0, 1.0, -2.5, 1e20, 1e21, 1e-6, 1e-7, 1.5e-9, 1e100, math.MaxFloat64}, `[0,1,-2.5,100000000000000000000,1e+21,0.000001,1e-7,1.5e-9,1e+100,1.7976931348623157e+308]`},
		{"short floats", []any{float32(0.1), float32(1e21), float32(1e-7)}, `[0.1,1e+21,1e-7]`},
		{"sorted", map[string]any{"b": 1, "a": map[string]any{"d": nil, "c": []any{}}, "": "x"}, `{"":"x","a":{"c":[],"d":null},"b":1}`},
		{"nil map and slice", []any{map[string]any(nil), []any(nil), map[string]any{}, []any{}}, `[null,null,{},[]]`},
		{"text", "<a href=\"x\">&\u2028\x00\x1f\x7f\b\f\n\r\t\\é😀\xff", `"<a href=\"x\">&` + "\u2028" + `\u0000\u001f` + "\x7f" + `\b\f\n\r\t\\é😀` + "\uFFFD" + `"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendTree([]byte("> "), tt.in)
			if err != nil || string(got) != "> "+tt.want {
				t.Errorf("AppendTree(%v) = %s, %v, want > %s", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestAppendTreeError(t *testing.T) {
	ring := map[string]any{}
	ring["a"] = []any{ring}
	tests := []struct {
		name string
		in   any
		want string
	}{
		{"type", map[string]any{"a": []any{1, struct{}{}}}, "a: 1: json has no form for struct {}"},
		{"function", func() {}, "json has no form for func()"},
		{"not a number", math.NaN(), "json has no number NaN"},
		{"infinite", []any{math.Inf(-1)}, "0: json has no number -Inf"},
		{"number text", json.Number("1x"), `json has no number "1x"`},
		{"number text that ends the object", json.Number(`1}`), `json has no number "1}"`},
		{"literal as number text", json.Number("true"), `json has no number "true"`},
		{"empty number text", json.Number(""), `json has no number ""`},
		{"ring", ring, "json tree nested too deep"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendTree([]byte("x"), tt.in)
			if err == nil || err.Error() != tt.want || string(got) != "x" {
				t.Errorf("AppendTree = %s, %v, want error %s", got, err, tt.want)
			}
		})
	}
}

// TestAppendTreeFloats has the property that floats are written as by
// encoding/json.
func TestAppendTreeFloats(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, v := range []any{rapid.Float64().Draw(t, "v"), rapid.Float32().Draw(t, "v32")} {
			want, wantErr := json.Marshal(v)
			got, err := AppendTree(nil, v)
			if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
				t.Fatalf("AppendTree(%v) = %s, %v, want %s, %v", v, got, err, want, wantErr)
			}
		}
	})
}

// FuzzTree has the properties that trees are those of encoding/json and that
// they come back from their text.
func FuzzTree(f *testing.F) {
	for _, in := range accepted {
		f.Add([]byte(in))
	}
	f.Add([]byte("{\"\\u00e9\xff\":[1,{\"a\":\"\\ud83d\\ude00\\ud800\"}]}"))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := Tree(in)
		want, wantErr := decodeTree(in)
		whole := json.Valid(bytes.TrimPrefix(in, []byte("\uFEFF")))
		if (err == nil) != (wantErr == nil && whole) {
			t.Fatalf("Tree(%q) error = %v, encoding/json says %v, whole: %v", in, err, wantErr, whole)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("Tree(%q) = %#v, want %#v", in, got, want)
		}
		text, err := AppendTree(nil, got)
		if err != nil || !Valid(text) {
			t.Fatalf("AppendTree(%#v) = %s, %v", got, text, err)
		}
		if again, err := Tree(text); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("Tree(%s) = %#v, %v, want %#v", text, again, err, got)
		}
	})
}

// FuzzText has the property that text comes back from its JSON string, with
// U+FFFD for what is not UTF-8.
func FuzzText(f *testing.F) {
	f.Add("a\"\\/\b\f\n\r\t\x00é😀\xff\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, in string) {
		raw := AppendString(nil, in)
		want := string([]rune(in)) // each wrong byte is one U+FFFD
		if got := string(AppendUnquoted(nil, raw)); !Valid(raw) || got != want {
			t.Fatalf("AppendUnquoted(%s) = %q, want %q", raw, got, want)
		}
	})
}

func TestAppendUnquoted(t *testing.T) {
	tests := []struct{ in, want string }{
		{`""`, ""},
		{`"abc"`, "abc"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"\u0000\u00E9\u00e9\uFFFF"`, "\x00éé\uffff"},
		{`"\ud83d\ude00"`, "😀"},
		{`"\uD83D\uDE00x"`, "😀x"},
		{`"\ud83d"`, "\uFFFD"},
		{`"\ude00"`, "\uFFFD"},
		{`"\ud83dx"`, "\uFFFDx"},
		{`"\ud83d\n"`, "\uFFFD\n"},
		{`"\ud83d\u0041"`, "\uFFFDA"},
		{`"\ud83d\ud83d\ude00"`, "\uFFFD😀"},
		{`"\ude00\ud83d"`, "\uFFFD\uFFFD"},
	}
	for _, tt := range tests {
		if got := string(AppendUnquoted([]byte("> "), []byte(tt.in))); got != "> "+tt.want {
			t.Errorf("AppendUnquoted(%s) = %q, want > %q", tt.in, got, tt.want)
		}
		var want string
		if err := json.Unmarshal([]byte(tt.in), &want); err != nil || want != tt.want {
			t.Errorf("encoding/json has %q for %s, %v, want %q", want, tt.in, err, tt.want)
		}
	}
}

func TestLookup(t *testing.T) {
	tests := []struct {
		in, path, want string // want is "" for nothing; the path has slashes
	}{
		{`{"a":1}`, "a", `1`},
		{`{"a":{"b":{"c":[1]}}}`, "a/b/c", `[1]`},
		{`{"a":{"b":1},"a":{"b":2}}`, "a/b", `2`},
		{`{"a":{"b":1},"a":2}`, "a/b", ``},
		{`{"a":1}`, "b", ``},
		{`{"a":[{"b":1}]}`, "a/b", ``},
		{`{"a":[1]}`, "a/0", `1`},
		{`[1]`, "a", ``},
		{`null`, "a", ``},
		{`{}`, "a", ``},
		{`{"\u0061\"":1}`, `a"`, `1`},
		{`{"é":1,"\u00e9":2}`, `é`, `2`},
		{" {\r\n \"a\" : { \"b\" : 1 } } ", "a/b", `1`},
		{"\uFEFF{\"a\":1}", "a", `1`},
		{`{"a":`, "a", ``},
		{`{"a.b":1}`, "a.b", `1`},
	}
	for _, tt := range tests {
		got, ok := Lookup([]byte(tt.in), strings.Split(tt.path, "/")...)
		if string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("Lookup(%s, %s) = %s, %v, want %s", tt.in, tt.path, got, ok, tt.want)
		}
	}
	if got, ok := Lookup([]byte(` {"a":1} `)); !ok || string(got) != `{"a":1}` {
		t.Errorf("Lookup without a path = %s, %v, want the value", got, ok)
	}
}
