package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// longestShare is the most time that a host gets for a connection while there are
// others to be asked.
const longestShare = time.Second

// DialBy returns by when a connection for q must have been made, so that the
// hosts that are left to be asked have their share of the time. It is zero if
// there are none.
func DialBy(ctx context.Context, q *gateway.Request) time.Time {
	if q.Others == 0 {
		return time.Time{}
	}
	share := longestShare
	if by, limited := ctx.Deadline(); limited {
		share = min(share, time.Until(by)/time.Duration(q.Others+1))
	}
	return time.Now().Add(share)
}

// Failure returns the error of a call that ended with err. reached says whether
// a connection was made for it; without one the result wraps
// [gateway.ErrUnreached].
//
// If ctx is done, that is the reason, whatever err is: [gateway.CodeTimeout]
// for its deadline, what [gateway.Left] says otherwise. An err that is a
// [gateway.Error] already is returned as it is.
func Failure(ctx context.Context, err error, reached bool) *gateway.Error {
	cause := err
	if !reached && !errors.Is(err, gateway.ErrUnreached) {
		cause = fmt.Errorf("%w: %w", gateway.ErrUnreached, err)
	}
	ended := ctx.Err()
	if at, limited := ctx.Deadline(); ended == nil && limited && !time.Now().Before(at) {
		ended = context.DeadlineExceeded // a socket may know before the timer does
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && ended != nil && reached && op.Addr != nil && errors.Is(err, net.ErrClosed) {
		cause = fmt.Errorf("the answer of %s was not complete", op.Addr) // we closed, and that is no reason
	}
	switch {
	case errors.Is(ended, context.DeadlineExceeded):
		return &gateway.Error{Code: gateway.CodeTimeout, Public: "context deadline exceeded", Err: cause}
	case ended != nil:
		return gateway.Left(ctx, cause)
	}
	if e, ok := errors.AsType[*gateway.Error](err); ok {
		return e
	}
	if !reached {
		return &gateway.Error{Code: gateway.CodeBackendUnreachable, Public: unreachable(err), Err: cause}
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return &gateway.Error{Code: gateway.CodeTimeout, Public: "timeout awaiting the answer", Err: cause}
	}
	return &gateway.Error{Code: gateway.CodeBackendAborted, Public: "connection broken", Err: cause}
}

// SessionOver returns the error of a call whose session has no connection any more.
func SessionOver(ctx context.Context) *gateway.Error {
	return Failure(ctx, gateway.ErrSessionOver, true)
}

// unreachable says why there is no connection, without saying where to.
func unreachable(err error) string {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "no such host"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "connection refused"
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return "timeout making the connection"
	}
	return "no connection was made"
}

// BrokenAnswer returns the error of the body of an answer that broke off with err. It is
// that of [Failure] and names the host, which whoever reads the body does not know any
// more.
func BrokenAnswer(ctx context.Context, err error, host string) error {
	e := *Failure(ctx, err, true)
	if e.Err == nil {
		e.Err = fmt.Errorf("host %s", host)
	} else if !strings.Contains(e.Err.Error(), host) {
		e.Err = fmt.Errorf("host %s: %w", host, e.Err)
	}
	return &e
}

// BrokenBody returns the error of a body of a request that cannot be read any
// further because of err: the client did not send it in time, or has left, or the
// server has cut the exchange.
func BrokenBody(err error, cut bool) error {
	const what = "the request body broke off"
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return gateway.BodyError(err)
	}
	e := &gateway.Error{Code: gateway.CodeClientGone, Public: what, Err: fmt.Errorf("%s: %w", what, err)}
	if cut {
		e.Code = gateway.CodeShutdown
	}
	return e
}

// Ended returns the error of an exchange that ended with err, for [gateway.Handler.Done]. With
// cut the server has cut its exchanges, so that it was not the client who left.
func Ended(err error, cut bool) error {
	if err == nil || !cut {
		return err
	}
	if e, ok := errors.AsType[*gateway.Error](err); ok && e.Code != gateway.CodeClientGone {
		return err
	} else if ok && e == err && e.Err != nil {
		err = e.Err // what was lost, without who is said to have lost it
	}
	return &gateway.Error{Status: 499, Code: gateway.CodeShutdown, Err: err}
}
