package flatmap

import "slices"

// del removes what its paths lead to, one path after the other.
type del [][]part

func (d del) apply(root map[string]any) (gaps bool) {
	for _, path := range d {
		for _, m := range find(root, path) {
			if remove(m.parent, m.last()) {
				gaps = true
			}
		}
	}
	return gaps
}

// A move takes values out and puts them elsewhere.
type move struct {
	src []part
	dst []part

	// lift tells that dst counts from the root, otherwise it counts from the
	// container that held the value.
	lift bool
}

// compileMove returns nil if the destination names nothing.
func compileMove(src, dst []part) operation {
	if len(dst) < len(src) {
		return move{src: src, dst: dst, lift: true}
	}
	below := dst[len(src)-1:]
	surplus := slices.IndexFunc(below, part.isAny)
	repeatsEnd := surplus == 0 && src[len(src)-1].isAny() && !slices.ContainsFunc(below[1:], part.isAny)
	if surplus >= 0 && !repeatsEnd {
		return nil
	}
	return move{src: src, dst: below}
}

func (m move) apply(root map[string]any) (gaps bool) {
	found := find(root, m.src)
	for i := range found {
		if remove(found[i].parent, found[i].last()) {
			gaps = true
		}
	}
	for i := range found {
		f := &found[i]
		var ok bool
		if m.lift {
			ok = storeAt(root, resolve(m.dst, f.at), f.value)
		} else {
			ok = storeAt(f.parent, resolve(m.dst, f.at[len(f.at)-1:]), f.value)
		}
		if !ok {
			store(f.parent, f.last(), f.value)
		}
	}
	return gaps
}

// resolve replaces every * in path by the part of at on the same level. It
// returns path itself if there is none.
func resolve(path, at []part) []part {
	if !slices.ContainsFunc(path, part.isAny) {
		return path
	}
	path = slices.Clone(path)
	for i := range path {
		if path[i].isAny() {
			path[i] = at[i]
		}
	}
	return path
}

// appendTo joins two arrays.
type appendTo struct {
	src, dst []part
}

func (a appendTo) apply(root map[string]any) (gaps bool) {
	for _, m := range find(root, a.src) {
		elements, ok := m.value.([]any)
		if !ok {
			continue
		}
		path := resolve(a.dst, m.at)
		if len(path) >= len(m.at) && slices.Equal(path[:len(m.at)], m.at) {
			continue // the destination would disappear with the source
		}
		holder, ok := container(root, path)
		if !ok {
			continue
		}
		last := path[len(path)-1]
		target, _ := lookup(holder, last)
		array, ok := target.([]any)
		if !ok {
			continue
		}
		// Not m.parent: an earlier match may have made the array longer, which
		// leaves m.parent as its former self.
		parent, _ := container(root, m.at)
		if remove(parent, m.last()) {
			gaps = true
		}
		for _, v := range elements {
			if v != gone {
				array = append(array, v)
			}
		}
		store(holder, last, array)
	}
	return gaps
}

// container returns the container that holds the last part of path.
func container(root map[string]any, path []part) (any, bool) {
	var c any = root
	for _, p := range path[:len(path)-1] {
		next, ok := lookup(c, p)
		if !ok {
			return nil, false
		}
		c = next
	}
	return c, true
}
