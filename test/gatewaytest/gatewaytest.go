package gatewaytest

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/runtime"
)

// Options are those of a gateway that logs nothing, whose configuration is a text in JSON, or
// in YAML. A test changes of them what it likes.
func Options(text string, engines ...engine.Engine) runtime.Options {
	name := "gateway.json"
	if !strings.HasPrefix(text, "{") {
		name = "gateway.yaml"
	}
	return runtime.Options{
		Load: func(context.Context, func(string)) (*config.Document, []*config.Problem) {
			return config.Parse(name, []byte(text))
		},
		Registry: component.Default,
		Engines:  engines,
		Log:      slog.DiscardHandler,
		Product:  "Sluice 0",
	}
}

// A Gateway serves until the test ends.
type Gateway struct {
	*runtime.Gateway
	Address string // host and port

	// Stop drains the gateway and returns when it has ended, with the error of that, however
	// often it is called. The end of the test does so otherwise, and takes an error for a
	// failure.
	Stop func() error
}

// Start runs a gateway, whose configuration has to be good.
func Start(t testing.TB, o runtime.Options) *Gateway {
	t.Helper()
	g := runtime.New(o)
	if problems, err := g.Load(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, config.Format(problems))
	}
	return Serve(t, g)
}

// Serve lets a gateway serve that has loaded its configuration.
func Serve(t testing.TB, of *runtime.Gateway) *Gateway {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{Gateway: of, Address: l.Addr().String()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- of.Serve(ctx, l) }()
	end := sync.OnceValue(func() error { cancel(); return <-done })
	var asked atomic.Bool
	g.Stop = func() error { asked.Store(true); return end() }
	t.Cleanup(func() {
		if err := end(); err != nil && !asked.Load() {
			t.Errorf("stop: %v", err)
		}
	})
	return g
}
