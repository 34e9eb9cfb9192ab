package compile_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// generationOf makes a generation whose backends are answered in memory.
func generationOf(t testing.TB, text string, backend gateway.Connector) *compile.Generation {
	t.Helper()
	d, problems := config.Parse("test.json", []byte(text))
	if config.HasErrors(problems) {
		t.Fatal(config.Format(problems))
	}
	g, problems := compile.Compile(d, compile.Options{
		Registry: component.Default,
		Env: &component.Env{
			Product: "Sluice 0",
			Clock:   time.Now,
			Keeper:  new(component.Keeper),
			Log:     component.NewLog(slog.DiscardHandler),
			Dial:    func(model.Transport, *tls.Config) (gateway.Connector, error) { return backend, nil },
		},
	})
	if g == nil {
		t.Fatal(config.Format(problems))
	}
	t.Cleanup(func() { g.Close(context.Background()) })
	return g
}

// inMemory answers every call with one text.
func inMemory(text string) gateway.Connector {
	return gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
		x.Response.Status = 200
		x.Response.Body = body.FromBytes([]byte(text))
		return nil
	})
}

// object returns a JSON object of about n bytes with twenty members.
func object(prefix string, n int) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range 20 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%s_%02d":{"name":"item %d","text":%q}`, prefix, i, i, strings.Repeat("x", max(1, n/20-40)))
	}
	b.WriteByte('}')
	return b.String()
}

const merge = `{"version":3,"endpoints":[{"endpoint":"/merge/{id}","backend":[
	{"url_pattern":"/a/{id}","host":["http://a"],"allow":["a_00","a_03.name","a_07"],"mapping":{"a_00":"title"},"group":"a"},
	{"url_pattern":"/b/{id}","host":["http://b"],"deny":["a_01"]}]}]}`

const noop = `{"version":3,"endpoints":[{"endpoint":"/raw/{id}","output_encoding":"no-op","backend":[
	{"url_pattern":"/raw/{id}","host":["http://a"]}]}]}`

// requests are the paths whose cost is watched: name, configuration, path,
// answer of each backend, and how many allocations a request may make.
var requests = []struct {
	name, config, path, answer string
	allocs                     float64
}{
	{"noop/2KB", noop, "/raw/7", object("a", 2<<10), 6},
	{"merge/2KB", merge, "/merge/7", object("a", 2<<10), 15},
	{"merge/20KB", merge, "/merge/7", object("a", 20<<10), 15},
}

func do(tb testing.TB, g *compile.Generation, in gateway.Inbound) {
	x := gateway.Acquire(in)
	if err := g.Do(context.Background(), x); err != nil {
		tb.Fatal(err)
	}
	if _, err := x.Response.Body.WriteTo(io.Discard); err != nil || x.Response.Status != 200 {
		tb.Fatalf("status %d, %v", x.Response.Status, err)
	}
	x.Release()
}

func BenchmarkDo(b *testing.B) {
	for _, r := range requests {
		b.Run(r.name, func(b *testing.B) {
			g := generationOf(b, r.config, inMemory(r.answer))
			in := testx.Request{Path: r.path}.Inbound()
			b.ReportAllocs()
			b.SetBytes(int64(len(r.answer)))
			for b.Loop() {
				do(b, g, in)
			}
		})
	}
}

// TestAllocations is the budget of the request path: more allocations than
// these are a regression.
func TestAllocations(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector allocates")
	}
	for _, r := range requests {
		for _, dialect := range []string{"krakend", "sluice"} { // the latter counts hops
			t.Run(r.name+"/"+dialect, func(t *testing.T) {
				g := generationOf(t, strings.Replace(r.config, `"version":3`, `"version":3,"dialect":"`+dialect+`"`, 1), inMemory(r.answer))
				in := testx.Request{Path: r.path, Header: gateway.Fields{{Name: "Sluice-Hops", Value: "3"}}}.Inbound()
				if got := testing.AllocsPerRun(200, func() { do(t, g, in) }); got > r.allocs {
					t.Errorf("%v allocations a request, the budget is %v", got, r.allocs)
				}
			})
		}
	}
}
