package jwk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A provider answers with a key set and counts how often it was asked. It is
// changed between calls only.
type provider struct {
	calls  atomic.Int32
	status int
	media  string
	body   []byte
	delay  time.Duration
}

func newProvider(t *testing.T, names ...string) *provider {
	p := &provider{status: 200, media: "application/json"}
	p.publish(t, names...)
	return p
}

func (p *provider) publish(t *testing.T, names ...string) {
	var keys []map[string]any
	for _, name := range names {
		keys = append(keys, key(t, "ed", map[string]any{"kid": name}))
	}
	p.body = document(t, keys...)
}

func (p *provider) Do(ctx context.Context, x *gateway.Exchange) error {
	p.calls.Add(1)
	select {
	case <-time.After(p.delay):
	case <-ctx.Done():
		return &gateway.Error{Code: gateway.CodeTimeout, Err: ctx.Err()}
	}
	x.Response.Status = p.status
	x.Response.Header.Set("Content-Type", p.media)
	x.Response.Body = body.FromStream(io.NopCloser(strings.NewReader(string(p.body))), -1)
	return nil
}

// remote returns a set of the provider that is closed when the test ends.
func (p *provider) remote(t *testing.T, lifetime, cooldown time.Duration) *Remote {
	r := NewRemote(RemoteOptions{
		URL: "https://idp.test/keys", Connector: p, Lifetime: lifetime, Cooldown: cooldown, Clock: time.Now,
	})
	t.Cleanup(r.Close)
	return r
}

// want checks the outcome of one Find and the number of calls so far. Renewals
// in the background have ended when it counts.
func (p *provider) want(t *testing.T, r *Remote, name string, found bool, calls int) {
	t.Helper()
	_, err := r.Find(t.Context(), name)
	synctest.Wait()
	if (err == nil) != found {
		t.Errorf("Find(%q): error %v, want found: %v", name, err, found)
	}
	if got := p.calls.Load(); got != int32(calls) {
		t.Errorf("after Find(%q) the provider was asked %d times, want %d", name, got, calls)
	}
}

func TestRemoteWithoutCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, 0, 0)
		r.Preload()
		p.want(t, r, "a", true, 1)
		p.want(t, r, "a", true, 2)
		p.want(t, r, "b", false, 3)
		p.publish(t, "b")
		p.want(t, r, "b", true, 4)
		time.Sleep(10 * time.Second)
		p.want(t, r, "a", false, 5)
		p.status = 500
		p.want(t, r, "b", false, 6)
		p.status = 200
		p.want(t, r, "b", true, 7)
	})
}

// TestUnknownNamesWithoutCache lets names that nobody knows cost two downloads in 10
// seconds, while a name that the set has costs one each.
func TestUnknownNamesWithoutCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, 0, 0)
		for i := range 1000 { // the first tells which names there are
			_, err := r.Find(t.Context(), fmt.Sprint("invented", i))
			if !errors.Is(err, ErrUnknown) {
				t.Fatalf("an unknown name: %v", err)
			}
		}
		if got := p.calls.Load(); got != 3 {
			t.Errorf("a thousand unknown names cost %d downloads, want 3", got)
		}
		p.want(t, r, "a", true, 4)
		p.publish(t, "a", "new")
		p.want(t, r, "new", false, 4)
		p.want(t, r, "a", true, 5) // shows the new one, too
		p.want(t, r, "new", true, 6)
		time.Sleep(10 * time.Second)
		p.publish(t, "a", "newer")
		p.want(t, r, "newer", true, 7)
	})
}

// TestUnavailable tells a set that cannot be had from a name that it has not.
func TestUnavailable(t *testing.T) {
	for _, o := range []RemoteOptions{{}, {Cooldown: time.Minute}, {Lifetime: time.Minute}, {Lifetime: time.Minute, Cooldown: time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			p := newProvider(t, "a")
			r := p.remote(t, o.Lifetime, o.Cooldown)
			find := func(name string, want error) {
				t.Helper()
				if _, err := r.Find(t.Context(), name); !errors.Is(err, want) || err != nil && want == nil {
					t.Errorf("%+v: Find(%q): %v, want %v", o, name, err, want)
				}
			}
			p.status = 500
			find("a", ErrUnavailable)
			find("a", ErrUnavailable) // whether the provider is asked again or not
			time.Sleep(2 * time.Minute)
			p.status = 200
			find("a", nil)
			find("b", ErrUnknown)
			find("b", ErrUnknown)
			time.Sleep(11 * time.Second)
			p.status = 500
			find("c", ErrUnavailable)
			find("c", ErrUnavailable)
		})
	}
}

// TestListeners hears of each change once, in order, whoever was attached last.
func TestListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a", "b")
		r := p.remote(t, time.Minute, 0)
		var heard []string
		listener := func(name string) *Listener {
			return &Listener{
				Changed: func(c Change) {
					heard = append(heard, fmt.Sprintf("%s: %d to %d, %d keys, cause %v", name, c.From, c.To, c.Keys, c.Cause != nil))
				},
				Loaded: func(s *Set) { heard = append(heard, fmt.Sprintf("%s: set of %d", name, s.Len())) },
			}
		}
		step := func(what string, do func(), want ...string) {
			t.Helper()
			heard = nil
			do()
			synctest.Wait()
			if !slices.Equal(heard, want) {
				t.Errorf("%s: heard %q, want %q", what, heard, want)
			}
		}
		find := func() { r.Find(t.Context(), "a") }
		one, two := listener("one"), listener("two")
		step("attached before", func() { r.Attach(one); r.Preload() }, "one: set of 2", "one: 0 to 1, 2 keys, cause false")
		step("attached later", func() { r.Attach(two) }, "two: set of 2")
		step("renewed", func() { time.Sleep(time.Minute); find() }, "one: set of 2", "two: set of 2")
		step("not renewed", func() { p.status = 500; time.Sleep(time.Minute); find() }, "two: 1 to 2, 0 keys, cause true")
		step("nor again", func() { time.Sleep(time.Second); find() })
		step("too old", func() { time.Sleep(time.Minute); find() }, "two: 2 to 3, 0 keys, cause true")
		step("nor again", func() { time.Sleep(time.Second); find() })
		step("detached", func() { r.Detach(two) })
		step("back", func() { p.status = 200; time.Sleep(time.Second); find() }, "one: set of 2", "one: 3 to 1, 2 keys, cause false")
		step("nobody left", func() { r.Detach(one); p.status = 500; time.Sleep(time.Minute); find() })
	})
}

// TestAttachInOrder attaches a listener while a newer set waits to be told, from within
// the telling of the one before: whoever comes late hears of the newest set last, and
// of no older one.
func TestAttachInOrder(t *testing.T) {
	p := newProvider(t, "a")
	r := p.remote(t, time.Hour, 0)
	var heard []int
	late := &Listener{Changed: func(Change) {}, Loaded: func(s *Set) { heard = append(heard, s.Len()) }}
	load := func(names ...string) {
		p.publish(t, names...)
		set, err := Parse(p.body, ByID)
		if err != nil {
			t.Error(err)
		}
		r.finish(&download{done: make(chan struct{}), set: set})
	}
	var attached sync.WaitGroup
	r.Attach(&Listener{
		Changed: func(Change) {},
		Loaded: func(s *Set) {
			if s.Len() != 1 {
				return
			}
			attached.Go(func() { r.Attach(late) })
			for range 10_000 { // as far as it gets while this one is told
				r.mu.Lock()
				n := len(r.listeners)
				r.mu.Unlock()
				if n == 2 {
					break
				}
				runtime.Gosched()
			}
			load("a", "b")
		},
	})
	load("a")
	r.tell()
	attached.Wait()
	r.tell()
	if want := []int{2}; !slices.Equal(heard, want) {
		t.Errorf("heard of sets of %v keys, want %v", heard, want)
	}
}

// TestFlapping says of a provider that comes and goes what it does now and then.
func TestFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, 0, 0)
		var heard []State
		r.Attach(&Listener{Changed: func(c Change) { heard = append(heard, c.To) }, Loaded: func(*Set) {}})
		for range 100 {
			p.status = 500
			r.Find(t.Context(), "a")
			p.status = 200
			r.Find(t.Context(), "a")
		}
		synctest.Wait()
		if n := len(heard); n > 7 {
			t.Errorf("two hundred changes at once: heard of %d, want 7 at most", n)
		}
		time.Sleep(time.Minute)
		p.status = 500
		r.Find(t.Context(), "a")
		r.Find(t.Context(), "a")
		synctest.Wait()
		if last := heard[len(heard)-1]; last != Missing {
			t.Errorf("after a rest: heard of %d last, want that the set is missing", last)
		}
	})
}

// TestClosingIsNoFailure keeps a download that closing cuts from being told.
func TestClosingIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		p.delay = time.Second
		r := p.remote(t, time.Minute, 0)
		r.Attach(&Listener{
			Changed: func(c Change) { t.Errorf("heard %+v", c) },
			Loaded:  func(*Set) { t.Error("heard of a set") },
		})
		r.Preload()
		synctest.Wait()
		r.Close()
	})
}

func TestRemoteWithoutCacheCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, 0, time.Minute)
		p.want(t, r, "b", false, 1)
		p.want(t, r, "b", false, 1)
		p.want(t, r, "a", true, 2)
		p.publish(t, "b")
		time.Sleep(time.Minute)
		p.want(t, r, "b", true, 3)
		p.status = 500
		p.want(t, r, "b", false, 4)
		p.status = 200
		p.want(t, r, "b", false, 4)
		time.Sleep(time.Minute)
		p.want(t, r, "b", true, 5)
	})
}

func TestRemoteCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, 15*time.Minute, 0)
		r.Preload()
		r.Preload()
		synctest.Wait()
		p.want(t, r, "a", true, 1)
		time.Sleep(15*time.Minute - 1)
		p.want(t, r, "a", true, 1)
		r.Preload()
		time.Sleep(1 * time.Nanosecond) // the lifetime is over: used once more while it is renewed
		p.want(t, r, "a", true, 2)
		p.want(t, r, "a", true, 2)

		p.publish(t, "b") // a is taken back
		time.Sleep(15 * time.Minute)
		p.want(t, r, "a", true, 3)
		p.want(t, r, "a", false, 4)
		p.want(t, r, "b", true, 4)

		p.publish(t, "c")
		time.Sleep(30 * time.Minute) // too old to be used while it is renewed
		p.want(t, r, "b", false, 5)
		p.want(t, r, "c", true, 5)
	})
}

func TestRemoteCacheUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, time.Minute, 0)
		p.status = 500
		p.want(t, r, "a", false, 1)
		p.want(t, r, "a", false, 1) // the failure counts for a second
		time.Sleep(time.Second)
		p.want(t, r, "a", false, 2)
		time.Sleep(time.Second)
		p.status = 200
		p.want(t, r, "a", true, 3)

		p.status = 500
		time.Sleep(time.Minute)
		p.want(t, r, "a", true, 4) // the old set, while the renewal fails
		p.want(t, r, "a", true, 4)
		time.Sleep(time.Second)
		p.want(t, r, "a", true, 5)
		time.Sleep(time.Minute - time.Second)
		p.want(t, r, "a", false, 6) // twice its lifetime is the end
		time.Sleep(time.Second)
		p.status = 200
		p.want(t, r, "a", true, 7)
	})
}

func TestRemoteCacheUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, time.Hour, 0)
		p.want(t, r, "a", true, 1)

		p.publish(t, "a", "b") // a new key is found at once
		p.want(t, r, "b", true, 2)

		for i := range 100 { // invented names cost one more download
			p.want(t, r, fmt.Sprint("invented", i), false, 3)
		}
		p.publish(t, "a", "b", "c")
		p.want(t, r, "c", false, 3)
		time.Sleep(forcedWindow)
		p.want(t, r, "c", true, 4)
		p.want(t, r, "invented0", false, 5) // its cooldown is over
		p.want(t, r, "invented0", false, 5)
	})
}

func TestRemoteCacheCooldown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, time.Hour, time.Minute)
		p.want(t, r, "a", true, 1)
		p.want(t, r, "b", false, 2)
		time.Sleep(time.Minute - 1)
		p.want(t, r, "b", false, 2)
		time.Sleep(1 * time.Nanosecond)
		p.want(t, r, "b", false, 3)
	})
}

// TestRemoteTogether lets many ask at the same time.
func TestRemoteTogether(t *testing.T) {
	for _, lifetime := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			p := newProvider(t, "a")
			p.delay = time.Second
			r := p.remote(t, lifetime, 0)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					name, found := "a", true
					if i%2 == 1 {
						name, found = fmt.Sprint("b", i), false
					}
					if _, err := r.Find(t.Context(), name); (err == nil) != found {
						t.Errorf("Find(%q): error %v, want found: %v", name, err, found)
					}
				})
			}
			wg.Wait()
			if n := p.calls.Load(); n != 1 {
				t.Errorf("50 at once asked the provider %d times, want 1", n)
			}
		})
	}
}

// TestRemoteOvertaken lets a set arrive between a look at the old one and the
// question for a download.
func TestRemoteOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		r := p.remote(t, time.Hour, 0)
		r.Preload()
		synctest.Wait()
		d, err := r.join("a", time.Now(), nil, false)
		if err != nil || d.set != r.last.Load().set {
			t.Errorf("download %v, error %v; want the set that has arrived", d, err)
		}
		<-d.done
		if n := p.calls.Load(); n != 1 {
			t.Errorf("the provider was asked %d times, want 1", n)
		}
	})
}

func TestRemoteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		p.delay = time.Hour
		r := p.remote(t, time.Hour, 0)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Find(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("error %v after %v, want that of the request after 1s", err, time.Since(start))
		}
		if _, err := r.Find(t.Context(), "a"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("error %v after %v, want that of the download after 5s", err, time.Since(start))
		}
		if n := p.calls.Load(); n != 1 {
			t.Errorf("the provider was asked %d times, want 1", n)
		}
	})
}

func TestRemoteAnswers(t *testing.T) {
	large := strings.Repeat(" ", downloadLimit)
	tests := []struct {
		name, want string // of the error; "" for none
		change     func(p *provider)
	}{
		{"json", "", func(p *provider) {}},
		{"json with a charset", "", func(p *provider) { p.media = "application/json; charset=utf-8" }},
		{"jwk-set+json", "", func(p *provider) { p.media = "application/jwk-set+json" }},
		{"media type in capitals", "", func(p *provider) { p.media = "Application/JSON" }},
		{"text", `"text/plain"`, func(p *provider) { p.media = "text/plain" }},
		{"no type", `""`, func(p *provider) { p.media = "" }},
		{"500 with keys", "status 500", func(p *provider) { p.status = 500 }},
		{"404", "status 404", func(p *provider) { p.status = 404 }},
		{"201 with keys", "status 201", func(p *provider) { p.status = 201 }},
		{"empty set", "no key that can be used", func(p *provider) { p.body = []byte(`{"keys":[]}`) }},
		{"bare key", `no member "keys"`, func(p *provider) { p.body = []byte(`{"kty":"oct","k":"c2VjcmV0"}`) }},
		{"no JSON", "not a key set", func(p *provider) { p.body = []byte("<html>") }},
		{"too large", "too large", func(p *provider) { p.body = append([]byte(large), p.body...) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, "a")
			tt.change(p)
			_, err := p.remote(t, 0, 0).Find(t.Context(), "a")
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRemoteClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t, "a")
		p.delay = time.Hour
		r := p.remote(t, time.Hour, 0)
		r.Preload()
		synctest.Wait()
		start := time.Now()
		r.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %v, want it to end the download", took)
		}
		time.Sleep(time.Minute)
		r.Preload()
		p.want(t, r, "a", false, 1)
	})
}

func TestCooldownBound(t *testing.T) {
	r := NewRemote(RemoteOptions{Cooldown: time.Minute, Clock: time.Now})
	now := time.Now()
	for i := range 3 * cooledNames {
		r.cooled.add(fmt.Sprint(i), now, until{now.Add(time.Minute), errCooling})
	}
	if n := len(r.cooled.until); n != cooledNames {
		t.Errorf("%d names are remembered, want %d", n, cooledNames)
	}
	later := now.Add(time.Minute)
	r.cooled.add("new", later, until{later.Add(time.Minute), errCooling})
	if n := len(r.cooled.until); n != 1 || r.cooled.holds("new", later) == nil {
		t.Errorf("%d names are remembered, want the new one only", n)
	}
}
