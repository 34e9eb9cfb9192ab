package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Leftovers reports texts that hold the placeholders of another tool: ${NAME} and
// {{ ... }} anywhere, $NAME as the whole text. Whoever was to fill them in did
// not, and they are served as they stand. The document is a value of root; options
// gives the options of a namespace of a scope, nil if it is unknown.
//
// What a reference has inserted is not looked at, nor is the rest behind a $${
// that says that a plain ${ is meant. Content that is kept as it is may hold
// anything. Scripts, expressions, patterns, queries and schemas are in languages
// that have such signs themselves, and comments are nobody's business.
func (d *Document) Leftovers(root *Spec, options Options) []*Problem {
	l := leftovers{document: d, options: options}
	l.value(d.Root, "", root)
	return l.problems
}

// leftovers looks for what is left over in a document.
type leftovers struct {
	document *Document
	options  Options
	problems []*Problem
}

// text looks into the text at a key. What was to be removed from answers and is not
// would reach the client: that is an error.
func (l *leftovers) text(n *Node, key string) {
	text := l.written(n)
	if err := leftover(text, key); err != nil {
		severity := Warning
		if strings.EqualFold(key, "deny") || key == "args" {
			severity = Error
		}
		l.problems = append(l.problems, n.Problem(severity, CodeMistake, err))
	}
}

// written is the text of n without what references have inserted.
func (l *leftovers) written(n *Node) string {
	if text, replaced := l.document.literal[n]; replaced {
		return text
	}
	return n.Text
}

// empty reports whether there is nothing to find in n: it is no list, no object and no
// text with a sign of a placeholder.
func (l *leftovers) empty(n *Node) bool {
	switch n.Kind {
	case String:
		text := l.written(n)
		return strings.IndexByte(text, '$') < 0 && strings.IndexByte(text, '{') < 0
	case Array, Object:
		return len(n.Items) == 0 && len(n.Members) == 0
	}
	return true
}

// value looks into the value at a key; s is nil where nothing is known of it.
func (l *leftovers) value(n *Node, key string, s *Spec) {
	if s = s.of(n); s != nil && s.Shape == AnyShape {
		return
	}
	if n.Kind == String {
		l.text(n, key)
		return
	}
	l.include(n)
	for _, item := range n.Items {
		of := s
		if s != nil && s.Shape == ListShape {
			of = s.Item
		}
		l.value(item, key, of)
	}
	for _, m := range n.Members {
		switch {
		case l.empty(m.Value) || m.Comment() || foreign(key, m.Key):
		case s.Extra(m.Key):
			l.namespaces(m.Value, s.Scope)
		default:
			l.value(m.Value, m.Key, s.member(m.Key))
		}
	}
}

// namespaces looks into the options of the namespaces of an object of the scope.
func (l *leftovers) namespaces(n *Node, scope string) {
	l.include(n)
	for _, m := range n.Members {
		if !l.empty(m.Value) && !m.Comment() && !foreign("extra_config", m.Key) {
			l.value(m.Value, m.Key, l.options(scope, m.Key))
		}
	}
}

// include reports an object that is to be replaced by something else: it was not, and what
// that holds may protect. Nothing but files is put in the place of one, and schemas, which are
// not looked at, have references of their own.
func (l *leftovers) include(n *Node) {
	for _, m := range n.Members {
		if strings.EqualFold(strings.TrimSpace(m.Key), "$ref") {
			l.problems = append(l.problems, m.Value.Problem(Error, CodeMistake, notIncluded(m)))
		}
	}
}

// notIncluded says why nothing stands in place of an object with a reference.
func notIncluded(m Member) error {
	switch ref := m.Value; {
	case m.Key != "$ref":
		return fmt.Errorf("the key %q is no reference; write $ref, and the name of a file", m.Key)
	case ref.Kind != String:
		return errors.New("a reference is a text, the name of a file; write one $ref for each file, in an object of its own")
	case ref.Text == "":
		return errors.New("the reference names no file; write its name, or remove $ref")
	case ref.Text[0] == '#':
		return fmt.Errorf("the reference %s within the document is followed in schemas only; name a file (file.json%s), or write here what it stands for", ref.Text, ref.Text)
	case strings.Contains(ref.Text, "://"):
		return errors.New("a reference to another machine is followed in schemas only; name a file, or write here what it stands for")
	default:
		return fmt.Errorf("the file %s is not read; name a file in the extended form by FC_CONFIG or --flexible, be it {}, or write what it holds", ref.Text)
	}
}

// member returns what is known of a member of an object; s and the result may be
// nil.
func (s *Spec) member(key string) *Spec {
	switch {
	case s == nil:
	case s.Shape == MapShape:
		return s.Item
	case s.Shape == ListShape: // one that stands for a list of one
		return s.Item.member(key)
	case s.Shape == ObjectShape:
		if f := s.fieldOf(key); f != nil {
			return f.Spec
		}
		if s.Rest != nil {
			return s.Rest.Spec.member(key)
		}
	}
	return nil
}

// leftover says which placeholder is left over in the text at a key, and what to
// write.
func leftover(text, key string) error {
	if _, rest, found := strings.Cut(text, "{{"); found {
		action, _, closed := strings.Cut(rest, "}}")
		if closed {
			return fmt.Errorf("the text holds {{%s}}, which nobody fills in; set FC_ENABLE=1 if the file is a template, or write ${env:NAME} for a variable of the environment", action)
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
	if name, found := strings.CutPrefix(text, "$"); found && variableNamed(name) && name == strings.ToUpper(name) && !mayBeName(name, key) {
		return fmt.Errorf("the text is $%s, which nobody fills in; write ${env:%s} for the variable of the environment", name, name)
	}
	return nil
}

// mayBeName reports whether $name at a key may be meant: the plug-ins of WebSphere send
// headers such as $WSEP, and parameters of a query may begin with $, as those of OData
// do. Variables of the environment have underscores more often than not.
func mayBeName(name, key string) bool {
	switch strings.ToLower(key) {
	case "input_headers", "headers_to_pass", "allow_headers", "expose_headers", "propagate_claims", "key":
		return strings.HasPrefix(name, "WS") && len(name) == len("WSEP")
	case "input_query_strings", "querystring_params":
		return !strings.Contains(name, "_")
	}
	return false
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
