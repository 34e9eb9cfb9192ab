package pathlint

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/jsonspan"
)

// Doubtful is a path that names nothing an answer can be expected to hold, because
// it is written in another notation than that of [jsonspan.SplitPath].
type Doubtful struct {
	Why     string   // what it looks like, in words
	Instead []string // the paths that were probably meant; may be empty
	Inside  string   // the path of flatmap_filter that was meant, where it leads into lists; may be empty
	Literal string   // the path of a member of just this name; "" where nobody would have one
}

// Remedy says what to write in the place of the path: what was probably meant, or else
// what otherwise says.
func (d *Doubtful) Remedy(otherwise string) string {
	switch len(d.Instead) {
	case 0:
		return otherwise
	case 1:
		return fmt.Sprintf("write %q", d.Instead[0])
	}
	quoted := make([]string, len(d.Instead))
	for i, path := range d.Instead {
		quoted[i] = strconv.Quote(path)
	}
	return "write [" + strings.Join(quoted, ", ") + "]"
}

// Doubt returns what makes a path doubtful, or nil: JSONPath, JSON Pointer, the
// notations of jq and of programming languages, wildcards and regular expressions,
// several names or a list of JSON in one text, quotation marks, empty names, blanks
// at the ends of names. A character with a backslash in front of it is part of a name
// and no cause for doubt.
//
// Sources of the notations: RFC 9535 (JSONPath), RFC 6901 (JSON Pointer).
func Doubt(path string) *Doubtful {
	if plain(path) {
		return nil
	}
	p := mask(path)
	bare := trim(p)
	switch {
	case path == "":
		return &Doubtful{Why: "the name is empty"}
	case bare == "":
		return &Doubtful{Why: "the name is a blank", Literal: literal(p)}
	}
	for _, notation := range []func(string) *Doubtful{list, quoted, several, expression, pointer, steps} {
		if d := notation(bare); d != nil {
			return d
		}
	}
	names := strings.Split(p, ".")
	for i, name := range names {
		names[i] = trim(name)
	}
	if tidy := strings.Join(names, "."); tidy != p {
		return &Doubtful{Why: "a name begins or ends with a blank", Instead: one(tidy), Literal: literal(p)}
	}
	return nil
}

// plain reports whether a path is of letters, digits and the like, with single dots
// between them, as most are.
func plain(path string) bool {
	before := byte('.')
	for i := range len(path) {
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-':
		case c == '.' && before != '.':
		default:
			return false
		}
		before = c
	}
	return before != '.'
}

func trim(p string) string { return strings.TrimFunc(p, jsonspan.Invisible) }

// list is Doubt for a list or an object of JSON, or something like it, in a text.
func list(p string) *Doubtful {
	first, last := p[0], p[len(p)-1]
	if !(first == '[' && last == ']' || first == '{' && last == '}') {
		return nil
	}
	d := &Doubtful{Why: "it is a list in one text"}
	text := unmask(p)
	switch {
	case json.Unmarshal([]byte(text), &d.Instead) == nil:
		return d
	case json.Valid([]byte(text)):
		d.Instead = nil
		return d
	case strings.ContainsAny(p[1:len(p)-1], "[]{}") || strings.Trim(p, "[]0123456789*?-: ") == "":
		return nil // steps into lists
	}
	d.Instead = nil
	for name := range strings.SplitSeq(p[1:len(p)-1], ",") {
		d.Instead = append(d.Instead, strings.Trim(unmask(trim(name)), "\"'"))
	}
	return d
}

// quoted is Doubt for quotation marks around a path.
func quoted(p string) *Doubtful {
	if end := len(p) - 1; end > 0 && p[0] == p[end] && strings.IndexByte("\"'`", p[0]) >= 0 {
		return &Doubtful{Why: "the quotation marks are a part of it", Instead: one(p[1:end])}
	}
	return nil
}

// several is Doubt for names with something between them in one text.
func several(p string) *Doubtful {
	parts, found := separate(p, ",\n\t")
	if !found {
		parts, found = separate(p, ";|")
		for _, part := range parts {
			if strings.ContainsAny(trim(part), " /=") {
				return nil // a media type with a parameter, or a title
			}
		}
	}
	if !found {
		return nil
	}
	d := &Doubtful{Why: "it is several names in one text", Literal: literal(p)}
	for _, part := range parts {
		part = unmask(trim(part))
		if inner := Doubt(part); inner != nil {
			d.Instead = append(d.Instead, inner.Instead...)
		} else {
			d.Instead = append(d.Instead, part)
		}
	}
	return d
}

// separate splits p at each of the separators that does not stand in brackets, and
// reports whether there is one.
func separate(p, separators string) (parts []string, found bool) {
	depth := 0
	parts = strings.FieldsFunc(p, func(r rune) bool {
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		}
		is := depth <= 0 && strings.ContainsRune(separators, r)
		found = found || is
		return is
	})
	return parts, found
}

// expression is Doubt for a regular expression.
func expression(p string) *Doubtful {
	if len(p) > 1 && p[0] == '^' && p[len(p)-1] == '$' {
		return &Doubtful{Why: "it is a regular expression, and names are compared as they are", Literal: literal(p)}
	}
	return nil
}

// pointer is Doubt for a JSON Pointer, as it is or as the fragment of a URI.
func pointer(p string) *Doubtful {
	rest, is := strings.CutPrefix(strings.TrimPrefix(p, "#"), "/")
	if !is {
		return nil
	}
	names := strings.Split(strings.TrimSuffix(rest, "/"), "/")
	for i, name := range names {
		names[i] = strings.ReplaceAll(strings.NewReplacer("~1", "/", "~0", "~").Replace(name), ".", `\.`)
	}
	return &Doubtful{Why: "it is a JSON Pointer", Instead: one(strings.Join(names, ".")), Literal: literal(p)}
}

// steps is Doubt for the signs of JSONPath, of jq and of programming languages, for
// wildcards and for empty names.
func steps(p string) *Doubtful {
	d := new(Doubtful)
	rest := p
	switch {
	case p == "$" || strings.HasPrefix(p, "$.") || strings.HasPrefix(p, "$["):
		d.Why, d.Literal, rest = "it is JSONPath", literal(p), p[1:]
	case p[0] == '.':
		d.Why = "it begins with a dot"
	}
	path, bracketed, inside := unbracket(strings.TrimPrefix(rest, "."))
	wildcard := false
	var names []string
	for name := range strings.SplitSeq(path, ".") {
		if trim(name) != "" {
			names = append(names, trim(name))
		} else if d.Why == "" {
			d.Why = "a name between its dots is empty"
		}
		wildcard = wildcard || strings.Contains(name, "*")
	}
	for i, name := range names {
		if name == "#" && (i > 0 || len(names) > 1) { // of gjson
			names[i], inside = "*", true
		}
	}
	plain := strings.Join(names, ".")
	switch {
	case inside:
		d.Why, d.Inside, d.Literal = "paths do not lead into lists", unmask(plain), literal(p)
	case wildcard:
		d.Why, d.Literal = "names are compared as they are, and a * stands for nothing else", literal(p)
		if d.Inside = unmask(plain); strings.Contains(strings.ReplaceAll("."+plain+".", ".*.", "."), "*") {
			d.Inside = "" // a part of a name, which it does not stand for there either
		}
	case bracketed && d.Why == "":
		d.Why, d.Instead, d.Literal = "brackets are a part of names", one(plain), literal(p)
	case d.Why == "":
		return nil
	default:
		d.Instead = one(plain)
	}
	return d
}

// unbracket returns a path with dots in the place of brackets, and reports whether
// it had any and whether they lead into lists. Brackets around a name without
// quotation marks belong to the name in front of them.
func unbracket(p string) (path string, bracketed, inside bool) {
	var names strings.Builder
	for {
		before, after, found := strings.Cut(p, "[")
		if before != "" && bracketed && before[0] != '.' {
			names.WriteByte('.')
		}
		names.WriteString(before)
		within, rest, closed := strings.Cut(after, "]")
		if !found || !closed {
			names.WriteString(p[len(before):])
			return names.String(), bracketed, inside
		}
		name := trim(within)
		end := len(name) - 1
		switch {
		case end > 0 && name[0] == name[end] && (name[0] == '\'' || name[0] == '"'):
			name = strings.ReplaceAll(name[1:end], ".", string(rune(masked+'.')))
		case name != "" && strings.Trim(name, "0123456789") == "":
			inside = true
		case name == "" || strings.Trim(name, "0123456789-:,* ") == "" || name[0] == '?':
			name, inside = "*", true
		default:
			names.WriteString("[" + within + "]")
			p = rest
			continue
		}
		bracketed = true
		if names.Len() > 0 {
			names.WriteByte('.')
		}
		names.WriteString(name)
		p = rest
	}
}

// one returns the only path that was meant, none if it is empty.
func one(p string) []string {
	if p == "" {
		return nil
	}
	return []string{unmask(p)}
}

// masked is where signs with a backslash in front of them are moved: a private plane,
// in which they mean nothing.
const masked = 0xF0000

// mask moves the signs that are parts of names.
func mask(path string) string {
	var b strings.Builder
	part := false
	for i, r := range path {
		switch {
		case part:
			b.WriteRune(masked + r)
			part = false
		case r == '\\' && jsonspan.Escapes(path[i+1:]):
			part = true
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unmask undoes mask.
func unmask(p string) string {
	var b strings.Builder
	for _, r := range p {
		if r >= masked && r <= masked+0xFFFF {
			b.WriteByte('\\')
			r -= masked
		}
		b.WriteRune(r)
	}
	return b.String()
}

// literal returns the path of a member that is called p, but for the dots: with a
// backslash before each sign, and before blanks that are not seen. There is none with
// an empty name.
func literal(p string) string {
	names := strings.Split(p, ".")
	for i, name := range names {
		if name == "" {
			return ""
		}
		bare := trim(name)
		from := strings.Index(name, bare) // of a blank name that is nothing, at its beginning
		var b strings.Builder
		for at, r := range name {
			if jsonspan.Sign(r) || jsonspan.Invisible(r) && (r != ' ' || at < from || at >= from+len(bare)) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
		names[i] = b.String()
	}
	return unmask(strings.Join(names, "."))
}
