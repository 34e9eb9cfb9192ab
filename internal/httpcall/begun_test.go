package httpcall

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/balance"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A reached host gets what is sent to it.
type reached struct{}

func (reached) Do(_ context.Context, x *gateway.Exchange) error {
	x.Request.Attempt = gateway.Reached
	return nil
}

func (reached) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	return finished(func() error { return reached{}.Do(ctx, x) }), true
}

type finished func() error

func (f finished) Finish() error { return f() }

// TestHeard believes a call of its host that was sent in time, even if its answer is read
// when the time is over, because others had to be read before.
func TestHeard(t *testing.T) {
	set, err := balance.NewStatic([]string{"http://h1.test"}, balance.Options{Clock: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	says := Reporter{Log: component.NewLog(slog.NewTextHandler(&log, nil))}
	for name, by := range map[string]gateway.Beginner{
		"the only host":  NewDirect(set.First(), reached{}, says),
		"one of several": &Balanced{Hosts: balance.New(set, balance.RoundRobin), Next: reached{}, Says: says},
	} {
		for _, sent := range []bool{true, false} { // in time
			log.Reset()
			set.First().Fail()
			x := testx.Request{}.Exchange(t)
			ctx, cancel := context.WithCancel(t.Context())
			if !sent {
				cancel()
			}
			p, _ := by.Begin(ctx, x)
			cancel()
			if err := p.Finish(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if back := strings.Contains(log.String(), "host is back"); back != sent {
				t.Errorf("%s, sent in time %t: the log says %q", name, sent, log.String())
			}
			set.First().OK()
		}
	}
}
