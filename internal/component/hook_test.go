package component_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/model"
)

// TestHooks ends what has started, and what had nothing to start, in the opposite order.
func TestHooks(t *testing.T) {
	broken := errors.New("does not start")
	for _, tt := range []struct {
		fails string
		want  []string
	}{
		{"", []string{"one starts", "two starts", "three starts", "three closes what it opened", "lone closes", "three closes", "two closes", "one closes", "nobody closes"}},
		{"one", []string{"one starts", "lone closes", "nobody closes"}},
		{"two", []string{"one starts", "two starts", "lone closes", "one closes", "nobody closes"}},
		{"three", []string{"one starts", "two starts", "three starts", "three closes what it opened", "lone closes", "two closes", "one closes", "nobody closes"}},
	} {
		env := &component.Env{Service: new(model.Service)}
		var got []string
		closes := func(what string) component.Hook {
			return func(context.Context) error { got = append(got, what); return nil }
		}
		env.OnClose(closes("nobody closes")) // of the core
		site := component.NewServiceSite(env)
		for _, name := range []string{"one", "two", "three", "lone"} {
			d := component.Service(component.Info{Namespace: name}, func(s *component.ServiceSite, _ struct{}) error {
				if name != "lone" {
					s.OnStart(func(context.Context) error {
						got = append(got, name+" starts")
						if name == "three" {
							s.OnClose(closes("three closes what it opened"))
						}
						if name == tt.fails {
							return broken
						}
						return nil
					})
				}
				s.OnClose(closes(name + " closes"))
				return nil
			})
			site.Build(&d, nil)
		}
		if err := env.Start(t.Context()); (err != nil) != (tt.fails != "") || err != nil && !errors.Is(err, broken) {
			t.Errorf("%q fails: Start: %v", tt.fails, err)
		}
		if err := env.Close(t.Context()); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q fails: %v, got %q, want %q", tt.fails, err, got, tt.want)
		}
	}
	var h component.Hooks
	h.OnClose(func(context.Context) error { return broken })
	h.OnClose(func(context.Context) error { return context.Canceled })
	if err := h.Close(t.Context()); !errors.Is(err, broken) || !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v, want both errors", err)
	}
}

// TestOnStartTooLate refuses work for a start that has begun.
func TestOnStartTooLate(t *testing.T) {
	env := &component.Env{Service: new(model.Service)}
	d := component.Service(component.Info{Namespace: "late"}, func(s *component.ServiceSite, _ struct{}) error {
		s.OnStart(func(context.Context) error { s.OnStart(nil); return nil })
		return nil
	})
	component.NewServiceSite(env).Build(&d, nil)
	if err := env.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "late") || !strings.Contains(err.Error(), "the start has begun") {
		t.Errorf("Start: %v, want that it is too late", err)
	}
}
