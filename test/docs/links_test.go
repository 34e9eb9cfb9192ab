package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	fence    = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	span     = regexp.MustCompile("`[^`\n]*`")
	pageLink = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading  = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	anchor   = regexp.MustCompile(`<a id="([^"]+)">`)
)

// TestLinks follows every link of a page to a file of the repository, and to its heading.
func TestLinks(t *testing.T) {
	known := make(map[string]map[string]bool)
	anchors := func(name string) map[string]bool {
		if known[name] == nil {
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			known[name] = anchorsOf(string(text))
		}
		return known[name]
	}
	all := []string{"docs/compatibility.md"}
	for _, p := range pages(t) {
		all = append(all, p.name)
	}
	links := 0
	for _, name := range all {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		shown := span.ReplaceAllString(fence.ReplaceAllString(string(text), ""), "``")
		for _, m := range pageLink.FindAllStringSubmatch(shown, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			file, part, found := strings.Cut(m[1], "#")
			to := name
			if file != "" {
				to = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s: %s leads nowhere: %v", name, m[1], err)
			} else if found && !anchors(to)[part] {
				t.Errorf("%s: %s leads to no heading", name, m[1])
			}
		}
	}
	if links < 100 {
		t.Errorf("%d links were found", links)
	}
}

// anchorsOf returns the names of the headings of a page, as GitHub makes them, and of its own
// anchors.
func anchorsOf(text string) map[string]bool {
	all := make(map[string]bool)
	for _, m := range anchor.FindAllStringSubmatch(text, -1) {
		all[m[1]] = true
	}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		all[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])] = true
	}
	return all
}
