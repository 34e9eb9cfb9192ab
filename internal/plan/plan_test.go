package plan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

var errTrouble = errors.New("trouble")

// A played is a stage that does as it is told and notes that it was there.
type played struct {
	name       string
	log        *[]string
	enter      func(x *gateway.Exchange) error
	leave      func(err error) error
	leavesWith *[]error // what it saw when it left
}

func (p *played) Enter(_ context.Context, x *gateway.Exchange) error {
	*p.log = append(*p.log, "in "+p.name)
	if p.enter != nil {
		return p.enter(x)
	}
	return nil
}

func (p *played) Leave(_ context.Context, _ *gateway.Exchange, err error) error {
	*p.log = append(*p.log, "out "+p.name)
	*p.leavesWith = append(*p.leavesWith, err)
	if p.leave != nil {
		return p.leave(err)
	}
	return err
}

// TestDo runs a plan of three stages, of which one misbehaves.
func TestDo(t *testing.T) {
	fails := func(*gateway.Exchange) error { return errTrouble }
	panics := func(*gateway.Exchange) error { panic("trouble") }
	type change map[string]played
	tests := []struct {
		name   string
		change change
		tail   func(*gateway.Exchange) error
		log    string
		want   string // the error begins with it; "" for none
	}{
		{"nothing happens", nil, nil, "in a, in b, in c, tail, out c, out b, out a", ""},
		{"the tail fails", nil, fails, "in a, in b, in c, tail, out c, out b, out a", "tail (test.json:9:1): trouble"},
		{"the tail panics", nil, panics, "in a, in b, in c, tail, out c, out b, out a", "tail (test.json:9:1): internal: panic: trouble\n"},
		{"the tail panics with an error", nil, func(*gateway.Exchange) error { panic(errTrouble) }, "in a, in b, in c, tail, out c, out b, out a", "tail (test.json:9:1): internal: panic: trouble\n"},
		{"the tail panics with nil", nil, func(*gateway.Exchange) error { panic(nil) }, "in a, in b, in c, tail, out c, out b, out a", "tail (test.json:9:1): internal: panic: panic called with nil argument"},
		{"the first fails to enter", change{"a": {enter: fails}}, nil, "in a", "a (test.json:1:1): trouble"},
		{"one fails to enter", change{"b": {enter: fails}}, nil, "in a, in b, out a", "b (test.json:2:1): trouble"},
		{"the last fails to enter", change{"c": {enter: fails}}, nil, "in a, in b, in c, out b, out a", "c: trouble"},
		{"one panics when it enters", change{"b": {enter: panics}}, nil, "in a, in b, out a", "b (test.json:2:1): internal: panic: trouble\n"},
		{"one replies", change{"b": {enter: func(x *gateway.Exchange) error { x.Reply(); return nil }}}, fails, "in a, in b, out b, out a", ""},
		{"one replies and fails", change{"b": {enter: func(x *gateway.Exchange) error { x.Reply(); return errTrouble }}}, nil, "in a, in b, out a", "b (test.json:2:1): trouble"},
		{"one fails to leave", change{"b": {leave: func(error) error { return errTrouble }}}, nil, "in a, in b, in c, tail, out c, out b, out a", "b (test.json:2:1): trouble"},
		{"one panics when it leaves", change{"b": {leave: func(error) error { panic("trouble") }}}, nil, "in a, in b, in c, tail, out c, out b, out a", "b (test.json:2:1): internal: panic: trouble\n"},
		{"all panic when they leave", change{
			"a": {leave: func(error) error { panic("a") }},
			"b": {leave: func(error) error { panic("b") }},
			"c": {leave: func(error) error { panic("c") }},
		}, panics, "in a, in b, in c, tail, out c, out b, out a", "a (test.json:1:1): internal: panic: a\n"},
		{"one makes an answer of the failure", change{"b": {leave: func(error) error { return nil }}}, fails, "in a, in b, in c, tail, out c, out b, out a", ""},
		{"one wraps the failure of another", change{
			"a": {leave: func(err error) error { return &gateway.Error{Code: "outer", Err: err} }},
		}, fails, "in a, in b, in c, tail, out c, out b, out a", "outer: tail (test.json:9:1): trouble"},
		{"one replaces the failure of another", change{
			"a": {leave: func(error) error { return &gateway.Error{Code: "other"} }},
		}, fails, "in a, in b, in c, tail, out c, out b, out a", "a (test.json:1:1): other"},
		{"one fails where another made an answer", change{
			"b": {leave: func(error) error { return nil }},
			"a": {leave: func(error) error { return errTrouble }},
		}, fails, "in a, in b, in c, tail, out c, out b, out a", "a (test.json:1:1): trouble"},
		{"an error that cannot be compared", change{
			"b": {leave: func(err error) error { return err }},
		}, func(*gateway.Exchange) error { return several{errTrouble} }, "in a, in b, in c, tail, out c, out b, out a", "tail (test.json:9:1): trouble"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log []string
			var seen []error
			p := &Plan{name: "tail", at: config.Pos{File: "test.json", Line: 9, Col: 1}}
			p.tail = gateway.ConnectorFunc(func(_ context.Context, x *gateway.Exchange) error {
				log = append(log, "tail")
				if tt.tail != nil {
					return tt.tail(x)
				}
				return nil
			})
			for i, name := range []string{"a", "b", "c"} {
				st := tt.change[name]
				st.name, st.log, st.leavesWith = name, &log, &seen
				at := config.Pos{File: "test.json", Line: int32(i + 1), Col: 1}
				if name == "c" {
					at = config.Pos{} // a component that nobody configured
				}
				p.steps = append(p.steps, step{enter: &st, leave: &st, name: name, at: at})
			}
			x := gateway.Acquire(nil)
			defer x.Release()
			err := p.Do(t.Context(), x)
			if got := strings.Join(log, ", "); got != tt.log {
				t.Errorf("the stages: %s\nwant: %s", got, tt.log)
			}
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("Do: %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(tt.want, "panic") && gateway.AsError(err).Public != "" {
				t.Errorf("a panic is told to the client: %q", gateway.AsError(err).Public)
			}
			if n := wraps(err); err != nil && n != 1 {
				t.Errorf("the error names %d steps, want one: %v", n, err)
			}
		})
	}
}

// several is an error that cannot be compared.
type several []error

func (s several) Error() string { return s[0].Error() }

// wraps counts the failures in the chain of err.
func wraps(err error) int {
	n := 0
	for ; err != nil; err = errors.Unwrap(err) {
		if _, ok := err.(*Failure); ok {
			n++
		}
	}
	return n
}

// TestOneWayStages shows that a stage without a way out is passed over.
func TestOneWayStages(t *testing.T) {
	entered := 0
	one := gateway.StageFunc(func(context.Context, *gateway.Exchange) error { entered++; return nil })
	p := Blueprint{
		Placed: []component.Placed{{Stage: one}, {Stage: one}},
		Phase:  func(uint8) string { return "" },
		Tail:   gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return errTrouble }),
	}.Plan()
	x := gateway.Acquire(nil)
	defer x.Release()
	if err := p.Do(t.Context(), x); !errors.Is(err, errTrouble) || entered != 2 {
		t.Errorf("Do: %v after %d stages", err, entered)
	}
}

// TestBlueprint sorts by phase, then by name, then by order of placing.
func TestBlueprint(t *testing.T) {
	var placed []component.Placed
	for i, p := range []struct {
		phase uint8
		name  string
	}{{2, "b"}, {1, "z"}, {2, "a"}, {0, "x"}, {2, "a"}} {
		stage := gateway.LeaveFunc(func(context.Context, *gateway.Exchange, error) error { return nil })
		placed = append(placed, component.Placed{Phase: p.phase, Name: p.name, Stage: stage, At: config.Pos{Line: int32(i)}})
	}
	var got []string
	var lines []int
	p := Blueprint{Placed: placed, Phase: func(p uint8) string { return string(rune('A' + p)) }}.Plan()
	for _, s := range p.steps {
		got, lines = append(got, p.phase(s.phase)+s.name), append(lines, int(s.at.Line))
		if s.leave == nil {
			t.Errorf("%s lost its way out", s.name)
		}
	}
	if want := []string{"Ax", "Bz", "Ca", "Ca", "Cb"}; !slices.Equal(got, want) || !slices.Equal(lines, []int{3, 1, 2, 4, 0}) {
		t.Errorf("steps %q of lines %v, want %q", got, lines, want)
	}
}

// TestLimit shows how long the deadline of a plan holds: until the exchange is
// released, because its answer may stream.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inner context.Context
		p := &Plan{limit: time.Second, tail: gateway.ConnectorFunc(func(ctx context.Context, _ *gateway.Exchange) error {
			inner = ctx
			return nil
		})}
		begin := time.Now()
		x := gateway.Acquire(nil)
		if err := p.Do(t.Context(), x); err != nil {
			t.Fatal(err)
		}
		if d, ok := inner.Deadline(); !ok || d.Sub(begin) != time.Second {
			t.Errorf("the deadline is after %v, want 1s", d.Sub(begin))
		}
		if err := inner.Err(); err != nil {
			t.Errorf("after Do: %v, want a context that holds", err)
		}
		x.Release()
		if err := inner.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("after the release: %v, want %v", err, context.Canceled)
		}
	})
}

// TestEnded gives the end of the context its code, wherever in a plan it is returned.
func TestEnded(t *testing.T) {
	ends := map[string]func(context.Context) (context.Context, context.CancelFunc){
		"timeout": func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, 0) },
		"client_gone": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		},
		"shutdown": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(gateway.ErrStopped)
			return ctx, func() {}
		},
		"internal": func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(ctx) },
	}
	refusal := &gateway.Error{Code: "refusal", Err: context.DeadlineExceeded}
	for code, end := range ends {
		ctx, cancel := end(t.Context())
		defer cancel()
		cause := ctx.Err()
		if cause == nil { // it goes on; what has ended is that of somebody else
			cause = context.DeadlineExceeded
		}
		fails := gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return cause })
		fine := gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return nil })
		for where, p := range map[string]*Plan{
			"a stage":        Of([]component.Placed{{Stage: gateway.StageFunc(fails)}}, fine),
			"the tail":       Of(nil, fails),
			"on the way out": Of([]component.Placed{{Stage: gateway.LeaveFunc(func(context.Context, *gateway.Exchange, error) error { return cause })}}, fine),
		} {
			if err := p.Do(ctx, testx.Request{}.Exchange(t)); gateway.AsError(err).Code != code || !errors.Is(err, cause) {
				t.Errorf("%s: %v, want the code %s", where, err, code)
			}
		}
		told := Of(nil, gateway.ConnectorFunc(func(context.Context, *gateway.Exchange) error { return refusal }))
		if err := told.Do(ctx, testx.Request{}.Exchange(t)); gateway.AsError(err) != refusal {
			t.Errorf("%s: an error with a code became %v", code, err)
		}
	}
}
