package declared

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// TestFolders finds namespaces at any depth, in sources that are wrong behind them too,
// and none in tests, and says where one is not written out.
func TestFolders(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"one/one.go":                "package one\n\nvar info = component.Info{Namespace: \"one\"}\n",
		"a/b/c/c.go":                "package c\n\nvar (\n\tx = Info{Namespace: \"a/b/c\"}\n\ty = Info{Namespace: \"a/b/c\"}\n\tz = Info{Namespace: `a/b-d`}\n)\n",
		"a/wrong/wrong.go":          "package wrong\n\nvar info = component.Info{Namespace: \"a/wrong\"}\n\nfunc {\n",
		"a/other/other.go":          "package other\n\nvar info = options{Namespace: name, Summary: \"a/other\"}\n",
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
	text := "package one\n\nconst name = \"one/two\"\n\nvar info = component.Info{Summary: \"None.\", Namespace: name}\n"
	if err := os.WriteFile(filepath.Join(root, Folder, "one/constant.go"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	const says = "internal/components/one/constant.go:5: Namespace is to be written out"
	if _, err := Folders(root); err == nil || !strings.HasPrefix(err.Error(), says) {
		t.Errorf("a name that is not written out: %v, want %s", err, says)
	}
}
