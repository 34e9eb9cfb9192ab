package brokers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/runtime"
	"github.com/sluice-gateway/sluice/test/gatewaytest"
)

func TestMain(m *testing.M) {
	status := amqptest.Main(m)
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// onBoth runs f for each engine.
func onBoth(t *testing.T, f func(t *testing.T, e engine.Engine)) {
	for _, e := range []engine.Engine{fast.Engine, nethttp.Engine} {
		t.Run(e.Name, func(t *testing.T) { f(t, e) })
	}
}

// A running gateway.
type running struct {
	*gatewaytest.Gateway
	url    string
	client *http.Client
}

// stop drains the gateway; the end of the test does so otherwise.
func (r *running) stop() error { return r.Stop() }

// quiet is what every configuration here begins with: no log, no access log, the dialect
// sluice.
const quiet = `"version":3,"dialect":"sluice","extra_config":{"telemetry/logging":{"level":"CRITICAL"},"router":{"disable_access_log":true}},`

// options are those of a gateway. The environment is of names and values.
func options(e engine.Engine, environment map[string]string, text string) runtime.Options {
	o := gatewaytest.Options(text, e)
	o.Getenv = func(name string) string { return environment[name] }
	return o
}

// start runs a gateway with a configuration until the test ends.
func start(t testing.TB, e engine.Engine, environment map[string]string, text string) *running {
	t.Helper()
	r := &running{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	t.Cleanup(r.client.CloseIdleConnections)
	r.Gateway = gatewaytest.Start(t, options(e, environment, text))
	r.url = "http://" + r.Address
	return r
}

// ask sends a request and returns status and body of the answer, 0 if there is none.
func (r *running) ask(method, path, body string) (int, string) {
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	res, err := r.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// reload loads the configuration again.
func (r *running) reload(t testing.TB) {
	t.Helper()
	if problems, err := r.Load(context.Background()); err != nil {
		t.Errorf("reload: %v\n%s", err, config.Format(problems))
	}
}

// await waits until f returns nil, a minute at most.
func await(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if err = f(); err == nil {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
	t.Errorf("after a minute: %v", err)
}

// ready waits until what is critical is there.
func (r *running) ready(t testing.TB) {
	t.Helper()
	await(t, func() error {
		if status, text := r.ask("GET", "/__ready", ""); status != 200 {
			return fmt.Errorf("not ready: %d %s", status, text)
		}
		return nil
	})
}

// A broker is one whose connections can be cut, and whose messages can be heard.
type broker struct {
	cut  func()
	next func() (message string, more bool) // of those that have come; more is false once none comes
}

// everyMessage posts n messages from several clients while connections are cut and the
// configuration is loaded again, and compares who was told that his is taken with what is at
// the broker.
func everyMessage(t *testing.T, r *running, b broker, n int) {
	r.ready(t)
	var mu sync.Mutex
	taken, told := make(map[string]bool), 0
	next := make(chan int)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for i := range next {
				body := fmt.Sprintf(`{"id":%d}`, i)
				status, text := r.ask("POST", "/orders", body)
				mu.Lock()
				switch status {
				case 200:
					taken[body] = true
				case 502, 503:
					told++
				default:
					t.Errorf("message %d: %d %s", i, status, text)
				}
				mu.Unlock()
				if status == 503 {
					r.ready(t)
				}
			}
		})
	}
	for i := range n {
		next <- i
		switch i % 2000 {
		case 1000:
			b.cut()
		case 1999:
			r.reload(t)
		}
	}
	close(next)
	wg.Wait()
	for {
		message, more := b.next()
		if !more {
			break
		}
		delete(taken, message)
		n--
	}
	if len(taken) > 0 || told == 0 {
		t.Errorf("%d messages are nowhere that were answered with 200; %d clients were told of a failure", len(taken), told)
	}
}
