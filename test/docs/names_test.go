package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
)

// ofCore are the methods of sites that the core calls, and tests.
var ofCore = []string{"Build", "Finish", "Placed", "Problems", "Stated", "Arrangement", "Call", "Unhosted", "Takes"}

var (
	code     = regexp.MustCompile("`[^`\n]+`")
	ofSite   = regexp.MustCompile(`\bs\.([A-Z]\w*)`)
	exported = regexp.MustCompile(`\b([a-z]\w*)\.([A-Z]\w*)`)
)

// TestSites lets CONTRIBUTING.md name each method that a site offers, and no other.
func TestSites(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := make(map[string]bool)
	for _, m := range ofSite.FindAllStringSubmatch(string(text), -1) {
		named[m[1]] = true
	}
	offered := map[string]bool{"Site": true} // which is a field
	for _, site := range []reflect.Type{
		reflect.TypeFor[*component.ServiceSite](), reflect.TypeFor[*component.EndpointSite](), reflect.TypeFor[*component.BackendSite](),
	} {
		for m := range site.Methods() {
			offered[m.Name] = true
			if !named[m.Name] && !slices.Contains(ofCore, m.Name) {
				t.Errorf("%v offers %s, of which the page does not say what it is for", site, m.Name)
			}
		}
	}
	for name := range named {
		if !offered[name] {
			t.Errorf("the page names s.%s, which no site offers", name)
		}
	}
}

// TestNames finds what the pages for developers name in code, such as gateway.Error or
// kit/httpx's httpx.Client, in the packages.
func TestNames(t *testing.T) {
	folders := make(map[string]string) // by package
	for _, pattern := range []string{"internal/*", "internal/kit/*"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			folders[filepath.Base(name)] = name
		}
	}
	known := make(map[string]map[string]bool)
	for _, page := range []string{"CONTRIBUTING.md", "docs/architecture.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range code.FindAllString(string(text), -1) {
			for _, m := range exported.FindAllStringSubmatch(span, -1) {
				folder := folders[m[1]]
				if folder == "" {
					continue // a variable, or a package of the library
				}
				if known[folder] == nil {
					known[folder] = exports(t, folder)
				}
				if !known[folder][m[2]] {
					t.Errorf("%s: %s is nothing that package %s has", page, span, m[1])
				}
			}
		}
	}
	if len(known) < 4 {
		t.Errorf("the pages name things of %d packages", len(known))
	}
}

// exports returns the names that the files of a folder declare for others.
func exports(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	files, _ := filepath.Glob(folder + "/*.go")
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				names[d.Name.Name] = names[d.Name.Name] || d.Recv == nil
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						names[spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							names[name.Name] = true
						}
					}
				}
			}
		}
	}
	return names
}
