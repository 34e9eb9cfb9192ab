package testx

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden and generated files instead of comparing with them")

// Golden fails the test unless the file holds got. With -update it writes the
// file, which is then read like code.
func Golden(t testing.TB, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	if n, has, wants := difference(got, string(want)); n > 0 {
		t.Errorf("%s:%d differs, -update rewrites it:\n got %q\nwant %q", file, n, has, wants)
	}
}

// difference returns the number of the first line in which two texts differ, from
// 1, and that line of both; 0 if there is none. A text that ends before has none.
func difference(a, b string) (n int, inA, inB string) {
	for a != "" || b != "" {
		n++
		inA, a = cutLine(a)
		inB, b = cutLine(b)
		if inA != inB {
			return n, inA, inB
		}
	}
	return 0, "", ""
}

// cutLine cuts the first line off, with what ends it.
func cutLine(s string) (line, rest string) {
	end := strings.IndexByte(s, '\n') + 1
	if end == 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}
