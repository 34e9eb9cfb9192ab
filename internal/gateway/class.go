package gateway

import "cmp"

// A Class is the kind of a failure: who is at fault, and with that the status of an
// answer whose status follows the cause.
type Class uint8

// The classes, each with the status of its answers.
const (
	Unclassified Class = iota // that of the code; Internal if nobody declares it
	Internal                  // 500: the gateway is at fault, or what its configuration takes for granted
	Unsupported               // 501: nothing is built for it
	Bad                       // 400: the request cannot be served, whoever makes it
	Denied                    // 403: the request is not for this client to make
	Gone                      // 499: nobody waits for the answer any more
	Unreachable               // 502: no connection to the service could be made, so the call reached nobody
	Refused                   // 502: the service answered with a failure
	Invalid                   // 502: the answer of the service cannot be used, or is not whole
	Limited                   // 503: it is too much at once
	Unavailable               // 503: what is asked is known to be away for a while, or not to work
	Timeout                   // 504: the time for it was over
)

// classes are what clients are told of failures with a code that nobody declares.
var classes = [...]Failure{
	Unclassified: {Class: Internal, Detail: "The gateway failed. The fault is not in the request."},
	Internal:     {Class: Internal, Detail: "The gateway failed. The fault is not in the request."},
	Unsupported:  {Class: Unsupported, Detail: "This is not supported by the gateway yet."},
	Bad:          {Class: Bad, Detail: "The request cannot be served as it is."},
	Denied:       {Class: Denied, Detail: "This is not allowed."},
	Gone:         {Class: Gone, Detail: "Nobody waited for the answer until it was whole."},
	Unreachable:  {Class: Unreachable, Detail: "A service behind the gateway cannot be reached."},
	Refused:      {Class: Refused, Detail: "A service behind the gateway answered with a failure."},
	Invalid:      {Class: Invalid, Detail: "A service behind the gateway gave an answer that cannot be used."},
	Limited:      {Class: Limited, Detail: "There are too many requests; try again later."},
	Unavailable:  {Class: Unavailable, Detail: "A service behind the gateway is not to be had for a while; try again later."},
	Timeout:      {Class: Timeout, Detail: "The time for this was over before it was done."},
}

// Status returns the status of answers that fail for such a cause (RFC 9110, sections
// 15.5 and 15.6); 499, which nobody reads, is for observers.
func (c Class) Status() int { return statuses[c] }

var statuses = [...]int{
	Unclassified: 500, Internal: 500, Unsupported: 501,
	Bad: 400, Denied: 403, Gone: 499,
	Unreachable: 502, Refused: 502, Invalid: 502,
	Limited: 503, Unavailable: 503, Timeout: 504,
}

// ClassOf returns the class of an error: what it says itself, or else that of its code.
// An error that is no [Error] is Internal, nil is Unclassified.
func ClassOf(err error) Class {
	if err == nil {
		return Unclassified
	}
	e := AsError(err)
	return cmp.Or(e.Class, e.Failure().Class)
}

// ByCause returns the status of an answer that fails by e, where statuses follow causes:
// its own, or that of its class.
func (e *Error) ByCause() int {
	if e.Class != Unclassified {
		return cmp.Or(e.Status, e.Class.Status())
	}
	return cmp.Or(e.Status, e.Failure().Answered())
}

// Failure returns what clients are told of e: what is declared for its code, or else for
// its class.
func (e *Error) Failure() *Failure {
	if f := failures[e.Code]; f != nil {
		return f
	}
	return &classes[e.Class]
}
