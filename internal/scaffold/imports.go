package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	module     = "github.com/sluice-gateway/sluice"
	components = "internal/components"
	importList = components + "/all/all.go"
)

// folders returns the folders of components, relative to the root of the repository, each
// with the namespaces that its sources name. Sources that do not compile are no matter.
func folders(root string) (map[string][]string, error) {
	all := make(map[string][]string)
	err := filepath.WalkDir(filepath.Join(root, components), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if file == nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		for _, namespace := range namespacesIn(file) {
			all[filepath.ToSlash(folder)] = append(all[filepath.ToSlash(folder)], namespace)
		}
		return nil
	})
	return all, err
}

// namespacesIn returns what a file writes behind "Namespace:" in literals.
func namespacesIn(file *ast.File) []string {
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		pair, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		key, isName := pair.Key.(*ast.Ident)
		value, isText := pair.Value.(*ast.BasicLit)
		if isName && isText && key.Name == "Namespace" {
			if name, err := strconv.Unquote(value.Value); err == nil && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

// imports returns the import list: a blank import for each folder that declares a
// component.
func imports(root string) (string, error) {
	all, err := folders(root)
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
