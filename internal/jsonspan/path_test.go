package jsonspan

import (
	"reflect"
	"slices"
	"strconv"
	"testing"
	"unicode/utf8"
)

func TestSplitPath(t *testing.T) {
	tests := []struct {
		path string
		want []string
	}{
		{"", []string{""}},
		{"a", []string{"a"}},
		{"a.b.0", []string{"a", "b", "0"}},
		{".a..", []string{"", "a", "", ""}},
		{`a\.b`, []string{"a.b"}},
		{`a\.b.c\.d.e`, []string{"a.b", "c.d", "e"}},
		{`\.`, []string{"."}},
		{`a\b.c\`, []string{`a\b`, `c\`}},
		{`a\\.b`, []string{`a\.b`}},
	}
	for _, tt := range tests {
		got := SplitPath(tt.path)
		if !slices.Equal(got, tt.want) {
			t.Errorf("SplitPath(%q) = %q, want %q", tt.path, got, tt.want)
		}
		if again := SplitPath(JoinPath(got)); !slices.Equal(again, got) && tt.path != `a\b.c\` {
			t.Errorf("%q joined and split is %q, want %q", tt.path, again, got)
		}
	}
}

func TestLookupPositions(t *testing.T) {
	const text = `{"a":[{"b":1},[2,"x"]],"0":{"1":3},"e":[]}`
	tests := []struct {
		path []string
		want string // "" for nothing
	}{
		{[]string{"a", "0", "b"}, "1"},
		{[]string{"a", "1", "0"}, "2"},
		{[]string{"a", "1", "1"}, `"x"`},
		{[]string{"a", "1"}, `[2,"x"]`},
		{[]string{"0", "1"}, "3"},
		{[]string{"a", "2"}, ""},
		{[]string{"a", "-1"}, ""},
		{[]string{"a", "01"}, ""},
		{[]string{"a", "+1"}, ""},
		{[]string{"a", ""}, ""},
		{[]string{"a", "99999999999999999999"}, ""},
		{[]string{"a", "2147483647"}, ""},
		{[]string{"a", "4294967296"}, ""},
		{[]string{"a", "18446744073709551616"}, ""},
		{[]string{"a", "0x1"}, ""},
		{[]string{"a", "1 "}, ""},
		{[]string{"a", "00"}, ""},
		{[]string{"a", "b"}, ""},
		{[]string{"e", "0"}, ""},
	}
	for _, tt := range tests {
		got, ok := Lookup([]byte(text), tt.path...)
		if string(got) != tt.want || ok != (tt.want != "") {
			t.Errorf("Lookup(%q) = %q, %v, want %q", tt.path, got, ok, tt.want)
		}
	}
}

// FuzzLookup agrees with a walk through the tree.
func FuzzLookup(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":[{"b":1},[2,"x"]]}`, "a.0.b"}, {`[[],[1]]`, "1.0"}, {`{"a.b":{"0":true}}`, `a\.b.0`},
		{"[ 1 , 2 ]", "1"}, {`[1,]`, "0"}, {`{"a":1,"a":[3]}`, "a.0"}, {`{"a":null}`, "a"}, {`[1]`, "00"}, {"\ufeff[1]", "0"},
	} {
		f.Add([]byte(seed[0]), seed[1])
	}
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		if !utf8.Valid(text) || !utf8.ValidString(path) {
			return // the tree repairs it, spans are as they came
		}
		names := SplitPath(path)
		got, ok := Lookup(text, names...)
		end, fault := scanValue(text, skipMark(text), 0)
		if fault != none {
			if ok {
				t.Fatalf("Lookup(%q, %q) = %q, although there is no value", text, names, got)
			}
			return
		}
		tree, err := Tree(text[:end])
		if err != nil {
			t.Fatal(err)
		}
		want, found := walk(tree, names)
		if ok != found {
			t.Fatalf("Lookup(%q, %q) = %q, %v, the tree holds %v, %v", text, names, got, ok, want, found)
		}
		if !found {
			return
		}
		if value, err := Tree(got); err != nil || !reflect.DeepEqual(value, want) {
			t.Fatalf("Lookup(%q, %q) = %q, %v, the tree holds %v", text, names, got, err, want)
		}
	})
}

// walk is Lookup in a tree.
func walk(v any, names []string) (any, bool) {
	for _, name := range names {
		switch level := v.(type) {
		case map[string]any:
			next, found := level[name]
			if !found {
				return nil, false
			}
			v = next
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n < 0 || n >= len(level) || strconv.Itoa(n) != name {
				return nil, false
			}
			v = level[n]
		default:
			return nil, false
		}
	}
	return v, true
}
