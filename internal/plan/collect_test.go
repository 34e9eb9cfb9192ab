package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// A later is a tail that sends at once and has its answer after a while. What is
// read of it ends with the context, as what is left in a socket does.
type later struct {
	after  time.Duration
	unsent bool   // it has to wait before it can send
	panics string // "begin" or "finish"
	sent   time.Time
}

func (l *later) begin(context.Context, *gateway.Exchange) bool {
	if l.panics == "begin" {
		panic("begin")
	}
	l.sent = time.Now()
	return !l.unsent
}

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
						all.add(call{branch: &branch{run: &Plan{tail: &tt.calls[i], name: "call"}}, x: begin(x, body.Body{})})
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
