package jsonspan

// Kind is the type of a JSON value.
type Kind uint8

// The kinds of JSON values. KindInvalid stands for text that starts no value.
const (
	KindInvalid Kind = iota
	KindObject
	KindArray
	KindString
	KindNumber
	KindBool
	KindNull
)

var kindNames = [...]string{
	KindInvalid: "invalid text",
	KindObject:  "object",
	KindArray:   "array",
	KindString:  "string",
	KindNumber:  "number",
	KindBool:    "boolean",
	KindNull:    "null",
}

// String returns the name of k as JSON has it, such as "object".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[KindInvalid]
}

// KindOf returns the kind of the value that b starts with, a byte order mark
// and white space aside. It looks at the value's first byte only.
func KindOf(b []byte) Kind {
	return kindAt(b, skipMark(b))
}

// kindAt returns the kind of the value that starts at i.
func kindAt(b []byte, i int) Kind {
	if i >= len(b) {
		return KindInvalid
	}
	switch b[i] {
	case '{':
		return KindObject
	case '[':
		return KindArray
	case '"':
		return KindString
	case 't', 'f':
		return KindBool
	case 'n':
		return KindNull
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return KindNumber
	}
	return KindInvalid
}
