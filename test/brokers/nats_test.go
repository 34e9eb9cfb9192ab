package brokers

import (
	"fmt"
	"testing"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/nats/natstest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

var overNATS = drivers["nats"].over()

// TestNATSReload: a reload that changes how the server is connected to fails no request.
func TestNATSReload(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s := natstest.Start(t, natstest.Options{})
		r := start(t, e, map[string]string{"NATS_SERVER_URL": s.URL}, overNATS)
		r.changing(t, `"critical": true`, `"critical": true, "max_retries": 100`, func(i int) error {
			if status, text := r.ask("POST", "/orders", `{}`); status != 200 {
				return fmt.Errorf("message %d: %d %s", i, status, text)
			}
			return nil
		})
	})
}

// TestNATSTry: a single message waits for the connection a moment, and not for ever.
func TestNATSTry(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s := natstest.Start(t, natstest.Options{})
		for _, want := range []int{200, 503} {
			in := testx.Request{Method: "POST", Path: "/orders", Body: "{}"}.Inbound()
			status := 0
			_, err := runtime.New(options(e, map[string]string{"NATS_SERVER_URL": s.URL}, overNATS)).Try(t.Context(), in,
				func(x *gateway.Exchange) { status = x.Response.Status }, func(*compile.Generation, *gateway.Exchange, error) {})
			if err != nil || status != want {
				t.Errorf("status %d, %v; want %d", status, err, want)
			}
			s.Stop()
		}
	})
}
