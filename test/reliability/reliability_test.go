package reliability

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestSeed is the scenario that the product began with: products balanced over
// three hosts, offers from another, both called at the same time. That they are
// is shown without a clock: each answers only when the other has been called.
func TestSeed(t *testing.T) {
	var hits [3]atomic.Int64
	together := make(chan chan struct{})
	meet := func(r *http.Request) {
		mine := make(chan struct{})
		select {
		case together <- mine:
			<-mine
		case other := <-together:
			close(other)
		case <-r.Context().Done():
		}
	}
	var hosts []string
	for i := range hits {
		url, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
			hits[i].Add(1)
			meet(r)
			fmt.Fprint(w, `{"products":[1,2]}`)
		})
		hosts = append(hosts, url)
	}
	marketing, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, r *http.Request) {
		meet(r)
		fmt.Fprint(w, `{"offers":[3]}`)
	})
	g := start(t, fill(`{`+quiet+`"timeout":"20s","endpoints":[{"endpoint":"/v1/products","method":"GET","backend":[
		{"url_pattern":"/products","host":["$1","$2","$3"]},
		{"url_pattern":"/offers","host":["$4"]}]}]}`, hosts[0], hosts[1], hosts[2], marketing))
	client := newClient(t)
	for range 30 {
		status, text, err := get(client, g.url+"/v1/products")
		if want := `{"products":[1,2],"offers":[3]}`; err != nil || status != 200 || text != want {
			t.Fatalf("%d %s %v, want 200 %s", status, text, err, want)
		}
	}
	for i := range hits {
		if n := hits[i].Load(); n != 10 {
			t.Errorf("host %d was called %d times of 30, want 10", i, n)
		}
	}
}

// TestOneBody sends ten thousand requests whose four answers collide in every
// key and arrive in any order: there is one body.
func TestOneBody(t *testing.T) {
	requests := 10_000
	if testing.Short() {
		requests = 1_000
	}
	var urls []string
	for i := range 4 {
		url, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
			for range rand.IntN(50) {
				runtime.Gosched() // shuffles the order of arrival
			}
			if rand.IntN(4) == 0 {
				time.Sleep(time.Duration(rand.IntN(2000)) * time.Microsecond)
			}
			fmt.Fprintf(w, `{"who":%d,"own%d":1.10,"shared":{"n":%d},"list":[%d]}`, i, i, i, i)
		})
		urls = append(urls, url)
	}
	g := start(t, fill(`{`+quiet+`"timeout":"20s","endpoints":[{"endpoint":"/m","backend":[
		{"url_pattern":"/","host":["$1"]},{"url_pattern":"/","host":["$2"]},
		{"url_pattern":"/","host":["$3"]},{"url_pattern":"/","host":["$4"]}]}]}`, urls...))
	client := newClient(t)
	var mu sync.Mutex
	bodies := make(map[string]int)
	complaint := load(requests, 32, func(int) string {
		status, text, err := get(client, g.url+"/m")
		if err != nil || status != 200 {
			return fmt.Sprintf("%d %s %v", status, text, err)
		}
		mu.Lock()
		bodies[text]++
		mu.Unlock()
		return ""
	})
	if complaint != "" {
		t.Fatal(complaint)
	}
	if len(bodies) != 1 {
		t.Fatalf("%d distinct bodies: %v", len(bodies), bodies)
	}
	for text := range bodies {
		if want := `{"who":3,"own0":1.10,"shared":{"n":3},"list":[3],"own1":1.10,"own2":1.10,"own3":1.10}`; text != want {
			t.Errorf("the body is %s, want %s", text, want)
		}
	}
}

// TestReloads swaps the configuration a thousand times under load: no request
// fails, every answer is of one configuration or the next, and neither memory
// nor goroutines grow: they are counted when no generation is left but the live one,
// however long the others take to close.
func TestReloads(t *testing.T) {
	reloads := 1_000
	if testing.Short() {
		reloads = 100
	}
	url, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":1}`) })
	text := func(i int) string {
		return fill(fmt.Sprintf(`{%s"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["$1","$1"],"group":"g%d",
			"extra_config":{"qos/circuit-breaker":{"interval":1,"timeout":1,"max_errors":5},"qos/ratelimit/proxy":{"max_rate":1000000,"capacity":1000000}}}]}]}`, quiet, i%2), url)
	}
	alive := &generations{Cond: sync.Cond{L: new(sync.Mutex)}}
	g := startWith(t, text(0), with(component.Service(component.Info{Namespace: "test/generations", Implicit: component.InService}, alive.build)))
	client := newClient(t)
	stop := make(chan struct{})
	var served atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, text, err := get(client, g.url+"/x")
				if err != nil || status != 200 || text != `{"g0":{"a":1}}` && text != `{"g1":{"a":1}}` {
					t.Errorf("%d %q %v", status, text, err)
					return
				}
				served.Add(1)
			}
		})
	}
	var before, after runtime.MemStats
	var goroutines int
	for i := range reloads {
		if i == reloads/10 {
			alive.one()
			runtime.GC()
			runtime.ReadMemStats(&before)
			goroutines = runtime.NumGoroutine()
		}
		next := text(i)
		g.config.Store(&next)
		if problems, err := g.Load(t.Context()); err != nil {
			t.Fatalf("reload %d: %v %v", i, err, problems)
		}
	}
	alive.one()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
	if now := runtime.NumGoroutine(); now > goroutines+32 {
		t.Errorf("%d goroutines, %d before", now, goroutines)
	}
	close(stop)
	wg.Wait()
	t.Logf("%d requests during %d reloads", served.Load(), reloads)
}

// generations are how many of a gateway have started and not closed.
type generations struct {
	sync.Cond // the number has changed
	n         int
}

func (g *generations) build(s *component.ServiceSite, _ struct{}) error {
	s.OnStart(func(context.Context) error { g.add(1); return nil })
	s.OnClose(func(context.Context) error { g.add(-1); return nil })
	return nil
}

func (g *generations) add(n int) {
	g.L.Lock()
	defer g.L.Unlock()
	g.n += n
	g.Broadcast()
}

// one waits until there is only one.
func (g *generations) one() {
	g.L.Lock()
	defer g.L.Unlock()
	for g.n > 1 {
		g.Wait()
	}
}

// TestBadReload keeps serving the old configuration.
func TestBadReload(t *testing.T) {
	url, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":1}`) })
	g := start(t, fill(`{`+quiet+`"endpoints":[{"endpoint":"/x","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, url))
	bad := strings.Replace(*g.config.Load(), `"/x"`, `"/x/{id"`, 1)
	g.config.Store(&bad)
	if _, err := g.Load(t.Context()); err == nil {
		t.Error("a configuration with an error was loaded")
	}
	if status, text, err := get(newClient(t), g.url+"/x"); err != nil || status != 200 {
		t.Errorf("%d %s %v after a bad reload, want the old answer", status, text, err)
	}
}

// TestStreamSurvivesReload ends a stream on the configuration it began with.
func TestStreamSurvivesReload(t *testing.T) {
	proceed := make(chan struct{})
	url, _ := serve(t, "127.0.0.1:0", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "first ")
		http.NewResponseController(w).Flush()
		<-proceed
		fmt.Fprint(w, "last")
	})
	g := start(t, fill(`{`+quiet+`"endpoints":[{"endpoint":"/s","output_encoding":"no-op","timeout":"20s","backend":[{"url_pattern":"/","host":["$1"]}]}]}`, url))
	res, err := newClient(t).Get(g.url + "/s")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	first := make([]byte, 6)
	if _, err := res.Body.Read(first); err != nil {
		t.Fatal(err)
	}
	empty := `{` + quiet + `"endpoints":[]}`
	g.config.Store(&empty)
	if problems, err := g.Load(t.Context()); err != nil {
		t.Fatal(err, problems)
	}
	close(proceed)
	rest := new(strings.Builder)
	if _, err := fmt.Fprint(rest, readAll(res)); err != nil || string(first)+rest.String() != "first last" {
		t.Errorf("the stream is %q", string(first)+rest.String())
	}
}

func readAll(res *http.Response) string {
	var b strings.Builder
	buf := make([]byte, 64)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}

// TestDeadHost takes one of two hosts away: after that no request fails, and
// the host is used again soon after it is back.
func TestDeadHost(t *testing.T) {
	requests := 10_000
	if testing.Short() {
		requests = 1_000
	}
	answer := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a":1}`) }
	alive, _ := serve(t, "127.0.0.1:0", answer)
	other, stop := serve(t, testx.UnusedAddress(t), answer)
	for _, method := range []string{"GET", "POST"} {
		g := start(t, fill(`{`+quiet+`"timeout":"10s","endpoints":[{"endpoint":"/x","method":"`+method+`","backend":[{"url_pattern":"/","host":["$1","$2"]}]}]}`, alive, other))
		stop()
		client := newClient(t)
		complaint := load(requests, 16, func(i int) string {
			req, err := http.NewRequest(method, g.url+"/x", strings.NewReader(`{"body":1}`))
			if err != nil {
				return err.Error()
			}
			res, err := client.Do(req)
			if err != nil {
				return err.Error()
			}
			defer res.Body.Close()
			if text := readAll(res); res.StatusCode != 200 {
				return fmt.Sprintf("request %d: %d %s", i, res.StatusCode, text)
			}
			return ""
		})
		if complaint != "" {
			t.Errorf("%s: %s", method, complaint)
		}
		var back atomic.Bool
		var stopAgain func()
		_, stopAgain = serve(t, strings.TrimPrefix(other, "http://"), func(w http.ResponseWriter, r *http.Request) {
			back.Store(true)
			answer(w, r)
		})
		for deadline := time.Now().Add(15 * time.Second); !back.Load(); {
			if time.Now().After(deadline) {
				t.Fatal("the host is back and not used")
			}
			if status, text, err := get(client, g.url+"/x"); method == "GET" && (err != nil || status != 200) {
				t.Fatalf("%d %s %v", status, text, err)
			}
			if method == "POST" {
				res, err := client.Post(g.url+"/x", "text/plain", strings.NewReader("x"))
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
			}
		}
		stop = stopAgain
	}
}
