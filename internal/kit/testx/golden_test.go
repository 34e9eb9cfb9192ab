package testx

import "testing"

func TestDifference(t *testing.T) {
	tests := []struct {
		a, b     string
		n        int
		inA, inB string
	}{
		{"", "", 0, "", ""},
		{"a\nb\n", "a\nb\n", 0, "", ""},
		{"a\nb", "a\nb\n", 2, "b", "b\n"},
		{"a\n", "a\nb\n", 2, "", "b\n"},
		{"a\nx\nc\n", "a\ny\nd\n", 2, "x\n", "y\n"},
		{"x", "", 1, "x", ""},
	}
	for _, tt := range tests {
		if n, inA, inB := difference(tt.a, tt.b); n != tt.n || inA != tt.inA || inB != tt.inB {
			t.Errorf("%q, %q: line %d, %q, %q", tt.a, tt.b, n, inA, inB)
		}
	}
}
