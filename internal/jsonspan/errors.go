package jsonspan

import (
	"errors"
	"fmt"
	"io"
)

// ErrShape is returned when a value is JSON but not of the kind asked for.
var ErrShape = errors.New("json of the wrong kind")

// A SyntaxError says where and why text is not JSON.
//
// errors.Is tells two causes apart: io.EOF when there was no value at all, only
// white space, and io.ErrUnexpectedEOF when the text ended inside a value.
type SyntaxError struct {
	Offset int    // of the first byte that is wrong, from the start of the text
	Msg    string // what is wrong there

	cause error
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("json offset %d: %s", e.Offset, e.Msg)
}

// Unwrap returns io.EOF, io.ErrUnexpectedEOF or nil.
func (e *SyntaxError) Unwrap() error { return e.cause }

// A fault is a reason why text is not JSON, in the form the scanners hand on.
type fault uint8

const (
	none fault = iota
	faultEmpty
	faultEnd
	faultValue
	faultLiteral
	faultZero
	faultDigit
	faultName
	faultColon
	faultNext
	faultControl
	faultEscape
	faultUTF8
	faultDepth
	faultTrailing
)

var faultTexts = [...]string{
	faultEmpty:    "no value",
	faultEnd:      "text ends inside a value",
	faultValue:    "want a value",
	faultLiteral:  "want true, false or null",
	faultZero:     "number with a leading zero",
	faultDigit:    "want a digit",
	faultName:     "want a member name in quotes",
	faultColon:    "want a colon after the member name",
	faultNext:     "want a comma or the closing bracket",
	faultControl:  "control character in a string",
	faultEscape:   "unknown escape sequence",
	faultUTF8:     "string is not UTF-8",
	faultDepth:    "nested too deep",
	faultTrailing: "text after the value",
}

// at returns f as an error at offset.
func (f fault) at(offset int) *SyntaxError {
	e := &SyntaxError{Offset: offset, Msg: faultTexts[f]}
	switch f {
	case faultEmpty:
		e.cause = io.EOF
	case faultEnd:
		e.cause = io.ErrUnexpectedEOF
	}
	return e
}
