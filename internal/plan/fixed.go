package plan

import (
	"slices"
	"strings"
	"unicode"
)

// The parameters that a url_pattern writes into its query are the file's. A parameter
// of the client that a service may read as one of them does not join them: of two with
// one name some read the first, some the last, some both.

// fixedNames are the parameters of a template's query, as [sameName] compares them.
type fixedNames struct {
	names   []string // whole ones
	within  []string // what stands in front of a bracket of one: it would replace the whole
	dynamic bool     // a value is part of a name, so that names are known with the query
}

// namesOf returns the parameters that the query of a template writes.
func namesOf(query []part) (f fixedNames) {
	const value = "\x00"
	var text strings.Builder
	for i := range query {
		if query[i].origin == literal {
			text.WriteString(query[i].text)
		} else {
			text.WriteString(value)
		}
	}
	for pair := range pairsOf(text.String()) {
		if name, _, _ := strings.Cut(pair, "="); strings.Contains(name, value) {
			return fixedNames{dynamic: true}
		}
	}
	f.add(text.String())
	return f
}

// pairsOf splits the query of a template, which its author wrote for a certain service,
// wherever a service may.
func pairsOf(query string) func(func(string) bool) {
	return strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' })
}

// add adds the parameters of a query.
func (f *fixedNames) add(query string) {
	for pair := range pairsOf(query) {
		name, _, _ := strings.Cut(pair, "=")
		key := nameKey(unescapeQuery(name))
		f.names = append(f.names, strings.ReplaceAll(key, "[", "_"))
		for i := range len(key) {
			if key[i] == '[' {
				f.within = append(f.within, strings.ReplaceAll(key[:i], "[", "_"))
			}
		}
	}
}

// none reports whether there are no parameters.
func (f *fixedNames) none() bool { return len(f.names) == 0 && !f.dynamic }

// takes reports whether a service may read a parameter of the client, its name decoded,
// as one of these, as a part of one or as the whole to which one belongs.
func (f *fixedNames) takes(name string) bool {
	key := nameKey(name)
	whole := key
	if strings.IndexByte(key, '[') >= 0 {
		whole = strings.ReplaceAll(key, "[", "_")
		for i := range len(key) {
			if key[i] == '[' && slices.Contains(f.names, whole[:i]) {
				return true
			}
		}
	}
	return slices.Contains(f.names, whole) || slices.Contains(f.within, whole)
}

// nameKey returns what the names of parameters have in common that some service reads
// as one: letter case does not count, nor blanks at the ends of a part, nor what follows a NUL;
// escapes may be undone twice; blanks and dots are underscores; and what stands in
// brackets, [ in the key, is a part of a whole, the empty one all of it.
func nameKey(name string) string {
	if plainName(name) {
		return name
	}
	if strings.IndexByte(name, '%') >= 0 {
		name = unescapeQuery(name)
	}
	name, _, _ = strings.Cut(name, "\x00")
	var b strings.Builder
	b.Grow(len(name))
	bracket, blanks := true, 0 // that stand before the next sign
	for _, r := range name {
		switch {
		case r == '[' || r == ']':
			bracket, blanks = true, 0
			continue
		case unseen(r):
			blanks++
			continue
		case r == '.':
			r = '_'
		default:
			r = unicode.ToLower(unicode.ToUpper(r))
		}
		if !bracket {
			for ; blanks > 0; blanks-- {
				b.WriteByte('_')
			}
		} else if b.Len() > 0 {
			b.WriteByte('[')
		}
		bracket, blanks = false, 0
		b.WriteRune(r)
	}
	return b.String()
}

// unseen reports whether r is a blank or a control character.
func unseen(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\ufeff' }

// plainName reports whether a name is its own key.
func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
