package wire

import "bytes"

// Limits bound a head. A limit that is not positive does not bound anything.
type Limits struct {
	HeadBytes int // all of it: start line, fields and the empty line
	Fields    int
}

// MaxFields is how many fields an engine reads of a message.
const MaxFields = 1000

const shortestField = len("a:\r\n")

// ScanHead looks for the end of the head at the beginning of b and returns the
// index after its empty line, or 0 if that has not arrived. from is what the
// last call for the same head returned as scanned, 0 at first; nothing before
// it is looked at again.
//
// The error, an [*Error], comes as soon as no more bytes could make a head of
// b: at an empty first line, a line that begins with white space, a line feed
// or carriage return of its own, another control character than a tab, and
// when a limit is exceeded. Whether the lines themselves are well-formed is for
// Parse to say.
func ScanHead(b []byte, from int, l Limits) (end, scanned int, err error) {
	bounded := b
	if l.HeadBytes > 0 && len(b) > l.HeadBytes {
		bounded = b[:l.HeadBytes]
	}
	end, scanned, err = scan(bounded, from)
	switch {
	case err != nil:
		return 0, scanned, err
	case end == 0 && l.HeadBytes > 0 && len(b) >= l.HeadBytes:
		return 0, scanned, tooLarge(bounded)
	case end > 0 && l.Fields > 0 && end/shortestField > l.Fields && bytes.Count(b[:end], []byte{'\n'})-2 > l.Fields:
		return 0, scanned, &Error{Status: 431, Reason: "too many fields"}
	}
	return end, scanned, nil
}

// What is refused in requests and repaired in answers.
var (
	errLineFeed = bad("a line ends without a carriage return")
	errFolded   = bad("a line begins with white space")
)

// scan is ScanHead without limits.
func scan(b []byte, from int) (end, scanned int, err error) {
	if from == 0 && len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		return 0, 0, bad("the message begins with white space")
	}
	i := from
	for {
		switch i = control(b, i); {
		case i == len(b):
			return 0, i, nil
		case b[i] == '\t':
			i++
			continue
		case b[i] == '\n':
			return 0, i, errLineFeed
		case b[i] != '\r':
			return 0, i, bad("a control character in the head")
		case i+1 == len(b):
			return 0, i, nil
		case i == 0 && b[1] == '\n':
			return 0, 0, bad("the message begins with an empty line")
		case b[i+1] != '\n':
			return 0, i, bad("a carriage return within a line")
		case b[i-1] == '\n':
			return i + 2, i, nil
		case i+2 == len(b):
			return 0, i, nil
		case b[i+2] == ' ' || b[i+2] == '\t':
			return 0, i, errFolded
		}
		i += 2
	}
}

// tooLarge is the error for a head of which b is as much as is allowed.
func tooLarge(b []byte) error {
	if bytes.IndexByte(b, '\n') < 0 {
		return &Error{Status: 414, Reason: "the start line is too long"}
	}
	return &Error{Status: 431, Reason: "the header is too large"}
}
