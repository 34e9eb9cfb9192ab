package misspell

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/config"
)

// offset returns where a place is in the text of the sample.
func (s sample) offset(at config.Pos) int {
	offset := 0
	for range at.Line - 1 {
		offset += strings.IndexByte(s.text[offset:], '\n') + 1
	}
	for range at.Col - 1 {
		offset += len(string([]rune(s.text[offset : offset+min(4, len(s.text)-offset)])[:1]))
	}
	return offset
}

// line returns the bounds of the line that holds an offset.
func (s sample) line(offset int) (from, to int) {
	from = strings.LastIndexByte(s.text[:offset], '\n') + 1
	to = offset + strings.IndexByte(s.text[offset:]+"\n", '\n')
	return from, to
}

// rename returns the text of the sample with another name for a key.
func rename(t *testing.T, s sample, k key, name string) string {
	t.Helper()
	from := s.offset(k.at)
	if strings.IndexByte(`"'`, s.text[from]) >= 0 {
		from++
	}
	to := from + len(k.name)
	if to > len(s.text) || s.text[from:to] != k.name {
		t.Fatalf("%v: %s is not where it should be", k.at, k.value.Path())
	}
	begin, _ := s.line(from)
	if filepath.Ext(s.name) != ".toml" || s.text[begin] != '[' {
		return s.text[:from] + name + s.text[to:]
	}
	// The header of a table. Those of the tables within it follow, or the
	// mistake would be that they have lost their table.
	prefix := strings.TrimLeft(s.text[begin:from], "[")
	header := regexp.MustCompile(`(?m)^(\[+)` + regexp.QuoteMeta(prefix+k.name) + `(["\].])`)
	return header.ReplaceAllString(s.text, "${1}"+prefix+name+"${2}")
}

// span returns the bounds of the value of a key, and false when the value has
// no place of its own, as that of a TOML table.
func span(t *testing.T, s sample, k key) (from, to int, ok bool) {
	t.Helper()
	from = s.offset(k.value.Pos)
	switch filepath.Ext(s.name) {
	case ".json":
		var value json.RawMessage
		if err := json.NewDecoder(strings.NewReader(s.text[from:])).Decode(&value); err != nil {
			t.Fatalf("%v: %v", k.value.Pos, err)
		}
		return from, from + len(value), true
	case ".toml":
		container := k.value.Kind == config.Object || k.value.Kind == config.Array
		if container && strings.IndexByte("[{", s.text[from]) < 0 {
			return 0, 0, false
		}
		return from, s.flowEnd(from, true), true
	}
	if k.value.Pos.Line != k.at.Line {
		from = s.offset(k.at) + len(k.name)
		from += strings.IndexByte(s.text[from:], ':') + 1
		return from, s.blockEnd(k), true
	}
	begin, _ := s.line(from)
	before := s.text[begin:from]
	inside := strings.Count(before, "{")+strings.Count(before, "[") > strings.Count(before, "}")+strings.Count(before, "]")
	return from, s.flowEnd(from, inside), true
}

// flowEnd returns where the value that begins at an offset ends: behind its
// closing quote or bracket, or in front of what follows a plain scalar, which
// is a comma or a bracket only inside of a list or an object.
func (s sample) flowEnd(from int, inside bool) int {
	switch c := s.text[from]; c {
	case '"', '\'':
		return from + 2 + strings.IndexByte(s.text[from+1:], c) // no sample has escapes
	case '[', '{':
	default:
		stop := "\n"
		if inside {
			stop = "\n,]}"
		}
		return from + strings.IndexAny(s.text[from:], stop)
	}
	depth := 0
	for i := from; ; i++ {
		switch c := s.text[i]; c {
		case '"', '\'':
			i += 1 + strings.IndexByte(s.text[i+1:], c)
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// blockEnd returns the end of the block of YAML that belongs to a key: the
// lines that follow and are further to the right.
func (s sample) blockEnd(k key) int {
	_, end := s.line(s.offset(k.at))
	for end < len(s.text) {
		_, next := s.line(end + 1)
		line := s.text[end+1 : next]
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if strings.TrimSpace(line) != "" && indent < int(k.at.Col) {
			break
		}
		end = next
	}
	return end
}
