package codec

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// AppendYAML appends v to dst as one YAML document, which ends with a line
// feed, and returns the extended slice; the package comment has the rules. Limit
// is how many bytes it may have, 0 for any number: more is [ErrTooLarge].
//
// A value of a type that trees do not have is an error; what is returned then
// is dst as it was.
func AppendYAML(dst []byte, v any, limit int64) ([]byte, error) {
	e := yamlEncoder{text: dst, end: end(dst, limit)}
	err := e.value(v, 0, 0)
	e.text = append(e.text, '\n')
	if err == nil && beyond(e.text, e.end) {
		err = ErrTooLarge
	}
	if err != nil {
		return dst, fmt.Errorf("yaml: %w", err)
	}
	return e.text, nil
}

// flowDepth is the level from which flow style is used. Block style costs a
// line and two spaces for each level above, which would outgrow the data.
const flowDepth = 16

// longestKey is how many bytes a key may have that stands in one line with its value.
// Readers look no further for the colon than 1,024 characters.
//
// Source: YAML 1.2.2, section 7.4.2.
const longestKey = 128

// A yamlEncoder writes one document.
//
// Source: YAML 1.2.2. Block sequences stand at the indentation of the key in front of
// them, and collections in sequences begin on the line of their dash.
type yamlEncoder struct {
	text []byte
	end  int // of what may be written; 0 is none
}

// value writes v, which stands behind a dash, a key, or at the start, on the given
// level. Lines that follow are indented by that many spaces.
func (e *yamlEncoder) value(v any, depth, indent int) error {
	if beyond(e.text, e.end) {
		return ErrTooLarge
	}
	switch v := v.(type) {
	case nil:
		e.text = append(e.text, "null"...)
	case bool:
		e.text = strconv.AppendBool(e.text, v)
	case string:
		e.scalar(v, depth > flowDepth)
	case json.Number:
		if isNumber(v.String()) {
			e.text = append(e.text, v...)
		} else {
			e.scalar(v.String(), depth > flowDepth)
		}
	case map[string]any:
		switch {
		case len(v) == 0:
			e.text = append(e.text, "{}"...)
		case depth >= flowDepth:
			return e.flowObject(v, depth)
		default:
			return e.object(v, depth, indent)
		}
	case []any:
		switch {
		case len(v) == 0:
			e.text = append(e.text, "[]"...)
		case depth >= flowDepth:
			return e.flowArray(v, depth)
		default:
			return e.array(v, depth, indent)
		}
	default:
		return fmt.Errorf("value of type %T in a tree", v)
	}
	return nil
}

// object writes the members of v, each on a line of its own but for the first, which
// goes on with the line that was begun.
func (e *yamlEncoder) object(v map[string]any, depth, indent int) error {
	for i, key := range sortedKeys(v) {
		if i > 0 {
			e.line(indent)
		}
		explicit := len(key) > longestKey
		if explicit {
			e.text = append(e.text, "? "...)
		}
		e.scalar(key, false)
		if explicit {
			e.line(indent)
		}
		e.text = append(e.text, ':')
		member := v[key]
		below := indent + 2
		switch m := member.(type) {
		case map[string]any:
			if !explicit && len(m) > 0 && depth+1 < flowDepth {
				e.line(below)
			} else {
				e.text = append(e.text, ' ')
			}
		case []any:
			if !explicit && len(m) > 0 && depth+1 < flowDepth {
				below = indent
				e.line(below)
			} else {
				e.text = append(e.text, ' ')
			}
		default:
			e.text = append(e.text, ' ')
		}
		if err := e.value(member, depth+1, below); err != nil {
			return err
		}
	}
	return nil
}

func (e *yamlEncoder) array(v []any, depth, indent int) error {
	for i, item := range v {
		if i > 0 {
			e.line(indent)
		}
		e.text = append(e.text, "- "...)
		if err := e.value(item, depth+1, indent+2); err != nil {
			return err
		}
	}
	return nil
}

func (e *yamlEncoder) flowObject(v map[string]any, depth int) error {
	e.text = append(e.text, '{')
	for i, key := range sortedKeys(v) {
		if i > 0 {
			e.text = append(e.text, ", "...)
		}
		if len(key) > longestKey {
			e.text = append(e.text, "? "...)
		}
		e.scalar(key, true)
		e.text = append(e.text, ": "...)
		if err := e.value(v[key], depth+1, 0); err != nil {
			return err
		}
	}
	e.text = append(e.text, '}')
	return nil
}

func (e *yamlEncoder) flowArray(v []any, depth int) error {
	e.text = append(e.text, '[')
	for i, item := range v {
		if i > 0 {
			e.text = append(e.text, ", "...)
		}
		if err := e.value(item, depth+1, 0); err != nil {
			return err
		}
	}
	e.text = append(e.text, ']')
	return nil
}

// line begins a line.
func (e *yamlEncoder) line(indent int) {
	e.text = append(e.text, '\n')
	for range indent {
		e.text = append(e.text, ' ')
	}
}

// scalar writes s so that every reader takes it for that string.
func (e *yamlEncoder) scalar(s string, flow bool) {
	if isPlain(s, flow) {
		e.text = append(e.text, s...)
		return
	}
	e.text = append(e.text, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if ' ' <= c && c < 0x7F && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			if r, n = utf8.DecodeRuneInString(s[i:]); unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
				i += n
				continue
			}
		}
		e.text = append(e.text, s[start:i]...)
		e.text = appendYAMLEscape(e.text, r)
		i += n
		start = i
	}
	e.text = append(append(e.text, s[start:]...), '"')
}

// appendYAMLEscape appends r as it stands in double quotes; invalid bytes are
// replaced.
func appendYAMLEscape(dst []byte, r rune) []byte {
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\n':
		return append(dst, `\n`...)
	case '\t':
		return append(dst, `\t`...)
	case '\r':
		return append(dst, `\r`...)
	case utf8.RuneError:
		return utf8.AppendRune(dst, r)
	}
	switch {
	case r < 0x100:
		return fmt.Appendf(dst, `\x%02X`, r)
	case r < 0x10000:
		return fmt.Appendf(dst, `\u%04X`, r)
	}
	return fmt.Appendf(dst, `\U%08X`, r)
}

// isPlain reports whether s may stand without quotes, in flow style or in any other.
//
// Source: YAML 1.2.2, section 7.3.3.
func isPlain(s string, flow bool) bool {
	if s == "" || isAmbiguous(s) {
		return false
	}
	switch s[0] {
	case '-', '?', ':': // an indicator in front of a blank, and in flow style often
		if flow || len(s) == 1 || s[1] == ' ' || strings.HasPrefix(s, "---") {
			return false
		}
	case ' ', ',', '[', ']', '{', '}', '#', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`':
		return false
	}
	if s[len(s)-1] == ' ' || strings.HasPrefix(s, "...") {
		return false
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c < ' ' || c == 0x7F:
			return false
		case c == ':' && (flow || i+1 == len(s) || s[i+1] == ' '), c == '#' && s[i-1] == ' ':
			return false
		case flow && strings.IndexByte(",[]{}", c) >= 0:
			return false
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if !unicode.IsPrint(r) || r == utf8.RuneError && n == 1 {
				return false
			}
			i += n
			continue
		}
		i++
	}
	return true
}

// isAmbiguous reports whether a reader could take the plain s for null, a boolean,
// a number, a date or a merge key: YAML 1.1 had more forms than 1.2.
//
// Source: the type repository of YAML 1.1.
func isAmbiguous(s string) bool {
	if len(s) <= len("false") {
		switch strings.ToLower(s) {
		case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<", ".inf", "+.inf", "-.inf", ".nan":
			return true
		}
	}
	// Numbers of all bases, in parts of sixty and with separators, dates and times.
	digits := strings.TrimLeft(s, "+-.")
	return digits != "" && digits[0] >= '0' && digits[0] <= '9' && strings.Trim(digits, "0123456789abcdefABCDEFxXoOtTzZ_.,:+- ") == ""
}
