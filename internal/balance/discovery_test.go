package balance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// zone is a resolver whose answer the test sets.
type zone struct {
	mu      sync.Mutex
	lookups int
	records []SRV
	err     error
}

func (z *zone) set(err error, targets ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.err, z.records = err, nil
	for _, target := range targets {
		z.records = append(z.records, SRV{Target: target, Port: 80})
	}
}

func (z *zone) resolve(context.Context, string) ([]SRV, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.lookups++
	return z.records, z.err
}

func (z *zone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.lookups
}

// addresses returns the hosts of a set on one line.
func addresses(s *Set) string {
	var out []string
	for _, h := range s.current.Load().hosts {
		out = append(out, h.Address)
	}
	return strings.Join(out, " ")
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var z zone
		var reports []string
		d, err := NewDiscovery("name", DiscoveryOptions{
			Resolver: z.resolve,
			TTL:      10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		hosts, stop := d.Hosts("http"), func() {}
		report := func(name string, err error) { reports = append(reports, fmt.Sprint(name, ": ", err)) }
		steps := []struct {
			name string
			set  func()
			wait time.Duration
			want string
		}{
			{"first answer", func() { z.set(nil, "a", "b"); stop = d.Start(t.Context(), report) }, 0, "http://a:80 http://b:80"},
			{"not yet", func() { z.set(nil, "b", "c") }, 9 * time.Second, "http://a:80 http://b:80"},
			{"after the ttl", func() {}, 2 * time.Second, "http://b:80 http://c:80"},
			{"a failing lookup keeps the list", func() { z.set(errors.New("servfail")) }, 20 * time.Second, "http://b:80 http://c:80"},
			{"so does an empty answer", func() { z.set(nil) }, 20 * time.Second, "http://b:80 http://c:80"},
			{"records beside an error count", func() { z.set(errors.New("some names"), "e") }, 10 * time.Second, "http://e:80"},
			{"and back", func() { z.set(nil, "d") }, 10 * time.Second, "http://d:80"},
		}
		for _, step := range steps {
			step.set()
			time.Sleep(step.wait)
			synctest.Wait()
			if got := addresses(hosts); got != step.want {
				t.Errorf("%s: %s, want %s", step.name, got, step.want)
			}
		}
		stop()
		if want := "name: srv records of name: servfail|name: <nil>"; strings.Join(reports, "|") != want {
			t.Errorf("reports %q, want %q", reports, want)
		}
		before := z.count()
		time.Sleep(time.Minute)
		if got := z.count(); got != before {
			t.Errorf("%d lookups after Close, want none", got-before)
		}
		if got := addresses(d.Hosts("https")); got != "https://d:80" {
			t.Errorf("a scheme asked for later has %q, want the last answer", got)
		}
	})
}

func TestFirstLookupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var z zone
		z.set(errors.New("no such host"))
		d, _ := NewDiscovery("name", DiscoveryOptions{Resolver: z.resolve})
		b := New(d.Hosts("http"), RoundRobin)
		defer d.Start(t.Context(), nil)()
		if h := b.Next(); h != nil {
			t.Errorf("host %s without an answer, want none", h.Address)
		}
		z.set(nil, "a")
		time.Sleep(time.Second)
		synctest.Wait()
		if h := b.Next(); h == nil || h.Address != "http://a:80" {
			t.Errorf("host %v one second later, want http://a:80", h)
		}
	})
}

func TestTTL(t *testing.T) {
	for ttl, want := range map[time.Duration]int{0: 2, 999 * time.Millisecond: 2, time.Second: 31, 10 * time.Second: 4} {
		synctest.Test(t, func(t *testing.T) {
			var z zone
			z.set(nil, "a")
			d, _ := NewDiscovery("name", DiscoveryOptions{Resolver: z.resolve, TTL: ttl})
			defer d.Start(t.Context(), nil)()
			time.Sleep(30*time.Second + time.Millisecond)
			if got := z.count(); got != want {
				t.Errorf("ttl %v: %d lookups in 30s, want %d", ttl, got, want)
			}
		})
	}
}

func TestStartOutlivesItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var z zone
		z.set(nil, "a")
		d, _ := NewDiscovery("name", DiscoveryOptions{Resolver: z.resolve})
		ctx, cancel := context.WithCancel(t.Context())
		defer d.Start(ctx, nil)()
		cancel()
		z.set(nil, "b")
		time.Sleep(defaultTTL + time.Millisecond)
		if got := addresses(d.Hosts("http")); got != "http://b:80" {
			t.Errorf("hosts %s after the context of Start ended, want http://b:80", got)
		}
	})
}

func TestSlowResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context, _ string) ([]SRV, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		d, _ := NewDiscovery("name", DiscoveryOptions{Resolver: stuck})
		start := time.Now()
		stop := d.Start(t.Context(), nil)
		if got := time.Since(start); got != lookupTimeout {
			t.Errorf("Start took %v, want %v", got, lookupTimeout)
		}
		time.Sleep(minTTL + time.Second) // into the next lookup
		start = time.Now()
		stop()
		if got := time.Since(start); got != 0 {
			t.Errorf("stop took %v during a lookup, want no time", got)
		}
	})
}

// TestUsers has two backends use one discovery: one lookup for both, which share what is
// known of the hosts and not whose turn it is.
func TestUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var z zone
		z.set(nil, "a", "b")
		d, _ := NewDiscovery("name", DiscoveryOptions{Resolver: z.resolve})
		stopFirst := d.Start(t.Context(), nil)
		stopSecond := d.Start(t.Context(), nil)
		if got := z.count(); got != 1 {
			t.Errorf("%d lookups for two users, want 1", got)
		}

		x, y := New(d.Hosts("http"), RoundRobin), New(d.Hosts("http"), RoundRobin)
		if got := take(x, 1) + " " + take(y, 1); got != "http://a:80 http://a:80" {
			t.Errorf("first calls %s, want each backend to start at the first host", got)
		}
		host(x, "http://a:80").Fail()
		if got := take(y, 2); got != "http://b:80 http://b:80" {
			t.Errorf("calls %s after the other backend's failure, want only b", got)
		}

		stopFirst()
		time.Sleep(defaultTTL + time.Millisecond)
		if got := z.count(); got != 2 {
			t.Errorf("%d lookups while one user is left, want 2", got)
		}
		stopSecond()
		time.Sleep(time.Minute)
		if got := z.count(); got != 2 {
			t.Errorf("%d lookups without users, want 2", got)
		}
	})
}

func TestEmptyName(t *testing.T) {
	if _, err := NewDiscovery("", DiscoveryOptions{}); !errors.Is(err, ErrNoHost) {
		t.Errorf("NewDiscovery: %v, want %v", err, ErrNoHost)
	}
}

// TestLastUserIsTold tells failures to whoever came last and has not left: a
// configuration that fails to start leaves the one before it to serve.
func TestLastUserIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var z zone
		z.set(nil, "a")
		d, err := NewDiscovery("name", DiscoveryOptions{Resolver: z.resolve, TTL: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		user := func(who string) (stop func()) {
			return d.Start(t.Context(), func(name string, err error) { told = append(told, fmt.Sprint(who, ": ", err)) })
		}
		outage := func() {
			z.set(errors.New("servfail"))
			time.Sleep(30 * time.Second)
			z.set(nil, "a")
			time.Sleep(30 * time.Second)
		}
		first := user("first")
		failed := user("failed")
		failed()
		outage()
		second := user("second")
		outage()
		first()
		outage()
		second()
		outage()
		const failure = ": srv records of name: servfail"
		if want := []string{"first" + failure, "first: <nil>", "second" + failure, "second: <nil>", "second" + failure, "second: <nil>"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

// TestHostIsSaid tells the first failure of a host and the first success after it.
func TestHostIsSaid(t *testing.T) {
	set, err := NewStatic([]string{"http://a", "http://b"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := set.First()
	var got []bool
	got = append(got, h.OK(), h.Fail(), h.Fail(), h.OK(), h.OK(), h.Fail())
	if want := []bool{false, true, false, true, false, true}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// TestHealthyHostNeedsNoLock: a host whose failures come so often that they are not
// said any more costs no lock once it is healthy.
func TestHealthyHostNeedsNoLock(t *testing.T) {
	var now atomic.Int64
	set, err := NewStatic([]string{"http://a"}, Options{Clock: func() time.Time { return time.Unix(now.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	h := set.First()
	for h.Fail() {
		h.OK()
	}
	for !h.said.Bad() { // the next failure is said, and what comes after it is not
		now.Add(1)
		h.Fail()
	}
	if h.OK() {
		t.Fatal("the recovery is said, so nothing is silent")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	done := make(chan bool)
	go func() { done <- h.OK() }()
	select {
	case say := <-done:
		if say {
			t.Error("said although it is too early")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("OK waits for the lock")
	}
}
