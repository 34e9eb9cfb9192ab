package balance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// static returns a balancer over hosts with pauses of exact length.
func static(t testing.TB, strategy Strategy, hosts ...string) *Balancer {
	t.Helper()
	s, err := NewStatic(hosts, Options{Rand: func() float64 { return 0.5 }})
	if err != nil {
		t.Fatal(err)
	}
	return New(s, strategy)
}

// take returns the addresses of the next n calls, none of which is reported.
func take(b *Balancer, n int) string {
	var out []string
	for range n {
		out = append(out, b.Next().Address)
	}
	return strings.Join(out, " ")
}

// host returns the host with an address.
func host(b *Balancer, address string) *Host {
	hosts := b.Hosts().current.Load().hosts
	return hosts[slices.IndexFunc(hosts, func(h *Host) bool { return h.Address == address })]
}

func TestRoundRobin(t *testing.T) {
	tests := []struct{ hosts, want string }{
		{"a", "a a a"},
		{"a b", "a b a b a"},
		{"a b c", "a b c a b c a"},
		{"a a b", "a b a a b a"},
		{"a b b b b c", "b b a c b b b b a c b b"},
		{"a a a", "a a a"},
	}
	for _, tt := range tests {
		b := static(t, RoundRobin, strings.Fields(tt.hosts)...)
		if got := take(b, len(strings.Fields(tt.want))); got != tt.want {
			t.Errorf("hosts %s: calls %s, want %s", tt.hosts, got, tt.want)
		}
	}
}

func TestRandom(t *testing.T) {
	s, err := NewStatic([]string{"a", "b", "b", "b"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := New(s, Random)
	const calls = 20_000
	count := map[string]int{}
	for range calls {
		count[b.Next().Address]++
	}
	if share := float64(count["a"]) / calls; share < 0.2 || share > 0.3 {
		t.Errorf("a host with one of four turns got %.2f of the calls, want 0.25", share)
	}
}

func TestEmptyList(t *testing.T) {
	if _, err := NewStatic(nil, Options{}); !errors.Is(err, ErrNoHost) {
		t.Errorf("NewStatic(nil) = %v, want %v", err, ErrNoHost)
	}
}

func TestParseStrategy(t *testing.T) {
	for name, want := range map[string]Strategy{"": RoundRobin, "round-robin": RoundRobin, "random": Random} {
		if got, err := ParseStrategy(name); got != want || err != nil {
			t.Errorf("ParseStrategy(%q) = %v, %v, want %v", name, got, err, want)
		}
	}
	if _, err := ParseStrategy("weighted"); err == nil {
		t.Error(`ParseStrategy("weighted") gives no error`)
	}
}

func TestDeadHost(t *testing.T) {
	for _, strategy := range []Strategy{RoundRobin, Random} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := NewStatic([]string{"a", "b", "c"}, Options{})
			b := New(s, strategy)
			host(b, "a").Fail()
			count := map[string]int{}
			for range 1000 {
				h := b.Next()
				h.OK()
				count[h.Address]++
			}
			if count["a"] != 0 || count["b"] < 400 || count["c"] < 400 {
				t.Errorf("strategy %d with a dead: calls %v, want an even share of b and c", strategy, count)
			}
		})
	}
}

func TestPauseGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := static(t, RoundRobin, "a", "b")
		a := host(b, "a")
		// untilProbe returns how long it takes until a call is let through to a.
		untilProbe := func() time.Duration {
			start := time.Now()
			for {
				for range 4 {
					if b.Next() == a {
						return time.Since(start)
					}
				}
				time.Sleep(time.Millisecond)
			}
		}
		for i, ms := range []int{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
			a.Fail()
			if got, want := untilProbe(), time.Duration(ms)*time.Millisecond; got != want {
				t.Errorf("pause after failure %d is %v, want %v", i+1, got, want)
			}
		}
		a.OK()
		if got := untilProbe(); got != 0 {
			t.Errorf("pause after a success is %v, want none", got)
		}
		a.Fail()
		if got := untilProbe(); got != firstPause {
			t.Errorf("pause after a success and a failure is %v, want %v", got, firstPause)
		}
	})
}

func TestPauseJitter(t *testing.T) {
	tests := []struct {
		rand float64
		want time.Duration
	}{{0, 80 * time.Millisecond}, {0.5, 100 * time.Millisecond}, {0.999999999999, 120 * time.Millisecond}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s, _ := NewStatic([]string{"a", "b"}, Options{Rand: func() float64 { return tt.rand }})
			h := s.current.Load().hosts[0]
			h.Fail()
			time.Sleep(tt.want - time.Millisecond)
			if h.available() {
				t.Errorf("rand %v: available before %v", tt.rand, tt.want)
			}
			time.Sleep(time.Millisecond)
			if !h.available() {
				t.Errorf("rand %v: not available after %v", tt.rand, tt.want)
			}
		})
	}
}

func TestOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := static(t, RoundRobin, "a", "b")
		a := host(b, "a")
		a.Fail()
		time.Sleep(firstPause)
		if got := strings.Count(take(b, 50), "a"); got != 1 {
			t.Errorf("%d probes at once, want 1", got)
		}
		time.Sleep(firstPause)
		if got := strings.Count(take(b, 50), "a"); got != 1 {
			t.Errorf("%d probes after one that never reported, want 1", got)
		}
		a.OK()
		if got := strings.Count(take(b, 50), "a"); got != 25 {
			t.Errorf("%d of 50 calls after a good probe, want 25", got)
		}
	})
}

func TestStragglersDoNotLengthenThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := static(t, RoundRobin, "a", "b")
		a := host(b, "a")
		for range 20 {
			a.Fail()
		}
		time.Sleep(firstPause)
		if !a.available() {
			t.Error("20 failures at once pause the host for longer than one")
		}
	})
}

func TestAllDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := static(t, RoundRobin, "a", "b", "c")
		for _, address := range []string{"b", "c", "a"} {
			host(b, address).Fail()
			time.Sleep(time.Millisecond)
		}
		// Each failure makes another host the one that failed longest ago.
		for _, want := range []string{"b", "c", "a", "b"} {
			h := b.Next()
			if h.Address != want {
				t.Errorf("all dead: called %s, want %s", h.Address, want)
			}
			h.Fail()
			time.Sleep(time.Millisecond)
		}
	})
}

func TestSingleDeadHostIsUsed(t *testing.T) {
	b := static(t, RoundRobin, "a", "a")
	for range 3 {
		b.Next().Fail()
	}
	if got := b.Next().Address; got != "a" {
		t.Errorf("called %s, want a", got)
	}
}

func TestReplaceKeepsHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := static(t, RoundRobin, "a", "b")
		host(b, "a").Fail()
		b.Hosts().replace([]string{"c", "a"})
		if got := take(b, 4); strings.Contains(got, "a") {
			t.Errorf("calls %s, want the paused a left out", got)
		}
		if got := b.Hosts().Len(); got != 2 {
			t.Errorf("Len() = %d, want 2", got)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	b := static(t, RoundRobin, "a", "b", "c", "c")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 2000 {
				switch h := b.Next(); {
				case h.Address == "a":
					h.Fail()
				default:
					h.OK()
				}
				if i == 0 && j%100 == 0 {
					b.Hosts().replace([]string{"a", "b", fmt.Sprint("d", j)})
				}
			}
		})
	}
	wg.Wait()
}

func TestRoundRobinIsEvenUnderConcurrency(t *testing.T) {
	b := static(t, RoundRobin, "a", "b", "c")
	var mu sync.Mutex
	count := map[string]int{}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range 500 {
				h := b.Next()
				mu.Lock()
				count[h.Address]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for address, n := range count {
		if n != 1000 {
			t.Errorf("%s got %d of 3000 calls, want 1000", address, n)
		}
	}
}

func TestNextAllocations(t *testing.T) {
	for _, strategy := range []Strategy{RoundRobin, Random} {
		b := static(t, strategy, "a", "b", "c")
		host(b, "b").Fail()
		if got := testing.AllocsPerRun(1000, func() { b.Next().OK() }); got != 0 {
			t.Errorf("strategy %d: a call allocates %v times, want 0", strategy, got)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	for _, bb := range []struct {
		name string
		dead bool
	}{{"healthy", false}, {"one dead", true}} {
		b.Run(bb.name, func(b *testing.B) {
			bal := static(b, RoundRobin, "a", "b", "c")
			if bb.dead {
				host(bal, "b").set.options.Clock = func() time.Time { return bal.set.start }
				host(bal, "b").Fail()
			}
			b.ReportAllocs()
			for b.Loop() {
				bal.Next().OK()
			}
		})
	}
}
