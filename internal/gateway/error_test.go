package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestErrorText(t *testing.T) {
	tests := []struct {
		err  *Error
		want string
	}{
		{&Error{Code: "timeout"}, "timeout"},
		{&Error{Code: "timeout", Public: "too late"}, "timeout: too late"},
		{&Error{Code: "timeout", Public: "too late", Err: errors.New("dial 10.0.0.1")}, "timeout: dial 10.0.0.1"},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("Error() = %q, want %q", got, tt.want)
		}
	}
}

// TestAway says once that nobody was reached, and has one code.
func TestAway(t *testing.T) {
	refused := errors.New("connection refused")
	unreached := fmt.Errorf("%w: %w", ErrUnreached, refused)
	for _, tt := range []struct {
		cause error
		want  string
	}{
		{refused, "backend_away: no connection was made: connection refused"},
		{unreached, "backend_away: no connection was made: connection refused"},
		{&Error{Code: CodeBackendUnreachable, Err: unreached}, "backend_away: no connection was made: connection refused"},
		{Away(refused), "backend_away: no connection was made: connection refused"},
		{&Error{Code: CodeTimeout}, "backend_away: no connection was made: timeout"},
	} {
		if got := Away(tt.cause); got.Error() != tt.want || !errors.Is(got, ErrUnreached) {
			t.Errorf("Away(%v) = %q, want %q", tt.cause, got, tt.want)
		}
	}
}

// TestAwayLate: why somebody is away is told, and is not the end of the call.
func TestAwayLate(t *testing.T) {
	for _, cause := range []error{context.DeadlineExceeded, fmt.Errorf("dial: %w", context.Canceled), fmt.Errorf("%w: %w", ErrUnreached, context.DeadlineExceeded), io.EOF} {
		err := error(Away(cause))
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnreached) || !strings.HasSuffix(err.Error(), cause.Error()) || strings.Count(err.Error(), ErrUnreached.Error()) != 1 {
			t.Errorf("%v", err)
		}
	}
	if !errors.Is(Away(io.EOF), io.EOF) {
		t.Error("the cause is not known")
	}
}

// TestBadStatus names the URL where there is one, and none where a component has answered.
func TestBadStatus(t *testing.T) {
	x := Acquire(nil)
	defer x.Release()
	x.Request.Method, x.Request.Path, x.Response.Status = "GET", "/a", 404
	if got, want := BadStatus(x).Error(), "backend_status: invalid status code 404"; got != want {
		t.Errorf("without a host: %q, want %q", got, want)
	}
	x.Request.Scheme, x.Request.Host = "http", "up"
	if got, want := BadStatus(x).Error(), "backend_status: invalid status code 404 [GET]: http://up/a"; got != want {
		t.Errorf("with a host: %q, want %q", got, want)
	}
}

func TestAsError(t *testing.T) {
	cause := errors.New("cause")
	e := &Error{Status: 418, Code: "teapot", Err: cause}
	tests := []struct {
		name string
		err  error
		want *Error // nil for a new one of our own fault
	}{
		{"itself", e, e},
		{"wrapped", fmt.Errorf("outer: %w", e), e},
		{"joined", errors.Join(cause, e), e},
		{"the outermost", &Error{Code: "outer", Err: e}, nil},
		{"another error", cause, nil},
	}
	for _, tt := range tests {
		got := AsError(tt.err)
		switch {
		case tt.want != nil && got != tt.want:
			t.Errorf("%s: AsError = %v, want %v", tt.name, got, tt.want)
		case tt.want == nil && got.Code != "outer" && got.Code != CodeInternal:
			t.Errorf("%s: AsError = %v", tt.name, got)
		case !errors.Is(got, cause):
			t.Errorf("%s: the cause is lost in %v", tt.name, got)
		}
	}
	if got := AsError(nil); got != nil {
		t.Errorf("AsError(nil) = %v", got)
	}
	if got := AsError(cause); got.Status != 0 || got.Public != "" {
		t.Errorf("an error without a face got one: %+v", got)
	}
}
