package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// A page is a file of the documentation.
type page struct {
	name   string // relative to the root of the repository
	blocks []block
}

// A block is a fenced block of code.
type block struct {
	language string
	line     int    // of the fence
	before   string // the paragraph in front of it
	text     string
}

// pages returns README.md, CONTRIBUTING.md and everything in docs but the table of all
// published keys.
func pages(t *testing.T) []page {
	t.Helper()
	names := []string{"README.md", "CONTRIBUTING.md"}
	err := filepath.WalkDir(filepath.Join(root, "docs"), func(path string, d os.DirEntry, err error) error {
		name, relErr := filepath.Rel(root, path)
		switch {
		case err != nil:
			return err
		case relErr != nil:
			return relErr
		case filepath.Ext(name) == ".md" && filepath.ToSlash(name) != "docs/compatibility.md":
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []page
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page{name, blocks(t, name, string(text))})
	}
	return all
}

// blocks returns the fenced blocks of a text.
func blocks(t *testing.T, name, text string) []block {
	t.Helper()
	var all []block
	var open *block
	var paragraph []string
	for i, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open != nil:
			all = append(all, *open)
			open, paragraph = nil, nil
		case fence:
			open = &block{language: language, line: i + 1, before: strings.Join(paragraph, " ")}
		case open != nil:
			open.text += line + "\n"
		case strings.TrimSpace(line) == "":
			// The last paragraph counts, with empty lines behind it.
			paragraph = append(paragraph, "")
		default:
			if n := len(paragraph); n > 0 && paragraph[n-1] == "" {
				paragraph = nil
			}
			paragraph = append(paragraph, line)
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block does not end", name, open.line)
	}
	return all
}

// configuration reports whether a block is a whole configuration.
func (b block) configuration() bool {
	return b.language == "json" && strings.Contains(b.text, `"version"`) || b.language == "yaml" && strings.Contains(b.text, "version:")
}

// A command is a line that somebody types, and what it answers.
type command struct{ line, answer string }

// commands returns what a console block shows.
func (b block) commands() []command {
	var all []command
	for line := range strings.Lines(b.text) {
		if typed, ok := strings.CutPrefix(line, "$ "); ok {
			all = append(all, command{line: strings.TrimSpace(typed)})
		} else if len(all) > 0 {
			all[len(all)-1].answer += line
		}
	}
	return all
}

// TestBlocks knows every language: a block in an unknown one would be checked
// by nobody.
func TestBlocks(t *testing.T) {
	count := make(map[string]int)
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			// Plain blocks are drawings.
			if !slices.Contains([]string{"json", "yaml", "console", "http", "go", ""}, b.language) {
				t.Errorf("%s:%d: nobody checks blocks of %q", p.name, b.line, b.language)
			}
			if (b.language == "json" || b.language == "yaml") && !b.configuration() && !textFile.MatchString(b.before) {
				t.Errorf("%s:%d: not a whole configuration, so that nobody checks it", p.name, b.line)
			}
			count[b.language]++
		}
	}
	for _, language := range []string{"json", "yaml", "console", "http", "go"} {
		if count[language] == 0 {
			t.Errorf("no block of %s was found", language)
		}
	}
}
