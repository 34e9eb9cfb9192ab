package plan

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// TestDeadline compares the context with that of the standard library, asked
// and unasked.
func TestDeadline(t *testing.T) {
	tests := []struct {
		name   string
		parent time.Duration // its own deadline; 0 for none
		waits  bool          // whether somebody asks for Done
		cancel bool          // whether the parent is cancelled after half of the time
		end    bool          // whether the exchange ends after half of the time
		after  time.Duration
		want   error
	}{
		{"before", 0, false, false, false, 500 * time.Millisecond, nil},
		{"before, waited for", 0, true, false, false, 500 * time.Millisecond, nil},
		{"after", 0, false, false, false, time.Second, context.DeadlineExceeded},
		{"after, waited for", 0, true, false, false, time.Second, context.DeadlineExceeded},
		{"parent cancelled", 0, false, true, false, 600 * time.Millisecond, context.Canceled},
		{"parent cancelled, waited for", 0, true, true, false, 600 * time.Millisecond, context.Canceled},
		{"parent earlier", 300 * time.Millisecond, false, false, false, 400 * time.Millisecond, context.DeadlineExceeded},
		{"parent earlier, waited for", 300 * time.Millisecond, true, false, false, 400 * time.Millisecond, context.DeadlineExceeded},
		{"exchange over", 0, false, false, true, 600 * time.Millisecond, context.Canceled},
		{"exchange over, waited for", 0, true, false, true, 600 * time.Millisecond, context.Canceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(context.Background())
				defer cancel()
				if tt.parent > 0 {
					parent, cancel = context.WithTimeout(parent, tt.parent)
					defer cancel()
				}
				x := gateway.Acquire(testx.Request{}.Inbound())
				ctx := Within(parent, x, time.Second)
				at, ok := ctx.Deadline()
				if want := time.Now().Add(min(time.Second, tt.parent)); tt.parent > 0 && !at.Equal(want) || !ok {
					t.Errorf("deadline %v %v, want %v", at, ok, want)
				}
				if tt.waits {
					ctx.Done()
				}
				time.Sleep(min(tt.after, 500*time.Millisecond))
				if tt.cancel {
					cancel()
				}
				released := false
				if tt.end {
					x.Release()
					released = true
				}
				time.Sleep(tt.after - min(tt.after, 500*time.Millisecond))
				synctest.Wait()
				if got := ctx.Err(); got != tt.want {
					t.Errorf("Err() = %v, want %v", got, tt.want)
				}
				select {
				case <-ctx.Done():
					if tt.want == nil {
						t.Error("Done is closed")
					}
				default:
					if tt.want != nil {
						t.Error("Done is open")
					}
				}
				derived, stop := context.WithCancel(ctx)
				defer stop()
				if got := derived.Err(); got != tt.want {
					t.Errorf("a derived context has %v, want %v", got, tt.want)
				}
				if !released {
					x.Release()
				}
			})
		})
	}
}
