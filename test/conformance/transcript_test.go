package conformance

import (
	"fmt"
	"os"
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
	return slices.DeleteFunc(sections, func(s section) bool { return s.name == "table" })
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
