package jsonspan

// Lookup returns the value at a path of member names, plain text, and whether
// it is there. Value is validated; of members with the same name the last
// counts. Each name but the last must be that of an object. Without a path it is
// the value itself.
//
// The result shares value's memory. Lookup does not allocate.
func Lookup(value []byte, path ...string) ([]byte, bool) {
	start := skipMark(value)
	end, f := scanValue(value, start, 0)
	if f != none {
		return nil, false
	}
	at := value[start:end:end]
	for _, name := range path {
		if at = member(at, name); at == nil {
			return nil, false
		}
	}
	return at, true
}

// member returns the value of the last member of object that is called name, or
// nil if there is none or object is not one.
func member(object []byte, name string) []byte {
	if kindAt(object, 0) != KindObject {
		return nil
	}
	var buf [64]byte
	want := appendEscaped(buf[:0], name)
	var found []byte
	i, more, f := scanOpen(object, 0)
	for more && f == none {
		var text []byte
		if text, _, i, f = scanName(object, i); f != none {
			break
		}
		start := i
		if i, f = scanValue(object, i, 1); f != none {
			break
		}
		if sameText(text, want) {
			found = object[start:i:i]
		}
		i, more, f = scanNext(object, i)
	}
	return found
}
