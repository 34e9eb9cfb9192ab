package codec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	attributePrefix = "-"
	textKey         = "#text"
)

// AppendXML appends v to dst as an XML element and returns the extended slice;
// the package comment has the rules. There is no XML declaration, so the text
// is UTF-8 by definition. Limit is how many bytes it may have, 0 for any
// number: more is [ErrTooLarge]. A long name that many values have is written as
// often.
//
// A value of a type that trees do not have is an error; what is returned then
// is dst as it was.
func AppendXML(dst []byte, v map[string]any, limit int64) ([]byte, error) {
	name, root := "doc", any(v)
	if len(v) == 1 {
		for key, value := range v {
			if _, array := value.([]any); !array && !isAttribute(key, value) && !isText(key, value) {
				name, root = xmlName(key), value
			}
		}
	}
	e := xmlEncoder{end(dst, limit)}
	out, err := e.appendElement(dst, name, root)
	if err == nil && beyond(out, e.end) {
		err = ErrTooLarge
	}
	if err != nil {
		return dst, fmt.Errorf("xml: %w", err)
	}
	return out, nil
}

func isAttribute(key string, v any) bool {
	return len(key) > len(attributePrefix) && strings.HasPrefix(key, attributePrefix) && isScalar(v)
}

func isText(key string, v any) bool {
	return key == textKey && isScalar(v)
}

func isScalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// An xmlEncoder writes one document.
type xmlEncoder struct {
	end int // of what may be written; 0 is none
}

func (e xmlEncoder) appendElement(dst []byte, name string, v any) ([]byte, error) {
	if beyond(dst, e.end) {
		return nil, ErrTooLarge
	}
	switch v := v.(type) {
	case map[string]any:
		return e.appendObject(dst, name, v)
	case []any:
		if len(v) == 0 {
			break
		}
		var err error
		for _, item := range v {
			if dst, err = e.appendElement(dst, name, item); err != nil {
				return nil, err
			}
		}
		return dst, nil
	default:
		text, err := scalarText(v)
		if err != nil {
			return nil, err
		}
		if text == "" {
			break
		}
		dst = append(append(append(dst, '<'), name...), '>')
		dst = appendEscaped(dst, text, &textEscapes)
		dst = append(append(append(dst, "</"...), name...), '>')
		return dst, nil
	}
	return append(append(append(dst, '<'), name...), "/>"...), nil
}

func (e xmlEncoder) appendObject(dst []byte, name string, v map[string]any) ([]byte, error) {
	keys := sortedKeys(v)
	dst = append(append(dst, '<'), name...)
	var invented map[string]bool // attribute names that are no keys of v
	for _, key := range keys {
		if !isAttribute(key, v[key]) {
			continue
		}
		text, err := scalarText(v[key])
		if err != nil {
			return nil, err
		}
		attr := xmlName(key[len(attributePrefix):])
		if attr != key[len(attributePrefix):] {
			for ; invented[attr] || has(v, attributePrefix+attr); attr += "_" {
			}
			if invented == nil {
				invented = make(map[string]bool)
			}
			invented[attr] = true
		}
		dst = append(append(append(dst, ' '), attr...), `="`...)
		dst = append(appendEscaped(dst, text, &attributeEscapes), '"')
	}
	start := len(dst)
	dst = append(dst, '>')
	empty := len(dst)
	for _, key := range keys {
		value := v[key]
		var err error
		switch {
		case isAttribute(key, value):
		case isText(key, value):
			var text string
			text, err = scalarText(value)
			dst = appendEscaped(dst, text, &textEscapes)
		default:
			dst, err = e.appendElement(dst, xmlName(key), value)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(dst) == empty {
		return append(dst[:start], "/>"...), nil
	}
	return append(append(append(dst, "</"...), name...), '>'), nil
}

// sortedKeys returns the keys of v in order, with one allocation.
func sortedKeys(v map[string]any) []string {
	keys := slices.AppendSeq(make([]string, 0, len(v)), maps.Keys(v))
	slices.Sort(keys)
	return keys
}

func has(v map[string]any, key string) bool {
	_, ok := v[key]
	return ok
}

// scalarText returns the text of a scalar, "" for null.
func scalarText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		if v {
			return "true", nil
		}
		return "false", nil
	}
	return "", fmt.Errorf("value of type %T in a tree", v)
}

// textEscapes are the characters that character data must not contain as they
// are. A carriage return is one because readers turn it into a line feed.
//
// Source: XML 1.0 (fifth edition), sections 2.4 and 2.11.
var textEscapes = [utf8.RuneSelf]string{
	'&': "&amp;", '<': "&lt;", '>': "&gt;", '\r': "&#xD;",
}

// attributeEscapes are the same for attribute values in double quotes, where
// readers turn all white space into spaces.
//
// Source: XML 1.0 (fifth edition), section 3.3.3.
var attributeEscapes = [utf8.RuneSelf]string{
	'&': "&amp;", '<': "&lt;", '"': "&quot;", '\t': "&#x9;", '\n': "&#xA;", '\r': "&#xD;",
}

// appendEscaped appends s with the characters that have an escape replaced by
// it, and with U+FFFD for what XML cannot carry.
func appendEscaped(dst []byte, s string, escapes *[utf8.RuneSelf]string) []byte {
	done := 0 // s[:done] has been appended
	for i := 0; i < len(s); {
		r, size, instead := rune(s[i]), 1, ""
		if r < utf8.RuneSelf {
			instead = escapes[r]
		} else {
			r, size = utf8.DecodeRuneInString(s[i:])
		}
		if instead == "" && (!isXMLChar(r) || r == utf8.RuneError && size == 1) {
			instead = "\uFFFD"
		}
		if instead != "" {
			dst = append(append(dst, s[done:i]...), instead...)
			done = i + size
		}
		i += size
	}
	return append(dst, s[done:]...)
}

// isXMLChar reports whether r may stand in a document.
//
// Source: XML 1.0 (fifth edition), production 2.
func isXMLChar(r rune) bool {
	return r >= 0x20 && r != 0xFFFE && r != 0xFFFF || r == '\t' || r == '\n' || r == '\r'
}

// xmlName returns key if it is a qualified XML name, otherwise the name that
// the package comment derives from it.
func xmlName(key string) string {
	colon := qualifier(key)
	var b []byte // nil as long as nothing had to change
	for i, r := range key {
		first := i == 0 || i == colon+1 && colon >= 0
		switch {
		case isNameStart(r) || !first && isNameChar(r) || i == colon:
			if b != nil {
				b = utf8.AppendRune(b, r)
			}
			continue
		case b == nil:
			b = append(make([]byte, 0, len(key)+1), key[:i]...)
		}
		b = append(b, '_')
		if first && isNameChar(r) {
			b = utf8.AppendRune(b, r)
		}
	}
	switch {
	case key == "":
		return "_"
	case b == nil:
		return key
	}
	return string(b)
}

// qualifier returns the index of the colon that splits key into two names, or
// -1 if there is none.
//
// Source: Namespaces in XML 1.0 (third edition), production 7.
func qualifier(key string) int {
	prefix, local, ok := strings.Cut(key, ":")
	if !ok || !isNCName(prefix) || !isNCName(local) {
		return -1
	}
	return len(prefix)
}

func isNCName(s string) bool {
	for i, r := range s {
		if !isNameStart(r) && (i == 0 || !isNameChar(r)) {
			return false
		}
	}
	return s != ""
}

// isNameStart reports whether r may begin a name. The colon, which only
// qualifies names, may not, nor may U+FFFD, which stands for invalid bytes.
//
// Source: XML 1.0 (fifth edition), production 4.
func isNameStart(r rune) bool {
	switch {
	case r < 0x80:
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
	case r < 0x2000:
		return r >= 0xC0 && r != 0xD7 && r != 0xF7 && (r < 0x300 || r > 0x36F) && r != 0x37E
	}
	return r == 0x200C || r == 0x200D ||
		r >= 0x2070 && r <= 0x218F ||
		r >= 0x2C00 && r <= 0x2FEF ||
		r >= 0x3001 && r <= 0xD7FF ||
		r >= 0xF900 && r <= 0xFDCF ||
		r >= 0xFDF0 && r < utf8.RuneError ||
		r >= 0x10000 && r <= 0xEFFFF
}

// isNameChar reports whether r may follow in a name.
//
// Source: XML 1.0 (fifth edition), production 4a.
func isNameChar(r rune) bool {
	return isNameStart(r) || r >= '0' && r <= '9' || r == '-' || r == '.' || r == 0xB7 ||
		r >= 0x300 && r <= 0x36F || r == 0x203F || r == 0x2040
}
