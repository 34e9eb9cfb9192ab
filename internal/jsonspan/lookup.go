package jsonspan

// Lookup returns the value at a path of member names, plain text, and whether
// it is there. In an array a name is a position, as [Position] reads it, from 0. Value is
// validated; of members with the same name the last counts. Each name but the last
// must be that of an object or an array. Without a path it is the value itself.
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
		if kindAt(at, 0) == KindArray {
			at = element(at, name)
		} else {
			at = member(at, name)
		}
		if at == nil {
			return nil, false
		}
	}
	return at, true
}

// Position returns the array position that a name of a path is, and whether it is
// one: digits, without a sign and without a zero in front.
func Position(name string) (int, bool) {
	const maxDigits = 9 // no array has more positions
	if name == "" || len(name) > maxDigits || name[0] == '0' && name != "0" {
		return 0, false
	}
	n := 0
	for _, c := range []byte(name) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// element returns the value at a position of array, or nil if there is none.
func element(array []byte, position string) []byte {
	n, ok := Position(position)
	if !ok {
		return nil
	}
	i := skipSpace(array, 1)
	for ; array[i] != ']'; n-- { // array is valid, so it ends with one
		start := i
		var f fault
		if i, f = scanValue(array, i, 1); f != none {
			break
		}
		if n == 0 {
			return array[start:i:i]
		}
		if i = skipSpace(array, i); array[i] == ',' {
			i = skipSpace(array, i+1)
		}
	}
	return nil
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
