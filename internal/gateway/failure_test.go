package gateway_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// TestDeclareFailures lets a code stand for one failure only, however often it is
// declared.
func TestDeclareFailures(t *testing.T) {
	f := gateway.Failure{Code: "test_declared", Class: gateway.Bad, Status: 418, Detail: "It is a teapot."}
	gateway.DeclareFailures(f)
	gateway.DeclareFailures(f)
	if got := *(&gateway.Error{Code: f.Code}).Failure(); got != f {
		t.Errorf("got %v, want %v", got, f)
	}
	defer func() {
		if recover() == nil {
			t.Error("a code stands for two failures")
		}
	}()
	f.Status = 404
	gateway.DeclareFailures(f)
}

// TestClasses says of errors whose fault they are: as they say themselves, as their code
// is declared, or that of the gateway.
func TestClasses(t *testing.T) {
	tests := []struct {
		err    error
		want   gateway.Class
		status int // by the cause
	}{
		{nil, gateway.Unclassified, 0},
		{errors.New("x"), gateway.Internal, 500},
		{&gateway.Error{Code: "nobody_declares_it"}, gateway.Internal, 500},
		{&gateway.Error{Code: "nobody_declares_it", Class: gateway.Unreachable}, gateway.Unreachable, 502},
		{&gateway.Error{Code: gateway.CodeNotFound}, gateway.Bad, 404},
		{gateway.Away(errors.New("lost")), gateway.Unavailable, 503},
		{&gateway.Error{Code: gateway.CodeTimeout, Status: 408}, gateway.Timeout, 408},
		{&gateway.Error{Code: gateway.CodeTimeout, Class: gateway.Bad}, gateway.Bad, 400},
		{fmt.Errorf("wrapped: %w", &gateway.Error{Code: gateway.CodeShutdown}), gateway.Gone, 499},
	}
	for _, tt := range tests {
		if got := gateway.ClassOf(tt.err); got != tt.want {
			t.Errorf("%v is of class %d, want %d", tt.err, got, tt.want)
		}
		if tt.err == nil {
			continue
		}
		e := gateway.AsError(tt.err)
		if got := e.ByCause(); got != tt.status || e.Failure().Detail == "" {
			t.Errorf("%v has the status %d, want %d, and the sentence %q", tt.err, got, tt.status, e.Failure().Detail)
		}
	}
}
