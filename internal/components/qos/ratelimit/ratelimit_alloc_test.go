//go:build !race

package ratelimit

import (
	"context"
	"fmt"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestEndpointAllocations is not for the race detector, which drops what is pooled.
func TestEndpointAllocations(t *testing.T) {
	tests := []struct {
		name, strategy string
		budget         float64
	}{
		{"address", `"ip"`, 1},
		{"header", `"header","key":"X-Key"`, 0},
		{"token", `"header","key":"Authorization"`, 0},
		{"identity", `"identity"`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			st := f.behindDoor(t, fmt.Sprintf(`{"max_rate":1e9,"client_max_rate":1e9,"strategy":%s}`, tt.strategy))
			x := testx.Request{Header: gateway.Fields{{Name: "X-Key", Value: "a"}, {Name: "Authorization", Value: "bearer  t"}}}.Exchange(t)
			x.Identity = &gateway.Identity{Name: "ann"}
			if n := testing.AllocsPerRun(100, func() { _ = st.Enter(context.Background(), x) }); n > tt.budget {
				t.Errorf("%v allocations per request, want at most %v", n, tt.budget)
			}
		})
	}
}
