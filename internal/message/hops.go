package message

import (
	"strconv"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// hopsField counts the gateways that a request has passed, so that one which goes
// round in circles ends.
const hopsField = "Sluice-Hops"

// codeLoop is the failure of a request that has passed too many gateways.
const codeLoop = "request_loop"

// count adds this gateway to the count of the request, which may pass so many: the
// greatest count that the client's fields name is that of those before. A value
// that is no number counts as nothing, since no gateway writes one.
func count(x *gateway.Exchange, most int) error {
	before := 0
	if x.In.Header(hopsField) != "" {
		h := x.Request.Header
		own := len(h)
		h = x.In.AppendHeader(h, hopsField)
		for _, f := range h[own:] {
			if n, err := strconv.ParseUint(f.Value, 10, 16); err == nil {
				before = max(before, int(n))
			}
		}
		clear(h[own:])
		x.Request.Header = h[:own] // it has grown, if it had to
	}
	if before >= most {
		return &gateway.Error{Status: 508, Code: codeLoop, Public: "the request has passed too many gateways"}
	}
	x.Request.Header.Add(hopsField, strconv.Itoa(before+1))
	return nil
}
