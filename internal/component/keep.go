package component

import (
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/sluice-gateway/sluice/internal/gateway"
)

// A Keeper holds what survives a reload: counters, breakers, connection
// pools, key sets. The zero Keeper is ready to use and safe for concurrent
// use.
type Keeper struct {
	mu   sync.Mutex
	kept map[string]*kept
}

type kept struct {
	value any
	close func()
	users int
}

// Keep opens a resource that survives reload while its identity is unchanged:
// the same namespace with the same id, at any of its sites, finds what is open, be it by
// the generation before. The id begins with a word for what it is, such as "pool", and
// holds whatever must not change: the Name of the site unless it is shared by several, and
// every option and file that shapes it, a secret among them as its hash. Another type under
// the same id panics.
//
// The resource is closed when the last generation that uses it ends, so it holds nothing
// of one: no logger, no site, no exchange. These come with each call, or from OnStart
// until OnClose. A connector of [Site.Dial] may be held.
//
// The ends come one after the other, in the opposite order, since what was kept later may use what
// was kept before. What has a method Detached, such as a connection to a peer that may say nothing
// to that, ends beside others that have it: none of them uses another.
//
// Open is called at most once at a time for an id; it must not block, connecting for
// instance, and it may return a nil close.
func Keep[T any](s *Site, id string, open func() (T, func(), error)) (T, error) {
	if s.releases == nil {
		return KeepIn(s.env, s.name+"\x00"+id, open)
	}
	return keep(s.env, s.name+"\x00"+id, open, s.releases.add)
}

// KeepIn is Keep for the core, which has no site.
func KeepIn[T any](env *Env, name string, open func() (T, func(), error)) (T, error) {
	return keep(env, name, open, func(f release) { env.release = append(env.release, f) })
}

// keep is KeepIn with who gives it back.
func keep[T any](env *Env, name string, open func() (T, func(), error), add func(release)) (T, error) {
	k := env.Keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[name]
	if e == nil {
		v, closer, err := open()
		if err != nil {
			return v, err
		}
		e = &kept{value: v, close: closer}
		if k.kept == nil {
			k.kept = make(map[string]*kept)
		}
		k.kept[name] = e
	}
	e.users++
	add(func() (func() error, bool) { return k.release(name, e) })
	return e.value.(T), nil
}

// A release gives back one use of what was kept. If that was the last one it returns the end of it,
// for the caller to run, and whether that may be beside others; else nil.
type release func() (end func() error, detached bool)

// release is a release of e. The error of the end is that of a panic of who closes.
func (k *Keeper) release(name string, e *kept) (end func() error, detached bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e.users--
	if e.users > 0 {
		return nil, false
	}
	delete(k.kept, name)
	if e.close == nil {
		return nil, false
	}
	_, detached = e.value.(interface{ Detached() })
	return func() (err error) {
		by, _, _ := strings.Cut(name, "\x00")
		defer gateway.Recover(by, &err)
		e.close()
		return nil
	}, detached
}

// releaseAll gives back in the opposite order what was kept, whoever panics.
func releaseAll(all []release) error {
	var beside sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	run := func(end func() error) {
		err := end()
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	}
	for _, f := range slices.Backward(all) {
		switch end, detached := f(); {
		case end == nil:
		case detached:
			beside.Go(func() { run(end) })
		default:
			beside.Wait() // as they may use it
			run(end)
		}
	}
	beside.Wait()
	return errors.Join(errs...)
}

// Releases give back what was kept for a part of a generation that may end before it.
type releases struct {
	mu  sync.Mutex
	all []release
}

func (r *releases) add(f release) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, f)
}

// end gives back what was not given back before.
func (r *releases) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return releaseAll(all)
}

// Release gives back what was kept for the generation, all of it, whoever panics. It is
// called once.
func (e *Env) Release() error {
	all := e.release
	e.release = nil
	return releaseAll(all)
}
