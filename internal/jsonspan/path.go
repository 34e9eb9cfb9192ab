package jsonspan

import "strings"

// SplitPath returns the names of a path, which has dots between them. A dot that
// belongs to a name is written \. and a backslash anywhere else is one. There is
// one name at least, which may be empty.
func SplitPath(path string) []string {
	if !strings.Contains(path, `\.`) {
		return strings.Split(path, ".")
	}
	var names []string
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '.':
			names = append(names, name.String())
			name.Reset()
		case path[i] == '\\' && i+1 < len(path) && path[i+1] == '.':
			name.WriteByte('.')
			i++
		default:
			name.WriteByte(path[i])
		}
	}
	return append(names, name.String())
}

// JoinPath returns the path of the names, of which SplitPath makes them again
// unless one ends in a backslash.
func JoinPath(names []string) string {
	escaped := make([]string, len(names))
	for i, name := range names {
		escaped[i] = strings.ReplaceAll(name, ".", `\.`)
	}
	return strings.Join(escaped, ".")
}
