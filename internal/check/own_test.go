package check_test

import (
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestMachine asks the system once for its addresses, however many hosts may be
// one of them.
func TestMachine(t *testing.T) {
	d, problems := config.Parse("gateway.json", []byte(`{"version": 3, "port": 8080, "endpoints": [
		{"endpoint": "/a", "backend": [{"url_pattern": "/", "host": ["http://a:8080", "http://b:8080", "http://192.0.2.7:8080"]}]},
		{"endpoint": "/b", "backend": [{"url_pattern": "/", "host": ["http://c:8080", "http://a:8081", "http://Me:8080"]}]}]}`))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	asked := 0
	g, problems := compile.Compile(d, compile.Options{
		Registry: component.NewRegistry(),
		Machine:  func() []string { asked++; return []string{"me", "192.0.2.7"} },
		Env: &component.Env{
			Clock:  time.Now,
			Keeper: new(component.Keeper),
			Log:    component.NewLog(slog.DiscardHandler),
			Dial:   func(model.Transport, *tls.Config) (gateway.Connector, error) { return nil, nil },
		},
	})
	if g == nil || len(problems) != 2 || asked != 1 {
		t.Errorf("asked %d times, want once; want two problems, got\n%s", asked, config.Format(problems))
	}
	if g != nil {
		g.Close(t.Context())
	}
}
