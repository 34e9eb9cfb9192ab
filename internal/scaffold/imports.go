package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

const (
	module     = "github.com/sluice-gateway/sluice"
	importList = declared.Folder + "/all/all.go"
)

// imports returns the import list: a blank import for each folder that declares a
// component.
func imports(root string) (string, error) {
	all, err := declared.Folders(root)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("package all // made by make generate of the folders that there are\n\nimport (\n")
	for _, folder := range sortedKeys(all) {
		b.WriteString("\t_ \"" + module + "/" + folder + "\"\n")
	}
	b.WriteString(")\n")
	return b.String(), nil
}

func writeImports(root string) error {
	text, err := imports(root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, importList), []byte(text), 0o644)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
