package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAwaitLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, asked := time.Now(), 0
		first := func(n int) func() bool { // some are expected the first n times
			start, asked = time.Now(), 0
			return func() bool { asked++; return asked <= n }
		}
		if late := AwaitLast(t.Context(), first(0)); late || asked != 1 || time.Since(start) != 0 {
			t.Errorf("none expected: late %t after %v", late, time.Since(start))
		}
		if late := AwaitLast(t.Context(), first(3)); late || asked != 4 || time.Since(start) != 3*lookAgain {
			t.Errorf("some expected: late %t after %v", late, time.Since(start))
		}
		if late := AwaitLast(t.Context(), first(1<<30)); !late || time.Since(start) != lastHead {
			t.Errorf("some expected for ever: late %t after %v, want %v", late, time.Since(start), lastHead)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*lookAgain)
		defer cancel()
		if late := AwaitLast(ctx, first(1<<30)); late || time.Since(start) != 5*lookAgain {
			t.Errorf("until the context is done: late %t after %v", late, time.Since(start))
		}
	})
}
