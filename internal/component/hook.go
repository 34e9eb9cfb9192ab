package component

import (
	"context"
	"errors"

	"github.com/sluice-gateway/sluice/internal/model"
)

// A Hook is work at the start or the end of a generation.
type Hook func(context.Context) error

// Hooks are the work at the start and the end of a generation, in the order of building.
type Hooks struct {
	start  []starting
	await  []awaiting
	close  []closer
	latest map[starter]int // how many of start there were with the last one of each
	begun  bool            // no more work for the start
}

// A starter is a component at one site.
type starter struct {
	at   *Site
	name string
}

// A starting is work for the start, and whether it has succeeded.
type starting struct {
	Hook
	of   *model.Endpoint // that it is for; nil for the service
	done bool
}

// An awaiting is what is waited for behind the start of an endpoint, or of the service.
type awaiting struct {
	Hook
	of *model.Endpoint
}

// A closer is work for the end that is due once the hook of the start before it, of the same
// component, has succeeded; 0 is that there is none.
type closer struct {
	Hook
	after int
}

func (h *Hooks) onStart(by starter, f Hook) {
	if h.begun {
		panic("component: OnStart is called when the start has begun, so the work would never be done")
	}
	h.start = append(h.start, starting{Hook: f, of: by.at.of})
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
	return h.run(ctx, func(*model.Endpoint) bool { return true })
}

// StartOf is Start for an endpoint alone, or for nothing but the service, which is nil. It is
// called once for each.
func (h *Hooks) StartOf(ctx context.Context, e *model.Endpoint) error {
	return h.run(ctx, func(of *model.Endpoint) bool { return of == e })
}

func (h *Hooks) run(ctx context.Context, due func(of *model.Endpoint) bool) error {
	h.begun, h.latest = true, nil
	for i := range h.start {
		s := &h.start[i]
		if !due(s.of) {
			continue
		}
		if err := s.Hook(ctx); err != nil {
			return err
		}
		s.done = true
	}
	return nil
}

// Await returns when what the start has begun has come to something, or ctx is done. The
// error says what has not.
func (h *Hooks) Await(ctx context.Context) error {
	return h.wait(ctx, func(*model.Endpoint) bool { return true })
}

// AwaitOf is Await for what [Hooks.StartOf] has begun.
func (h *Hooks) AwaitOf(ctx context.Context, e *model.Endpoint) error {
	return h.wait(ctx, func(of *model.Endpoint) bool { return of == e })
}

func (h *Hooks) wait(ctx context.Context, due func(of *model.Endpoint) bool) error {
	var errs []error
	for _, f := range h.await {
		if due(f.of) {
			errs = append(errs, f.Hook(ctx))
		}
	}
	return errors.Join(errs...)
}

// Close runs the work for the end, in the opposite order: all of it whose start has
// succeeded. It is called once.
func (h *Hooks) Close(ctx context.Context) error {
	var errs []error
	for i := len(h.close) - 1; i >= 0; i-- {
		if c := h.close[i]; c.after == 0 || h.start[c.after-1].done {
			errs = append(errs, c.Hook(ctx))
		}
	}
	return errors.Join(errs...)
}
