package gateway_test

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// TestDeclareFailures lets a code stand for one failure only, however often it is
// declared.
func TestDeclareFailures(t *testing.T) {
	f := gateway.Failure{Code: "test_declared", Status: 418, Detail: "It is a teapot."}
	gateway.DeclareFailures(f)
	gateway.DeclareFailures(f)
	if got := *gateway.FailureOf(f.Code); got != f {
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
