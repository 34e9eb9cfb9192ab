package jsonspan

import (
	"slices"
	"testing"
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
