package manual

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// TestFailures holds the list against all code: every code of an error has its
// sentence, and every sentence its code.
func TestFailures(t *testing.T) {
	used := make(map[string]string) // code to place
	names := make(map[string]bool)  // of constants of codes that are used
	constants := make(map[string]string)
	files := token.NewFileSet()
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "enginetest") {
			return err
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			return err
		}
		ours := file.Name.Name == "gateway"
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec: // constants of codes; those of package config are of its problems
				for i, id := range n.Names {
					if !strings.HasPrefix(strings.ToLower(id.Name), "code") || file.Name.Name == "config" || i >= len(n.Values) {
						continue
					}
					if text, ok := literal(n.Values[i]); ok && ours {
						constants[id.Name] = text
					} else if ok {
						used[text] = files.Position(n.Pos()).String()
					}
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "gateway" && strings.HasPrefix(n.Sel.Name, "Code") {
					names[n.Sel.Name] = true
				}
			case *ast.CompositeLit:
				if !isError(n.Type, ours) {
					return true
				}
				coded := false
				for _, e := range n.Elts {
					pair, ok := e.(*ast.KeyValueExpr)
					if !ok {
						continue
					}
					if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != "Code" {
						continue
					}
					coded = true
					if text, ok := literal(pair.Value); ok {
						used[text] = files.Position(n.Pos()).String()
					} else if id, ok := pair.Value.(*ast.Ident); ok && ours {
						names[id.Name] = true
					}
				}
				if !coded {
					t.Errorf("%s: an error has no code", files.Position(n.Pos()))
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		if constants[name] == "" {
			t.Errorf("gateway.%s is no constant that was found", name)
		}
		used[constants[name]] = "gateway." + name
	}
	if len(used) < 20 {
		t.Fatalf("only %d codes were found: %v", len(used), used)
	}
	var listed []string
	for _, f := range gateway.Failures() {
		listed = append(listed, f.Code)
		if f.Class == gateway.Unclassified || f.Answered() < 400 || f.Detail == "" || !strings.HasSuffix(f.Detail, ".") {
			t.Errorf("%s: class %d, status %d, %q; a failure has a class, a status and a sentence", f.Code, f.Class, f.Answered(), f.Detail)
		}
		if used[f.Code] == "" {
			t.Errorf("%s is listed, and no error has that code", f.Code)
		}
	}
	for code, at := range used {
		if !slices.Contains(listed, code) {
			t.Errorf("%s: the code %q has no sentence; declare it in the Info of its component, or among those of the core", at, code)
		}
	}
}

// isError reports whether a type is gateway.Error, as it is called in its own package
// or elsewhere.
func isError(e ast.Expr, ours bool) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return ours && e.Name == "Error"
	case *ast.SelectorExpr:
		x, ok := e.X.(*ast.Ident)
		return ok && x.Name == "gateway" && e.Sel.Name == "Error"
	}
	return false
}

// literal returns a text that is written out.
func literal(e ast.Expr) (string, bool) {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(l.Value)
	return text, err == nil
}
