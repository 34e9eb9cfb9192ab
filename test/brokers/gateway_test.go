package brokers

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	_ "github.com/sluice-gateway/sluice/internal/components/all"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/engine/nethttp"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
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
	text   atomic.Pointer[string] // of the configuration
	log    said                   // nothing, while it is silent
	client *http.Client
}

// stop drains the gateway; the end of the test does so otherwise.
func (r *running) stop() error { return r.Stop() }

// quiet is what every configuration here begins with: no log, no access log, the dialect
// sluice.
const quiet = `"version":3,"dialect":"sluice","extra_config":{` + silent + `"router":{"disable_access_log":true}},`

const silent = `"telemetry/logging":{"level":"CRITICAL"},`

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
	r.text.Store(&text)
	o := options(e, environment, text)
	o.Stderr = &r.log
	o.Load = func(ctx context.Context, reads func(string)) (*config.Document, []*config.Problem) {
		return options(e, environment, *r.text.Load()).Load(ctx, reads)
	}
	r.Gateway = gatewaytest.Start(t, o)
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

// A said is what a gateway has written into its log.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (*said) Format(func(dst []byte, r slog.Record) []byte) {}
func (*said) Terminal() bool                                { return false }

// early is said of a reload that does not wait any longer for what is new to be connected.
const early = "goes live before everything is connected"

// changing calls f two thousand times from several clients, and loads the configuration five
// times meanwhile, with new in place of old and back. No call may fail, unless the machine is so
// slow that a connection takes longer than a reload waits for it: then all is tried again.
func (r *running) changing(t *testing.T, old, new string, f func(i int) error) {
	text := strings.Replace(*r.text.Load(), silent, "", 1)
	changed := strings.ReplaceAll(text, old, new)
	if changed == text {
		t.Fatalf("%q is not in the configuration", old)
	}
	r.ready(t)
	await(t, func() error {
		before := strings.Count(r.log.String(), early)
		load := make(chan string, 1)
		var loads sync.WaitGroup
		loads.Go(func() {
			for text := range load {
				r.text.Store(&text)
				r.reload(t)
			}
		})
		var failure atomic.Pointer[error]
		queuetest.Many(2000, func(i int) bool {
			err := f(i)
			if err != nil {
				failure.Store(&err)
			}
			return err == nil
		}, func(i int) {
			switch i % 800 {
			case 100:
				load <- changed
			case 500:
				load <- text
			}
		})
		close(load)
		loads.Wait()
		failed := failure.Load()
		switch {
		case failed == nil:
			return nil
		case strings.Count(r.log.String(), early) > before:
			r.ready(t)
			return *failed
		}
		t.Errorf("over reloads that change %s: %v", old, *failed)
		return nil
	})
}

// await waits until f returns nil.
func await(t testing.TB, f func() error) {
	t.Helper()
	testx.Await(t, f)
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

// listed returns what there is, one after the other, once somebody asks.
func listed(list func() []string) func() (string, bool) {
	var there []string
	asked := false
	return func() (string, bool) {
		if !asked {
			there, asked = list(), true
		}
		if len(there) == 0 {
			return "", false
		}
		message := there[0]
		there = there[1:]
		return message, true
	}
}

// everyMessage posts n messages to /orders; see [everyMessageTo].
func everyMessage(t *testing.T, r *running, b broker, n int) { everyMessageTo(t, r, "/orders", b, n) }

// everyMessageTo posts n messages from several clients while connections are cut and the
// configuration is loaded again, and compares who was told that his is taken with what is at
// the broker.
func everyMessageTo(t *testing.T, r *running, path string, b broker, n int) {
	r.ready(t)
	message := func(i int) string { return fmt.Sprintf(`{"id":%d}`, i) }
	taken := queuetest.Many(n, func(i int) bool {
		status, text := r.ask("POST", path, message(i))
		switch status {
		case 200, 502:
		case 503:
			r.ready(t)
		default:
			t.Errorf("message %d: %d %s", i, status, text)
		}
		return status == 200
	}, func(i int) {
		switch i % 2000 {
		case 1001:
			b.cut()
		case 0:
			r.reload(t)
		}
	})
	there := make(map[string]bool)
	for message, more := b.next(); more; message, more = b.next() {
		there[message] = true
	}
	lost := 0
	for i := range taken {
		if !there[message(i)] {
			lost++
		}
	}
	if lost > 0 || len(taken) == n {
		t.Errorf("%d messages are nowhere of %d that were answered with 200; %d clients were told of a failure", lost, len(taken), n-len(taken))
	}
}

// waits checks that who waits for a message gets it behind a reload.
func waits(t *testing.T, r *running, publish func(text string)) {
	t.Helper()
	r.ready(t)
	answers := make(chan string)
	go func() {
		status, text := r.ask("GET", "/orders", "")
		answers <- fmt.Sprint(status, " ", text)
	}()
	r.reload(t)
	r.reload(t)
	publish(`{"id":1}`)
	if got := <-answers; got != `200 {"id":1}` {
		t.Errorf("behind a reload: %s", got)
	}
	if status, text := r.ask("POST", "/orders", `{"id":2}`); status != 200 {
		t.Errorf("publish: %d %s", status, text)
	}
}

// goesAway checks that a broker that is slow costs the time of the request, one that is away
// nothing, and that messages go through once it is back. Health is what the health path says
// meanwhile of who publishes.
func goesAway(t *testing.T, r *running, n queuetest.Network, health string) {
	t.Helper()
	r.ready(t)
	n.Hold()
	if status, text := r.ask("POST", "/short", `{}`); status != 504 {
		t.Errorf("slow: %d %s", status, text)
	}
	n.Resume()
	waits := make(chan int)
	go func() { // takes what /short has sent, if that got there, or waits
		for {
			if status, _ := r.ask("GET", "/orders", ""); status != 200 {
				waits <- status
				return
			}
		}
	}()
	n.Stop()
	if status := <-waits; status != 503 && status != 502 { // the latter if it could not be acknowledged
		t.Errorf("who waited: %d", status)
	}
	await(t, func() error {
		if status, text := r.ask("POST", "/orders", `{}`); status != 503 {
			return fmt.Errorf("away: %d %s", status, text)
		}
		return nil
	})
	await(t, func() error { // a call may notice it sooner
		if _, text := r.ask("GET", "/__health", ""); !strings.Contains(text, health) {
			return fmt.Errorf("health while it is away: %s", text)
		}
		return nil
	})
	if status, _ := r.ask("GET", "/__ready", ""); status != 503 {
		t.Errorf("ready while it is away: %d", status)
	}
	n.Restart()
	r.ready(t)
	if status, text := r.ask("POST", "/orders", `{"id":1}`); status != 200 {
		t.Errorf("back: %d %s", status, text)
	}
}
