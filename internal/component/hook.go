package component

import (
	"context"
	"errors"
)

// A Hook is work at the start or the end of a generation.
type Hook func(context.Context) error

// Hooks are the work at the start and the end of a generation, in the order of building.
type Hooks struct {
	start   []Hook
	close   []closer
	latest  map[starter]int // how many of start there were with the last one of each
	await   []Hook
	begun   bool // no more work for the start
	started int  // how many of start have succeeded
}

// A starter is a component at one site.
type starter struct {
	at   *Site
	name string
}

// A closer is work for the end that is due once the first hooks of the start have
// succeeded, the last of which is of the same component; none if it has none.
type closer struct {
	Hook
	after int
}

func (h *Hooks) onStart(by starter, f Hook) {
	if h.begun {
		panic("component: OnStart is called when the start has begun, so the work would never be done")
	}
	h.start = append(h.start, f)
	if h.latest == nil {
		h.latest = make(map[starter]int)
	}
	h.latest[by] = len(h.start)
}

func (h *Hooks) onClose(by starter, f Hook) {
	h.close = append(h.close, closer{f, h.latest[by]}) // 0 in a hook of the start: what it has opened is closed
}

// OnClose is [Site.OnClose] for the core, which has no site.
func (h *Hooks) OnClose(f Hook) { h.close = append(h.close, closer{f, 0}) }

// Start runs the work for the start, up to the first that fails. It is called once.
func (h *Hooks) Start(ctx context.Context) error {
	h.begun, h.latest = true, nil
	for _, f := range h.start {
		if err := f(ctx); err != nil {
			return err
		}
		h.started++
	}
	return nil
}

// Await returns when what the start has begun has come to something, or ctx is done. The
// error says what has not.
func (h *Hooks) Await(ctx context.Context) error {
	var errs []error
	for _, f := range h.await {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}

// Close runs the work for the end, in the opposite order: all of it whose start has
// succeeded. It is called once.
func (h *Hooks) Close(ctx context.Context) error {
	var errs []error
	for i := len(h.close) - 1; i >= 0; i-- {
		if c := h.close[i]; c.after <= h.started {
			errs = append(errs, c.Hook(ctx))
		}
	}
	return errors.Join(errs...)
}
