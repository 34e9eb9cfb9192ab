package flexible

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// located is how package text/template says where something is wrong.
var located = regexp.MustCompile(`(?s)^template: (.*?):(\d+)(?::(\d+))?: (?:executing ".*?" at <.*?>: )?(.*)$`)

// problem returns an error of a template as a problem at its place, in our words.
func (t *tracer) problem(err error) *config.Problem {
	p := &config.Problem{Code: config.CodeTemplate, Err: err}
	if f, ok := errors.AsType[*fault](err); ok {
		p.At, p.Err = f.at, f.err
		return p
	}
	m := located.FindStringSubmatch(err.Error())
	if m == nil {
		return p
	}
	message := strings.TrimSpace(m[4])
	p.Err = errors.New(t.words(message))
	file := t.files[m[1]]
	if file == nil {
		return p
	}
	line, _ := strconv.ParseInt(m[2], 10, 32)
	start := file.offset(int32(line), 1)
	column, err := strconv.Atoi(m[3]) // of bytes, from 0
	if err != nil {
		column = columnOf(file.data[start:], message)
	}
	p.At = file.at(min(start+column, len(file.data)))
	return p
}

// columnOf returns where in the first line of a text the name stands that a message has in
// quotes, or else its first action.
func columnOf(text, message string) int {
	text, _, _ = strings.Cut(text, "\n")
	if _, rest, found := strings.Cut(message, `"`); found {
		name, _, _ := strings.Cut(rest, `"`)
		if i := strings.Index(text, name); i >= 0 && name != "" {
			return i
		}
	}
	return max(0, strings.Index(text, "{{"))
}

// known messages of package text/template, and what is said instead.
var phrases = []struct {
	pattern *regexp.Regexp
	say     func(t *tracer, m []string) string
}{
	{regexp.MustCompile(`^function "(.*)" not defined$`), func(t *tracer, m []string) string {
		return fmt.Sprintf("the function %s does not exist; %s", m[1], near(m[1], t.callable(), "those of Sprig, and marshal, include and file, do"))
	}},
	{regexp.MustCompile(`^template "(.*)" not defined$`), func(t *tracer, m []string) string {
		var names []string
		for _, name := range sortedKeys(t.files) {
			if !strings.HasPrefix(name, basePrefix) {
				names = append(names, name)
			}
		}
		return fmt.Sprintf("the template %s does not exist; %s", m[1], near(m[1], names, "put the file into the folder of templates, named by FC_TEMPLATES or --templates"))
	}},
	{regexp.MustCompile(`^undefined variable "(.*)"$`), func(_ *tracer, m []string) string {
		return fmt.Sprintf("the variable %s is not defined here; write {{ %s := ... }} in front, in the same block", m[1], m[1])
	}},
	{regexp.MustCompile(`^nil pointer evaluating .*?\.(\w+)$`), func(_ *tracer, m []string) string {
		return fmt.Sprintf("%s is asked of a value that is not defined; write that into the settings", m[1])
	}},
	{regexp.MustCompile(`^can't evaluate field (\w+) in type (.*)$`), func(_ *tracer, m []string) string {
		if m[2] == "interface {}" {
			return m[1] + " is asked of a value that has no keys: a text, a number, a list, true or false"
		}
		return fmt.Sprintf("%s is asked of %s, which has no keys", m[1], kind(m[2]))
	}},
	{regexp.MustCompile(`^range can't iterate over (.*)$`), func(_ *tracer, m []string) string {
		return fmt.Sprintf("range takes a list or an object, got %s", m[1])
	}},
	{regexp.MustCompile(`^bad character U\+002D '-'$`), func(*tracer, []string) string {
		return "a key with a dash is written {{ index .shop \"some-key\" }}"
	}},
	{regexp.MustCompile(`^error calling (\w+): incompatible types for comparison(?:: .*)?$`), func(_ *tracer, m []string) string {
		return m[1] + " compares values of different types; a number of the settings has decimals: write 8080.0, or (int .port)"
	}},
	{regexp.MustCompile(`(?s)^error calling (\w+): (.*)$`), func(_ *tracer, m []string) string { return m[1] + ": " + m[2] }},
	{regexp.MustCompile(`^(?:unclosed action.*|unexpected "}" in .*)$`), func(_ *tracer, m []string) string {
		return m[0] + "; close the action with }}"
	}},
	{regexp.MustCompile(`^unexpected EOF$`), func(*tracer, []string) string {
		return "the file ends within a block; close it with {{ end }}"
	}},
	{regexp.MustCompile(`^unexpected \{\{end\}\}$`), func(*tracer, []string) string {
		return "{{ end }} closes no block; remove it, or begin one with if, range, with or define"
	}},
}

// callable are the names of the functions that templates may call.
func (t *tracer) callable() []string {
	return slices.DeleteFunc(sortedKeys(t.funcs), func(name string) bool { return strings.HasPrefix(name, "__") })
}

// words returns a message of package text/template in ours.
func (t *tracer) words(message string) string {
	for _, p := range phrases {
		if m := p.pattern.FindStringSubmatch(message); m != nil {
			return p.say(t, m)
		}
	}
	return message
}

// near says which of some names may be meant, or what else to do.
func near(name string, names []string, otherwise string) string {
	if other, found := config.Suggest(name, names); found {
		return "did you mean " + other + "?"
	}
	return otherwise
}

// kind says what a type of Go is in settings.
func kind(goType string) string {
	switch goType {
	case "string":
		return "a text"
	case "float64", "int", "int64":
		return "a number"
	case "bool":
		return "true or false"
	case "[]interface {}", "[]string", "interface []interface {}":
		return "a list"
	case "map[string]interface {}":
		return "an object"
	}
	return goType
}
