package jsonspan

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// SplitPath returns the names of a path, which has dots between them. A dot that
// belongs to a name is written \. and so is whatever makes a path doubtful: signs
// of other notations and blanks, as package pathlint knows them. A backslash anywhere
// else is one.
// There is one name at least, which may be empty.
func SplitPath(path string) []string {
	if !strings.Contains(path, `\`) {
		return strings.Split(path, ".")
	}
	var names []string
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '.':
			names = append(names, name.String())
			name.Reset()
		case path[i] == '\\' && Escapes(path[i+1:]):
			_, n := utf8.DecodeRuneInString(path[i+1:])
			name.WriteString(path[i+1 : i+1+n])
			i += n
		default:
			name.WriteByte(path[i])
		}
	}
	return append(names, name.String())
}

// Escapes reports whether a backslash in front of rest makes its first character a
// part of a name.
func Escapes(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return rest != "" && (Sign(r) || Invisible(r))
}

// Sign reports whether a character means something in paths, here or elsewhere.
func Sign(r rune) bool { return strings.ContainsRune(".$*/#[]{},;|\"'`^", r) }

// Invisible reports whether a character cannot be seen at the end of a name. Planes
// beyond the first have nothing of the kind but tags.
func Invisible(r rune) bool { return r <= 0xFFFF && (unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)) }

// JoinPath returns the path of the names, of which SplitPath makes them again
// unless a name has a backslash at its end or in front of a sign.
func JoinPath(names []string) string {
	escaped := make([]string, len(names))
	for i, name := range names {
		escaped[i] = strings.ReplaceAll(name, ".", `\.`)
	}
	return strings.Join(escaped, ".")
}
