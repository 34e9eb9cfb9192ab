package brokers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	rabbit "github.com/rabbitmq/amqp091-go"

	"github.com/sluice-gateway/sluice/internal/engine"
	"github.com/sluice-gateway/sluice/internal/engine/fast"
	"github.com/sluice-gateway/sluice/internal/kit/amqp/amqptest"
	"github.com/sluice-gateway/sluice/test/gatewaytest"
)

// A service notes the bodies that it gets, and answers as it is told.
type service struct {
	*httptest.Server

	mu     sync.Mutex
	seen   map[string]int
	header http.Header // of the last one
	answer func(path, body string) (status int)
}

func newService(t *testing.T) *service {
	s := &service{seen: make(map[string]int)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it was cut
		}
		s.mu.Lock()
		s.seen[r.URL.Path+" "+string(body)]++
		s.header = r.Header.Clone()
		answer := s.answer
		s.mu.Unlock()
		status := 200
		if answer != nil {
			status = answer(r.URL.Path, string(body))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, `{}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) say(f func(path, body string) int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// calls returns how often each message came, by path and body.
func (s *service) calls() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.seen)
}

// has waits until there were calls for n different messages.
func (s *service) has(t *testing.T, n int) {
	t.Helper()
	await(t, func() error {
		if got := len(s.calls()); got != n {
			return fmt.Errorf("%d messages came, want %d", got, n)
		}
		return nil
	})
}

// An agent is a configuration with one, and a queue of its own.
type agent struct {
	queue, url, host string
	consumer         string // more keys of these
	connection       string
	options          string
	backends         string
}

func (a agent) text() string {
	if a.backends == "" {
		a.backends = `{"url_pattern":"/a","method":"POST"}`
	}
	if !strings.Contains(a.options, "nack_discard") && !strings.Contains(a.options, "auto_ack") { // behind which nothing comes again
		a.options += `,"retry_delay":"1ms"`
	}
	return fmt.Sprintf(`{%s "max_shutdown_wait_time":"1m","timeout":"1m","host":[%q],"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/x"}]}],"async_agent":[{"name":%q,
		"connection":{%s},"consumer":{"topic":"#"%s},"backend":[%s],
		"extra_config":{"async/amqp":{"host":%q,"exchange":%q,"name":%q,"durable":true%s}}}]}`,
		quiet, a.host, a.queue, a.connection, a.consumer, a.backends, a.url, a.queue+".x", a.queue, a.options)
}

// health returns what the health path tells of the agent.
func (r *running) health(name string) string {
	_, text := r.ask("GET", "/__health", "")
	var told struct{ Agents map[string]string }
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		return err.Error()
	}
	return told.Agents[name]
}

// taking waits until the agent is connected.
func (r *running) taking(t *testing.T, name string) {
	t.Helper()
	await(t, func() error {
		if text := r.health(name); !strings.HasPrefix(text, "ready") {
			return errors.New(text)
		}
		return nil
	})
}

func bodies(from, to int) (ms []rabbit.Publishing) {
	for i := from; i < to; i++ {
		ms = append(ms, rabbit.Publishing{Body: fmt.Appendf(nil, "%d", i), DeliveryMode: rabbit.Persistent})
	}
	return ms
}

// empty waits until no message of the queue is left, and checks it when the agent is gone.
func empty(t *testing.T, s *amqptest.Server, queue string) {
	t.Helper()
	await(t, func() error {
		if n := s.Count(t, queue); n != 0 {
			return fmt.Errorf("%d messages are left", n)
		}
		return nil
	})
}

// TestAgent: messages go through the pipe and are acknowledged; the gateway starts while the
// broker is away, and the agent connects when it is there.
func TestAgent(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, b := amqptest.Start(t), newService(t)
		a := agent{queue: "agent-" + e.Name, url: s.URL, host: b.URL, consumer: `,"workers":4`,
			options: `,"forward_metadata":true,"input_headers":["X-Customer"]`}
		s.Stop()
		r := start(t, e, nil, a.text())
		if status, text := r.ask("GET", "/__ready", ""); status != 200 {
			t.Errorf("readiness while the broker is away: %d %s", status, text)
		}
		s.Restart()
		r.taking(t, a.queue)
		ch := s.Channel(t)
		for i := range 100 {
			m := rabbit.Publishing{Body: fmt.Appendf(nil, "%d", i), ContentType: "text/plain", Headers: rabbit.Table{"X-Customer": "7", "X-Other": "8"}}
			if err := ch.Publish(a.queue+".x", "orders.created", false, false, m); err != nil {
				t.Fatal(err)
			}
		}
		b.has(t, 100)
		b.mu.Lock()
		h := b.header
		b.mu.Unlock()
		if h.Get("User-Agent") == "" || h.Get("Content-Length") == "" || h.Get("Content-Type") != "text/plain" || h.Get("X-Customer") != "7" || h.Get("X-Other") != "" || h.Get("X-Message-Routing-Key") != "orders.created" {
			t.Errorf("header %v", h)
		}
		for text, n := range b.calls() {
			if n != 1 {
				t.Errorf("message %s came %d times", text, n)
			}
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, s, a.queue)
	})
}

// TestAgentKilled: nothing is lost while the broker is killed and comes back, and nothing comes
// twice but what it delivers again.
func TestAgentKilled(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "killed", url: s.URL, host: b.URL, consumer: `,"workers":4`}
	half := make(chan struct{})
	var once sync.Once
	b.say(func(_, body string) int {
		if body == "500" {
			once.Do(func() { close(half) })
		}
		return 200
	})
	r := start(t, fast.Engine, nil, a.text())
	r.taking(t, a.queue)
	s.Put(t, a.queue, bodies(0, 1000)...)
	<-half
	s.Kill()
	if err := s.Revive(); err != nil {
		t.Fatal(err)
	}
	r.taking(t, a.queue)
	b.has(t, 1000)
	twice := 0
	for _, n := range b.calls() {
		twice += n - 1
	}
	if twice > 10+4 {
		t.Errorf("%d calls too many; 10 messages were with the gateway at most", twice)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if n := s.Count(t, a.queue); n > 10 { // of those whose acknowledgement was lost, which come once more
		t.Errorf("%d messages are left", n)
	}
}

// TestAgentFails: of two backends one fails now and then: the message comes again for both, as
// often as it failed, until max_deliveries, and is a dead letter then.
func TestAgentFails(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	dead := s.Queue(t, "failing.dead", "failing.letters")
	a := agent{queue: "failing", url: s.URL, host: b.URL, consumer: `,"workers":3`, options: `,"max_deliveries":3,"dead_letter_exchange":"failing.dead"`,
		backends: `{"url_pattern":"/a","method":"POST"},{"url_pattern":"/b","method":"POST"}`}
	b.say(func(path, body string) int {
		if path == "/b" && strings.HasSuffix(body, "7") {
			return 500
		}
		return 200
	})
	r := start(t, fast.Engine, nil, a.text())
	r.taking(t, a.queue)
	s.Put(t, a.queue, bodies(0, 20)...)
	b.has(t, 40)
	var letters []string
	await(t, func() error {
		if d := dead(); d != nil {
			letters = append(letters, string(d.Body))
		}
		if len(letters) != 2 {
			return fmt.Errorf("dead letters %q, want 7 and 17", letters)
		}
		return nil
	})
	for text, n := range b.calls() {
		if want := map[bool]int{true: 3, false: 1}[strings.HasSuffix(text, "7")]; n != want {
			t.Errorf("%s came %d times, want %d", text, n, want)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	empty(t, s, a.queue)
}

// TestAgentSlow: a message whose time is over has failed.
func TestAgentSlow(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "slow", url: s.URL, host: b.URL, consumer: `,"timeout":"50ms"`, options: `,"nack_discard":true`}
	release := make(chan struct{})
	defer close(release)
	b.say(func(_, body string) int {
		if body == "0" {
			<-release
		}
		return 200
	})
	r := start(t, fast.Engine, nil, a.text())
	r.taking(t, a.queue)
	s.Put(t, a.queue, bodies(0, 3)...)
	b.has(t, 3)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	empty(t, s, a.queue)
}

// TestAgentReloadAndDrain: messages keep coming while the configuration is loaded again and the
// gateway stops: each is worked on once, and what was not begun is in the queue.
func TestAgentReloadAndDrain(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "reloads", url: s.URL, host: b.URL, consumer: `,"workers":4`}
	r := start(t, fast.Engine, nil, a.text())
	r.taking(t, a.queue)
	for i := range 10 {
		s.Put(t, a.queue, bodies(100*i, 100*i+100)...)
		r.reload(t)
	}
	b.has(t, 1000)
	begun, release := make(chan struct{}, 100), make(chan struct{})
	b.say(func(path, _ string) int {
		if path == "/a" {
			begun <- struct{}{}
			<-release
		}
		return 200
	})
	s.Put(t, a.queue, bodies(1000, 1100)...)
	for range 4 {
		<-begun
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	await(t, func() error {
		if status, _ := r.ask("GET", "/x", ""); status != 0 {
			return errors.New("it serves still")
		}
		return nil
	})
	close(release)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	calls := b.calls()
	for text, n := range calls {
		if n != 1 && !strings.HasPrefix(text, "/x") {
			t.Errorf("%s came %d times", text, n)
		}
	}
	delete(calls, "/x ")
	await(t, func() error {
		if n := s.Count(t, a.queue); len(calls)+n != 1100 {
			return fmt.Errorf("%d messages were worked on and %d are in the queue, want 1100 together", len(calls), n)
		}
		return nil
	})
}

// TestAgentGivesUp: an agent that has failed for good is told of, and another goes on.
func TestAgentGivesUp(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "good", url: s.URL, host: b.URL}
	c := agent{queue: "bad", url: "amqp://guest:secret@127.0.0.1:1/", host: b.URL, connection: `"max_retries":1,"backoff_strategy":"linear"`}
	r := start(t, fast.Engine, nil, a.with(c))
	await(t, func() error {
		if text := r.health("bad"); text != "failed" {
			return errors.New(text)
		}
		return nil
	})
	if status, text := r.ask("GET", "/__ready", ""); status != 503 || text != `{"status":"unavailable","agents":{"bad":"failed"}}` {
		t.Errorf("readiness: %d %s", status, text)
	}
	r.taking(t, "good")
	s.Put(t, "good", bodies(0, 10)...)
	b.has(t, 10)
}

// with returns a configuration with the agents of both.
func (a agent) with(b agent) string {
	other := b.text()
	return strings.Replace(a.text(), `"async_agent":[`, `"async_agent":[`+other[strings.Index(other, `{"name"`):len(other)-2]+",", 1)
}

// TestAgentLog: that an agent goes away, has failed and is back is a line each, at the level that
// it deserves.
func TestAgentLog(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "patient", url: s.URL, host: b.URL}
	c := agent{queue: "hasty", url: s.URL, host: b.URL, connection: `"max_retries":1`}
	log := new(said)
	o := options(fast.Engine, nil, strings.Replace(a.with(c), silent, "", 1))
	o.Stdout, o.Stderr = log, log
	r := &running{Gateway: gatewaytest.Start(t, o), client: new(http.Client)}
	r.url = "http://" + r.Address
	t.Cleanup(r.client.CloseIdleConnections)
	r.taking(t, "patient")
	r.taking(t, "hasty")
	s.Stop()
	await(t, func() error {
		if text := r.health("hasty"); text != "failed" {
			return errors.New(text)
		}
		return nil
	})
	if status, text := r.ask("GET", "/__ready", ""); status != 503 || text != `{"status":"unavailable","agents":{"hasty":"failed"}}` {
		t.Errorf("readiness: %d %s", status, text)
	}
	s.Restart()
	r.taking(t, "patient")
	r.reload(t) // else it is tried in a minute
	r.taking(t, "hasty")
	if status, text := r.ask("GET", "/__ready", ""); status != 200 {
		t.Errorf("readiness: %d %s", status, text)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"patient": "WARNING INFO", "hasty": "WARNING CRITICAL INFO"} {
		var levels []string
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "agent="+name) {
				levels = append(levels, strings.Fields(line)[2])
			}
		}
		if got := strings.Join(levels, " "); got != want {
			t.Errorf("%s: lines of %s, want %s: %s", name, got, want, log.String())
		}
	}
}

// TestAgentBesideAnother: while one agent is another one with each reload, and its messages fail now and
// then, nothing of it is lost, and one that stays as it is gets each message once.
func TestAgentBesideAnother(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "steady", url: s.URL, host: b.URL, consumer: `,"workers":4`}
	c := agent{queue: "changing", url: s.URL, host: b.URL, consumer: `,"workers":5`, backends: `{"url_pattern":"/b","method":"POST"}`}
	failed := make(map[string]bool)
	var good atomic.Int32
	var mu sync.Mutex
	b.say(func(path, body string) int {
		mu.Lock()
		defer mu.Unlock()
		if path == "/b" && strings.HasSuffix(body, "3") && !failed[body] {
			failed[body] = true
			return 500
		}
		good.Add(1)
		return 200
	})
	text := a.with(c)
	r := start(t, fast.Engine, nil, text)
	r.taking(t, "steady")
	r.taking(t, "changing")
	const n = 1000
	var puts sync.WaitGroup
	for _, queue := range []string{"steady", "changing"} {
		puts.Go(func() { s.Put(t, queue, bodies(0, n)...) })
	}
	for i := 0; i < 1000 && good.Load() < 2*n; i++ {
		next := strings.Replace(text, `"workers":5`, fmt.Sprintf(`"workers":%d`, 5+i%2), 1)
		r.text.Store(&next)
		r.reload(t)
	}
	await(t, func() error {
		if got := good.Load(); got != 2*n {
			return fmt.Errorf("%d messages are done, want %d", got, 2*n)
		}
		return nil
	})
	puts.Wait()
	for text, times := range b.calls() {
		if times != 1 && strings.HasPrefix(text, "/a") {
			t.Errorf("%s came %d times", text, times)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	empty(t, s, "steady")
	empty(t, s, "changing")
}

// TestAgentForgotten: with auto_ack everything that was taken is worked on at the stop, and what the
// rate did not allow yet is in the queue.
func TestAgentForgotten(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "forgotten", url: s.URL, host: b.URL, consumer: `,"workers":3,"max_rate":20`, options: `,"auto_ack":true`}
	r := start(t, fast.Engine, nil, a.text())
	r.taking(t, a.queue)
	s.Put(t, a.queue, bodies(0, 100)...)
	await(t, func() error {
		if n := len(b.calls()); n < 25 {
			return fmt.Errorf("%d messages came", n)
		}
		return nil
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	await(t, func() error {
		if got, left := len(b.calls()), s.Count(t, a.queue); got+left != 100 {
			return fmt.Errorf("%d messages were worked on and %d are in the queue, want 100 together", got, left)
		}
		return nil
	})
}

// TestAgentLarge: a message of many frames comes as it was, and again when it has failed.
func TestAgentLarge(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s, b := amqptest.Start(t), newService(t)
		a := agent{queue: "large-" + e.Name, url: s.URL, host: b.URL}
		large := strings.Repeat("0123456789abcdef", 10<<20/16)
		var failed atomic.Bool
		b.say(func(string, string) int {
			if failed.CompareAndSwap(false, true) {
				return 500
			}
			return 200
		})
		r := start(t, e, nil, a.text())
		r.taking(t, a.queue)
		s.Put(t, a.queue, rabbit.Publishing{Body: []byte(large)})
		await(t, func() error {
			if n := b.calls()["/a "+large]; n != 2 {
				return fmt.Errorf("it came %d times, want 2", n)
			}
			return nil
		})
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, s, a.queue)
	})
}

func init() {
	var s *amqptest.Server
	var got chan string
	examples["Agents"] = example{
		with: func(t *testing.T) []string {
			s, got = amqptest.Start(t), make(chan string, 1)
			orders := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				io.WriteString(w, "{}")
				got <- r.Method + " " + r.URL.Path + " " + string(body)
			}))
			t.Cleanup(orders.Close)
			return []string{"amqp://guest:guest@queue.internal:5672/", s.URL, "orders.internal:8000", orders.Listener.Addr().String()}
		},
		then: func(t *testing.T, r *running) {
			r.taking(t, "orders") // so that the exchange is there
			if err := s.Channel(t).Publish("shop", "orders.created", false, false, rabbit.Publishing{Body: []byte(`{"id":1}`)}); err != nil {
				t.Fatal(err)
			}
			if call := <-got; call != `POST /orders {"id":1}` {
				t.Errorf("the service was sent %s", call)
			}
		},
	}
}

// TestAgentPassesThrough: an answer that is passed through is read to its end before its message is
// acknowledged, within the time for that, and one that breaks off is a failure.
func TestAgentPassesThrough(t *testing.T) {
	onBoth(t, func(t *testing.T, e engine.Engine) {
		s := amqptest.Start(t)
		dead := s.Queue(t, "through.dead."+e.Name, "through.letters."+e.Name)
		release, begun := make(chan struct{}), make(chan struct{})
		b := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			io.WriteString(w, "a part")
			w.(http.Flusher).Flush()
			switch string(body) {
			case "slow":
				close(begun)
				<-release
			case "broken":
				panic(http.ErrAbortHandler)
			case "endless":
				<-r.Context().Done()
			}
			io.WriteString(w, "the rest")
		}))
		t.Cleanup(b.Close)
		a := agent{queue: "through-" + e.Name, url: s.URL, host: b.URL, consumer: `,"timeout":"59s"`,
			options: fmt.Sprintf(`,"nack_discard":true,"dead_letter_exchange":"through.dead.%s"`, e.Name)}
		text := strings.Replace(a.text(), `"backend":[{"url_pattern":"/a"`, `"encoding":"no-op","backend":[{"url_pattern":"/a"`, 1)
		r := start(t, e, nil, text)
		r.taking(t, a.queue)
		s.Put(t, a.queue, rabbit.Publishing{Body: []byte("slow")})
		<-begun
		if n := s.Count(t, a.queue); n != 0 {
			t.Errorf("%d messages are in the queue, want the one at the agent", n)
		}
		close(release)
		s.Put(t, a.queue, rabbit.Publishing{Body: []byte("broken")}, rabbit.Publishing{Body: []byte("whole")})
		var letters []string
		letter := func() error {
			d := dead()
			if d == nil {
				return errors.New("there is no letter yet")
			}
			letters = append(letters, string(d.Body))
			return nil
		}
		await(t, letter)
		text = strings.Replace(text, "59s", "200ms", 1)
		r.text.Store(&text)
		r.reload(t)
		s.Put(t, a.queue, rabbit.Publishing{Body: []byte("endless")})
		await(t, letter)
		if got := strings.Join(letters, " "); got != "broken endless" {
			t.Errorf("dead letters %s", got)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		empty(t, s, a.queue)
	})
}

// TestAgentPoison: messages that rest because they always fail leave room for others.
func TestAgentPoison(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "poison", url: s.URL, host: b.URL, consumer: `,"workers":2`}
	b.say(func(_, body string) int {
		if strings.HasPrefix(body, "bad") {
			return 500
		}
		return 200
	})
	r := start(t, fast.Engine, nil, strings.Replace(a.text(), `"retry_delay":"1ms"`, `"retry_delay":"20m"`, 1))
	r.taking(t, a.queue)
	var bad []rabbit.Publishing
	for i := range 45 {
		bad = append(bad, rabbit.Publishing{Body: fmt.Append(nil, "bad ", i), DeliveryMode: rabbit.Persistent})
	}
	s.Put(t, a.queue, bad...)
	s.Put(t, a.queue, bodies(0, 100)...)
	b.has(t, 145)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	await(t, func() error {
		if n := s.Count(t, a.queue); n != 45 {
			return fmt.Errorf("%d messages are left, want those that fail", n)
		}
		return nil
	})
}

// TestAgentPipes: what stands around the calls of an endpoint stands around those of an agent, and
// an agent with nothing but what it must have takes messages.
func TestAgentPipes(t *testing.T) {
	s := amqptest.Start(t)
	var mu sync.Mutex
	seen := make(map[string]int)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen[fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body)]++
		mu.Unlock()
		switch r.URL.Path {
		case "/text":
			io.WriteString(w, "no object")
		case "/down":
			w.WriteHeader(503)
		default:
			io.WriteString(w, `{"id":7}`)
		}
	}))
	t.Cleanup(service.Close)
	copies := s.Queue(t, "pipes.copies", "copies")
	agents := []struct{ name, keys, driver string }{
		{"cel", `"backend":[{"url_pattern":"/cel","method":"POST"}]`, `,"nack_discard":true,"forward_metadata":true},
			"validation/cel":[{"check_expr":"req_headers['X-Message-Routing-Key'][0] == 'good'"}]`},
		{"sequence", `"backend":[{"url_pattern":"/first"},{"url_pattern":"/second/{resp0_id}","method":"POST"}]`, `},"proxy":{"sequential":true}`},
		{"static", `"backend":[{"url_pattern":"/static","method":"POST"}]`, `},"proxy":{"static":{"strategy":"success","data":{"a":1}}}`},
		{"connector", fmt.Sprintf(`"backend":[{"url_pattern":"/copy","host":[%q],"extra_config":{"backend/amqp/producer":{"exchange":"pipes.copies","name":"copies","durable":true,"routing_key":"copy","static_routing_key":true}}}]`, s.URL), `}`},
		{"string", `"encoding":"string","backend":[{"url_pattern":"/text","method":"POST","encoding":"string"}]`, `}`},
		{"object", `"backend":[{"url_pattern":"/text","method":"POST"}]`, `,"nack_discard":true}`},
		{"limited", `"backend":[{"url_pattern":"/down","method":"POST"}]`, `,"max_deliveries":2,"retry_delay":"1ms"}`},
		{"plain", `"backend":[{"url_pattern":"/plain"}]`, `}`},
	}
	var text []string
	for _, a := range agents {
		text = append(text, fmt.Sprintf(`{"name":%q,"consumer":{"topic":"#"},%s,"extra_config":{"async/amqp":{"host":%q,"exchange":%q,"name":%q,"durable":true%s}}`,
			a.name, a.keys, s.URL, "pipes."+a.name, "pipes."+a.name, a.driver))
	}
	r := start(t, fast.Engine, nil, fmt.Sprintf(`{%s"host":[%q],"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/x"}]}],"async_agent":[%s]}`, quiet, service.URL, strings.Join(text, ",")))
	ch := s.Channel(t)
	for _, a := range agents {
		r.taking(t, a.name)
		for _, key := range []string{"good", "bad"} {
			if err := ch.Publish("pipes."+a.name, key, false, false, rabbit.Publishing{Body: []byte(key)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := map[string]int{"POST /cel good": 1, "GET /first good": 1, "GET /first bad": 1, "POST /second/7 good": 1, "POST /second/7 bad": 1,
		"POST /static good": 1, "POST /static bad": 1, "POST /text good": 2, "POST /text bad": 2, "POST /down good": 2, "POST /down bad": 2,
		"GET /plain good": 1, "GET /plain bad": 1}
	await(t, func() error {
		mu.Lock()
		defer mu.Unlock()
		if !maps.Equal(seen, want) {
			return fmt.Errorf("calls %v, want %v", seen, want)
		}
		return nil
	})
	copied := make(map[string]int)
	await(t, func() error {
		if d := copies(); d != nil {
			copied[string(d.Body)]++
		}
		if !maps.Equal(copied, map[string]int{"good": 1, "bad": 1}) {
			return fmt.Errorf("copied %v", copied)
		}
		return nil
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for _, a := range agents {
		empty(t, s, "pipes."+a.name)
	}
}

// TestAgentDeliveries: a message that came ahead when a connection ended is worked on as often as
// max_deliveries says all the same.
func TestAgentDeliveries(t *testing.T) {
	s, b := amqptest.Start(t), newService(t)
	a := agent{queue: "deliveries", url: s.URL, host: b.URL, options: `,"max_deliveries":2`}
	begun, release := make(chan struct{}, 1), make(chan struct{})
	b.say(func(_, body string) int {
		if body == "0" {
			select {
			case begun <- struct{}{}:
			default:
			}
			<-release
		}
		return 500
	})
	r := start(t, fast.Engine, nil, a.text())
	r.taking(t, a.queue)
	s.Put(t, a.queue, bodies(0, 5)...)
	<-begun
	s.Kill()
	await(t, func() error {
		if text := r.health(a.queue); strings.HasPrefix(text, "ready") {
			return errors.New(text)
		}
		return nil
	})
	if err := s.Revive(); err != nil {
		t.Fatal(err)
	}
	r.taking(t, a.queue)
	close(release)
	want := map[string]int{"/a 0": 3, "/a 1": 2, "/a 2": 2, "/a 3": 2, "/a 4": 2} // of the first attempt nobody could be told
	await(t, func() error {
		if got := b.calls(); !maps.Equal(got, want) {
			return fmt.Errorf("calls %v, want %v", got, want)
		}
		return nil
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	empty(t, s, a.queue)
}
