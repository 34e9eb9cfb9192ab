package logging

import (
	"os"
	"strings"
	"testing"
)

// TestManual finds every variable of a line in the manual.
func TestManual(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lineVariables[1:] {
		if !strings.Contains(string(page), "`%{"+name) {
			t.Errorf("docs/operating.md does not tell what %%{%s} writes", name)
		}
	}
}
