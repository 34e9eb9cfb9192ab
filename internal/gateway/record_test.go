package gateway_test

import (
	"strconv"
	"testing"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// TestMembers shows whose member a name is: of the call that came last, at the place of the
// first, and that many names cost no more than their number.
func TestMembers(t *testing.T) {
	const many = 200_000 // which takes minutes if each is looked for among the others
	r := gateway.NewRecord()
	for range 2 {
		for i := range many {
			r.Merged(strconv.Itoa(i), "one")
		}
	}
	r.Merged("7", "two")
	all := r.Members()
	if len(all) != many || all[7] != (gateway.Member{Name: "7", From: "two"}) || all[8] != (gateway.Member{Name: "8", From: "one"}) {
		t.Errorf("%d members, %+v", len(all), all[7:9])
	}
}
