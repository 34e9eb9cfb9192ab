package plan

import (
	"strconv"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// hopsField counts the gateways that a request has passed, so that one which goes
// round in circles ends.
const hopsField = "Sluice-Hops"

// codeLoop is the failure of a request that has passed too many gateways.
const codeLoop = "request_loop"

// hops returns the greatest count that the client's fields name; 0 if there is
// none. A value that is no number counts as nothing: no gateway writes one.
func hops(in gateway.Inbound) int {
	if in.Header(hopsField) == "" {
		return 0
	}
	var room [4]gateway.Field
	most := 0
	for _, f := range in.AppendHeader(room[:0], hopsField) {
		if n, err := strconv.ParseUint(f.Value, 10, 16); err == nil {
			most = max(most, int(n))
		}
	}
	return most
}

// count adds this gateway to the count of the request, which has room for so many.
func count(x *gateway.Exchange, most int) error {
	n := hops(x.In) + 1
	if n > most {
		return &gateway.Error{Status: 508, Code: codeLoop, Public: "the request has passed too many gateways"}
	}
	x.Request.Header.Add(hopsField, strconv.Itoa(n))
	return nil
}
