package gateway

import (
	"fmt"
	"runtime/debug"
)

// Panicked returns the failure that a panic with the value v is. It is called where the
// panic is recovered, so that the failure tells where it began.
func Panicked(v any) *Error {
	return &Error{Code: CodeInternal, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())}
}

// Recover makes a failure of a panic, so that what somebody else wrote ends what it does and
// not the gateway. It is deferred itself, by who calls that code; by names whose code it is,
// "" where the failure is given a name later.
func Recover(by string, err *error) {
	v := recover()
	if v == nil {
		return
	}
	e := Panicked(v)
	if by != "" {
		e.Err = fmt.Errorf("%s: %w", by, e.Err)
	}
	*err = e
}
