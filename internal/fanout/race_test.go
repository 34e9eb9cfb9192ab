package fanout

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A rival answers each call after the time that its number has, and as ends says.
type rival struct {
	after []time.Duration
	ends  func(n int, x *gateway.Exchange) error
	begun int
}

func (r *rival) Begin(_ context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	n := r.begun
	r.begun++
	return finisher(func() error { time.Sleep(r.after[n]); return r.ends(n, x) }), true
}

func (r *rival) Do(context.Context, *gateway.Exchange) error { panic("it begins") }

// TestRaceOrder decides between answers that are not complete, and between failures, by
// the number of the call and not by time.
func TestRaceOrder(t *testing.T) {
	incomplete := func(n int, x *gateway.Exchange) error { x.Response.Status = 200 + n; return nil }
	failing := func(n int, _ *gateway.Exchange) error { return fmt.Errorf("failure %d", 200+n) }
	cut := func(n int, x *gateway.Exchange) error {
		if n == 0 {
			return context.Canceled
		}
		return failing(n, x)
	}
	for _, after := range [][]time.Duration{{1, 2, 3}, {3, 2, 1}, {2, 3, 1}} {
		for name, tt := range map[string]struct {
			ends func(int, *gateway.Exchange) error
			want string
		}{"incomplete": {incomplete, "200 <nil>"}, "failing": {failing, "0 failure 200"}, "cut": {cut, "0 failure 201"}} {
			synctest.Test(t, func(t *testing.T) {
				x := testx.Request{}.Exchange(t)
				err := (&Race{Plan: &rival{after: after, ends: tt.ends}, Calls: len(after)}).Do(t.Context(), x)
				if got := fmt.Sprint(x.Response.Status, " ", err); got != tt.want {
					t.Errorf("%s, after %v: got %s, want %s", name, after, got, tt.want)
				}
			})
		}
	}
}

// TestRaceLosers tells calls that were not the first that another one was, and not that
// their client is gone.
func TestRaceLosers(t *testing.T) {
	var begun atomic.Int32
	lost := make(chan string, 1)
	race := &Race{Calls: 2, Plan: gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
		if begun.Add(1) == 1 {
			x.Response.Status, x.Response.Complete = 200, true
			return nil
		}
		<-ctx.Done()
		e := gateway.Left(ctx, ctx.Err())
		lost <- e.Code
		return e
	})}
	x := testx.Request{}.Exchange(t)
	if err := race.Do(t.Context(), x); err != nil || x.Response.Status != 200 {
		t.Errorf("status %d, %v", x.Response.Status, err)
	}
	if got := <-lost; got != gateway.CodeSuperseded {
		t.Errorf("the other call failed with %s, want %s", got, gateway.CodeSuperseded)
	}
}
