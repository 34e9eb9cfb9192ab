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
	return keep(env, name, open, func(f func() error) { env.release = append(env.release, f) })
}

// keep is KeepIn with who gives it back.
func keep[T any](env *Env, name string, open func() (T, func(), error), add func(release func() error)) (T, error) {
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
	add(func() error { return k.release(name, e) })
	return e.value.(T), nil
}

// release ends one use. An error is that of a panic of who closes.
func (k *Keeper) release(name string, e *kept) (err error) {
	k.mu.Lock()
	e.users--
	last := e.users == 0
	if last {
		delete(k.kept, name)
	}
	k.mu.Unlock()
	if last && e.close != nil {
		by, _, _ := strings.Cut(name, "\x00")
		defer gateway.Recover(by, &err)
		e.close()
	}
	return nil
}

// Releases give back what was kept for a part of a generation that may end before it.
type releases struct {
	mu  sync.Mutex
	all []func() error
}

func (r *releases) add(f func() error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, f)
}

// end gives back what was not given back before, whoever panics.
func (r *releases) end() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, f := range slices.Backward(r.all) {
		errs = append(errs, f())
	}
	r.all = nil
	return errors.Join(errs...)
}

// Release gives back what was kept for the generation, all of it, whoever panics. It is
// called once.
func (e *Env) Release() error {
	var errs []error
	for _, f := range slices.Backward(e.release) { // what was kept later may use what was kept before
		errs = append(errs, f())
	}
	e.release = nil
	return errors.Join(errs...)
}
