package fanout

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/plan"
)

// A later is a tail that sends at once and has its answer after a while. What is
// read of it ends with the context, as what is left in a socket does.
type later struct {
	after  time.Duration
	unsent bool   // it has to wait before it can send
	panics string // "begin" or "finish"
	sent   time.Time
}

func (l *later) Begin(ctx context.Context, x *gateway.Exchange) (gateway.Pending, bool) {
	if l.panics == "begin" {
		panic("begin")
	}
	l.sent = time.Now()
	if l.unsent {
		return nil, false
	}
	return finisher(func() error { return l.finish(ctx, x) }), true
}

type finisher func() error

func (f finisher) Finish() error { return f() }

func (l *later) finish(ctx context.Context, x *gateway.Exchange) error {
	if l.panics == "finish" {
		panic("finish")
	}
	if ctx.Err() != nil {
		return &gateway.Error{Code: gateway.CodeTimeout, Err: ctx.Err()}
	}
	select {
	case <-time.After(time.Until(l.sent.Add(l.after))):
		x.Response.Status, x.Response.Complete = 200, true
		return nil
	case <-ctx.Done():
		return &gateway.Error{Code: gateway.CodeTimeout, Err: ctx.Err()}
	}
}

func (l *later) Do(ctx context.Context, x *gateway.Exchange) error {
	l.sent = time.Now()
	return l.finish(ctx, x)
}

// TestCollection has the property that every answer that comes within the
// deadline is read, whatever the others do.
func TestCollection(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name     string
		deadline time.Duration // 0 for none
		calls    []later
		want     string // one letter for each: a for an answer, t for a timeout, p for a panic
		took     time.Duration
	}{
		{"at the same time", time.Second, []later{{after: ms}, {after: ms}, {after: ms}}, "aaa", ms},
		{"first is too slow", 100 * ms, []later{{after: time.Hour}, {after: ms}, {after: 99 * ms}}, "taa", 100 * ms},
		{"last is too slow", 100 * ms, []later{{after: ms}, {after: 99 * ms}, {after: time.Hour}}, "aat", 100 * ms},
		{"first is late, without a deadline", 0, []later{{after: time.Second}, {after: 900 * ms}, {}}, "aaa", time.Second},
		{"ends as others get goroutines", time.Second, []later{{after: patience}, {after: patience}}, "aa", patience},
		{"one has to be made", 100 * ms, []later{{after: time.Hour}, {after: ms, unsent: true}, {after: 2 * ms}}, "taa", 100 * ms},
		{"all have to be made", 100 * ms, []later{{after: 3 * ms, unsent: true}, {after: ms, unsent: true}}, "aa", 3 * ms},
		{"more than there is room for", 100 * ms, append([]later{{after: time.Hour}}, make([]later, 11)...), "t" + strings.Repeat("a", 11), 100 * ms},
		{"one", 100 * ms, []later{{after: ms}}, "a", ms},
		{"panics", 100 * ms, []later{{panics: "begin"}, {after: ms}, {panics: "finish"}}, "pap", ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for range 3 { // on memory that was used before
					ctx := t.Context()
					if tt.deadline > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.deadline)
						defer cancel()
					}
					x := testx.Request{}.Exchange(t)
					all := newCollection(ctx)
					for i := range tt.calls {
						all.add(call{branch: &Branch{Run: plan.Of(nil, &tt.calls[i])}, x: NewCall(x, body.Body{})})
					}
					began := time.Now()
					all.run()
					if took := time.Since(began); took != tt.took {
						t.Errorf("took %v, want %v", took, tt.took)
					}
					got := ""
					for i := range all.calls {
						switch err := all.calls[i].err; {
						case err == nil:
							got += "a"
						case gateway.AsError(err).Code == gateway.CodeTimeout && errors.Is(err, context.DeadlineExceeded):
							got += "t"
						case strings.Contains(fmt.Sprint(err), "panic: "):
							got += "p"
						}
					}
					if got != tt.want {
						t.Errorf("got %s, want %s", got, tt.want)
					}
					all.release()
					for i, c := range all.room {
						if all.ctx == nil && (c.x != nil || c.branch != nil) {
							t.Errorf("call %d is kept", i)
						}
					}
				}
			})
		})
	}
}

// A waiting is a stage that waits on the way in.
type waiting time.Duration

func (w waiting) Enter(context.Context, *gateway.Exchange) error {
	time.Sleep(time.Duration(w))
	return nil
}

// A measuring is a stage that measures what is inside of it.
type measuring struct{ began, took time.Duration }

func (m *measuring) Enter(_ context.Context, x *gateway.Exchange) error {
	m.began = time.Since(x.Parent.Started)
	return nil
}

func (m *measuring) Leave(_ context.Context, x *gateway.Exchange, err error) error {
	m.took = time.Since(x.Parent.Started) - m.began
	return err
}

// TestWaitingStages lets the calls of an endpoint run beside each other whatever
// their stages do, and measures each by itself.
func TestWaitingStages(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name  string
		waits []time.Duration // of a stage of each call; negative for one that does not wait
		calls []later
		took  time.Duration
	}{
		{"three wait", []time.Duration{50 * ms, 50 * ms, 50 * ms}, []later{{}, {}, {}}, 50 * ms},
		{"one does not", []time.Duration{50 * ms, -1, 50 * ms}, []later{{}, {after: ms}, {}}, 50 * ms},
		{"they only measure", []time.Duration{0, 0, 0}, []later{{after: 40 * ms}, {after: ms}, {after: 2 * ms}}, 40 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := testx.Request{}.Exchange(t)
				x.Started = time.Now()
				all := newCollection(t.Context())
				measured := make([]measuring, len(tt.calls))
				for i := range tt.calls {
					var placed []component.Placed
					if tt.waits[i] >= 0 {
						placed = []component.Placed{{Stage: &measured[i]}, {Stage: waiting(tt.waits[i])}}
					}
					p := plan.Blueprint{Placed: placed, Phase: func(uint8) string { return "" }, Tail: &tt.calls[i], Name: "call"}.Plan()
					all.add(call{branch: &Branch{Run: p}, x: NewCall(x, body.Body{})})
				}
				all.run()
				if took := time.Since(x.Started); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				for i := range all.calls {
					if all.calls[i].err != nil {
						t.Errorf("call %d: %v", i, all.calls[i].err)
					}
					if want := tt.waits[i] + tt.calls[i].after; tt.waits[i] >= 0 && measured[i].took != want {
						t.Errorf("call %d is measured as %v, want %v", i, measured[i].took, want)
					}
				}
				all.release()
			})
		})
	}
}
