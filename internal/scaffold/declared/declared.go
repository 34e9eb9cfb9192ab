package declared

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Folder holds all components. It is relative to the root of the repository, as all
// names here are, which have slashes.
const Folder = "internal/components"

// Folders returns the folders of components below a root, each with the namespaces that
// its sources name. A component whose name is not written out is an error: nobody would
// find it.
func Folders(root string) (map[string][]string, error) {
	all := make(map[string][]string)
	var unnamed []error
	err := filepath.WalkDir(filepath.Join(root, Folder), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			return err
		}
		places := token.NewFileSet()
		file, err := parser.ParseFile(places, name, nil, parser.SkipObjectResolution)
		if file == nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		ast.Inspect(file, func(n ast.Node) bool {
			if namespace, ok := Namespace(n); ok && !slices.Contains(all[folder], namespace) {
				all[folder] = append(all[folder], namespace)
			}
			if at := withoutName(n); at != token.NoPos {
				unnamed = append(unnamed, fmt.Errorf(`%s/%s:%d: Namespace is to be written out, as in Namespace: "family/name", for those who look for components in the sources`,
					folder, filepath.Base(name), places.Position(at).Line))
			}
			return true
		})
		return nil
	})
	return all, errors.Join(append(unnamed, err)...)
}

// withoutName returns the place of a namespace that is not written out, if a node of a
// source is a component.Info that has one.
func withoutName(n ast.Node) token.Pos {
	info, isLiteral := n.(*ast.CompositeLit)
	if !isLiteral {
		return token.NoPos
	}
	of, isQualified := info.Type.(*ast.SelectorExpr)
	if !isQualified || of.Sel.Name != "Info" {
		return token.NoPos
	}
	if from, isName := of.X.(*ast.Ident); !isName || from.Name != "component" {
		return token.NoPos
	}
	for _, e := range info.Elts {
		pair, isPair := e.(*ast.KeyValueExpr)
		if !isPair {
			continue
		}
		if _, named := Namespace(pair); named {
			return token.NoPos
		}
		if key, isName := pair.Key.(*ast.Ident); isName && key.Name == "Namespace" {
			return pair.Pos()
		}
	}
	return token.NoPos
}

// Namespace returns what a node of a source declares: a text behind "Namespace:" in a
// literal.
func Namespace(n ast.Node) (name string, ok bool) {
	pair, isPair := n.(*ast.KeyValueExpr)
	if !isPair {
		return "", false
	}
	key, isName := pair.Key.(*ast.Ident)
	value, isText := pair.Value.(*ast.BasicLit)
	if !isName || !isText || key.Name != "Namespace" {
		return "", false
	}
	name, err := strconv.Unquote(value.Value)
	return name, err == nil
}

// Sample returns the name of the sample of a namespace that a folder declares, be it
// written or not.
func Sample(folder, namespace string) string {
	return path.Join(folder, "testdata", FileName(namespace)+".yaml")
}

// FileName returns a namespace as the name of a file, without an extension.
func FileName(namespace string) string { return strings.ReplaceAll(namespace, "/", "-") }

// Protects reports whether a namespace is of a family whose components guard something.
func Protects(namespace string) bool {
	family, _, _ := strings.Cut(namespace, "/")
	return slices.Contains([]string{"auth", "security", "qos", "validation"}, family)
}
