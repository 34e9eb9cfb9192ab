package gateway

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A Field is one header line or one query parameter.
type Field struct {
	Name  string // canonical for headers, case-sensitive for parameters
	Value string
}

// Fields is an ordered list of fields. Lookups scan: real messages carry few
// fields, and a short scan beats a map and allocates nothing.
//
// Header names are stored in canonical form (see [Canonical]); the methods
// compare names exactly, so a caller with a foreign name makes it canonical
// first, at load where it can.
type Fields []Field

// Get returns the first value of name, or "" if there is none.
func (f Fields) Get(name string) string {
	for i := range f {
		if f[i].Name == name {
			return f[i].Value
		}
	}
	return ""
}

// Has reports whether name is present.
func (f Fields) Has(name string) bool {
	for i := range f {
		if f[i].Name == name {
			return true
		}
	}
	return false
}

// Respelt returns the name of the first field that is name in another spelling, as
// [Alike] has it; "" if there is none.
func (f Fields) Respelt(name string) string {
	for i := range f {
		if other := f[i].Name; len(other) == len(name) && other != name && Alike(other, name) {
			return other
		}
	}
	return ""
}

// AppendValues appends all values of name to dst, in order, and returns it.
func (f Fields) AppendValues(dst []string, name string) []string {
	for i := range f {
		if f[i].Name == name {
			dst = append(dst, f[i].Value)
		}
	}
	return dst
}

// Add appends one field.
func (f *Fields) Add(name, value string) { *f = append(*f, Field{name, value}) }

// Set replaces all fields called name by one, in the place of the first, or
// appends it.
func (f *Fields) Set(name, value string) {
	for i := range *f {
		if (*f)[i].Name == name {
			(*f)[i].Value = value
			rest := (*f)[i+1:]
			rest.Del(name)
			*f = (*f)[:i+1+len(rest)]
			return
		}
	}
	f.Add(name, value)
}

// Del removes every field called name and keeps the order of the others.
func (f *Fields) Del(name string) {
	kept := (*f)[:0]
	for _, field := range *f {
		if field.Name != name {
			kept = append(kept, field)
		}
	}
	clear((*f)[len(kept):])
	*f = kept
}

// EndToEnd removes the fields of an answer that are between two neighbours: those that are
// [PerHop], and those that a Connection among them names (RFC 9110, section 7.6.1). It
// sorts the others by name, the values of one name in their order. All in place.
func (f Fields) EndToEnd() Fields {
	var named Names
	for i := range f {
		if f[i].Name == "Connection" {
			named.AddList(f[i].Value)
		}
	}
	f = slices.DeleteFunc(f, func(f Field) bool { return PerHop(f.Name) || named.Has(f.Name) })
	slices.SortStableFunc(f, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return f
}

// Canonical returns the canonical form of a header name: the first letter and
// every letter after a hyphen in upper case, the others in lower case. A name
// with a byte outside the token characters of RFC 9110, section 5.6.2, is
// returned as it is. Names that are canonical already are returned without
// allocating.
func Canonical(name string) string {
	upper := true
	for i := range len(name) {
		c := name[i]
		if !tokens[c] {
			return name
		}
		if upper && 'a' <= c && c <= 'z' || !upper && 'A' <= c && c <= 'Z' {
			return canonicalise(name)
		}
		upper = c == '-'
	}
	return name
}

func canonicalise(name string) string {
	var b strings.Builder
	b.Grow(len(name))
	upper := true
	for i := range len(name) {
		c := name[i]
		switch {
		case !tokens[c]:
			return name
		case upper && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case !upper && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		b.WriteByte(c)
		upper = c == '-'
	}
	return b.String()
}

// tokens tells for each byte whether it is a tchar of RFC 9110, section 5.6.2.
var tokens = func() (t [256]bool) {
	for c := range t {
		t[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
	}
	return t
}()

// Token reports whether s is a token of RFC 9110, section 5.6.2: what a header
// name or a method may look like.
func Token(s string) bool {
	for i := range len(s) {
		if !tokens[s[i]] {
			return false
		}
	}
	return s != ""
}

// Carried reports whether whoever reads s as the value of a header reads the same text
// (RFC 9110, section 5.5): it is UTF-8, has no blanks at its ends, which readers take
// away, and no control characters, which end a header for some. Beyond what ends a line
// in HTTP, what ends one in Unicode does not get through: some servers split there.
func Carried(s string) bool {
	return strings.TrimSpace(s) == s && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool {
		return c < ' ' || 0x7f <= c && c < 0xa0 || c == 0x2028 || c == 0x2029
	})
}
