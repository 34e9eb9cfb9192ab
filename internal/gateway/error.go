package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/sluice-gateway/sluice/internal/body"
)

// An Error is a failure with a public face. Whoever knows the cause makes it;
// whoever answers the client reads Status, Code and Public from it. Nothing
// else of an error ever leaves the gateway.
type Error struct {
	Status int    // HTTP status for the client; 0 lets the dialect decide
	Class  Class  // kind; Unclassified stands for that of the code
	Code   string // stable name for logs and metrics, such as "breaker_open"
	Public string // text the client may read; may be empty
	Show   bool   // the client reads Public even if error texts are not asked for
	Tell   bool   // error texts are asked for: problem documents carry Public, too
	Err    error  // cause, for operators only; may be nil
	Said   string // words of the service, which may speak of a client; see [WithSaid]
}

// Error returns the text for operators. What a cause of the same name says is
// not said twice.
func (e *Error) Error() string {
	if cause, ok := errors.AsType[*Error](e.Err); ok && cause.Code == e.Code {
		return e.Err.Error()
	}
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Code, e.Err)
	case e.Public != "":
		return fmt.Sprintf("%s: %s", e.Code, e.Public)
	}
	return e.Code
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// WithSaid returns the text of err, followed by what services have said of the failures in
// it. No text of an error has that, because it may hold what clients have sent: it is shown
// beside the request that has failed, as the access log does, and nowhere else.
func WithSaid(err error) string {
	text := err.Error()
	for _, said := range appendSaid(nil, err) {
		text += ", the service said " + said
	}
	return text
}

func appendSaid(dst []string, err error) []string {
	if e, ok := err.(*Error); ok && e.Said != "" {
		dst = append(dst, e.Said)
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		if cause := e.Unwrap(); cause != nil {
			return appendSaid(dst, cause)
		}
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			dst = appendSaid(dst, err)
		}
	}
	return dst
}

// Names of the failures that the core itself produces. They are stable: logs,
// metrics and problem documents carry them.
const (
	CodeBackendStatus      = "backend_status"      // the backend answered with a status that is no answer
	CodeBackendUnreachable = "backend_unreachable" // no connection could be made; the call reached nobody
	CodeBackendAway        = "backend_away"        // it is known to be away, so nobody was called; see [Away]
	CodeBackendAborted     = "backend_aborted"     // the connection broke before the answer was whole
	CodeBackendInvalid     = "backend_invalid"     // the answer could not be decoded
	CodeBackendTooLarge    = "backend_too_large"   // the answer is larger than the limit
	CodeNoHost             = "no_host"             // discovery knows no host
	CodeTimeout            = "timeout"             // the deadline passed
	CodeClientGone         = "client_gone"         // the client went away
	CodeSuperseded         = "superseded"          // another call that was made for the same answer was sooner
	CodeShutdown           = "shutdown"            // the gateway stops, and did not wait any longer
	CodeBadRequest         = "bad_request"         // the client's message cannot be used
	CodeTooLarge           = "request_too_large"   // the client's body is larger than the limit
	CodeNotFound           = "not_found"           // no endpoint has this path
	CodeNotAllowed         = "method_not_allowed"  // the path has no endpoint of this method
	CodeInternal           = "internal"            // a fault of ours
	CodeMissingValue       = "missing_value"       // a placeholder has no value
	CodeRedirects          = "too_many_redirects"  // the backend redirects in circles
)

// ErrUnreached marks a call that reached nobody: no connection was made, so
// the request may be sent again, elsewhere, whatever its method. The error of a stage that
// wraps it sends nothing elsewhere: that follows from the Attempt of the request.
var ErrUnreached = errors.New("no connection was made")

// Uncalled reports whether err is of a stage that has failed in front of a call, so that
// nobody was called: it says nothing of whom the call is to.
func Uncalled(err error) bool {
	e, ok := errors.AsType[interface {
		error
		Uncalled() bool
	}](err)
	return ok && e.Uncalled()
}

// OfClient reports whether err is a fault of the client's message, whoever has found it: it
// says nothing of whom a call is to.
func OfClient(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Code == CodeBadRequest || e.Code == CodeTooLarge || e.Code == CodeMissingValue)
}

// Away is the failure of a call to somebody who is known to be away, such as a broker whose
// connection was lost and is not back: it fails at once, and has reached nobody. A
// connection that the call itself could not make is [CodeBackendUnreachable].
func Away(cause error) *Error {
	cause = Reason(cause)
	if errors.Is(cause, context.DeadlineExceeded) || errors.Is(cause, context.Canceled) { // of the attempt: the time of the call is not over
		cause = errors.New(strings.TrimPrefix(cause.Error(), ErrUnreached.Error()+": "))
	}
	if !errors.Is(cause, ErrUnreached) { // else it says so
		cause = fmt.Errorf("%w: %w", ErrUnreached, cause)
	}
	return &Error{Code: CodeBackendAway, Public: "the service is away", Err: cause}
}

// Reason returns what an error says without its code, for whoever makes it the cause of
// another one, which has a code of its own, or of a line in the log.
func Reason(err error) error {
	if e, ok := err.(*Error); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// ErrStopped is the cause ([context.Cause]) of a context that has ended because the
// gateway stops and does not wait any longer. It is a [context.Canceled].
var ErrStopped error = cut("the gateway stopped")

// ErrSuperseded is that of a call whose answer is not waited for, because another one that
// was made for the same answer was sooner.
var ErrSuperseded error = cut("another call was answered sooner")

type cut string

func (c cut) Error() string { return string(c) }

// Is makes it what code expects of a context that has ended before its time.
func (cut) Is(target error) bool { return target == context.Canceled }

// Left returns the failure of an exchange that ended with err, nil if that is not
// known, because its context has ended before its time: the client left
// ([CodeClientGone]), the gateway stopped ([CodeShutdown]), or another call was sooner
// ([CodeSuperseded]).
func Left(ctx context.Context, err error) *Error {
	const ended = "context canceled"
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, ErrStopped):
		return &Error{Code: CodeShutdown, Public: ended, Err: err}
	case errors.Is(cause, ErrSuperseded):
		return &Error{Code: CodeSuperseded, Public: ended, Err: err}
	}
	return &Error{Code: CodeClientGone, Public: ended, Err: err}
}

// Cut reports whether err says that the client left, or that the gateway did not
// wait any longer: nobody is there to be answered.
func Cut(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && ClassOf(e) == Gone
}

// AsError returns the [Error] in the chain of err. An err without one is a
// fault of ours and comes back wrapped as [CodeInternal]; nil stays nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeInternal, Err: err}
}

// TooLarge is the failure of a client's body that is larger than limit bytes, 0 if that
// is not known here. Key is the option that says so, for the operator.
func TooLarge(key string, limit int64) *Error {
	e := &Error{Status: 413, Code: CodeTooLarge, Public: "the request body is too large", Err: fmt.Errorf("it is larger than %s", key)}
	if limit > 0 {
		e.Err = fmt.Errorf("%w, which is %d", e.Err, limit)
	}
	return e
}

// BodyError returns the failure of reading the client's body: err itself if it is an
// [Error], and otherwise one that says whose fault it is. nil stays nil.
func BodyError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return &Error{Status: 408, Code: CodeTimeout, Public: "the request body did not arrive in time", Err: err}
	}
	switch {
	case errors.Is(err, body.ErrTooLarge):
		return TooLarge("max_body_bytes", 0)
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeClientGone, Err: err}
	}
	return &Error{Status: 400, Code: CodeBadRequest, Public: "the request body broke off", Err: err}
}

// BadStatus returns the failure of a backend whose answer, in x, has a number for its
// status that stands for none. The client reads the number, the operator also where it
// came from, if that was called by HTTP.
func BadStatus(x *Exchange) *Error {
	q := &x.Request
	public := fmt.Sprintf("invalid status code %d", x.Response.Status)
	err := errors.New(public)
	if q.Host != "" {
		err = fmt.Errorf("%s [%s]: %s://%s%s", public, q.Method, q.Scheme, q.Host, q.Path)
	}
	return &Error{Code: CodeBackendStatus, Public: public, Err: err}
}
