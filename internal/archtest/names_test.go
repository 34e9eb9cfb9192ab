package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/published"
	"github.com/sluice-gateway/sluice/internal/scaffold/declared"
)

// aboutNames are the packages that speak of components by their names: what was
// published, what is judged whoever has built it, and prose for people.
var aboutNames = []string{"published", "audit", "manual", "migrate"}

// otherWords are names that are something else where a package writes them.
var otherWords = map[string][]string{
	"message": {"websocket"}, // the protocol of RFC 6455
}

// TestNames keeps the names of components in their own folders: others ask for what a
// component declares in its Info, says at its site or offers under a key. After is the one
// place for the name of another, since it is about two of them.
func TestNames(t *testing.T) {
	spelled := make(map[string]func(literal string) bool)
	var names []string
	for _, d := range component.Default.All() {
		names = append(names, d.Namespace)
	}
	for _, name := range append(names, slices.Collect(maps.Values(published.Namespaces()))...) {
		if published.Scopes()[name] == nil { // the word for a scope, such as workflow
			spelled[name] = spells(name)
		}
	}
	for _, p := range packages(t) {
		if !strings.Contains(p.ImportPath, "/internal/") || slices.Contains(aboutNames, p.name()) {
			continue
		}
		own := slices.Clone(otherWords[p.name()])
		var literals []literal
		for _, name := range p.GoFiles {
			found, declares := literalsOf(t, filepath.Join(p.Dir, name))
			literals, own = append(literals, found...), append(own, declares...)
		}
		for _, l := range literals {
			for name, in := range spelled {
				if !slices.Contains(own, name) && in(l.text) {
					t.Errorf("%s spells the namespace %s; ask for what its component declares", l.at, name)
				}
			}
		}
	}
}

// TestAfter finds components that come after one that nobody has, or after each other.
func TestAfter(t *testing.T) {
	for _, err := range component.Default.Misordered(func(name string) bool { return published.Namespaces()[name] != "" }) {
		t.Error(err)
	}
}

// spells returns whether a text names a namespace. A single word is one of the language,
// too, so it counts where it can be nothing else.
func spells(name string) func(text string) bool {
	quoted := regexp.QuoteMeta(name)
	if strings.Contains(name, "/") {
		return regexp.MustCompile(`(^|[^\w/.-])` + quoted + `($|[^\w/-])`).MatchString
	}
	return regexp.MustCompile(`^` + quoted + `$|"` + quoted + `"|\b(namespace|options of|options in) ` + quoted + `\b|\b` + quoted + ` options\b`).MatchString
}

func TestSpells(t *testing.T) {
	tests := []struct {
		name, text string
		want       bool
	}{
		{"auth/validator", "auth/validator", true},
		{"auth/validator", "behind auth/validator only", true},
		{"auth/validator", `{"auth/validator": {}}`, true},
		{"backend/http", "in backend/http/client", false},
		{"backend/http", "internal/components/backend/http", false},
		{"proxy", "proxy", true},
		{"proxy", `write "proxy": {"sequential": true}`, true},
		{"proxy", "flatmap_filter of the namespace proxy", true},
		{"proxy", "the options of proxy", true},
		{"proxy", "a proxy in front", false},
		{"proxy", "proxy_address", false},
	}
	for _, tt := range tests {
		if got := spells(tt.name)(tt.text); got != tt.want {
			t.Errorf("%q spells %s: %t, want %t", tt.text, tt.name, got, tt.want)
		}
	}
}

// TestGuards wants components of the families that protect to say so: their unknown keys
// are errors.
func TestGuards(t *testing.T) {
	for _, d := range component.Default.All() {
		if declared.Protects(d.Namespace) && !d.Info.Protects() {
			t.Errorf("%s of the %s says nothing in Guards", d.Namespace, d.Scope)
		}
	}
}

type literal struct{ text, at string }

// literalsOf returns the texts in a source, and the namespaces that it declares.
func literalsOf(t *testing.T, path string) (texts []literal, own []string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field: // whose tag is about keys
			return false
		case *ast.KeyValueExpr:
			if name, ok := declared.Namespace(n); ok {
				own = append(own, name)
			}
			if key, _ := n.Key.(*ast.Ident); key != nil && key.Name == "After" {
				return false
			}
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				text, _ := strconv.Unquote(n.Value)
				texts = append(texts, literal{text, files.Position(n.Pos()).String()})
			}
		}
		return true
	})
	return texts, own
}
