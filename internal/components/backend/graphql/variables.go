package graphql

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/template"
)

// A variable is one of the configuration, compiled.
type variable struct {
	name   string
	quoted []byte // the name as JSON, and the colon
	value  value

	// optional is set for a placeholder that is the whole value, if the server can do without
	// one: what the client has not sent is left out.
	optional bool
}

// absent reports whether there is no value for x, and need not be one.
func (v *variable) absent(x *gateway.Exchange) bool {
	return v.optional && v.value[0].text.Lacks(x)
}

// A value is JSON with values of the request in it: its pieces one behind the other.
type value []piece

// A piece is a text that is written out and, behind it, one with placeholders.
type piece struct {
	literal []byte
	text    *template.Text // nil for none
	scalar  scalar         // that the text is meant for
}

// A scalar is what a placeholder is sent as.
type scalar uint8

const (
	asText scalar = iota
	asInt
	asFloat
	asBoolean
)

// scalars are the types of GraphQL whose values are no texts in JSON.
var scalars = map[string]scalar{"Int": asInt, "Float": asFloat, "Boolean": asBoolean}

// fixed reports whether the value is the same for every request.
func (v value) fixed() bool { return len(v) == 0 || len(v) == 1 && v[0].text == nil }

// append appends the value as it is for x.
func (v value) append(dst []byte, x *gateway.Exchange) ([]byte, error) {
	for i := range v {
		p := &v[i]
		dst = append(dst, p.literal...)
		if p.text == nil {
			continue
		}
		start := len(dst)
		var err error
		if dst, err = p.text.Append(dst, x); err != nil {
			return dst, err
		}
		if p.scalar.takes(dst[start+1 : len(dst)-1]) {
			n := copy(dst[start:], dst[start+1:len(dst)-1])
			dst = dst[:start+n]
		}
	}
	return dst, nil
}

// takes reports whether a text, as it stands between quotes, is a value of the scalar as JSON
// writes it.
func (s scalar) takes(text []byte) bool {
	digit := func(c byte) bool { return '0' <= c && c <= '9' }
	switch {
	case s == asText || len(text) == 0:
		return false
	case s == asBoolean:
		return string(text) == "true" || string(text) == "false"
	case text[0] != '-' && !digit(text[0]) || !digit(text[len(text)-1]) || !jsonspan.Valid(text):
		return false
	}
	return s == asFloat || !bytes.ContainsAny(text, ".eE")
}

// A compiler makes values of the variables of the configuration.
type compiler struct {
	site *component.BackendSite
	op   operation
	deep bool
	from Type

	key   string // of the variable
	value value
	text  []byte // that is behind value
}

// name is a name as GraphQL has it.
var name = regexp.MustCompile(`^[_A-Za-z][_0-9A-Za-z]*$`)

// variables compiles all of them.
func (c *compiler) variables(n *config.Node) (all []variable, err error) {
	if n == nil {
		return nil, nil
	}
	var errs []error
	for i := range n.Members {
		m := &n.Members[i]
		c.key = "variables"
		if name.MatchString(m.Key) {
			c.key += "." + m.Key
		}
		if c.op.found && c.op.declared[m.Key] == nil {
			c.site.Mistake(c.key, fmt.Errorf("the operation declares no variable $%s, so that nothing comes of it, or the server refuses the call; %s", m.Key, c.instead(m.Key)))
		}
		v, err := c.variable(m.Key, m.Value)
		errs = append(errs, err)
		all = append(all, variable{m.Key, append(config.AppendQuoted(nil, m.Key), ':'), v, c.optional(m.Key, v)})
	}
	return all, errors.Join(errs...)
}

// optional reports whether a variable may be left out, and is one placeholder.
func (c *compiler) optional(name string, v value) bool {
	declared := c.op.declared[name]
	if declared == nil || declared.Type.NonNull && declared.DefaultValue == nil || len(v) != 1 || v[0].text == nil {
		return false
	}
	return len(v[0].literal) == 0 && len(v[0].text.Parts()) == 1
}

// instead says what to write in place of a variable that is not declared.
func (c *compiler) instead(name string) string {
	var names []string
	for _, v := range c.op.VariableDefinitions {
		names = append(names, v.Variable)
	}
	if near, similar := config.Suggest(name, names); similar {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "declare it, or remove it here"
}

// variable compiles one.
func (c *compiler) variable(name string, n *config.Node) (value, error) {
	c.value, c.text = nil, nil
	err := c.top(name, n)
	if len(c.text) > 0 {
		c.value = append(c.value, piece{literal: c.text})
	}
	return c.value, err
}

// top compiles the value of a variable itself.
func (c *compiler) top(name string, n *config.Node) error {
	if n != nil && n.Kind == config.String {
		if inner, dollar := strings.CutPrefix(n.Text, "$"); dollar && nameable(inner) && (c.op.declared[inner] != nil || c.fills(inner)) {
			c.site.Mistake(c.key, fmt.Errorf("the text %q is sent as it is written; write {%s} for a value of the URL", n.Text, inner))
		}
	}
	if n == nil || n.Kind != config.String || !c.deep && c.from == ofBody {
		return c.any(n)
	}
	inner, whole := placeholder(n.Text)
	if !whole {
		return c.any(n)
	}
	as := asText
	if v := c.op.declared[name]; v != nil {
		as = scalars[v.Type.NamedType] // of a list there is none
	}
	if as != asText && !c.deep {
		c.site.Warn(c.key, fmt.Errorf(`$%s is of type %s, and a placeholder is sent as a text, which most servers refuse for that; write "interpolate": "deep"`, name, c.op.declared[name].Type))
		as = asText
	}
	t, err := c.site.Template(c.key, "{"+c.meant(inner)+"}", template.InJSON)
	if err == nil {
		c.add(t, as)
		return nil
	}
	if c.deep {
		return err
	}
	// Compatibility: a placeholder that names nothing is an empty text.
	_, err = template.Parse("{"+inner+"}", template.InJSON, c.site.Params())
	why := "names nothing, so that an empty text is sent"
	if undefined, is := errors.AsType[template.Undefined](err); is {
		why += "; " + component.Placeholders(undefined, c.site.Params())
	}
	c.site.Mistake(c.key, fmt.Errorf("the placeholder %s", why))
	c.text = append(c.text, `""`...)
	return nil
}

// quoted is a string of a document that is one placeholder.
var quoted = regexp.MustCompile(`"\{([_0-9A-Za-z.-]+)\}"`)

// verbatim reports placeholders in the document, where none is filled: what a client sends is no
// part of it.
func (c *compiler) verbatim(document, key string) {
	for _, m := range quoted.FindAllStringSubmatch(document, -1) {
		if c.fills(m[1]) {
			c.site.Mistake(key, fmt.Errorf("%s stays in the document as it is written; declare a variable, such as $id, and write its value in variables", m[0]))
		}
	}
}

// fills reports whether {inner} is a placeholder of the backend.
func (c *compiler) fills(inner string) bool {
	_, err := template.Parse("{"+c.meant(inner)+"}", template.InJSON, c.site.Params())
	return err == nil
}

// placeholder returns what stands within the braces of a text that is one placeholder.
func placeholder(text string) (inner string, whole bool) {
	if len(text) < 3 || text[0] != '{' || text[len(text)-1] != '}' {
		return "", false
	}
	inner = text[1 : len(text)-1]
	return inner, nameable(inner)
}

// nameable reports whether something may be the name of a placeholder, and not a part of a
// text such as JSON.
func nameable(inner string) bool { return inner != "" && !strings.ContainsAny(inner, "{}\"\\ \t\r\n") }

// meant returns the placeholder that one stands for, in which the letter case of the first
// letter does not count.
func (c *compiler) meant(inner string) string {
	for _, first := range []string{inner[:1], strings.ToLower(inner[:1]), strings.ToUpper(inner[:1])} {
		if _, err := template.Parse("{"+first+inner[1:]+"}", template.InJSON, c.site.Params()); err == nil {
			return first + inner[1:]
		}
	}
	return inner
}

// add adds a text with placeholders.
func (c *compiler) add(t template.Text, as scalar) {
	if literal, fixed := t.Literal(); fixed {
		c.text = append(c.text, literal...)
		return
	}
	c.value = append(c.value, piece{c.text, &t, as})
	c.text = nil
}

// any compiles what is in a variable, or is one without a placeholder.
func (c *compiler) any(n *config.Node) error {
	switch {
	case n == nil:
	case n.Kind == config.Array:
		c.text = append(c.text, '[')
		for i, item := range n.Items {
			if i > 0 {
				c.text = append(c.text, ',')
			}
			if err := c.any(item); err != nil {
				return err
			}
		}
		c.text = append(c.text, ']')
		return nil
	case n.Kind == config.Object:
		c.text = append(c.text, '{')
		for i := range n.Members {
			if i > 0 {
				c.text = append(c.text, ',')
			}
			c.text = append(config.AppendQuoted(c.text, n.Members[i].Key), ':')
			if err := c.any(n.Members[i].Value); err != nil {
				return err
			}
		}
		c.text = append(c.text, '}')
		return nil
	case n.Kind == config.String && strings.Contains(n.Text, "{"):
		if c.deep {
			if _, err := template.Parse(n.Text, template.InJSON, c.site.Params()); err != nil {
				if undefined, is := errors.AsType[template.Undefined](err); is && !nameable(string(undefined)) {
					break
				}
			}
			t, err := c.site.Template(c.key, n.Text, template.InJSON)
			if err == nil {
				c.add(t, asText)
			}
			return err
		}
		t, err := template.Parse(n.Text, template.InJSON, c.site.Params())
		if _, fixed := t.Literal(); err == nil && !fixed {
			c.site.Mistake(c.key, errors.New(`a placeholder stays here as it is written; write "interpolate": "deep" to have it filled`))
		}
	}
	c.text = append(c.text, n.JSON()...)
	return nil
}
