package component_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/model"
)

// kept opens resources that count how they are opened and closed.
type kept struct {
	opened, closed []string
}

func (k *kept) open(name string) func() (string, func(), error) {
	return func() (string, func(), error) {
		k.opened = append(k.opened, name)
		return name, func() { k.closed = append(k.closed, name) }, nil
	}
}

func keep(t *testing.T, env *component.Env, name string, open func() (string, func(), error)) string {
	t.Helper()
	v, err := component.KeepIn(env, name, open)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestKeep goes through three generations: what is asked for again survives,
// and the last who used a thing closes it.
func TestKeep(t *testing.T) {
	var k kept
	keeper := new(component.Keeper)
	one, two, three := newEnv(keeper), newEnv(keeper), newEnv(keeper)

	keep(t, one, "stays", k.open("stays 1"))
	keep(t, one, "stays", k.open("stays 1 again"))
	keep(t, one, "goes", k.open("goes 1"))
	if got := keep(t, two, "stays", k.open("stays 2")); got != "stays 1" {
		t.Errorf("the second generation has %q, want that of the first", got)
	}
	keep(t, two, "comes", k.open("comes 2"))
	if len(k.closed) != 0 {
		t.Errorf("closed %q while everything is used", k.closed)
	}
	one.Release()
	if want := []string{"goes 1"}; !slices.Equal(k.closed, want) {
		t.Errorf("closed %q after the first generation, want %q", k.closed, want)
	}
	one.Release() // nothing is left to give back
	if got := keep(t, three, "goes", k.open("goes 3")); got != "goes 3" {
		t.Errorf("the third generation has %q, which was closed", got)
	}
	if got := keep(t, three, "stays", k.open("stays 3")); got != "stays 1" {
		t.Errorf("the third generation has %q, want that of the first", got)
	}
	two.Release()
	three.Release()
	if want := []string{"goes 1", "comes 2", "stays 1", "goes 3"}; !slices.Equal(k.closed, want) {
		t.Errorf("closed %q, want %q", k.closed, want)
	}
	if want := []string{"stays 1", "goes 1", "comes 2", "goes 3"}; !slices.Equal(k.opened, want) {
		t.Errorf("opened %q, want %q", k.opened, want)
	}
}

// detached ends beside others.
type detached struct{}

func (detached) Detached() {}

// TestDetached: what says so ends beside others that do, between what was kept before and later.
func TestDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // where it is noticed if one waits for the end of the other
		env := newEnv(new(component.Keeper))
		var k kept
		meet, met := make(chan bool), make(chan bool, 2)
		open := func(close func()) func() (detached, func(), error) {
			return func() (detached, func(), error) { return detached{}, func() { close(); met <- true }, nil }
		}
		keep(t, env, "before", func() (string, func(), error) {
			return "", func() { k.closed = append(k.closed, fmt.Sprint("before: ", len(met))) }, nil
		})
		for name, close := range map[string]func(){"a": func() { meet <- true }, "b": func() { <-meet }, "panics": func() { panic("trouble") }} {
			if _, err := component.KeepIn(env, name, open(close)); err != nil {
				t.Fatal(err)
			}
		}
		keep(t, env, "later", func() (string, func(), error) {
			return "", func() { k.closed = append(k.closed, fmt.Sprint("later: ", len(met))) }, nil
		})
		if err := env.Release(); err == nil || !strings.Contains(err.Error(), "trouble") {
			t.Errorf("Release: %v", err)
		}
		if want := []string{"later: 0", "before: 2"}; !slices.Equal(k.closed, want) {
			t.Errorf("closed %q, want %q", k.closed, want)
		}
	})
}

// TestKeepBySite shows that two components do not share by accident.
func TestKeepBySite(t *testing.T) {
	env := newEnv(new(component.Keeper))
	got := make(map[string]string)
	build := func(name string) component.Declaration {
		return service(name, func(s *component.ServiceSite, _ options) error {
			v, err := component.Keep(&s.Site, "same id", func() (string, func(), error) { return name, nil, nil })
			got[name] = v
			return err
		})
	}
	r := component.NewRegistry(build("a"), build("b"))
	s := component.NewServiceSite(env)
	for _, d := range r.All() {
		s.Build(d, nil)
	}
	if got["a"] != "a" || got["b"] != "b" {
		t.Errorf("kept %v, want one thing for each component", got)
	}
	env.Release() // a nil close is none
}

func TestKeepError(t *testing.T) {
	keeper := new(component.Keeper)
	env := newEnv(keeper)
	trouble := errors.New("trouble")
	if _, err := component.KeepIn(env, "a", func() (string, func(), error) { return "", nil, trouble }); !errors.Is(err, trouble) {
		t.Errorf("Keep: %v, want the error of open", err)
	}
	var k kept
	if got := keep(t, env, "a", k.open("second")); got != "second" {
		t.Errorf("after an error Keep has %q", got)
	}
	env.Release()
	if want := []string{"second"}; !slices.Equal(k.closed, want) {
		t.Errorf("closed %q, want %q", k.closed, want)
	}
}

// TestKeepConcurrently lets generations come and go from many goroutines:
// there is never a second open thing of one name, nobody holds a closed one,
// and in the end everything is closed.
func TestKeepConcurrently(t *testing.T) {
	type thing struct{ open atomic.Int32 }
	var live [4]atomic.Int32
	keeper := new(component.Keeper)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 500 {
				env := newEnv(keeper)
				id := (worker + i) % len(live)
				for range 2 {
					v, err := component.KeepIn(env, fmt.Sprint(id), func() (*thing, func(), error) {
						v := new(thing)
						v.open.Store(1)
						live[id].Add(1)
						return v, func() { v.open.Store(0); live[id].Add(-1) }, nil
					})
					if err != nil || v.open.Load() != 1 {
						t.Errorf("thing %d: %v, open %d", id, err, v.open.Load())
					}
				}
				env.Release()
			}
		})
	}
	wg.Wait()
	for id := range live {
		if n := live[id].Load(); n != 0 {
			t.Errorf("thing %d: %d are open in the end", id, n)
		}
	}
}

// TestKeepOfAgent: what is kept for an agent goes when that has ended, not with the generation,
// and once.
func TestKeepOfAgent(t *testing.T) {
	env := &component.Env{Service: new(model.Service), Keeper: new(component.Keeper)}
	s := component.NewAgentSite(env, &model.Agent{Name: "orders"}, &model.Endpoint{Endpoint: "orders"})
	var closed []string
	for _, id := range []string{"connection", "state"} {
		if _, err := component.Keep(&s.Site, id, func() (int, func(), error) { return 0, func() { closed = append(closed, id) }, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Source(nil, 1); err != nil {
		t.Fatal(err)
	}
	src, _ := s.Takes()
	if src.End == nil {
		t.Fatal("nothing ends")
	}
	err := src.End()
	if want := []string{"state", "connection"}; err != nil || !slices.Equal(closed, want) {
		t.Errorf("closed %q with error %v, want %q", closed, err, want)
	}
	if err := env.Release(); err != nil || len(closed) != 2 {
		t.Errorf("closed %q in the end with error %v", closed, err)
	}
}
