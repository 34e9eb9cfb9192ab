package config

import (
	"fmt"
	"slices"
	"strings"
)

// leftovers reports texts that hold the placeholders of another tool: ${NAME} and
// {{ ... }} anywhere, $NAME as the whole text. Whoever was to fill them in did
// not, and they are served as they stand.
//
// What a reference has inserted is not looked at, nor is the rest behind a $${
// that says that a plain ${ is meant. Scripts, expressions, patterns, queries and
// schemas are in languages that have such signs themselves, and comments are
// nobody's business.
func (d *Document) leftovers() []*Problem {
	var problems []*Problem
	var walk func(n *Node, owner string)
	walk = func(n *Node, owner string) {
		if n.Kind == String {
			text, replaced := d.literal[n]
			if !replaced {
				text = n.Text
			}
			if err := leftover(text, owner); err != nil {
				problems = append(problems, n.Problem(Warning, CodeMistake, err))
			}
			return
		}
		for _, item := range n.Items {
			walk(item, owner)
		}
		for _, m := range n.Members {
			if !IsComment(m.Key) && !foreign(owner, m.Key) {
				walk(m.Value, m.Key)
			}
		}
	}
	walk(d.Root, "")
	return problems
}

// leftover says which placeholder is left over in the text at a key, and what to
// write.
func leftover(text, key string) error {
	if _, rest, found := strings.Cut(text, "{{"); found {
		action, _, closed := strings.Cut(rest, "}}")
		if closed {
			return fmt.Errorf("the text holds {{%s}}, which nobody fills in; render templates before the start, or write ${env:NAME} for a variable of the environment", action)
		}
	}
	for rest := text; ; {
		var found bool
		if _, rest, found = strings.Cut(rest, "${"); !found {
			break
		}
		name, _, closed := strings.Cut(rest, "}")
		if variable, _, _ := strings.Cut(name, ":"); closed && variableNamed(variable) {
			if slices.Contains([]string{"endpoint", "url_pattern", "host"}, strings.ToLower(key)) {
				return fmt.Errorf("the text holds ${%s}, which nobody fills in; write ${env:%s} for the variable of the environment, {%s} for one of the request, or $${%s} for the text itself", name, variable, variable, name)
			}
			return fmt.Errorf("the text holds ${%s}, which nobody fills in; write ${env:%s} for the variable of the environment, or $${%s} for the text itself", name, variable, name)
		}
	}
	if name, found := strings.CutPrefix(text, "$"); found && variableNamed(name) && name == strings.ToUpper(name) {
		return fmt.Errorf("the text is $%s, which nobody fills in; write ${env:%s} for the variable of the environment", name, name)
	}
	return nil
}

// variableNamed reports whether a variable of the environment may have this name.
func variableNamed(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '_' && !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// languages are the keys whose texts are in a language of their own.
var languages = []string{
	"check_expr", "expr", "expression", "policies", "pattern", "patterns", "regex", "regexp", "query", "query_definition",
	"schema", "example_schema", "input_schema", "output_schema", "components_schemas", "script",
	"template", "input_template", "output_template",
}

// foreign reports whether what stands at a key is in a language of its own; owner
// is the key of the object that has it.
func foreign(owner, key string) bool {
	if owner == "extra_config" {
		key = strings.ToLower(key)
		return strings.Contains(key, "lua/") || strings.Contains(key, "/lua-") || strings.Contains(key, "-lua") ||
			strings.Contains(key, "json-schema") || strings.Contains(key, "jsonschema")
	}
	return slices.Contains(languages, key)
}
