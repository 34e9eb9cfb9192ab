package celx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-gateway/sluice/internal/body"
	"github.com/sluice-gateway/sluice/internal/component"
	"github.com/sluice-gateway/sluice/internal/config"
	"github.com/sluice-gateway/sluice/internal/gateway"
	"github.com/sluice-gateway/sluice/internal/jsonspan"
	"github.com/sluice-gateway/sluice/internal/kit/testx"
	"github.com/sluice-gateway/sluice/internal/model"
)

// scopes returns those of the service, of POST /orders/{id}, which has a validator and
// lets X-Role and page through, and of its second backend, in sequence.
func scopes(noop bool) map[string]*Scope {
	env := &component.Env{
		Service: &model.Service{},
		Clock:   func() time.Time { return time.Date(2026, 11, 22, 13, 4, 5, 67e6, time.UTC) },
		Log:     component.NewLog(slog.DiscardHandler),

		Registry: component.NewRegistry(component.Endpoint(component.Info{Namespace: "test/token", Identifies: true},
			func(*component.EndpointSite, *config.Node) error { return nil })),
	}
	e := &model.Endpoint{
		Method: "POST", Endpoint: "/orders/{id}", OutputEncoding: "json",
		InputHeaders: []string{"X-Role"}, InputQueryStrings: []string{"page"},
		ExtraConfig: map[string]*config.Node{"test/token": new(config.Node)},
		Backend:     []*model.Backend{{Encoding: "json"}, {Encoding: "json"}},
	}
	if noop {
		e.OutputEncoding, e.Backend[1].Encoding = "no-op", "no-op"
	}
	service := component.NewServiceSite(env)
	endpoint := component.NewEndpointSite(env, service, e, []string{"id"})
	endpoint.Sequence(nil)
	return map[string]*Scope{
		"service": Service(service), "early": Early(endpoint), "endpoint": Pipe(&endpoint.PipeSite),
		"backend": Backend(component.NewBackendSite(env, &endpoint.PipeSite, e.Backend[1])),
	}
}

// asked returns an exchange that is on its way back from a backend.
func asked(t testing.TB) *gateway.Exchange {
	x := testx.Request{
		Method: "POST", Path: "/v1//orders/7%2f", Query: "page=2&secret=a+b&page=3",
		Header: gateway.Fields{{Name: "X-Role", Value: "admin"}, {Name: "X-Internal", Value: "1"}},
	}.Exchange(t)
	x.Params = append(x.Params, "7")
	x.Identity = &gateway.Identity{Claims: map[string]any{"sub": "u1", "n": json.Number("5")}}
	first := new(body.Body)
	first.SetTree(map[string]any{"user": map[string]any{"id": json.Number("8")}})
	x.Results = []gateway.Result{{Body: first}}
	x.Request.Method, x.Request.Path = "PUT", "/inner"
	x.Request.Header = gateway.Fields{{Name: "X-Role", Value: "admin"}}
	x.Request.Query = gateway.Fields{{Name: "page", Value: "2"}}
	x.Response.Status, x.Response.Complete = 201, true
	x.Response.Header = gateway.Fields{{Name: "Etag", Value: "1"}}
	answer(t, x, `{"id":7,"price":1.50}`)
	return x
}

// answer gives x a decoded answer.
func answer(t testing.TB, x *gateway.Exchange, text string) {
	x.Response.Body = body.FromBytes([]byte(text))
	if err := x.Response.Body.Project(jsonspan.Compile(jsonspan.Rules{}), 0); err != nil {
		t.Fatal(err)
	}
}

// TestScopes shows what variables hold where an expression stands. A want that begins
// with an exclamation mark is part of the error of compiling, one with a question mark
// is part of a doubt.
func TestScopes(t *testing.T) {
	tests := []struct{ expr, service, early, endpoint, backend string }{
		{"now == '2026-11-22T13:04:05.067Z'", "true", "true", "true", "true"},
		{"req_method == 'POST'", "true", "true", "true", "false"},
		{"req_path == '/v1/orders/7/'", "true", "true", "true", "false"},
		{"req_params.Id == '7'", "?no parameters", "true", "true", "true"},
		{"req_params['Resp0_user.id'] == '8'", "?never has a value in an endpoint", "?never has a value in an endpoint", "?never has a value in an endpoint", "true"},
		{"req_params.Resp1_id == '8'", "?", "?", "?", "?backend 1 is not called before this one"},
		{"'X-Role' in req_headers", "true", "true", "true", "true"},
		{"'X-Internal' in req_headers", "true", "true", "?input_headers does not let the header through", "?input_headers"},
		{"'Host' in req_headers", "?look at another header", "?look at another header", "?X-Forwarded-Host", "?X-Forwarded-Host"},
		{"req_headers['X-Role'][0] == 'admin'", "true", "true", "true", "true"},
		{"req_querystring['page'] == ['2', '3']", "true", "true", "false", "false"},
		{"req_querystring['secret'][0] == 'a b'", "true", "true", "?input_query_strings", "?input_query_strings"},
		{"req_querystring.exists(name, name == 'secret') && req_querystring.all(name, name in req_querystring)", "true", "true", "false", "false"},
		{"JWT.n == 5.0 && JWT.sub == 'u1'", "!configure test/token", "true", "true", "!configure test/token"},
		{"resp_completed", "true", "true", "true", "true"},
		{"resp_metadata_status == 201 || resp_data.price == 1.5", "true", "true", "true", "true"},
		{"resp_data.id == '7' && int(resp_data.id) == 7", "true", "true", "true", "true"},
		{"JWT.sub == 'u1' && req_method == 'POST'", "!write two expressions", "!write two expressions", "!write two expressions", "!write two expressions"},
		{"req_path.matches(req_method)", "!write a literal", "!write a literal", "!write a literal", "!write a literal"},
		{"'id'", "?never true", "?never true", "?never true", "?never true"},
		{"req_method == 'post'", "?write \"POST\"", "?write \"POST\"", "?write \"POST\"", "?write \"POST\""},
		{"true || req_method == 'POST'", "?always true", "?always true", "?always true", "?always true"},
		{"wanted == 1", "!undeclared", "!undeclared", "!undeclared", "!undeclared"},
	}
	for _, tt := range tests {
		all := scopes(false)
		for name, want := range map[string]string{"service": tt.service, "early": tt.early, "endpoint": tt.endpoint, "backend": tt.backend} {
			e, err := all[name].Compile(tt.expr, Bounds{CostLimit: DefaultCostLimit})
			if part, failing := strings.CutPrefix(want, "!"); failing {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("%s, %s: %v, want an error with %q", name, tt.expr, err, part)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s, %s: %v", name, tt.expr, err)
				continue
			}
			wrong, mistakes := e.Doubts()
			doubts := fmt.Sprint(wrong, mistakes)
			if part, doubtful := strings.CutPrefix(want, "?"); doubtful {
				if doubts == "[] []" || !strings.Contains(doubts, part) {
					t.Errorf("%s, %s: the doubts are %s, want one with %q", name, tt.expr, doubts, part)
				}
				continue
			}
			ev := all[name].Begin(asked(t))
			holds, err := ev.Holds(t.Context(), e)
			ev.End()
			if fmt.Sprint(holds) != want || doubts != "[] []" {
				t.Errorf("%s, %s: %t, %v, doubts %s, want %s", name, tt.expr, holds, err, doubts, want)
			}
		}
	}
}

// TestWrong tells what lets pass what it seems to forbid from other mistakes.
func TestWrong(t *testing.T) {
	for expr, want := range map[string][2]int{
		"req_method != 'post'":             {1, 0},
		"req_method == 'post'":             {0, 1},
		"!('x-role' in req_headers)":       {1, 0},
		"'x-role' in req_headers":          {0, 1},
		"true":                             {0, 1},
		"req_method == 'GET' || 1 == 1":    {1, 0},
		"req_headers['X-Role'][0] == 'ab'": {0, 0},
	} {
		e, err := scopes(false)["endpoint"].Compile(expr, Bounds{CostLimit: DefaultCostLimit})
		if err != nil {
			t.Fatal(err)
		}
		if wrong, mistakes := e.Doubts(); len(wrong) != want[0] || len(mistakes) != want[1] {
			t.Errorf("%s: wrong %v, mistakes %v, want %v of them", expr, wrong, mistakes, want)
		}
	}
}

// TestNoop shows the answer that nobody decodes.
func TestNoop(t *testing.T) {
	all := scopes(true)
	for _, name := range []string{"endpoint", "backend"} {
		if _, err := all[name].Compile("resp_data.id == 7", Bounds{CostLimit: DefaultCostLimit}); err == nil {
			t.Errorf("%s: resp_data can be used with no-op", name)
		}
		e, err := all[name].Compile("resp_metadata_status == 201 && resp_metadata_headers.Etag[0] == '1'", Bounds{CostLimit: DefaultCostLimit})
		if err != nil {
			t.Fatal(err)
		}
		ev := all[name].Begin(asked(t))
		if holds, err := ev.Holds(t.Context(), e); !holds {
			t.Errorf("%s: %v, want that it holds", name, err)
		}
		ev.End()
	}
}

// TestPhases tells when an expression can be evaluated.
func TestPhases(t *testing.T) {
	for expr, want := range map[string]Phase{
		"now != ''":                             OnRequest,
		"req_path == 'JWT'":                     OnRequest,
		"JWT.sub == 'a' && now != ''":           OnToken,
		"resp_completed && req_method == 'GET'": OnResponse,
		"resp_data.id == 7":                     OnResponse,
	} {
		e, err := scopes(false)["endpoint"].Compile(expr, Bounds{CostLimit: DefaultCostLimit})
		if err != nil || e.Phase() != want || e.Data() != strings.Contains(expr, "resp_data") {
			t.Errorf("%s: %+v, %v, want the phase %d", expr, e, err, want)
		}
	}
}

// TestBounds keeps an expression within what it may do, at the start and at run time.
func TestBounds(t *testing.T) {
	scope := scopes(false)["early"]
	if _, err := scope.Compile("req_path.contains('x') && now.contains('y')", Bounds{CostLimit: 1}); err == nil || !strings.Contains(err.Error(), "raise cost_limit") {
		t.Errorf("%v, want that it costs too much at least", err)
	}
	e, err := scope.Compile("req_headers.all(a, req_headers.all(b, a != '' || b != ''))", Bounds{CostLimit: 5000})
	if err != nil {
		t.Fatal(err)
	}
	x := asked(t)
	for i := range 200 {
		x.Edit().SetHeader(fmt.Sprintf("X-H%d", i), "v")
	}
	ev := scope.Begin(x)
	if holds, err := ev.Holds(t.Context(), e); holds || err == nil {
		t.Errorf("%t, %v, want that it costs too much", holds, err)
	}
	ev.End()
	if e, err = scope.Compile("req_path.matches(req_headers['X-Role'][0])", Bounds{CostLimit: DefaultCostLimit, DynamicPatterns: true}); err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]bool{"^/v1/orders": true, "(": false, strings.Repeat("a", 2000): false} {
		x := testx.Request{Path: "/v1/orders", Header: gateway.Fields{{Name: "X-Role", Value: pattern}}}.Exchange(t)
		ev := scope.Begin(x)
		if holds, err := ev.Holds(t.Context(), e); holds != want || (err != nil) == want {
			t.Errorf("%.20s: %t, %v, want %t", pattern, holds, err, want)
		}
		ev.End()
	}
}

// TestTruth takes nothing but true for true.
func TestTruth(t *testing.T) {
	scope := scopes(false)["endpoint"]
	for _, expr := range []string{"JWT.sub", "JWT.n", "JWT.none", "JWT"} {
		e, err := scope.Compile(expr, Bounds{CostLimit: DefaultCostLimit})
		if err != nil {
			t.Fatal(err)
		}
		ev := scope.Begin(asked(t))
		if holds, _ := ev.Holds(t.Context(), e); holds {
			t.Errorf("%s holds", expr)
		}
		ev.End()
	}
}

// TestDecode says why an answer cannot be looked at.
func TestDecode(t *testing.T) {
	scope := scopes(false)["endpoint"]
	e, err := scope.Compile("resp_data.id == 7", Bounds{CostLimit: DefaultCostLimit})
	if err != nil {
		t.Fatal(err)
	}
	x := asked(t)
	x.Response.Body = body.FromBytes([]byte("{}")) // nobody has decoded it
	ev := scope.Begin(x)
	defer ev.End()
	holds, err := ev.Holds(t.Context(), e)
	if bad, ok := errors.AsType[*gateway.Error](err); holds || !ok || bad.Code != gateway.CodeInternal {
		t.Errorf("%t, %v, want the code %s", holds, err, gateway.CodeInternal)
	}
}

// TestConcurrent evaluates on many exchanges at once, for the race detector.
func TestConcurrent(t *testing.T) {
	scope := scopes(false)["early"]
	e, err := scope.Compile("req_headers.exists(h, h == 'X-Role') && req_querystring.page[0] == '2'", Bounds{CostLimit: DefaultCostLimit})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		x := asked(t)
		wg.Go(func() {
			for range 50 {
				ev := scope.Begin(x)
				if holds, err := ev.Holds(context.Background(), e); !holds {
					t.Errorf("it does not hold: %v", err)
				}
				ev.End()
			}
		})
	}
	wg.Wait()
}

// TestAllocations counts what several expressions cost on one exchange.
func TestAllocations(t *testing.T) {
	scope := scopes(false)["endpoint"]
	var list []*Expression
	for _, expr := range []string{"req_method == 'POST'", "'X-Role' in req_headers", "req_path.startsWith('/v1/')"} {
		e, err := scope.Compile(expr, Bounds{CostLimit: DefaultCostLimit})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	x, ctx := asked(t), t.Context()
	x.Edit().SetPath("/v1/orders")
	if n := testing.AllocsPerRun(100, func() {
		ev := scope.Begin(x)
		for _, e := range list {
			if holds, err := ev.Holds(ctx, e); !holds {
				t.Fatal(err)
			}
		}
		ev.End()
	}); n > 4 && !testx.Race {
		t.Errorf("%v allocations for three expressions, want at most 4", n)
	}
}
