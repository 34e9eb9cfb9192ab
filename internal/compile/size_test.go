package compile_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// many is a configuration of n endpoints that look like those of a real one: a
// parameter, selected headers, and on every other a second backend.
func many(n int) []byte {
	var b strings.Builder
	b.WriteString(`{"version":3,"host":["http://a.test","http://b.test"],"endpoints":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"endpoint":"/v1/area%d/{id}/thing%d","timeout":"3s","input_headers":["Authorization","Content-Type"],"input_query_strings":["page"],"backend":[
			{"url_pattern":"/thing%d/{id}?full=1","allow":["id","name","owner.name"],"mapping":{"name":"title"}}`, i%100, i, i)
		if i%2 == 0 {
			fmt.Fprintf(&b, `,{"url_pattern":"/more/{id}","host":["http://c.test:%d"],"group":"more"}`, 1000+i%50)
		}
		b.WriteString(`]}`)
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// compileMany goes from text to generation.
func compileMany(tb testing.TB, text []byte) *compile.Generation {
	d, problems := config.Parse("many.json", text)
	if config.HasErrors(problems) {
		tb.Fatal(config.Format(problems))
	}
	g, problems := compile.Compile(d, compile.Options{
		Registry: arrangements,
		Env: &component.Env{
			Product: "Sluice 0",
			Clock:   time.Now,
			Keeper:  new(component.Keeper),
			Log:     component.NewLog(slog.DiscardHandler),
			Dial:    func(model.Transport, *tls.Config) (gateway.Connector, error) { return inMemory("{}"), nil },
		},
	})
	if g == nil {
		tb.Fatal(config.Format(problems))
	}
	return g
}

const manyEndpoints = 10_000

// BenchmarkCompile compiles ten thousand endpoints.
func BenchmarkCompile(b *testing.B) {
	text := many(manyEndpoints)
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			config.Parse("many.json", text)
		}
	})
	b.Run("resolve", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d, _ := config.Parse("many.json", text)
			model.Resolve(d)
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			compileMany(b, text).Close(context.Background())
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/manyEndpoints, "ns/endpoint")
	})
}

// TestPublished reads the table of all names only where something looks wrong, since
// it is large.
func TestPublished(t *testing.T) {
	for text, want := range map[string]bool{
		noop: false,
		strings.Replace(noop, `"url_pattern"`, `"extra_config":{"qos/ratelimt/proxy":{}},"url_pattern"`, 1): true,
	} {
		asked := false
		d, _ := config.Parse("test.json", []byte(text))
		g, _ := compile.Compile(d, compile.Options{
			Registry: component.Default,
			Env: &component.Env{
				Clock: time.Now, Keeper: new(component.Keeper), Log: component.NewLog(slog.DiscardHandler),
				Dial: func(model.Transport, *tls.Config) (gateway.Connector, error) { return inMemory("{}"), nil },
			},
			Published: func() map[string]string { asked = true; return nil },
		})
		if g != nil {
			g.Close(t.Context())
		}
		if asked != want {
			t.Errorf("%s: asked for the names: %v, want %v", text, asked, want)
		}
	}
}

// TestCompileCost bounds what an endpoint costs on its way from the text to the
// generation.
func TestCompileCost(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector takes memory of its own")
	}
	const endpoints = 1000
	const bytes, allocations = 9850, 100 // for an endpoint; measured 9,790 and 99
	text := many(endpoints)
	compileMany(t, text).Close(t.Context()) // what the first one alone makes does not count
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	g := compileMany(t, text)
	runtime.ReadMemStats(&after)
	g.Close(t.Context())
	size, count := (after.TotalAlloc-before.TotalAlloc)/endpoints, (after.Mallocs-before.Mallocs)/endpoints
	t.Logf("%d bytes in %d allocations an endpoint", size, count)
	if size > bytes || count > allocations {
		t.Errorf("%d bytes in %d allocations an endpoint, the budget is %d in %d", size, count, bytes, allocations)
	}
}

// TestMemory bounds what an endpoint costs as long as the gateway lives.
func TestMemory(t *testing.T) {
	if testx.Race {
		t.Skip("the race detector takes memory of its own")
	}
	const budget = 3450 // bytes for an endpoint; measured 3,360
	text := many(manyEndpoints)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g := compileMany(t, text)
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	got := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / manyEndpoints
	t.Logf("%d bytes an endpoint", got)
	if got > budget {
		t.Errorf("%d bytes an endpoint, the budget is %d", got, budget)
	}
	runtime.KeepAlive(text)
	g.Close(t.Context())
}
