package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A yamlError is what the library has found, with what stands there.
type yamlError struct {
	*yaml.LoadError
	line, col int // of the place that is reported, from 1, in characters
	text      string
	data      []byte
}

// say returns what the library has found in our words, and moves the place to where it
// has to be mended.
func (e *yamlError) say() string {
	e.text = lineOf(e.data, e.line)
	if i := strings.IndexByte(e.text[:len(e.text)-len(strings.TrimLeft(e.text, " \t"))], '\t'); i >= 0 {
		e.col = i + 1
		return "the line begins with a tab, which YAML does not take for indentation; write blanks"
	}
	switch e.Message {
	case "mapping values are not allowed in this context":
		return e.strayColon()
	case "could not find expected ':'":
		e.move(e.ContextMark.Line, e.ContextMark.Column)
		return `the line has no colon, so it is neither a key nor a value; write "key: value", or "- value" for an item of a list`
	case "did not find expected key", "did not find expected '-' indicator", "did not find expected <document start>":
		return e.leftOver()
	case "block sequence entries are not allowed in this context":
		return `an item of a list stands where none may, such as behind its key; begin a line for each "- ", or write [a, b]`
	case "mapping keys are not allowed in this context":
		return `a question mark begins a key here, where none may stand; put a text that begins with "? " in quotes`
	case "found character that cannot start any token":
		return e.strangeBegin()
	case "found unexpected end of stream", "found unexpected document indicator":
		e.move(e.ContextMark.Line, e.ContextMark.Column)
		return "the text has no closing quote; write it where the text ends"
	case "found unknown escape character":
		e.move(e.line, e.col)
		return `the character behind the backslash means nothing in a text in double quotes; write \\ for a backslash, or put the text in single quotes`
	case "did not find expected hexadecimal number":
		return `the escape lacks hexadecimal digits; write two behind \x, four behind \u, eight behind \U`
	case "found invalid Unicode character escape code":
		return `the escape names no character; write one from \u0000 to \U0010ffff`
	case "did not find expected alphabetic or numeric character":
		return "the name behind * or & is missing; write it, or put a text that begins so in quotes"
	case "did not find expected ',' or ']'":
		return e.unclosed("list", "]")
	case "did not find expected ',' or '}'":
		return e.unclosed("object", "}")
	case "did not find expected node content":
		return e.noValue()
	case "found undefined tag handle", "did not find expected tag URI", "did not find the expected '>'", "did not find URI escaped octet",
		"found an incorrect leading UTF-8 octet", "found an incorrect trailing UTF-8 octet":
		e.move(e.ContextMark.Line, e.ContextMark.Column)
		return "a tag that begins with ! is not supported; remove it, or put a text that begins so in quotes"
	case "found an indentation indicator equal to 0", "did not find expected whitespace or line break", "did not find expected '!'",
		"did not find expected whitespace":
		return e.odd()
	case "did not find expected comment or line break":
		if strings.HasPrefix(e.text, "%") {
			return e.odd()
		}
		return "nothing may stand here behind | or >; begin the text on the next line, indented"
	case "found a comment without preceding whitespace":
		return "a comment begins behind a blank; write one in front of #"
	case "found a tab character where an indentation space is expected", "found a tab character that violates indentation",
		"found mixed spaces and tabs in indentation", "found tabs where space indentation is required",
		"found spaces where tab indentation is required", "found indentation style that differs from earlier lines":
		return "the line is indented by a tab, which YAML does not take for indentation; write blanks"
	case "found unexpected content after document-end marker":
		return "nothing may stand behind the end of the document, ...; remove it, or the line"
	case "did not find expected <document end> before directive", "found unknown directive name", "could not find expected directive name",
		"found unexpected non-alphabetical character", "found duplicate %YAML directive", "found duplicate %TAG directive":
		return e.odd()
	case "found incompatible YAML document", "did not find expected version number", "did not find expected digit or '.' character",
		"found extremely long version number":
		return "the version of YAML is not supported; write %YAML 1.2, or remove the line"
	}
	switch {
	case strings.HasPrefix(e.Message, "unknown anchor '"):
		name := strings.TrimSuffix(strings.TrimPrefix(e.Message, "unknown anchor '"), "' referenced")
		return fmt.Sprintf("the alias *%s stands for nothing; write &%[1]s in front of the value that it is to stand for, or put a text that begins with * in quotes", name)
	case strings.Contains(e.Message, "UTF-8"), strings.Contains(e.Message, "UTF-16"), strings.Contains(e.Message, "surrogate"):
		if i := e.Mark.Index; i < len(e.data) && e.data[i] >= utf8.RuneSelf {
			return fmt.Sprintf("the byte 0x%02x is not UTF-8; save the file as UTF-8", e.data[i])
		}
		return "the text is not UTF-8; save the file as UTF-8"
	case strings.HasPrefix(e.Message, "control characters are not allowed"), strings.HasPrefix(e.Message, "invalid Unicode character"):
		r, _ := utf8.DecodeRune(e.data[min(e.Mark.Index, len(e.data)):])
		return fmt.Sprintf(`the control character U+%04X must not stand here; remove it, or write it as \u%04[1]x in double quotes`, r)
	case strings.HasPrefix(e.Message, "exceeded max depth"):
		return fmt.Sprintf("lists and objects are nested more than %d deep", maxDepth)
	case strings.Contains(e.Message, "not allowed in a YAML tag"):
		e.move(e.ContextMark.Line, e.ContextMark.Column)
		return "a tag that begins with ! is not supported; remove it, or put a text that begins so in quotes"
	}
	return e.odd()
}

// odd is what is said where there is nothing better.
func (e *yamlError) odd() string {
	if strings.HasPrefix(e.text, "%") {
		return "a line that begins with % is an instruction to the reader, and this one means nothing; remove it, or put a text that begins so in quotes"
	}
	return "this is no YAML; look at what stands here and in front of it, and put texts with signs of their own in quotes"
}

// move moves the place.
func (e *yamlError) move(line, col int) {
	if line > 0 {
		e.line, e.col, e.text = line, col, lineOf(e.data, line)
	}
}

// before returns what stands in front of the place in its line.
func (e *yamlError) before() string {
	return string([]rune(e.text)[:min(e.col-1, utf8.RuneCountInString(e.text))])
}

// here returns the character at the place, 0 at the end of its line.
func (e *yamlError) here() rune {
	if rest := []rune(e.text); e.col-1 < len(rest) {
		return rest[e.col-1]
	}
	return 0
}

// above returns the last line in front of the place that is neither empty nor a comment, with
// its number.
func (e *yamlError) above() (line int, text string) {
	var found []byte
	n := 0
	for raw := range bytes.Lines(e.data) {
		if n++; n == e.line {
			break
		}
		if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] != '#' {
			line, found = n, raw
		}
	}
	return line, plainLine(found)
}

// glued is a key whose colon has no blank behind it.
var glued = regexp.MustCompile(`^\s*(?:- )?([\w.$/-]+):[^\s:/]\S*$`)

// strayColon explains a colon behind something that is no key.
func (e *yamlError) strayColon() string {
	if before := strings.ReplaceAll(e.before(), "\t", " "); strings.Contains(before, ": ") {
		return `a second colon on the line makes another key of its value; put the value in quotes, or begin a line for the key`
	}
	line, above := e.above()
	if m := glued.FindStringSubmatchIndex(above); m != nil {
		e.move(line, utf8.RuneCountInString(above[:m[3]])+1)
		return fmt.Sprintf("the colon behind %q has no blank behind it, so that no key begins there; write a blank", above[m[2]:m[3]])
	}
	if line > 0 && indent(e.text) > indent(above) {
		e.col = indent(e.text) + 1
		return fmt.Sprintf("the line is indented deeper than line %d, which has a value already; indent both alike", line)
	}
	return "a key stands where none may; put a text with a colon in quotes, or begin a line for the key"
}

// leftOver explains something that fits nowhere: a line of an indentation of its own, or
// what follows a value that was complete.
func (e *yamlError) leftOver() string {
	before := strings.TrimLeft(e.before(), " ")
	r := e.here()
	switch {
	case before != "" && (r == ',' || r == ']' || r == '}'):
		return fmt.Sprintf("the value ends in front of the %q, which belongs to nothing; remove it, or put the whole value in quotes", r)
	case before != "":
		return "the value ends in front of this, which belongs to nothing; put the whole value in quotes, or remove what follows it"
	case r == ']' || r == '}':
		return fmt.Sprintf("the %q closes nothing; remove it", r)
	}
	line, above := e.above()
	switch {
	case line == 0:
		return e.odd()
	case strings.HasPrefix(strings.TrimLeft(e.text, " "), "- ") && !strings.HasPrefix(strings.TrimLeft(above, " "), "- "):
		return `an item of a list stands among keys; indent it below the key that it belongs to, or remove "- "`
	case e.Message == "did not find expected '-' indicator" && indent(e.text) == e.ContextMark.Column-1:
		return `a key stands among the items of a list; write "- " in front of it, or indent it otherwise`
	}
	return "the line is indented like none of those above; indent it as the lines beside which it belongs"
}

// strangeBegin explains a character that no plain text begins with.
func (e *yamlError) strangeBegin() string {
	switch r := e.here(); r {
	case '\t':
		return "a tab stands where YAML wants blanks; write blanks"
	case 0:
		return e.odd()
	default:
		return fmt.Sprintf("a text cannot begin with %q; put it in quotes", r)
	}
}

// unclosed explains what stands in a list or an object in brackets in place of what goes on
// with it or ends it.
func (e *yamlError) unclosed(what, closing string) string {
	if at := e.ContextMark; e.line > at.Line || e.here() == 0 {
		e.move(at.Line, at.Column)
		return fmt.Sprintf("the %s that begins here is not closed; write %q where it ends", what, closing)
	}
	return fmt.Sprintf("a comma or %q is missing here; write it, or put a text with such signs in quotes", closing)
}

// noValue explains a place where a value is missing.
func (e *yamlError) noValue() string {
	switch r := e.here(); r {
	case ']', '}':
		return fmt.Sprintf("the %q closes nothing; remove it, or put a text that begins so in quotes", r)
	case ',':
		return "a value is missing in front of the comma; write it, or remove the comma"
	}
	// The text has ended; what is open began before.
	if line, above := e.above(); line > 0 && e.here() == 0 {
		if i := strings.LastIndexAny(above, "[{"); i >= 0 {
			what, closing := "list", "]"
			if above[i] == '{' {
				what, closing = "object", "}"
			}
			e.move(line, utf8.RuneCountInString(above[:i])+1)
			return fmt.Sprintf("the %s that begins here is not closed; write %q where it ends", what, closing)
		}
	}
	return "a value is missing here; write it"
}

// lineOf returns a line of a text, counted from 1, without what ends it.
func lineOf(data []byte, line int) string {
	for text := range bytes.Lines(data) {
		if line--; line == 0 {
			return plainLine(text)
		}
	}
	return ""
}

// plainLine returns a line without what ends it.
func plainLine(raw []byte) string {
	return strings.ToValidUTF8(strings.TrimRight(string(raw), "\r\n"), "\ufffd")
}

// indent returns how many blanks a line begins with.
func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }
