package jsonspan

// A filter is one level of an allow or deny list.
type filter struct {
	deny  bool
	names []string
	below []*filter      // nil: the list names the member whole
	index map[string]int // positions in names; nil for a short list
}

// shortList is up to how many names are compared one by one: below it that is
// faster than the index.
const shortList = 8

// A verdict is what a filter says about a member.
type verdict uint8

const (
	drop  verdict = iota
	keep          // whole
	enter         // if it is an object, by the filter of the level below
)

func newFilter(paths []string, deny bool) *filter {
	f := &filter{deny: deny, names: make([]string, 0, len(paths)), below: make([]*filter, 0, len(paths))}
	for _, path := range paths {
		f.add(SplitPath(path))
	}
	return f
}

// add adds a path. A member named whole stays so, whatever else is listed below
// it, in any order.
//
// Compatibility: an allow list that names a parent before its child kept the
// child only.
func (f *filter) add(path []string) {
	at := f.find([]byte(path[0]))
	known := at >= 0
	if !known {
		at = f.append(path[0])
	}
	switch {
	case len(path) == 1:
		f.below[at] = nil
		return
	case !known:
		f.below[at] = &filter{deny: f.deny}
	}
	if f.below[at] != nil {
		f.below[at].add(path[1:])
	}
}

// append adds a name and returns its position.
func (f *filter) append(name string) int {
	f.names, f.below = append(f.names, name), append(f.below, nil)
	at := len(f.names) - 1
	switch {
	case at == shortList:
		f.index = make(map[string]int)
		for i, n := range f.names {
			f.index[n] = i
		}
	case at > shortList:
		f.index[name] = at
	}
	return at
}

// look returns the verdict on a member by its name without escapes. A nil
// filter keeps everything.
func (f *filter) look(name []byte) (verdict, *filter) {
	if f == nil {
		return keep, nil
	}
	switch at := f.find(name); {
	case at < 0 && f.deny:
		return keep, nil
	case at < 0:
		return drop, nil
	case f.below[at] != nil:
		return enter, f.below[at]
	case f.deny:
		return drop, nil
	}
	return keep, nil
}

// keeps reports whether a member with a verdict of f is kept if its value is no
// object.
func (f *filter) keeps(v verdict) bool {
	return v == keep || v == enter && f.deny
}

// find returns the position of a name, or -1.
func (f *filter) find(name []byte) int {
	if len(f.names) > shortList {
		if at, ok := f.index[string(name)]; ok {
			return at
		}
		return -1
	}
	for at, n := range f.names {
		if n == string(name) {
			return at
		}
	}
	return -1
}
