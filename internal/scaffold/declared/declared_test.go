package declared

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// TestFolders finds namespaces at any depth, in sources that are wrong behind them too,
// and none in tests.
func TestFolders(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"one/one.go":                "package one\n\nvar info = component.Info{Namespace: \"one\"}\n",
		"a/b/c/c.go":                "package c\n\nvar (\n\tx = Info{Namespace: \"a/b/c\"}\n\ty = Info{Namespace: \"a/b/c\"}\n\tz = Info{Namespace: `a/b-d`}\n)\n",
		"a/wrong/wrong.go":          "package wrong\n\nvar info = component.Info{Namespace: \"a/wrong\"}\n\nfunc {\n",
		"a/other/other.go":          "package other\n\nvar info = component.Info{Namespace: name, Summary: \"a/other\"}\n",
		"a/tested/tested_test.go":   "package tested\n\nvar info = component.Info{Namespace: \"a/tested\"}\n",
		"a/b/c/testdata/a-b-c.yaml": "version: 3\n",
	} {
		name = filepath.Join(root, Folder, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Folders(root)
	want := map[string][]string{
		"internal/components/one":     {"one"},
		"internal/components/a/b/c":   {"a/b/c", "a/b-d"},
		"internal/components/a/wrong": {"a/wrong"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := os.Stat(filepath.Join(root, Sample("internal/components/a/b/c", "a/b/c"))); err != nil {
		t.Error(err)
	}
}
