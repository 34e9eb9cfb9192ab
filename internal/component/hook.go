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
	started int // how many of start have succeeded
}

// A closer is work for the end that is due once the first hooks of the start have
// succeeded, which are those that were registered before it.
type closer struct {
	Hook
	after int
}

// OnStart is [Site.OnStart] for the core, which has no site.
func (h *Hooks) OnStart(f Hook) { h.start = append(h.start, f) }

// OnClose is [Site.OnClose] for the core.
func (h *Hooks) OnClose(f Hook) { h.close = append(h.close, closer{f, len(h.start)}) }

// Start runs the work for the start, up to the first that fails. It is called once.
func (h *Hooks) Start(ctx context.Context) error {
	for _, f := range h.start[h.started:] {
		if err := f(ctx); err != nil {
			return err
		}
		h.started++
	}
	return nil
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
