package reliability

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-gateway/sluice/internal/component"
	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/test/gatewaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var pinned = flag.String("engine", fast.Engine.Name, "the HTTP engine under test")

// engines returns all engines, the one under test first.
func engines() []engine.Engine {
	if *pinned == nethttp.Engine.Name {
		return []engine.Engine{nethttp.Engine, fast.Engine}
	}
	return []engine.Engine{fast.Engine, nethttp.Engine}
}

// A running gateway, with a configuration that may be exchanged.
type running struct {
	*gatewaytest.Gateway
	url    string
	config atomic.Pointer[string]
}

// start runs a gateway with a configuration until the test ends.
func start(t testing.TB, text string) *running {
	t.Helper()
	return startWith(t, text, component.Default)
}

// with returns all components, and one of the test's own in front of them.
func with(own component.Declaration) *component.Registry {
	all := []component.Declaration{own}
	for _, d := range component.Default.All() {
		all = append(all, *d)
	}
	return component.NewRegistry(all...)
}

// startWith is start with components of the test's own.
func startWith(t testing.TB, text string, registry *component.Registry) *running {
	t.Helper()
	r := new(running)
	r.config.Store(&text)
	o := gatewaytest.Options("", engines()...)
	o.Registry = registry
	o.Load = func(context.Context, func(string)) (*config.Document, []*config.Problem) {
		return config.Parse("gateway.json", []byte(*r.config.Load()))
	}
	r.Gateway = gatewaytest.Start(t, o)
	r.url = "http://" + r.Address
	if s := r.Service(); s.TLS != nil && !s.TLS.Disabled {
		r.url = "https://" + r.Address
	}
	return r
}

// quiet is what every configuration here begins with: no log, no access log.
const quiet = `"version":3,"extra_config":{"telemetry/logging":{"level":"CRITICAL"},"router":{"disable_access_log":true}},`

// serve answers HTTP on an address until the test ends or stop is called.
func serve(t testing.TB, address string, h http.HandlerFunc) (url string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	var wg sync.WaitGroup
	wg.Go(func() { server.Serve(l) })
	stop = sync.OnceFunc(func() { server.Close(); wg.Wait() })
	t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

// newClient returns a client whose connections end with the test.
func newClient(t testing.TB) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get returns status and body of an answer.
func get(c *http.Client, url string) (int, string, error) {
	res, err := c.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// load calls f n times from some goroutines at once and returns the first
// complaint.
func load(n, workers int, f func(i int) string) string {
	var next atomic.Int64
	var complaint atomic.Pointer[string]
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n) && complaint.Load() == nil; i = next.Add(1) {
				if text := f(int(i)); text != "" {
					complaint.CompareAndSwap(nil, &text)
				}
			}
		})
	}
	wg.Wait()
	if text := complaint.Load(); text != nil {
		return *text
	}
	return ""
}

// fill puts addresses into a configuration: $1, $2, ...
func fill(text string, addresses ...string) string {
	for i, a := range addresses {
		text = strings.ReplaceAll(text, "$"+string(rune('1'+i)), a)
	}
	return text
}
