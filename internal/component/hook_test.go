package component_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/sluice-gateway/sluice/internal/component"
)

// TestHooks ends what has started, and nothing else, in the opposite order.
func TestHooks(t *testing.T) {
	broken := errors.New("does not start")
	for _, tt := range []struct {
		fails string
		want  []string
	}{
		{"", []string{"one starts", "two starts", "three starts", "three closes", "two closes", "one closes", "nobody closes"}},
		{"one", []string{"one starts", "nobody closes"}},
		{"two", []string{"one starts", "two starts", "one closes", "nobody closes"}},
		{"three", []string{"one starts", "two starts", "three starts", "two closes", "one closes", "nobody closes"}},
	} {
		var h component.Hooks
		var got []string
		closes := func(name string) {
			h.OnClose(func(context.Context) error { got = append(got, name+" closes"); return nil })
		}
		closes("nobody") // what begins with the building
		for _, name := range []string{"one", "two", "three"} {
			h.OnStart(func(context.Context) error {
				got = append(got, name+" starts")
				if name == tt.fails {
					return broken
				}
				return nil
			})
			closes(name)
		}
		if err := h.Start(t.Context()); (err != nil) != (tt.fails != "") || err != nil && !errors.Is(err, broken) {
			t.Errorf("%q fails: Start: %v", tt.fails, err)
		}
		if err := h.Close(t.Context()); err != nil || !slices.Equal(got, tt.want) {
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
