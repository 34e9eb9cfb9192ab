package message

import (
	"slices"
	"strings"
	"unicode"

	"github.com/sluice-gateway/sluice/internal/template"
)

// Parameters of the client follow those that a url_pattern writes into its query, as they
// do elsewhere. Where the value of one is of a token, its name is the file's: a parameter
// of the client that a service may read as it does not join it, because of two with one
// name some read the first, some the last, some both.

// FixedNames are the names of parameters that no client may bring, as [nameKey] compares
// them: those with values of a token in the query of a template, and those that a component
// keeps for itself.
type FixedNames struct {
	names  []string // whole ones
	within []string // what stands in front of a bracket of one: it would replace the whole
	later  []bool   // which pairs of the query they are, where a value is part of a name
}

// namesOf returns the parameters that the query of a template writes with a value of a
// token.
func namesOf(query template.Text) (f FixedNames) {
	const value, token = "\x00", "\x01" // which no literal holds
	var text strings.Builder
	for _, p := range query.Parts() {
		switch p.From {
		case template.Literal:
			text.WriteString(p.Text)
		case template.FromClaim:
			text.WriteString(token)
		default:
			text.WriteString(value)
		}
	}
	dynamic := false
	for pair := range pairsOf(text.String()) {
		name, _, _ := strings.Cut(pair, "=")
		claimed := strings.Contains(pair, token)
		f.later = append(f.later, claimed)
		switch {
		case !claimed:
		case strings.ContainsAny(name, value+token):
			dynamic = true
		default:
			f.add(name)
		}
	}
	if !dynamic {
		f.later = nil
	}
	return f
}

// written returns the names of a query that was made of the template: values are
// escaped, so it has as many pairs.
func (f *FixedNames) written(query string) *FixedNames {
	known, i := &FixedNames{names: slices.Clip(f.names), within: slices.Clip(f.within)}, 0
	for pair := range pairsOf(query) {
		if i < len(f.later) && f.later[i] {
			name, _, _ := strings.Cut(pair, "=")
			known.add(name)
		}
		i++
	}
	return known
}

// pairsOf splits the query of a template, which its author wrote for a certain service,
// wherever a service may. Pairs may be empty.
func pairsOf(query string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for {
			end := strings.IndexAny(query, "&;")
			if end < 0 {
				yield(query)
				return
			}
			if !yield(query[:end]) {
				return
			}
			query = query[end+1:]
		}
	}
}

// add adds a name as it is written in a query.
func (f *FixedNames) add(name string) {
	key := nameKey(template.UnescapeQuery(name))
	f.names = append(f.names, strings.ReplaceAll(key, "[", "_"))
	for i := range len(key) {
		if key[i] == '[' {
			f.within = append(f.within, strings.ReplaceAll(key[:i], "[", "_"))
		}
	}
}

// Own adds names that a component keeps for itself, as they are written in a query.
func (f *FixedNames) Own(names []string) {
	for _, name := range names {
		f.add(name)
	}
}

// none reports whether there are no parameters.
func (f *FixedNames) none() bool { return len(f.names) == 0 && f.later == nil }

// Takes reports whether a service may read a parameter of the client, its name decoded,
// as one of these, as a part of one or as the whole to which one belongs.
func (f *FixedNames) Takes(name string) bool {
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
		name = template.UnescapeQuery(name)
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
