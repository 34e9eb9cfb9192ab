package httpcall

import (
	"context"
	"errors"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Reporter says when a host of a backend cannot be reached any more, and when it
// is back: a line for each change, whoever calls it and how often. What is known of
// a host is known to all backends that have it, so the line names the backend that
// found out.
type Reporter struct {
	Log     *component.Log
	Backend string // its url_pattern
}

// report tells the host how a call went that began in time, and reports whether
// another host may be asked: nobody was reached and there is time left. A call that a
// stage has answered says nothing of the host, and one that nobody got says it whatever
// a stage has made of that.
func (r *Reporter) report(ctx context.Context, x *gateway.Exchange, host *balance.Host, err error, others int) (again bool) {
	switch x.Request.Attempt {
	case gateway.Unmade:
		return false
	case gateway.Reached:
		if host.OK() {
			r.Log.Logger().Info("host is back", "host", host.Address, "endpoint", x.Endpoint, "backend", r.Backend)
		}
		return false
	}
	ended := ctx.Err()
	if errors.Is(ended, context.Canceled) { // who leaves says nothing of the host
		return false
	}
	if host.Fail() {
		message := "host cannot be reached"
		if others > 0 {
			message = "host cannot be reached, it is passed over for a while"
		}
		r.Log.Logger().Warn(message, "host", host.Address, "endpoint", x.Endpoint, "backend", r.Backend, "error", err)
	}
	return ended == nil && errors.Is(err, gateway.ErrUnreached)
}
