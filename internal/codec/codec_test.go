package codec

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tree decodes JSON text the way trees are made: numbers keep their text.
func tree(t testing.TB, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return v
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// checkTree compares a decoded value, err included, with JSON text. An empty
// want stands for an error.
func checkTree(t *testing.T, in string, got map[string]any, err error, want string) {
	t.Helper()
	if want == "" {
		if err == nil {
			t.Errorf("%.200q = %s, want an error", in, jsonText(got))
		} else if got != nil {
			t.Errorf("%.200q = %s with the error %v, want nil", in, jsonText(got), err)
		}
		return
	}
	if err != nil {
		t.Errorf("%.200q: %v, want %s", in, err, want)
		return
	}
	if !reflect.DeepEqual(got, tree(t, want)) {
		t.Errorf("%.200q = %s, want %s", in, jsonText(got), want)
	}
}

// genValue makes trees with leaves and keys of the given generators.
func genValue(leaf *rapid.Generator[any], key *rapid.Generator[string], depth int) *rapid.Generator[any] {
	if depth == 0 {
		return leaf
	}
	return rapid.Custom(func(t *rapid.T) any {
		below := genValue(leaf, key, depth-1)
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return rapid.MapOfN(key, below, 0, 4).Draw(t, "object")
		case 1:
			return rapid.SliceOfN(below, 0, 4).Draw(t, "array")
		}
		return leaf.Draw(t, "leaf")
	})
}

func genLeaf() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.SampledFrom([]any{nil, true, false, "", json.Number("0"), json.Number("-0"), json.Number("1.10"),
			json.Number("12345678901234567890"), json.Number("1E+400"), json.Number("0.1000")}),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.SampledFrom([]any{"true", "~", "<<", "=", "on", "1", "1.10", "0x1F", "2001-01-01", "1:30", ".inf", "- x", "# x", "a: b",
			" x ", "x\n", "\n", "\tx", "a\r\nb", "\u0085", "\u2028", "\ufeff", "\u007f", "\x00", "'", `"`, "&a", "*a", "!t", "%x", "@x", "`x", "---", "...", "?", "- ", "{", "[1]", "💧"}),
	)
}

func TestDecodeString(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"text", "hello\n", `{"content":"hello\n"}`},
		{"empty", "", `{"content":""}`},
		{"JSON is text", `{"a":1}`, `{"content":"{\"a\":1}"}`},
		{"each invalid byte", "a\xff\xfeb\xc3", `{"content":"a\ufffd\ufffdb\ufffd"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkTree(t, tt.in, DecodeString([]byte(tt.in)), nil, tt.want)
		})
	}
}
