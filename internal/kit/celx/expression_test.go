package celx

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cel.dev/cel-go/common/types"

	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
)

// wide returns a scope in which every variable may be used.
func wide(clock component.Clock) *Scope {
	return &Scope{clock: clock, header: 1_000_000, noop: true, open: true, anyQuery: true}
}

// TestPath shows that the path is the one that was routed, in plain text.
func TestPath(t *testing.T) {
	tests := []struct{ sent, routed, want string }{
		{"/api//internal/x", "/api/internal/x", "/api/internal/x"},
		{"/api/./internal", "/api/internal", "/api/internal"},
		{"/api/%2Finternal", "/api/%2Finternal", "/api/internal"},
		{"/api/%69nternal", "", "/api/internal"},
	}
	for _, tt := range tests {
		x := testx.Request{Path: tt.sent}.Exchange(t)
		x.Path = tt.routed
		a := activation{Scope: new(Scope), x: x}
		if got, _ := a.ResolveName(varPath); got != tt.want {
			t.Errorf("%s, routed as %q: req_path is %q, want %q", tt.sent, tt.routed, got, tt.want)
		}
	}
}

// TestWatched knows at the start what needs no watching at run time.
func TestWatched(t *testing.T) {
	for expr, want := range map[string]bool{
		"req_method == 'GET'": false,
		"'X-Role' in req_headers && req_headers['X-Role'][0] == 'admin'": false,
		"'admin' in req_headers['X-Role']":                               false,
		"req_params.Nick.matches('^[a-z]+$')":                            false,
		"JWT.sub == 'u1' && 'admin' in JWT.roles":                        false,
		"resp_data.id > 5":                                               false,
		"req_path.startsWith('/x')":                                      false,
		"req_params.Resp0_a.matches('^[a-z]+$')":                         true,
		"req_params['Resp0_a.b'].contains('needle')":                     true,
		"req_params['Id'] == 'a' && 'Id' in req_params":                  false,
		"timestamp(now).getDayOfWeek() in [1, 2, 3, 4, 5]":               false,
		"req_headers['A'].exists(v, v == 'a')":                           true,
		"resp_data.a == resp_data.b":                                     true,
		"req_path.contains(req_headers['A'][0])":                         true,
		"resp_metadata_headers['A'][0].contains('needle')":               true,
		"'a' in resp_metadata_headers['A']":                              true,
		"resp_metadata_headers['A'] == resp_metadata_headers['B']":       true,
		"resp_metadata_headers['A'][0] == 'a'":                           false,
		"resp_metadata_headers['A'] == ['a', 'b']":                       false,
		"'A' in resp_metadata_headers && resp_metadata_status == 200":    false,
	} {
		e, err := wide(nil).compile(expr, Bounds{CostLimit: DefaultCostLimit})
		if err != nil || e.watched != want {
			t.Errorf("%s: watched %v, error %v, want %v", expr, e != nil && e.watched, err, want)
		}
	}
}

// FuzzCompile checks that no text makes compiling or evaluating panic, and
// that whatever compiles is evaluated in some phase.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{"true", "req_headers['X'][0] == 'a'", "resp_data.id > 5", "JWT.a", "[1].all(x, x > 0)", "'", "now.matches('(')", "req_params.Resp0_a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := wide(time.Now).compile(text, Bounds{CostLimit: DefaultCostLimit})
		if err != nil {
			return
		}
		if int(e.phase) >= Phases {
			t.Fatalf("compile(%q) has phase %d", text, e.phase)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = e.holds(ctx, &activation{Scope: wide(time.Now), x: testx.Request{}.Exchange(t), answer: map[string]any{}})
	})
}

func FuzzParseNumber(f *testing.F) {
	for _, seed := range []string{"7", "-1", "1.5e3", "18446744073709551615", "inf", "0x1", "1_0", "+1", "", "1e999", "-", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		// Every JSON number is one, and equal to itself read as a double.
		if !json.Valid([]byte(text)) || strings.Trim(text, "0123456789+-.eE") != "" || strings.TrimSpace(text) != text {
			return
		}
		var want float64
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			return // too large for a double
		}
		v := parseNumber(types.String(text))
		if !isNumber(v) || v.ConvertToType(types.DoubleType).Value() != want {
			t.Errorf("parseNumber(%q) = %v, want %v", text, v, want)
		}
	})
}

// FuzzPattern checks that no pattern makes matching panic, and that one within its
// bounds is matched as the library does.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{"^a+$", "(", `(?i)\pL{3}`, "(((a{0,30}){0,30}){0,30})", "a{1000}{1000}", "[^\\x00-\\x{10FFFF}]", "\xff"} {
		f.Add(seed, "aaa")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		got := matchBounded(types.String(text), types.String(pattern))
		if types.IsError(got) {
			return
		}
		if want := types.String(text).Match(types.String(pattern)); want != got {
			t.Errorf("%q in %q: got %v, want %v", pattern, text, got, want)
		}
	})
}

// TestManyFields looks names up in a map where there are many fields, with the same
// result: a loop that looks up must not read them all in each round.
func TestManyFields(t *testing.T) {
	for _, n := range []int{1, many, many + 1, 1000} {
		var fields gateway.Fields
		for i := range n {
			fields.Add(fmt.Sprintf("X-%d", i%500), fmt.Sprint(i))
		}
		m := fieldMap{fields: fields}
		for _, name := range []string{"X-0", "X-1", "X-499", "X-None"} {
			want := fields.AppendValues(nil, name)
			v, found := m.Find(types.String(name))
			if found != (want != nil) || bool(m.Contains(types.String(name)).(types.Bool)) != found {
				t.Errorf("%d fields: %s is there: %v, want %v", n, name, found, want != nil)
			}
			if !found {
				continue
			}
			got, err := v.ConvertToNative(reflect.TypeFor[[]string]())
			if err != nil || !slices.Equal(got.([]string), want) {
				t.Errorf("%d fields: %s is %v, %v, want %v", n, name, got, err, want)
			}
		}
		if indexed := m.index != nil; indexed != (n > many) {
			t.Errorf("%d fields: a map was made: %v", n, indexed)
		}
	}
}
