package wire

// An Error says why a message is refused. The connection that it came from
// cannot be used any more, because where the next message begins is unknown.
type Error struct {
	Status int    // what a server answers; without meaning for a client
	Reason string // for operators
}

// Error returns the reason.
func (e *Error) Error() string { return e.Reason }

// bad is the error of a malformed message.
func bad(reason string) error { return &Error{Status: 400, Reason: reason} }
