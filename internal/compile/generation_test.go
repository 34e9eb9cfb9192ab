package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestOptionsOfAll asks for the methods that are served anywhere: how many endpoints
// there are does not matter, because anybody may ask.
func TestOptionsOfAll(t *testing.T) {
	methods := []string{"GET", "POST", "PUT", "PATCH", "DELETE"}
	var costs [2]float64
	for i, more := range []int{0, 200} {
		var others strings.Builder
		for j := range more {
			fmt.Fprintf(&others, `]},{"endpoint":"/more/%d","method":%q,"backend":[{"url_pattern":"/","host":["http://up"]}`, j, methods[j%len(methods)])
		}
		g := arranged(t, "", `"backend":[{"url_pattern":"/","host":["http://up"]}`+others.String()+`]`, nil)
		in := testx.Request{Method: "OPTIONS", Path: "*"}.Inbound()
		var got string
		costs[i] = testing.AllocsPerRun(100, func() {
			x := gateway.Acquire(in)
			if err := g.Do(t.Context(), x); err != nil || x.Response.Status != 200 {
				t.Errorf("got %d, %v", x.Response.Status, err)
			}
			got = x.Response.Header.Get("Allow")
			x.Release()
		})
		want := "OPTIONS, POST"
		if more > 0 {
			want = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
		}
		if got != want {
			t.Errorf("%d more endpoints: Allow is %q, want %q", more, got, want)
		}
	}
	if !testx.Race && costs[0] != costs[1] { // whose pools drop things at random
		t.Errorf("the answer takes %v allocations for one endpoint and %v for many", costs[0], costs[1])
	}
}
