package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/compile"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/agent"
	"github.com/sluice-gateway/sluice/internal/kit/queue"
	"github.com/sluice-gateway/sluice/internal/kit/queue/queuetest"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// options are those of a driver of the test, whose queue is orders.
type options struct {
	Host     string          `json:"host"`
	AutoAck  bool            `json:"auto_ack"`
	Discard  bool            `json:"discard"`
	Delay    config.Duration `json:"delay"`
	Most     int             `json:"most"`
	Metadata bool            `json:"metadata"`
	Headers  []string        `json:"headers"`
	Critical bool            `json:"critical"`
	Room     int             `json:"room"`  // how many deliveries may rest, 0 for any number
	Fails    bool            `json:"fails"` // nobody tries any longer while the broker is away
	Faulty   bool            `json:"faulty"`
	Letters  string          `json:"letters"`
}

// faults says what goes wrong where a driver is faulty: in Receive, Ack or Nack. Nil is nothing, and
// errPanic a panic.
var faults func(in string) error

// nowhere is that dead letters are lost.
var nowhere atomic.Bool

func lost() error {
	if nowhere.Load() {
		return errNo
	}
	return nil
}

var errPanic = errors.New("the library panics")

func fault(in string) error {
	if faults == nil {
		return nil
	}
	err := faults(in)
	if err == errPanic {
		panic(err)
	}
	return err
}

// A faulty subscriber has faults, and knows of messages no more than that they come again.
type faulty struct{ queue.Subscriber }

type faultyDelivery struct {
	queue.Delivery
	m queue.Message
}

func (f *faulty) Receive(ctx context.Context) (queue.Delivery, error) {
	if err := fault("Receive"); err != nil {
		return nil, err
	}
	d, err := f.Subscriber.Receive(ctx)
	if err != nil {
		return nil, err
	}
	m := *d.Message()
	m.Redelivered, m.Uncounted = min(m.Redelivered, 1), true
	return &faultyDelivery{d, m}, nil
}

func (d *faultyDelivery) Message() *queue.Message { return &d.m }

func (d *faultyDelivery) Ack(ctx context.Context) error {
	if err := fault("Ack"); err != nil {
		return err
	}
	return d.Delivery.Ack(ctx)
}

func (d *faultyDelivery) Nack(ctx context.Context, requeue bool) error {
	if err := fault("Nack"); err != nil {
		return err
	}
	return d.Delivery.Nack(ctx, requeue)
}

// forgets is a subscriber whose broker forgets a message when it is received.
type forgets struct{ queue.Subscriber }

type forgotten struct{ queue.Delivery }

func (f *forgets) Receive(ctx context.Context) (queue.Delivery, error) {
	d, err := f.Subscriber.Receive(ctx)
	if err != nil {
		return nil, err
	}
	return forgotten{d}, d.Ack(ctx)
}

func (forgotten) Ack(context.Context) error        { return nil }
func (forgotten) Nack(context.Context, bool) error { return nil }

// failing has no hope while its broker is away.
type failing struct{ queue.Subscriber }

// narrow is a subscriber whose broker waits for so many deliveries that rest.
type narrow struct {
	queue.Subscriber
	room int
	rest atomic.Int32
}

type narrowed struct {
	queue.Delivery
	of *narrow
}

func (n *narrow) Receive(ctx context.Context) (queue.Delivery, error) {
	d, err := n.Subscriber.Receive(ctx)
	if err != nil {
		return nil, err
	}
	return narrowed{d, n}, nil
}

func (d narrowed) Rest() bool { return int(d.of.rest.Add(1)) < d.of.room }

func (d narrowed) Nack(ctx context.Context, requeue bool) error {
	d.of.rest.Add(-1)
	return d.Delivery.Nack(ctx, requeue)
}

// Run is that of a source, which is never run.
func (f *failing) Run(context.Context, func(gateway.Message) error) error { return nil }

func (f *failing) Wait(context.Context) error {
	if _, up := f.Health(); !up {
		return errNo
	}
	return nil
}

func (options) Defaults() options { return options{Delay: config.Duration(time.Second)} }

func init() {
	component.Register(
		component.Driver(component.Info{Namespace: "test/driver"}, func(s *component.PipeSite, o options) error {
			a, err := queue.NewAddress(&s.Site, s.Name(), "", o.Host, "orders")
			if err != nil {
				return err
			}
			sub, err := queue.OpenSubscriber(&s.Site, a)
			if err != nil {
				return err
			}
			if o.Fails {
				sub = &failing{sub}
			}
			if o.Faulty {
				inner := sub
				if sub, err = component.Keep(&s.Site, "faulty", func() (*faulty, func(), error) { return &faulty{inner}, nil, nil }); err != nil {
					return err
				}
			}
			if o.AutoAck {
				sub = &forgets{sub}
			}
			if o.Room > 0 {
				sub = &narrow{Subscriber: sub, room: o.Room}
			}
			return agent.Take(s, sub, agent.Options{AutoAck: o.AutoAck, Discard: o.Discard, RetryDelay: time.Duration(o.Delay), MaxDeliveries: o.Most,
				Metadata: o.Metadata, Headers: o.Headers, Critical: o.Critical, Letters: o.Letters, Lost: lost})
		}),
		component.Driver(component.Info{Namespace: "test/second"}, func(s *component.PipeSite, _ struct{}) error { return s.Source(&failing{}, new(int)) }),
		component.Service(component.Info{Namespace: "test/pipe", Pipes: component.InAgent}, func(s *component.ServiceSite, o piped) error {
			s.Source("other", nil, s.Pipe(component.InAgent, &model.Endpoint{Endpoint: "other", Backend: o.Backend, ExtraConfig: o.ExtraConfig, Node: o.Node}))
			return nil
		}))
}

// piped are the options of a source that is no agent.
type piped struct {
	Backend     []*model.Backend        `json:"backend"`
	ExtraConfig map[string]*config.Node `json:"extra_config"`
	Node        *config.Node            `json:"-"`
}

func (piped) Scope() string { return string(component.InAgent) }

// A call is what a backend got of a message.
type call struct {
	at   time.Duration
	text string
}

// A bench is a gateway with one agent, whose backends answer as they are told.
type bench struct {
	*sitetest.Gateway
	broker *queuetest.Broker
	began  time.Time

	mu     sync.Mutex
	calls  []call
	answer func(ctx context.Context, path, text string) error
}

func newBench(t *testing.T) *bench {
	b := &bench{Gateway: sitetest.New(t), broker: queuetest.New(t), began: time.Now()}
	b.Answer = gateway.ConnectorFunc(func(ctx context.Context, x *gateway.Exchange) error {
		body, err := x.Request.Body.Bytes(0)
		if err != nil {
			return err
		}
		b.mu.Lock()
		b.calls = append(b.calls, call{time.Since(b.began), x.Request.Path + " " + string(body)})
		answer := b.answer
		b.mu.Unlock()
		if answer != nil {
			if err := answer(ctx, x.Request.Path, string(body)); err != nil {
				return err
			}
		}
		return sitetest.JSON(`{"ok":true}`).Do(ctx, x)
	})
	return b
}

// say lets the backends answer as f does.
func (b *bench) say(f func(ctx context.Context, path, text string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = f
}

// got returns what the backends have got since the last look.
func (b *bench) got() (texts []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		texts = append(texts, fmt.Sprintf("%v %s", c.at, c.text))
	}
	b.calls = nil
	return texts
}

// load compiles a configuration with more keys of the consumer, of the agent and of the driver.
func (b *bench) load(t *testing.T, dialect, consumer, keys, driver string) *compile.Generation {
	t.Helper()
	return b.Compile(t, fmt.Sprintf(`{"version": 3, "dialect": %q, "host": ["http://a.test"], "async_agent": [{"name": "orders",
		"consumer": {"topic": "#", "timeout": "10s"%s}, "extra_config": {"test/driver": {"host": %q%s}}%s}]}`, dialect, consumer, b.broker.Host(), driver, keys))
}

const one = `, "backend": [{"url_pattern": "/a", "method": "POST"}]`

// run runs the agent of a generation until stop, which returns what Run does.
func run(t *testing.T, g *compile.Generation) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	src := g.Sources()[0]
	ended := make(chan error, 1)
	go func() {
		ended <- src.Run(ctx, func(m gateway.Message) error { return sitetest.Deliver(t, g, src, m) })
	}()
	synctest.Wait()
	return func() error { cancel(); return <-ended }
}

func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func put(b *queuetest.Broker, bodies ...string) {
	for _, text := range bodies {
		b.Put("orders", queue.Message{Body: []byte(text)})
	}
}

var errNo = &gateway.Error{Code: gateway.CodeBackendStatus, Err: errors.New("no")}

// TestOutcome: what becomes of a message follows what became of its calls.
func TestOutcome(t *testing.T) {
	tests := []struct {
		name, keys, driver string
		answer             func(ctx context.Context, path, text string) error
		calls              []string
		left, dropped      int
	}{
		{"all is well", one, "", nil, []string{"0s /a x"}, 0, 0},
		{"it fails, rests, and comes again, later each time", one, "", func(context.Context, string, string) error { return errNo },
			[]string{"0s /a x", "1s /a x", "3s /a x", "7s /a x", "15s /a x"}, 0, 0},
		{"at once", one, `, "delay": "0s", "most": 3`, func(context.Context, string, string) error { return errNo },
			[]string{"0s /a x", "0s /a x", "0s /a x"}, 0, 1},
		{"no longer than a minute", one, `, "delay": "40s", "most": 4`, func(context.Context, string, string) error { return errNo },
			[]string{"0s /a x", "40s /a x", "1m40s /a x", "2m40s /a x"}, 0, 1},
		{"three times", one, `, "most": 3`, func(context.Context, string, string) error { return errNo },
			[]string{"0s /a x", "1s /a x", "3s /a x"}, 0, 1},
		{"dropped", one, `, "discard": true`, func(context.Context, string, string) error { return errNo }, []string{"0s /a x"}, 0, 1},
		{"too slow", one, `, "most": 1`, func(ctx context.Context, _, _ string) error {
			<-ctx.Done()
			return &gateway.Error{Code: gateway.CodeTimeout, Err: ctx.Err()}
		}, []string{"0s /a x"}, 0, 1},
		{"one of two fails", `, "backend": [{"url_pattern": "/a", "method": "POST"}, {"url_pattern": "/b", "method": "POST"}], "encoding": "json"`, `, "most": 2`,
			func(_ context.Context, path, _ string) error {
				if path == "/b" {
					return errNo
				}
				return nil
			}, []string{"0s /a x", "0s /b x", "1s /a x", "1s /b x"}, 0, 1},
		{"by GET, too", `, "backend": [{"url_pattern": "/a"}]`, "", nil, []string{"0s /a x"}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.say(tt.answer)
				g := b.load(t, "sluice", "", tt.keys, tt.driver)
				stop := run(t, g)
				put(b.broker, "x")
				wait(20 * time.Second)
				if strings.Contains(tt.driver, "40s") {
					wait(5 * time.Minute)
				}
				got := b.got()
				slices.Sort(got)
				slices.Sort(tt.calls)
				if !slices.Equal(got, tt.calls) {
					t.Errorf("calls %q, want %q", got, tt.calls)
				}
				if d := len(b.broker.Dropped("orders")); d != tt.dropped {
					t.Errorf("%d dropped, want %d", d, tt.dropped)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestFault: of a message that is not there no call is made; the log has a line each time, and
// what becomes of it is what becomes of any that fails.
func TestFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := run(t, b.load(t, "sluice", "", one, `, "most": 3`))
		b.broker.Put("orders", queue.Message{Fault: errNo}, queue.Message{Body: []byte("x")})
		wait(time.Minute)
		if got := b.got(); !slices.Equal(got, []string{"0s /a x"}) {
			t.Errorf("calls %q", got)
		}
		if n := strings.Count(b.Log.String(), "a message cannot be taken"); n != 3 || len(b.broker.Dropped("orders")) != 1 {
			t.Errorf("%d lines, %d dropped:\n%s", n, len(b.broker.Dropped("orders")), b.Log.String())
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestWorkersAndRate: as many messages as there are workers are worked on at once, and all of
// them together begin no faster than the rate.
func TestWorkersAndRate(t *testing.T) {
	tests := []struct {
		name, consumer string
		takes          time.Duration
		want           []string
	}{
		{"one worker", ``, time.Second, []string{"0s", "1s", "2s", "3s", "4s", "5s"}},
		{"less is one", `, "workers": 0`, time.Second, []string{"0s", "1s", "2s", "3s", "4s", "5s"}},
		{"two workers", `, "workers": 2`, time.Second, []string{"0s", "0s", "1s", "1s", "2s", "2s"}},
		{"two a second, at once first", `, "workers": 4, "max_rate": 2.5`, 0, []string{"0s", "0s", "400ms", "800ms", "1.2s", "1.6s"}},
		{"one in two seconds", `, "workers": 4, "max_rate": 0.5`, 0, []string{"0s", "2s", "4s", "6s", "8s", "10s"}},
		{"no rate", `, "workers": 9, "max_rate": -1`, 0, []string{"0s", "0s", "0s", "0s", "0s", "0s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.say(func(context.Context, string, string) error { time.Sleep(tt.takes); return nil })
				put(b.broker, "1", "2", "3", "4", "5", "6")
				stop := run(t, b.load(t, "sluice", tt.consumer, one, ""))
				wait(time.Minute)
				var got []string
				for _, line := range b.got() {
					at, _, _ := strings.Cut(line, " ")
					got = append(got, at)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("begun at %q, want %q", got, tt.want)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A stream is the body of an answer that comes in parts, one in a second, and ends with err.
type stream struct {
	parts int
	err   error
	ends  *bool // it was read to its end
}

func (s *stream) Read(p []byte) (int, error) {
	if s.parts == 0 {
		*s.ends = true
		return 0, s.err
	}
	time.Sleep(time.Second)
	s.parts--
	return copy(p, "part"), nil
}

func (*stream) Close() error { return nil }

// TestPassedThrough: an answer that is not decoded is whole when it has been read to its end.
func TestPassedThrough(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		err     error
		dropped int
	}{
		{"whole", 200, io.EOF, 0},
		{"broken off", 200, &gateway.Error{Code: gateway.CodeBackendAborted, Err: io.ErrUnexpectedEOF}, 1},
		{"a failure", 503, io.EOF, 1},
	}
	for _, tt := range tests {
		for _, dialect := range []string{"sluice", "krakend"} {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				var ends bool
				b.Answer = gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
					x.Response.Status, x.Response.Body = tt.status, body.FromStream(&stream{3, tt.err, &ends}, -1)
					return nil
				})
				stop := run(t, b.load(t, dialect, "", `, "encoding": "no-op"`+one, `, "discard": true`))
				put(b.broker, "x")
				wait(2500 * time.Millisecond)
				if n := b.broker.Held(); n != 1 && tt.status == 200 {
					t.Errorf("%s in %s: %d messages are held while the answer comes, want 1", tt.name, dialect, n)
				}
				wait(time.Second)
				if d, n := len(b.broker.Dropped("orders")), b.broker.Held(); d != tt.dropped || n != 0 || tt.status == 200 && !ends {
					t.Errorf("%s in %s: %d dropped, %d held, read to the end: %t", tt.name, dialect, d, n, ends)
				}
				if err := stop(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestManyWorkers: a worker that has nothing to do is none, whether it is the queue or the rate
// that it waits for.
func TestManyWorkers(t *testing.T) {
	for _, rate := range []string{"", `, "max_rate": 1`} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			before := runtime.NumGoroutine()
			stop := run(t, b.load(t, "sluice", `, "workers": 10000`+rate, one, ""))
			if n := runtime.NumGoroutine() - before; n > 10 {
				t.Errorf("%d goroutines while there is no message", n)
			}
			put(b.broker, slices.Repeat([]string{"x"}, 100)...)
			wait(time.Second)
			if n := runtime.NumGoroutine() - before; n > 10 {
				t.Errorf("%d goroutines while there are messages", n)
			}
			wait(2 * time.Minute)
			if n := len(b.got()); n != 100 {
				t.Errorf("%d calls, want 100", n)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestForgotten: what the broker has forgotten is worked on at the stop, and what the rate does
// not allow is not taken.
func TestForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.say(func(context.Context, string, string) error { time.Sleep(3 * time.Second); return nil })
		g := b.load(t, "sluice", `, "max_rate": 1, "workers": 4`, one, `, "auto_ack": true`)
		put(b.broker, "1", "2", "3", "4", "5")
		stop := run(t, g)
		wait(1500 * time.Millisecond)
		if err := stop(); err != nil {
			t.Error(err)
		}
		g.Discard()
		if got, left := b.got(), b.broker.Queue("orders"); len(got) != 2 || len(left) != 3 {
			t.Errorf("calls %q, %d left; want 2 and 3", got, len(left))
		}
	})
}

// TestReload: an agent whose consumer did not change goes on beside the one before it, with
// what is left of the rate and of the workers, and a message that waits for its turn is taken
// over. One that has changed gives back what rested.
func TestReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const slow = `, "workers": 2, "max_rate": 1`
		b.say(func(_ context.Context, path, _ string) error { time.Sleep(5 * time.Second); return nil })
		put(b.broker, "1", "2", "3")
		before := b.load(t, "sluice", slow, one, "")
		stop := run(t, before)
		after := b.load(t, "sluice", slow, `, "backend": [{"url_pattern": "/b", "method": "POST"}]`, "")
		if before.Sources()[0].Kept != after.Sources()[0].Kept {
			t.Error("an agent with other backends has lost what was kept")
		}
		done := make(chan error)
		go func() { done <- stop() }()
		next := run(t, after)
		wait(time.Minute)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got, want := b.got(), []string{"0s /a 1", "1s /b 2", "5s /b 3"}; !slices.Equal(got, want) {
			t.Errorf("calls %q, want %q", got, want)
		}
		if b.broker.Held() != 0 || len(b.broker.Queue("orders")) != 0 {
			t.Errorf("%d held, %v in the queue", b.broker.Held(), b.broker.Queue("orders"))
		}
		changed := b.load(t, "sluice", `, "workers": 3`, one, "")
		if changed.Sources()[0].Kept == after.Sources()[0].Kept {
			t.Error("an agent with more workers has what was kept")
		}
		if err := next(); err != nil {
			t.Error(err)
		}
	})
}

// TestStop: what rests goes back to the queue at the end, and so does what was cut, which
// counts as no failure.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.say(func(context.Context, string, string) error { return errNo })
		put(b.broker, "1")
		g, problems := b.Check(t, fmt.Sprintf(`{"version": 3, "async_agent": [{"name": "orders", "consumer": {"topic": "#"}, "backend": [{"url_pattern": "/a", "host": ["http://a.test"]}],
			"extra_config": {"test/driver": {"host": %q, "delay": "1h"}}}]}`, b.broker.Host()))
		if g == nil {
			t.Fatal(problems)
		}
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		stop := run(t, g)
		if n := b.broker.Held(); n != 1 {
			t.Errorf("%d messages rest, want 1", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n, q := b.broker.Held(), b.broker.Queue("orders"); n != 0 || len(q) != 1 {
			t.Errorf("%d messages rest, %v are in the queue", n, q)
		}
	})
}

// TestAway: an agent takes again when its broker is back, and what it held comes again, once.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.broker.Lose(errors.New("not there"))
		g := b.load(t, "krakend", "", one, "")
		health := b.Env.Health[0]
		stop := run(t, g)
		put(b.broker, "1")
		wait(10 * time.Second)
		if text, ok := health.State(); text != "" || !ok {
			t.Errorf("health before it was connected: %q, %t", text, ok)
		}
		b.broker.Return()
		wait(2 * time.Second)
		b.say(func(context.Context, string, string) error { time.Sleep(time.Second); return nil })
		put(b.broker, "2")
		synctest.Wait()
		b.broker.Lose(errors.New("cut"))
		wait(time.Minute)
		b.broker.Return()
		wait(time.Minute)
		var got []string
		for _, line := range b.got() {
			_, text, _ := strings.Cut(line, " ")
			got = append(got, text)
		}
		if want := []string{"/a 1", "/a 2", "/a 2"}; !slices.Equal(got, want) {
			t.Errorf("calls %q, want %q", got, want)
		}
		if text, ok := health.State(); text == "" || !ok || text == "ready" {
			t.Errorf("health: %q, %t; want the time", text, ok)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestVoid: a message whose connection ends while it waits for the rate, or rests, is not worked
// on and not held any longer; it comes again.
func TestVoid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := run(t, b.load(t, "sluice", `, "max_rate": 0.1, "workers": 2`, one, ""))
		put(b.broker, "1", "2", "3")
		wait(time.Second)
		b.broker.Lose(errors.New("cut"))
		b.broker.Return()
		wait(time.Hour)
		var got []string
		for _, line := range b.got() {
			_, text, _ := strings.Cut(line, " ")
			got = append(got, text)
		}
		slices.Sort(got)
		if want := []string{"/a 1", "/a 2", "/a 3"}; !slices.Equal(got, want) {
			t.Errorf("calls %q, want %q", got, want)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestFlood: a line tells that messages are dropped, however many are, and one that they are not
// any more.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var log bytes.Buffer
		b.Env.Log = component.NewLog(slog.NewTextHandler(&log, nil))
		b.say(func(_ context.Context, _, text string) error {
			if text == "bad" {
				return errNo
			}
			return nil
		})
		stop := run(t, b.load(t, "sluice", "", one, `, "most": 1`))
		for range 1000 {
			put(b.broker, "bad")
		}
		wait(time.Minute)
		put(b.broker, "good")
		wait(time.Minute)
		if n := strings.Count(log.String(), "\n"); n != 2 || len(b.broker.Dropped("orders")) != 1000 {
			t.Errorf("%d dropped, and %d lines, want 1000 and 2: %.500s", len(b.broker.Dropped("orders")), n, &log)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestNoRoom: a line tells that messages that rest leave no room for others, and one that others are
// worked on.
func TestNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var log bytes.Buffer
		b.Env.Log = component.NewLog(slog.NewTextHandler(&log, nil))
		b.say(func(_ context.Context, _, text string) error {
			if text == "bad" {
				return errNo
			}
			return nil
		})
		stop := run(t, b.load(t, "sluice", "", one, `, "room": 2`))
		put(b.broker, "bad")
		wait(time.Minute)
		if log.Len() != 0 {
			t.Errorf("the log says %s", &log)
		}
		put(b.broker, "bad", "bad", "bad")
		wait(10 * time.Minute)
		b.say(nil) // of any text
		put(b.broker, "good")
		wait(time.Second)
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "as many messages rest as may") || !strings.Contains(text, "worked on again") {
			t.Errorf("the log says %s", text)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestFailed: an agent that has failed takes again when its broker is back all the same.
func TestFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.broker.Lose(errors.New("not there"))
		stop := run(t, b.load(t, "sluice", "", one, `, "fails": true`))
		put(b.broker, "1")
		wait(time.Minute)
		b.broker.Return()
		wait(2 * time.Second)
		if got := b.got(); len(got) != 1 {
			t.Errorf("calls %q, want one", got)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// count returns how many calls there were with each text, without their times.
func (b *bench) count() map[string]int {
	n := make(map[string]int)
	for _, line := range b.got() {
		_, text, _ := strings.Cut(line, " ")
		n[text]++
	}
	return n
}

// TestFaults: whatever the library of a broker does, be it a panic, an agent goes on when that is
// over, without and with a reload, tells once that it is so, and is not well meanwhile if
// nothing can be taken.
func TestFaults(t *testing.T) {
	tests := []struct {
		in, line, over string
		err            error
		well           bool
	}{
		{"Receive", "no message can be taken", "messages can be taken again", errPanic, false},
		{"Receive", "no message can be taken", "messages can be taken again", queue.Refused(errors.New("you may not")), false},
		{"Ack", "what became of a message is not told", "the broker is told again", errPanic, true},
		{"Ack", "what became of a message is not told", "the broker is told again", errNo, true},
		{"Nack", "what became of a message is not told", "the broker is told again", errPanic, true},
		{"Nack", "what became of a message is not told", "the broker is told again", errNo, true},
	}
	for _, tt := range tests {
		for _, reload := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				var wrong atomic.Bool
				wrong.Store(true)
				faults = func(in string) error {
					if in == tt.in && wrong.Load() {
						return tt.err
					}
					return nil
				}
				defer func() { faults = nil }()
				b := newBench(t)
				b.say(func(context.Context, string, string) error {
					if tt.in == "Nack" && wrong.Load() {
						return errNo
					}
					return nil
				})
				const driver = `, "faulty": true, "critical": true`
				stop := run(t, b.load(t, "krakend", "", one, driver))
				put(b.broker, "1", "2")
				wait(time.Hour)
				if text, ok := b.Env.Health[0].State(); ok != tt.well || !ok && !strings.HasPrefix(text, "failing, last seen") {
					t.Errorf("%s, %v: health %q, %t", tt.in, tt.err, text, ok)
				}
				if n := strings.Count(b.Log.String(), tt.line); n != 1 {
					t.Errorf("%s, %v: %d lines:\n%s", tt.in, tt.err, n, b.Log.String())
				}
				next := stop
				if reload {
					next = run(t, b.load(t, "krakend", "", one, driver))
					if err := stop(); err != nil {
						t.Error(err)
					}
				}
				wrong.Store(false)
				b.broker.Lose(errors.New("cut"))
				b.broker.Return()
				wait(time.Minute)
				if n := len(b.broker.Queue("orders")) + b.broker.Held(); n != 0 || b.count()["/a 1"] == 0 {
					t.Errorf("%s, %v: %d messages are left", tt.in, tt.err, n)
				}
				if text, ok := b.Env.Health[len(b.Env.Health)-1].State(); !ok || strings.Contains(text, "failing") {
					t.Errorf("%s, %v: health at the end %q, %t", tt.in, tt.err, text, ok)
				}
				if n := strings.Count(b.Log.String(), tt.over); n != 1 {
					t.Errorf("%s, %v: %d lines that it is over:\n%s", tt.in, tt.err, n, b.Log.String())
				}
				if err := next(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestQuietAgain: that the broker gave an error is over when it lets wait for a message.
func TestQuietAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wrong atomic.Bool
		wrong.Store(true)
		faults = func(string) error {
			if wrong.Load() {
				return errNo
			}
			return nil
		}
		defer func() { faults = nil }()
		b := newBench(t)
		stop := run(t, b.load(t, "sluice", "", one, `, "faulty": true`))
		wait(time.Minute)
		if text, _ := b.Env.Health[0].State(); !strings.HasPrefix(text, "failing") {
			t.Errorf("health %q", text)
		}
		wrong.Store(false)
		wait(time.Minute)
		if text, _ := b.Env.Health[0].State(); !strings.HasPrefix(text, "ready") {
			t.Errorf("health %q, and there is no message", text)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestCounted: a message was delivered as often as it was worked on, where the broker does not
// count; that a connection ends is no delivery, nor is it forgotten then what was counted.
func TestCounted(t *testing.T) {
	tests := []struct {
		name  string
		fault string // what fails once, when messages are dropped
	}{{"nothing fails", ""}, {"to drop it fails", "Nack"}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			var once, arms atomic.Bool
			faults = func(in string) error {
				if in == tt.fault && arms.Load() && !once.Swap(true) {
					return errNo
				}
				return nil
			}
			defer func() { faults = nil }()
			b := newBench(t)
			b.say(func(context.Context, string, string) error { return errNo })
			stop := run(t, b.load(t, "sluice", `, "max_rate": 0.1`, one, `, "faulty": true, "most": 2, "delay": "1m"`))
			put(b.broker, "1")
			wait(time.Second)                         // it rests
			for _, text := range []string{"2", "3"} { // were with somebody who has not come to them
				b.broker.Put("orders", queue.Message{Body: []byte(text), Redelivered: 1})
			}
			b.broker.Lose(errors.New("cut")) // and comes again, in front
			b.broker.Return()
			arms.Store(true)
			wait(10 * time.Minute)
			b.broker.Lose(errors.New("cut")) // what nobody was told of comes again
			b.broker.Return()
			wait(10 * time.Minute)
			got, want := fmt.Sprint(b.count()), "map[/a 1:2 /a 2:2 /a 3:2]"
			if tt.fault != "" {
				want = "map[/a 1:3 /a 2:2 /a 3:2]"
			}
			if n := len(b.broker.Dropped("orders")); got != want || n != 3 {
				t.Errorf("%s: calls %s, %d dropped; want %s and 3", tt.name, got, n, want)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGone: messages that fail for good are a line, which says where they go and which is the
// first.
func TestGone(t *testing.T) {
	tests := []struct {
		driver, want string
		lost         bool
	}{
		{`, "most": 1`, `messages fail and are dropped`, false},
		{`, "discard": true`, `messages fail and are dropped`, false},
		{`, "auto_ack": true`, `messages fail and are lost`, false},
		{`, "discard": true, "letters": "shop.failed"`, `messages fail and become dead letters`, false},
		{`, "discard": true, "letters": "shop.failed"`, `messages fail and are lost`, true},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			nowhere.Store(tt.lost)
			defer nowhere.Store(false)
			b := newBench(t)
			b.say(func(context.Context, string, string) error { return errNo })
			stop := run(t, b.load(t, "sluice", "", one, tt.driver))
			for range 100 {
				b.broker.Put("orders", queue.Message{Key: "orders.eu", Body: []byte("secret")})
			}
			wait(time.Minute)
			log := b.Log.String()
			if strings.Count(log, "messages fail") != 1 || !strings.Contains(log, tt.want) || !strings.Contains(log, "key=orders.eu") || strings.Contains(log, "secret") {
				t.Errorf("%s: the log says\n%s", tt.driver, log)
			}
			if strings.Contains(tt.driver, "letters") && !strings.Contains(log, "to=shop.failed") {
				t.Errorf("%s: the log does not say where to:\n%s", tt.driver, log)
			}
			if n := strings.Count(log, "dead letters are lost"); n != min(1, strings.Count(tt.want, "are lost")) && !strings.Contains(tt.driver, "auto") {
				t.Errorf("%s: %d lines that dead letters are lost", tt.driver, n)
			}
			nowhere.Store(false)
			wait(time.Minute)
			if n := strings.Count(b.Log.String(), "dead letters are kept"); tt.lost && n != 1 {
				t.Errorf("%s: %d lines that they are kept", tt.driver, n)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReason: the reason why a gateway is not ready is a state, and no time.
func TestReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := run(t, b.load(t, "krakend", "", one, `, "critical": true`))
		wait(time.Minute)
		b.broker.Lose(errors.New("cut"))
		if text, ok := b.Env.Health[0].State(); ok || !strings.HasPrefix(text, "connecting, last seen 20") {
			t.Errorf("health %q, %t", text, ok)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// TestHealthInterval: the time of the last look is as old as health_interval at most.
func TestHealthInterval(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Second, `, "connection": {"health_interval": "1ms"}`: time.Second, `, "connection": {"health_interval": "20s"}`: 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			began := time.Now()
			stop := run(t, b.load(t, "krakend", "", one+text, ""))
			if text, _ := b.Env.Health[0].State(); text != "" {
				t.Errorf("health before the first look: %q", text)
			}
			wait(want - time.Millisecond)
			if got, _ := b.Env.Health[0].State(); got != "" {
				t.Errorf("health before %v: %q", want, got)
			}
			wait(time.Millisecond)
			if got, _ := b.Env.Health[0].State(); got != began.Add(want).String() && !strings.HasPrefix(got, began.Add(want).Format("2006-01-02 15:04:05")) {
				t.Errorf("health at %v: %q", want, got)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMessage: backends get the body alone, or what of a message is handed on.
func TestMessage(t *testing.T) {
	for driver, want := range map[string]string{
		"": "", `, "metadata": true`: "Content-Type=text/plain X-Message-Routing-Key=a.b",
		`, "metadata": true, "headers": ["x-a"]`: "Content-Type=text/plain X-A=1 X-Message-Routing-Key=a.b",
		`, "metadata": true, "headers": ["*"]`:   "Content-Type=text/plain X-A=1 X-B=2 X-Message-Routing-Key=a.b",
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			g := b.load(t, "sluice", "", one, driver)
			src := g.Sources()[0]
			b.broker.Put("orders", queue.Message{Key: "a.b", Attributes: gateway.Fields{
				{Name: "content-type", Value: "text/plain"}, {Name: "X-A", Value: "1"}, {Name: "x-b", Value: "2"}, {Name: "X-Message-Routing-Key", Value: "forged"},
				{Name: "X-C", Value: "a\nb"}, {Name: "not a name", Value: "1"}, {Name: "Connection", Value: "X-Message-Routing-Key"},
				{Name: "Content-Length", Value: "9"}, {Name: "Transfer_Encoding", Value: "chunked"}, {Name: "x_message_routing_key", Value: "forged"}}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			var got []string
			err := src.Run(ctx, func(m gateway.Message) error {
				for _, f := range m.Header {
					got = append(got, gateway.Canonical(f.Name)+"="+f.Value)
				}
				return nil
			})
			if text := strings.Join(got, " "); err != nil || text != want {
				t.Errorf("%s: header %q, error %v; want %q", driver, text, err, want)
			}
		})
	}
}

// TestSite: an agent has one driver, and a driver an agent.
func TestSite(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"none", `"async_agent": [{"name": "a", "consumer": {"topic": "t"}, "backend": [{"url_pattern": "/"}], "extra_config": {}}]`,
			"extra_config: nothing brings messages to the agent a; write the namespace of a broker here, such as "},
		{"two", `"async_agent": [{"name": "a", "consumer": {"topic": "t"}, "backend": [{"url_pattern": "/"}],
			"extra_config": {"test/driver": {"host": "` + queuetest.New(t).Host() + `"}, "test/second": {}}}]`, "say where the messages come from"},
		{"another pipe", `"extra_config": {"test/pipe": {"backend": [{"url_pattern": "/"}], "extra_config": {"test/driver": {"host": "mem://x"}}}}`,
			"brings messages to what is listed in async_agent, and has no effect here"},
	}
	for _, tt := range tests {
		_, problems := sitetest.New(t).Check(t, `{"version": 3, "dialect": "sluice", "host": ["http://a.test"], `+tt.text+`}`)
		if text := config.Format(problems); !strings.Contains(text, tt.want) {
			t.Errorf("%s: %s\nwant %q", tt.name, text, tt.want)
		}
	}
}
