package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

func TestFailure(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 81}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	unknown := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "secret.internal"}}
	slow := &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
	own := &gateway.Error{Status: 413, Code: gateway.CodeTooLarge, Public: "too large"}
	const live, late, left = "live", "late", "left"
	tests := []struct {
		name      string
		ctx       string
		err       error
		reached   bool
		code      string
		public    string
		unreached bool
	}{
		{"refused", live, refused, false, gateway.CodeBackendUnreachable, "connection refused", true},
		{"marked already", live, fmt.Errorf("%w: %w", gateway.ErrUnreached, refused), false, gateway.CodeBackendUnreachable, "connection refused", true},
		{"not resolved", live, unknown, false, gateway.CodeBackendUnreachable, "no such host", true},
		{"nobody answers the knock", live, slow, false, gateway.CodeBackendUnreachable, "timeout making the connection", true},
		{"no handshake", live, errors.New("tls: unknown authority"), false, gateway.CodeBackendUnreachable, "no connection was made", true},
		{"the end", live, io.EOF, true, gateway.CodeBackendAborted, "connection broken", false},
		{"a reset", live, syscall.ECONNRESET, true, gateway.CodeBackendAborted, "connection broken", false},
		{"no answer", live, os.ErrDeadlineExceeded, true, gateway.CodeTimeout, "timeout awaiting the answer", false},
		{"an error of ours", live, fmt.Errorf("body: %w", own), true, gateway.CodeTooLarge, "too large", false},
		{"the deadline", late, io.EOF, true, gateway.CodeTimeout, "context deadline exceeded", false},
		{"the deadline before a connection", late, context.DeadlineExceeded, false, gateway.CodeTimeout, "context deadline exceeded", true},
		{"the deadline with an error of ours", late, own, true, gateway.CodeTimeout, "context deadline exceeded", false},
		{"the client leaves", left, io.EOF, true, gateway.CodeClientGone, "context canceled", false},
		{"the client leaves before a connection", left, refused, false, gateway.CodeClientGone, "context canceled", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := t.Context()
			switch tt.ctx {
			case late:
				expired, cancel := context.WithDeadline(ctx, time.Unix(1, 0))
				defer cancel()
				ctx = expired
			case left:
				canceled, cancel := context.WithCancel(ctx)
				cancel()
				ctx = canceled
			}
			e := Failure(ctx, tt.err, tt.reached)
			if e.Code != tt.code || e.Public != tt.public {
				t.Errorf("code %q, public text %q, want %q, %q", e.Code, e.Public, tt.code, tt.public)
			}
			if got := errors.Is(e, gateway.ErrUnreached); got != tt.unreached {
				t.Errorf("reached nobody %t, want %t", got, tt.unreached)
			}
			if e != own && !errors.Is(e, tt.err) {
				t.Errorf("the cause %v is lost in %v", tt.err, e)
			}
		})
	}
}

// TestFailureCut: the log of a call that was cut short says who was slow, and not
// that the connection was closed, which the gateway did itself.
func TestFailureCut(t *testing.T) {
	closed := &net.OpError{Op: "raw-read", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 7), Port: 81}, Err: net.ErrClosed}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	e := Failure(ctx, closed, true)
	if want := "the answer of 10.0.0.7:81 was not complete"; e.Code != gateway.CodeTimeout || e.Err.Error() != want {
		t.Errorf("code %q, cause %q, want %q, %q", e.Code, e.Err, gateway.CodeTimeout, want)
	}
	if e := Failure(ctx, closed, false); !errors.Is(e, gateway.ErrUnreached) {
		t.Errorf("%v does not say that nobody was reached", e)
	}
	if e := Failure(t.Context(), closed, true); !errors.Is(e, net.ErrClosed) {
		t.Errorf("the cause %v is lost in %v", closed, e)
	}
}

// TestEnded: what Shutdown cuts looks to those who read and write as if the client
// had left.
func TestEnded(t *testing.T) {
	gone := &gateway.Error{Code: gateway.CodeClientGone, Err: io.EOF}
	late := &gateway.Error{Code: gateway.CodeTimeout}
	tests := []struct {
		name string
		err  error
		cut  bool
		want string // code; "" for no error
	}{
		{"the answer was whole", nil, false, ""},
		{"the answer was whole before the cut", nil, true, ""},
		{"the client left", gone, false, gateway.CodeClientGone},
		{"cut", gone, true, gateway.CodeShutdown},
		{"the context ended", context.Canceled, true, gateway.CodeShutdown},
		{"a failure of its own", late, true, gateway.CodeTimeout},
	}
	for _, tt := range tests {
		err := Ended(tt.err, tt.cut)
		if e := gateway.AsError(err); (e == nil) != (tt.want == "") || e != nil && e.Code != tt.want {
			t.Errorf("%s: %v, want the code %q", tt.name, err, tt.want)
		}
		if cause := cmp.Or(errors.Unwrap(tt.err), tt.err); !errors.Is(err, cause) {
			t.Errorf("%s: the cause %v is lost in %v", tt.name, cause, err)
		}
		if tt.want == gateway.CodeShutdown && strings.Contains(err.Error(), gateway.CodeClientGone) {
			t.Errorf("%s: %v speaks of a client that left", tt.name, err)
		}
	}
}
