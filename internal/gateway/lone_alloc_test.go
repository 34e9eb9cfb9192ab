//go:build !race

package gateway_test

import (
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

func TestLoneAllocations(t *testing.T) {
	l := gateway.NewLone("X-Api-Key")
	in := testx.Request{Header: gateway.Fields{{Name: "X-Api-Key", Value: "a"}, {Name: "Accept", Value: "*/*"}}}.Inbound()
	if got := testing.AllocsPerRun(1000, func() { l.Value(in) }); got != 0 {
		t.Errorf("a look allocates %v times, want 0", got)
	}
}
