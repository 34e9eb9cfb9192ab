package circuitbreaker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
	"github.com/sluice-gateway/sluice/internal/sitetest"
)

// newStage builds the breaker of the first backend.
func newStage(t testing.TB, g *sitetest.Gateway, options string) *stage {
	t.Helper()
	return sitetest.Stage[*stage](t, g.Backend(t, "qos/circuit-breaker", options))
}

var errFailed = &gateway.Error{Code: gateway.CodeBackendUnreachable}

// call runs one call through the breaker: good or failed.
func call(ctx context.Context, st *stage, good bool) error {
	x := gateway.Acquire(testx.Request{}.Inbound())
	defer x.Release()
	if err := st.Enter(ctx, x); err != nil {
		return err
	}
	if !good {
		return st.Leave(ctx, x, errFailed)
	}
	x.Response.Complete = true
	return st.Leave(ctx, x, nil)
}

// calls runs a call for each letter: g is a good one, f a failed one, o and p
// are calls that must be refused because the breaker is open or probing.
func calls(t *testing.T, st *stage, letters string) {
	t.Helper()
	for i, c := range letters {
		err := call(t.Context(), st, c == 'g')
		want := map[rune]error{'g': nil, 'f': errFailed, 'o': errOpen, 'p': errProbe}[c]
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Fatalf("call %d of %q: error %v, want %v", i, letters, err, want)
		}
	}
}

func TestThreshold(t *testing.T) {
	tests := []struct {
		name      string
		threshold model.BreakerThreshold
		options   string
		calls     string
	}{
		{"more than max_errors open", "more_than", `{"interval":60,"timeout":10,"max_errors":2}`, "fffoo"},
		{"at max_errors", "at", `{"interval":60,"timeout":10,"max_errors":2}`, "ffoo"},
		{"the first failure with 0", "more_than", `{"interval":60,"timeout":10,"max_errors":0}`, "gfo"},
		{"the first failure with 0, at", "at", `{"interval":60,"timeout":10,"max_errors":0}`, "gfo"},
		{"the first failure with 1, at", "at", `{"interval":60,"timeout":10,"max_errors":1}`, "gfo"},
		{"a success starts the count again", "more_than", `{"interval":60,"timeout":10,"max_errors":2}`, "ffgffgfffo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := sitetest.New(t)
			g.Env.Service.Behaviour.BreakerThreshold = tt.threshold
			calls(t, newStage(t, g, tt.options), tt.calls)
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, err := range []*gateway.Error{errOpen, errProbe} {
		if err.Code != "breaker_open" || err.Status != 0 {
			t.Errorf("%q has code %q and status %d, want breaker_open and none", err.Public, err.Code, err.Status)
		}
	}
	if errOpen.Public != "circuit breaker is open" || errProbe.Public != "too many requests" {
		t.Errorf("texts = %q and %q, want those of the contract", errOpen.Public, errProbe.Public)
	}
}

func TestTime(t *testing.T) {
	type step struct {
		after time.Duration
		calls string
	}
	tests := []struct {
		name    string
		options string
		steps   []step
	}{
		{"the count restarts with the interval", `{"interval":10,"timeout":5,"max_errors":1}`, []step{
			{0, "f"}, {11 * time.Second, "f"}, {time.Second, "fo"},
		}},
		{"an interval of 0 never restarts it", `{"interval":0,"timeout":5,"max_errors":1}`, []step{
			{0, "f"}, {1000 * time.Hour, "fo"},
		}},
		{"a good probe closes", `{"interval":60,"timeout":5,"max_errors":1}`, []step{
			{0, "ffo"}, {4 * time.Second, "o"}, {2 * time.Second, "gfgf"},
		}},
		{"a failed probe opens again", `{"interval":60,"timeout":5,"max_errors":1}`, []step{
			{0, "ffo"}, {6 * time.Second, "fo"}, {4 * time.Second, "o"}, {2 * time.Second, "g"},
		}},
		{"a timeout of 0 is a minute", `{"interval":60,"timeout":0,"max_errors":0}`, []step{
			{0, "fo"}, {59 * time.Second, "o"}, {2 * time.Second, "g"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := sitetest.New(t)
				st := newStage(t, g, tt.options)
				for _, s := range tt.steps {
					time.Sleep(s.after)
					calls(t, st, s.calls)
				}
			})
		})
	}
}

// TestOneProbe keeps a probe on its way while others call.
func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sitetest.New(t)
		st := newStage(t, g, `{"interval":60,"timeout":5,"max_errors":0}`)
		calls(t, st, "fo")
		time.Sleep(6 * time.Second)
		probe := testx.Request{}.Exchange(t)
		if err := st.Enter(t.Context(), probe); err != nil {
			t.Fatalf("the probe is refused: %v", err)
		}
		calls(t, st, "pp")
		probe.Response.Complete = true
		if err := st.Leave(t.Context(), probe, nil); err != nil {
			t.Fatal(err)
		}
		calls(t, st, "g")
	})
}

func TestOutcomes(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancelLate()
	tests := []struct {
		name     string
		encoding model.Encoding
		ctx      context.Context
		err      error
		complete bool
		opens    bool
	}{
		{"an answer", "json", t.Context(), nil, true, false},
		{"a failure", "json", t.Context(), errFailed, false, true},
		{"an error of no known type", "json", t.Context(), errors.New("reset"), false, true},
		{"an answer made of a failure", "json", t.Context(), nil, false, true},
		{"any answer with no-op", "no-op", t.Context(), nil, false, false},
		{"a failure with no-op", "no-op", t.Context(), errFailed, false, true},
		{"a deadline", "json", late, &gateway.Error{Code: gateway.CodeTimeout, Err: context.DeadlineExceeded}, false, true},
		{"a client that left", "json", cancelled, &gateway.Error{Code: gateway.CodeTimeout, Err: context.Canceled}, false, false},
		{"a request that cannot be sent", "json", t.Context(), &gateway.Error{Status: 400, Code: gateway.CodeBadRequest}, false, false},
		{"a request that is too large", "json", t.Context(), fmt.Errorf("the queue: %w", &gateway.Error{Status: 413, Code: gateway.CodeTooLarge}), false, false},
		{"a request without a value", "json", t.Context(), &gateway.Error{Code: gateway.CodeMissingValue}, false, false},
		{"a backend that says 400", "json", t.Context(), &gateway.Error{Status: 400, Code: gateway.CodeBackendStatus}, false, true},
		{"a client that left, by code", "json", t.Context(), &gateway.Error{Code: gateway.CodeClientGone}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := sitetest.New(t)
			g.Env.Service.Behaviour.BreakerThreshold = "at"
			g.Config.Backend[0].Encoding = tt.encoding
			st := newStage(t, g, `{"interval":60,"timeout":10,"max_errors":1}`)
			x := testx.Request{}.Exchange(t)
			if err := st.Enter(tt.ctx, x); err != nil {
				t.Fatal(err)
			}
			x.Response.Complete = tt.complete
			if err := st.Leave(tt.ctx, x, tt.err); err != tt.err {
				t.Errorf("Leave returned %v, want %v unchanged", err, tt.err)
			}
			if opened := errors.Is(call(t.Context(), st, true), errOpen); opened != tt.opens {
				t.Errorf("breaker open = %v, want %v", opened, tt.opens)
			}
		})
	}
}

// TestProbeGivenUp checks that a probe whose client left makes room for
// another.
func TestProbeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sitetest.New(t)
		st := newStage(t, g, `{"interval":60,"timeout":5,"max_errors":0}`)
		calls(t, st, "fo")
		time.Sleep(6 * time.Second)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := call(gone, st, false); !errors.Is(err, errFailed) {
			t.Fatalf("probe: error %v, want %v", err, errFailed)
		}
		calls(t, st, "gg")
	})
}

func TestOneBreakerForEachBackend(t *testing.T) {
	const options = `{"interval":60,"timeout":10,"max_errors":0,"name":"same"}`
	g := sitetest.New(t)
	first := newStage(t, g, options)
	second := sitetest.Stage[*stage](t, g.BackendOf(t, g.EndpointSite(), 1, "qos/circuit-breaker", options))
	calls(t, first, "fo")
	calls(t, second, "gfo")
}

func TestReload(t *testing.T) {
	const before = `{"interval":60,"timeout":10,"max_errors":0}`
	tests := []struct {
		name, after, calls string
	}{
		{"the state survives", before, "o"},
		{"a new label keeps it", `{"interval":60,"timeout":10,"max_errors":0,"name":"x","log_status_change":true}`, "o"},
		{"other thresholds start anew", `{"interval":60,"timeout":11,"max_errors":0}`, "gfo"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := sitetest.New(t)
			calls(t, newStage(t, g, before), "fo")
			old := g.Reload(t)
			st := newStage(t, g, tt.after)
			old.Release()
			calls(t, st, tt.calls)
			g.Reload(t).Release()
			calls(t, newStage(t, g, before), "g")
		})
	}
}

func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sitetest.New(t)
		st := newStage(t, g, `{"interval":60,"timeout":5,"max_errors":0,"name":"users","log_status_change":true}`)
		calls(t, st, "fo")
		time.Sleep(6 * time.Second)
		calls(t, st, "g")
		var got []string
		for line := range strings.Lines(g.Log.String()) {
			if !strings.Contains(line, "level=WARN") || !strings.Contains(line, `place="GET /users/{id} backend 0"`) {
				t.Errorf("line = %s, want level and place", line)
			}
			_, words, _ := strings.Cut(line, `msg="`)
			words, _, _ = strings.Cut(words, `"`)
			got = append(got, words)
		}
		want := "Circuit breaker named 'users' went from 'closed' to 'open', " +
			"Circuit breaker named 'users' went from 'open' to 'half-open', " +
			"Circuit breaker named 'users' went from 'half-open' to 'closed'"
		if strings.Join(got, ", ") != want {
			t.Errorf("changes = %q, want %q", got, want)
		}
	})
}

// TestName checks that a breaker without a name has one in the log.
func TestName(t *testing.T) {
	g := sitetest.New(t)
	calls(t, newStage(t, g, `{"interval":60,"timeout":5,"max_errors":0,"log_status_change":true}`), "fo")
	if want := "Circuit breaker named 'GET /users/{id} backend 0' went from 'closed' to 'open'"; !strings.Contains(g.Log.String(), want) {
		t.Errorf("log %s, want %s", g.Log.String(), want)
	}
}

// TestNoOp checks that a breaker that counts no status says so, and does not keep
// the gateway from starting: it opens where a host is away.
func TestNoOp(t *testing.T) {
	const options = `{"interval":60,"timeout":5,"max_errors":0}`
	for encoding, want := range map[model.Encoding]int{"no-op": 1, "json": 0} {
		g := sitetest.New(t)
		g.Config.Backend[0].Encoding = encoding
		problems := g.Backend(t, "qos/circuit-breaker", options).Problems()
		if len(problems) != want || want == 1 && (problems[0].Code != config.CodeSuspicious || !strings.Contains(problems[0].Error(), "only failures of connection and time count here")) {
			t.Errorf("encoding %s: %v, want %d problems", encoding, problems, want)
		}
	}
}

// TestSaid finds one line in the log when a breaker opens, with the cause, and one
// when it is closed again; none for a probe that fails, none per call.
func TestSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := sitetest.New(t)
		st := newStage(t, g, `{"interval":60,"timeout":5,"max_errors":0,"name":"users"}`)
		said := func(what string, want ...string) {
			t.Helper()
			got := slices.Collect(strings.Lines(g.Log.String()))
			g.Log.Reset()
			if len(got) != len(want) {
				t.Errorf("%s: got %q, want %d lines", what, got, len(want))
				return
			}
			for i := range want {
				for part := range strings.SplitSeq(want[i], "; ") {
					if !strings.Contains(got[i], part) {
						t.Errorf("%s: got %s, want %q in it", what, got[i], part)
					}
				}
			}
		}
		calls(t, st, "fooo")
		said("opened", `level=WARN; breaker opened; place="GET /users/{id} backend 0"; name=users; cause=backend_unreachable`)
		time.Sleep(6 * time.Second)
		calls(t, st, "foo")
		said("a probe that fails")
		time.Sleep(6 * time.Second)
		calls(t, st, "ggg")
		said("closed", `level=INFO; breaker closed; place="GET /users/{id} backend 0"; name=users`)
		for range 100 { // what changes all the time is said now and then
			calls(t, st, "f")
			time.Sleep(5*time.Second + 1)
			calls(t, st, "g")
		}
		if n := strings.Count(g.Log.String(), "\n"); n > 70 || n < 40 {
			t.Errorf("a breaker that flaps for 500 seconds: %d lines, want one every 10 seconds, or nearly", n)
		}
	})
	g := sitetest.New(t)
	calls(t, newStage(t, g, `{"interval":60,"timeout":5,"max_errors":0}`), "fo")
	if log := g.Log.String(); !strings.Contains(log, `name="GET /users/{id} backend 0"`) {
		t.Errorf("without a name: %s, want endpoint and backend", log)
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		name, options, path string
	}{
		{"all keys", `{"interval":60,"timeout":10,"max_errors":1,"name":"x","log_status_change":true}`, ""},
		{"no interval", `{"timeout":10,"max_errors":1}`, "interval"},
		{"no timeout", `{"interval":60,"max_errors":1}`, "timeout"},
		{"no max_errors", `{"interval":60,"timeout":10}`, "max_errors"},
		{"interval as text", `{"interval":"60","timeout":10,"max_errors":1}`, "interval"},
		{"timeout as text", `{"interval":60,"timeout":"10s","max_errors":1}`, "timeout"},
		{"max_errors as text", `{"interval":60,"timeout":10,"max_errors":"1"}`, "max_errors"},
		{"negative interval", `{"interval":-1,"timeout":10,"max_errors":1}`, "interval"},
		{"negative timeout", `{"interval":60,"timeout":-1,"max_errors":1}`, "timeout"},
		{"negative max_errors", `{"interval":60,"timeout":10,"max_errors":-1}`, "max_errors"},
		{"log_status_change as text", `{"interval":60,"timeout":10,"max_errors":1,"log_status_change":"yes"}`, "log_status_change"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			site := sitetest.Backend(t, "qos/circuit-breaker", tt.options)
			problems := site.Problems()
			if tt.path == "" {
				if len(problems) > 0 || len(site.Placed()) != 1 {
					t.Errorf("options %s: %v, want no problem", tt.options, problems)
				}
				return
			}
			if len(site.Placed()) > 0 || !config.HasErrors(problems) || !strings.HasPrefix(problems[0].Path, tt.path) && !strings.Contains(problems[0].Err.Error(), tt.path) {
				t.Errorf("options %s: %v, want an error about %s", tt.options, problems, tt.path)
			}
		})
	}
}

func TestAlias(t *testing.T) {
	if component.Default.Find(component.InBackend, "github.com/devopsfaith/krakend-circuitbreaker/gobreaker") == nil {
		t.Error("the historical name is unknown")
	}
}

// TestConcurrent runs calls of every outcome at once, for the race detector.
func TestConcurrent(t *testing.T) {
	g := sitetest.New(t)
	g.Env.Service.Behaviour.BreakerThreshold = "at"
	st := newStage(t, g, `{"interval":1,"timeout":1,"max_errors":2,"log_status_change":true}`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				err := call(context.Background(), st, (i+j)%3 > 0)
				if err != nil && !errors.Is(err, errFailed) && !errors.Is(err, errOpen) && !errors.Is(err, errProbe) {
					t.Errorf("call: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkClosed(b *testing.B) {
	g := sitetest.New(b)
	st := newStage(b, g, `{"interval":60,"timeout":10,"max_errors":1}`)
	x := testx.Request{}.Exchange(b)
	x.Response.Complete = true
	b.ReportAllocs()
	for b.Loop() {
		if err := st.Enter(b.Context(), x); err != nil {
			b.Fatal(err)
		}
		_ = st.Leave(b.Context(), x, nil)
	}
}

func TestAllocations(t *testing.T) {
	const budget = 1 // the callback of gobreaker
	g := sitetest.New(t)
	st := newStage(t, g, `{"interval":60,"timeout":10,"max_errors":1}`)
	x := testx.Request{}.Exchange(t)
	x.Response.Complete = true
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		_ = st.Enter(ctx, x)
		_ = st.Leave(ctx, x, nil)
	}); n > budget {
		t.Errorf("%v allocations per call, want at most %d", n, budget)
	}
}
