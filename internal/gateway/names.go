package gateway

import "strings"

// Names is a set of header names as a client or a backend lists them, such as
// those of a Connection field (RFC 9110, section 7.6.1). Whoever lists many names
// in front of many fields makes nobody compare each with each: beyond a few, Has
// looks them up. The zero Names is empty.
type Names struct {
	few  [8]string // as they were listed
	n    int
	many map[string]struct{} // canonical; nil up to as many as few holds
}

// AddList adds the members of a comma-separated list. The set lives as long as
// the list does.
func (s *Names) AddList(list string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.Trim(name, " \t"); name != "" {
			s.add(name)
		}
	}
}

func (s *Names) add(name string) {
	if s.many == nil && s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return
	}
	if s.many == nil {
		s.many = make(map[string]struct{}, 4*len(s.few))
		for _, earlier := range s.few {
			s.many[Canonical(earlier)] = struct{}{}
		}
	}
	s.many[Canonical(name)] = struct{}{}
}

// Has reports whether a canonical name is in the set.
func (s *Names) Has(name string) bool {
	if s.many != nil {
		_, found := s.many[name]
		return found
	}
	for _, other := range s.few[:s.n] {
		if strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}

// Empty reports whether there is no name in the set.
func (s *Names) Empty() bool { return s.n == 0 }

// Alike reports whether two names of headers are the same but for letter case and for
// underscores in place of hyphens. Many servers make variables of the names, in which
// one is the other (RFC 3875, section 4.1.18).
func Alike(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		switch c, d := a[i], b[i]; {
		case c == d, c == '_' && d == '-', c == '-' && d == '_':
		case c|0x20 == d|0x20 && 'a' <= d|0x20 && d|0x20 <= 'z':
		default:
			return false
		}
	}
	return true
}
