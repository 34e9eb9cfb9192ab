package sitetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/telemetry"
)

// Compile makes a generation of a whole configuration, JSON or YAML, and starts it; it is
// closed when the test ends. Answer makes the calls of its backends. A configuration with
// an error ends the test.
func (g *Gateway) Compile(t testing.TB, text string) *compile.Generation {
	t.Helper()
	generation, problems := g.Check(t, text)
	if generation == nil {
		t.Fatalf("%s\n%s", text, config.Format(problems))
	}
	if err := generation.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := generation.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return generation
}

// Check compiles a configuration and returns all problems; with an error among them there
// is no generation. What was compiled before it is a generation of its own; Env is of the
// last.
func (g *Gateway) Check(t testing.TB, text string) (*compile.Generation, []*config.Problem) {
	t.Helper()
	if g.compiled {
		g.Reload(t)
	}
	g.compiled = true
	return compile.Compile(document(t, text), compile.Options{Registry: g.Registry, Env: g.Env})
}

// An Answer is what a client gets.
type Answer struct {
	Status int
	Header gateway.Fields
	Text   string
	Err    error // that observers are told of
}

// Ask sends a request of a client, reads the whole answer, and tells the observers.
func Ask(t testing.TB, generation *compile.Generation, r testx.Request) Answer {
	t.Helper()
	return AskIn(t.Context(), t, generation, r)
}

// AskIn is Ask of a client that leaves when ctx ends.
func AskIn(ctx context.Context, t testing.TB, generation *compile.Generation, r testx.Request) Answer {
	t.Helper()
	x := gateway.Acquire(r.Inbound())
	defer x.Release()
	x.Started = time.Now()
	err := generation.Do(ctx, x)
	var text strings.Builder
	if _, failed := x.Response.Body.WriteTo(&text); failed != nil {
		t.Errorf("the body of the answer: %v", failed)
	}
	header := make(gateway.Fields, len(x.Response.Header))
	for i, f := range x.Response.Header { // which may be in memory of the exchange
		header[i] = gateway.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value)}
	}
	if err == nil {
		err = x.Err
	}
	for _, o := range generation.Observers() {
		outcome := telemetry.Outcome{Started: x.Started, Took: time.Since(x.Started), Status: x.Response.Status, Written: int64(text.Len()), Err: err}
		if failed := o.Tell(x, outcome); failed != nil {
			t.Errorf("an observer: %v", failed)
		}
	}
	return Answer{x.Response.Status, header, text.String(), err}
}

// Deliver hands a message of a source, which is one of the generation's Sources, to its pipe,
// and returns what the source is told: nil for a whole answer.
func Deliver(t testing.TB, generation *compile.Generation, source component.Source, m gateway.Message) error {
	t.Helper()
	x := generation.Taken(source.Name, m)
	defer x.Release()
	return generation.Take(t.Context(), x, source.By)
}

// JSON answers calls with status 200 and a text.
func JSON(text string) gateway.Connector {
	return gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
		x.Response.Status = 200
		x.Response.Header.Set("Content-Type", "application/json")
		x.Response.Body = body.FromBytes([]byte(text))
		return nil
	})
}
