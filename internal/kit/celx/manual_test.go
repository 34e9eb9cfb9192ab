package celx

import (
	"os"
	"strings"
	"testing"
)

// TestManual finds every variable of conditions in the manual.
func TestManual(t *testing.T) {
	page, err := os.ReadFile("../../../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables {
		if !strings.Contains(string(page), "`"+v.name+"`") {
			t.Errorf("docs/policies.md does not tell what %s holds", v.name)
		}
	}
}
