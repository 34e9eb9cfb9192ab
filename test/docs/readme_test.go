package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
)

// TestNamespaces checks that the README names the namespaces that work, and no
// others.
func TestNamespaces(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "and these namespaces:")
	if !found {
		t.Fatal("README.md does not say which namespaces work")
	}
	section, _, _ = strings.Cut(section, ".")
	var named, built []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(section, -1) {
		named = append(named, m[1])
	}
	for _, d := range component.Default.All() {
		built = append(built, d.Namespace)
	}
	slices.Sort(built)
	built = slices.Compact(built)
	slices.Sort(named)
	if !slices.Equal(named, built) {
		t.Errorf("README.md names %q, built are %q", named, built)
	}
}
