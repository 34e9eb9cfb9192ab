package conformance

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A section is a named part of a transcript.
type section struct {
	name string
	text string
	line int
}

// readTranscript splits a file at its "-- name --" lines.
func readTranscript(t testing.TB, file string) []section {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var sections []section
	for i, line := range strings.SplitAfter(string(data), "\n") {
		if name, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "-- "); ok && strings.HasSuffix(name, " --") {
			sections = append(sections, section{name: strings.TrimSuffix(name, " --"), line: i + 1})
			continue
		}
		if len(sections) == 0 {
			continue
		}
		if last := &sections[len(sections)-1]; last.name != "table" {
			last.text += line
		} else if row := strings.TrimSpace(line); row != "" {
			sections = append(sections[:len(sections)-1], asked(row, i+1)...)
			sections = append(sections, section{name: "table", line: i + 1})
		}
	}
	sections = slices.DeleteFunc(sections, func(s section) bool { return s.name == "table" })
	for _, s := range sections {
		if err := s.wrong(); err != nil {
			t.Fatalf("%s:%d: -- %s --: %v", file, s.line, s.name, err)
		}
	}
	return sections
}

// backends are the names of the scripted backends.
var backends = []string{"A", "B", "C"}

// A kind is what a section of one kind is written like.
type kind struct {
	words      []string // behind its name, each with what it may be, nil for anything
	spare      int      // how many of them may be left out
	first      string   // in the first line of its message; "" is a section without one
	form       *regexp.Regexp
	directions []string // without the @
}

var (
	statusLine  = regexp.MustCompile(`^[1-5]\d\d$`)
	requestLine = regexp.MustCompile(`^[^@\s]\S* .`)
)

// kinds are the sections that there are.
var kinds = map[string]kind{
	"config":      {words: []string{"the name of the file"}, spare: 1},
	"environment": {},
	"file":        {words: []string{"a name"}},
	"problems":    {},
	"backend": {words: []string{"A, B or C", "a method", "a path"}, first: "a status such as 200", form: statusLine,
		directions: []string{"chunked", "cut", "delay", "gone", "gzip", "hang", "hint", "pause", "quoted", "release", "reset", "trailer", "wait"}},
	"request": {words: []string{"OWN"}, spare: 1, first: "a request line such as GET /a", form: requestLine,
		directions: []string{"chunked", "end", "got", "gzip", "leave", "pad", "quoted", "ready"}},
	"answer": {first: "a status such as 200", form: statusLine, directions: []string{"broken", "exact", "has", "hint", "quoted", "trailer"}},
	"seen": {words: []string{"A, B or C"}, first: "a request line such as GET /a, or none alone", form: requestLine,
		directions: []string{"length", "proto", "quoted"}},
}

// wrong says what of a section nobody would read as it is meant.
func (s section) wrong() error {
	words := strings.Fields(s.name)
	k, known := kinds[words[0]]
	if n := len(words) - 1; !known {
		return fmt.Errorf("no such section; doc.go lists %s", strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
	} else if n > len(k.words) || n < len(k.words)-k.spare {
		return fmt.Errorf("write %s behind %q", cmp.Or(strings.Join(k.words, ", "), "nothing"), words[0])
	} else if (words[0] == "backend" || words[0] == "seen") && !slices.Contains(backends, words[1]) || words[0] == "request" && n == 1 && words[1] != "OWN" {
		return fmt.Errorf("nobody is called %q; write %s", words[1], k.words[0])
	}
	if words[0] == "file" && !filepath.IsLocal(words[1]) {
		return fmt.Errorf("%s leads out of $DIR; write a name below it", words[1])
	}
	if k.first == "" || words[0] == "seen" && strings.TrimSpace(s.text) == "none" {
		return nil
	}
	for text := range strings.SplitSeq(s.text, "\n---\n") {
		m, err := parseMessage(strings.TrimLeft(text, "\n"))
		if err == nil && !k.form.MatchString(m.first) {
			err = fmt.Errorf("the first line is %q; write %s there, fields and directions below it", m.first, k.first)
		}
		for _, f := range m.fields {
			if name, ok := strings.CutPrefix(f.name, "@"); ok && err == nil && !slices.Contains(k.directions, name) {
				err = fmt.Errorf("no direction is called @%s here; there are @%s", name, strings.Join(k.directions, ", @"))
			}
		}
		if err != nil || words[0] != "seen" {
			return err
		}
	}
	return nil
}

// TestWrongSections says what is wrong with a transcript where it would otherwise play
// something else than what its author meant.
func TestWrongSections(t *testing.T) {
	tests := []struct{ name, text, says string }{
		{"backend A GET /a", "@hang: yes\n", `the first line is "@hang: yes"; write a status such as 200 there`},
		{"backend A GET /a", "", `the first line is ""; write a status such as 200`},
		{"backend A GET /a", "200\n@hagn: yes\n", "no direction is called @hagn here; there are @chunked, "},
		{"backend D GET /a", "200\n", `nobody is called "D"; write A, B or C`},
		{"backend A /a", "200\n", `write A, B or C, a method, a path behind "backend"`},
		{"request", "@chunked: yes\n\nx\n", "write a request line such as GET /a"},
		{"request A", "GET /a\n", `nobody is called "A"; write OWN`},
		{"answer", "\n{}\n", "write a status such as 200"},
		{"answer", "200\n@within: 1s\n", "no direction is called @within here"},
		{"answer A", "200\n", `write nothing behind "answer"`},
		{"seen A", "GET /a\n---\nnone\n", `the first line is "none"; write a request line`},
		{"file ../a.pem", "", "leads out of $DIR"},
		{"file certs/a.pem", "", ""},
		{"seens A", "none\n", "no such section; doc.go lists answer, backend, "},
		{"backend A GET /a", "200\n@hang: yes\n", ""},
		{"seen A", "GET /a\n@length: 0\n---\nGET /b\n", ""},
		{"seen C", "none\n", ""},
		{"config", "{}\n", ""},
	}
	for _, tt := range tests {
		got := ""
		if err := (section{name: tt.name, text: tt.text}).wrong(); err != nil {
			got = err.Error()
		}
		if (got == "") != (tt.says == "") || !strings.Contains(got, tt.says) {
			t.Errorf("-- %s --\n%s: %q, want %q", tt.name, tt.text, got, tt.says)
		}
	}
}

// asked returns the request and the answer of a row of a table.
func asked(row string, line int) []section {
	columns := strings.Split(row, " | ")
	var head, body string
	for _, column := range columns[1:] {
		column = strings.TrimSpace(column)
		if column == "empty" {
			body = "\n"
			continue
		}
		if name, _, isField := strings.Cut(column, ":"); body == "" && (head == "" || isField && gateway.Token(name)) {
			head += column + "\n"
		} else {
			body += "\n" + column + "\n"
		}
	}
	return []section{{name: "request", text: strings.TrimSpace(columns[0]) + "\n", line: line}, {name: "answer", text: head + body, line: line}}
}

// A message is a request or an answer in a transcript.
type message struct {
	first  string // status or request line
	fields []field
	body   string
	hasAny bool // a blank line announced a body
}

type field struct{ name, value string }

// parseMessage reads first line, fields, and after a blank line the body. The
// line feed at the end of the section is not part of the body.
func parseMessage(text string) (message, error) {
	head, body, found := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimRight(head, "\n"), "\n")
	m := message{first: strings.TrimSpace(lines[0]), body: strings.TrimSuffix(body, "\n"), hasAny: found}
	for _, line := range lines[1:] {
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return m, fmt.Errorf("line %q is no field", line)
		}
		m.fields = append(m.fields, field{name, strings.TrimSpace(value)})
	}
	if m.direction("quoted") != "" {
		plain, err := strconv.Unquote(m.body)
		if err != nil {
			return m, fmt.Errorf("body %s: %w", m.body, err)
		}
		m.body = plain
	}
	return m, nil
}

// direction returns the value of a field that begins with @.
func (m *message) direction(name string) string {
	for _, f := range m.fields {
		if f.name == "@"+name {
			return f.value
		}
	}
	return ""
}

// directions returns all values of a field that begins with @.
func (m *message) directions(name string) (values []string) {
	for _, f := range m.fields {
		if f.name == "@"+name {
			values = append(values, f.value)
		}
	}
	return values
}

// wanted groups the fields that are no directions by name.
func (m *message) wanted() (names []string, values map[string][]string) {
	values = make(map[string][]string)
	for _, f := range m.fields {
		if strings.HasPrefix(f.name, "@") {
			continue
		}
		if _, seen := values[f.name]; !seen {
			names = append(names, f.name)
		}
		values[f.name] = append(values[f.name], f.value)
	}
	return names, values
}
